//! Routes of pay-outs: money that leaves through the operator's bank account.

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};

use crate::commands::operators::OperatorActor;
use crate::commands::payouts::{self, PayoutRequest, RequestedSource};
use crate::commands::{self, Policy};
use crate::domain::customers::owner_problem::OwnerProblem;
use crate::domain::ids::{CustomerId, OperatorId, PayoutId, ReceiptId};
use crate::domain::invalid::Parsed;
use crate::domain::ledger::Account;
use crate::domain::payments::bank::BankCodes;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::time::{Date, Timestamp};
use crate::domain::transaction::BankAccount;
use crate::domain::treasury::payout::{PayoutStatus, PayoutStep, bank_account_of};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::fields::Field;
use crate::http::query::{self, Query};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec, words};
use crate::http::routes::operator::acting::{ASKED, act};
use crate::http::routes::operator::fields::{
    BANK_ENTRY, DESTINATION, REASON, bank_entry, destination, reason, reason_field,
};
use crate::http::state::AppState;
use crate::store::{PayoutWithWithdrawal, Tx};
use crate::views::Words;
use crate::views::{AsText, MajorUnits, PageView};

/// The query of [`list`].
pub(super) const LIST: RequestSpec = RequestSpec::of_query(&[
    &[FieldSpec::optional("status", Kind::SeveralWords(words::<PayoutStatus>))
        .about("Several are separated by commas")],
    &query::PAGE,
]);
/// The request of [`request`].
pub(super) const PAYOUT: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("source", Kind::Words(words::<SourceWord>)),
    FieldSpec::optional("amount", Kind::Amount(1))
        .about("Left out where source is suspense")
        .example("1000"),
    FieldSpec::optional("receiptId", Kind::Text).about("Where source is suspense"),
    FieldSpec::required("destination", Kind::closed(DESTINATION)),
    FieldSpec::optional("reason", REASON),
]]);
/// The request of [`pay`].
pub(super) const PAID: RequestSpec = RequestSpec::of_body(&[&BANK_ENTRY]);

/// `GET /operator/payouts`: a page, newest first.
pub(super) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<PayoutView>>, ApiError> {
    let fields = query.fields()?;
    let statuses = fields.field("status").optional(Field::several_words)?;
    let request = query::page(&fields)?;
    let merchant = state.merchant_of(&caller).await?;
    let page = state
        .read_page(merchant, query.walk(), request, move |snapshot, request| {
            snapshot.payouts_with_withdrawals(merchant, statuses.as_deref(), request)
        })
        .await?;
    Ok(Reply::ok(
        "Pay-outs fetched successfully",
        PageView::new(page, PayoutView::new),
    ))
}

/// The refusals of [`get`].
pub(super) const GET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::PayoutNotFound]]).with(Work::Reads);

/// `GET /operator/payouts/{payoutId}`.
pub(super) async fn get(
    state: Data<AppState>,
    caller: Caller,
    payout: Path<String>,
) -> Result<Reply<PayoutView>, ApiError> {
    let merchant = caller.merchant().ok_or(Refusal::PayoutNotFound)?;
    let id = PayoutId::named(&payout);
    let payout = state
        .store
        .read(move |snapshot| snapshot.payout_with_withdrawal(merchant, id))
        .await?;
    let payout = payout.ok_or(Refusal::PayoutNotFound)?;
    Ok(Reply::ok("Pay-out fetched successfully", PayoutView::new(payout)))
}

/// The refusals of [`request`].
pub(super) const REQUEST_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::ReceiptNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::InsufficientBalance,
]]);

/// `POST /operator/payouts`: asks for a pay-out of the merchant's own money, of the platform's
/// fees, or of money in suspense.
pub(super) async fn request(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<PayoutView>, ApiError> {
    let request = parse_payout(&body, state.policy.load().bank_codes());
    run(
        &state,
        &caller,
        "Pay-out requested successfully",
        |tx, policy, actor| payouts::request(tx, policy, actor, request),
    )
    .await
}

/// The refusals of [`approve`].
pub(super) const APPROVE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::PayoutNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::OwnerMayNotWithdraw,
]])
.in_live(&[RefusalKind::SamePerson]);

/// `POST /operator/payouts/{payoutId}/approve`.
pub(super) async fn approve(
    state: Data<AppState>,
    caller: Caller,
    payout: Path<String>,
) -> Result<Reply<PayoutView>, ApiError> {
    let id = PayoutId::named(&payout);
    run(
        &state,
        &caller,
        "Pay-out approved successfully",
        move |tx, policy, actor| payouts::approve(tx, policy, actor, id),
    )
    .await
}

