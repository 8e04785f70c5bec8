//! Ledger time: the time that all merchants share. It follows the system's clock while that
//! agrees with the time that has really passed, and otherwise goes on by the latter. So a
//! wrong clock neither stops ledger time nor, beyond a bound, moves it ahead.

use crate::domain::time::Timestamp;

/// The largest difference, in milliseconds, between the system's clock and the time that has
/// really passed that is no jump: leap seconds and small corrections stay below it.
pub const TOLERANCE_MILLIS: i64 = 2_000;

/// The rule for a system's clock that is ahead of the time that has really passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JumpRule {
    /// The most milliseconds by which ledger time follows, in one jump or in several
    /// together.
    pub millis_max: i64,
    /// Follows further jumps too, as a sandbox does. Otherwise they are refused.
    pub follows_all: bool,
}

/// Ledger time at one reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerTime {
    /// The time. It never goes backwards.
    pub at: Timestamp,
    /// The milliseconds by which it is ahead of its start and the time that has passed since:
    /// the jumps that it followed.
    pub gained_millis: i64,
    /// The milliseconds by which it is behind the time that has passed, because it followed a
    /// clock that was a little behind, reading by reading. Without this count, a clock that
    /// stands still or goes too slowly would stop ledger time, if it is read often.
    pub lag_millis: i64,
}

/// The comparison of the system's clock with ledger time as it should be by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// The clock agrees.
    Right,
    /// The clock is behind by this many milliseconds. Ledger time goes on by the time that
    /// passes.
    Behind { millis: i64 },
    /// The clock is ahead by this many milliseconds, and ledger time has followed it.
    Followed { millis: i64 },
    /// The clock is ahead by this many milliseconds, more than the rule allows. Ledger time
    /// goes on by the time that passes.
    Refused { millis: i64 },
}

impl LedgerTime {
    /// Returns ledger time at the start of a service, from the ledger time of the newest
    /// stored row and from the system's clock. The time since that row is unknown, so it
    /// may be any that the rule allows, and longer if `is_accepted`.
    pub fn at_start(
        newest: Option<Timestamp>,
        clock: Timestamp,
        rule: JumpRule,
        is_accepted: bool,
    ) -> (Self, ClockState) {
        let newest = newest.unwrap_or(clock);
        let ahead = clock.millis() - newest.millis();
        let (at, state) = if ahead < -TOLERANCE_MILLIS {
            (newest, ClockState::Behind { millis: -ahead })
        } else if ahead <= rule.millis_max {
            (clock.max(newest), ClockState::Right)
        } else if is_accepted || rule.follows_all {
            (clock, ClockState::Followed { millis: ahead })
        } else {
            (newest, ClockState::Refused { millis: ahead })
        };
        let ledger = Self {
            at,
            gained_millis: 0,
            lag_millis: 0,
        };
        (ledger, state)
    }

    /// Returns ledger time after another process has used this time. The step says nothing about
    /// the system's clock, so it is not held against it.
    pub fn after_other(self, time: Timestamp) -> Self {
        let step = (time.millis() - self.at.millis()).max(0);
        Self {
            at: self.at.max(time),
            lag_millis: self.lag_millis - step,
            ..self
        }
    }

