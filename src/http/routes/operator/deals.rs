//! Routes of the rulings that wait for a second operator.

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::disputes;
use crate::domain::escrow::dispute::{AskedRuling, Resolution};
use crate::domain::ids::{EscrowId, EscrowKey, OperatorId};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::refusals::Refusals;
use crate::http::routes::operator::acting::act;
use crate::http::routes::operator::fields::reason;
use crate::http::state::AppState;
use crate::views::{AsText, MajorUnits, Words};

/// The refusals of [`asked`].
pub(super) const ASKED_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::EscrowNotFound]]);

/// `GET /operator/deals/{escrowId}/ruling`: what a first operator has asked for, or null.
pub(super) async fn asked(
    state: Data<AppState>,
    caller: Caller,
    escrow: Path<String>,
) -> Result<Reply<Option<AskedRulingView>>, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
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
        move |tx, _policy, actor| disputes::retract(tx, actor, id, reason),
        |asked| Reply::success("Request retracted successfully", AskedRulingView::new(asked)),
    )
    .await
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
