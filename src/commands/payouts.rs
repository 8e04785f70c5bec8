//! Pay-outs: asking for one, its approval, and its payment.

use crate::commands::operators::OperatorActor;
use crate::commands::{Error, Policy, outbox};
use crate::domain::effects::Effects;
use crate::domain::ids::{IdSource, MerchantId, PayoutId, ReceiptId};
use crate::domain::invalid::Parsed;
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::payments::intent::IntentOutcome;
use crate::domain::payments::payment::Payment;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::{BankAccount, Detail, Method, TransactionType};
use crate::domain::treasury::act::ActKind;
use crate::domain::treasury::operator::{Decision, TwoPersonRule};
use crate::domain::treasury::payout::{BankEntry, Payout, PayoutStatus, PayoutStep, PayoutTerms, check_value_date};
use crate::domain::treasury::receipt::Receipt;
use crate::store::{PayoutWithWithdrawal, StoredPayout, Tx};

/// The parsed request of an operator for a pay-out.
#[derive(Clone, Debug)]
pub struct PayoutRequest {
    pub source: RequestedSource,
    pub destination: BankAccount,
    pub reason: Option<String>,
}

/// The money that an operator wants to be paid out.
#[derive(Clone, Copy, Debug)]
pub enum RequestedSource {
    /// The merchant's own money: commission, additional fees and sales.
    Merchant(Amount),
    /// The platform's fees.
    PlatformFees(Amount),
    /// All of a receipt in suspense, back to its payer.
    Receipt(ReceiptId),
}

/// Asks for the pay-out of a customer's withdrawal, whose entry is among the effects. The
/// caller applies the effects and then inserts the pay-out.
pub(super) fn request_for_withdrawal(
    tx: &mut Tx<'_>,
    withdrawal: &Payment,
    available: Amount,
    effects: &mut Effects,
) -> Result<Payout, Error> {
    let terms = PayoutTerms {
        source: withdrawal.transaction.owner.clone(),
        amount: withdrawal.transaction.amount,
        fee: withdrawal.fee(),
        destination: None,
        receipt: None,
        requested_by: None,
    };
    let (id, now) = (tx.payout_id(), tx.now());
    Ok(Payout::request(id, terms, available, now, effects)?)
}

/// Asks for a pay-out of the merchant's money, of the platform's fees, or of money in
/// suspense.
///
/// # Errors
///
/// Refuses an unknown receipt, one that is not in suspense, and an account that does not hold
/// the amount.
pub fn request(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    request: Parsed<PayoutRequest>,
) -> Result<PayoutWithWithdrawal, Error> {
    let request = request?;
    let merchant = actor.merchant;
    let (source, amount, mut receipt) = match request.source {
        RequestedSource::Merchant(amount) => (Account::MerchantMain, amount, None),
        RequestedSource::PlatformFees(amount) => (Account::PlatformFees, amount, None),
        RequestedSource::Receipt(id) => {
            let receipt = tx.receipt(merchant, id)?.ok_or(Refusal::ReceiptNotFound)?;
            (Account::Suspense, receipt.amount, Some(receipt))
        }
    };
    let now = tx.now();
    if let Some(receipt) = &mut receipt {
        receipt.send_back(now)?;
    }
    let mut effects = Effects::default();
    let withdrawal = (source == Account::MerchantMain)
        .then(|| withdrawal_of_merchant(tx, amount, request.destination.clone(), &mut effects));
    let terms = PayoutTerms {
        source,
        amount,
        fee: Amount::ZERO,
        destination: withdrawal.is_none().then_some(request.destination),
        receipt: receipt.as_ref().map(|receipt| receipt.id),
        requested_by: actor.agent.operator,
    };
    let available = tx.balance(merchant, &terms.source)?;
    let payout = Payout::request(tx.payout_id(), terms, available, now, &mut effects)?;
    outbox::apply(tx, policy, merchant, &effects, &[])?;
    if let Some(receipt) = &receipt {
        tx.save_receipt(receipt)?;
    }
    tx.insert_payout(
        merchant,
        &payout,
        withdrawal.as_ref().map(|payment| payment.transaction.id),
    )?;
    let kind = ActKind::PayoutRequested;
    actor.record(tx, kind, payout.id.to_string(), request.reason)?;
    Ok(PayoutWithWithdrawal {
        payout,
        withdrawal,
        owner_problem: None,
    })
}

