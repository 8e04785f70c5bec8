//! Waiting for a state that comes within milliseconds, or within seconds on a busy machine. All
//! suites have the same time limit.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

const WAIT_MAX: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until a condition holds. `what` names it in the failure message.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_some(what, || holds().then_some(()));
}

/// Waits until a condition holds so many times in a row, with a pause of 10 ms between two looks.
#[track_caller]
pub(crate) fn until_in_a_row(what: &str, times: u32, mut holds: impl FnMut() -> bool) {
    let mut in_a_row = 0;
    until(what, || {
        in_a_row = if holds() { in_a_row + 1 } else { 0 };
        in_a_row == times
    });
}

/// Waits until there is a value, and returns it.
#[track_caller]
pub(crate) fn until_some<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    until_ok(what, || find().ok_or(""))
}

/// Waits until an attempt succeeds, and returns its value. The failure message has the error of the
/// last attempt.
#[track_caller]
pub(crate) fn until_ok<T, E: Display>(what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => assert!(
                started.elapsed() < WAIT_MAX,
                "waited {WAIT_MAX:?} in vain until {what} {error}"
            ),
        }
        thread::sleep(PAUSE);
    }
}
