//! Routes of milestone escrows (contract section 4.1).

use actix_web::web::{Data, Path};

use super::api::Api;
use super::auth::{ActingCustomer, Viewer};
use super::body::JsonBody;
use super::drafts;
use super::envelope::{ApiError, Reply};
use super::views::{EscrowView, MilestoneView};
use crate::commands::milestone_escrows;
use crate::domain::ids::{EscrowId, MilestoneId, PaymentToken};
use crate::domain::refusal::Refusal;
use crate::queries;

/// `POST /v1/escrow/milestone/create`, as the seller.
pub(super) async fn create(
    api: Data<Api>,
    ActingCustomer(actor): ActingCustomer,
    body: JsonBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let draft = drafts::milestone_escrow(&body);
    let seller = actor.customer.clone();
    let escrow = api
        .write(move |tx, policy| milestone_escrows::create(tx, policy, &actor, draft))
        .await?;
    let view = EscrowView::new(escrow, Some(&seller), &api.currency);
    Ok(Reply::created("Milestone escrow created successfully", view))
}

/// `PUT /v1/escrow/milestone/edit/{paymentToken}`, as the seller.
pub(super) async fn edit(
    api: Data<Api>,
    ActingCustomer(actor): ActingCustomer,
    token: Path<String>,
    body: JsonBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let draft = drafts::milestone_escrow(&body);
    let token = PaymentToken::named(&token);
    let seller = actor.customer.clone();
    let escrow = api
        .write(move |tx, policy| milestone_escrows::edit(tx, policy, &actor, token, draft))
        .await?;
    let view = EscrowView::new(escrow, Some(&seller), &api.currency);
    Ok(Reply::ok("Milestone escrow updated successfully", view))
}

/// `GET /v1/escrow/milestone/{paymentToken}`: no milestones for a standard escrow.
pub(super) async fn list(
    api: Data<Api>,
    viewer: Viewer,
    token: Path<String>,
) -> Result<Reply<Vec<MilestoneView>>, ApiError> {
    let token = PaymentToken::named(&token);
    let escrow = queries::escrow_by_token(&api.store, viewer.merchant, token)?.ok_or(Refusal::EscrowNotFound)?;
    Ok(Reply::ok(
        "Milestones fetched successfully",
        MilestoneView::list(escrow.milestones()),
    ))
}

/// `POST /v1/escrow/milestone/confirm/{escrowId}/{milestoneId}`, as the buyer.
pub(super) async fn confirm(
    api: Data<Api>,
    ActingCustomer(actor): ActingCustomer,
    path: Path<(String, String)>,
) -> Result<Reply<EscrowView>, ApiError> {
    let (escrow, milestone) = (EscrowId::named(&path.0), MilestoneId::named(&path.1));
    let buyer = actor.customer.clone();
    let escrow = api
        .write(move |tx, policy| milestone_escrows::confirm(tx, policy, &actor, escrow, milestone))
        .await?;
    let view = EscrowView::new(escrow, Some(&buyer), &api.currency);
    Ok(Reply::ok("Milestone confirmed successfully", view))
}
