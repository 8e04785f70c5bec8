//! Routes of receipts: money that came to the operator's bank account.

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::operators::OperatorActor;
use crate::commands::receipts::{self, ReceiptOutcome, ReceiptRequest, ReceiptTarget};
use crate::commands::{self, Policy};
use crate::domain::ids::{CustomerId, EscrowId, OperatorId, ReceiptId, TransactionId};
use crate::domain::invalid::Parsed;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::time::{Date, Timestamp};
use crate::domain::treasury::receipt::{Receipt, ReceiptStatus};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields};
use crate::http::query::{self, Query};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec, words};
use crate::http::routes::operator::acting::{ASKED, act};
use crate::http::routes::operator::fields::{BANK_ENTRY, REASON, bank_entry, reason, reason_field};
use crate::http::state::AppState;
use crate::store::Tx;
use crate::views::Words;
use crate::views::{AsText, MajorUnits, PageView};

const TARGET: [FieldSpec; 2] = [
    FieldSpec::optional("depositReference", Kind::Reference)
        .about("The deposit that the money is for: what the payer quoted"),
    FieldSpec::optional("customerId", Kind::CustomerId)
        .about("In the place of depositReference")
        .example("\"ada\""),
];

/// The query of [`list`].
pub(super) const LIST: RequestSpec = RequestSpec::of_query(&[
    &[
        FieldSpec::optional("status", Kind::SeveralWords(words::<ReceiptStatus>))
            .about("Several are separated by commas"),
    ],
    &query::PAGE,
]);
/// The request of [`record`].
pub(super) const RECEIPT: RequestSpec = RequestSpec::of_body(&[
    &[
        FieldSpec::required("amount", Kind::Amount(1)),
        FieldSpec::optional("note", REASON),
    ],
    &BANK_ENTRY,
    &TARGET,
]);
/// The request of [`assign`].
pub(super) const ASSIGNMENT: RequestSpec = RequestSpec::of_body(&[&TARGET]);

/// `GET /operator/receipts`: a page, newest first.
pub(super) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<ReceiptView>>, ApiError> {
    let fields = query.fields()?;
    let statuses = fields.field("status").optional(Field::several_words)?;
    let request = query::page(&fields)?;
    let merchant = state.merchant_of(&caller).await?;
    let page = state
        .read_page(merchant, query.walk(), request, move |snapshot, request| {
            snapshot.receipts(merchant, statuses.as_deref(), request)
        })
        .await?;
    Ok(Reply::ok(
        "Receipts fetched successfully",
        PageView::new(page, ReceiptView::new),
    ))
}

/// The refusals of [`get`].
pub(super) const GET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::ReceiptNotFound]]).with(Work::Reads);

/// `GET /operator/receipts/{receiptId}`.
pub(super) async fn get(
    state: Data<AppState>,
    caller: Caller,
    receipt: Path<String>,
) -> Result<Reply<ReceiptView>, ApiError> {
    let merchant = caller.merchant().ok_or(Refusal::ReceiptNotFound)?;
    let id = ReceiptId::named(&receipt);
    let receipt = state.store.read(move |snapshot| snapshot.receipt(merchant, id)).await?;
    let receipt = receipt.ok_or(Refusal::ReceiptNotFound)?;
    Ok(Reply::ok("Receipt fetched successfully", ReceiptView::new(receipt)))
}

/// The refusals of [`record`].
pub(super) const RECORD_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::BankReferenceUsed,
    RefusalKind::NoSuchCustomer,
    RefusalKind::DepositNotFound,
    RefusalKind::TooMuchMoney,
]])
.in_live(&[RefusalKind::ReferenceNotQuoted]);

/// `POST /operator/receipts`: records money that came.
pub(super) async fn record(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<ReceiptOutcomeView>, ApiError> {
    let request = parse_receipt(&body);
    run(&state, &caller, "Receipt recorded successfully", |tx, policy, actor| {
        receipts::record(tx, policy, actor, request)
    })
    .await
}

/// The refusals of [`approve`].
pub(super) const APPROVE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::ReceiptNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::TooMuchMoney,
]])
.in_live(&[RefusalKind::SamePerson]);

