//! Adds requests to the request log (sandbox).
//!
//! Two kinds of request are left out: those without a valid key, and reads of the
//! sandbox's own routes, which would fill the log with looks at the log.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::Method;

use crate::clock::SystemClock;
use crate::domain::time::{Clock, Timestamp};
use crate::http::context::RequestContext;
use crate::http::envelope::REPLAYED;
use crate::http::sandbox::fault_book::FaultEffect;
use crate::http::sandbox::request_log::{RecordedBody, RecordedRequest, RequestLog};

/// The paths of the sandbox's own routes start with it.
const SANDBOX_PREFIX: &str = "/sandbox/";

/// The moment a request arrived, on the system's clock and on the monotonic clock.
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

    /// Returns the microseconds since the arrival.
    pub(crate) fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Adds a request and its reply to the log, and returns the reply unchanged.
pub(crate) fn record(
    log: &RequestLog,
    call: &RequestContext,
    arrival: Arrival,
    fault: Option<FaultEffect>,
    response: HttpResponse,
) -> HttpResponse {
    let Some(&key_hash) = call.key_hash.get().filter(|_| !log.is_off() && !reads_sandbox(call)) else {
        return response;
    };
    let status = response.status().as_u16();
    let is_replay = response.headers().contains_key(REPLAYED);
    let recorded = |reply: &[u8]| RecordedRequest {
        id: call.id.clone(),
        key_hash,
        method: call.method.clone(),
        path: call.path_and_query().to_owned(),
        customer: call.customer.get().cloned(),
        request_body: call.body.get().map(|body| RecordedBody::new(body.text().as_bytes())),
        received_at: arrival.received_at,
        status,
        micros: arrival.micros(),
        is_replay,
        fault,
        reply_body: RecordedBody::new(reply),
        write_summaries: call.caused(),
    };
    response.map_body(|_head, body| match body.try_into_bytes() {
        Ok(reply) => {
            log.add(recorded(&reply));
            BoxBody::new(reply)
        }
        Err(streamed) => {
            log.add(recorded(&[]));
            streamed
        }
    })
}

/// Returns true for requests that only show what happened.
fn reads_sandbox(call: &RequestContext) -> bool {
    call.method == Method::GET && call.path().starts_with(SANDBOX_PREFIX)
}
