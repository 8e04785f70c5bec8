//! The steps of a dispute: one side opens it, the other replies, and the merchant rules on
//! the money in the hold, also without a dispute once the parties' time has passed (contract
//! sections 4.6.2, 4.6.7 and 9.4).

use crate::domain::effects::{Booking, Effects, EscrowEvent};
use crate::domain::escrow::dispute::{Dispute, Ruling, Speaker, Statement};
use crate::domain::escrow::exits::ExitRules;
use crate::domain::escrow::{CloseReason, Escrow, Plan, Progress, Split};
use crate::domain::ids::{CustomerId, IdSource, Reference};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

impl Escrow {
    /// Adds the statement of one side. The first opens the dispute, which keeps the money in
    /// the hold; the other side's replies to it. A merchant that sells in its own name makes
    /// none, since it is the one to rule.
    ///
    /// # Errors
    ///
    /// Checks that the escrow is funded, that the caller is its buyer or its seller, that
    /// a milestone is left to be disputed, that the escrow is open, that the caller has not
    /// spoken and, with strict rules, that the seller does not speak first.
    pub fn submit_statement(
        &mut self,
        caller: &CustomerId,
        statement: Statement,
        exits: ExitRules,
    ) -> Result<Effects, Refusal> {
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
        let speaker = if is_buyer { Speaker::Buyer } else { Speaker::Seller };
        let event = match dispute {
            Some(dispute) if dispute.has_spoken(speaker) => {
                return Err(if is_buyer {
                    Refusal::BuyerAlreadyDisputed
                } else {
                    Refusal::SellerAlreadyReplied
                });
            }
            Some(dispute) => {
                dispute.add(speaker, statement);
                EscrowEvent::Investigating
            }
            None if exits.is_strict && !is_buyer => return Err(Refusal::ActionNotAllowed),
            None => {
                *dispute = Some(Dispute::new(speaker, statement));
                EscrowEvent::Disputed
            }
        };
        self.updated_at = now;
        let mut effects = Effects::default();
        self.emit(event, &mut effects);
        Ok(effects)
    }

    /// Rules on the money in the hold: pays the pool out and closes the escrow. The merchant
    /// rules on a dispute, with or without a reply, or without a dispute once the parties'
    /// time has passed. A completion pays each pending milestone to its own payee. In a
    /// split, the seller gets the seller's part (contract section 9.1, row 24). A part
    /// may be zero.
    ///
    /// # Errors
    ///
    /// Checks that the escrow is not closed, that it is disputed or, unless the rules are
    /// strict, overdue, and that a split divides the pool exactly.
    pub fn resolve(
        &mut self,
        ruling: Ruling,
        resolution: Statement,
        exits: ExitRules,
        ids: &mut dyn IdSource,
    ) -> Result<Effects, Refusal> {
        let now = resolution.at;
        self.check_rulable(exits, now)?;
        let pool = self.pool();
        if let Ruling::Split { seller, buyer, .. } = ruling {
            let sum = seller.checked_add(buyer);
            if sum != Some(pool) {
                return Err(Refusal::SplitDoesNotAddUp { pool, sum });
            }
        }
        if let Progress::Opened { dispute, .. } = &mut self.progress {
            match dispute {
                Some(dispute) => dispute.add(Speaker::Merchant, resolution),
                None => *dispute = Some(Dispute::new(Speaker::Merchant, resolution)),
            }
        }
        let mut booking = Booking::new(ids, now);
        let (outcome, credit) = self.divide(ruling, pool, &mut booking);
        self.close(outcome, credit.as_ref(), &mut booking);
        Ok(booking.effects)
    }

    /// Checks that the merchant may rule now.
    pub(in crate::domain::escrow) fn check_rulable(&self, exits: ExitRules, now: Timestamp) -> Result<(), Refusal> {
        match &self.progress {
            Progress::AwaitingPayment => Err(Refusal::NoDispute),
            Progress::Closed { .. } => Err(Refusal::AlreadyResolved),
            Progress::Opened { dispute: None, .. } if exits.is_strict => Err(Refusal::NoDispute),
            Progress::Opened { dispute, .. } => {
                let overdue_at = self.overdue_at(exits.grace_seconds);
                match overdue_at.filter(|&at| dispute.is_none() && now < at) {
                    Some(rulable_at) => Err(Refusal::NoDisputeYet { rulable_at }),
                    None => Ok(()),
                }
            }
        }
    }

    /// Pays the pool out. Returns the reason of the close, and the reference of the last
    /// payment to the seller's side.
    fn divide(&mut self, ruling: Ruling, pool: Amount, booking: &mut Booking<'_>) -> (CloseReason, Option<Reference>) {
        match ruling {
            Ruling::Completed => {
                let credit = self.release_rest(booking);
                (CloseReason::Completed, credit)
            }
            Ruling::Refunded {
                additional_fee_refundable,
            } => {
                self.decide_additional_fee(additional_fee_refundable);
                self.pay_back(pool, booking);
                (CloseReason::Refunded, None)
            }
            Ruling::Split {
                seller,
                buyer,
                additional_fee_refundable,
            } => {
                self.decide_additional_fee(additional_fee_refundable);
                let credit = self.release(&self.seller, seller, booking);
                self.pay_back(buyer, booking);
                (CloseReason::Split(Split { seller, buyer }), credit)
            }
        }
    }

    /// Releases all that the buyer has not confirmed, each part to its payee. Returns the
    /// reference of the last payment.
    fn release_rest(&self, booking: &mut Booking<'_>) -> Option<Reference> {
        let mut credit = None;
        for (payee, amount) in self.unpaid() {
            credit = self.release(&payee, amount, booking).or(credit);
        }
        credit
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