/// `POST /operator/receipts/{receiptId}/approve`.
pub(super) async fn approve(
    state: Data<AppState>,
    caller: Caller,
    receipt: Path<String>,
) -> Result<Reply<ReceiptOutcomeView>, ApiError> {
    let id = ReceiptId::named(&receipt);
    run(
        &state,
        &caller,
        "Receipt approved successfully",
        move |tx, policy, actor| receipts::approve(tx, policy, actor, id),
    )
    .await
}

/// The refusals of [`reject`].
pub(super) const REJECT_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::ReceiptNotFound, RefusalKind::NotInStatus]]);

/// `POST /operator/receipts/{receiptId}/reject`.
pub(super) async fn reject(
    state: Data<AppState>,
    caller: Caller,
    receipt: Path<String>,
    body: JsonBody,
) -> Result<Reply<ReceiptOutcomeView>, ApiError> {
    let (id, reason) = (ReceiptId::named(&receipt), reason(&body));
    run(
        &state,
        &caller,
        "Receipt rejected successfully",
        move |tx, _policy, actor| receipts::reject(tx, actor, id, reason),
    )
    .await
}

/// The refusals of [`assign`].
pub(super) const ASSIGN_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::ReceiptNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::NoSuchCustomer,
    RefusalKind::DepositNotFound,
]])
.in_live(&[RefusalKind::ReferenceNotQuoted, RefusalKind::SamePerson]);

/// `POST /operator/receipts/{receiptId}/assign`: credits money in suspense.
pub(super) async fn assign(
    state: Data<AppState>,
    caller: Caller,
    receipt: Path<String>,
    body: JsonBody,
) -> Result<Reply<ReceiptOutcomeView>, ApiError> {
    let (id, target) = (ReceiptId::named(&receipt), parse_target(&body));
    run(
        &state,
        &caller,
        "Receipt assigned successfully",
        move |tx, policy, actor| receipts::assign(tx, policy, actor, id, target),
    )
    .await
}

/// The refusals of [`reverse`].
pub(super) const REVERSE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::ReceiptNotFound,
    RefusalKind::NotInStatus,
    RefusalKind::AlreadySpent,
]])
.in_live(&[RefusalKind::SamePerson]);

/// `POST /operator/receipts/{receiptId}/reverse`.
pub(super) async fn reverse(
    state: Data<AppState>,
    caller: Caller,
    receipt: Path<String>,
    body: JsonBody,
) -> Result<Reply<ReceiptOutcomeView>, ApiError> {
    let (id, reason) = (ReceiptId::named(&receipt), reason(&body));
    run(
        &state,
        &caller,
        "Receipt reversed successfully",
        move |tx, policy, actor| receipts::reverse(tx, policy, actor, id, reason),
    )
    .await
}

/// The refusals of [`retract`].
pub(super) const RETRACT_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::ReceiptNotFound, RefusalKind::NothingAsked]]);

/// `POST /operator/receipts/{receiptId}/retract`: ends what a first operator has asked for.
pub(super) async fn retract(
    state: Data<AppState>,
    caller: Caller,
    receipt: Path<String>,
    body: JsonBody,
) -> Result<Reply<ReceiptOutcomeView>, ApiError> {
    let (id, reason) = (ReceiptId::named(&receipt), reason(&body));
    run(
        &state,
        &caller,
        "Request retracted successfully",
        move |tx, _policy, actor| receipts::retract(tx, actor, id, reason),
    )
    .await
}

async fn run<const STATUS: u16>(
    state: &AppState,
    caller: &Caller,
    message: &'static str,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &OperatorActor) -> Result<ReceiptOutcome, commands::Error> + Send + 'static,
) -> Result<Reply<ReceiptOutcomeView, STATUS>, ApiError> {
    act(state, caller, command, move |outcome| {
        // Each command that does what was asked for ends the request.
        let message = outcome.receipt.asked.as_ref().map_or(message, |_| ASKED);
        Reply::success(message, ReceiptOutcomeView::new(outcome))
    })
    .await
}

