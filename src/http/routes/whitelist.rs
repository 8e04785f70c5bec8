//! Routes of whitelisted addresses (contract section 4.11).

use actix_web::web::{Data, Path};
use serde_json::json;

use crate::commands::whitelist;
use crate::domain::ids::WhitelistAddressId;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::state::AppState;
use crate::views::WhitelistAddressView;

/// `GET /v1/whitelist-address`, as the customer.
pub(crate) async fn list(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    let merchant = state.admit(&caller).await?;
    state.policy.check_processor()?;
    let addresses = state
        .store
        .read(|snapshot| snapshot.whitelist(merchant, caller.customer()))?;
    let views: Vec<_> = addresses.into_iter().map(WhitelistAddressView::new).collect();
    Ok(Reply::ok("Whitelisted addresses retrieved successfully", views))
}

/// `POST /v1/whitelist-address`, as the customer.
pub(crate) async fn add(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let draft = drafts::payments::whitelist_address(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| whitelist::add(tx, policy, actor, draft),
            move |address, _context| {
                Reply::created(
                    "Wallet address whitelisted successfully",
                    WhitelistAddressView::new(address),
                )
            },
        )
        .await
}

/// `DELETE /v1/whitelist-address/{addressId}`, as the customer.
pub(crate) async fn remove(state: Data<AppState>, caller: Caller, address: Path<String>) -> Result<Reply, ApiError> {
    state
        .execute(
            &caller,
            move |tx, policy, actor| whitelist::remove(tx, policy, actor, WhitelistAddressId::named(&address)),
            |(), _context| Reply::ok("Address removed successfully", json!({})),
        )
        .await
}
