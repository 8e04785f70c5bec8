//! What a command leaves behind that only grows: transfers and events. Whoever asked
//! for the command can show them later.

use std::ops::RangeInclusive;

use rusqlite::OptionalExtension;

use crate::domain::ids::EventId;
use crate::domain::ledger::Transfer;
use crate::store::engine::error::Error;
use crate::store::tx::Snapshot;

/// The transfers and events of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// The numbers of its transfers, from the first to the last: nobody else posts while
    /// it runs.
    pub transfers: Option<RangeInclusive<i64>>,
    /// Its events, in order.
    pub events: Vec<EventId>,
}

impl WriteSummary {
    /// Adds the transfer that was posted now.
    pub(crate) fn add_transfer(&mut self, number: i64) {
        let first = self.transfers.as_ref().map_or(number, |known| *known.start());
        self.transfers = Some(first..=number);
    }
}

/// Transfers with their numbers, and events with their names.
pub type WriteSummaryRows = (Vec<(i64, Transfer)>, Vec<(EventId, String)>);

impl Snapshot<'_> {
    /// Returns the transfers of a command, each with its number, and those of its events
    /// that are still kept, each with its name; oldest first.
    pub fn write_summary_rows(&self, summary: &WriteSummary) -> Result<WriteSummaryRows, Error> {
        let transfers = match &summary.transfers {
            Some(numbers) => self.transfers_in(numbers)?,
            None => Vec::new(),
        };
        let mut events = Vec::with_capacity(summary.events.len());
        for &event in &summary.events {
            events.extend(self.event_name(event)?.map(|name| (event, name)));
        }
        Ok((transfers, events))
    }

    /// The name of an event; nothing when it was swept meanwhile.
    pub fn event_name(&self, event: EventId) -> Result<Option<String>, Error> {
        let name = self
            .connection
            .prepare_cached("SELECT name FROM event WHERE id = ?1")?
            .query_row([event.number()], |row| row.get(0))
            .optional()?;
        Ok(name)
    }
}
