//! Receipts: money that came to the operator's bank account, and the deposits that expect
//! it.

use crate::commands::operators::OperatorActor;
use crate::commands::{Error, Policy, deposits, outbox, payments};
use crate::domain::effects::Effects;
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, IdSource, MerchantId, ReceiptId, Reference, TransactionId};
use crate::domain::invalid::Parsed;
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::party::{Actor, Party};
use crate::domain::payments::payment::Payment;
use crate::domain::payments::request::{Gateway, PaymentRequest};
use crate::domain::refusal::Refusal;
use crate::domain::time::Date;
use crate::domain::transaction::PaymentStatus;
use crate::domain::treasury::act::ActKind;
use crate::domain::treasury::operator::Decision;
use crate::domain::treasury::payout::{BankEntry, check_value_date};
use crate::domain::treasury::receipt::{self, Receipt, ReceiptFacts, ReceiptSource};
use crate::domain::treasury::reference::ReferenceScope;
use crate::store::Tx;

/// The parsed request to record a receipt.
#[derive(Clone, Debug)]
pub struct ReceiptRequest {
    pub amount: Amount,
    pub entry: BankEntry,
    pub note: Option<String>,
    pub target: ReceiptTarget,
}

/// The owner of the money, as far as the operator knows.
#[derive(Clone, Debug)]
pub enum ReceiptTarget {
    /// The customer whose deposit is quoted by this reference.
    Deposit(Reference),
    Customer(CustomerId),
    /// Not known: it waits in suspense.
    Unknown,
}

/// A receipt after a command, with what it funded.
#[derive(Clone, Debug)]
pub struct ReceiptOutcome {
    pub receipt: Receipt,
    /// The escrows that the deposit named and that were funded with it.
    pub funded: Vec<EscrowId>,
    /// The reason why the escrows that the deposit named were not funded. The money is then
    /// in the wallet.
    pub not_funded: Option<Refusal>,
}

impl ReceiptOutcome {
    const fn of(receipt: Receipt) -> Self {
        Self {
            receipt,
            funded: Vec::new(),
            not_funded: None,
        }
    }
}

/// Records money that came. It is credited at once, or taken into suspense, unless the amount
/// takes the approval of a second person.
///
/// # Errors
///
/// Refuses a reference of the bank that another receipt has, an unknown deposit or customer,
/// and more money than the merchant's accounts can hold.
pub fn record(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    request: Parsed<ReceiptRequest>,
) -> Result<ReceiptOutcome, Error> {
    let request = request?;
    check_value_date(request.entry.value_date, tx.now())?;
    let mut receipt = insert(tx, policy, actor, &request, ReceiptSource::Operator)?;
    let outcome = match policy.two_person.decide(receipt.amount, None, actor.agent.operator)? {
        Decision::Now => take_in(tx, policy, actor.merchant, &mut receipt)?,
        Decision::AfterSecond { .. } => ReceiptOutcome::of(receipt),
    };
    let (kind, subject) = (ActKind::ReceiptRecorded, outcome.receipt.id.to_string());
    actor.record(tx, kind, subject, request.note)?;
    Ok(outcome)
}

/// The parsed report of a payment provider.
#[derive(Clone, Debug)]
pub struct ReceiptReport {
    pub amount: Amount,
    /// The provider's identity of the payment.
    pub reference: String,
    /// The day on which the provider received it, if the notice names it.
    pub paid_on: Option<Date>,
    pub note: Option<String>,
    /// The references that may be a deposit's, the likeliest first. The first that is one
    /// counts.
    pub references: Vec<Reference>,
}

