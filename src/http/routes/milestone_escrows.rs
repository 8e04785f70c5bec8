//! Routes of milestone escrows (contract section 4.1).

use actix_web::web::{Data, Path};

use crate::commands::milestone_escrows::{self, ConversionRequest, MilestoneEscrowRequest};
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::ids::{EscrowId, MilestoneId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::refusal::RefusalKind;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::shared_fields::{MILESTONE_TERMS, MILESTONES, milestone_terms, milestones, staged_amount};
use crate::http::routes::standard_escrows::OF_THE_SELLER;
use crate::http::state::AppState;
use crate::views::{EscrowView, MilestoneView};

/// The request of [`create`] and of [`edit`].
pub(crate) const OFFER: RequestSpec = RequestSpec::of_body(&[&MILESTONE_TERMS, &[MILESTONES]]);
/// The request of [`convert`].
pub(crate) const CONVERSION: RequestSpec =
    RequestSpec::of_body(&[&[FieldSpec::optional("amount", Kind::SumOfMilestones), MILESTONES]]);

/// The refusals of those who may not sell, and of milestones.
const OFFERING: [RefusalKind; 3] = [
    RefusalKind::SellingDisabled,
    RefusalKind::TooFewMilestones,
    RefusalKind::MilestonesDoNotAddUp,
];

/// The refusals of [`create`].
pub(crate) const CREATE_REFUSALS: Refusals = Refusals::of(&[&OFFERING]);

/// `POST /v1/escrow/milestone/create`, as the seller.
pub(crate) async fn create(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<EscrowView>, ApiError> {
    let request = parse_milestone_escrow(&body, &state.policy.load().terms_limits);
    state
        .execute(
            &caller,
            move |tx, policy, actor| milestone_escrows::create(tx, policy, actor, request),
            move |escrow, context| {
                Reply::created(
                    "Milestone escrow created successfully",
                    EscrowView::new(escrow, context),
                )
            },
        )
        .await
}

/// The refusals of [`edit`].
pub(crate) const EDIT_REFUSALS: Refusals =
    Refusals::of(&[&OFFERING, &OF_THE_SELLER, &[RefusalKind::NotAMilestoneEscrow]]);

/// `PUT /v1/escrow/milestone/edit/{paymentToken}`, as the seller.
pub(crate) async fn edit(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
    body: JsonBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let request = parse_milestone_escrow(&body, &state.policy.load().terms_limits);
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| milestone_escrows::edit(tx, policy, actor, token, request),
            move |escrow, context| {
                Reply::ok(
                    "Milestone escrow updated successfully",
                    EscrowView::new(escrow, context),
                )
            },
        )
        .await
}

/// The refusals of [`convert`].
pub(crate) const CONVERT_REFUSALS: Refusals =
    Refusals::of(&[&OFFERING, &OF_THE_SELLER, &[RefusalKind::AlreadyAMilestoneEscrow]]);

/// `PUT /v1/escrow/milestone/convert/{paymentToken}`, as the seller.
pub(crate) async fn convert(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
    body: JsonBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let request = parse_conversion(&body, &state.policy.load().terms_limits);
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| milestone_escrows::convert(tx, policy, actor, token, request),
            move |escrow, context| {
                Reply::ok(
                    "Escrow converted to milestone successfully",
                    EscrowView::new(escrow, context),
                )
            },
        )
        .await
}

/// The refusals of [`list`].
pub(crate) const LIST_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::EscrowNotFound]]).with(Work::Reads);

/// `GET /v1/escrow/milestone/{paymentToken}`. The list is empty for a standard escrow and a
/// vault.
pub(crate) async fn list(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
) -> Result<Reply<Vec<MilestoneView>>, ApiError> {
    let milestones = match state.deal_of(&caller, &token).await? {
        Deal::Escrow(escrow) => MilestoneView::list(escrow.plan),
        Deal::Vault(_) => Vec::new(),
    };
    Ok(Reply::ok("Milestones fetched successfully", milestones))
}

/// The refusals of [`confirm`].
pub(crate) const CONFIRM_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::EscrowNotFound,
    RefusalKind::EscrowNotFunded,
    RefusalKind::AccessDenied,
    RefusalKind::MilestoneNotFound,
    RefusalKind::MilestoneAlreadyReleased,
    RefusalKind::ActionNotAllowed,
    RefusalKind::MilestonesOutOfOrder,
]]);

/// `POST /v1/escrow/milestone/confirm/{escrowId}/{milestoneId}`, as the buyer.
pub(crate) async fn confirm(
    state: Data<AppState>,
    caller: Caller,
    path: Path<(String, String)>,
) -> Result<Reply<EscrowView>, ApiError> {
    let (escrow, milestone) = (EscrowId::named(&path.0), MilestoneId::named(&path.1));
    state
        .execute_on_deal(
            &caller,
            escrow,
            move |tx, policy, actor| milestone_escrows::confirm(tx, policy, actor, escrow, milestone),
            move |escrow, context| Reply::ok("Milestone confirmed successfully", EscrowView::new(escrow, context)),
        )
        .await
}

/// Parses the request (contract section 4.1.1).
pub(crate) fn parse_milestone_escrow(body: &JsonBody, limits: &TermsLimits) -> Parsed<MilestoneEscrowRequest> {
    let fields = body.fields()?;
    Ok(MilestoneEscrowRequest {
        terms: milestone_terms(&fields, limits)?,
        milestones: milestones(&fields, limits)?,
    })
}

/// Parses the request (contract section 4.1.3).
fn parse_conversion(body: &JsonBody, limits: &TermsLimits) -> Parsed<ConversionRequest> {
    let fields = body.fields()?;
    let amount = fields
        .field("amount")
        .optional(|amount| staged_amount(amount, limits))?;
    amount.map_or(Ok(()), |amount| limits.check_amount(amount))?;
    Ok(ConversionRequest {
        amount,
        milestones: milestones(&fields, limits)?,
    })
}
