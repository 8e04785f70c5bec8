//! Routes of whitelisted addresses (contract section 4.11).

use actix_web::web::{Data, Path};
use serde_json::json;

use crate::commands::whitelist;
use crate::domain::ids::WhitelistAddressId;
use crate::http::auth::ActingCustomer;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::queries;
use crate::views::WhitelistAddressView;

/// `GET /v1/whitelist-address`, as the customer.
pub(crate) async fn list(
    api: Data<AppState>,
    acting: ActingCustomer,
) -> Result<Reply<Vec<WhitelistAddressView>>, ApiError> {
    let merchant = api.admitted(&acting).await?;
    api.policy.check_processor()?;
    let addresses = queries::whitelist(&api.store, merchant, &acting.customer)?;
    let views = addresses.into_iter().map(WhitelistAddressView::new).collect();
    Ok(Reply::ok("Whitelisted addresses retrieved successfully", views))
}

/// `POST /v1/whitelist-address`, as the customer.
pub(crate) async fn add(api: Data<AppState>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
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
pub(crate) async fn remove(
    api: Data<AppState>,
    acting: ActingCustomer,
    address: Path<String>,
) -> Result<Answer, ApiError> {
    api.act(
        &acting,
        move |tx, policy, actor| whitelist::remove(tx, policy, actor, WhitelistAddressId::named(&address)),
        |(), _viewing| Reply::ok("Address removed successfully", json!({})),
    )
    .await
}
