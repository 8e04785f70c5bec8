//! Adds requests to the request log (sandbox).
//!
//! The log leaves out requests without a valid key, routes that need no key except the one that
//! begins a checkout, reads under `/sandbox` and `/operator` (a client that polls the log would
//! fill it), and reads by the service's own pages.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};

use crate::clock::SystemClock;
use crate::domain::time::{Clock, Timestamp};
use crate::http::context::{Maker, RequestContext};
use crate::http::envelope::REPLAYED;
use crate::http::route::RouteFacts;
use crate::http::sandbox::fault_book::FaultEffect;
use crate::http::sandbox::request_log::{RecordedBody, RecordedRequest, RequestLog};

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

/// Adds a request and its reply to the log, and returns the reply unchanged. `facts` are
/// the facts of the request's route, if the router found one.
pub(crate) fn record(
    log: &RequestLog,
    context: &RequestContext,
    facts: Option<RouteFacts>,
    arrival: Arrival,
    fault: Option<FaultEffect>,
    response: HttpResponse,
) -> HttpResponse {
    let key_hash = context
        .key_hash
        .get()
        .filter(|_| !log.is_off() && is_recorded(facts, context));
    let Some(&key_hash) = key_hash else {
        return response;
    };
    let status = response.status().as_u16();
    let is_replay = response.headers().contains_key(REPLAYED);
    let recorded = |reply: &[u8]| RecordedRequest {
        id: context.id.clone(),
        key_hash,
        method: context.method.clone(),
        path: context.path_and_query().to_owned(),
        customer: context.customer.get().cloned(),
        request_body: context.body.get().map(|body| RecordedBody::new(body.text().as_bytes())),
        received_at: arrival.received_at,
        status,
        micros: arrival.micros(),
        is_replay,
        fault,
        reply_body: RecordedBody::new(reply),
        write_summaries: context.write_summaries(),
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

/// Returns true if the log records requests of a route. It also records requests without
/// a route, such as those that a fault answers.
fn is_recorded(facts: Option<RouteFacts>, context: &RequestContext) -> bool {
    facts.is_none_or(|facts| facts.is_recorded() && (facts.writes || context.maker == Maker::Client))
}
