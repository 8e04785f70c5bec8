//! The steps of a dispute: the buyer opens it, the seller replies, and the merchant rules
//! on the money in the hold (contract sections 4.6.2 and 4.6.7).

use crate::domain::effects::{Effects, EscrowEvent};
use crate::domain::escrow::close::refund;
use crate::domain::escrow::dispute::{Dispute, Ruling, Statement};
use crate::domain::escrow::{CloseReason, Escrow, Funding, Plan, Progress, Split};
use crate::domain::ids::{CustomerId, IdSource, Reference};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

impl Escrow {
    /// Adds the statement of one side. The buyer's statement opens the dispute, which
    /// keeps the money in the hold; the seller's replies to it. A merchant that sells in
    /// its own name does not reply, since it is the one to rule.
    ///
    /// # Errors
    ///
    /// Checks that the escrow is funded, that the caller is its buyer or its seller, that
    /// a milestone is left to be disputed, that the escrow is open, and that the caller
    /// may speak now: the buyer once, and the seller once after that.
    pub fn submit_statement(&mut self, caller: &CustomerId, statement: Statement) -> Result<Effects, Refusal> {
        let funding = self.funding().ok_or(Refusal::ActionNotAllowed)?;
        let is_buyer = funding.buyer == *caller;
        if !is_buyer && !self.seller.is(caller) {
            return Err(Refusal::AccessDenied);
        }
        if let Plan::Milestones(milestones) = &self.plan
            && milestones.iter().all(|milestone| milestone.released_at().is_some())
        {
            return Err(Refusal::NothingLeftToDispute);
        }
        let now = statement.at;
        let Progress::Opened { dispute, .. } = &mut self.progress else {
            return Err(Refusal::ActionNotAllowed);
        };
        let event = match dispute {
            Some(_) if is_buyer => return Err(Refusal::BuyerAlreadyDisputed),
            None if is_buyer => {
                *dispute = Some(Dispute {
                    buyer: statement,
                    seller: None,
                    merchant: None,
                });
                EscrowEvent::Disputed
            }
            None => return Err(Refusal::ActionNotAllowed),
            Some(Dispute { seller: Some(_), .. }) => return Err(Refusal::SellerAlreadyReplied),
            Some(dispute) => {
                dispute.seller = Some(statement);
                EscrowEvent::Investigating
            }
        };
        self.updated_at = now;
        let mut effects = Effects::default();
        self.emit(event, &mut effects);
        Ok(effects)
    }

    /// Rules on the dispute, with or without the seller's reply: pays the pool out and
    /// closes the escrow. A completion pays each pending milestone to its own payee. In a
    /// split, the seller gets the seller's part (contract section 9.1, row 24). A part
    /// may be zero.
    ///
    /// # Errors
    ///
    /// Checks that the escrow is not closed, that it is disputed, and that a split
    /// divides the pool exactly.
    pub fn resolve(
        &mut self,
        ruling: Ruling,
        resolution: Statement,
        ids: &mut dyn IdSource,
    ) -> Result<Effects, Refusal> {
        let funding = self.check_rulable()?.clone();
        let pool = self.pool();
        if let Ruling::Split { seller, buyer, .. } = ruling {
            let sum = seller.checked_add(buyer);
            if sum != Some(pool) {
                return Err(Refusal::SplitDoesNotAddUp { pool, sum });
            }
        }
        let now = resolution.at;
        if let Progress::Opened {
            dispute: Some(dispute), ..
        } = &mut self.progress
        {
            dispute.merchant = Some(resolution);
        }
        let mut effects = Effects::default();
        let (outcome, credit) = self.divide(ruling, pool, &funding, ids, now, &mut effects);
        self.close(outcome, credit.as_ref(), ids, now, &mut effects);
        Ok(effects)
    }

    /// Checks that the escrow is open and disputed, and returns its funding.
    pub(in crate::domain::escrow) const fn check_rulable(&self) -> Result<&Funding, Refusal> {
        match &self.progress {
            Progress::AwaitingPayment | Progress::Opened { dispute: None, .. } => Err(Refusal::NoDispute),
            Progress::Closed { .. } => Err(Refusal::AlreadyResolved),
            Progress::Opened { funding, .. } => Ok(funding),
        }
    }

    /// Pays the pool out. Returns the reason of the close, and the reference of the last
    /// payment to the seller's side.
    fn divide(
        &mut self,
        ruling: Ruling,
        pool: Amount,
        funding: &Funding,
        ids: &mut dyn IdSource,
        now: Timestamp,
        effects: &mut Effects,
    ) -> (CloseReason, Option<Reference>) {
        match ruling {
            Ruling::Completed => {
                let credit = self.release_rest(funding, ids, now, effects);
                (CloseReason::Completed, credit)
            }
            Ruling::Refunded {
                additional_fee_refundable,
            } => {
                self.decide_additional_fee(additional_fee_refundable);
                self.pay_back(&funding.buyer, pool, ids, now, effects);
                (CloseReason::Refunded, None)
            }
            Ruling::Split {
                seller,
                buyer,
                additional_fee_refundable,
            } => {
                self.decide_additional_fee(additional_fee_refundable);
                let credit = self.release(&funding.buyer, &self.seller, seller, ids, now, effects);
                self.pay_back(&funding.buyer, buyer, ids, now, effects);
                let credit = Some(credit).filter(|_| !seller.is_zero());
                (CloseReason::Split(Split { seller, buyer }), credit)
            }
        }
    }

    /// Releases all that the buyer has not confirmed, each part to its payee.
    fn release_rest(
        &mut self,
        funding: &Funding,
        ids: &mut dyn IdSource,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Option<Reference> {
        let mut credit = None;
        for (payee, amount) in self.unpaid() {
            credit = Some(self.release(&funding.buyer, &payee, amount, ids, now, effects));
        }
        credit
    }

    fn pay_back(
        &self,
        buyer: &CustomerId,
        amount: Amount,
        ids: &mut dyn IdSource,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let out = refund(buyer, amount);
        self.pay_out(buyer, out, ids, now, effects);
    }

    /// Returns the parts of the pool with the party that each is meant for.
    fn unpaid(&self) -> Vec<(Party, Amount)> {
        match &self.plan {
            Plan::Standard => vec![(self.seller.clone(), self.pool())],
            Plan::Milestones(milestones) => std::iter::zip(milestones, self.net_releases())
                .filter(|(milestone, _)| milestone.is_pending())
                .map(|(milestone, net)| (milestone.payee(&self.seller), net))
                .collect(),
        }
    }

    fn decide_additional_fee(&mut self, is_refundable: Option<bool>) {
        let additional_fee = &mut self.additional_fee;
        additional_fee.is_refundable = is_refundable.unwrap_or(additional_fee.is_refundable);
    }
}
