//! Routes of standard escrows (contract sections 4.2, 4.6.1).

use actix_web::web::{Data, Path};
use serde_json::json;

use crate::commands::standard_escrows;
use crate::domain::ids::{EscrowId, PaymentToken};
use crate::http::auth::{ActingCustomer, ActingMerchant, ActingParty, Viewer};
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::query::Query;
use crate::http::state::AppState;
use crate::http::{drafts, uploads};
use crate::queries;
use crate::views::{DetailedEscrowView, EscrowListView, EscrowView};

/// `POST /v1/escrow/create`, as the seller.
pub(crate) async fn create(
    api: Data<AppState>,
    acting: ActingParty,
    mut body: JsonOrFormBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::standard_escrow(&body);
    let pictures = uploads::pictures(&mut body, "imageUrl", api.limits.files_per_request_max);
    api.act_as_party_with_files(
        acting,
        pictures,
        |tx, policy, actor, images| standard_escrows::create(tx, policy, actor, draft, images),
        |escrow, viewing| Reply::created("Created successfully", EscrowView::new(escrow, viewing)),
    )
    .await
}

/// `PUT /v1/escrow/edit/{paymentToken}`, as the seller.
pub(crate) async fn edit(
    api: Data<AppState>,
    acting: ActingParty,
    token: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::standard_escrows::edit(&body);
    let token = PaymentToken::named(&token);
    let pictures = uploads::pictures(&mut body, "imageUrl", api.limits.files_per_request_max);
    api.act_as_party_with_files(
        acting,
        pictures,
        move |tx, policy, actor, images| standard_escrows::edit(tx, policy, actor, token, draft, images),
        |escrow, viewing| Reply::ok("Escrow updated successfully", EscrowView::new(escrow, viewing)),
    )
    .await
}

/// `PUT /v1/escrow/additional-fee/{paymentToken}`, as the merchant.
pub(crate) async fn set_additional_fee(
    api: Data<AppState>,
    acting: ActingMerchant,
    token: Path<String>,
    body: JsonBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::standard_escrows::additional_fee(&body);
    let token = PaymentToken::named(&token);
    api.act_as_merchant(
        &acting.key_holder,
        move |tx, _policy, merchant| standard_escrows::set_additional_fee(tx, merchant, token, draft),
        |escrow, viewing| Reply::ok("Additional fee updated successfully", EscrowView::new(escrow, viewing)),
    )
    .await
}

/// `DELETE /v1/escrow/delete/{paymentToken}`, as the seller.
pub(crate) async fn delete(api: Data<AppState>, acting: ActingParty, token: Path<String>) -> Result<Answer, ApiError> {
    let token = PaymentToken::named(&token);
    api.act_as_party(
        &acting,
        move |tx, policy, actor| standard_escrows::delete(tx, policy, actor, token),
        |(), _viewing| Reply::ok("Escrow deleted successfully", json!({})),
    )
    .await
}

/// `GET /v1/escrow/claim-funds/{paymentToken}`, as the seller: a GET that moves money.
pub(crate) async fn claim(api: Data<AppState>, acting: ActingParty, token: Path<String>) -> Result<Answer, ApiError> {
    let token = PaymentToken::named(&token);
    api.act_as_party(
        &acting,
        move |tx, policy, actor| standard_escrows::claim(tx, policy, actor, token),
        move |escrow, viewing| Reply::ok("Funds claimed successfully", EscrowView::new(escrow, viewing)),
    )
    .await
}

/// `GET /v1/escrow/transactions`, as either side.
pub(crate) async fn list(
    api: Data<AppState>,
    acting: ActingParty,
    query: Query,
) -> Result<Reply<EscrowListView>, ApiError> {
    let merchant = api.admit_party(&acting).await?;
    let (filter, page) = drafts::standard_escrows::list(&acting.party, &query)?;
    let list = queries::escrows(&api.store, merchant, &filter, page)?;
    let view = EscrowListView::new(list, &api.viewing_as(&acting.party));
    Ok(Reply::ok("Transaction fetched successfully", view))
}

/// `GET /v1/escrow/verify/{paymentToken}`: an escrow of any settlement type.
pub(crate) async fn verify(
    api: Data<AppState>,
    viewer: Viewer,
    token: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    let deal = api.deal_of(&viewer.key_holder, &token)?;
    let view = EscrowView::of_deal(deal, &api.viewing(viewer.customer.as_ref()));
    Ok(Reply::ok("Escrow verified successfully", view))
}

/// `POST /v1/escrow/confirm-payment/{escrowId}`, as the buyer.
pub(crate) async fn confirm_payment(
    api: Data<AppState>,
    acting: ActingCustomer,
    escrow: Path<String>,
) -> Result<Answer, ApiError> {
    let escrow = EscrowId::named(&escrow);
    let mode = api.policy.mode;
    api.act(
        &acting,
        move |tx, policy, actor| standard_escrows::confirm_payment(tx, policy, actor, escrow),
        move |escrow, viewing| {
            Reply::ok(
                "Escrow updated successfully",
                DetailedEscrowView::new(escrow, viewing, mode),
            )
        },
    )
    .await
}
