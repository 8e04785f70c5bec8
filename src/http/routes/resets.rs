//! The route that resets a sandbox merchant.

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::{Policy, merchants};
use crate::domain::ids::MerchantId;
use crate::domain::party::Actor;
use crate::http::auth::Caller;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::own_task::in_own_task;
use crate::http::state::AppState;
use crate::store::Tx;
use crate::views::ViewContext;

/// `POST /sandbox/reset`. A `customer-id` header has no effect.
///
/// Clears the API key cache, which holds the key's old merchant, also if the client disconnects.
pub(crate) async fn reset(state: Data<AppState>, caller: Caller) -> Result<Reply<ResetView>, ApiError> {
    in_own_task(async move {
        let (key_hash, is_new) = (caller.key_hash, caller.merchant().is_none());
        let reset = move |tx: &mut Tx<'_>, _: &Policy, actor: &Actor| {
            // A merchant that this request created is empty.
            if is_new {
                return Ok(actor.merchant);
            }
            Ok(merchants::reset(tx, &key_hash, actor.merchant)?)
        };
        let render = |merchant, _: &ViewContext<'_>| Reply::ok("Sandbox reset successfully", ResetView::new(merchant));
        let reply = state.execute(&caller, reset, render).await;
        state.api_keys.invalidate_all();
        if reply.as_ref().is_ok_and(Reply::is_first) {
            state.faults.clear(&key_hash);
        }
        reply
    })
    .await
}

/// The new merchant, which the key belongs to from now on.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResetView {
    merchant_id: i64,
}

impl ResetView {
    /// Shows the new merchant.
    pub(crate) const fn new(merchant: MerchantId) -> Self {
        Self {
            merchant_id: merchant.0,
        }
    }
}
