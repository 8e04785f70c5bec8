//! Routes of a sandbox merchant's own clock. A `customer-id` header has no effect.

use std::time::Duration;

use actix_web::rt;
use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::{Policy, clocks, intents};
use crate::domain::ids::MerchantId;
use crate::domain::invalid::Parsed;
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::sandbox::span::Span;
use crate::domain::time::Timestamp;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::own_task::in_own_task;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::state::AppState;
use crate::store::Tx;
use crate::views::AsText;

/// The longest time that an advance waits for the deliveries that it made due.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// The request of [`advance`].
pub(crate) const ADVANCE: RequestSpec = RequestSpec::of_body(&[&[FieldSpec::required("by", Kind::Span)]]);

/// `GET /sandbox/clock`.
pub(crate) async fn get(state: Data<AppState>, caller: Caller) -> Result<Reply<ClockView>, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
    let ahead = state.store.read(move |snapshot| snapshot.clock_of(merchant)).await?;
    let now = ahead.shown_at(state.store.ledger_time());
    Ok(Reply::ok("Clock fetched successfully", ClockView::new(now, ahead)))
}

/// `POST /sandbox/clock/advance`. Replies after an attempt for every delivery that the
/// advance made due, or after [`FLUSH_TIMEOUT`].
///
/// Does what fell due also if the client disconnects.
pub(crate) async fn advance(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<AdvancedClockView>, ApiError> {
    let by = parse_advance(&body);
    let time = by.as_ref().map_or(Duration::ZERO, |by| by.duration());
    in_own_task(async move {
        let reply = state
            .execute(
                &caller,
                |tx, policy, actor| clocks::advance(tx, policy, actor.merchant, by),
                |moved, _context| {
                    let clock = ClockView::new(moved.clock.now, moved.clock.ahead);
                    Reply::ok(
                        "Clock advanced successfully",
                        AdvancedClockView::new(clock, moved.deliveries),
                    )
                },
            )
            .await?;
        if reply.is_first() {
            state.rate_limiter.advance(&caller.key_hash, time);
        }
        // A merchant that this request created has no deliveries, and nothing that is due.
        if let Some(merchant) = caller.merchant() {
            do_what_is_due(&state, merchant).await;
        }
        Ok(reply)
    })
    .await
}

/// Does what fell due when a merchant's clock was moved: settles withdrawals, and attempts the
/// deliveries. Ends after [`FLUSH_TIMEOUT`], and then the deliverer makes the remaining attempts.
pub(crate) async fn do_what_is_due(state: &AppState, merchant: MerchantId) {
    settle_rest(state, merchant).await;
    drop(rt::time::timeout(FLUSH_TIMEOUT, state.webhooks.flush(merchant)).await);
}

/// Settles what is due behind the first commands' worth, which the advance has settled. After a
/// failure the background does so.
async fn settle_rest(state: &AppState, merchant: MerchantId) {
    let settle = move |tx: &mut Tx<'_>, policy: &Policy| {
        tx.act_for(merchant)?;
        intents::settle_due(tx, policy, merchant)
    };
    while let Ok(intents::SETTLED_MAX) = state.write(settle).await {}
}

/// Parses the span by which a clock is advanced.
fn parse_advance(body: &JsonBody) -> Parsed<Span> {
    body.fields()?.field("by").span()
}

/// The merchant's time, and its offset from ledger time.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClockView {
    now: AsText<Timestamp>,
    offset_seconds: i64,
}

/// A clock after it was advanced, and the number of deliveries that became due.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AdvancedClockView {
    #[serde(flatten)]
    clock: ClockView,
    deliveries: u64,
}

impl AdvancedClockView {
    /// Shows a clock with the number of deliveries.
    pub(crate) const fn new(clock: ClockView, deliveries: u64) -> Self {
        Self { clock, deliveries }
    }
}

impl ClockView {
    /// Shows a clock with this time and offset.
    pub(crate) fn new(now: Timestamp, offset: ClockOffset) -> Self {
        Self {
            now: AsText(now),
            offset_seconds: offset.seconds(),
        }
    }
}