/// The refusals of [`reject`].
pub(super) const REJECT_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::PayoutNotFound, RefusalKind::NotInStatus]]);

/// `POST /operator/payouts/{payoutId}/reject`.
pub(super) async fn reject(
    state: Data<AppState>,
    caller: Caller,
    payout: Path<String>,
    body: JsonBody,
) -> Result<Reply<PayoutView>, ApiError> {
    let (id, reason) = (PayoutId::named(&payout), reason(&body));
    run(
        &state,
        &caller,
        "Pay-out rejected successfully",
        move |tx, policy, actor| payouts::reject(tx, policy, actor, id, reason),
    )
    .await
}

/// The refusals of [`pay`].
pub(super) const PAY_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::PayoutNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::BankReferenceUsed,
]]);

/// `POST /operator/payouts/{payoutId}/pay`: records that the bank has paid it.
pub(super) async fn pay(
    state: Data<AppState>,
    caller: Caller,
    payout: Path<String>,
    body: JsonBody,
) -> Result<Reply<PayoutView>, ApiError> {
    let id = PayoutId::named(&payout);
    let paid = body.fields().and_then(|fields| bank_entry(&fields));
    run(&state, &caller, "Pay-out recorded as paid", move |tx, policy, actor| {
        payouts::pay(tx, policy, actor, id, paid)
    })
    .await
}

/// The refusals of [`record_return`].
pub(super) const RECORD_RETURN_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::PayoutNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::TooMuchMoney,
]])
.in_live(&[RefusalKind::SamePerson]);

/// `POST /operator/payouts/{payoutId}/return`: records that the bank has sent it back.
pub(super) async fn record_return(
    state: Data<AppState>,
    caller: Caller,
    payout: Path<String>,
    body: JsonBody,
) -> Result<Reply<PayoutView>, ApiError> {
    let (id, reason) = (PayoutId::named(&payout), reason(&body));
    run(
        &state,
        &caller,
        "Pay-out recorded as returned",
        move |tx, policy, actor| payouts::record_return(tx, policy, actor, id, reason),
    )
    .await
}

/// The refusals of [`reopen`].
pub(super) const REOPEN_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::PayoutNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::TooMuchMoney,
    RefusalKind::AlreadySpent,
]])
.in_live(&[RefusalKind::SamePerson]);

/// `POST /operator/payouts/{payoutId}/reopen`: corrects a payment that was recorded by mistake.
pub(super) async fn reopen(
    state: Data<AppState>,
    caller: Caller,
    payout: Path<String>,
    body: JsonBody,
) -> Result<Reply<PayoutView>, ApiError> {
    let (id, reason) = (PayoutId::named(&payout), reason(&body));
    run(
        &state,
        &caller,
        "Pay-out reopened successfully",
        move |tx, policy, actor| payouts::reopen(tx, policy, actor, id, reason),
    )
    .await
}

/// The refusals of [`retract`].
pub(super) const RETRACT_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::PayoutNotFound, RefusalKind::NothingAsked]]);

/// `POST /operator/payouts/{payoutId}/retract`: ends what a first operator has asked for.
pub(super) async fn retract(
    state: Data<AppState>,
    caller: Caller,
    payout: Path<String>,
    body: JsonBody,
) -> Result<Reply<PayoutView>, ApiError> {
    let (id, reason) = (PayoutId::named(&payout), reason(&body));
    run(
        &state,
        &caller,
        "Request retracted successfully",
        move |tx, _policy, actor| payouts::retract(tx, actor, id, reason),
    )
    .await
}

async fn run<const STATUS: u16>(
    state: &AppState,
    caller: &Caller,
    message: &'static str,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &OperatorActor) -> Result<PayoutWithWithdrawal, commands::Error>
    + Send
    + 'static,
) -> Result<Reply<PayoutView, STATUS>, ApiError> {
    act(state, caller, command, move |outcome| {
        // Each command that does what was asked for ends the request.
        let message = outcome.payout.asked.map_or(message, |_| ASKED);
        Reply::success(message, PayoutView::new(outcome))
    })
    .await
}

/// The words of `source`.
#[derive(Clone, Copy, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
enum SourceWord {
    Merchant,
    PlatformFees,
    Suspense,
}

