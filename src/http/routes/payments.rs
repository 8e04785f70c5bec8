//! Routes of payments and wallets (contract sections 4.3.1, 4.3.9, 4.5).

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::payments;
use crate::domain::customers::customer::Wallet;
use crate::domain::ids::{CardId, EscrowKey, PaymentToken, WalletId};
use crate::domain::invalid::Parsed;
use crate::domain::money::Amount;
use crate::domain::payments::play_money::{TOP_UP_MAX, TOP_UP_MIN};
use crate::domain::payments::request::{Gateway, PaymentRequest};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::time::Timestamp;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::fields::{AmountShape, Field};
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::routes::shared_fields::{CURRENCY, ESCROW_IDS, REFERENCE, check_currency, escrows_by_id, reference};
use crate::http::state::AppState;
use crate::views::{AsText, MajorUnits, TransactionView};

/// The request of [`pay`].
pub(crate) const PAYMENT: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required_if_strict("amount", Kind::Amount(1)).about("The price with the fee"),
    REFERENCE,
    FieldSpec::optional("transactionType", Kind::Words(|| vec!["escrow"])),
    FieldSpec::optional("gateway", Kind::Words(|| vec!["wallet", "card"])),
    FieldSpec::optional("cardId", Kind::Text).about("The id of a saved card, where gateway is card"),
    CURRENCY,
    FieldSpec::required(
        "escrowDetails",
        Kind::open(&[&[
            ESCROW_IDS,
            FieldSpec::optional("paymentToken", Kind::Text)
                .about("In the place of escrowId")
                .example("\"PAYMENT_TOKEN\""),
        ]]),
    ),
]]);
/// The request of [`top_up`].
pub(crate) const TOP_UP: RequestSpec = RequestSpec::of_body(&[&[FieldSpec::required(
    "amount",
    Kind::AmountFromTo(TOP_UP_MIN, TOP_UP_MAX),
)]]);

/// The refusals of [`pay`].
pub(crate) const PAY_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::BuyingDisabled,
    RefusalKind::DuplicateReference,
    RefusalKind::EscrowNotFound,
    RefusalKind::EscrowOfAnotherMerchant,
    RefusalKind::EscrowNotPayable,
    RefusalKind::BuyerIsSeller,
    RefusalKind::BuyerIsBeneficiary,
    RefusalKind::AmountMismatch,
    RefusalKind::FeatureNotEnabled,
    RefusalKind::InsufficientBalance,
    RefusalKind::TooMuchMoney,
]])
.in_sandbox(&[
    RefusalKind::CardsForNigeriansOnly,
    RefusalKind::CardNotFound,
    RefusalKind::CardDeclined,
]);

/// `POST /v1/payment/escrow`, as the buyer.
pub(crate) async fn pay(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<TransactionView>, ApiError> {
    let request = parse_payment(&body, &state);
    state
        .execute(
            &caller,
            move |tx, policy, actor| payments::fund(tx, policy, actor, request),
            move |payment, context| {
                Reply::ok(
                    "Payment intent verified successfully",
                    TransactionView::new(payment, context.currency),
                )
            },
        )
        .await
}

/// The refusals of [`top_up`].
pub(crate) const TOP_UP_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::ToppedUpToday, RefusalKind::TooMuchMoney]]).only_sandbox();

