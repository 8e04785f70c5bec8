//! A party's own escrows, and what they add up to (contract section 4.2.7).

use strum::{IntoStaticStr, VariantArray};

use crate::domain::escrow::{Escrow, Status};
use crate::domain::ids::CategoryId;
use crate::domain::money::Amount;
use crate::domain::page::Page;
use crate::domain::party::Party;

/// The side of a deal that a party is on. The words are the contract's for a list of
/// their deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
pub enum Side {
    /// They sell.
    #[strum(serialize = "sales")]
    Seller,
    /// They paid.
    #[strum(serialize = "buy")]
    Buyer,
}

/// Which escrows are meant.
#[derive(Clone, Debug)]
pub struct PartyEscrowFilter {
    /// Those of this party,
    pub party: Party,
    /// who is on this side of them,
    pub side: Side,
    /// in this category,
    pub category: Option<CategoryId>,
    /// with this status.
    pub status: Option<Status>,
}

/// A page of them, newest first, and what all of them add up to.
#[derive(Clone, Debug)]
pub struct EscrowList {
    /// The page.
    pub page: Page<Escrow>,
    /// Over every page.
    pub report: EscrowReport,
}

/// How many escrows there are, and over how much, in all and by how far they are. What
/// awaits payment, was refunded or was split is in the total alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EscrowReport {
    /// All of them.
    pub total: Tally,
    /// Paid out to the seller, whether the buyer confirmed or the seller claimed.
    pub completed: Tally,
    /// Funded and undisputed.
    pub ongoing: Tally,
    /// In dispute, replied to or not.
    pub dispute: Tally,
}

/// Some escrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their amounts together; [`Amount::MAX`] when they are more than that, which
    /// only offers that nobody could pay for add up to.
    pub amount: Amount,
}

impl EscrowReport {
    /// Counts one escrow of this status.
    pub fn count(&mut self, status: Status, amount: Amount) {
        self.total.count(amount);
        match status {
            Status::Completed | Status::Claimed => self.completed.count(amount),
            Status::Ongoing => self.ongoing.count(amount),
            Status::Disputed | Status::Investigating => self.dispute.count(amount),
            Status::Pending | Status::Refunded | Status::Split => {}
        }
    }
}

impl Tally {
    fn count(&mut self, amount: Amount) {
        self.count += 1;
        self.amount = self.amount.checked_add(amount).unwrap_or(Amount::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_in_the_total_and_in_one_group_at_most() {
        let mut report = EscrowReport::default();
        for (index, &status) in (0_u32..).zip(Status::VARIANTS) {
            report.count(status, Amount::from_minor(1 << index).unwrap());
        }
        let tally = |tally: Tally| (tally.count, tally.amount.minor());
        assert_eq!(tally(report.total), (8, 0b1111_1111));
        assert_eq!(tally(report.ongoing), (1, 0b10));
        assert_eq!(tally(report.dispute), (2, 0b1100));
        assert_eq!(tally(report.completed), (2, 0b11_0000));
    }

    #[test]
    fn more_than_there_can_be_is_told_as_the_most() {
        let mut report = EscrowReport::default();
        for _ in 0..3 {
            report.count(Status::Pending, Amount::MAX);
        }
        assert_eq!((report.total.count, report.total.amount), (3, Amount::MAX));
    }
}
