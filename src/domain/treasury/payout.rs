//! Pay-outs: money that leaves through the operator's bank account. Asking for one moves its
//! amount and fee into the account for money in transit, so that nothing can be spent twice.
//! Approval and payment are separate steps.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::effects::Effects;
use crate::domain::ids::{OperatorId, PayoutId, ReceiptId};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::ledger::{self, Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::payments::payment::Payment;
use crate::domain::refusal::Refusal;
use crate::domain::time::{Date, Timestamp};
use crate::domain::transaction::{BankAccount, Method, PaymentStatus};
use crate::domain::treasury::operator::{Decision, TwoPersonRule};
use crate::domain::treasury::reference::ReferenceKey;

/// The status of a pay-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum PayoutStatus {
    /// Its money is in transit. It waits for an approval.
    Requested,
    /// It may be paid.
    Approved,
    /// Not approved. Its owner has the money back.
    Rejected,
    /// The bank has paid it.
    Paid,
    /// The bank has sent it back. Its owner has the money back.
    Returned,
}

impl PayoutStatus {
    /// The statuses in which a pay-out is approved or rejected.
    pub const TO_DECIDE: &'static [Self] = &[Self::Requested];
    /// The statuses in which it is recorded as paid.
    pub const TO_PAY: &'static [Self] = &[Self::Approved];
    /// The statuses in which it is recorded as returned.
    pub const TO_RETURN: &'static [Self] = &[Self::Approved, Self::Paid];
    /// The statuses in which its payment is recorded, and may turn out to be a mistake.
    pub const TO_REOPEN: &'static [Self] = &[Self::Paid];

    /// Returns true if its money is in transit.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Approved)
    }

    /// Returns true if its owner has the money back.
    pub const fn is_given_back(self) -> bool {
        matches!(self, Self::Rejected | Self::Returned)
    }
}

/// An act for which two operators ask, if the pay-out is large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum PayoutStep {
    /// To record that the bank sent it back: its owner gets the money again.
    Return,
    /// To reopen it: the bank pays it once more.
    Reopening,
}

/// The request of the first of two operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayoutAsked {
    pub by: OperatorId,
    pub step: PayoutStep,
}

/// The bank's own words for a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankEntry {
    /// The bank's reference of the movement.
    pub reference: String,
    pub value_date: Date,
}

impl BankEntry {
    /// Returns the reference as it is compared with others: without case, spaces and
    /// punctuation, unless it has nothing else.
    pub fn reference_key(&self) -> String {
        let key = ReferenceKey::of(&self.reference);
        if key.is_empty() {
            self.reference.clone()
        } else {
            key.as_str().to_owned()
        }
    }
}

/// The end of a pay-out at the bank.
#[derive(Clone, Debug)]
pub enum BatchOutcome {
    Paid(BankEntry),
    /// The bank has sent it back on this day, for this reason.
    Returned {
        value_date: Date,
        reason: String,
    },
}

/// Checks the day of a movement at the bank: from 1970-01-01 to tomorrow in UTC, since the day may
/// have begun elsewhere. With another day, the comparison with the bank's statement would not find
/// the movement.
///
/// # Errors
///
/// Names the field `valueDate`.
pub fn check_value_date(day: Date, now: Timestamp) -> Parsed<()> {
    let (first, last) = (Timestamp::EPOCH.date(), now.date().days_later(1));
    if (first..=last).contains(&day) {
        return Ok(());
    }
    let expected = format!("a day from {first} to {last}, which is tomorrow in UTC");
    Err(Invalid::wrong("valueDate", expected, &day.to_string()))
}

/// A pay-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    pub id: PayoutId,
    /// The account whose money it is: a customer's or the merchant's main account, the
    /// platform's fees, or suspense.
    pub source: Account,
    pub amount: Amount,
    /// Taken in addition to the amount. The platform gets it when the pay-out is paid.
    pub fee: Amount,
    pub status: PayoutStatus,
    /// The bank account, if there is no withdrawal.
    pub destination: Option<BankAccount>,
    /// The receipt in suspense that goes back.
    pub receipt: Option<ReceiptId>,
    /// The operator who asked for it. `None` if its owner did.
    pub requested_by: Option<OperatorId>,
    pub approved_by: Option<OperatorId>,
    /// The number of the batch in which it was exported for the bank: 1, 2, 3, ... of the merchant.
    /// A pay-out is in one batch at most, so that the bank does not pay it twice.
    pub batch: Option<u32>,
    /// The request of one operator, until another one asks for the same, until the request is
    /// retracted, or until the status changes.
    pub asked: Option<PayoutAsked>,
    /// The payment at the bank. `None` before, and if the sandbox's bank paid.
    pub paid: Option<BankEntry>,
    /// True from the payment on, also if the bank then returned it. The platform keeps the
    /// fee. False again if the payment was recorded by mistake.
    pub was_paid: bool,
    /// The reason of the rejection or the return.
    pub reason: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The terms of a new pay-out.