/// Takes in money that a payment provider reports: for the customer whose deposit it names, or
/// in suspense. A report of a payment that was recorded before changes nothing and returns its
/// receipt, also if that was rejected or reversed: only a person records the payment again.
///
/// A payment on a day that no receipt can have counts as received today: the money is there,
/// whatever the provider says of its time.
///
/// # Errors
///
/// Refuses a payment that another merchant has recorded, also if that was rejected or reversed, and
/// more money than the merchant's accounts can hold.
pub fn record_notice(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    report: ReceiptReport,
) -> Result<ReceiptOutcome, Error> {
    let now = tx.now();
    let day = report.paid_on.filter(|day| check_value_date(*day, now).is_ok());
    let entry = BankEntry {
        reference: report.reference,
        value_date: day.unwrap_or_else(|| now.date()),
    };
    let found = tx.receipt_with_bank_reference(actor.merchant, &entry, ReferenceScope::OwnMerchant)?;
    let mut known = found.map(|(_, receipt)| receipt);
    if known.is_none() {
        known = tx.mistake_with_bank_reference(actor.merchant, &entry, ReferenceScope::OwnMerchant)?;
    }
    if let Some(known) = known {
        return Ok(ReceiptOutcome::of(load(tx, actor.merchant, known)?));
    }
    let scope = policy.reference_scope();
    // Those of the own merchant are not among them.
    if scope != ReferenceScope::OwnMerchant && tx.mistake_with_bank_reference(actor.merchant, &entry, scope)?.is_some()
    {
        return Err(Refusal::BankReferenceUsed { id: None }.into());
    }
    let mut target = ReceiptTarget::Unknown;
    for reference in report.references {
        // The provider says for which merchant the money is, so each name of a deposit will do.
        if let Some(deposit) = deposits::find(tx, policy, actor.merchant, &reference)? {
            target = ReceiptTarget::Deposit(deposit.transaction.quoted_reference(policy.mode));
            break;
        }
    }
    let request = ReceiptRequest {
        amount: report.amount,
        entry,
        note: report.note,
        target,
    };
    let mut receipt = insert(tx, policy, actor, &request, ReceiptSource::Provider)?;
    let outcome = take_in(tx, policy, actor.merchant, &mut receipt)?;
    let (kind, subject) = (ActKind::ReceiptRecorded, outcome.receipt.id.to_string());
    actor.record(tx, kind, subject, request.note)?;
    Ok(outcome)
}

/// Approves a receipt that waits for a second person, and credits it.
///
/// # Errors
///
/// Refuses an unknown receipt, what [`Receipt::check_approval`] refuses, and more money than
/// the merchant's accounts can hold.
pub fn approve(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    id: ReceiptId,
) -> Result<ReceiptOutcome, Error> {
    let mut receipt = load(tx, actor.merchant, id)?;
    receipt.check_approval(actor.agent.operator, policy.two_person)?;
    let outcome = take_in(tx, policy, actor.merchant, &mut receipt)?;
    actor.record(tx, ActKind::ReceiptApproved, id.to_string(), None)?;
    Ok(outcome)
}

/// Rejects a receipt that waits for a second person.
///
/// # Errors
///
/// Refuses an unknown receipt, and one that does not wait.
pub fn reject(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    id: ReceiptId,
    reason: Parsed<String>,
) -> Result<ReceiptOutcome, Error> {
    let reason = reason?;
    let mut receipt = load(tx, actor.merchant, id)?;
    receipt.reject(tx.now())?;
    tx.save_receipt(&receipt)?;
    actor.record(tx, ActKind::ReceiptRejected, id.to_string(), Some(reason))?;
    Ok(ReceiptOutcome::of(receipt))
}

/// Credits money in suspense to the customer whose it is. If the amount needs two operators, saves the
/// first one's request instead.
///
/// # Errors
///
/// Refuses an unknown receipt, an unknown deposit or customer, and what
/// [`Receipt::ask_to_assign`] refuses.
pub fn assign(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    id: ReceiptId,
    target: Parsed<ReceiptTarget>,
) -> Result<ReceiptOutcome, Error> {
    let target = target?;
    let mut receipt = load(tx, actor.merchant, id)?;
    receipt.check_in_suspense("assigned")?;
    let (operator, now) = (actor.agent.operator, tx.now());
    let (customer, expected) = resolve(tx, policy, actor.merchant, &target)?;
    let customer = customer.ok_or(Refusal::NoSuchCustomer)?;
    let expected = expected.map(|payment| payment.transaction.id);
    let decision = receipt.ask_to_assign(customer, expected, operator, policy.two_person, now)?;
    if let Decision::AfterSecond { .. } = decision {
        return save_request(tx, actor, receipt, ActKind::ReceiptAssignmentRequested, None);
    }
    let outcome = take_in(tx, policy, actor.merchant, &mut receipt)?;
    actor.record(tx, ActKind::ReceiptAssigned, id.to_string(), None)?;
    Ok(outcome)
}

