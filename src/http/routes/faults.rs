//! Faults, set by the merchant (sandbox).

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use serde::Serialize;
use serde_json::json;

use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::routes;
use crate::http::sandbox::fault_book::{Fault, FaultEffect, FaultEnding};
use crate::http::state::AppState;

/// A fault as its merchant sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FaultView {
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
pub(crate) struct EffectView {
    status: Option<u16>,
    delay_ms: Option<u64>,
    cut_after_commit: bool,
}

impl EffectView {
    pub(crate) fn new(effect: FaultEffect) -> Self {
        let millis = |delay: Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Self {
            status: match effect.ending {
                FaultEnding::Status(status) => Some(status.as_u16()),
                FaultEnding::Normal | FaultEnding::CutAfterCommit => None,
            },
            delay_ms: effect.delay.map(millis),
            cut_after_commit: effect.ending == FaultEnding::CutAfterCommit,
        }
    }
}

impl FaultView {
    fn new(fault: &Fault) -> Self {
        let request = &fault.request;
        Self {
            id: fault.id,
            route: request.route.as_ref().map(ToString::to_string),
            customer_id: request.customer.as_ref().map(ToString::to_string),
            effect: EffectView::new(request.effect),
            times: request.times,
            remaining: fault.remaining,
        }
    }
}

/// `POST /sandbox/faults`, for the merchant. Faults are kept in memory; set within a
/// command, one is set once under an idempotency key like everything else.
pub(crate) async fn set(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let draft = drafts::faults::fault(&body, &routes::routes(state.policy.mode));
    let (faults, key_hash) = (Arc::clone(&state.faults), caller.key_hash);
    state
        .execute(
            &caller,
            move |_tx, _policy, _merchant| Ok(faults.set(key_hash, draft?)?),
            |fault, _context| Reply::created("Fault set successfully", FaultView::new(&fault)),
        )
        .await
}

/// `GET /sandbox/faults`: those of the merchant that have requests left to hit, in
/// the order they were set.
pub(crate) async fn list(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    let faults = state.faults.list(&caller.key_hash);
    let faults: Vec<FaultView> = faults.iter().map(FaultView::new).collect();
    Ok(Reply::ok("Faults fetched successfully", faults))
}

/// `DELETE /sandbox/faults`: clears the merchant's.
pub(crate) async fn clear(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    let (faults, key_hash) = (Arc::clone(&state.faults), caller.key_hash);
    state
        .execute(
            &caller,
            move |_tx, _policy, _merchant| Ok(faults.clear(&key_hash)),
            |cleared, _context| Reply::ok("Faults cleared successfully", json!({ "cleared": cleared })),
        )
        .await
}
