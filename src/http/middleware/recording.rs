//! Adds requests whose key is known to the request log (sandbox). Reading under
//! `/sandbox` is not recorded.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::Method;

use crate::clock::SystemClock;
use crate::domain::time::{Clock, Timestamp};
use crate::http::context::RequestContext;
use crate::http::envelope::REPLAYED;
use crate::http::sandbox::fault_book::Effect;
use crate::http::sandbox::request_log::{Answered, RequestLog};

/// Where the routes begin that show what happened.
const LOOKING: &str = "/sandbox/";

/// When a request came: what the log tells, and what its duration is counted from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    received_at: Timestamp,
    began: Instant,
}

impl Arrival {
    pub(crate) fn now() -> Self {
        Self {
            received_at: SystemClock.now(),
            began: Instant::now(),
        }
    }

    /// Microseconds since then.
    pub(crate) fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Keeps a request with its reply, which it leaves as it is.
pub(crate) fn keep(
    log: &RequestLog,
    call: &RequestContext,
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
fn is_kept(call: &RequestContext) -> bool {
    let is_looking = call.method == Method::GET && call.path().starts_with(LOOKING);
    call.key_hash.get().is_some() && !is_looking
}
