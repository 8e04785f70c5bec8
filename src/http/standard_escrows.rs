//! Routes of standard escrows (contract sections 4.2, 4.6.1).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::api::Api;
use super::auth::{ActingCustomer, ActingMerchant, ActingParty, Viewer};
use super::body::{JsonBody, JsonOrFormBody};
use super::envelope::{ApiError, Reply};
use super::query::Query;
use super::{drafts, files};
use crate::commands::{PartyActor, Policy, standard_escrows};
use crate::domain::ids::{EscrowId, PaymentToken};
use crate::domain::party::Party;
use crate::queries;
use crate::store::Tx;
use crate::wire::{DetailedEscrowView, EscrowListView, EscrowView};

/// `POST /v1/escrow/create`, as the seller.
pub(super) async fn create(
    api: Data<Api>,
    acting: ActingParty,
    mut body: JsonOrFormBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let draft = drafts::standard_escrow(&body);
    let pictures = files::pictures(&mut body, "imageUrl", api.limits.files_per_request_max);
    let (service, seller) = (api.clone(), acting.clone());
    let create = |images| async move {
        let command = |tx: &mut Tx<'_>, policy: &Policy, actor: &PartyActor| {
            standard_escrows::create(tx, policy, actor, draft, images)
        };
        service.act_as_party(&seller, command).await
    };
    let escrow = api.with_files(pictures, create).await?;
    let view = EscrowView::new(escrow, &api.viewing_as(&acting.party));
    Ok(Reply::created("Created successfully", view))
}

/// `PUT /v1/escrow/edit/{paymentToken}`, as the seller.
pub(super) async fn edit(
    api: Data<Api>,
    acting: ActingParty,
    token: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let draft = drafts::standard_escrows::edit(&body);
    let token = PaymentToken::named(&token);
    let pictures = files::pictures(&mut body, "imageUrl", api.limits.files_per_request_max);
    let (service, seller) = (api.clone(), acting.clone());
    let edit = |images| async move {
        let command = |tx: &mut Tx<'_>, policy: &Policy, actor: &PartyActor| {
            standard_escrows::edit(tx, policy, actor, token, draft, images)
        };
        service.act_as_party(&seller, command).await
    };
    let escrow = api.with_files(pictures, edit).await?;
    let view = EscrowView::new(escrow, &api.viewing_as(&acting.party));
    Ok(Reply::ok("Escrow updated successfully", view))
}

/// `PUT /v1/escrow/additional-fee/{paymentToken}`, as the merchant.
pub(super) async fn set_additional_fee(
    api: Data<Api>,
    acting: ActingMerchant,
    token: Path<String>,
    body: JsonBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let draft = drafts::standard_escrows::additional_fee(&body);
    let token = PaymentToken::named(&token);
    let escrow = api
        .act_as_merchant(acting.key_holder, move |tx, _policy, merchant| {
            standard_escrows::set_additional_fee(tx, merchant, token, draft)
        })
        .await?;
    let view = EscrowView::new(escrow, &api.viewing_as(&Party::Merchant));
    Ok(Reply::ok("Additional fee updated successfully", view))
}

/// `DELETE /v1/escrow/delete/{paymentToken}`, as the seller.
pub(super) async fn delete(api: Data<Api>, acting: ActingParty, token: Path<String>) -> Result<Reply<Value>, ApiError> {
    let token = PaymentToken::named(&token);
    api.act_as_party(&acting, move |tx, policy, actor| {
        standard_escrows::delete(tx, policy, actor, token)
    })
    .await?;
    Ok(Reply::ok("Escrow deleted successfully", json!({})))
}

/// `GET /v1/escrow/claim-funds/{paymentToken}`, as the seller: a GET that moves money.
pub(super) async fn claim(
    api: Data<Api>,
    acting: ActingParty,
    token: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    let token = PaymentToken::named(&token);
    let escrow = api
        .act_as_party(&acting, move |tx, policy, actor| {
            standard_escrows::claim(tx, policy, actor, token)
        })
        .await?;
    let view = EscrowView::new(escrow, &api.viewing_as(&acting.party));
    Ok(Reply::ok("Funds claimed successfully", view))
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
    let deal = api.deal_for(&viewer, &token)?;
    let view = EscrowView::of_deal(deal, &api.viewing(viewer.customer.as_ref()));
    Ok(Reply::ok("Escrow verified successfully", view))
}

/// `POST /v1/escrow/confirm-payment/{escrowId}`, as the buyer.
pub(super) async fn confirm_payment(
    api: Data<Api>,
    acting: ActingCustomer,
    escrow: Path<String>,
) -> Result<Reply<DetailedEscrowView>, ApiError> {
    let escrow = EscrowId::named(&escrow);
    let escrow = api
        .act(&acting, move |tx, policy, actor| {
            standard_escrows::confirm_payment(tx, policy, actor, escrow)
        })
        .await?;
    let view = DetailedEscrowView::new(escrow, &api.viewing(Some(&acting.customer)), api.policy.mode);
    Ok(Reply::ok("Escrow updated successfully", view))
}
