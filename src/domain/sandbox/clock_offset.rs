//! A sandbox merchant's own clock: the file's time, and ahead of it as far as the
//! merchant has moved it. It is never moved back, so nothing that has happened comes
//! to lie in the future.

use crate::domain::sandbox::span::Span;
use crate::domain::time::Timestamp;

/// How far a merchant's clock is ahead of the file's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockOffset(i64);

impl ClockOffset {
    /// Not at all.
    pub const NONE: Self = Self(0);

    /// The furthest a clock goes: 1,000 years of 365 days, far enough below the year
    /// 9999 that every deadline has a date.
    pub const MAX: Self = Self(365_000 * 86_400_000);

    /// This many milliseconds ahead; `None` when they are negative or more than
    /// [`ClockOffset::MAX`].
    pub fn from_millis(millis: i64) -> Option<Self> {
        (0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// In milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// In whole seconds.
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// So much further ahead; `None` when that is beyond [`ClockOffset::MAX`].
    pub fn moved_by(self, span: Span) -> Option<Self> {
        Self::from_millis(self.0 + span.seconds() * 1000)
    }

    /// As far as a clock is ahead that shows this at that time of the file, or as near
    /// to it as one goes.
    pub fn showing(shown: Timestamp, ledger_time: Timestamp) -> Self {
        Self((shown.millis() - ledger_time.millis()).clamp(0, Self::MAX.0))
    }

    /// What such a clock shows at this time of the file; at most the last moment there
    /// is.
    pub fn shown_at(self, ledger_time: Timestamp) -> Timestamp {
        ledger_time.millis_later(self.0)
    }

    /// When, by the file's time, such a clock shows this; 1970 when it never did.
    pub fn file_time_of(self, shown: Timestamp) -> Timestamp {
        Timestamp::from_millis(shown.millis() - self.0).unwrap_or(Timestamp::EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_the_files_time_and_what_it_is_ahead() {
        let ledger_time = Timestamp::from_millis(1_782_123_300_007).unwrap();
        assert_eq!(ClockOffset::NONE.shown_at(ledger_time), ledger_time);
        let day = ClockOffset::from_millis(86_400_000).unwrap();
        assert_eq!(day.seconds(), 86_400);
        assert_eq!(ClockOffset::NONE.moved_by(Span::parse("1d").unwrap()), Some(day));
        assert_eq!(day.shown_at(ledger_time).to_string(), "2026-06-23T10:15:00.007Z");
        assert_eq!(day.file_time_of(day.shown_at(ledger_time)), ledger_time);
        assert_eq!(day.file_time_of(Timestamp::EPOCH), Timestamp::EPOCH);
        assert_eq!(ClockOffset::showing(day.shown_at(ledger_time), ledger_time), day);
        assert_eq!(
            ClockOffset::showing(ledger_time, day.shown_at(ledger_time)),
            ClockOffset::NONE
        );
        let last = Timestamp::EPOCH.seconds_later(i64::MAX);
        assert_eq!(ClockOffset::showing(last, ledger_time), ClockOffset::MAX);
    }

    #[test]
    fn no_clock_runs_behind_or_out_of_the_calendar() {
        assert_eq!(ClockOffset::from_millis(-1), None);
        assert_eq!(ClockOffset::from_millis(ClockOffset::MAX.millis() + 1), None);
        assert_eq!(ClockOffset::MAX.moved_by(Span::parse("1s").unwrap()), None);
        let last = Timestamp::EPOCH.seconds_later(i64::MAX);
        assert!(ClockOffset::MAX.shown_at(last) >= last);
    }
}
