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
    /// Returns the number of the newest transfer.
    pub fn newest_transfer(&self) -> Option<i64> {
        self.transfers.as_ref().map(|numbers| *numbers.end())
    }

    /// Returns the numbers of the transfers after this one. `None` stands for all.
    pub fn transfers_after(&self, before: Option<i64>) -> Option<RangeInclusive<i64>> {
        let numbers = self.transfers.as_ref()?;
        let first = before.map_or(*numbers.start(), |before| before + 1);
        (first <= *numbers.end()).then(|| first..=*numbers.end())
    }

    /// Adds a transfer that was just posted.
    pub(crate) fn add_transfer(&mut self, number: i64) {
        let first = self.transfers.as_ref().map_or(number, |known| *known.start());
        self.transfers = Some(first..=number);
    }
}

/// Transfers with their numbers, and events with their names.
pub type WriteSummaryRows = (Vec<(i64, Transfer)>, Vec<(EventId, String)>);
