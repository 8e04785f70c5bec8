//! The clock of the store: reads the system's clocks, keeps ledger time, and logs when the two no
//! longer agree.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::ledger_time::{ClockState, JumpRule, LedgerTime, TOLERANCE_MILLIS};
use crate::domain::time::{Clock, ClockReading, Timestamp};
use crate::store::engine::error::Error;

/// Ledger time, as the readings of the system's clocks move it on.
pub(crate) struct LedgerClock {
    clock: Box<dyn Clock>,
    rule: JumpRule,
    /// The start followed a clock that is ahead of the newest row.
    followed_at_start: bool,
    last: Mutex<Last>,
}

/// The last reading.
struct Last {
    ledger: LedgerTime,
    elapsed: Duration,
    state: ClockState,
}

impl LedgerClock {
    /// Starts from the ledger time of the newest row. With `is_accepted`, the system's clock
    /// may be any time ahead of it.
    pub(crate) fn start(clock: Box<dyn Clock>, newest: Option<Timestamp>, rule: JumpRule, is_accepted: bool) -> Self {
        let ClockReading { now, elapsed } = clock.read();
        let (ledger, state) = LedgerTime::at_start(newest, now, rule, is_accepted);
        if let Some(message) = message_at_start(state, now, newest.unwrap_or(now), rule) {
            log::warn!("{message}");
        }
        Self {
            clock,
            rule,
            followed_at_start: matches!(state, ClockState::Followed { .. }),
            last: Mutex::new(Last { ledger, elapsed, state }),
        }
    }

    /// Returns true if the start followed a clock that is ahead of the newest row. The next start
    /// asks for the same confirmation unless a commit keeps the time.
    pub(crate) const fn followed_at_start(&self) -> bool {
        self.followed_at_start
    }

    /// Reads the clocks, and returns ledger time. It never goes backwards, and no clock that
    /// is refused moves it.
    pub(crate) fn now(&self) -> Timestamp {
        self.read().0
    }

    /// Makes ledger time go on from this time, which another process has used, if it is later.
    pub(crate) fn go_on_from(&self, time: Timestamp) {
        // The other process's time includes the time since the last reading, so that is counted
        // first.
        self.read();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.ledger = last.ledger.after_other(time);
    }

    /// Reads the clocks, and checks that they allow a write.
    ///
    /// # Errors
    ///
    /// [`Error::ClockJumped`] if the system's clock is further ahead than the rule allows.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.read() {
            (ledger_time, ClockState::Refused { millis }) => Err(Error::ClockJumped {
                clock: ledger_time.millis_later(millis),
                ledger_time,
            }),
            _ => Ok(()),
        }
    }

    fn read(&self) -> (Timestamp, ClockState) {
        // Within the lock, so that readings are taken in the order of their times.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let ClockReading { now, elapsed } = self.clock.read();
        let passed = elapsed.saturating_sub(last.elapsed).as_millis();
        // The part of a millisecond that is left counts at the next reading.
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let (ledger, state) = last.ledger.next(passed, now, self.rule);
        if let Some(message) = message(last.state, state, now, ledger, self.rule) {
            log::warn!("{message}");
        }
        let whole = Duration::from_millis(u64::try_from(passed).unwrap_or_default());
        *last = Last {
            ledger,
            elapsed: last.elapsed.saturating_add(whole),
            state,
        };
        (ledger.at, state)
    }
}

/// Returns the message on the clock at the start of a service, if there is one.
fn message_at_start(state: ClockState, clock: Timestamp, newest: Timestamp, rule: JumpRule) -> Option<String> {
    Some(match state {
        ClockState::Right => return None,
        ClockState::Behind { millis } => format!(
            "the system's clock shows {clock}, {} before the newest row of the database, {newest}: ledger time goes on \
             from that row by the time that passes; set the clock right if it is wrong, otherwise it was ahead once, \
             and ledger time stays ahead",
            Span(millis)
        ),
        ClockState::Followed { millis } => format!(
            "the system's clock shows {clock}, {} after the newest row of the database, {newest}: the clock is accepted, \
             and what fell due in between is due now",
            Span(millis)
        ),
        ClockState::Refused { millis } => format!(
            "the system's clock shows {clock}, {} after the newest row of the database, {newest}, and \
             storage.clock_jump_hours_max allows {}: either the service was stopped or idle for so long, or an older \
             backup was restored, or the clock is wrong; writes are refused (503 clock_jumped), reads go on; if the clock is right, restart once with \
             `escrowd serve --accept-clock`, otherwise set it right, and writes go on by themselves",
            Span(millis),
            Span(rule.millis_max)
        ),
    })
}

