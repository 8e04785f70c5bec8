//! Amounts of money in whole minor units (kobo): never negative, never fractional.
//!
//! This file knows no currencies and no accounts. Every operation is checked. Only
//! [`Amount::share`], [`Amount::half_rounded_up`] and [`Amount::pro_rata`] round, and
//! their docs say how.

use std::cmp::Reverse;
use std::fmt;

use crate::domain::decimal::Decimal;

/// Minor units in one major unit (contract section 1.5: at most two decimals).
const MINOR_PER_MAJOR: i64 = 100;

/// The decimals of a major unit.
const MINOR_DECIMALS: u8 = 2;

/// Basis points in 100 percent.
const BASIS_POINTS: i128 = 10_000;

/// A rate in basis points, from 0 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasisPoints(u16);

impl BasisPoints {
    /// Returns `None` above 10,000 basis points (100 percent).
    pub const fn new(bps: u16) -> Option<Self> {
        if bps <= 10_000 { Some(Self(bps)) } else { None }
    }

    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A sum of money in minor units, from zero to [`Amount::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

impl Amount {
    pub const ZERO: Self = Self(0);

    pub const ONE_MAJOR: Self = Self(MINOR_PER_MAJOR);

    /// 2^53-1 minor units: the largest whole number a JavaScript client reads
    /// without rounding.
    pub const MAX: Self = Self(9_007_199_254_740_991);

    /// Returns `None` outside `0..=MAX`.
    pub const fn from_minor(minor: i64) -> Option<Self> {
        if minor >= 0 && minor <= Self::MAX.0 {
            Some(Self(minor))
        } else {
            None
        }
    }

    pub const fn minor(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns the amount in major units, or `None` if it is not a whole number of them.
    pub const fn whole_major(self) -> Option<i64> {
        if self.0 % MINOR_PER_MAJOR == 0 {
            Some(self.0 / MINOR_PER_MAJOR)
        } else {
            None
        }
    }

    /// Returns the sum, or `None` above [`Amount::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_minor)
    }

    /// Returns the difference, or `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(Self::from_minor)
    }

    /// Returns the sum of all amounts, or `None` above [`Amount::MAX`].
    pub fn total(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// Returns this rate of the amount, rounded half up to the minor unit (contract
    /// section 5.1). The result is never more than the amount.
    pub fn share(self, rate: BasisPoints) -> Self {
        let exact = i128::from(self.0) * i128::from(rate.0);
        let rounded = (exact + BASIS_POINTS / 2) / BASIS_POINTS;
        i64::try_from(rounded)
            .ok()
            .and_then(Self::from_minor)
            .expect("a share of at most 100 percent fits where the whole fits")
    }

    /// Returns half of the amount, rounded up to the minor unit.
    pub const fn half_rounded_up(self) -> Self {
        Self(self.0 / 2 + self.0 % 2)
    }

    /// Splits the amount in proportion to `weights` by the largest remainder method.
    ///
    /// The parts add up to the amount exactly, and each is less than one minor unit off
    /// its exact share. Among equal remainders the earlier part is rounded up. If there
    /// are no weights, or all are zero, every part is zero.
    ///
    /// For example, 100 split by the weights 1, 1 and 1 gives 34, 33 and 33.
    pub fn pro_rata(self, weights: &[Self]) -> Vec<Self> {
        let whole: i128 = weights.iter().map(|weight| i128::from(weight.0)).sum();
        if whole == 0 {
            return vec![Self::ZERO; weights.len()];
        }
        let exact = |weight: &Self| i128::from(self.0) * i128::from(weight.0);
        let mut parts: Vec<i128> = weights.iter().map(|weight| exact(weight) / whole).collect();
        let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
        by_remainder.sort_by_key(|&index| Reverse(exact(&weights[index]) % whole));
        let left_over = i128::from(self.0) - parts.iter().sum::<i128>();
        let left_over = usize::try_from(left_over).expect("less than one unit is left over for each part");
        for &index in &by_remainder[..left_over] {
            parts[index] += 1;
        }
        let part = |minor| i64::try_from(minor).ok().and_then(Self::from_minor);
        parts
            .into_iter()
            .map(|minor| part(minor).expect("a part is at most the whole"))
            .collect()
    }

    /// Parses a decimal number of major units, such as `1500`, `100.25` or `1.0E7`, as
    /// some languages write it.
    ///
    /// # Errors
    ///
    /// Returns why the text is no amount. The parser never rounds: a third decimal other
    /// than zero is an error.
    pub fn parse_major(text: &str) -> Result<Self, NotAnAmount> {
        let number = Decimal::parse(text).ok_or(NotAnAmount::NotADecimal)?;
        if number.is_negative {
            return Err(NotAnAmount::Negative);
        }
        if number.decimals() > i64::from(MINOR_DECIMALS) {
            return Err(NotAnAmount::TooManyDecimals);
        }
        let minor = number.scaled(MINOR_DECIMALS).and_then(Self::from_minor);
        minor.ok_or(NotAnAmount::TooLarge)
    }
}