    /// Returns ledger time at the next reading of the system's clock, `elapsed_millis`
    /// after this one.
    pub fn next(self, elapsed_millis: i64, clock: Timestamp, rule: JumpRule) -> (Self, ClockState) {
        let expected = self.at.millis_later(elapsed_millis.max(0)).max(self.at);
        let ahead = clock.millis() - expected.millis();
        let going_on = Self { at: expected, ..self };
        let behind = self.lag_millis - ahead;
        if behind > TOLERANCE_MILLIS {
            return (going_on, ClockState::Behind { millis: behind });
        }
        let is_jump = ahead > TOLERANCE_MILLIS;
        // After a jump of exactly the bound, small corrections are still followed.
        let margin = if is_jump { 0 } else { TOLERANCE_MILLIS };
        let gained_max = rule.millis_max.saturating_add(margin);
        if ahead > 0 && !rule.follows_all && self.gained_millis.saturating_add(ahead) > gained_max {
            return (going_on, ClockState::Refused { millis: ahead });
        }
        let at = clock.max(self.at);
        let followed = Self {
            at,
            gained_millis: self.gained_millis.saturating_add(at.millis() - expected.millis()),
            lag_millis: (self.lag_millis + expected.millis() - at.millis()).max(0),
        };
        let state = if is_jump {
            ClockState::Followed { millis: ahead }
        } else {
            ClockState::Right
        };
        (followed, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    const START: i64 = 1_782_123_300_000;
    const LIVE: JumpRule = JumpRule {
        millis_max: 3 * DAY,
        follows_all: false,
    };
    const SANDBOX: JumpRule = JumpRule {
        follows_all: true,
        ..LIVE
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    fn started() -> LedgerTime {
        LedgerTime {
            at: at(START),
            gained_millis: 0,
            lag_millis: 0,
        }
    }

    #[test]
    fn ledger_time_follows_a_clock_that_agrees_and_passes_by_itself_otherwise() {
        use ClockState::{Behind, Followed, Refused, Right};
        // The rule, the time that passed, the clock, and the expected ledger time and state.
        let rows = [
            (LIVE, 1_000, 1_000, 1_000, Right),
            (LIVE, 1_000, 2_999, 2_999, Right),
            (LIVE, 1_000, 3_000, 3_000, Right),
            (LIVE, 1_000, 3_001, 3_001, Followed { millis: 2_001 }),
            (LIVE, 1_000, 400, 400, Right),
            (LIVE, 1_000, -1_000, 0, Right),
            (LIVE, 1_000, -1_001, 1_000, Behind { millis: 2_001 }),
            (LIVE, HOUR, 1_000, HOUR, Behind { millis: HOUR - 1_000 }),
            (
                LIVE,
                1_000,
                -400 * DAY,
                1_000,
                Behind {
                    millis: 400 * DAY + 1_000,
                },
            ),
            (LIVE, 0, 3 * DAY, 3 * DAY, Followed { millis: 3 * DAY }),
            (LIVE, 0, 3 * DAY + 1, 0, Refused { millis: 3 * DAY + 1 }),
            (
                LIVE,
                5_000,
                400 * DAY,
                5_000,
                Refused {
                    millis: 400 * DAY - 5_000,
                },
            ),
            (LIVE, 400 * DAY, 400 * DAY, 400 * DAY, Right),
            (SANDBOX, 0, 400 * DAY, 400 * DAY, Followed { millis: 400 * DAY }),
            (SANDBOX, 0, -400 * DAY, 0, Behind { millis: 400 * DAY }),
            (LIVE, -5_000, 10, 10, Right),
        ];
        for (rule, elapsed, clock, expected, state) in rows {
            let next = started().next(elapsed, at(START + clock), rule);
            let case = format!("{elapsed} ms passed, clock {clock}");
            assert_eq!((next.0.at.millis() - START, next.1), (expected, state), "{case}");
        }
    }

    #[test]
    fn a_start_goes_on_from_the_newest_row() {
        use ClockState::{Behind, Followed, Refused, Right};
        let rows = [
            (LIVE, false, 0, 0, Right),
            (LIVE, false, -2_000, 0, Right),
            (LIVE, false, -2_001, 0, Behind { millis: 2_001 }),
            (LIVE, true, -400 * DAY, 0, Behind { millis: 400 * DAY }),
            (LIVE, false, 3 * DAY, 3 * DAY, Right),
            (LIVE, false, 3 * DAY + 1, 0, Refused { millis: 3 * DAY + 1 }),
            (LIVE, true, 400 * DAY, 400 * DAY, Followed { millis: 400 * DAY }),
            (SANDBOX, false, 400 * DAY, 400 * DAY, Followed { millis: 400 * DAY }),
        ];
        for (rule, is_accepted, clock, expected, state) in rows {
            let start = LedgerTime::at_start(Some(at(START)), at(START + clock), rule, is_accepted);
            assert_eq!(
                (start.0.at.millis() - START, start.1),
                (expected, state),
                "clock {clock}"
            );
        }
        let fresh = LedgerTime::at_start(None, at(START), LIVE, false);
        assert_eq!(fresh, (started(), Right));
    }

    #[test]
    fn jumps_add_up_until_they_are_refused() {
        let mut ledger = started();
        let mut clock = START;
        for jump in [DAY, DAY, DAY] {
            clock += jump;
            ledger = ledger.next(0, at(clock), LIVE).0;
            assert_eq!(ledger.at.millis(), clock);
        }
        // Corrections within the tolerance are followed still.
        let (ledger, state) = ledger.next(0, at(clock + 1_000), LIVE);
        assert_eq!(state, ClockState::Right);
        let (same, state) = ledger.next(0, at(clock + 5_000), LIVE);
        assert_eq!((same, state), (ledger, ClockState::Refused { millis: 4_000 }));
        // Set back and then ahead to the same time, a clock gains nothing.
        let mut ledger = started();
        for clock in [DAY, 0, DAY, 0, DAY, 0, DAY, 0, DAY] {
            ledger = ledger.next(0, at(START + clock), LIVE).0;
        }
        assert_eq!((ledger.at.millis(), ledger.gained_millis), (START + DAY, DAY));
    }

    /// Clocks that are read every 10 ms, and show less time than has passed.
    #[test]
    fn a_clock_that_stands_still_or_goes_slowly_does_not_stop_ledger_time() {
        for percent in [0, 1, 50, 99] {
            let (mut ledger, mut passed) = (started(), 0);
            for _ in 0..1_000_000 {
                passed += 10;
                ledger = ledger.next(10, at(START + passed * percent / 100), LIVE).0;
                let lag = passed - (ledger.at.millis() - START);
                assert!((0..=TOLERANCE_MILLIS).contains(&lag), "{percent} %: {lag} ms behind");
            }
            // A clock that is right again is followed.
            let (ledger, state) = ledger.next(10, at(START + passed + 10), LIVE);
            assert_eq!(
                (ledger, state),
                (
                    LedgerTime {
                        at: at(START + passed + 10),
                        ..started()
                    },
                    ClockState::Right
                )
            );
        }
    }

    #[test]
    fn time_goes_on_at_the_end_of_the_calendar() {
        let last = at(START).seconds_later(i64::MAX);
        let ledger = LedgerTime {
            at: last,
            gained_millis: i64::MAX,
            lag_millis: 0,
        };
        assert_eq!(ledger.next(i64::MAX, last, SANDBOX).0.at, last);
        assert_eq!(ledger.next(DAY, Timestamp::EPOCH, LIVE).0.at, last);
    }

    /// A clock that goes right, wrong in both directions and right again, at random.
    #[test]
    fn random_clocks_never_move_ledger_time_back_or_further_than_the_bound() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let rule = if seed % 4 == 0 { SANDBOX } else { LIVE };
            let (mut ledger, mut real, mut wrong_by) = (started(), START, 0);
            for step in 0..500 {
                let elapsed = if random.u8(..10) == 0 {
                    random.i64(0..DAY)
                } else {
                    random.i64(0..5_000)
                };
                real += elapsed;
                wrong_by = match random.u8(..20) {
                    0 => 0,
                    1 => random.i64(-400 * DAY..400 * DAY),
                    2 => wrong_by + random.i64(-3 * DAY..3 * DAY),
                    3..8 => wrong_by + random.i64(-3_000..3_000),
                    _ => wrong_by,
                };
                let clock = at((real + wrong_by).max(0));
                let before = ledger;
                let (after, state) = before.next(elapsed, clock, rule);
                ledger = after;
                let case = format!("seed {seed}, step {step}: {before:?} to {ledger:?}, {state:?}");
                let advanced = ledger.at.millis() - before.at.millis();
                assert!(advanced >= 0, "{case}");
                assert_eq!(ledger.at.millis(), real + ledger.gained_millis, "{case}");
                if !rule.follows_all {
                    let ahead = ledger.at.millis() - real;
                    assert!(ahead <= rule.millis_max + TOLERANCE_MILLIS, "{case}");
                }
                match state {
                    ClockState::Behind { .. } | ClockState::Refused { .. } => assert_eq!(advanced, elapsed, "{case}"),
                    ClockState::Right => assert!((advanced - elapsed).abs() <= TOLERANCE_MILLIS, "{case}"),
                    ClockState::Followed { .. } => assert_eq!(ledger.at, clock, "{case}"),
                }
            }
            // From now on the clock is right, and ledger time passes as real time does.
            let mut later = ledger.next(0, at(real), rule).0;
            for _ in 0..100 {
                real += 1_000;
                let next = later.next(1_000, at(real), rule).0;
                let passed = next.at.millis() - later.at.millis();
                let is_held = later.at.millis() > real - 1_000 && later.at.millis() <= real - 1_000 + TOLERANCE_MILLIS;
                assert!(passed == 1_000 || is_held, "seed {seed}: {passed} ms");
                later = next;
            }
        }
    }
}
