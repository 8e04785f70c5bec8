//! Loading a seed into a sandbox merchant.

use actix_web::web::Data;

use super::api::Api;
use super::auth::Viewer;
use super::body::JsonBody;
use super::drafts;
use super::envelope::{Answer, ApiError, Reply};
use crate::commands::seeds;
use crate::wire::{ClockView, SeedView};

/// `POST /sandbox/seed`, as the merchant of the key.
pub(super) async fn load(api: Data<Api>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
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
