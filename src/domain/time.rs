//! Points in time and calendar days. Nothing here reads a clock: callers pass the current
//! time.

use std::fmt;
use std::time::Duration;

use jiff::fmt::temporal::Pieces;

/// A point in time in milliseconds since 1970-01-01 UTC, up to the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// The reason why a text is no point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAMoment {
    /// It is a local date and time without an offset from UTC.
    NoOffset,
    /// It has another form.
    OtherForm,
}

impl Timestamp {
    pub const EPOCH: Self = Self(0);

    /// Returns `None` before 1970-01-01 UTC and after the year 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        jiff::Timestamp::from_millisecond(millis)
            .is_ok()
            .then_some(Self(millis))
            .filter(|at| at.0 >= 0)
    }

    /// Parses ISO 8601 with an offset from UTC, such as `2026-06-22T10:15:00.000Z`.
    /// Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Self::from_millis(at.as_millisecond())
    }

    /// Parses as [`Timestamp::parse`] does, but returns the first moment for an earlier one, such as
    /// `0001-01-01T00:00:00Z`, and the last one for a later one.
    ///
    /// # Errors
    ///
    /// Says if only the offset from UTC is missing.
    pub fn parse_nearest(text: &str) -> Result<Self, NotAMoment> {
        if let Some(at) = Self::parse(text) {
            return Ok(at);
        }
        let pieces = Pieces::parse(text).map_err(|_| NotAMoment::OtherForm)?;
        match (pieces.time(), pieces.offset()) {
            (None, _) => Err(NotAMoment::OtherForm),
            (Some(_), None) => Err(NotAMoment::NoOffset),
            // The first days of 1970 may be in 1969 by UTC.
            (Some(_), Some(_)) if pieces.date().year() <= 1970 => Ok(Self::EPOCH),
            (Some(_), Some(_)) => Ok(Self::last()),
        }
    }

    /// Returns milliseconds since 1970-01-01 UTC.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Returns whole seconds since 1970-01-01 UTC, the form of `paidAt` and `releasedAt`
    /// (contract section 1.7).
    pub const fn unix_seconds(self) -> i64 {
        self.0 / 1000
    }

    /// Returns the time this many seconds later, rounded down to the second. After the
    /// last second of the year 9999 it returns that second.
    #[must_use]
    pub fn seconds_later(self, seconds: i64) -> Self {
        let millis = self.unix_seconds().saturating_add(seconds).saturating_mul(1000);
        Self::from_millis(millis).unwrap_or_else(Self::last)
    }

    /// Returns the time this many milliseconds later. After the last second of the year
    /// 9999 it returns that second.
    #[must_use]
    pub fn millis_later(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis)).unwrap_or_else(Self::last)
    }

    /// Returns the time this many milliseconds earlier, but not before 1970-01-01 UTC.
    #[must_use]
    pub fn millis_earlier(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_sub(millis)).unwrap_or(Self::EPOCH)
    }

    /// Formats the time as in a customer's `blockedAt` (contract section 1.7): `Sat Jun
    /// 13 2026 12:59:48 GMT+0000 (Coordinated Universal Time)`.
    pub fn long_text(self) -> String {
        let to_the_second = self.utc().strftime("%a %b %d %Y %H:%M:%S");
        format!("{to_the_second} GMT+0000 (Coordinated Universal Time)")
    }

    /// Formats the second in UTC for the name of a file: `20261127T054500Z`. Later times are
    /// later texts.
    pub fn compact_text(self) -> String {
        self.utc().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// Parses a text as [`Self::compact_text`] writes it. Returns `None` for any other.
    pub fn parse_compact(text: &str) -> Option<Self> {
        let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
        let at = jiff::tz::Offset::UTC.to_timestamp(at).ok()?;
        Self::from_millis(at.as_millisecond()).filter(|at| at.compact_text() == text)
    }

    /// Returns the calendar day in UTC.
    pub fn date(self) -> Date {
        Date(self.utc().date())
    }

    /// Returns the last second of the year 9999 that the calendar library can represent.
    fn last() -> Self {
        Self(jiff::Timestamp::MAX.as_second() * 1000)
    }

    fn utc(self) -> jiff::civil::DateTime {
        let timestamp = jiff::Timestamp::from_millisecond(self.0).expect("a Timestamp is checked when it is made");
        jiff::tz::Offset::UTC.to_datetime(timestamp)
    }
}

/// Formats the time in ISO 8601 in UTC with milliseconds, the form of `createdAt`
/// (contract section 1.7): `2026-06-22T10:15:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each reply has several times, and the calendar library writes them in more general forms.
        let at = self.utc();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |last: usize, digits: usize, value: i32| {
            let mut rest = value.unsigned_abs();
            for byte in text[..=last].iter_mut().rev().take(digits) {
                *byte = b'0' + u8::try_from(rest % 10).expect("a digit is below ten");
                rest /= 10;
            }
        };
        put(3, 4, at.year().into());
        put(6, 2, at.month().into());
        put(9, 2, at.day().into());
        put(12, 2, at.hour().into());
        put(15, 2, at.minute().into());
        put(18, 2, at.second().into());
        put(22, 3, at.millisecond().into());
        f.write_str(std::str::from_utf8(&text).expect("digits are text"))
    }
}

/// A source of the current time: the system's clocks in service, settable ones in tests.
pub trait Clock: Send + Sync {
    /// Returns the current time. The result may be earlier than the previous one, or far
    /// ahead of it, since people and programs set this clock.
    fn now(&self) -> Timestamp;

