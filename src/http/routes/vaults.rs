//! Routes of vaults (contract section 4.8).

use actix_web::web::{Data, Path};

use crate::commands::{Policy, vaults};
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::vault::{
    PARTICIPANTS_MIN, STAKE_MIN, StakeRequest, VaultRequest, check_participant_count, check_stake,
};
use crate::domain::ids::{CustomerId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec};
use crate::http::routes::shared_fields::{CATEGORY_ID, DESCRIPTION, PURPOSE, description, short_line};
use crate::http::state::AppState;
use crate::views::EscrowView;

/// The request of [`create`].
pub(crate) const VAULT: RequestSpec = RequestSpec::of_body(&[&[
    PURPOSE,
    DESCRIPTION,
    CATEGORY_ID,
    FieldSpec::required(
        "participants",
        Kind::ListOfAtLeast(
            PARTICIPANTS_MIN,
            &Kind::open(&[&[
                FieldSpec::required("customerId", Kind::CustomerId),
                FieldSpec::required("amount", Kind::Amount(STAKE_MIN)),
            ]]),
            ListMax::Participants,
        ),
    )
    .example(r#"[{"customerId":"ada","amount":1000},{"customerId":"ben","amount":1000}]"#),
]]);
/// The request of [`declare_winner`].
pub(crate) const WINNER: RequestSpec = RequestSpec::of_body(&[&[FieldSpec::required("winnerId", Kind::CustomerId)]]);

/// The refusals of the end of a vault.
const SETTLING: [RefusalKind; 4] = [
    RefusalKind::EscrowNotFound,
    RefusalKind::VaultOfAnotherMerchant,
    RefusalKind::NotAVault,
    RefusalKind::VaultAlreadySettled,
];

/// The refusals of [`create`].
pub(crate) const CREATE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::TooFewParticipants,
    RefusalKind::ParticipantTwice,
    RefusalKind::PotTooSmall,
    RefusalKind::TooMuchMoney,
    RefusalKind::ParticipantUnknown,
    RefusalKind::ParticipantBlocked,
    RefusalKind::StakeNotCovered,
]]);

/// `POST /v1/escrow/vault/create`, as the merchant.
pub(crate) async fn create(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<EscrowView>, ApiError> {
    let request = parse_vault(&body, &state.policy.load());
    state
        .execute(
            &caller,
            move |tx, policy, actor| vaults::create(tx, policy, actor.merchant, request),
            |vault, context| {
                Reply::created(
                    "Vault escrow created successfully",
                    EscrowView::of_vault(vault, context),
                )
            },
        )
        .await
}

/// The refusals of [`declare_winner`].
pub(crate) const DECLARE_WINNER_REFUSALS: Refusals = Refusals::of(&[&SETTLING, &[RefusalKind::WinnerNotAParticipant]]);

/// `POST /v1/escrow/vault/winner/{paymentToken}`, as the merchant.
pub(crate) async fn declare_winner(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
    body: JsonBody,
) -> Result<Reply<EscrowView>, ApiError> {
    let winner = parse_winner(&body);
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| vaults::declare_winner(tx, policy, actor.merchant, token, winner),
            |vault, context| {
                Reply::ok(
                    "Vault winner declared successfully",
                    EscrowView::of_vault(vault, context),
                )
            },
        )
        .await
}

/// The refusals of [`cancel`].
pub(crate) const CANCEL_REFUSALS: Refusals = Refusals::of(&[&SETTLING]);

/// `POST /v1/escrow/vault/cancel/{paymentToken}`, as the merchant.
pub(crate) async fn cancel(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    let token = PaymentToken::named(&token);
    state
        .execute(
            &caller,
            move |tx, policy, actor| vaults::cancel(tx, policy, actor.merchant, token),
            |vault, context| {
                Reply::ok(
                    "Vault escrow cancelled successfully",
                    EscrowView::of_vault(vault, context),
                )
            },
        )
        .await
}

/// The refusals of [`get`].
pub(crate) const GET_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::EscrowNotFound, RefusalKind::NotAVault]]).with(Work::Reads);

/// `GET /v1/escrow/vault/{paymentToken}`, as the merchant.
pub(crate) async fn get(
    state: Data<AppState>,
    caller: Caller,
    token: Path<String>,
) -> Result<Reply<EscrowView>, ApiError> {
    match state.deal_of(&caller, &token).await? {
        Deal::Vault(vault) => {
            let view = EscrowView::of_vault(
                vault,
                &state.policy.load().view_context(None, caller.request.host.as_deref()),
            );
            Ok(Reply::ok("Vault escrow fetched successfully", view))
        }
        Deal::Escrow(_) => Err(Refusal::NotAVault.into()),
    }
}

/// Parses the request (contract section 4.8.1).
fn parse_vault(body: &JsonBody, policy: &Policy) -> Parsed<VaultRequest> {
    let fields = body.fields()?;
    let limits = &policy.terms_limits;
    let purpose = short_line(&fields.field("purpose"), limits)?;
    let description = description(&fields, limits)?;
    let category = fields.field("categoryId").optional(Field::category_id_of_merchant)?;
    let participants = fields.field("participants").list()?;
    check_participant_count(participants.len(), policy.participants_max)?;
    Ok(VaultRequest {
        purpose,
        description,
        category,
        participants: participants.iter().map(stake).collect::<Parsed<_>>()?,
    })
}

/// Parses the request (contract section 4.8.2).
fn parse_winner(body: &JsonBody) -> Parsed<CustomerId> {
    body.fields()?.field("winnerId").customer_id()
}

fn stake(participant: &Field<'_>) -> Parsed<StakeRequest> {
    let fields = participant.object()?;
    let customer = fields.field("customerId").customer_id()?;
    let stake = fields.field("amount");
    let amount = stake.amount()?;
    check_stake(stake.path(), amount)?;
    Ok(StakeRequest { customer, amount })
}
