//! What happened (sandbox): the last requests of a key, with what came of each.
//!
//! Kept are those whose key is known, but for reading what is under `/sandbox`: to
//! look leaves no trace.

mod log;
mod view;

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::Method;
use actix_web::web::{Data, Path};

pub use log::{Kept, RequestLog};

use super::api::Api;
use super::auth::Viewer;
use super::call::Call;
use super::envelope::{ApiError, REPLAYED, Reply};
use super::faults::Effect;
use super::query::{self, Query};
use crate::clock::SystemClock;
use crate::domain::refusal::Refusal;
use crate::domain::time::{Clock, Timestamp};
use crate::queries;
use crate::wire::PageView;
use log::Answered;
use view::{RequestLineView, RequestView};

/// Where the routes begin that show what happened.
const LOOKING: &str = "/sandbox/";

/// When a request came: what the log tells, and what its duration is counted from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    received_at: Timestamp,
    began: Instant,
}

impl Arrival {
    pub(super) fn now() -> Self {
        Self {
            received_at: SystemClock.now(),
            began: Instant::now(),
        }
    }

    /// Microseconds since then.
    pub(super) fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Keeps a request with its reply, which it leaves as it is.
pub(super) fn keep(
    log: &RequestLog,
    call: &Call,
    arrival: Arrival,
    fault: Option<Effect>,
    response: HttpResponse,
) -> HttpResponse {
    if log.is_off() || !is_kept(call) {
        return response;
    }
    let answered = Answered {
        received_at: arrival.received_at,
        status: response.status().as_u16(),
        micros: arrival.micros(),
        is_replay: response.headers().contains_key(REPLAYED),
        fault,
    };
    response.map_body(|_head, body| match body.try_into_bytes() {
        Ok(reply) => {
            log.add(call, &reply, answered);
            BoxBody::new(reply)
        }
        Err(streamed) => {
            log.add(call, &[], answered);
            streamed
        }
    })
}

/// Whether a request is one to keep.
fn is_kept(call: &Call) -> bool {
    let is_looking = call.method == Method::GET && call.path().starts_with(LOOKING);
    call.key_hash.get().is_some() && !is_looking
}

/// `GET /sandbox/requests`, for the merchant: newest first.
pub(super) async fn list(
    api: Data<Api>,
    caller: Viewer,
    query: Query,
) -> Result<Reply<PageView<RequestLineView>>, ApiError> {
    let request = query::page(&query.fields().map_err(Refusal::from)?).map_err(Refusal::from)?;
    let page = log_of(&api)?.page(&caller.key_holder.key_hash, request);
    Ok(Reply::ok(
        "Requests fetched successfully",
        PageView::new(page, |request| RequestLineView::new(&request)),
    ))
}

/// `GET /sandbox/requests/{requestId}`, for the merchant: the request, the reply, and
/// what came of it.
pub(super) async fn get(api: Data<Api>, caller: Viewer, id: Path<String>) -> Result<Reply<RequestView>, ApiError> {
    let log = log_of(&api)?;
    let found = log.find(&caller.key_holder.key_hash, &id);
    let request = found.ok_or(ApiError::RequestNotFound {
        requests_kept: log.requests_max(),
    })?;
    let mut view = RequestView::new(&request);
    for caused in &request.caused {
        view.add_caused(queries::caused(&api.store, caused)?);
    }
    Ok(Reply::ok("Request fetched successfully", view))
}

/// Every service that has these routes keeps requests.
fn log_of(api: &Api) -> Result<&RequestLog, ApiError> {
    api.requests.as_deref().ok_or(ApiError::Internal)
}
