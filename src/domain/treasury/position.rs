//! The position: where the money is, and so how much of it the bank should hold.

use crate::domain::chain_hash::ChainHash;
use crate::domain::ids::MerchantId;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::domain::treasury::reconciliation::SumTooLarge;

/// A number of objects and the sum of their amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    /// `None` above [`Amount::MAX`]: customers may expect any number of deposits.
    pub amount: Option<Amount>,
}

/// The money of one merchant, or of several together, and what waits for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// In customers' wallets.
    pub wallets: Amount,
    /// In the holds of open deals.
    pub holds: Amount,
    /// The merchants' own.
    pub merchants: Amount,
    pub platform_fees: Amount,
    pub in_transit: Amount,
    pub suspense: Amount,
    /// All that came in from the outside world less all that went out: the sum that the bank
    /// should hold.
    pub bank_should_hold: Amount,
    /// Pay-outs that are neither paid nor given up, with their fees.
    pub open_payouts: Tally,
    pub receipts_in_suspense: Tally,
    /// Receipts that wait for the approval of a second person, and have moved nothing.
    pub receipts_to_approve: Tally,
    /// Deposits for which no money has come.
    pub expected_deposits: Tally,
}

/// The figures of one merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantPosition {
    pub merchant: MerchantId,
    /// The merchant's name. `None` in a sandbox.
    pub name: Option<String>,
    pub figures: Figures,
    /// The hash of its newest transfer.
    pub chain_head: ChainHash,
}

/// The figures of some merchants at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub as_of: Timestamp,
    /// The number of the newest transfer in the file, 0 if there is none.
    pub newest_transfer: i64,
    /// All merchants together. `None` if a sum is above [`Amount::MAX`]; those of one merchant never
    /// are.
    pub total: Option<Figures>,
    pub merchants: Vec<MerchantPosition>,
}

impl Tally {
    const NONE: Self = Self {
        count: 0,
        amount: Some(Amount::ZERO),
    };

    fn plus(self, other: Self) -> Self {
        let sum = self.amount.zip(other.amount);
        Self {
            count: self.count.saturating_add(other.count),
            amount: sum.and_then(|(amount, other)| amount.checked_add(other)),
        }
    }
}

impl Figures {
    const NONE: Self = Self {
        wallets: Amount::ZERO,
        holds: Amount::ZERO,
        merchants: Amount::ZERO,
        platform_fees: Amount::ZERO,
        in_transit: Amount::ZERO,
        suspense: Amount::ZERO,
        bank_should_hold: Amount::ZERO,
        open_payouts: Tally::NONE,
        receipts_in_suspense: Tally::NONE,
        receipts_to_approve: Tally::NONE,
        expected_deposits: Tally::NONE,
    };

    /// Returns the sum of the accounts, or `None` above [`Amount::MAX`].
    pub fn sum(&self) -> Option<Amount> {
        Amount::total([
            self.wallets,
            self.holds,
            self.merchants,
            self.platform_fees,
            self.in_transit,
            self.suspense,
        ])
    }

    /// Returns true if the accounts add up to what the bank should hold, the money in transit
    /// is that of the open pay-outs, and suspense is that of the receipts in it.
    pub fn agrees(&self) -> bool {
        self.sum() == Some(self.bank_should_hold)
            && self.open_payouts.amount == Some(self.in_transit)
            && self.receipts_in_suspense.amount == Some(self.suspense)
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        Some(Self {
            wallets: self.wallets.checked_add(other.wallets)?,
            holds: self.holds.checked_add(other.holds)?,
            merchants: self.merchants.checked_add(other.merchants)?,
            platform_fees: self.platform_fees.checked_add(other.platform_fees)?,
            in_transit: self.in_transit.checked_add(other.in_transit)?,
            suspense: self.suspense.checked_add(other.suspense)?,
            bank_should_hold: self.bank_should_hold.checked_add(other.bank_should_hold)?,
            open_payouts: self.open_payouts.plus(other.open_payouts),
            receipts_in_suspense: self.receipts_in_suspense.plus(other.receipts_in_suspense),
            receipts_to_approve: self.receipts_to_approve.plus(other.receipts_to_approve),
            expected_deposits: self.expected_deposits.plus(other.expected_deposits),
        })
    }
}

