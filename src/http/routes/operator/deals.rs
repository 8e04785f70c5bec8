//! Routes of operators' rulings on deals.

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands;
use crate::commands::operators::OperatorActor;
use crate::domain::escrow::dispute::{AskedRuling, Resolution};
use crate::domain::ids::{EscrowId, EscrowKey, OperatorId};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::http::auth::Caller;
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::refusals::{Refusals, Work};
use crate::http::routes::disputes;
use crate::http::routes::operator::acting::{ASKED, act};
use crate::http::routes::operator::fields::reason;
use crate::http::state::AppState;
use crate::views::{AsText, EscrowView, MajorUnits, Words};

/// The refusals of [`resolve`].
pub(super) const RESOLVE_REFUSALS: Refusals = disputes::RESOLVE_REFUSALS.in_live(&[RefusalKind::SamePerson]);

/// `POST /operator/deals/{escrowId}/resolve`: a ruling as the merchant's, by an operator.
pub(super) async fn resolve(
    state: Data<AppState>,
    caller: Caller,
    escrow: Path<String>,
    mut body: JsonOrFormBody,
) -> Result<Reply<RuledEscrowView>, ApiError> {
    let escrow = EscrowId::named(&escrow);
    let request = disputes::parse_resolution(&mut body, state.policy.load().terms_limits.description_chars_max);
    let agent = caller.agent();
    state
        .execute_with_files(
            caller,
            request,
            move |tx, policy, actor, request, files| {
                let merchant = actor.merchant;
                let actor = OperatorActor { merchant, agent };
                commands::disputes::resolve_as_operator(tx, policy, &actor, escrow, request, files.first().copied())
            },
            |outcome, context| {
                let message = outcome.asked.as_ref().map_or(disputes::RESOLVED, |_| ASKED);
                let view = RuledEscrowView {
                    escrow: EscrowView::new(outcome.escrow, context),
                    asked_ruling: outcome.asked.map(AskedRulingView::new),
                };
                Reply::ok(message, view)
            },
        )
        .await
}

/// The refusals of [`asked`].
pub(super) const ASKED_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::EscrowNotFound]]).with(Work::Reads);

/// `GET /operator/deals/{escrowId}/ruling`: what a first operator has asked for, or null.
pub(super) async fn asked(
    state: Data<AppState>,
    caller: Caller,
    escrow: Path<String>,
) -> Result<Reply<Option<AskedRulingView>>, ApiError> {
    let merchant = caller.merchant().ok_or(Refusal::EscrowNotFound)?;
    let key = EscrowKey::Id(EscrowId::named(&escrow));
    let asked = state.store.read(move |snapshot| match snapshot.deal(merchant, &key)? {
        Some(deal) => snapshot.asked_ruling(deal.id()).map(Some),
        None => Ok(None),
    });
    let asked = asked.await?.ok_or(Refusal::EscrowNotFound)?;
    Ok(Reply::ok(
        "Ruling fetched successfully",
        asked.map(AskedRulingView::new),
    ))
}

/// The refusals of [`retract`].
pub(super) const RETRACT_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::EscrowNotFound, RefusalKind::NothingAsked]]);

/// `POST /operator/deals/{escrowId}/retract`: ends what a first operator has asked for, and shows it.
pub(super) async fn retract(
    state: Data<AppState>,
    caller: Caller,
    escrow: Path<String>,
    body: JsonBody,
) -> Result<Reply<AskedRulingView>, ApiError> {
    let (id, reason) = (EscrowId::named(&escrow), reason(&body));
    act(
        &state,
        &caller,
        move |tx, _policy, actor| commands::disputes::retract(tx, actor, id, reason),
        |asked| Reply::success("Request retracted successfully", AskedRulingView::new(asked)),
    )
    .await
}

/// An escrow after the ruling of an operator, or after the request of the first of two for one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RuledEscrow")]
pub(super) struct RuledEscrowView {
    #[serde(flatten)]
    escrow: EscrowView,
    /// The ruling that now waits for a second operator. Null if the escrow is ruled on.
    asked_ruling: Option<AskedRulingView>,
}

/// A ruling that waits for a second operator.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AskedRuling")]
pub(super) struct AskedRulingView {
    #[schemars(with = "Words<Resolution>")]
    status: &'static str,
    seller_amount: Option<MajorUnits>,
    buyer_amount: Option<MajorUnits>,
    /// Null leaves the additional fee as the deal has it.
    additional_fee_refundable: Option<bool>,
    asked_by: AsText<OperatorId>,
}

impl AskedRulingView {
    fn new(asked: AskedRuling) -> Self {
        let (kind, amounts, additional_fee_refundable) = asked.ruling.parts();
        let (seller, buyer) = amounts.unzip();
        Self {
            status: kind.into_str(),
            seller_amount: seller.map(MajorUnits),
            buyer_amount: buyer.map(MajorUnits),
            additional_fee_refundable,
            asked_by: AsText(asked.by),
        }
    }
}
