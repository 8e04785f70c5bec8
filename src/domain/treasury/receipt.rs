//! Receipts: money that came to the operator's bank account. A receipt is credited to a
//! customer, or kept in suspense until it is known whose it is. A wrong one is corrected by
//! a reversing transfer, never by a change.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::effects::{Booking, Effects};
use crate::domain::ids::{CustomerId, OperatorId, ReceiptId, TransactionId};
use crate::domain::ledger::{self, Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::payments::payment::Payment;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{Detail, Method, PaymentStatus, TransactionType};
use crate::domain::treasury::operator::{Decision, TwoPersonRule};
use crate::domain::treasury::payout::BankEntry;

/// The most characters in a bank's reference of a movement.
pub const BANK_REFERENCE_CHARS_MAX: usize = 100;

/// The origin of a receipt's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ReceiptSource {
    /// An operator recorded it.
    Operator,
    /// A payment provider reported it.
    Provider,
}

/// The status of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ReceiptStatus {
    /// It waits for the approval of a second person, and has moved nothing.
    Recorded,
    /// Not approved. It never moved anything.
    Rejected,
    /// A customer's wallet has the money.
    Credited,
    /// The merchant's suspense account has the money.
    Suspense,
    /// Recorded by mistake. The reversing transfer took the money out again.
    Reversed,
    /// A pay-out returns the money to its payer.
    SentBack,
}

impl ReceiptStatus {
    /// The statuses in which a receipt is approved or rejected.
    pub const TO_DECIDE: &'static [Self] = &[Self::Recorded];
    /// The statuses in which its money is assigned to a customer.
    pub const TO_ASSIGN: &'static [Self] = &[Self::Suspense];
    /// The statuses in which it is reversed.
    pub const TO_REVERSE: &'static [Self] = &[Self::Credited, Self::Suspense];
}

/// A step with a receipt that above the limit takes effect when a second operator asks for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiptStep {
    /// To assign money in suspense to a customer, who may have announced it by the expected deposit.
    Assign {
        customer: CustomerId,
        expected: Option<TransactionId>,
    },
    /// To reverse the receipt.
    Reverse,
}

/// The request of an operator, which waits for a second one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptAsked {
    pub by: OperatorId,
    pub step: ReceiptStep,
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub id: ReceiptId,
    /// As it came, more than zero.
    pub amount: Amount,
    /// The movement at the bank.
    pub entry: BankEntry,
    pub note: Option<String>,
    pub source: ReceiptSource,
    pub status: ReceiptStatus,
    /// The customer whose money it is. `None` while that is not known.
    pub customer: Option<CustomerId>,
    /// The deposit whose reference the payer quoted.
    pub expected: Option<TransactionId>,
    /// The deposit that credited it.
    pub deposit: Option<TransactionId>,
    /// `None` for a provider, and in a sandbox.
    pub recorded_by: Option<OperatorId>,
    /// The request of one operator, until another one asks for the same, until the request is
    /// retracted, or until the money is sent back.
    pub asked: Option<ReceiptAsked>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The facts of a new receipt.
#[derive(Clone, Debug)]
pub struct ReceiptFacts {
    pub amount: Amount,
    pub entry: BankEntry,
    pub note: Option<String>,
    pub source: ReceiptSource,
    pub customer: Option<CustomerId>,
    pub expected: Option<TransactionId>,
    pub recorded_by: Option<OperatorId>,
}

