//! The route of the record of operators' acts.

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::domain::treasury::act::ActKind;
use crate::http::auth::Caller;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::query::{self, Query};
use crate::http::state::AppState;
use crate::store::{ActScope, RecordedAct};
use crate::views::{AsText, PageView, Words};

/// `GET /operator/acts`: the record, newest first: of the merchant that the header names, of those
/// that the operator is limited to, or of the whole deployment.
pub(super) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<ActView>>, ApiError> {
    let request = query::page(&query.fields()?)?;
    let mode = state.policy.load().mode;
    let (reader, scope) = match (caller.merchant(), mode) {
        (Some(merchant), _) => (merchant, ActScope::Of(merchant)),
        (None, Mode::Live) => (MerchantId::NONE, scope_of(&state, &caller).await?),
        (None, Mode::Sandbox) => {
            let merchant = state.merchant_of(&caller).await?;
            (merchant, ActScope::Of(merchant))
        }
    };
    let page = state
        .read_page(reader, query.walk(), request, move |snapshot, request| {
            snapshot.acts(&scope, request)
        })
        .await?;
    Ok(Reply::ok(
        "Acts fetched successfully",
        PageView::new(page, ActView::new),
    ))
}

/// Returns the acts that an operator may read who names no merchant.
async fn scope_of(state: &AppState, caller: &Caller) -> Result<ActScope, ApiError> {
    let Some(id) = caller.agent().operator else {
        return Ok(ActScope::All);
    };
    let operator = state.store.read(move |snapshot| snapshot.operator(id)).await?;
    let is_limited = operator.is_none_or(|operator| !operator.merchants.is_empty());
    Ok(if is_limited {
        ActScope::OfLimited(id)
    } else {
        ActScope::All
    })
}

/// An act of an operator.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActView {
    /// 1, 2, 3, ... of the merchant, or of the deployment.
    number: i64,
    /// Null for an act that concerns the whole deployment.
    merchant_id: Option<i64>,
    /// The operator's name. Null in a sandbox, for a payment provider's notice (`receipt_recorded`), and for
    /// a command on the machine itself.
    operator: Option<String>,
    #[schemars(with = "Words<ActKind>")]
    act: &'static str,
    /// The id of what it is about.
    subject: String,
    reason: Option<String>,
    address: Option<String>,
    /// The numbers of the transfers that it posted.
    transfers: Option<TransfersView>,
    created_at: AsText<Timestamp>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TransfersView {
    first: i64,
    last: i64,
}

impl ActView {
    fn new(act: RecordedAct) -> Self {
        Self {
            number: act.number,
            merchant_id: act.merchant.map(|merchant| merchant.0),
            operator: act.operator,
            act: act.kind.into_str(),
            subject: act.subject,
            reason: act.reason,
            address: act.address,
            transfers: act.transfers.map(|(first, last)| TransfersView { first, last }),
            created_at: AsText(act.at),
        }
    }
}
