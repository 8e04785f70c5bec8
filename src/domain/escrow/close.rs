//! Closing an escrow: the fees, which are all that the hold still contains, go to their
//! owners (contract sections 5.4, 5.6 and 5.7).

use std::mem;

use crate::domain::effects::{Booking, EscrowEvent};
use crate::domain::escrow::milestone::{Milestone, MilestoneStatus};
use crate::domain::escrow::release::HoldTransfer;
use crate::domain::escrow::{CloseReason, Escrow, Plan, Progress};
use crate::domain::ids::Reference;
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::transaction::TransactionType;

impl Escrow {
    /// Closes an open escrow whose pool has been paid out, books its fees and emits the
    /// event. `credit` is the reference of the last payment to the seller, if there was
    /// one.
    ///
    /// The platform keeps its part of the fee in every case. The commission is the
    /// merchant's; on a refund it is the platform's (contract section 9.1, row 11). A
    /// refundable additional fee goes back to the buyer on a refund or a split, and
    /// otherwise to the merchant.
    pub(super) fn close(&mut self, outcome: CloseReason, credit: Option<&Reference>, booking: &mut Booking<'_>) {
        let now = booking.now;
        let Progress::Opened { funding, dispute } = mem::replace(&mut self.progress, Progress::AwaitingPayment) else {
            unreachable!("only an open escrow is closed");
        };
        let (event, of_pending) = match outcome {
            CloseReason::Completed => (EscrowEvent::Completed, MilestoneStatus::Released(now)),
            CloseReason::Claimed => (EscrowEvent::Claimed, MilestoneStatus::Released(now)),
            CloseReason::Refunded => (EscrowEvent::Refunded, MilestoneStatus::Refunded),
            CloseReason::Split(_) => (EscrowEvent::Split, MilestoneStatus::Split),
        };
        if let Plan::Milestones(milestones) = &mut self.plan {
            for milestone in milestones
                .iter_mut()
                .filter(|milestone| Milestone::is_pending(milestone))
            {
                milestone.status = of_pending;
            }
        }
        self.updated_at = now;
        self.progress = Progress::Closed {
            funding,
            dispute,
            outcome,
            at: now,
        };
        self.emit(event, &mut booking.effects);
        self.book_fee(outcome, booking);
        self.book_additional_fee(outcome, credit, booking);
    }

    /// Returns the money that a refund gives back to the buyer: the pool, and the additional fee if
    /// it is refundable. It is zero before funding and after closing.
    pub fn refundable(&self) -> Amount {
        if self.check_opened().is_err() {
            return Amount::ZERO;
        }
        Amount::total([self.pool(), self.additional_fee.returned_on(CloseReason::Refunded)])
            .expect("the pool and the fees are parts of the charge, which is an amount")
    }

    /// Returns the money that went back to the buyer when the escrow closed: what was left of the
    /// pool or the buyer's part of it, and the additional fee if it is refundable.
    pub fn returned(&self) -> Amount {
        let Progress::Closed { outcome, .. } = &self.progress else {
            return Amount::ZERO;
        };
        let of_pool = match (outcome, &self.plan) {
            (CloseReason::Completed | CloseReason::Claimed, _) => return Amount::ZERO,
            (CloseReason::Split(split), _) => split.buyer,
            (CloseReason::Refunded, Plan::Standard) => self
                .terms
                .amount
                .checked_sub(self.fee.seller_share())
                .expect("a fee is at most the amount"),
            (CloseReason::Refunded, Plan::Milestones(milestones)) => {
                let nets = std::iter::zip(milestones, self.net_releases());
                let refunded = nets.filter(|(milestone, _)| milestone.status == MilestoneStatus::Refunded);
                Amount::total(refunded.map(|(_, net)| net)).expect("the net releases are parts of the amount")
            }
        };
        Amount::total([of_pool, self.additional_fee.returned_on(*outcome)])
            .expect("the pool and the fees are parts of the charge, which is an amount")
    }

    fn book_fee(&self, outcome: CloseReason, booking: &mut Booking<'_>) {
        let platform = if outcome == CloseReason::Refunded {
            self.fee.total()
        } else {
            let commission = HoldTransfer {
                kind: TransferKind::Commission,
                to: Account::MerchantMain,
                transaction_type: TransactionType::Commission,
                amount: self.fee.commission(),
                reference: Some(self.payment_reference().commission()),
            };
            self.transfer_out(commission, booking);
            self.fee.platform()
        };
        booking.effects.transfer(
            TransferKind::PlatformFee,
            self.hold(),
            Account::PlatformFees,
            platform,
            Some(self.id),
        );
    }

    /// Returns the reference of the funding payment. If that payment funded several
    /// escrows, the reference is made unique to this one, since a reference belongs to
    /// one transaction (contract section 1.6).
    fn payment_reference(&self) -> Reference {
        let payment = &self.funding().expect("a closed escrow is funded").payment;
        if payment.amount == self.charge() {
            payment.reference.clone()
        } else {
            payment.reference.of_escrow(self.id)
        }
    }

    fn book_additional_fee(&self, outcome: CloseReason, credit: Option<&Reference>, booking: &mut Booking<'_>) {
        let returned = self.additional_fee.returned_on(outcome);
        if !returned.is_zero() {
            self.pay_back(returned, booking);
            return;
        }
        let fee = HoldTransfer {
            kind: TransferKind::AdditionalFee,
            to: Account::MerchantMain,
            transaction_type: TransactionType::Delivery,
            amount: self.additional_fee.amount,
            reference: Some(credit.unwrap_or(&self.payment_reference()).delivery()),
        };
        self.transfer_out(fee, booking);
    }

    /// Moves money from the hold back to the buyer.
    pub(super) fn pay_back(&self, amount: Amount, booking: &mut Booking<'_>) {
        let back = HoldTransfer {
            kind: TransferKind::Refund,
            to: Account::CustomerMain(self.buyer().clone()),
            transaction_type: TransactionType::Escrow,
            amount,
            reference: None,
        };
        self.transfer_out(back, booking);
    }
}
