//! The list of a party's own escrows and their totals (contract section 4.2.7).

use strum::{IntoStaticStr, VariantArray};

use crate::domain::escrow::{Escrow, Status};
use crate::domain::ids::CategoryId;
use crate::domain::money::{Amount, AmountSum};
use crate::domain::page::Page;
use crate::domain::party::Party;

/// The side of a deal that a party is on. The words are those of the contract for the
/// list of the party's deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
pub enum Side {
    #[strum(serialize = "sales")]
    Seller,
    #[strum(serialize = "buy")]
    Buyer,
}

/// A filter of a party's escrows.
#[derive(Clone, Debug)]
pub struct PartyEscrowFilter {
    pub party: Party,
    pub side: Side,
    pub category: Option<CategoryId>,
    pub status: Option<Status>,
}

/// A page of escrows, newest first, and the totals over all pages.
#[derive(Clone, Debug)]
pub struct EscrowList {
    pub page: Page<Escrow>,
    /// The totals over all pages.
    pub report: EscrowReport,
}

/// Number and amount of a party's escrows, in all and by status. Escrows that await
/// payment, were refunded or were split count in the total alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EscrowReport {
    /// All escrows.
    pub total: EscrowTotal,
    /// Paid out to the seller, after a confirmation or a claim.
    pub completed: EscrowTotal,
    /// Funded and not disputed.
    pub ongoing: EscrowTotal,
    /// In dispute, with or without a reply.
    pub dispute: EscrowTotal,
}

/// The number of some escrows, and the sum of their amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EscrowTotal {
    pub count: u64,
    /// The sum, which is above [`Amount::MAX`] for enough offers of high amounts: an offer needs
    /// no money behind it.
    pub amount: AmountSum,
}

impl EscrowReport {
    /// Adds one escrow of this status.
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

impl EscrowTotal {
    fn count(&mut self, amount: Amount) {
        self.count += 1;
        self.amount.add(amount);
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
        let numbers = |total: EscrowTotal| (total.count, total.amount.minor());
        assert_eq!(numbers(report.total), (8, 0b1111_1111));
        assert_eq!(numbers(report.ongoing), (1, 0b10));
        assert_eq!(numbers(report.dispute), (2, 0b1100));
        assert_eq!(numbers(report.completed), (2, 0b11_0000));
    }

    #[test]
    fn a_sum_above_the_largest_amount_is_exact() {
        let mut report = EscrowReport::default();
        for _ in 0..2_000 {
            report.count(Status::Pending, Amount::MAX);
        }
        let total = report.total;
        assert_eq!((total.count, total.amount.minor()), (2_000, 18_014_398_509_481_982_000));
        assert!(total.amount.minor() > i128::from(i64::MAX));
    }
}
