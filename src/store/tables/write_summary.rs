//! What a command leaves behind that only grows: transfers and events. Whoever asked
//! for the command can show them later.

use std::ops::RangeInclusive;

use rusqlite::OptionalExtension;

use crate::domain::ids::EventId;
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

impl Snapshot<'_> {
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
