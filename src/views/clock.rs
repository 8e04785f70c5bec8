//! A sandbox merchant's clock, as `/sandbox/clock` shows it.

use serde::Serialize;

use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::time::Timestamp;

/// What the clock shows, and how far that is ahead of the service's own time.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClockView {
    now: String,
    offset_seconds: i64,
}

/// The same of a clock that was moved, and how many deliveries fell due by that.
#[derive(Debug, Serialize)]
pub(crate) struct AdvancedClockView {
    #[serde(flatten)]
    clock: ClockView,
    deliveries: u64,
}

impl AdvancedClockView {
    /// A clock that shows this now, after these deliveries.
    pub(crate) const fn new(clock: ClockView, deliveries: u64) -> Self {
        Self { clock, deliveries }
    }
}

impl ClockView {
    /// A clock that is so far ahead and shows this.
    pub(crate) fn new(now: Timestamp, ahead: ClockOffset) -> Self {
        Self {
            now: now.to_string(),
            offset_seconds: ahead.seconds(),
        }
    }
}