impl Receipt {
    /// Records a receipt, which moves nothing yet.
    pub fn record(id: ReceiptId, facts: ReceiptFacts, now: Timestamp) -> Self {
        Self {
            id,
            amount: facts.amount,
            entry: facts.entry,
            note: facts.note,
            source: facts.source,
            status: ReceiptStatus::Recorded,
            customer: facts.customer,
            expected: facts.expected,
            deposit: None,
            recorded_by: facts.recorded_by,
            asked: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Returns the customer whose money it is and the deposit whose reference the payer quoted, or
    /// those of the request to assign it.
    pub fn intended_for(&self) -> (Option<&CustomerId>, Option<TransactionId>) {
        match self.asked.as_ref().map(|asked| &asked.step) {
            Some(ReceiptStep::Assign { customer, expected }) => (Some(customer), *expected),
            Some(ReceiptStep::Reverse) | None => (self.customer.as_ref(), self.expected),
        }
    }

    /// Checks that an operator may approve this receipt.
    ///
    /// # Errors
    ///
    /// Refuses another status than recorded, and then the operator who recorded it.
    pub fn check_approval(&self, approver: Option<OperatorId>, rule: TwoPersonRule) -> Result<(), Refusal> {
        self.check_status(ReceiptStatus::TO_DECIDE, "approved")?;
        rule.check(self.amount, self.recorded_by, approver)
    }

    /// Rejects a receipt that waits for its approval.
    ///
    /// # Errors
    ///
    /// Refuses another status.
    pub fn reject(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.check_status(ReceiptStatus::TO_DECIDE, "rejected")?;
        self.set_status(ReceiptStatus::Rejected, now);
        Ok(())
    }

    /// Takes the money in without knowing whose it is. `inside` is the money in all of the
    /// merchant's accounts.
    ///
    /// # Errors
    ///
    /// Refuses another status than recorded, and money that the accounts could not hold.
    pub fn keep_in_suspense(&mut self, inside: Amount, now: Timestamp) -> Result<Effects, Refusal> {
        self.check_status(&[ReceiptStatus::Recorded], "kept in suspense")?;
        check_may_enter(self.amount, inside)?;
        let mut effects = Effects::default();
        let kind = TransferKind::Unallocated;
        effects.transfer(kind, Account::OutsideWorld, Account::Suspense, self.amount, None);
        self.set_status(ReceiptStatus::Suspense, now);
        Ok(effects)
    }

    /// Credits the money to a customer, as it came in or out of suspense. If it is exactly
    /// the amount of the `expected` deposit, and that is pending, the deposit succeeds. Else
    /// the customer gets a deposit of the amount that came. `inside` is the money in all of
    /// the merchant's accounts.
    ///
    /// # Errors
    ///
    /// Refuses another status than recorded and in suspense, and money that the accounts
    /// could not hold.
    pub fn credit(
        &mut self,
        customer: &CustomerId,
        expected: Option<&mut Payment>,
        inside: Amount,
        mut booking: Booking<'_>,
    ) -> Result<Effects, Refusal> {
        self.check_status(&[ReceiptStatus::Recorded, ReceiptStatus::Suspense], "credited")?;
        let (kind, from) = if self.status == ReceiptStatus::Suspense {
            (TransferKind::Allocation, Account::Suspense)
        } else {
            check_may_enter(self.amount, inside)?;
            (TransferKind::Deposit, Account::OutsideWorld)
        };
        let wallet = Account::CustomerMain(customer.clone());
        let effects = &mut booking.effects;
        effects.transfer(kind, from, wallet.clone(), self.amount, None);
        self.expected = self
            .expected
            .or(expected.as_ref().map(|payment| payment.transaction.id));
        let settled = expected.filter(|payment| check_settled_by(payment, self.amount).is_ok());
        let deposit = match settled {
            Some(payment) => {
                payment.settle(PaymentStatus::Success, booking.now, effects);
                payment.transaction.id
            }
            None => record_deposit(wallet, self.amount, &mut booking),
        };
        self.customer = Some(customer.clone());
        self.deposit = Some(deposit);
        self.set_status(ReceiptStatus::Credited, booking.now);
        Ok(booking.effects)
    }

    /// Asks to assign money in suspense to a customer, who may have announced it by the
    /// `expected` deposit. Decides if the money is to be credited now, or if a second operator has to
    /// ask for the same first.
    ///
    /// Above the limit of the rule two operators name the customer, and the deposit that it is for,
    /// which decides what the money funds. The one who recorded the receipt may be one of them.
    ///
    /// # Errors
    ///
    /// Refuses another status than in suspense, then the operator who has asked for the same if the
    /// amount takes two persons.
    pub fn ask_to_assign(
        &mut self,
        customer: CustomerId,
        expected: Option<TransactionId>,
        operator: Option<OperatorId>,
        rule: TwoPersonRule,
        now: Timestamp,
    ) -> Result<Decision, Refusal> {
        self.check_in_suspense("assigned")?;
        let step = ReceiptStep::Assign {
            customer: customer.clone(),
            expected,
        };
        let decision = self.ask(step, operator, rule, now)?;
        if decision == Decision::Now {
            (self.customer, self.expected) = (Some(customer), expected);
        }
        Ok(decision)
    }

    /// Asks to reverse a receipt. Decides if it is to be reversed now, or if a second operator has to
    /// ask for the same first, as in [`Self::ask_to_assign`]. `available` is the balance of the account
    /// that has the money.
    ///
    /// # Errors
    ///
    /// Refuses another status than credited and in suspense, then money that is already spent, then
    /// the operator who has asked for the same if the amount takes two persons.
    pub fn ask_to_reverse(
        &mut self,
        operator: Option<OperatorId>,
        rule: TwoPersonRule,
        available: Amount,
        now: Timestamp,
    ) -> Result<Decision, Refusal> {
        self.check_status(ReceiptStatus::TO_REVERSE, "reversed")?;
        self.check_unspent(available)?;
        self.ask(ReceiptStep::Reverse, operator, rule, now)
    }

    /// Decides if a step takes effect now. Otherwise notes the request in [`Self::asked`].
    fn ask(
        &mut self,
        step: ReceiptStep,
        operator: Option<OperatorId>,
        rule: TwoPersonRule,
        now: Timestamp,
    ) -> Result<Decision, Refusal> {
        let same = self.asked.as_ref().filter(|asked| asked.step == step);
        let decision = rule.decide(self.amount, same.map(|asked| asked.by), operator)?;
        self.asked = decision.asked_by().map(|by| ReceiptAsked { by, step });
        self.updated_at = now;
        Ok(decision)
    }

    /// Reverses a receipt that was recorded by mistake. `available` is the balance of the
    /// account that has the money, and `deposit` the one that credited it.
    ///
    /// # Errors
    ///
    /// Refuses another status than credited and in suspense, then money that is already spent.
    pub fn reverse(
        &mut self,
        deposit: Option<&mut Payment>,
        available: Amount,
        now: Timestamp,
    ) -> Result<Effects, Refusal> {
        let account = self.holder("reversed")?;
        self.check_unspent(available)?;
        let mut effects = Effects::default();
        let kind = TransferKind::Correction;
        effects.transfer(kind, account, Account::OutsideWorld, self.amount, None);
        if let Some(payment) = deposit {
            payment.settle(PaymentStatus::Reversed, now, &mut effects);
        }
        self.set_status(ReceiptStatus::Reversed, now);
        Ok(effects)
    }

    /// Ends what one operator has asked for, before a second one asks for the same.
    ///
    /// # Errors
    ///
    /// Refuses a receipt for which no operator has asked.
    pub fn retract(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.asked.take().ok_or(Refusal::NothingAsked)?;
        self.updated_at = now;
        Ok(())
    }

    fn check_unspent(&self, available: Amount) -> Result<(), Refusal> {
        if available < self.amount {
            return Err(Refusal::AlreadySpent {
                needed: self.amount,
                available,
            });
        }
        Ok(())
    }

    /// Returns the account that has the money.
    ///
    /// # Errors
    ///
    /// Refuses another status than credited and in suspense, as an action that is named by
    /// `done`.
    pub fn holder(&self, done: &'static str) -> Result<Account, Refusal> {
        self.check_status(ReceiptStatus::TO_REVERSE, done)?;
        Ok(match (&self.customer, self.status) {
            (Some(customer), ReceiptStatus::Credited) => Account::CustomerMain(customer.clone()),
            _ => Account::Suspense,
        })
    }

    /// Checks that the money is in suspense.
    ///
    /// # Errors
    ///
    /// Refuses another status, for an action that is named by `done`.
    pub fn check_in_suspense(&self, done: &'static str) -> Result<(), Refusal> {
        self.check_status(ReceiptStatus::TO_ASSIGN, done)
    }

    /// Sends money in suspense back to its payer: the pay-out that does so exists. A request
    /// that waits for a second operator lapses.
    ///
    /// # Errors
    ///
    /// Refuses another status.
    pub fn send_back(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.check_in_suspense("sent back")?;
        self.asked = None;
        self.set_status(ReceiptStatus::SentBack, now);
        Ok(())
    }

    /// Takes the money into suspense again, since its pay-out was rejected or returned.
    ///
    /// # Errors
    ///
    /// Refuses another status.
    pub fn return_to_suspense(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.check_status(&[ReceiptStatus::SentBack], "taken back")?;
        self.set_status(ReceiptStatus::Suspense, now);
        Ok(())
    }

    fn check_status(&self, allowed: &[ReceiptStatus], done: &'static str) -> Result<(), Refusal> {
        if allowed.contains(&self.status) {
            return Ok(());
        }
        Err(Refusal::NotInStatus {
            object: "receipt",
            status: self.status.into_str(),
            allowed: allowed.iter().map(Into::into).collect(),
            done,
        })
    }

    fn set_status(&mut self, status: ReceiptStatus, now: Timestamp) {
        self.status = status;
        self.updated_at = now;
    }
}

/// Gives up a pending deposit, which fails. Returns no effects if it is not pending.
pub fn expire(expected: &mut Payment, now: Timestamp) -> Effects {
    let mut effects = Effects::default();
    if expected.status() == PaymentStatus::Pending {
        expected.settle(PaymentStatus::Failed, now, &mut effects);
    }
    effects
}

/// Checks that a deposit is pending. `done` says what would be done with it.
///
/// # Errors
///
/// Refuses another status.
pub fn check_pending(deposit: &Payment, done: &'static str) -> Result<(), Refusal> {
    if deposit.status() == PaymentStatus::Pending {
        return Ok(());
    }
    Err(Refusal::NotInStatus {
        object: "deposit",
        status: deposit.status().into_str(),
        allowed: vec![PaymentStatus::Pending.into_str()],
        done,
    })
}

/// Checks that a deposit is settled by an amount that comes.
///
/// # Errors
///
/// Refuses one that is not pending, then another amount.
pub fn check_settled_by(expected: &Payment, amount: Amount) -> Result<(), Refusal> {
    check_pending(expected, "settled")?;
    if expected.transaction.amount != amount {
        return Err(Refusal::AmountMismatch {
            due: expected.transaction.amount,
            offered: amount,
        });
    }
    Ok(())
}

fn check_may_enter(amount: Amount, inside: Amount) -> Result<(), Refusal> {
    if ledger::may_enter(amount, inside) {
        Ok(())
    } else {
        Err(Refusal::TooMuchMoney)
    }
}

/// Records the deposit of money that no pending deposit expected, and returns its id.
fn record_deposit(wallet: Account, amount: Amount, booking: &mut Booking<'_>) -> TransactionId {
    let deposit = booking.credit(wallet, TransactionType::Deposit, amount);
    let id = deposit.id;
    let method = Method::BankTransfer {
        account: None,
        escrow_ids: Vec::new(),
        terms_hash: None,
    };
    let detail = Detail::succeeded(booking.now, method);
    booking.effects.record_with(deposit, detail);
    id
}

#[cfg(test)]
mod tests;
