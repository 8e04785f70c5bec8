//! Loading a seed into a sandbox merchant.

use actix_web::web::Data;

use crate::commands::seeds;
use crate::http::auth::Viewer;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::views::{ClockView, SeedView};

/// `POST /sandbox/seed`, as the merchant of the key.
pub(crate) async fn load(api: Data<AppState>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
    let draft = drafts::seeds::seed(&body);
    api.act_as_merchant(
        &caller.key_holder,
        move |tx, policy, merchant| seeds::load(tx, policy, merchant, draft),
        |seeded, _viewing| {
            let clock = ClockView::new(seeded.clock.now, seeded.clock.ahead);
            let view = SeedView::new(seeded.customers, seeded.escrows, clock);
            Reply::created("Sandbox seeded successfully", view)
        },
    )
    .await
}