    /// Returns the time that has passed since some moment in the past, by a clock that no
    /// program sets. It counts the time while the machine sleeps, where the system does.
    fn elapsed(&self) -> Duration;

    /// Reads both clocks at one moment.
    fn read(&self) -> ClockReading {
        const APART_MAX: Duration = Duration::from_millis(20);
        // A thread that is held up between two reads would find a difference that does not
        // exist. One that is held up every time reports the later moment, at which the
        // clock seems to be behind and not ahead.
        for _ in 0..3 {
            let before = self.elapsed();
            let now = self.now();
            let elapsed = self.elapsed();
            if elapsed.saturating_sub(before) <= APART_MAX {
                return ClockReading { now, elapsed };
            }
        }
        ClockReading {
            now: self.now(),
            elapsed: self.elapsed(),
        }
    }
}

/// The result of [`Clock::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// The time of [`Clock::now`].
    pub now: Timestamp,
    /// The time of [`Clock::elapsed`].
    pub elapsed: Duration,
}

/// A calendar day, such as a due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// The last day that can be written, in the year 9999.
    pub const MAX: Self = Self(jiff::civil::Date::MAX);

    /// Parses `YYYY-MM-DD`. Returns `None` for any other text and for a day that does not
    /// exist.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        is_plain.then(|| text.parse().ok().map(Self)).flatten()
    }

    /// Returns the day's start and end in UTC, in milliseconds since 1970-01-01. The end
    /// is the start of the next day.
    pub fn span_millis(self) -> (i64, i64) {
        const DAY: i64 = 86_400_000;
        let start = self.0.duration_since(jiff::civil::date(1970, 1, 1)).as_secs() * 1_000;
        (start, start + DAY)
    }

    /// Returns the day this many days later, up to the end of the year 9999.
    #[must_use]
    pub fn days_later(self, days: i64) -> Self {
        Self(self.0.saturating_add(jiff::Span::new().days(days)))
    }

    /// Returns the day this many days earlier.
    #[must_use]
    pub fn days_earlier(self, days: i64) -> Self {
        self.days_later(-days)
    }
}

/// Formats the day as `YYYY-MM-DD`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_in_every_form_of_the_contract() {
        let at = Timestamp::from_millis(1_782_123_300_007).unwrap();
        assert_eq!(at.to_string(), "2026-06-22T10:15:00.007Z");
        assert_eq!(at.unix_seconds(), 1_782_123_300);
        assert_eq!(at.date().to_string(), "2026-06-22");
        let at = Timestamp::from_millis(1_781_355_588_999).unwrap();
        assert_eq!(
            at.long_text(),
            "Sat Jun 13 2026 12:59:48 GMT+0000 (Coordinated Universal Time)"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_time_is_written_as_the_calendar_writes_it(millis in 0..253_402_200_000_000_i64) {
            let at = Timestamp::from_millis(millis).unwrap();
            proptest::prop_assert_eq!(at.to_string(), format!("{:.3}Z", at.utc()));
        }
    }

    #[test]
    fn a_moment_outside_the_calendar_counts_as_the_nearest_one() {
        let day = Timestamp::parse("2026-06-22T10:15:00Z").unwrap();
        for (text, expected) in [
            ("2026-06-22T12:15:00+02:00", Ok(day)),
            ("0001-01-01T00:00:00Z", Ok(Timestamp::EPOCH)),
            ("1969-12-31T23:59:59.999Z", Ok(Timestamp::EPOCH)),
            ("1970-01-02T00:30:00+25:00", Ok(Timestamp::EPOCH)),
            ("9999-12-30T22:00:01Z", Ok(Timestamp::last())),
            ("9999-12-31T23:59:59.999-02:00", Ok(Timestamp::last())),
            ("2026-06-22T10:15:00", Err(NotAMoment::NoOffset)),
            ("2026-06-22", Err(NotAMoment::OtherForm)),
            ("2026-02-29T10:15:00Z", Err(NotAMoment::OtherForm)),
            ("yesterday", Err(NotAMoment::OtherForm)),
        ] {
            assert_eq!(Timestamp::parse_nearest(text), expected, "{text}");
        }
    }

    #[test]
    fn later_times_are_whole_seconds_up_to_the_last() {
        let at = Timestamp::from_millis(1_782_123_300_007).unwrap();
        assert_eq!(at.seconds_later(60).millis(), 1_782_123_360_000);
        let last = at.seconds_later(i64::MAX);
        assert!(last.to_string().starts_with("9999-12-30"), "{last}");
        assert_eq!(Timestamp::from_millis(last.millis()), Some(last));
    }

    #[test]
    fn times_outside_the_calendar_are_refused() {
        assert_eq!(Timestamp::from_millis(-1), None);
        assert_eq!(Timestamp::from_millis(i64::MAX), None);
    }

    #[test]
    fn a_day_is_from_midnight_to_midnight() {
        let span = |text| Date::parse(text).unwrap().span_millis();
        assert_eq!(span("1970-01-01"), (0, 86_400_000));
        assert_eq!(span("2026-06-22"), (1_782_086_400_000, 1_782_172_800_000));
        assert_eq!(span("1969-12-31").1, 0);
        assert!(span("0000-01-01").0 < 0 && span("9999-12-31").0 > 0);
    }

    #[test]
    fn only_plain_calendar_days_are_dates() {
        assert_eq!(Date::parse("2028-02-29").unwrap().to_string(), "2028-02-29");
        for text in [
            "2027-02-29",
            "2026-13-01",
            "2026-1-1",
            "20260101",
            "2026-01-01T00:00",
            "+02026-01-1",
            "",
            "tomorrow",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }
}
