//! Routes of deposits, withdrawals and wallet transfers (contract sections 4.3.2 and
//! 4.3.3), and the sandbox route that pays a test account.

use actix_web::web::{Data, Path};
use strum::{IntoStaticStr, VariantArray};

use crate::commands::intents;
use crate::domain::ids::{EscrowId, Reference};
use crate::domain::invalid::Parsed;
use crate::domain::money::Amount;
use crate::domain::payments::bank::BankCodes;
use crate::domain::payments::intent;
use crate::domain::payments::request::{CryptoWithdrawalRequest, IntentKind, IntentRequest, WalletTransferRequest};
use crate::domain::payments::whitelist::NETWORK;
use crate::domain::refusal::RefusalKind;
use crate::domain::transaction::{BankAccount, PaymentStatus};
use crate::http::auth::Caller;
use crate::http::body::{JsonBody, OptionalJsonBody};
use crate::http::context::Maker;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields};
use crate::http::refusals::Refusals;
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec, words};
use crate::http::routes::shared_fields::{
    ACCOUNT_NUMBER, BANK_CODE, CURRENCY, ESCROW_IDS, EVM_ADDRESS, REFERENCE, SHORT_TEXT, account_number, bank_code,
    check_currency, escrows_by_id, evm_address, reference, short_text,
};
use crate::http::state::AppState;
use crate::views::TransactionView;

const VERIFIED: &str = "Payment intent verified successfully";

/// The bank account of a withdrawal.
pub(super) const BANK_ACCOUNT: [FieldSpec; 5] = [
    BANK_CODE,
    ACCOUNT_NUMBER,
    FieldSpec::required("accountName", SHORT_TEXT),
    FieldSpec::required("bankName", SHORT_TEXT),
    FieldSpec::optional("narration", SHORT_TEXT),
];

/// The request of [`create`].
pub(crate) const INTENT: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("amount", Kind::Amount(intent::INTENT_MIN)),
    REFERENCE,
    FieldSpec::required("transactionType", Kind::Words(words::<Purpose>)).example("\"deposit\""),
    CURRENCY,
    FieldSpec::optional(
        "depositDetails",
        Kind::open(&[&[FieldSpec::optional("cardId", Kind::Text), ESCROW_IDS]]),
    )
    .about("The card of a deposit, or the escrows to fund with it"),
    FieldSpec::optional("withdrawalDetails", Kind::open(&[&BANK_ACCOUNT])).about("Where a withdrawal goes to"),
    FieldSpec::optional(
        "blockchainDetails",
        Kind::open(&[&[
            FieldSpec::required("toAddress", EVM_ADDRESS),
            FieldSpec::required("network", Kind::Words(|| vec![NETWORK])),
            FieldSpec::optional("tokenAddress", EVM_ADDRESS),
        ]]),
    )
    .about("In the place of withdrawalDetails"),
    FieldSpec::optional(
        "walletDetails",
        Kind::open(&[&[
            FieldSpec::required("phone", SHORT_TEXT),
            FieldSpec::required("name", SHORT_TEXT),
            FieldSpec::optional("narration", SHORT_TEXT),
        ]]),
    )
    .about("The customer that a wallet transfer goes to"),
]]);
/// The request of [`verify`].
pub(crate) const VERIFICATION: RequestSpec =
    RequestSpec::of_body(&[&[FieldSpec::required("reference", Kind::Reference)]]);
/// The request of [`pay_test_account`].
pub(crate) const TEST_PAYMENT: RequestSpec =
    RequestSpec::of_optional_body(&[&[
        FieldSpec::optional("amount", Kind::Amount(1)).about("The deposit's, if left out")
    ]]);

/// The refusals of [`create`].
pub(crate) const CREATE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::DuplicateReference,
    RefusalKind::BuyingDisabled,
    RefusalKind::EscrowNotFound,
    RefusalKind::EscrowNotPayable,
    RefusalKind::BuyerIsSeller,
    RefusalKind::BuyerIsBeneficiary,
    RefusalKind::FeatureNotEnabled,
    RefusalKind::WithdrawingDisabled,
    RefusalKind::PhoneUnknown,
    RefusalKind::SenderIsReceiver,
    RefusalKind::InsufficientBalance,
    RefusalKind::TooMuchMoney,
]])
.in_sandbox(&[
    RefusalKind::CardsForNigeriansOnly,
    RefusalKind::CardNotFound,
    RefusalKind::AddressNotWhitelisted,
]);

/// `POST /v1/payment/create-intent`, as the customer.
pub(crate) async fn create(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<TransactionView>, ApiError> {
    let request = parse_intent(&body, &state);
    let create = match caller.request.maker {
        Maker::Checkout => intents::create_of_checkout,
        Maker::Client | Maker::Page => intents::create,
    };
    state
        .execute(
            &caller,
            move |tx, policy, actor| create(tx, policy, actor, request),
            move |payment, context| {
                Reply::ok(
                    "Payment intent created successfully",
                    TransactionView::new(payment, context.currency),
                )
            },
        )
        .await
}

/// The refusals of [`verify`].
pub(crate) const VERIFY_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::PaymentNotFound,
    RefusalKind::WithdrawingDisabled,
    RefusalKind::InsufficientBalance,
]])
.in_sandbox(&[
    RefusalKind::FeatureNotEnabled,
    RefusalKind::CardsForNigeriansOnly,
    RefusalKind::AddressNotWhitelisted,
    RefusalKind::TooMuchMoney,
]);

