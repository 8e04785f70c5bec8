//! Deleting the events whose retention period is over.

use crate::domain::time::Timestamp;
use crate::store::{Error, Tx};

/// The most events that one command deletes, so that other commands do not wait long.
const EVENTS_PER_COMMAND_MAX: usize = 500;
/// The most events that one command deletes on a PostgreSQL server, where each takes two round trips.
const EVENTS_ON_SERVER_MAX: usize = 20;

/// Deletes events older than `before`, at most as many as one command deletes. Returns true
/// if there may be more.
pub fn delete(tx: &mut Tx<'_>, before: Timestamp) -> Result<bool, Error> {
    let max = if tx.is_on_server() {
        EVENTS_ON_SERVER_MAX
    } else {
        EVENTS_PER_COMMAND_MAX
    };
    let deleted = tx.delete_events_before(before, max)?;
    // A full batch may leave its last event, whose data the first one after the batch shares.
    Ok(deleted + 1 >= max)
}
