//! Routes of standard escrows (contract sections 4.2, 4.6.1).

use actix_web::web::{Data, Path};
use serde_json::json;

use super::api::Api;
use super::auth::{ActingCustomer, ActingMerchant, ActingParty, Viewer};
use super::body::{JsonBody, JsonOrFormBody};
use super::envelope::{Answer, ApiError, Reply};
use super::query::Query;
use super::{drafts, files};
use crate::commands::standard_escrows;
use crate::domain::ids::{EscrowId, PaymentToken};
use crate::queries;
use crate::wire::{DetailedEscrowView, EscrowListView, EscrowView};

/// `POST /v1/escrow/create`, as the seller.
pub(super) async fn create(api: Data<Api>, acting: ActingParty, mut body: JsonOrFormBody) -> Result<Answer, ApiError> {
    let draft = drafts::standard_escrow(&body);
    let pictures = files::pictures(&mut body, "imageUrl", api.limits.files_per_request_max);
    api.act_as_party_with_files(
        acting,
        pictures,
        |tx, policy, actor, images| standard_escrows::create(tx, policy, actor, draft, images),
        |escrow, viewing| Reply::created("Created successfully", EscrowView::new(escrow, viewing)),
    )
    .await
}

/// `PUT /v1/escrow/edit/{paymentToken}`, as the seller.
pub(super) async fn edit(
    api: Data<Api>,
    acting: ActingParty,
    token: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::standard_escrows::edit(&body);
    let token = PaymentToken::named(&token);
    let pictures = files::pictures(&mut body, "imageUrl", api.limits.files_per_request_max);
    api.act_as_party_with_files(
        acting,
        pictures,
        move |tx, policy, actor, images| standard_escrows::edit(tx, policy, actor, token, draft, images),
        |escrow, viewing| Reply::ok("Escrow updated successfully", EscrowView::new(escrow, viewing)),
    )
    .await
}

/// `PUT /v1/escrow/additional-fee/{paymentToken}`, as the merchant.
pub(super) async fn set_additional_fee(
    api: Data<Api>,
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
pub(super) async fn delete(api: Data<Api>, acting: ActingParty, token: Path<String>) -> Result<Answer, ApiError> {
    let token = PaymentToken::named(&token);
    api.act_as_party(
        &acting,
        move |tx, policy, actor| standard_escrows::delete(tx, policy, actor, token),
        |(), _viewing| Reply::ok("Escrow deleted successfully", json!({})),
    )
    .await
}

/// `GET /v1/escrow/claim-funds/{paymentToken}`, as the seller: a GET that moves money.
pub(super) async fn claim(api: Data<Api>, acting: ActingParty, token: Path<String>) -> Result<Answer, ApiError> {
    let token = PaymentToken::named(&token);
    api.act_as_party(
        &acting,
        move |tx, policy, actor| standard_escrows::claim(tx, policy, actor, token),
        move |escrow, viewing| Reply::ok("Funds claimed successfully", EscrowView::new(escrow, viewing)),
    )
    .await
}

/// `GET /v1/escrow/transactions`, as either side.
pub(super) async fn list(api: Data<Api>, acting: ActingParty, query: Query) -> Result<Reply<EscrowListView>, ApiError> {
    let merchant = api.admitted_party(&acting).await?;
    let (filter, page) = drafts::standard_escrows::list(&acting.party, &query)?;
    let list = queries::escrows(&api.store, merchant, &filter, page)?;
    let view = EscrowListView::new(list, &api.viewing_as(&acting.party));
    Ok(Reply::ok("Transaction fetched successfully", view))
}

/// `GET /v1/escrow/verify/{paymentToken}`: an escrow of any settlement type.
pub(super) async fn verify(api: Data<Api>, viewer: Viewer, token: Path<String>) -> Result<Reply<EscrowView>, ApiError> {
    let deal = api.deal_of(&viewer.key_holder, &token)?;
    let view = EscrowView::of_deal(deal, &api.viewing(viewer.customer.as_ref()));
    Ok(Reply::ok("Escrow verified successfully", view))
}

/// `POST /v1/escrow/confirm-payment/{escrowId}`, as the buyer.
pub(super) async fn confirm_payment(
    api: Data<Api>,
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
