//! Spans of time and their text form: `36h`, `10m`, `1d12h`, `3600`.

use std::fmt;
use std::time::Duration;

use crate::domain::decimal::Decimal;

/// Seconds of each unit.
const UNITS: [(&str, i64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

/// The time by which one request moves a clock: whole seconds, from one to
/// [`Span::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    seconds: i64,
}

/// The reason why a text is not a [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotASpan {
    /// The text does not have the form of a span.
    Unreadable,
    /// A number is followed by an unknown unit.
    UnknownUnit,
    /// A number has a fraction.
    Fraction,
    /// The span is negative.
    Negative,
    /// The span is zero.
    Zero,
    /// The span is longer than [`Span::MAX`].
    TooLong,
}

impl Span {
    /// The longest span: ten years of 365 days.
    pub const MAX: Self = Self {
        seconds: 3_650 * 86_400,
    };

    /// Parses numbers with a unit each, which add up, or digits alone, which are seconds.
    /// Spaces are allowed around numbers and units: `1d 12h` is 36 hours.
    pub fn parse(text: &str) -> Result<Self, NotASpan> {
        let text = text.trim();
        if text.starts_with('-') {
            return Err(NotASpan::Negative);
        }
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(NotASpan::Unreadable);
        }
        if text.contains(['.', ',']) {
            return Err(NotASpan::Fraction);
        }
        let seconds = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            number(text)
        } else {
            sum_of_parts(text)
        };
        Self::of_seconds(seconds?)
    }

    /// Parses a number of seconds. Some languages write a whole one as `1.0` or `1e3`.
    pub fn of_number(text: &str) -> Result<Self, NotASpan> {
        let number = Decimal::parse(text).ok_or(NotASpan::Unreadable)?;
        if number.is_negative {
            return Err(NotASpan::Negative);
        }
        if number.decimals() > 0 {
            return Err(NotASpan::Fraction);
        }
        Self::of_seconds(number.scaled(0).ok_or(NotASpan::TooLong)?)
    }

    fn of_seconds(seconds: i64) -> Result<Self, NotASpan> {
        match seconds {
            ..=0 => Err(NotASpan::Zero),
            _ if seconds > Self::MAX.seconds => Err(NotASpan::TooLong),
            _ => Ok(Self { seconds }),
        }
    }

    /// Returns the span in seconds.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the span as a [`Duration`].
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds.unsigned_abs())
    }
}

/// Parses one or more numbers, each with its unit, and returns the sum in seconds.
fn sum_of_parts(text: &str) -> Result<i64, NotASpan> {
    let mut rest = text;
    let mut seconds: i64 = 0;
    while !rest.is_empty() {
        let (digits, after_digits) = split_prefix(rest, |c| c.is_ascii_digit());
        let (unit, after_unit) = split_prefix(after_digits, |c| !c.is_ascii_digit());
        if digits.is_empty() || unit.is_empty() {
            return Err(NotASpan::Unreadable);
        }
        let found = UNITS.iter().find(|(name, _)| *name == unit.trim());
        let (_, seconds_each) = found.ok_or(NotASpan::UnknownUnit)?;
        let part = number(digits)?.checked_mul(*seconds_each);
        let sum = part.and_then(|part| seconds.checked_add(part));
        seconds = sum.ok_or(NotASpan::TooLong)?;
        rest = after_unit;
    }
    Ok(seconds)
}

/// Parses digits. A number that does not fit into 64 bits is too long.
fn number(digits: &str) -> Result<i64, NotASpan> {
    digits.parse().map_err(|_| NotASpan::TooLong)
}

/// Splits the text before the first character that `is_in_prefix` rejects.
fn split_prefix(text: &str, is_in_prefix: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_in_prefix(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// Writes the form that the text should have. It follows "must be" in a message.
impl fmt::Display for NotASpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => {
                "a span such as \"36h\", \"10m\", \"3d\", \"90s\" or \"1d12h\", or a whole number of seconds"
            }
            Self::UnknownUnit => "in days (d), hours (h), minutes (m) or seconds (s), such as \"3d\" or \"1d12h\"",
            Self::Fraction => "in whole numbers, such as \"1h30m\" for an hour and a half",
            Self::Negative => "a span forward; time does not run backwards, POST /sandbox/reset starts over",
            Self::Zero => "a span of at least one second",
            Self::TooLong => "a span of at most \"3650d\" at once",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_of_a_span_add_up_in_any_order() {
        for (text, seconds) in [
            ("36h", 129_600),
            ("10m", 600),
            ("3d", 259_200),
            ("90s", 90),
            ("1d12h", 129_600),
            ("1d 12h", 129_600),
            (" 2 h ", 7_200),
            ("12h1d", 129_600),
            ("1h1h", 7_200),
            ("0d1s", 1),
            ("3600", 3_600),
            ("0003600", 3_600),
            ("1", 1),
            ("3650d", 315_360_000),
            ("315360000", 315_360_000),
        ] {
            assert_eq!(Span::parse(text).map(Span::seconds), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn a_number_is_whole_seconds_however_it_is_written() {
        use NotASpan::{Fraction, Negative, TooLong, Unreadable, Zero};
        for (text, seconds) in [("90", 90), ("60.0", 60), ("1e3", 1_000), ("0.5e1", 5)] {
            assert_eq!(Span::of_number(text).map(Span::seconds), Ok(seconds), "{text}");
        }
        for (text, problem) in [
            ("0", Zero),
            ("-1", Negative),
            ("1.5", Fraction),
            ("1e-3", Fraction),
            ("1e20", TooLong),
            ("315360001", TooLong),
            ("true", Unreadable),
            ("[1]", Unreadable),
        ] {
            assert_eq!(Span::of_number(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_not_a_span_is_refused_with_the_reason() {
        use NotASpan::{Fraction, Negative, TooLong, UnknownUnit, Unreadable, Zero};
        for (text, problem) in [
            ("", Unreadable),
            ("  ", Unreadable),
            ("h", Unreadable),
            ("tomorrow", Unreadable),
            ("true", Unreadable),
            ("[1]", Unreadable),
            ("+3d", Unreadable),
            ("1d12", Unreadable),
            ("٣d", Unreadable),
            ("5w", UnknownUnit),
            ("5 days", UnknownUnit),
            ("3D", UnknownUnit),
            ("5é", UnknownUnit),
            ("1e3", UnknownUnit),
            ("1_000", UnknownUnit),
            ("1d-2h", UnknownUnit),
            ("1.5h", Fraction),
            ("1,5h", Fraction),
            ("90.0", Fraction),
            ("-3d", Negative),
            ("-1", Negative),
            ("-0", Negative),
            ("0", Zero),
            ("0s", Zero),
            ("0d0h", Zero),
            ("3651d", TooLong),
            ("3650d1s", TooLong),
            ("315360001", TooLong),
            ("9223372036854775807d", TooLong),
            ("99999999999999999999999999", TooLong),
            ("9223372036854775807s1s", TooLong),
        ] {
            assert_eq!(Span::parse(text), Err(problem), "{text:?}");
        }
    }
}