#[derive(Clone, Debug)]
pub struct PayoutTerms {
    pub source: Account,
    pub amount: Amount,
    pub fee: Amount,
    pub destination: Option<BankAccount>,
    pub receipt: Option<ReceiptId>,
    pub requested_by: Option<OperatorId>,
}

impl Payout {
    /// Asks for a pay-out, which moves its money into transit.
    ///
    /// # Errors
    ///
    /// Refuses a source that does not hold amount and fee.
    pub fn request(
        id: PayoutId,
        terms: PayoutTerms,
        available: Amount,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Self, Refusal> {
        let needed = terms.amount.checked_add(terms.fee).ok_or(Refusal::TooMuchMoney)?;
        if available < needed {
            return Err(Refusal::InsufficientBalance { needed, available });
        }
        effects.transfer(
            TransferKind::Payout,
            terms.source.clone(),
            Account::InTransit,
            needed,
            None,
        );
        Ok(Self {
            id,
            source: terms.source,
            amount: terms.amount,
            fee: terms.fee,
            status: PayoutStatus::Requested,
            destination: terms.destination,
            receipt: terms.receipt,
            requested_by: terms.requested_by,
            approved_by: None,
            batch: None,
            asked: None,
            paid: None,
            was_paid: false,
            reason: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// Approves a requested pay-out. `approver` is `None` in a sandbox.
    ///
    /// # Errors
    ///
    /// Refuses another status, and then an approver who asked for the pay-out, above the
    /// amount that one person may move alone.
    pub fn approve(
        &mut self,
        approver: Option<OperatorId>,
        rule: TwoPersonRule,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_status(PayoutStatus::TO_DECIDE, "approved")?;
        rule.check(self.amount, self.requested_by, approver)?;
        self.status = PayoutStatus::Approved;
        self.approved_by = approver;
        self.updated_at = now;
        Ok(())
    }

    /// Puts an approved pay-out into a batch for the bank.
    ///
    /// # Errors
    ///
    /// Refuses another status.
    pub fn export(&mut self, batch: u32, now: Timestamp) -> Result<(), Refusal> {
        self.check_status(PayoutStatus::TO_PAY, "exported")?;
        self.batch = Some(batch);
        self.updated_at = now;
        Ok(())
    }

    /// Rejects a requested pay-out. Its owner gets amount and fee back, and its withdrawal
    /// fails.
    ///
    /// # Errors
    ///
    /// Refuses another status.
    pub fn reject(
        &mut self,
        withdrawal: Option<&mut Payment>,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Effects, Refusal> {
        self.check_status(PayoutStatus::TO_DECIDE, "rejected")?;
        let mut effects = Effects::default();
        self.give_back(&mut effects);
        self.enter(PayoutStatus::Rejected, reason, now);
        if let Some(payment) = withdrawal {
            payment.settle(PaymentStatus::Failed, now, &mut effects);
        }
        Ok(effects)
    }

    /// Records the payment of an approved pay-out. The platform gets the fee, and its
    /// withdrawal succeeds.
    ///
    /// # Errors
    ///
    /// Refuses another status.
    pub fn pay(
        &mut self,
        withdrawal: Option<&mut Payment>,
        paid: Option<BankEntry>,
        now: Timestamp,
    ) -> Result<Effects, Refusal> {
        self.check_status(PayoutStatus::TO_PAY, "paid")?;
        let mut effects = Effects::default();
        let out = TransferKind::Withdrawal;
        effects.transfer(out, Account::InTransit, Account::OutsideWorld, self.amount, None);
        let fee = TransferKind::WithdrawalFee;
        effects.transfer(fee, Account::InTransit, Account::PlatformFees, self.fee, None);
        self.paid = paid;
        self.was_paid = true;
        self.enter(PayoutStatus::Paid, None, now);
        if let Some(payment) = withdrawal {
            payment.settle(PaymentStatus::Success, now, &mut effects);
        }
        Ok(effects)
    }

    /// Records that the bank has sent a pay-out back, and its withdrawal is reversed. Its
    /// owner gets the amount back. The owner gets the fee back too, unless the pay-out was
    /// paid: then the fee was for a payment that was made.
    ///
    /// # Errors
    ///
    /// Refuses another status than approved and paid, and money that the merchant's accounts
    /// could not hold together with what they hold, which is `inside`.
    pub fn record_return(
        &mut self,
        withdrawal: Option<&mut Payment>,
        reason: Option<String>,
        inside: Amount,
        now: Timestamp,
    ) -> Result<Effects, Refusal> {
        self.check_status(PayoutStatus::TO_RETURN, "returned")?;
        let mut effects = Effects::default();
        if self.status == PayoutStatus::Paid {
            if !ledger::may_enter(self.amount, inside) {
                return Err(Refusal::TooMuchMoney);
            }
            let (from, to) = (Account::OutsideWorld, self.source.clone());
            effects.transfer(TransferKind::PayoutReturn, from, to, self.amount, None);
        } else {
            self.give_back(&mut effects);
        }
        self.enter(PayoutStatus::Returned, reason, now);
        if let Some(payment) = withdrawal {
            payment.settle(PaymentStatus::Reversed, now, &mut effects);
        }
        Ok(effects)
    }

    /// Reopens a pay-out whose payment was recorded by mistake: it is approved again, and its withdrawal
    /// pending. Its money is in transit again: the amount from the outside world, the fee from the
    /// platform's fees. It stays in its batch, and the bank's reference may be another pay-out's.
    ///
    /// # Errors
    ///
    /// Refuses another status than paid, then an amount that the merchant's accounts could not hold
    /// together with what they hold, which is `inside`, then a fee that the platform's fees, which hold
    /// `fees`, do not have any more.
    pub fn reopen(
        &mut self,
        withdrawal: Option<&mut Payment>,
        inside: Amount,
        fees: Amount,
        now: Timestamp,
    ) -> Result<Effects, Refusal> {
        self.check_status(PayoutStatus::TO_REOPEN, "reopened")?;
        if !ledger::may_enter(self.amount, inside) {
            return Err(Refusal::TooMuchMoney);
        }
        if fees < self.fee {
            return Err(Refusal::AlreadySpent {
                needed: self.fee,
                available: fees,
            });
        }
        let mut effects = Effects::default();
        let kind = TransferKind::Correction;
        effects.transfer(kind, Account::OutsideWorld, Account::InTransit, self.amount, None);
        effects.transfer(kind, Account::PlatformFees, Account::InTransit, self.fee, None);
        self.paid = None;
        self.was_paid = false;
        self.enter(PayoutStatus::Approved, None, now);
        if let Some(payment) = withdrawal {
            payment.reopen();
        }
        Ok(effects)
    }

    /// Asks for a step, and decides if it is to be taken now, or if a second operator has to ask for the
    /// same first. So no operator alone takes back what the bank has paid, or has it paid once more.
    ///
    /// # Errors
    ///
    /// Refuses the operator who has asked for the same if the amount takes two persons.
    pub fn ask(
        &mut self,
        step: PayoutStep,
        operator: Option<OperatorId>,
        rule: TwoPersonRule,
        now: Timestamp,
    ) -> Result<Decision, Refusal> {
        let first = self.asked.filter(|asked| asked.step == step).map(|asked| asked.by);
        let decision = rule.decide(self.amount, first, operator)?;
        self.asked = decision.asked_by().map(|by| PayoutAsked { by, step });
        self.updated_at = now;
        Ok(decision)
    }

    /// Ends what one operator has asked for, before a second one asks for the same.
    ///
    /// # Errors
    ///
    /// Refuses a pay-out for which no operator has asked for anything.
    pub fn retract(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.asked.take().ok_or(Refusal::NothingAsked)?;
        self.updated_at = now;
        Ok(())
    }

    /// Returns true if the pay-out has had exactly this end.
    pub fn has_ended_as(&self, outcome: &BatchOutcome) -> bool {
        match outcome {
            BatchOutcome::Paid(entry) => {
                let is_same = |paid: &BankEntry| {
                    paid.value_date == entry.value_date && paid.reference_key() == entry.reference_key()
                };
                self.status == PayoutStatus::Paid && self.paid.as_ref().is_some_and(is_same)
            }
            BatchOutcome::Returned { reason, .. } => {
                self.status == PayoutStatus::Returned && self.reason.as_ref() == Some(reason)
            }
        }
    }

    fn check_status(&self, allowed: &[PayoutStatus], done: &'static str) -> Result<(), Refusal> {
        if allowed.contains(&self.status) {
            return Ok(());
        }
        Err(Refusal::NotInStatus {
            object: "pay-out",
            status: self.status.into_str(),
            allowed: allowed.iter().map(Into::into).collect(),
            done,
        })
    }

    fn give_back(&self, effects: &mut Effects) {
        let held = self.amount.checked_add(self.fee).expect("both were taken together");
        let kind = TransferKind::PayoutReturn;
        effects.transfer(kind, Account::InTransit, self.source.clone(), held, None);
    }

    fn enter(&mut self, status: PayoutStatus, reason: Option<String>, now: Timestamp) {
        self.status = status;
        self.asked = None;
        self.reason = reason;
        self.updated_at = now;
    }
}

/// Returns the bank account of a withdrawal, or `None` if it goes elsewhere.
pub fn bank_account_of(withdrawal: &Payment) -> Option<&BankAccount> {
    match withdrawal.method() {
        Some(Method::Bank(account)) => Some(account),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
