//! Releasing: money leaves the hold as the buyer confirms, and the last of it
//! closes the escrow.

use super::{Escrow, Funding, Plan, Progress};
use crate::domain::ids::{CustomerId, IdSource, MilestoneId};
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::milestone::MilestoneStatus;
use crate::domain::money::Amount;
use crate::domain::payment::{CreditType, Transaction, TransactionType};
use crate::domain::refusal::Refusal;
use crate::domain::settlement::{EscrowEvent, Settlement};
use crate::domain::time::Timestamp;

impl Escrow {
    /// Releases one milestone to its payee; the last one closes the escrow
    /// (contract section 4.1.5).
    ///
    /// Checks that it is funded, that the caller is its buyer, that the
    /// milestone exists, that it was not released before, and that the escrow is
    /// open.
    pub fn confirm_milestone(
        &mut self,
        buyer: &CustomerId,
        milestone: MilestoneId,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<Settlement, Refusal> {
        let funding = self.funding_of(buyer)?;
        let (position, found) = self
            .milestones()
            .iter()
            .enumerate()
            .find(|(_, candidate)| candidate.id == milestone)
            .ok_or(Refusal::MilestoneNotFound)?;
        if found.status != MilestoneStatus::Pending {
            return Err(Refusal::MilestoneAlreadyReleased);
        }
        let Progress::Opened(_) = self.progress else {
            return Err(Refusal::ActionNotAllowed);
        };

        let payee = found.payee(&self.seller).clone();
        let net = self.net_releases()[position];
        let mut settlement = Settlement::default();
        self.release(&funding.buyer, payee, net, ids, now, &mut settlement);
        if let Plan::Milestones(milestones) = &mut self.plan {
            milestones[position].status = MilestoneStatus::Released(now);
        }
        self.updated_at = now;
        if self
            .milestones()
            .iter()
            .all(|milestone| milestone.status != MilestoneStatus::Pending)
        {
            self.complete(funding, ids, now, &mut settlement);
        }
        Ok(settlement)
    }

    /// Releases everything to the seller and closes a standard escrow (contract
    /// section 4.6.1).
    ///
    /// Checks that it is funded, that the caller is its buyer, that it is a
    /// standard escrow, and that it is open.
    pub fn confirm_payment(
        &mut self,
        buyer: &CustomerId,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<Settlement, Refusal> {
        if self.progress == Progress::AwaitingPayment {
            return Err(Refusal::ActionNotAllowed);
        }
        let funding = self.funding_of(buyer)?;
        if self.plan != Plan::Standard || !matches!(self.progress, Progress::Opened(_)) {
            return Err(Refusal::ActionNotAllowed);
        }
        let net = self
            .terms
            .amount
            .checked_sub(self.fee.seller_share())
            .expect("a fee is at most the amount");
        let mut settlement = Settlement::default();
        self.release(&funding.buyer, self.seller.clone(), net, ids, now, &mut settlement);
        self.updated_at = now;
        self.complete(funding, ids, now, &mut settlement);
        Ok(settlement)
    }

    /// The funding, if this customer made it.
    fn funding_of(&self, buyer: &CustomerId) -> Result<Funding, Refusal> {
        let funding = self.funding().ok_or(Refusal::EscrowNotFunded)?;
        if funding.buyer == *buyer {
            Ok(funding.clone())
        } else {
            Err(Refusal::AccessDenied)
        }
    }

    /// Moves money out of the hold to a payee, with the entry in their history.
    fn release(
        &self,
        buyer: &CustomerId,
        payee: CustomerId,
        amount: Amount,
        ids: &mut dyn IdSource,
        now: Timestamp,
        settlement: &mut Settlement,
    ) {
        let hold = Account::CustomerEscrow(buyer.clone());
        let wallet = Account::CustomerMain(payee);
        settlement.transfer(TransferKind::Release, hold, wallet.clone(), amount, Some(self.id));
        settlement.record_and_tell(Transaction {
            id: ids.transaction_id(),
            owner: wallet,
            transaction_type: TransactionType::Escrow,
            credit_type: CreditType::Credit,
            amount,
            reference: ids.reference(),
            escrow: Some(self.id),
            created_at: now,
        });
    }

    /// Books the fee, which is all the hold still keeps, and closes the escrow.
    fn complete(&mut self, funding: Funding, ids: &mut dyn IdSource, now: Timestamp, settlement: &mut Settlement) {
        let hold = Account::CustomerEscrow(funding.buyer.clone());
        let (commission, platform) = (self.fee.commission(), self.fee.platform());
        let escrow = Some(self.id);
        settlement.transfer(
            TransferKind::Commission,
            hold.clone(),
            Account::MerchantMain,
            commission,
            escrow,
        );
        settlement.transfer(TransferKind::PlatformFee, hold, Account::PlatformFees, platform, escrow);
        settlement.tell(EscrowEvent::Completed, self.id);
        settlement.record_and_tell(Transaction {
            id: ids.transaction_id(),
            owner: Account::MerchantMain,
            transaction_type: TransactionType::Commission,
            credit_type: CreditType::Credit,
            amount: commission,
            reference: funding.payment.reference.commission(),
            escrow,
            created_at: now,
        });
        self.progress = Progress::Completed {
            funding,
            completed_at: now,
        };
    }
}
