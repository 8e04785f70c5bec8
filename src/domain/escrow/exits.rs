//! The ways out of a hold that escrowd adds to those of the contract, so that no money is
//! stuck when a party is absent (contract section 9.4): the seller gives back what is held,
//! the seller opens a dispute, and the merchant rules without a dispute once the parties'
//! time has passed.

use crate::domain::effects::{Booking, Effects};
use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::{CloseReason, Escrow, Progress};
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// The operator's decisions on the ways out of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitRules {
    /// True if only the contract's ways out exist, as on the hosted API (contract section 8,
    /// rows 8.15, 8.47 and 8.48).
    pub is_strict: bool,
    /// The time that a buyer has to confirm after the delivery window, in seconds.
    pub grace_seconds: i64,
}

impl Escrow {
    /// Gives back to the buyer all that is held, as the seller, and closes the escrow. The
    /// fees go where a ruling for the buyer sends them (contract section 5.6). A dispute does
    /// not prevent it.
    ///
    /// # Errors
    ///
    /// Checks that the caller is the seller, and that the escrow is open.
    pub fn refund(&mut self, seller: &Party, mut booking: Booking<'_>) -> Result<Effects, Refusal> {
        self.check_sold_by(seller)?;
        self.check_opened()?;
        self.pay_back(self.pool(), &mut booking);
        self.close(CloseReason::Refunded, None, &mut booking);
        Ok(booking.effects)
    }

    /// Returns the first moment at which the parties' time has passed: the delivery window
    /// and `grace_seconds` after money last moved for this escrow, in whole seconds. That is
    /// the payment or, in a milestone escrow, the newest release, so that a deal that goes on
    /// is left alone. `None` before the escrow is funded.
    pub fn overdue_at(&self, grace_seconds: i64) -> Option<Timestamp> {
        let wait_seconds = self.terms.delivery_seconds().saturating_add(grace_seconds);
        let paid_at = self.funding()?.paid_at;
        let newest_release = self.milestones().iter().filter_map(Milestone::released_at).max();
        let moved_at = newest_release.map_or(paid_at, |released_at| released_at.max(paid_at));
        Some(moved_at.seconds_later(wait_seconds))
    }

    /// Checks that the escrow is funded and not closed.
    pub(super) const fn check_opened(&self) -> Result<(), Refusal> {
        match &self.progress {
            Progress::Opened { .. } => Ok(()),
            Progress::AwaitingPayment | Progress::Closed { .. } => Err(Refusal::ActionNotAllowed),
        }
    }
}
