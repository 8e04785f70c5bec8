//! The fee of an escrow and who pays which part of it (contract section 5).

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::money::{Amount, BasisPoints};

/// The side that pays the fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum WhoPays {
    /// The buyer pays the fee on top of the amount.
    Buyer,
    /// The seller receives the amount less the fee.
    Seller,
    /// Each side pays one half.
    Both,
}

/// The two rates that make up an escrow's fee, both of the escrow amount: the platform's
/// and the merchant's commission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    platform: BasisPoints,
    commission: BasisPoints,
}

impl Rates {
    /// The highest sum of both rates: half of the amount. A fee then cannot exceed the
    /// amount that it is taken from, however it is rounded.
    pub const TOGETHER_MAX_BPS: u16 = 5_000;

    /// Returns `None` if the rates exceed [`Rates::TOGETHER_MAX_BPS`] together.
    pub fn new(platform_bps: u16, commission_bps: u16) -> Option<Self> {
        let together = platform_bps.checked_add(commission_bps)?;
        if together > Self::TOGETHER_MAX_BPS {
            return None;
        }
        Some(Self {
            platform: BasisPoints::new(platform_bps)?,
            commission: BasisPoints::new(commission_bps)?,
        })
    }

    /// Returns these rates with another commission, or with the highest one that is possible
    /// beside the platform's part if that is lower.
    #[must_use]
    pub fn with_commission_up_to(self, commission_bps: u16) -> Self {
        let most = Self::TOGETHER_MAX_BPS - self.platform_bps();
        Self {
            platform: self.platform,
            commission: BasisPoints::new(commission_bps.min(most)).expect("below the sum of both rates"),
        }
    }

    /// Returns the platform's rate, in basis points.
    pub const fn platform_bps(self) -> u16 {
        self.platform.get()
    }

    /// Returns the merchant's rate, in basis points.
    pub const fn commission_bps(self) -> u16 {
        self.commission.get()
    }
}

/// The fee of one escrow, fixed together with its terms, in minor units.
///
/// The total is the sum of the platform's part and the merchant's commission. It is also
/// the sum of the buyer's share and the seller's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fee {
    total: Amount,
    commission: Amount,
    buyer_share: Amount,
}

impl Fee {
    /// Returns the fee for an amount. The platform's part and the commission are each
    /// rounded half up. If both sides pay, the buyer pays the larger half of an odd total
    /// (contract section 9.1, rows 4, 5 and 8).
    pub fn of(amount: Amount, who_pays: WhoPays, rates: Rates) -> Self {
        let commission = amount.share(rates.commission);
        let total = amount
            .share(rates.platform)
            .checked_add(commission)
            .expect("both parts together are at most the amount");
        let buyer_share = match who_pays {
            WhoPays::Buyer => total,
            WhoPays::Seller => Amount::ZERO,
            WhoPays::Both => total.half_rounded_up(),
        };
        Self {
            total,
            commission,
            buyer_share,
        }
    }

    /// Returns a stored fee, or `None` if one of its parts exceeds the total.
    pub fn from_parts(total: Amount, commission: Amount, buyer_share: Amount) -> Option<Self> {
        (commission <= total && buyer_share <= total).then_some(Self {
            total,
            commission,
            buyer_share,
        })
    }

    pub const fn total(&self) -> Amount {
        self.total
    }

    /// Returns the merchant's part.
    pub const fn commission(&self) -> Amount {
        self.commission
    }

    /// Returns the platform's part.
    pub fn platform(&self) -> Amount {
        self.total
            .checked_sub(self.commission)
            .expect("commission is part of the fee")
    }

    /// Returns the amount that the buyer pays on top of the escrow amount.
    pub const fn buyer_share(&self) -> Amount {
        self.buyer_share
    }

    /// Returns the amount that the seller gives up of the escrow amount.
    pub fn seller_share(&self) -> Amount {
        self.total
            .checked_sub(self.buyer_share)
            .expect("the buyer's share is part of the fee")
    }
}

/// The fees of withdrawals: a flat fee for each range of amounts (contract section 5.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawalFees {
    /// The highest amount of each range, in rising order, and the fee of the range.
    steps: Vec<(Amount, Amount)>,
    /// The fee above the last range.
    above: Amount,
}

impl WithdrawalFees {
    /// The form of the text that [`WithdrawalFees::parse`] reads, for messages.
    pub const SHAPE: &'static str =
        "steps of rising amounts with a fee each and then the fee above them, such as \"500000:1000, 5000\"";

