//! The clock offset of a sandbox merchant: its clock is ledger time plus this offset. The
//! offset never shrinks, so that no stored time is ever in the merchant's future.

use std::time::Duration;

use crate::domain::sandbox::span::Span;
use crate::domain::time::Timestamp;

/// The time by which a merchant's clock is ahead of ledger time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockOffset(i64);

impl ClockOffset {
    /// The offset of a clock that shows ledger time.
    pub const NONE: Self = Self(0);

    /// The largest offset: 1,000 years of 365 days. It keeps clocks far enough from the year
    /// 9999 that every deadline has a date.
    pub const MAX: Self = Self(365_000 * 86_400_000);

    /// Returns the offset of this many milliseconds, or `None` if they are negative or
    /// exceed [`ClockOffset::MAX`].
    pub fn from_millis(millis: i64) -> Option<Self> {
        (0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// Returns the offset in milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Returns the offset in whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// Returns the time by which a clock with this offset is ahead of one with an earlier offset.
    pub fn time_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.millis() - earlier.millis()).unwrap_or_default())
    }

    /// Returns the sum of the offset and a span, or `None` above [`ClockOffset::MAX`].
    pub fn checked_add(self, span: Span) -> Option<Self> {
        Self::from_millis(self.0 + span.seconds() * 1000)
    }

    /// Returns the offset of a clock that shows `shown` at `ledger_time`, or the nearest
    /// valid offset.
    pub fn from_times(shown: Timestamp, ledger_time: Timestamp) -> Self {
        Self((shown.millis() - ledger_time.millis()).clamp(0, Self::MAX.0))
    }

    /// Returns the time that a clock with this offset shows at `ledger_time`. After the last
    /// second of the year 9999 it returns that second.
    pub fn shown_at(self, ledger_time: Timestamp) -> Timestamp {
        ledger_time.millis_later(self.0)
    }

    /// Returns the ledger time at which a clock with this offset shows `shown`, or 1970-01-01
    /// if that is before 1970.
    pub fn ledger_time_of(self, shown: Timestamp) -> Timestamp {
        Timestamp::from_millis(shown.millis() - self.0).unwrap_or(Timestamp::EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_ledger_time_plus_its_offset() {
        let ledger_time = Timestamp::from_millis(1_782_123_300_007).unwrap();
        assert_eq!(ClockOffset::NONE.shown_at(ledger_time), ledger_time);
        let day = ClockOffset::from_millis(86_400_000).unwrap();
        assert_eq!(day.seconds(), 86_400);
        assert_eq!(ClockOffset::NONE.checked_add(Span::parse("1d").unwrap()), Some(day));
        assert_eq!(day.shown_at(ledger_time).to_string(), "2026-06-23T10:15:00.007Z");
        assert_eq!(day.ledger_time_of(day.shown_at(ledger_time)), ledger_time);
        assert_eq!(day.ledger_time_of(Timestamp::EPOCH), Timestamp::EPOCH);
        assert_eq!(ClockOffset::from_times(day.shown_at(ledger_time), ledger_time), day);
        assert_eq!(
            ClockOffset::from_times(ledger_time, day.shown_at(ledger_time)),
            ClockOffset::NONE
        );
        let last = Timestamp::EPOCH.seconds_later(i64::MAX);
        assert_eq!(ClockOffset::from_times(last, ledger_time), ClockOffset::MAX);
    }

    #[test]
    fn an_offset_is_never_negative_and_never_leaves_the_calendar() {
        assert_eq!(ClockOffset::from_millis(-1), None);
        assert_eq!(ClockOffset::from_millis(ClockOffset::MAX.millis() + 1), None);
        assert_eq!(ClockOffset::MAX.checked_add(Span::parse("1s").unwrap()), None);
        let last = Timestamp::EPOCH.seconds_later(i64::MAX);
        assert!(ClockOffset::MAX.shown_at(last) >= last);
    }
}