fn parse_receipt(body: &JsonBody) -> Parsed<ReceiptRequest> {
    let fields = body.fields()?;
    let amount = fields.field("amount");
    let minor = amount.amount()?;
    if minor.is_zero() {
        return Err(amount.must_be("more than 0"));
    }
    Ok(ReceiptRequest {
        amount: minor,
        entry: bank_entry(&fields)?,
        note: fields.field("note").optional(reason_field)?,
        target: target(&fields)?.unwrap_or(ReceiptTarget::Unknown),
    })
}

fn parse_target(body: &JsonBody) -> Parsed<ReceiptTarget> {
    let fields = body.fields()?;
    match target(&fields)? {
        Some(target) => Ok(target),
        None => Err(fields
            .field("depositReference")
            .must_be("the reference of a deposit, or customerId sent in its place")),
    }
}

fn target(fields: &Fields<'_>) -> Parsed<Option<ReceiptTarget>> {
    let (deposit, customer) = (fields.field("depositReference"), fields.field("customerId"));
    match (deposit.is_absent(), customer.is_absent()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(ReceiptTarget::Deposit(deposit.reference()?))),
        (true, false) => Ok(Some(ReceiptTarget::Customer(Field::customer_id(&customer)?))),
        (false, false) => Err(customer.must_be("left out where depositReference is sent, which names the customer")),
    }
}

/// A receipt.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptView {
    id: AsText<ReceiptId>,
    #[schemars(with = "Words<ReceiptStatus>")]
    status: &'static str,
    amount: MajorUnits,
    bank_reference: String,
    value_date: AsText<Date>,
    /// `operator`, or `provider` if a payment provider reported it.
    #[schemars(extend("enum" = ["operator", "provider"]))]
    source: &'static str,
    /// Null while it is not known whose it is. In suspense the customer whom askedBy named.
    customer_id: Option<AsText<CustomerId>>,
    /// The id of the deposit whose reference the payer quoted.
    expected_deposit_id: Option<AsText<TransactionId>>,
    /// The id of the deposit that credited it.
    deposit_id: Option<AsText<TransactionId>>,
    note: Option<String>,
    recorded_by: Option<AsText<OperatorId>>,
    /// The operator who asked to assign or to reverse a large receipt, until another one asks for
    /// the same or the request is retracted. An assignment if it is in suspense and has a
    /// customerId.
    asked_by: Option<AsText<OperatorId>>,
    created_at: AsText<Timestamp>,
    updated_at: AsText<Timestamp>,
}

/// A receipt after a command.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptOutcomeView {
    #[serde(flatten)]
    receipt: ReceiptView,
    /// The escrows that the deposit named and that were funded in the same commit.
    funded_escrow_ids: Vec<AsText<EscrowId>>,
    /// The reason why they were not. The money is then in the wallet.
    not_funded: Option<NotFundedView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NotFundedView {
    code: &'static str,
    message: String,
}

impl ReceiptView {
    pub(super) fn new(receipt: Receipt) -> Self {
        let (customer, expected) = receipt.intended_for();
        let customer = customer.cloned();
        Self {
            id: AsText(receipt.id),
            status: receipt.status.into_str(),
            amount: MajorUnits(receipt.amount),
            bank_reference: receipt.entry.reference,
            value_date: AsText(receipt.entry.value_date),
            source: receipt.source.into_str(),
            customer_id: customer.map(AsText),
            expected_deposit_id: expected.map(AsText),
            deposit_id: receipt.deposit.map(AsText),
            note: receipt.note,
            recorded_by: receipt.recorded_by.map(AsText),
            asked_by: receipt.asked.map(|asked| AsText(asked.by)),
            created_at: AsText(receipt.created_at),
            updated_at: AsText(receipt.updated_at),
        }
    }
}

impl ReceiptOutcomeView {
    pub(super) fn new(outcome: ReceiptOutcome) -> Self {
        Self {
            receipt: ReceiptView::new(outcome.receipt),
            funded_escrow_ids: outcome.funded.into_iter().map(AsText).collect(),
            not_funded: outcome.not_funded.map(|refusal| NotFundedView {
                code: refusal.code(),
                message: refusal.to_string(),
            }),
        }
    }
}
