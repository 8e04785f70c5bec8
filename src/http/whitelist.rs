//! Routes of whitelisted addresses (contract section 4.11).

use actix_web::web::{Data, Path};
use serde_json::json;

use super::api::Api;
use super::auth::ActingCustomer;
use super::body::JsonBody;
use super::drafts;
use super::envelope::{Answer, ApiError, Reply};
use crate::commands::whitelist;
use crate::domain::ids::WhitelistAddressId;
use crate::queries;
use crate::wire::WhitelistAddressView;

/// `GET /v1/whitelist-address`, as the customer.
pub(super) async fn list(api: Data<Api>, acting: ActingCustomer) -> Result<Reply<Vec<WhitelistAddressView>>, ApiError> {
    let merchant = api.admitted(&acting).await?;
    api.policy.check_processor()?;
    let addresses = queries::whitelist(&api.store, merchant, &acting.customer)?;
    let views = addresses.into_iter().map(WhitelistAddressView::new).collect();
    Ok(Reply::ok("Whitelisted addresses retrieved successfully", views))
}

/// `POST /v1/whitelist-address`, as the customer.
pub(super) async fn add(api: Data<Api>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
    let draft = drafts::payments::whitelist_address(&body);
    api.act(
        &acting,
        move |tx, policy, actor| whitelist::add(tx, policy, actor, draft),
        move |address, _viewing| {
            Reply::created(
                "Wallet address whitelisted successfully",
                WhitelistAddressView::new(address),
            )
        },
    )
    .await
}

/// `DELETE /v1/whitelist-address/{addressId}`, as the customer.
pub(super) async fn remove(api: Data<Api>, acting: ActingCustomer, address: Path<String>) -> Result<Answer, ApiError> {
    api.act(
        &acting,
        move |tx, policy, actor| whitelist::remove(tx, policy, actor, WhitelistAddressId::named(&address)),
        |(), _viewing| Reply::ok("Address removed successfully", json!({})),
    )
    .await
}
