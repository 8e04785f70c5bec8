//! Routes of standard escrows (contract sections 4.2.1, 4.2.5, 4.6.1).

use actix_web::web::{Data, Path};

use super::api::Api;
use super::auth::{ActingCustomer, ActingParty, Viewer};
use super::body::JsonOrFormBody;
use super::envelope::{ApiError, Reply};
use super::views::{DetailedEscrowView, EscrowView};
use super::{drafts, files};
use crate::commands::{PartyActor, Policy, standard_escrows};
use crate::domain::ids::EscrowId;
use crate::store::Tx;

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
