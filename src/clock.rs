//! The system's clocks. No other file of the program reads the time of day; durations are measured
//! with `Instant`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::time::{Clock, Timestamp};

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Returns the system's time, or 1970-01-01 if the system's clock is set before 1970 or
    /// after 9999. Ledger time never goes backwards, even if this time does, and follows it
    /// ahead only within a bound.
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis())
            .ok()
            .and_then(Timestamp::from_millis)
            .unwrap_or(Timestamp::EPOCH)
    }

    /// Returns the time since the machine was started, with the time that it slept.
    #[cfg(target_os = "linux")]
    fn elapsed(&self) -> Duration {
        let since_start = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::try_from(since_start).unwrap_or_default()
    }

    /// Returns the time since the first call. Some systems leave out the time that the
    /// machine slept.
    #[cfg(not(target_os = "linux"))]
    fn elapsed(&self) -> Duration {
        static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        FIRST.get_or_init(std::time::Instant::now).elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_on() {
        let before = SystemClock.read();
        std::thread::sleep(Duration::from_millis(30));
        let after = SystemClock.read();
        let passed = after.elapsed.checked_sub(before.elapsed).unwrap();
        assert!(passed >= Duration::from_millis(30), "{passed:?}");
        assert!(after.now > before.now, "{} is not after {}", after.now, before.now);
    }
}
