//! The deadline of a read. SQLite asks the connection's progress handler, every few
//! thousand steps of a statement, if it should go on. A statement that is stopped ends with
//! an error, and its connection can be used again.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::store::engine::error::Error;

/// The steps of SQLite's virtual machine between two looks at the clock, about 50
/// microseconds. SQLite counts them over all runs of a statement, so a loop of short
/// statements is stopped too.
const STEPS: i32 = 2_000;

thread_local! {
    /// The deadline of the query that this thread runs. A query, its statements and their
    /// progress handlers all run on one thread.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Makes SQLite ask regularly if the deadline of [`within`] has passed, and stop the statement if
/// it has.
pub(crate) fn heed(connection: &Connection) -> rusqlite::Result<()> {
    let is_over = || DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline);
    connection.progress_handler(STEPS, Some(is_over))
}

/// Runs a query whose statements are stopped when `limit` is over.
///
/// # Errors
///
/// [`Error::ReadTooLong`] if one was stopped, or the error of the query.
pub(crate) fn within(limit: Duration, query: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let deadline = Deadline::begin(limit);
    let outcome = query();
    drop(deadline);
    if matches!(outcome, Err(Error::ReadTooLong)) {
        log::warn!(
            "a read was stopped after {limit:?}; storage.read_seconds_max sets this limit, and a narrower filter reads less"
        );
    }
    outcome
}

/// Sets the deadline of this thread. Dropping it lifts the deadline, since the statements
/// that end a transaction must not be stopped.
struct Deadline;

impl Deadline {
    fn begin(limit: Duration) -> Self {
        DEADLINE.set(Instant::now().checked_add(limit));
        Self
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        DEADLINE.set(None);
    }
}
