//! Failures on purpose (sandbox): the next requests of a key under `/v1` are
//! answered with a chosen status, delayed, or cut off after the commit.
//!
//! A fault is decided as soon as the key is known: a request that it hits is neither
//! routed nor read.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpResponse};

use crate::http::auth;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::route::CONTRACT_PREFIX;
use crate::http::sandbox::fault_book::{FaultEffect, FaultEnding, IncomingRequest};
use crate::http::state::AppState;

/// Returns what a fault does to this request, if one hits it. The hit is counted.
pub(crate) fn effect_on(request: &ServiceRequest, state: &AppState, context: &RequestContext) -> Option<FaultEffect> {
    if !state.faults.has_any() || !request.path().starts_with(CONTRACT_PREFIX) {
        return None;
    }
    let (_, key_hash) = auth::read_key(request.request(), state).ok()?;
    let customer = auth::read_customer(request.request(), context).ok().flatten();
    let incoming = IncomingRequest {
        method: request.method().as_str(),
        path: request.path(),
        customer: customer.as_deref(),
    };
    let effect = state.faults.hit(&key_hash, incoming)?;
    context.key_hash.get_or_init(|| key_hash);
    Some(effect)
}

/// Runs a request as the fault that hits it wants.
pub(crate) async fn run(
    effect: Option<FaultEffect>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(delay) = effect.and_then(|effect| effect.delay) {
        actix_web::rt::time::sleep(delay).await;
    }
    match effect.map(|effect| effect.ending) {
        Some(FaultEnding::Status(status)) => Ok(request.error_response(ApiError::Fault { status })),
        Some(FaultEnding::CutAfterCommit | FaultEnding::Normal) | None => {
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
    }
}

impl FaultEffect {
    /// The reply as it is sent, or what ends the connection in its place.
    pub(crate) fn on_reply(self, response: HttpResponse) -> HttpResponse {
        match self.ending {
            FaultEnding::CutAfterCommit => response.set_body(BoxBody::new(NoReply)),
            FaultEnding::Status(_) | FaultEnding::Normal => response,
        }
    }
}

/// The body of a reply that never leaves. The server asks for the body before it
/// sends the head, and when the body fails it drops the connection with all that it
/// had not sent yet.
struct NoReply;

impl MessageBody for NoReply {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("cut off by a fault"))))
    }
}
