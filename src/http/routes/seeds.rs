//! Loading a seed into a sandbox merchant.

use actix_web::web::Data;

use crate::commands::seeds;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::state::AppState;
use crate::views::{ClockView, SeedView};

/// `POST /sandbox/seed`, as the merchant of the key.
pub(crate) async fn load(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let draft = drafts::seeds::seed(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| seeds::load(tx, policy, actor.merchant, draft),
            |seeded, _context| {
                let clock = ClockView::new(seeded.clock.now, seeded.clock.ahead);
                let view = SeedView::new(seeded.customers, seeded.escrows, clock);
                Reply::created("Sandbox seeded successfully", view)
            },
        )
        .await
}
