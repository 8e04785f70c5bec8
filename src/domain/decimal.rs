//! Decimal numbers as clients write them: digits, with a point and an exponent.

/// A decimal number in a form that does not depend on its spelling: `10`, `10.00` and `1e1`
/// are equal, and so are `0` and `-0.0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// True for a number below zero.
    pub is_negative: bool,
    /// The digits without zeros at either end. Zero has none.
    pub digits: String,
    /// The number of digits before the point. Below zero, it is the number of zeros between
    /// the point and the first digit. Zero has 0.
    pub point: i64,
}

/// The largest exponent that is kept. Beyond it, every number is out of every bound.
const EXPONENT_MAX: i64 = 1_000_000_000;

impl Decimal {
    /// Parses a number such as `1500`, `-0.5` or `1.0E7`, as some languages write it. Returns
    /// `None` if the text is not a number, or has a plus sign before it.
    pub fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let (is_small, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => (true, exponent),
            None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
        };
        if !is_digits(whole) || !is_digits(fraction) || !is_digits(exponent) {
            return None;
        }
        let all = [whole, fraction].concat();
        let from_first = all.trim_start_matches('0');
        let digits = from_first.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                digits,
                point: 0,
            });
        }
        let exponent = exponent.parse().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
        let leading_zeros = all.len() - from_first.len();
        let signed = |count: usize| i64::try_from(count).unwrap_or(EXPONENT_MAX);
        Some(Self {
            is_negative: text.starts_with('-'),
            digits,
            point: signed(whole.len()) - signed(leading_zeros) + if is_small { -exponent } else { exponent },
        })
    }

    /// Returns the number of digits after the point.
    pub fn decimals(&self) -> i64 {
        let digits = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        digits.saturating_sub(self.point).max(0)
    }

    /// Returns the number times ten to the power of `zeros`, or `None` if that is not a whole
    /// number, or does not fit.
    pub fn scaled(&self, zeros: u8) -> Option<i64> {
        /// The digits of the largest `i64`.
        const DIGITS_MAX: i64 = 19;
        let length = self.point.saturating_add(i64::from(zeros));
        if self.decimals() > i64::from(zeros) || length > DIGITS_MAX {
            return None;
        }
        let padded = self.digits.bytes().chain(std::iter::repeat(b'0'));
        let unsigned = padded
            .take(usize::try_from(length).unwrap_or_default())
            .fold(0_i128, |number, digit| number * 10 + i128::from(digit - b'0'));
        i64::try_from(if self.is_negative { -unsigned } else { unsigned }).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_does_not_depend_on_its_spelling() {
        for same in [
            &["10", "10.00", "1e1", "1E+1", "100e-1", "0.1e2", "010"][..],
            &["0", "-0", "0.0", "-0.0", "0e999999999999999999999", "-0e-5"],
            &["-12.5", "-1.25e1", "-1250e-2"],
        ] {
            let first = Decimal::parse(same[0]);
            assert!(first.is_some());
            assert!(same.iter().all(|text| Decimal::parse(text) == first), "{same:?}");
        }
        let different = ["1", "-1", "10", "0.1", "0.01", "1e99", "0.10000000000000000001"];
        for (index, text) in different.iter().enumerate() {
            let equal = different
                .iter()
                .filter(|other| Decimal::parse(other) == Decimal::parse(text));
            assert_eq!(equal.count(), 1, "{index}");
        }
    }

    #[test]
    fn other_texts_are_not_numbers() {
        for text in [
            "", "-", "+1", "1.", ".5", "1e", "e1", "--1", "0x1", "1_0", "NaN", "1,5", " 1", "١",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn scaling_never_rounds() {
        let scaled = |text: &str, zeros| Decimal::parse(text).unwrap().scaled(zeros);
        for (text, zeros, expected) in [
            ("1.0", 0, Some(1)),
            ("-0.0", 0, Some(0)),
            ("1.5", 0, None),
            ("1.5", 2, Some(150)),
            ("0.001", 2, None),
            ("1e-2", 2, Some(1)),
            ("9223372036854775807", 0, Some(i64::MAX)),
            ("-9223372036854775808", 0, Some(i64::MIN)),
            ("9223372036854775808", 0, None),
            ("1e99999999999999999999", 0, None),
            ("1e-99999999999999999999", 2, None),
        ] {
            assert_eq!(scaled(text, zeros), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_whole_number_is_read_back(number: i64) {
            let text = number.to_string();
            prop_assert_eq!(Decimal::parse(&text).unwrap().scaled(0), Some(number));
            let with_decimals = format!("{text}.000");
            prop_assert_eq!(Decimal::parse(&with_decimals), Decimal::parse(&text));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,40}") {
            let _number = Decimal::parse(&text).map(|number| number.scaled(2));
        }
    }
}