    /// Parses ranges in minor units: `up to:fee`, ..., `fee above`. Returns `None` if the
    /// text does not have [`WithdrawalFees::SHAPE`].
    pub fn parse(text: &str) -> Option<Self> {
        let amount = |text: &str| Amount::from_minor(text.trim().parse().ok()?);
        let (steps, above) = match text.rsplit_once(',') {
            Some((steps, above)) => (steps.split(',').collect(), above),
            None => (Vec::new(), text),
        };
        let step = |text: &str| {
            let (up_to, fee) = text.split_once(':')?;
            Some((amount(up_to)?, amount(fee)?))
        };
        let steps: Vec<(Amount, Amount)> = steps.into_iter().map(step).collect::<Option<_>>()?;
        let above = amount(above)?;
        steps
            .is_sorted_by(|(lower, _), (higher, _)| lower < higher)
            .then_some(Self { steps, above })
    }

    /// Returns the fee of a withdrawal of this amount.
    pub fn of(&self, amount: Amount) -> Amount {
        let step = self.steps.iter().find(|(up_to, _)| amount <= *up_to);
        step.map_or(self.above, |(_, fee)| *fee)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kobo(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    #[test]
    fn fees_match_the_worked_examples() {
        use WhoPays::{Both, Buyer, Seller};
        // amount, who pays, platform bps, commission bps, then total, commission, buyer's and
        // seller's share
        let cases = [
            ("Ex 1", 250_000, Seller, 200, 0, 5_000, 0, 0, 5_000),
            ("Ex 2", 123_456, Seller, 200, 0, 2_469, 0, 0, 2_469),
            (
                "Ex 3",
                100_000_000,
                Both,
                200,
                50,
                2_500_000,
                500_000,
                1_250_000,
                1_250_000,
            ),
            ("Ex 4", 1_000_000, Buyer, 200, 100, 30_000, 10_000, 30_000, 0),
            ("Ex 5", 100_100, Both, 200, 0, 2_002, 0, 1_001, 1_001),
            ("Ex 6", 123_457, Both, 200, 0, 2_469, 0, 1_235, 1_234),
            ("Ex 7", 100_000_000, Buyer, 200, 50, 2_500_000, 500_000, 2_500_000, 0),
        ];
        for (name, amount, who_pays, platform, commission, total, merchant, buyer, seller) in cases {
            let fee = Fee::of(kobo(amount), who_pays, Rates::new(platform, commission).unwrap());
            let parts = [fee.total(), fee.commission(), fee.buyer_share(), fee.seller_share()];
            assert_eq!(parts, [total, merchant, buyer, seller].map(kobo), "{name}");
        }
    }

    #[test]
    fn a_stored_fee_has_no_part_above_its_total() {
        let fee = Fee::of(kobo(123_457), WhoPays::Both, Rates::new(200, 100).unwrap());
        let stored = Fee::from_parts(fee.total(), fee.commission(), fee.buyer_share());
        assert_eq!(stored, Some(fee));
        assert!(Fee::from_parts(kobo(5), kobo(5), kobo(5)).is_some());
        assert!(Fee::from_parts(kobo(5), kobo(6), kobo(5)).is_none());
        assert!(Fee::from_parts(kobo(5), kobo(5), kobo(6)).is_none());
    }

    #[test]
    fn rates_above_half_are_refused() {
        assert!(Rates::new(2_500, 2_500).is_some());
        assert!(Rates::new(2_500, 2_501).is_none());
        assert!(Rates::new(u16::MAX, u16::MAX).is_none());
    }

    #[test]
    fn a_withdrawal_costs_the_fee_of_its_range() {
        let fees = WithdrawalFees::parse("500000:1000, 5000000:2500, 5000").unwrap();
        for (amount, fee) in [
            (0, 1000),
            (500_000, 1000),
            (500_001, 2500),
            (5_000_000, 2500),
            (5_000_001, 5000),
        ] {
            assert_eq!(fees.of(kobo(amount)), kobo(fee), "{amount}");
        }
        assert_eq!(WithdrawalFees::parse("0").unwrap().of(Amount::MAX), Amount::ZERO);
        for text in [
            "",
            "x",
            "-1",
            "5:1",
            "5:1,",
            "5:1, 5:2, 3",
            "9:1, 5:2, 3",
            "5, 3",
            "5:1:2, 3",
            "1.5",
        ] {
            assert_eq!(WithdrawalFees::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_fee_never_exceeds_its_amount(amount in 1..=Amount::MAX.minor(), platform in 0_u16..=5_000, commission in 0_u16..=5_000) {
            if let Some(rates) = Rates::new(platform, commission) {
                for who_pays in [WhoPays::Buyer, WhoPays::Seller, WhoPays::Both] {
                    let fee = Fee::of(kobo(amount), who_pays, rates);
                    prop_assert!(fee.total() <= kobo(amount));
                    prop_assert_eq!(fee.buyer_share().checked_add(fee.seller_share()), Some(fee.total()));
                    prop_assert_eq!(fee.platform().checked_add(fee.commission()), Some(fee.total()));
                }
            }
        }
    }
}
