//! Failures on purpose (sandbox): the next requests of a key under `/v1` are
//! answered with a chosen status, delayed, or cut off after the commit, as
//! `POST /sandbox/faults` asks.
//!
//! A fault is decided in the middleware, when the key is known and nothing else is:
//! what it hits is neither routed nor read. Which faults there are is in `book.rs`.

mod book;
mod pattern;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpResponse};
use serde::Serialize;
use serde_json::json;

pub use book::FaultBook;
pub(super) use book::{Effect, End, FaultDraft};
pub(super) use pattern::RoutePattern;

use super::api::Api;
use super::auth::{self, Viewer};
use super::body::JsonBody;
use super::call::Call;
use super::drafts;
use super::envelope::{Answer, ApiError, Reply};
use super::routes;
use book::{Asked, Fault};
use pattern::CONTRACT;

/// What a fault does to this request, if one hits it; it is counted then.
pub(super) fn effect_on(request: &ServiceRequest, api: &Api, call: &Call) -> Option<Effect> {
    if !api.faults.has_any() || !request.path().starts_with(CONTRACT) {
        return None;
    }
    let (_, key_hash) = auth::read_key(request.request(), api).ok()?;
    let customer = auth::read_customer(request.request(), call).ok().flatten();
    let asked = Asked {
        method: request.method().as_str(),
        path: request.path(),
        customer: customer.as_deref(),
    };
    let effect = api.faults.hit(&key_hash, asked)?;
    call.key_hash.get_or_init(|| key_hash);
    Some(effect)
}

/// Runs a request as the fault that hits it wants.
pub(super) async fn run(
    effect: Option<Effect>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(delay) = effect.and_then(|effect| effect.delay) {
        actix_web::rt::time::sleep(delay).await;
    }
    match effect.map(|effect| effect.end) {
        Some(End::Status(status)) => Ok(request.error_response(ApiError::Fault { status })),
        Some(End::CutAfterCommit | End::AsEver) | None => {
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
    }
}

impl Effect {
    /// The reply as it is sent, or what ends the connection in its place.
    pub(super) fn on_reply(self, response: HttpResponse) -> HttpResponse {
        match self.end {
            End::CutAfterCommit => response.set_body(BoxBody::new(NoReply)),
            End::Status(_) | End::AsEver => response,
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

/// A fault as its merchant sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FaultView {
    id: u64,
    route: Option<String>,
    customer_id: Option<String>,
    #[serde(flatten)]
    effect: EffectView,
    times: u32,
    remaining: u32,
}

/// What a fault does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EffectView {
    status: Option<u16>,
    delay_ms: Option<u64>,
    cut_after_commit: bool,
}

impl EffectView {
    pub(super) fn new(effect: Effect) -> Self {
        let millis = |delay: Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Self {
            status: match effect.end {
                End::Status(status) => Some(status.as_u16()),
                End::AsEver | End::CutAfterCommit => None,
            },
            delay_ms: effect.delay.map(millis),
            cut_after_commit: effect.end == End::CutAfterCommit,
        }
    }
}

impl FaultView {
    fn new(fault: &Fault) -> Self {
        let draft = &fault.draft;
        Self {
            id: fault.id,
            route: draft.route.as_ref().map(ToString::to_string),
            customer_id: draft.customer.as_ref().map(ToString::to_string),
            effect: EffectView::new(draft.effect),
            times: draft.times,
            remaining: fault.remaining,
        }
    }
}

/// `POST /sandbox/faults`, for the merchant. Faults are kept in memory; set within a
/// command, one is set once under an idempotency key like everything else.
pub(super) async fn set(api: Data<Api>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
    let draft = drafts::faults::fault(&body, &routes::routes(api.policy.mode));
    let (faults, key_hash) = (Arc::clone(&api.faults), caller.key_holder.key_hash);
    api.act_as_merchant(
        &caller.key_holder,
        move |_tx, _policy, _merchant| Ok(faults.set(key_hash, draft?)?),
        |fault, _viewing| Reply::created("Fault set successfully", FaultView::new(&fault)),
    )
    .await
}

/// `GET /sandbox/faults`: those of the merchant that have requests left to hit, in
/// the order they were set.
pub(super) async fn list(api: Data<Api>, caller: Viewer) -> Result<Reply<Vec<FaultView>>, ApiError> {
    let faults = api.faults.list(&caller.key_holder.key_hash);
    Ok(Reply::ok(
        "Faults fetched successfully",
        faults.iter().map(FaultView::new).collect(),
    ))
}

/// `DELETE /sandbox/faults`: clears the merchant's.
pub(super) async fn clear(api: Data<Api>, caller: Viewer) -> Result<Answer, ApiError> {
    let (faults, key_hash) = (Arc::clone(&api.faults), caller.key_holder.key_hash);
    api.act_as_merchant(
        &caller.key_holder,
        move |_tx, _policy, _merchant| Ok(faults.clear(&key_hash)),
        |cleared, _viewing| Reply::ok("Faults cleared successfully", json!({ "cleared": cleared })),
    )
    .await
}
