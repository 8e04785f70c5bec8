//! Connections that read from snapshots, of either engine.
//!
//! A read has a type of its own for each query that it answers. The code of a reader does not
//! depend on it: it would be compiled again for each of some hundred queries.

use std::any::Any;
use std::time::Duration;

use crate::store::engine::error::Error;
use crate::store::tx::Snapshot;

/// A query that keeps what it found. A reader runs it once at most.
pub(crate) type Query<'a> = dyn FnMut(&Snapshot<'_>) -> Result<(), Error> + 'a;

/// A query for another thread, without its type and that of what it finds: the way there and back is
/// compiled once.
pub(crate) type AnyQuery = Box<dyn FnOnce(&Snapshot<'_>) -> Result<Found, Error> + Send>;

/// The result of a query whose type is erased.
pub(crate) type Found = Box<dyn Any + Send>;

/// A connection that reads from snapshots.
pub(crate) trait Reader: Send + 'static {
    /// Runs a query on a snapshot of its own, and stops it when `time_max` is over. A session of
    /// PostgreSQL stops each statement after the time with which it was opened instead.
    fn read(&mut self, time_max: Duration, query: &mut Query<'_>) -> Result<(), Error>;
}

/// Returns a query without its type. [`found`] returns what it finds with it.
pub(crate) fn any_query<T: Send + 'static>(
    query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error> + Send + 'static,
) -> AnyQuery {
    Box::new(|snapshot| {
        let found: Found = Box::new(query(snapshot)?);
        Ok(found)
    })
}

/// Returns what the query found that [`any_query`] made without its type.
pub(crate) fn found<T: 'static>(found: Found) -> T {
    *found.downcast().expect("a query finds what its caller asked for")
}

/// Has a reader run a query, and returns what the query found.
pub(crate) fn answer<T>(
    query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error>,
    read: impl FnOnce(&mut Query<'_>) -> Result<(), Error>,
) -> Result<T, Error> {
    let mut query = Some(query);
    let mut found = None;
    read(&mut |snapshot| {
        if let Some(query) = query.take() {
            found = Some(query(snapshot)?);
        }
        Ok(())
    })?;
    found.ok_or(Error::Stopped)
}