/// Formats the amount in major units without trailing zeros: `1500`, `100.2`, `24.69`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_major(f, i128::from(self.0))
    }
}

/// An exact sum of amounts in minor units, which may be above [`Amount::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmountSum(i128);

impl AmountSum {
    /// Adds an amount. The sum of as many amounts as a `u64` counts fits.
    pub fn add(&mut self, amount: Amount) {
        self.0 += i128::from(amount.0);
    }

    pub const fn minor(self) -> i128 {
        self.0
    }
}

/// Formats the sum as [`Amount`] does.
impl fmt::Display for AmountSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_major(f, self.0)
    }
}

/// Writes minor units as major units without trailing zeros.
fn write_major(f: &mut fmt::Formatter<'_>, units: i128) -> fmt::Result {
    let per_major = i128::from(MINOR_PER_MAJOR);
    let (major, minor) = (units / per_major, units % per_major);
    match minor {
        0 => write!(f, "{major}"),
        _ if minor % 10 == 0 => write!(f, "{major}.{}", minor / 10),
        _ => write!(f, "{major}.{minor:02}"),
    }
}

/// The reason why a text is not an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnAmount {
    /// The text is not digits with at most one decimal point and at most one exponent.
    NotADecimal,
    Negative,
    /// The text has a fraction of a minor unit.
    TooManyDecimals,
    /// The number is above [`Amount::MAX`].
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minor(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    #[test]
    fn decimal_text_is_read_exactly_or_not_at_all() {
        let cases = [
            ("0", Ok(0)),
            ("1", Ok(100)),
            ("1500", Ok(150_000)),
            ("100.2", Ok(10_020)),
            ("100.20", Ok(10_020)),
            ("100.2000", Ok(10_020)),
            ("0.01", Ok(1)),
            ("1000.0", Ok(100_000)),
            ("90071992547409.91", Ok(9_007_199_254_740_991)),
            ("90071992547409.92", Err(NotAnAmount::TooLarge)),
            ("9223372036854775808", Err(NotAnAmount::TooLarge)),
            ("99999999999999999999999999999999999999", Err(NotAnAmount::TooLarge)),
            ("0.001", Err(NotAnAmount::TooManyDecimals)),
            ("-1", Err(NotAnAmount::Negative)),
            ("-0.001", Err(NotAnAmount::Negative)),
            ("--1", Err(NotAnAmount::NotADecimal)),
            ("", Err(NotAnAmount::NotADecimal)),
            ("1e3", Ok(100_000)),
            ("1.0E7", Ok(1_000_000_000)),
            ("1.25E+2", Ok(12_500)),
            ("150e-2", Ok(150)),
            ("0.0000e5", Ok(0)),
            ("000123e0", Ok(12_300)),
            ("1e-3", Err(NotAnAmount::TooManyDecimals)),
            ("-1e3", Err(NotAnAmount::Negative)),
            ("1e99", Err(NotAnAmount::TooLarge)),
            ("1e9223372036854775807", Err(NotAnAmount::TooLarge)),
            ("1e-9223372036854775808", Err(NotAnAmount::TooManyDecimals)),
            ("1e", Err(NotAnAmount::NotADecimal)),
            ("1e1e1", Err(NotAnAmount::NotADecimal)),
            ("e5", Err(NotAnAmount::NotADecimal)),
            ("1e+-5", Err(NotAnAmount::NotADecimal)),
            ("1.", Err(NotAnAmount::NotADecimal)),
            (".5", Err(NotAnAmount::NotADecimal)),
            ("1.2.3", Err(NotAnAmount::NotADecimal)),
            ("+1", Err(NotAnAmount::NotADecimal)),
            (" 1", Err(NotAnAmount::NotADecimal)),
            ("1,000", Err(NotAnAmount::NotADecimal)),
            ("NaN", Err(NotAnAmount::NotADecimal)),
            ("１", Err(NotAnAmount::NotADecimal)),
        ];
        for (text, expected) in cases {
            assert_eq!(Amount::parse_major(text).map(Amount::minor), expected, "{text}");
        }
    }

    #[test]
    fn shares_are_rounded_half_up() {
        let two_percent = BasisPoints::new(200).unwrap();
        assert_eq!(minor(123_456).share(two_percent), minor(2_469), "contract Ex 2");
        assert_eq!(minor(25).share(two_percent), minor(1), "0.5 goes up");
        assert_eq!(minor(24).share(two_percent), Amount::ZERO);
        assert_eq!(Amount::MAX.share(BasisPoints::new(10_000).unwrap()), Amount::MAX);
    }

    #[test]
    fn pro_rata_parts_add_up_to_the_kobo() {
        // Contract Ex 8: a fee of 20 over stages of 333.33, 333.33, 333.34.
        let stages = [minor(33_333), minor(33_333), minor(33_334)];
        assert_eq!(minor(2_000).pro_rata(&stages), [minor(667), minor(666), minor(667)]);
        assert_eq!(Amount::ZERO.pro_rata(&stages), [Amount::ZERO; 3]);
        assert_eq!(minor(5).pro_rata(&[]), []);
        assert_eq!(minor(5).pro_rata(&[Amount::ZERO]), [Amount::ZERO]);
    }

    proptest! {
        #[test]
        fn pro_rata_invents_and_loses_nothing(
            whole in 0..=Amount::MAX.minor(),
            weights in proptest::collection::vec(1..=Amount::MAX.minor(), 1..100),
        ) {
            let weights: Vec<Amount> = weights.into_iter().map(minor).collect();
            let parts = minor(whole).pro_rata(&weights);
            let weight_sum: i128 = weights.iter().map(|w| i128::from(w.minor())).sum();
            prop_assert_eq!(Amount::total(parts.iter().copied()), Some(minor(whole)));
            for (part, weight) in parts.iter().zip(&weights) {
                let off = i128::from(part.minor()) * weight_sum - i128::from(whole) * i128::from(weight.minor());
                prop_assert!(off.abs() < weight_sum);
            }
        }

        #[test]
        fn a_formatted_amount_parses_back(value in 0..=Amount::MAX.minor()) {
            let amount = minor(value);
            prop_assert_eq!(Amount::parse_major(&amount.to_string()), Ok(amount));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,40}") {
            let _outcome = Amount::parse_major(&text);
        }

        #[test]
        fn a_share_is_within_half_a_unit_of_exact(value in 0..=Amount::MAX.minor(), bps in 0_u16..=10_000) {
            let share = i128::from(minor(value).share(BasisPoints::new(bps).unwrap()).minor());
            let exact_times_10k = i128::from(value) * i128::from(bps);
            prop_assert!((share * 10_000 - exact_times_10k).abs() <= 5_000);
        }
    }
}