/// `POST /v1/payment/verify`, as the customer.
pub(crate) async fn verify(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<TransactionView>, ApiError> {
    let reference = parse_verification(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| intents::verify(tx, policy, actor, reference),
            move |payment, context| Reply::ok(VERIFIED, TransactionView::new(payment, context.currency)),
        )
        .await
}

/// The refusals of [`pay_test_account`].
pub(crate) const PAY_TEST_ACCOUNT_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::TestAccountNotFound,
    RefusalKind::AmountMismatch,
    RefusalKind::NotInStatus,
    RefusalKind::TooMuchMoney,
]]);

/// `POST /sandbox/test-accounts/{accountNumber}/pay`: simulates the bank transfer that a
/// deposit waits for.
pub(crate) async fn pay_test_account(
    state: Data<AppState>,
    caller: Caller,
    account_number: Path<String>,
    body: OptionalJsonBody,
) -> Result<Reply<TransactionView>, ApiError> {
    let amount = parse_test_payment(&body.0);
    state
        .execute(
            &caller,
            move |tx, policy, actor| intents::pay_test_account(tx, policy, actor.merchant, &account_number, amount),
            |payment, context| {
                let message = match payment.status() {
                    PaymentStatus::Failed => "Test account paid; the deposit failed",
                    _ => "Test account paid successfully",
                };
                Reply::ok(message, TransactionView::new(payment, context.currency))
            },
        )
        .await
}

/// The purposes of an intent, in the contract's order.
#[derive(Clone, Copy, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
enum Purpose {
    Withdrawal,
    Deposit,
    WalletTransfer,
}

/// Parses the request (contract section 4.3.2).
fn parse_intent(body: &JsonBody, state: &AppState) -> Parsed<IntentRequest> {
    let fields = body.fields()?;
    let amount = intent::check_amount(fields.field("amount").amount()?)?;
    let reference = reference(&fields, state.policy.load().is_strict)?;
    let purpose = fields.field("transactionType").one_of_any_case(Purpose::VARIANTS)?;
    check_currency(&fields, &state.policy.load().currency)?;
    Ok(IntentRequest {
        amount,
        reference,
        kind: match purpose {
            Purpose::Deposit => deposit(&fields, state.limits.escrows_per_payment_max)?,
            Purpose::Withdrawal => withdrawal(&fields, state.policy.load().bank_codes())?,
            Purpose::WalletTransfer => wallet_transfer(&fields)?,
        },
    })
}

/// Reads the card of a deposit, or the escrows to fund with it.
fn deposit(fields: &Fields<'_>, escrows_max: usize) -> Parsed<IntentKind> {
    let Some(details) = fields.field("depositDetails").optional(Field::object)? else {
        let (card, escrows) = (None, Vec::new());
        return Ok(IntentKind::Deposit { card, escrows });
    };
    let card = details.field("cardId").optional(Field::text)?;
    let ids = details.field("escrowId");
    let escrows = if ids.is_absent() {
        Vec::new()
    } else {
        each_once(&ids, escrows_by_id(&ids, escrows_max)?)?
    };
    if card.is_some() && !escrows.is_empty() {
        return Err(ids.must_be("left out where cardId is sent; POST /v1/payment/escrow pays by card"));
    }
    let escrows = escrows.iter().map(EscrowId::to_string).collect();
    Ok(IntentKind::Deposit { card, escrows })
}

/// Refuses a list that names an escrow twice. The deposit could not fund it.
fn each_once(field: &Field<'_>, escrows: Vec<EscrowId>) -> Parsed<Vec<EscrowId>> {
    let is_repeated = |(index, id): (usize, &EscrowId)| escrows[..index].contains(id);
    if escrows.iter().enumerate().any(is_repeated) {
        return Err(field.must_be("a list that names each escrow once"));
    }
    Ok(escrows)
}

/// Reads the target of a withdrawal: a bank account or an address on a blockchain, not both.
fn withdrawal(fields: &Fields<'_>, codes: BankCodes) -> Parsed<IntentKind> {
    let (bank, chain) = (fields.field("withdrawalDetails"), fields.field("blockchainDetails"));
    if chain.is_absent() {
        return Ok(IntentKind::BankWithdrawal(bank_account(&bank.object()?, codes)?));
    }
    if !bank.is_absent() {
        return Err(chain.must_be("left out where withdrawalDetails is sent"));
    }
    let details = chain.object()?;
    let to_address = evm_address(&details.field("toAddress"))?;
    details.field("network").one_of(&[NETWORK])?;
    let token_address = details.field("tokenAddress").optional(evm_address)?;
    Ok(IntentKind::CryptoWithdrawal(CryptoWithdrawalRequest {
        to_address: to_address.as_str().to_owned(),
        token_address: token_address.map(|address| address.as_str().to_owned()),
    }))
}

pub(super) fn bank_account(details: &Fields<'_>, codes: BankCodes) -> Parsed<BankAccount> {
    Ok(BankAccount {
        bank_code: bank_code(&details.field("bankCode"), codes)?,
        account_number: account_number(&details.field("accountNumber"))?,
        account_name: short_text(&details.field("accountName"))?,
        bank_name: short_text(&details.field("bankName"))?,
        narration: details.field("narration").optional(short_text)?,
    })
}

fn wallet_transfer(fields: &Fields<'_>) -> Parsed<IntentKind> {
    let details = fields.field("walletDetails").object()?;
    Ok(IntentKind::WalletTransfer(WalletTransferRequest {
        phone: short_text(&details.field("phone"))?,
        name: short_text(&details.field("name"))?,
        narration: details.field("narration").optional(short_text)?,
    }))
}

/// Contract section 4.3.3. Ignores `otp`, because the server never asks for one.
fn parse_verification(body: &JsonBody) -> Parsed<Reference> {
    body.fields()?.field("reference").reference()
}

/// Parses the payment of a test account: an amount, or `None` for the amount that is due.
fn parse_test_payment(body: &JsonBody) -> Parsed<Option<Amount>> {
    body.fields()?.field("amount").optional(Field::amount)
}