/// Reverses a receipt that was recorded by mistake. If the amount needs two operators, saves the first
/// one's request instead.
///
/// # Errors
///
/// Refuses an unknown receipt, and what [`Receipt::ask_to_reverse`] and [`Receipt::reverse`]
/// refuse.
pub fn reverse(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    id: ReceiptId,
    reason: Parsed<String>,
) -> Result<ReceiptOutcome, Error> {
    let reason = reason?;
    let mut receipt = load(tx, actor.merchant, id)?;
    let now = tx.now();
    let available = tx.balance(actor.merchant, &receipt.holder("reversed")?)?;
    let decision = receipt.ask_to_reverse(actor.agent.operator, policy.two_person, available, now)?;
    if let Decision::AfterSecond { .. } = decision {
        return save_request(tx, actor, receipt, ActKind::ReceiptReversalRequested, Some(reason));
    }
    let deposit = receipt.deposit.map(|deposit| tx.payment_to_settle(deposit));
    let mut deposit = deposit.transpose()?;
    let effects = receipt.reverse(deposit.as_mut(), available, now)?;
    outbox::apply(tx, policy, actor.merchant, &effects, &[])?;
    if let Some(deposit) = &deposit {
        tx.save_settled(deposit)?;
    }
    tx.save_receipt(&receipt)?;
    actor.record(tx, ActKind::ReceiptReversed, id.to_string(), Some(reason))?;
    Ok(ReceiptOutcome::of(receipt))
}

/// Withdraws or declines a request that waits for a second operator.
///
/// # Errors
///
/// Refuses an unknown receipt, and one for which no operator has asked.
pub fn retract(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    id: ReceiptId,
    reason: Parsed<String>,
) -> Result<ReceiptOutcome, Error> {
    let reason = reason?;
    let mut receipt = load(tx, actor.merchant, id)?;
    receipt.retract(tx.now())?;
    save_request(tx, actor, receipt, ActKind::ReceiptRequestRetracted, Some(reason))
}

/// Saves what an operator asks for and records the act. No money moves yet.
fn save_request(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    asked: Receipt,
    kind: ActKind,
    reason: Option<String>,
) -> Result<ReceiptOutcome, Error> {
    tx.save_receipt(&asked)?;
    actor.record(tx, kind, asked.id.to_string(), reason)?;
    Ok(ReceiptOutcome::of(asked))
}

/// Gives up a deposit that is expected, which then fails. Money that comes later is credited
/// as a deposit of its own.
///
/// # Errors
///
/// Refuses an unknown deposit, one that is not pending, and one whose money was recorded and waits
/// for a second operator.
pub fn expire(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    reference: Parsed<Reference>,
    reason: Parsed<String>,
) -> Result<Payment, Error> {
    let (reference, reason) = (reference?, reason?);
    let mut deposit = deposits::find(tx, policy, actor.merchant, &reference)?.ok_or(Refusal::DepositNotFound)?;
    receipt::check_pending(&deposit, "given up")?;
    if tx.deposit_has_receipt(actor.merchant, deposit.transaction.id)? {
        return Err(Refusal::DepositHasReceipt.into());
    }
    give_up(tx, policy, actor.merchant, &mut deposit)?;
    let subject = deposit.transaction.id.to_string();
    actor.record(tx, ActKind::DepositExpired, subject, Some(reason))?;
    Ok(deposit)
}

/// Gives up a deposit for which no money came in time. Does nothing if it is settled, or if its
/// money waits for a second operator.
pub fn expire_late(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    deposit: TransactionId,
) -> Result<(), Error> {
    let has_receipt = tx.deposit_has_receipt(merchant, deposit)?;
    let pending = tx
        .payment(deposit)?
        .filter(|deposit| deposit.status() == PaymentStatus::Pending && !has_receipt);
    match pending {
        Some(mut deposit) => give_up(tx, policy, merchant, &mut deposit),
        None => Ok(()),
    }
}

fn give_up(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, deposit: &mut Payment) -> Result<(), Error> {
    let effects = receipt::expire(deposit, tx.now());
    outbox::apply(tx, policy, merchant, &effects, &[])?;
    Ok(tx.save_settled(deposit)?)
}

/// Inserts the record of a receipt, which has moved nothing yet.
fn insert(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    request: &ReceiptRequest,
    source: ReceiptSource,
) -> Result<Receipt, Error> {
    if let Some(other) = tx.receipt_with_bank_reference(actor.merchant, &request.entry, policy.reference_scope())? {
        return Err(actor.refuse_bank_reference(tx, other)?.into());
    }
    let (customer, expected) = resolve(tx, policy, actor.merchant, &request.target)?;
    let facts = ReceiptFacts {
        amount: request.amount,
        entry: request.entry.clone(),
        note: request.note.clone(),
        source,
        customer,
        expected: expected.map(|payment| payment.transaction.id),
        recorded_by: actor.agent.operator,
    };
    let receipt = Receipt::record(tx.receipt_id(), facts, tx.now());
    tx.insert_receipt(actor.merchant, &receipt)?;
    Ok(receipt)
}