/// Approves a pay-out.
///
/// # Errors
///
/// Refuses an unknown pay-out, what [`Payout::approve`] refuses, and the withdrawal of a customer
/// who was blocked since, or may not withdraw any more.
pub fn approve(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    id: PayoutId,
) -> Result<PayoutWithWithdrawal, Error> {
    let mut loaded = load(tx, actor.merchant, id)?;
    let now = tx.now();
    loaded.payout.approve(actor.agent.operator, policy.two_person, now)?;
    if let Some(problem) = loaded.owner_problem {
        return Err(Refusal::OwnerMayNotWithdraw { problem }.into());
    }
    tx.save_payout(&loaded.payout)?;
    actor.record(tx, ActKind::PayoutApproved, id.to_string(), None)?;
    Ok(loaded)
}

/// Rejects a pay-out, and gives its money back.
///
/// # Errors
///
/// Refuses an unknown pay-out, and one that is not requested.
pub fn reject(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    id: PayoutId,
    reason: Parsed<String>,
) -> Result<PayoutWithWithdrawal, Error> {
    let reason = Some(reason?);
    let mut loaded = load(tx, actor.merchant, id)?;
    let now = tx.now();
    let effects = loaded.payout.reject(loaded.withdrawal.as_mut(), reason.clone(), now)?;
    save(tx, policy, actor.merchant, &loaded, &effects)?;
    actor.record(tx, ActKind::PayoutRejected, id.to_string(), reason)?;
    Ok(loaded)
}

/// Records that the bank has paid an approved pay-out.
///
/// # Errors
///
/// Refuses an unknown pay-out, one that is not approved, and a reference of the bank that
/// another pay-out has.
pub fn pay(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    id: PayoutId,
    paid: Parsed<BankEntry>,
) -> Result<PayoutWithWithdrawal, Error> {
    let paid = paid?;
    let now = tx.now();
    check_value_date(paid.value_date, now)?;
    let mut loaded = load(tx, actor.merchant, id)?;
    let effects = loaded.payout.pay(loaded.withdrawal.as_mut(), Some(paid.clone()), now)?;
    if let Some(other) = tx.payout_with_bank_reference(actor.merchant, &paid, policy.reference_scope())? {
        return Err(actor.refuse_bank_reference(tx, other)?.into());
    }
    save(tx, policy, actor.merchant, &loaded, &effects)?;
    actor.record(tx, ActKind::PayoutPaid, id.to_string(), None)?;
    Ok(loaded)
}

/// Records that the bank has sent a pay-out back. If the amount needs two operators, saves the first one's
/// request instead.
///
/// # Errors
///
/// Refuses an unknown pay-out, and what [`Payout::record_return`] and [`Payout::ask`] refuse.
pub fn record_return(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    id: PayoutId,
    reason: Parsed<String>,
) -> Result<PayoutWithWithdrawal, Error> {
    let reason = Some(reason?);
    let merchant = actor.merchant;
    let mut asked = load(tx, merchant, id)?;
    let mut returned = asked.clone();
    let inside = tx.balance(merchant, &Account::OutsideWorld)?;
    let now = tx.now();
    let effects = returned
        .payout
        .record_return(returned.withdrawal.as_mut(), reason.clone(), inside, now)?;
    let step = PayoutStep::Return;
    let decision = asked.payout.ask(step, actor.agent.operator, policy.two_person, now)?;
    if let Decision::AfterSecond { .. } = decision {
        return save_request(tx, actor, asked, ActKind::PayoutReturnRequested, reason);
    }
    save(tx, policy, merchant, &returned, &effects)?;
    actor.record(tx, ActKind::PayoutReturned, id.to_string(), reason)?;
    Ok(returned)
}

/// Reopens a pay-out whose payment was recorded by mistake. If the amount needs two operators, saves the
/// first one's request instead.
///
/// A withdrawal that the sandbox's bank paid can be reopened too. It then waits for an operator, as one
/// that an operator approved does.
///
/// # Errors
///
/// Refuses an unknown pay-out, and what [`Payout::reopen`] and [`Payout::ask`] refuse.
pub fn reopen(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    id: PayoutId,
    reason: Parsed<String>,
) -> Result<PayoutWithWithdrawal, Error> {
    let reason = Some(reason?);
    let merchant = actor.merchant;
    let mut asked = load(tx, merchant, id)?;
    let mut reopened = asked.clone();
    let inside = tx.balance(merchant, &Account::OutsideWorld)?;
    let fees = tx.balance(merchant, &Account::PlatformFees)?;
    let now = tx.now();
    let effects = reopened
        .payout
        .reopen(reopened.withdrawal.as_mut(), inside, fees, now)?;
    let step = PayoutStep::Reopening;
    let decision = asked.payout.ask(step, actor.agent.operator, policy.two_person, now)?;
    if let Decision::AfterSecond { .. } = decision {
        return save_request(tx, actor, asked, ActKind::PayoutReopeningRequested, reason);
    }
    save(tx, policy, merchant, &reopened, &effects)?;
    reopened.owner_problem = tx.payout_owner_problem(merchant, &reopened.payout)?;
    actor.record(tx, ActKind::PayoutReopened, id.to_string(), reason)?;
    Ok(reopened)
}