fn parse_payout(body: &JsonBody, codes: BankCodes) -> Parsed<PayoutRequest> {
    let fields = body.fields()?;
    let (amount, receipt) = (fields.field("amount"), fields.field("receiptId"));
    let source = fields.field("source").one_of(SourceWord::VARIANTS)?;
    let positive = || {
        let minor = amount.amount()?;
        if minor.is_zero() {
            return Err(amount.must_be("more than 0"));
        }
        if !receipt.is_absent() {
            return Err(receipt.must_be("left out where source is not \"suspense\""));
        }
        Ok(minor)
    };
    Ok(PayoutRequest {
        source: match source {
            SourceWord::Merchant => RequestedSource::Merchant(positive()?),
            SourceWord::PlatformFees => RequestedSource::PlatformFees(positive()?),
            SourceWord::Suspense if !amount.is_absent() => {
                return Err(amount.must_be("left out where source is \"suspense\": all of the receipt goes back"));
            }
            SourceWord::Suspense => RequestedSource::Receipt(ReceiptId::named(&receipt.text()?)),
        },
        destination: destination(&fields.field("destination"), codes)?,
        reason: fields.field("reason").optional(reason_field)?,
    })
}

/// A pay-out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PayoutView {
    id: AsText<PayoutId>,
    #[schemars(with = "Words<PayoutStatus>")]
    status: &'static str,
    #[schemars(extend("enum" = ["customer", "merchant", "platform_fees", "suspense"]))]
    source: &'static str,
    customer_id: Option<AsText<CustomerId>>,
    amount: MajorUnits,
    fee: MajorUnits,
    /// The reference of the withdrawal, for the bank's narration.
    reference: Option<String>,
    /// The bank account. Null for a withdrawal to a blockchain (sandbox).
    destination: Option<DestinationView>,
    receipt_id: Option<AsText<ReceiptId>>,
    requested_by: Option<AsText<OperatorId>>,
    approved_by: Option<AsText<OperatorId>>,
    /// The number of the batch in which it was exported for the bank.
    batch: Option<u32>,
    /// The operator who asked for askedFor, if the pay-out is large, until another one asks for the
    /// same, the request is retracted, or the status changes.
    asked_by: Option<AsText<OperatorId>>,
    #[schemars(with = "Option<Words<PayoutStep>>")]
    asked_for: Option<&'static str>,
    /// Set while the pay-out is open and its customer is blocked or may no longer withdraw.
    #[schemars(with = "Option<Words<OwnerProblem>>")]
    owner_problem: Option<&'static str>,
    bank_reference: Option<String>,
    value_date: Option<AsText<Date>>,
    reason: Option<String>,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DestinationView {
    bank_code: String,
    bank_name: String,
    account_number: String,
    account_name: String,
    narration: Option<String>,
}

impl PayoutView {
    pub(super) fn new(shown: PayoutWithWithdrawal) -> Self {
        let PayoutWithWithdrawal {
            payout,
            withdrawal,
            owner_problem,
        } = shown;
        let owner_problem = owner_problem.filter(|_| payout.status.is_open());
        let account = withdrawal.as_ref().and_then(bank_account_of).cloned();
        let (reference, value_date) = payout.paid.map_or((None, None), |paid| {
            (Some(paid.reference), Some(AsText(paid.value_date)))
        });
        Self {
            id: AsText(payout.id),
            status: payout.status.into_str(),
            source: match &payout.source {
                Account::MerchantMain => "merchant",
                Account::PlatformFees => "platform_fees",
                Account::Suspense => "suspense",
                _ => "customer",
            },
            customer_id: payout.source.customer().cloned().map(AsText),
            amount: MajorUnits(payout.amount),
            fee: MajorUnits(payout.fee),
            reference: withdrawal.map(|withdrawal| withdrawal.transaction.reference.as_str().to_owned()),
            destination: payout.destination.or(account).map(DestinationView::of),
            receipt_id: payout.receipt.map(AsText),
            requested_by: payout.requested_by.map(AsText),
            approved_by: payout.approved_by.map(AsText),
            batch: payout.batch,
            asked_by: payout.asked.map(|asked| AsText(asked.by)),
            asked_for: payout.asked.map(|asked| asked.step.into_str()),
            owner_problem: owner_problem.map(|problem| problem.into_str()),
            bank_reference: reference,
            value_date,
            reason: payout.reason,
            created_at: AsText(payout.created_at),
            updated_at: AsText(payout.updated_at),
        }
    }
}

impl DestinationView {
    fn of(account: BankAccount) -> Self {
        Self {
            bank_code: account.bank_code,
            bank_name: account.bank_name,
            account_number: account.account_number,
            account_name: account.account_name,
            narration: account.narration,
        }
    }
}
