//! Spans of time as people write them: `36h`, `10m`, `1d12h`, `3600`.

use std::fmt;
use std::time::Duration;

/// Seconds of each unit.
const UNITS: [(&str, i64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

/// By how much a clock is moved at once: whole seconds, from one to
/// [`Span::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    seconds: i64,
}

/// Why a text is no [`Span`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotASpan {
    /// It is none of the forms a span has.
    Unreadable,
    /// A number stands before something that is no unit.
    UnknownUnit,
    /// It has a part of a unit.
    Fraction,
    /// It leads backwards.
    Backwards,
    /// It leads nowhere.
    Nothing,
    /// It is longer than [`Span::MAX`].
    TooLong,
}

impl Span {
    /// The longest: ten years of 365 days.
    pub const MAX: Self = Self {
        seconds: 3_650 * 86_400,
    };

    /// Reads numbers with a unit each, which add up, or digits alone, which are
    /// seconds. There may be spaces between them.
    pub fn parse(text: &str) -> Result<Self, NotASpan> {
        let text = text.trim();
        if text.starts_with('-') {
            return Err(NotASpan::Backwards);
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

    fn of_seconds(seconds: i64) -> Result<Self, NotASpan> {
        match seconds {
            ..=0 => Err(NotASpan::Nothing),
            _ if seconds > Self::MAX.seconds => Err(NotASpan::TooLong),
            _ => Ok(Self { seconds }),
        }
    }

    /// How many seconds it is.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// The same as the system counts time.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds.unsigned_abs())
    }
}

/// The seconds of one or more numbers, each with its unit.
fn sum_of_parts(text: &str) -> Result<i64, NotASpan> {
    let mut rest = text;
    let mut seconds: i64 = 0;
    while !rest.is_empty() {
        let (digits, behind) = split_after(rest, |c| c.is_ascii_digit());
        let (unit, behind) = split_after(behind, |c| !c.is_ascii_digit());
        if digits.is_empty() || unit.is_empty() {
            return Err(NotASpan::Unreadable);
        }
        let found = UNITS.iter().find(|(name, _)| *name == unit.trim());
        let (_, seconds_each) = found.ok_or(NotASpan::UnknownUnit)?;
        let part = number(digits)?.checked_mul(*seconds_each);
        let sum = part.and_then(|part| seconds.checked_add(part));
        seconds = sum.ok_or(NotASpan::TooLong)?;
        rest = behind;
    }
    Ok(seconds)
}

/// Digits that do not fit into a number are many.
fn number(digits: &str) -> Result<i64, NotASpan> {
    digits.parse().map_err(|_| NotASpan::TooLong)
}

/// The beginning that is all like this, and what comes behind it.
fn split_after(text: &str, is_like_this: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_like_this(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// What a span must be, to follow "must be".
impl fmt::Display for NotASpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => {
                "a span such as \"36h\", \"10m\", \"3d\", \"90s\" or \"1d12h\", or a whole number of seconds"
            }
            Self::UnknownUnit => "in days (d), hours (h), minutes (m) or seconds (s), such as \"3d\" or \"1d12h\"",
            Self::Fraction => "in whole numbers, such as \"1h30m\" for an hour and a half",
            Self::Backwards => "a span forward; time does not run backwards, POST /sandbox/reset starts over",
            Self::Nothing => "a span of at least one second",
            Self::TooLong => "a span of at most \"3650d\" at once",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
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
    fn what_is_no_span_is_refused_for_its_own_reason() {
        use NotASpan::{Backwards, Fraction, Nothing, TooLong, UnknownUnit, Unreadable};
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
            ("-3d", Backwards),
            ("-1", Backwards),
            ("-0", Backwards),
            ("0", Nothing),
            ("0s", Nothing),
            ("0d0h", Nothing),
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
