//! A sandbox merchant's clock.

use serde::Serialize;

use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::time::Timestamp;

/// The merchant's time, and its offset from ledger time.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClockView {
    now: String,
    offset_seconds: i64,
}

/// A clock after it was advanced, and the number of deliveries that became due.
#[derive(Debug, Serialize)]
pub(crate) struct AdvancedClockView {
    #[serde(flatten)]
    clock: ClockView,
    deliveries: u64,
}

impl AdvancedClockView {
    /// Shows a clock with the number of deliveries.
    pub(crate) const fn new(clock: ClockView, deliveries: u64) -> Self {
        Self { clock, deliveries }
    }
}

impl ClockView {
    /// Shows a clock with this time and offset.
    pub(crate) fn new(now: Timestamp, offset: ClockOffset) -> Self {
        Self {
            now: now.to_string(),
            offset_seconds: offset.seconds(),
        }
    }
}
