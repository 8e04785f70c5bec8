//! The summary of one command's writes, for the request log.

use std::ops::RangeInclusive;

use crate::domain::ids::EventId;
use crate::domain::ledger::Transfer;

/// The transfers and events of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// The numbers of the transfers. They are consecutive, because commands run one after
    /// another.
    pub transfers: Option<RangeInclusive<i64>>,
    /// The events in the order in which the command emitted them.
    pub events: Vec<EventId>,
}

impl WriteSummary {
    /// Adds a transfer that was just posted.
    pub(crate) fn add_transfer(&mut self, number: i64) {
        let first = self.transfers.as_ref().map_or(number, |known| *known.start());
        self.transfers = Some(first..=number);
    }
}

/// Transfers with their numbers, and events with their names.
pub type WriteSummaryRows = (Vec<(i64, Transfer)>, Vec<(EventId, String)>);
