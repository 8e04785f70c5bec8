//! The only place that reads the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::{Clock, Timestamp};

/// The clock of the system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// The system's time. A clock set before 1970 or after 9999 counts as 1970;
    /// the ledger does not run backwards with it.
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis())
            .ok()
            .and_then(Timestamp::from_millis)
            .unwrap_or(Timestamp::EPOCH)
    }
}
