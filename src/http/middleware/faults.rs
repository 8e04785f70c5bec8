//! Applies the faults that merchants have set (sandbox). A fault answers a key's next
//! requests under `/v1` with a chosen status, delays them, or closes their connection after
//! the commit.
//!
//! The middleware picks the fault as soon as it knows the key, before the request is routed
//! and before its body is read.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpResponse};

use crate::http::auth;
use crate::http::connections::Phase;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::route::CONTRACT_PREFIX;
use crate::http::sandbox::fault_book::{FaultEffect, FaultEnding, IncomingRequest};
use crate::http::state::AppState;

/// Returns the effect of the fault that hits this request, if any, and counts the hit.
pub(crate) fn effect_on(request: &ServiceRequest, state: &AppState, context: &RequestContext) -> Option<FaultEffect> {
    // A browser asks by OPTIONS before a request, which is then the one that a fault is for.
    let is_meant = request.path().starts_with(CONTRACT_PREFIX) && request.method() != Method::OPTIONS;
    if !state.faults.has_any() || !is_meant {
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

/// Runs a request with the effect of the fault that hits it, if any.
pub(crate) async fn run(
    effect: Option<FaultEffect>,
    request: ServiceRequest,
    context: &RequestContext,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(delay) = effect.and_then(|effect| effect.delay) {
        context.enter(Phase::Delay);
        actix_web::rt::time::sleep(delay).await;
        context.enter(Phase::Handler);
    }
    match effect.map(|effect| effect.ending) {
        Some(FaultEnding::Status(status)) => Ok(request.error_response(ApiError::Fault { status })),
        Some(FaultEnding::InFlight) => Ok(request.error_response(ApiError::IdempotencyKeyInFlight)),
        Some(FaultEnding::CutAfterCommit | FaultEnding::Normal) | None => {
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
    }
}

impl FaultEffect {
    /// Returns the reply, or one that makes the server close the connection in its place.
    pub(crate) fn apply_to_reply(self, response: HttpResponse) -> HttpResponse {
        match self.ending {
            FaultEnding::CutAfterCommit => response.set_body(BoxBody::new(NoReply)),
            FaultEnding::Status(_) | FaultEnding::InFlight | FaultEnding::Normal => response,
        }
    }
}

/// A body that fails at once. The server polls the body before it sends the head. When the
/// body fails, the server drops the connection without sending the head.
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