impl Position {
    /// Adds up the figures of some merchants.
    pub fn of(merchants: Vec<MerchantPosition>, as_of: Timestamp, newest_transfer: i64) -> Self {
        let mut figures = merchants.iter().map(|merchant| &merchant.figures);
        Self {
            as_of,
            newest_transfer,
            total: figures.try_fold(Figures::NONE, |sum, figures| sum.plus(figures)),
            merchants,
        }
    }

    /// Returns the figures of all merchants together.
    ///
    /// # Errors
    ///
    /// Returns an error if a sum is above [`Amount::MAX`].
    pub fn require_total(&self) -> Result<&Figures, SumTooLarge> {
        self.total.as_ref().ok_or(SumTooLarge { of: "merchants" })
    }

    /// Returns true if the figures of each merchant agree, and those of all together.
    pub fn agrees(&self) -> bool {
        let each = self.merchants.iter().map(|merchant| &merchant.figures);
        self.total.iter().chain(each).all(Figures::agrees)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kobo(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    fn tally(count: u64, minor: i64) -> Tally {
        Tally {
            count,
            amount: Some(kobo(minor)),
        }
    }

    fn figures() -> Figures {
        Figures {
            wallets: kobo(100),
            holds: kobo(20),
            merchants: kobo(3),
            platform_fees: kobo(4),
            in_transit: kobo(50),
            suspense: kobo(6),
            bank_should_hold: kobo(183),
            open_payouts: tally(2, 50),
            receipts_in_suspense: tally(1, 6),
            receipts_to_approve: tally(1, 9),
            expected_deposits: tally(3, 70),
        }
    }

    fn merchant(number: i64, figures: Figures) -> MerchantPosition {
        MerchantPosition {
            merchant: MerchantId(number),
            name: None,
            figures,
            chain_head: ChainHash::START,
        }
    }

    fn position(merchants: Vec<MerchantPosition>) -> Position {
        Position::of(merchants, Timestamp::EPOCH, 7)
    }

    #[test]
    fn the_figures_of_merchants_add_up() {
        let both = position(vec![merchant(1, figures()), merchant(2, figures())]);
        assert!(both.agrees());
        let total = both.require_total().unwrap();
        assert_eq!(total.bank_should_hold, kobo(366));
        assert_eq!(total.sum(), Some(kobo(366)));
        assert_eq!(total.expected_deposits, tally(6, 140));
        let nothing = position(Vec::new());
        assert!(nothing.agrees() && nothing.require_total().unwrap().bank_should_hold.is_zero());
    }

    #[test]
    fn each_disagreement_shows_for_one_merchant_among_others() {
        let changes: [fn(&mut Figures); 4] = [
            |figures| figures.wallets = kobo(101),
            |figures| figures.bank_should_hold = kobo(182),
            |figures| figures.open_payouts = tally(2, 49),
            |figures| figures.receipts_in_suspense = tally(1, 7),
        ];
        for change in changes {
            let mut wrong = figures();
            change(&mut wrong);
            assert!(!wrong.agrees());
            let among = position(vec![merchant(1, figures()), merchant(2, wrong)]);
            assert!(!among.agrees());
        }
    }

    /// Two merchants whose errors cancel each other do not agree.
    #[test]
    fn errors_that_cancel_each_other_show() {
        let (mut more, mut less) = (figures(), figures());
        more.wallets = kobo(101);
        less.wallets = kobo(99);
        let both = position(vec![merchant(1, more), merchant(2, less)]);
        assert!(both.require_total().unwrap().agrees() && !both.agrees());
    }

    #[test]
    fn sums_beyond_the_largest_amount_are_told() {
        let most = Figures {
            wallets: Amount::MAX,
            bank_should_hold: Amount::MAX,
            ..Figures::NONE
        };
        let both = position(vec![merchant(1, most), merchant(2, figures())]);
        assert_eq!(both.require_total(), Err(SumTooLarge { of: "merchants" }));
        assert!(both.agrees());
        let among = position(vec![
            merchant(1, most),
            merchant(
                2,
                Figures {
                    bank_should_hold: kobo(182),
                    ..figures()
                },
            ),
        ]);
        assert!(!among.agrees());
        let expected = Tally {
            count: 1,
            amount: Some(Amount::MAX),
        };
        assert_eq!(expected.plus(tally(1, 1)), Tally { count: 2, amount: None });
    }
}