/// Credits a receipt to its customer, or takes it into suspense if it has none, and funds the
/// escrows that its deposit names.
fn take_in(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    receipt: &mut Receipt,
) -> Result<ReceiptOutcome, Error> {
    let inside = tx.balance(merchant, &Account::OutsideWorld)?;
    let mut expected = match receipt.expected {
        Some(id) => tx.payment(id)?,
        None => None,
    };
    let names_escrows = |deposit: &&Payment| deposit.method().is_some_and(|method| !method.escrow_ids().is_empty());
    let to_fund = expected.as_ref().filter(names_escrows);
    let not_settled = to_fund.and_then(|deposit| receipt::check_settled_by(deposit, receipt.amount).err());
    let effects: Effects = match receipt.customer.clone() {
        Some(customer) => receipt.credit(&customer, expected.as_mut(), inside, tx.booking())?,
        None => receipt.keep_in_suspense(inside, tx.now())?,
    };
    outbox::apply(tx, policy, merchant, &effects, &[])?;
    let settled = expected.filter(|payment| receipt.deposit == Some(payment.transaction.id));
    if let Some(deposit) = &settled {
        tx.save_settled(deposit)?;
    }
    tx.save_receipt(receipt)?;
    let mut outcome = ReceiptOutcome::of(receipt.clone());
    outcome.not_funded = not_settled;
    if let Some(deposit) = settled {
        match fund_escrows_of(tx, policy, merchant, &deposit)? {
            Ok(funded) => outcome.funded = funded,
            Err(refusal) => outcome.not_funded = Some(refusal),
        }
    }
    Ok(outcome)
}

/// Funds the escrows that a deposit names with the money that came by it, or none of them. The
/// inner error says why they were not funded.
///
/// The customer has agreed to the terms of that time, so changed ones are not funded. Other money in
/// the wallet is not touched.
pub(super) fn fund_escrows_of(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    deposit: &Payment,
) -> Result<Result<Vec<EscrowId>, Refusal>, Error> {
    let (Some(customer), Some(method)) = (deposit.transaction.owner.customer(), deposit.method()) else {
        return Ok(Ok(Vec::new()));
    };
    let ids = method.escrow_ids();
    if ids.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let came = deposit.transaction.amount;
    let request = PaymentRequest {
        escrows: ids.iter().map(|id| EscrowKey::Id(EscrowId::named(id))).collect(),
        token: None,
        amount: None,
        reference: None,
        gateway: Gateway::Wallet,
    };
    let actor = Actor {
        merchant,
        party: Party::Customer(customer.clone()),
    };
    let funded = tx.attempt(|tx| {
        let funded = payments::fund_with(tx, policy, &actor, Ok(request), Some(came))?;
        deposits::check_terms_agreed(tx, merchant, method)?;
        Ok(funded)
    })?;
    match funded {
        Ok(payment) => Ok(Ok(payment.escrows.iter().map(|escrow| escrow.id).collect())),
        Err(Error::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error),
    }
}

/// Returns the customer that a target names, and the deposit that the customer announced.
///
/// # Errors
///
/// Refuses an unknown customer, and what [`deposits::find_quoted`] refuses.
fn resolve(
    tx: &Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    target: &ReceiptTarget,
) -> Result<(Option<CustomerId>, Option<Payment>), Error> {
    match target {
        ReceiptTarget::Unknown => Ok((None, None)),
        ReceiptTarget::Customer(id) => {
            let customer = tx.customer(merchant, id)?.ok_or(Refusal::NoSuchCustomer)?;
            Ok((Some(customer.id), None))
        }
        ReceiptTarget::Deposit(reference) => {
            let deposit = deposits::find_quoted(tx, policy, merchant, reference)?;
            let customer = deposit.transaction.owner.customer().cloned();
            Ok((customer, Some(deposit)))
        }
    }
}

fn load(tx: &Tx<'_>, merchant: MerchantId, id: ReceiptId) -> Result<Receipt, Error> {
    Ok(tx.receipt(merchant, id)?.ok_or(Refusal::ReceiptNotFound)?)
}