/// Returns the message on a change of the clock's state, if there is one: one for each jump.
fn message(
    before: ClockState,
    after: ClockState,
    clock: Timestamp,
    ledger: LedgerTime,
    rule: JumpRule,
) -> Option<String> {
    use ClockState::{Behind, Followed, Refused, Right};
    let at = ledger.at;
    let is_same = |millis: i64, earlier: i64| (millis - earlier).abs() <= TOLERANCE_MILLIS;
    Some(match (before, after) {
        (Behind { millis: earlier }, Behind { millis }) | (Refused { millis: earlier }, Refused { millis })
            if is_same(millis, earlier) =>
        {
            return None;
        }
        (Right | Followed { .. }, Right) => return None,
        (Behind { .. }, Right) => {
            format!("the system's clock, {clock}, agrees with ledger time again, which follows it")
        }
        (Refused { .. }, Right) => {
            format!("the system's clock is right again, {clock}: writes go on, and ledger time follows it")
        }
        (Refused { .. }, Followed { millis }) => format!(
            "the system's clock is within storage.clock_jump_hours_max again: it shows {clock}, {} ahead of ledger time, \
             which follows it; writes go on",
            Span(millis)
        ),
        (_, Followed { millis }) => format!(
            "the system's clock jumped ahead by {}, from {} to {clock}: ledger time follows it, and what fell due in \
             between is due now; check the time service of this machine",
            Span(millis),
            clock.millis_earlier(millis)
        ),
        (_, Refused { millis }) => format!(
            "the system's clock jumped ahead by {}, from {at} to {clock}, and storage.clock_jump_hours_max allows {} \
             ({} are used up): ledger time goes on without it, writes are refused (503 clock_jumped), reads go on; set \
             the clock right, and writes go on by themselves; if it is right, restart once with \
             `escrowd serve --accept-clock`",
            Span(millis),
            Span(rule.millis_max),
            Span(ledger.gained_millis.max(0))
        ),
        (Refused { .. }, Behind { millis }) => format!(
            "the system's clock was set to {clock}, {} behind ledger time, {at}: writes go on, and ledger time goes on by \
             the time that passes; set the clock right",
            Span(millis)
        ),
        (_, Behind { millis }) => format!(
            "the system's clock was set back by {}, from {at} to {clock}: ledger time goes on by the time that passes; if \
             the clock is right now, it was ahead before, and ledger time stays ahead",
            Span(millis)
        ),
    })
}

