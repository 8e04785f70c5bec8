//! Routes of milestone escrows (contract section 4.1).

use actix_web::web::{Data, Path};

use crate::commands::milestone_escrows;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::{EscrowId, MilestoneId, PaymentToken};
use crate::http::auth::{ActingCustomer, Viewer};
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::views::{EscrowView, MilestoneView};

/// `POST /v1/escrow/milestone/create`, as the seller.
pub(crate) async fn create(api: Data<AppState>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
    let draft = drafts::milestone_escrow(&body);
    api.act(
        &acting,
        move |tx, policy, actor| milestone_escrows::create(tx, policy, actor, draft),
        move |escrow, viewing| {
            Reply::created(
                "Milestone escrow created successfully",
                EscrowView::new(escrow, viewing),
            )
        },
    )
    .await
}

/// `PUT /v1/escrow/milestone/edit/{paymentToken}`, as the seller.
pub(crate) async fn edit(
    api: Data<AppState>,
    acting: ActingCustomer,
    token: Path<String>,
    body: JsonBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::milestone_escrow(&body);
    let token = PaymentToken::named(&token);
    api.act(
        &acting,
        move |tx, policy, actor| milestone_escrows::edit(tx, policy, actor, token, draft),
        move |escrow, viewing| {
            Reply::ok(
                "Milestone escrow updated successfully",
                EscrowView::new(escrow, viewing),
            )
        },
    )
    .await
}

/// `PUT /v1/escrow/milestone/convert/{paymentToken}`, as the seller.
pub(crate) async fn convert(
    api: Data<AppState>,
    acting: ActingCustomer,
    token: Path<String>,
    body: JsonBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::standard_escrows::conversion(&body);
    let token = PaymentToken::named(&token);
    api.act(
        &acting,
        move |tx, policy, actor| milestone_escrows::convert(tx, policy, actor, token, draft),
        move |escrow, viewing| {
            Reply::ok(
                "Escrow converted to milestone successfully",
                EscrowView::new(escrow, viewing),
            )
        },
    )
    .await
}

/// `GET /v1/escrow/milestone/{paymentToken}`: no milestones for a standard escrow.
pub(crate) async fn list(
    api: Data<AppState>,
    viewer: Viewer,
    token: Path<String>,
) -> Result<Reply<Vec<MilestoneView>>, ApiError> {
    let milestones = match api.deal_of(&viewer.key_holder, &token)? {
        Deal::Escrow(escrow) => MilestoneView::list(escrow.plan),
        Deal::Vault(_) => Vec::new(),
    };
    Ok(Reply::ok("Milestones fetched successfully", milestones))
}

/// `POST /v1/escrow/milestone/confirm/{escrowId}/{milestoneId}`, as the buyer.
pub(crate) async fn confirm(
    api: Data<AppState>,
    acting: ActingCustomer,
    path: Path<(String, String)>,
) -> Result<Answer, ApiError> {
    let (escrow, milestone) = (EscrowId::named(&path.0), MilestoneId::named(&path.1));
    api.act(
        &acting,
        move |tx, policy, actor| milestone_escrows::confirm(tx, policy, actor, escrow, milestone),
        move |escrow, viewing| Reply::ok("Milestone confirmed successfully", EscrowView::new(escrow, viewing)),
    )
    .await
}
