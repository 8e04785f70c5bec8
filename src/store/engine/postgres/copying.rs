//! A whole PostgreSQL database as the source or the target of a copy.

use std::thread;
use std::time::{Duration, Instant};

use crate::store::engine::error::Error;
use crate::store::engine::postgres::build::{self, Build, LOCK, USE_LOCK};
use crate::store::engine::postgres::client::{Client, CopyIn};
use crate::store::engine::postgres::preparation::check_server;
use crate::store::engine::postgres::schema::{ADDED_TABLES, LATER_REFERENCE};
use crate::store::engine::postgres::session::Session;
use crate::store::engine::postgres::unusable::Unusable;

/// The time in which the sessions of a process that has just ended are gone.
const END_TIME_MAX: Duration = Duration::from_secs(2);
/// The pause between two attempts to take the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

impl Session {
    /// Begins to add rows to a table, with values for these columns, which are separated by
    /// commas.
    pub(crate) fn copy_in(&self, table: &str, columns: &str) -> Result<CopyIn<'_>, Error> {
        let client = self.client();
        let types = client.column_types(&format!("SELECT {columns} FROM {table}"))?;
        Ok(client.copy_in(&format!("COPY {table} ({columns}) FROM STDIN BINARY"), &types)?)
    }
}

/// Begins the snapshot of a source. No service can start on it or commit until the session
/// ends.
///
/// # Errors
///
/// [`Unusable::Other`] if a service uses the database, or it has not this schema.
pub(crate) fn begin_source(session: &Session) -> Result<(), Unusable> {
    let client = session.client();
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK])?;
    Build::current().check(client)?;
    take_for_copy(client)?;
    // Locking the table takes no snapshot, so the snapshot that follows has every commit. The
    // lock of a row would be refused after a commit that it has waited for.
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE file_mark IN EXCLUSIVE MODE")?;
    Ok(())
}

/// Takes the lock that shows if a service uses the database. The server notices a moment later that
/// a process has ended.
fn take_for_copy(client: &Client) -> Result<(), Unusable> {
    let until = Instant::now() + END_TIME_MAX;
    let sql = "SELECT pg_try_advisory_lock($1)";
    // To wait inside the server would keep new sessions of a service waiting too.
    while !client.query_one(sql, &[&USE_LOCK])?.try_get::<_, bool>(0)? {
        if Instant::now() >= until {
            return Err(Unusable::Other(
                "a service uses it, perhaps one that hangs or is on another machine; stop all services on it before its \
                 copy"
                    .to_owned(),
            ));
        }
        thread::sleep(LOCK_PAUSE);
    }
    Ok(())
}

/// Begins the transaction of a target and creates its tables, which have no rows yet. No
/// service can start on it until the session ends.
///
/// # Errors
///
/// [`Unusable::Other`] if the database is not empty, or its server may lose what it
/// acknowledges.
pub(crate) fn begin_target(session: &Session, secret: &[u8; 32]) -> Result<(), Unusable> {
    let client = session.client();
    check_server(client)?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK])?;
    client.batch_execute("BEGIN")?;
    let tables = build::count_tables(client)?;
    if tables > 0 {
        return Err(Unusable::Other(format!(
            "it has {tables} tables; create an empty database for the copy"
        )));
    }
    Build::current().create_for_copy(client, secret)
}

/// Completes the schema of a target whose rows are there. Rows that SQLite numbers by itself are
/// numbered on from the greatest.
pub(crate) fn complete_target(session: &Session) -> Result<(), Error> {
    session.batch(&format!(
        "{LATER_REFERENCE}
         SELECT setval(pg_get_serial_sequence('idempotency_record', 'id'), max(id)) FROM idempotency_record;
         ANALYZE"
    ))
}

/// Removes the tables of a target whose transaction was committed, these and those that only
/// PostgreSQL has.
pub(crate) fn remove_target<'t>(session: &Session, tables: impl Iterator<Item = &'t str>) -> Result<(), Error> {
    let tables: Vec<&str> = tables.chain(ADDED_TABLES).collect();
    session.batch(&format!(
        "BEGIN;
         DROP TABLE IF EXISTS {} CASCADE;
         DROP FUNCTION IF EXISTS refuse_change(), refuse_removal(), count_removed_event();
         DROP COLLATION IF EXISTS without_case;
         COMMIT",
        tables.join(", ")
    ))
}
