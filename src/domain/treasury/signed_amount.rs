//! Amounts of money with a direction, as banks write them.

use std::fmt;

use crate::domain::money::Amount;

/// A sum of money in minor units, above or below zero, up to [`Amount::MAX`] either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedAmount(i64);

impl SignedAmount {
    pub const ZERO: Self = Self(0);

    pub const MAX: Self = Self(Amount::MAX.minor());

    /// Returns `None` beyond [`SignedAmount::MAX`] either way.
    pub const fn from_minor(minor: i64) -> Option<Self> {
        if minor >= -Self::MAX.0 && minor <= Self::MAX.0 {
            Some(Self(minor))
        } else {
            None
        }
    }

    /// Returns the amount as money that comes in.
    pub const fn credit(amount: Amount) -> Self {
        Self(amount.minor())
    }

    /// Returns the amount as money that goes out.
    pub const fn debit(amount: Amount) -> Self {
        Self(-amount.minor())
    }

    pub const fn minor(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns the sum, or `None` beyond [`SignedAmount::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::total([self, other])
    }

    /// Returns the difference, or `None` beyond [`SignedAmount::MAX`].
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Self::total([self, Self(-other.0)])
    }

    /// Returns the sum of all amounts, or `None` beyond [`SignedAmount::MAX`]. Only the end
    /// counts, so that the order of the amounts does not.
    pub fn total(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut amounts = amounts.into_iter();
        let sum = amounts.try_fold(0_i128, |sum, amount| sum.checked_add(i128::from(amount.0)))?;
        i64::try_from(sum).ok().and_then(Self::from_minor)
    }
}

impl From<Amount> for SignedAmount {
    fn from(amount: Amount) -> Self {
        Self::credit(amount)
    }
}

/// Formats the amount in major units with two decimals: `1234.50`, `-0.05`.
impl fmt::Display for SignedAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let minor = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", minor / 100, minor % 100)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minor(minor: i64) -> SignedAmount {
        SignedAmount::from_minor(minor).unwrap()
    }

    #[test]
    fn amounts_are_written_with_two_decimals() {
        for (amount, text) in [
            (123_450, "1234.50"),
            (0, "0.00"),
            (-5, "-0.05"),
            (-2_000, "-20.00"),
            (SignedAmount::MAX.minor(), "90071992547409.91"),
        ] {
            assert_eq!(minor(amount).to_string(), text);
        }
        let amount = Amount::from_minor(150).unwrap();
        assert_eq!(SignedAmount::from(amount).to_string(), "1.50");
        assert_eq!(SignedAmount::debit(amount).to_string(), "-1.50");
        assert!(SignedAmount::default().is_zero() && !minor(1).is_zero());
    }

    #[test]
    fn sums_beyond_the_bound_are_none() {
        let max = SignedAmount::MAX;
        assert_eq!(SignedAmount::from_minor(i64::MIN), None);
        assert_eq!(max.checked_add(minor(1)), None);
        assert_eq!(minor(-1).checked_sub(max), None);
        assert_eq!(max.checked_sub(minor(1)), Some(minor(max.minor() - 1)));
        assert_eq!(
            SignedAmount::total([max, max, minor(-1), minor(-max.minor()), minor(-max.minor())]),
            Some(minor(-1)),
            "a sum on the way does not count"
        );
    }

    proptest! {
        #[test]
        fn an_added_amount_can_be_subtracted(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let sum = minor(a).checked_add(minor(b)).unwrap();
            prop_assert_eq!(sum.checked_sub(minor(b)), Some(minor(a)));
        }
    }
}