/// A span of milliseconds in words, rounded to the nearest whole number of one unit.
struct Span(i64);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded = |number: i64, unit: i64| (number + unit / 2) / unit;
        let seconds = rounded(self.0, 1_000);
        let (number, unit) = match seconds {
            172_800.. => (rounded(seconds, 86_400), "days"),
            7_200.. => (rounded(seconds, 3_600), "hours"),
            120.. => (rounded(seconds, 60), "minutes"),
            _ => (seconds, "seconds"),
        };
        write!(f, "{number} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    const DAY: i64 = 86_400_000;
    const RULE: JumpRule = JumpRule {
        millis_max: 3 * DAY,
        follows_all: false,
    };

    #[test]
    fn spans_are_told_in_one_unit() {
        for (millis, text) in [
            (0, "0 seconds"),
            (2_499, "2 seconds"),
            (2_500, "3 seconds"),
            (119_499, "119 seconds"),
            (120_000, "2 minutes"),
            (7_200_000, "2 hours"),
            (2 * DAY - 3_600_000, "47 hours"),
            (400 * DAY - 1, "400 days"),
        ] {
            assert_eq!(Span(millis).to_string(), text);
        }
    }

    /// The clock of a machine, which several processes read.
    #[derive(Clone, Default)]
    struct SharedClock(Arc<AtomicI64>);

    impl Clock for SharedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_782_123_300_000 + self.0.load(Ordering::SeqCst)).unwrap()
        }

        fn elapsed(&self) -> Duration {
            Duration::from_millis(u64::try_from(self.0.load(Ordering::SeqCst)).unwrap())
        }
    }

    /// Each goes on from the time of the other, after pauses in which it did not read the clock.
    #[test]
    fn two_processes_do_not_drive_ledger_time_ahead() {
        let shared = SharedClock::default();
        let clocks = [(); 2].map(|()| LedgerClock::start(Box::new(shared.clone()), None, RULE, false));
        let mut newest = shared.read().now;
        for turn in 0..10_000 {
            shared.0.fetch_add([0, 1, 3, 700][turn % 4], Ordering::SeqCst);
            let clock = &clocks[(turn / 3) % 2];
            clock.go_on_from(newest);
            let (ledger_time, state) = clock.read();
            assert!(ledger_time >= newest);
            assert_eq!(
                (ledger_time, state),
                (shared.read().now, ClockState::Right),
                "turn {turn}"
            );
            newest = ledger_time;
        }
    }

    /// The clock of one machine is a second ahead of the other's: ledger time follows it, and
    /// neither is told that its clock is wrong.
    #[test]
    fn clocks_that_differ_a_little_are_right() {
        let [ahead, behind] = [(); 2].map(|()| SharedClock::default());
        let clocks = [&ahead, &behind].map(|clock| LedgerClock::start(Box::new(clock.clone()), None, RULE, false));
        ahead.0.fetch_add(1_000, Ordering::SeqCst);
        let mut newest = behind.read().now;
        for turn in 0..10_000 {
            for clock in [&ahead, &behind] {
                clock.0.fetch_add([0, 1, 3, 700][turn % 4], Ordering::SeqCst);
            }
            let clock = &clocks[(turn / 3) % 2];
            clock.go_on_from(newest);
            let (ledger_time, state) = clock.read();
            assert!(
                ledger_time >= newest && ledger_time <= ahead.read().now.millis_later(1_000),
                "turn {turn}"
            );
            assert_eq!(state, ClockState::Right, "turn {turn}");
            newest = ledger_time;
        }
    }

    /// A clock that goes wrong and right again, and the beginning of each message.
    #[test]
    fn each_jump_is_told_once() {
        use ClockState::{Behind, Followed, Refused, Right};
        let at = Timestamp::from_millis(1_782_123_300_000).unwrap();
        let mut ledger = LedgerTime {
            at,
            gained_millis: 0,
            lag_millis: 0,
        };
        let mut state = Right;
        let far = 400 * DAY;
        for (clock, expected, words) in [
            (0, Right, None),
            (far, Refused { millis: far }, Some("jumped ahead by 400 days")),
            (far + 900, Refused { millis: far + 900 }, None),
            (2 * far, Refused { millis: 2 * far }, Some("jumped ahead by 800 days")),
            (0, Right, Some("is right again")),
            (DAY, Followed { millis: DAY }, Some("ledger time follows it")),
            (DAY, Right, None),
            (0, Behind { millis: DAY }, Some("was set back by 24 hours")),
            (500, Behind { millis: DAY - 500 }, None),
            (DAY, Right, Some("agrees with ledger time again")),
            (far, Refused { millis: far - DAY }, Some("(24 hours are used up)")),
            (0, Behind { millis: DAY }, Some("24 hours behind ledger time")),
        ] {
            let clock = at.millis_later(clock);
            let (next, after) = ledger.next(0, clock, RULE);
            assert_eq!(after, expected);
            let message = message(state, after, clock, next, RULE);
            match words {
                Some(words) => assert!(message.as_ref().is_some_and(|text| text.contains(words)), "{message:?}"),
                None => assert_eq!(message, None),
            }
            (ledger, state) = (next, after);
        }
    }
}