/// Withdraws or declines a request that waits for a second operator.
///
/// # Errors
///
/// Refuses an unknown pay-out, and one for which no operator has asked for anything.
pub fn retract(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    id: PayoutId,
    reason: Parsed<String>,
) -> Result<PayoutWithWithdrawal, Error> {
    let reason = Some(reason?);
    let mut loaded = load(tx, actor.merchant, id)?;
    loaded.payout.retract(tx.now())?;
    save_request(tx, actor, loaded, ActKind::PayoutRequestRetracted, reason)
}

/// Saves what an operator asks for and records the act. No money moves yet.
fn save_request(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    asked: PayoutWithWithdrawal,
    kind: ActKind,
    reason: Option<String>,
) -> Result<PayoutWithWithdrawal, Error> {
    tx.save_payout(&asked.payout)?;
    actor.record(tx, kind, asked.payout.id.to_string(), reason)?;
    Ok(asked)
}

/// Settles a withdrawal as the sandbox's bank does, unless an operator has taken its pay-out
/// in hand.
pub(super) fn settle_by_bank(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    stored: StoredPayout,
    mut withdrawal: Payment,
    outcome: IntentOutcome,
) -> Result<Payment, Error> {
    let mut payout = stored.payout;
    if payout.status != PayoutStatus::Requested {
        return Ok(withdrawal);
    }
    let now = tx.now();
    let effects = match outcome {
        IntentOutcome::Failed => payout.reject(Some(&mut withdrawal), None, now)?,
        IntentOutcome::Success => {
            payout.approve(None, TwoPersonRule::OFF, now)?;
            payout.pay(Some(&mut withdrawal), None, now)?
        }
        IntentOutcome::Reversed => {
            payout.approve(None, TwoPersonRule::OFF, now)?;
            payout.record_return(Some(&mut withdrawal), None, Amount::ZERO, now)?
        }
    };
    let settled = PayoutWithWithdrawal {
        payout,
        withdrawal: Some(withdrawal.clone()),
        owner_problem: None,
    };
    save(tx, policy, merchant, &settled, &effects)?;
    Ok(withdrawal)
}

fn load(tx: &Tx<'_>, merchant: MerchantId, id: PayoutId) -> Result<PayoutWithWithdrawal, Error> {
    let stored = tx.payout(merchant, id)?.ok_or(Refusal::PayoutNotFound)?;
    if let Some(withdrawal) = stored.withdrawal {
        tx.payment_to_settle(withdrawal)?;
    }
    Ok(tx.with_withdrawal(stored)?)
}

fn save(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    changed: &PayoutWithWithdrawal,
    effects: &Effects,
) -> Result<(), Error> {
    outbox::apply(tx, policy, merchant, effects, &[])?;
    tx.save_payout(&changed.payout)?;
    if let Some(withdrawal) = &changed.withdrawal {
        tx.save_settled(withdrawal)?;
        tx.delete_slow_withdrawal(merchant, withdrawal.transaction.id)?;
    }
    let is_given_back = changed.payout.status.is_given_back();
    if let Some(receipt) = changed.payout.receipt.filter(|_| is_given_back) {
        take_into_suspense(tx, merchant, receipt)?;
    }
    Ok(())
}

fn take_into_suspense(tx: &mut Tx<'_>, merchant: MerchantId, id: ReceiptId) -> Result<(), Error> {
    let mut receipt: Receipt = tx.receipt(merchant, id)?.ok_or(Refusal::ReceiptNotFound)?;
    receipt.return_to_suspense(tx.now())?;
    Ok(tx.save_receipt(&receipt)?)
}

/// Records the merchant's withdrawal in its history, pending until its pay-out is settled.
fn withdrawal_of_merchant(tx: &mut Tx<'_>, amount: Amount, destination: BankAccount, effects: &mut Effects) -> Payment {
    let transaction = tx
        .booking()
        .debit(Account::MerchantMain, TransactionType::Withdrawal, amount);
    let detail = Detail::pending(Amount::ZERO, Method::Bank(destination));
    effects.record_with(transaction.clone(), detail.clone());
    Payment {
        transaction,
        detail: Some(detail),
        escrows: Vec::new(),
        vault: None,
        payees: Vec::new(),
    }
}
