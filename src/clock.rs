//! The system clock. No other file of the program reads the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::{Clock, Timestamp};

/// The clock of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Returns the system's time, or 1970-01-01 if the system's clock is set before 1970 or
    /// after 9999. Ledger time never goes backwards, even if this time does.
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis())
            .ok()
            .and_then(Timestamp::from_millis)
            .unwrap_or(Timestamp::EPOCH)
    }
}
