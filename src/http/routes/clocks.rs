//! The sandbox's way to let time pass: every merchant has a clock of its own. A
//! `customer-id` header has no effect.

use std::time::Duration;

use actix_web::rt;
use actix_web::web::Data;

use crate::commands::clocks;
use crate::http::auth::Viewer;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::queries;
use crate::views::{AdvancedClockView, ClockView};

/// How long a move of the clock waits for what fell due.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(30);

/// `GET /sandbox/clock`.
pub(crate) async fn get(api: Data<AppState>, caller: Viewer) -> Result<Reply<ClockView>, ApiError> {
    let merchant = api.merchant_of(&caller.key_holder).await?;
    let ahead = queries::clock(&api.store, merchant)?;
    let now = ahead.shown_at(api.store.ledger_time());
    Ok(Reply::ok("Clock fetched successfully", ClockView::new(now, ahead)))
}

/// `POST /sandbox/clock/advance`. Answers when what fell due by that has been done, or
/// has taken [`CATCH_UP_TIMEOUT`].
pub(crate) async fn advance(api: Data<AppState>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
    let by = drafts::clocks::advance(&body);
    let time = by.as_ref().map_or(Duration::ZERO, |by| by.duration());
    let answer = api
        .act_as_merchant(
            &caller.key_holder,
            |tx, _policy, merchant| clocks::advance(tx, merchant, by),
            |moved, _viewing| {
                let clock = ClockView::new(moved.clock.now, moved.clock.ahead);
                Reply::ok(
                    "Clock advanced successfully",
                    AdvancedClockView::new(clock, moved.deliveries),
                )
            },
        )
        .await?;
    if let Some(limiter) = api.rate_limiter.as_ref().filter(|_| answer.is_first()) {
        limiter.pass(&caller.key_holder.key_hash, time);
    }
    // A merchant that is made by this has nothing that could be due.
    if let Some(merchant) = caller.key_holder.known() {
        let caught_up = api.webhooks.catch_up(merchant);
        // What a receiver that hangs keeps waiting longer is done meanwhile.
        drop(rt::time::timeout(CATCH_UP_TIMEOUT, caught_up).await);
    }
    Ok(answer)
}
