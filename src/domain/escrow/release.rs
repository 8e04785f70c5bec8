//! Releases: money leaves the hold when the buyer confirms, or when the seller claims
//! what the buyer did not confirm in time. The last release closes the escrow.

use crate::domain::effects::{Booking, Effects, Event};
use crate::domain::escrow::milestone::{Milestone, MilestoneStatus};
use crate::domain::escrow::{CloseReason, Escrow, Plan, Progress};
use crate::domain::ids::{CustomerId, MilestoneId, Reference};
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::TransactionType;

/// The milestones that a buyer may confirm next (architecture section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseOrder {
    /// Any pending milestone.
    Any,
    /// The first pending milestone only.
    FirstPending,
}

impl Escrow {
    /// Releases one milestone to its payee. The last release closes the escrow (contract
    /// section 4.1.5).
    ///
    /// # Errors
    ///
    /// Checks that the escrow is funded, that the caller is its buyer, that the milestone
    /// exists and is not released, that the escrow is open and undisputed, and that
    /// `order` allows the milestone.
    pub fn confirm_milestone(
        &mut self,
        buyer: &CustomerId,
        milestone: MilestoneId,
        order: ReleaseOrder,
        mut booking: Booking<'_>,
    ) -> Result<Effects, Refusal> {
        self.check_bought_by(buyer)?;
        let (position, found) = self
            .milestones()
            .iter()
            .enumerate()
            .find(|(_, candidate)| candidate.id == milestone)
            .ok_or(Refusal::MilestoneNotFound)?;
        if let MilestoneStatus::Released(_) = found.status {
            return Err(Refusal::MilestoneAlreadyReleased);
        }
        self.check_ongoing()?;
        let is_first_pending = !self.milestones()[..position].iter().any(Milestone::is_pending);
        if order == ReleaseOrder::FirstPending && !is_first_pending {
            return Err(Refusal::MilestonesOutOfOrder);
        }

        let payee = found.payee(&self.seller);
        let net = self.net_releases()[position];
        let credit = self.release(&payee, net, &mut booking);
        if let Plan::Milestones(milestones) = &mut self.plan {
            milestones[position].status = MilestoneStatus::Released(booking.now);
        }
        let released = Event::MilestoneReleased(self.id, milestone);
        booking.effects.events.push(released);
        self.updated_at = booking.now;
        if !self.milestones().iter().any(Milestone::is_pending) {
            self.close(CloseReason::Completed, credit.as_ref(), &mut booking);
        }
        Ok(booking.effects)
    }

    /// Releases everything to the seller of a standard escrow and closes it (contract
    /// section 4.6.1).
    ///
    /// # Errors
    ///
    /// Checks that the escrow is funded, that the caller is its buyer, that it is a
    /// standard escrow, and that it is open and undisputed.
    pub fn confirm_payment(&mut self, buyer: &CustomerId, mut booking: Booking<'_>) -> Result<Effects, Refusal> {
        if self.progress == Progress::AwaitingPayment {
            return Err(Refusal::ActionNotAllowed);
        }
        self.check_bought_by(buyer)?;
        if self.plan != Plan::Standard {
            return Err(Refusal::ActionNotAllowed);
        }
        self.check_ongoing()?;
        let credit = self.release(&self.seller, self.pool(), &mut booking);
        self.close(CloseReason::Completed, credit.as_ref(), &mut booking);
        Ok(booking.effects)
    }

    /// Pays the seller of a standard escrow whose buyer has not confirmed in time, and
    /// closes it (contract section 4.2.6).
    ///
    /// The buyer has time until the delivery window and `grace_seconds` have passed since
    /// `paidAt`, in whole seconds. The seller may claim from that second on.
    ///
    /// # Errors
    ///
    /// Checks that the caller is the seller, that it is a standard escrow, that it is
    /// open and undisputed, and that the buyer's time to confirm has passed.
    pub fn claim(&mut self, seller: &Party, grace_seconds: i64, mut booking: Booking<'_>) -> Result<Effects, Refusal> {
        self.check_sold_by(seller)?;
        if self.plan != Plan::Standard {
            return Err(Refusal::ActionNotAllowed);
        }
        self.check_ongoing()?;
        if let Some(claimable_at) = self.overdue_at(grace_seconds).filter(|&at| booking.now < at) {
            return Err(Refusal::ClaimTooEarly { claimable_at });
        }
        let credit = self.release(&self.seller, self.pool(), &mut booking);
        self.close(CloseReason::Claimed, credit.as_ref(), &mut booking);
        Ok(booking.effects)
    }

    /// Checks that the escrow is open and undisputed, so that money may leave the hold as
    /// agreed.
    pub(super) const fn check_ongoing(&self) -> Result<(), Refusal> {
        match &self.progress {
            Progress::Opened { dispute: None, .. } => Ok(()),
            _ => Err(Refusal::ActionNotAllowed),
        }
    }

    /// Checks that the escrow is funded, and then that this customer is its buyer.
    fn check_bought_by(&self, customer: &CustomerId) -> Result<(), Refusal> {
        let funding = self.funding().ok_or(Refusal::EscrowNotFunded)?;
        if funding.buyer == *customer {
            Ok(())
        } else {
            Err(Refusal::AccessDenied)
        }
    }

    /// Moves money from the hold to a payee and records it in their history. Returns the
    /// reference of the payee's transaction, or `None` if the amount is zero, which has none.
    pub(super) fn release(&self, payee: &Party, amount: Amount, booking: &mut Booking<'_>) -> Option<Reference> {
        let out = HoldTransfer {
            kind: TransferKind::Release,
            to: payee.main_account(),
            transaction_type: TransactionType::Escrow,
            amount,
            reference: None,
        };
        let reference = self.transfer_out(out, booking);
        (!amount.is_zero()).then_some(reference)
    }

    /// Moves money from the hold to an account, records it in the receiver's history and
    /// emits the event. Returns the reference of the receiver's transaction.
    pub(super) fn transfer_out(&self, out: HoldTransfer, booking: &mut Booking<'_>) -> Reference {
        let effects = &mut booking.effects;
        effects.transfer(out.kind, self.hold(), out.to.clone(), out.amount, Some(self.id));
        let credit = booking
            .credit(out.to, out.transaction_type, out.amount)
            .of_deal(self.id)
            .with_reference(out.reference);
        let reference = credit.reference.clone();
        booking.effects.record_and_emit(credit);
        reference
    }
}

/// A movement of money from the hold into a main account.
pub(super) struct HoldTransfer {
    pub(super) kind: TransferKind,
    pub(super) to: Account,
    pub(super) transaction_type: TransactionType,
    pub(super) amount: Amount,
    /// `None` makes one from the id of the receiver's transaction.
    pub(super) reference: Option<Reference>,
}