/// `POST /v1/payment/topup`, as the customer, in sandbox mode only.
pub(crate) async fn top_up(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<MainBalanceView>, ApiError> {
    let amount = parse_top_up(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| payments::top_up(tx, policy, actor, amount),
            move |main_balance, _context| {
                Reply::ok("Virtual account top up successful", MainBalanceView::new(main_balance))
            },
        )
        .await
}

/// `GET /v1/wallet`, as the customer. A sandbox that is not strict registers an unknown
/// customer first, with the wallet that the reply shows.
pub(crate) async fn wallet(state: Data<AppState>, caller: Caller) -> Result<Reply<WalletView>, ApiError> {
    let (merchant, ()) = state.admit(&caller, Ok::<_, Refusal>(())).await?;
    let customer = caller.customer().clone();
    let wallet = state
        .store
        .read(move |snapshot| snapshot.wallet(merchant, &customer))
        .await?
        .ok_or(Refusal::CustomerNotFound)?;
    Ok(Reply::ok(
        "Wallet fetched successfully",
        WalletView::new(&wallet, &state.policy.load().currency),
    ))
}

/// Contract sections 4.3.1 and 8: with `strict`, `amount` and `reference` are required, and
/// an absent `gateway` means a card.
fn parse_payment(body: &JsonBody, state: &AppState) -> Parsed<PaymentRequest> {
    let fields = body.fields()?;
    let policy = state.policy.load();
    let is_strict = policy.is_strict;
    let amount = fields.field("amount");
    let smallest = policy.terms_limits.amount_min;
    let offered = if is_strict {
        Some(amount.amount_of(AmountShape::AtLeast(smallest))?)
    } else {
        amount.optional(Field::amount)?
    };
    if is_strict && offered.is_some_and(|offered| offered < smallest) {
        return Err(amount.must_be(format!("a number of {smallest} or more")));
    }
    let reference = reference(&fields, is_strict)?;
    fields
        .field("transactionType")
        .optional(|field| field.one_of_any_case(&["escrow"]))?;
    let gateway = fields
        .field("gateway")
        .optional(|field| field.one_of_any_case(&["wallet", "card"]))?;
    let gateway = if gateway.map_or(is_strict, |gateway| gateway == "card") {
        Gateway::Card(CardId::named(&fields.field("cardId").text()?))
    } else {
        Gateway::Wallet
    };
    check_currency(&fields, &policy.currency)?;
    let details = fields.field("escrowDetails");
    let (escrows, token) = escrows_to_pay(&details, state.limits.escrows_per_payment_max)?;
    Ok(PaymentRequest {
        escrows,
        token,
        amount: offered,
        reference,
        gateway,
    })
}

/// Parses the request (contract section 4.3.9).
fn parse_top_up(body: &JsonBody) -> Parsed<Amount> {
    body.fields()?.field("amount").amount()
}

/// Reads the escrows to pay for: one or several by id, or one by payment token. Returns the
/// token apart if it comes beside an id.
fn escrows_to_pay(field: &Field<'_>, escrows_max: usize) -> Parsed<(Vec<EscrowKey>, Option<PaymentToken>)> {
    let details = field.object()?;
    let (ids, token_field) = (details.field("escrowId"), details.field("paymentToken"));
    let token = token_field
        .optional(Field::text)?
        .map(|token| PaymentToken::named(&token));
    if ids.is_absent() {
        let token = token.ok_or_else(|| field.must_be("an object with escrowId or paymentToken"))?;
        return Ok((vec![EscrowKey::Token(token)], None));
    }
    let escrows = escrows_by_id(&ids, escrows_max)?;
    if escrows.len() > 1 && token.is_some() {
        return Err(token_field.must_be("left out where escrowId names several escrows"));
    }
    Ok((escrows.into_iter().map(EscrowKey::Id).collect(), token))
}

/// The contract's Wallet: a customer's balances.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WalletView {
    id: AsText<WalletId>,
    main_balance: MajorUnits,
    escrow_balance: MajorUnits,
    currency: String,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
}

/// The main balance after a top-up.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MainBalanceView {
    main_balance: MajorUnits,
}

impl WalletView {
    /// Shows a wallet in this currency.
    pub(crate) fn new(wallet: &Wallet, currency: &str) -> Self {
        Self {
            id: AsText(wallet.id),
            main_balance: MajorUnits(wallet.main_balance),
            escrow_balance: MajorUnits(wallet.escrow_balance),
            currency: currency.to_owned(),
            created_at: AsText(wallet.created_at),
            updated_at: AsText(wallet.updated_at),
        }
    }
}

impl MainBalanceView {
    /// Shows the main balance.
    pub(crate) const fn new(main_balance: Amount) -> Self {
        Self {
            main_balance: MajorUnits(main_balance),
        }
    }
}
