//! Giving free pages of the file back to the system, by SQLite's `VACUUM`.
//!
//! The other way of SQLite, `auto_vacuum`, needs no copy. But it keeps a map of all pages in
//! the file, and a commit then writes 3 to 6 percent more pages. `VACUUM` costs nothing until
//! it runs. It copies the pages in use into the log in one commit, for which commands wait.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use crate::store::engine::error::Error;
use crate::store::engine::sqlite::checkpoints::Checkpoints;
use crate::store::engine::sqlite::disk_failures::{commit_mark, unless_disk_failed};
use crate::store::engine::sqlite::file::PAGE_BYTES;
use crate::store::engine::sqlite::mark;
use crate::store::engine::sqlite::readers::Readers;

/// The time without a commit after which the writer is idle enough.
const IDLE: Duration = Duration::from_secs(3);
/// The pause after an attempt, successful or not.
const PAUSE: Duration = Duration::from_mins(10);

/// Decides when the file is made smaller.
pub(crate) struct Vacuum {
    free_bytes_min: Option<u64>,
    /// The time of the last commit, or of a later look at the free pages.
    idle_since: Instant,
    /// The earliest time of the next attempt.
    next_attempt: Instant,
}

impl Vacuum {
    pub(crate) fn new(free_bytes_min: Option<u64>) -> Self {
        Self {
            free_bytes_min,
            idle_since: Instant::now(),
            next_attempt: Instant::now(),
        }
    }

    /// Begins the time without a commit anew.
    pub(crate) fn after_commit(&mut self) {
        self.idle_since = Instant::now();
    }

    /// Makes the file smaller if it is due. The whole log must be in the file, and the mark
    /// must be of this start.
    ///
    /// # Errors
    ///
    /// Fails when the file can no longer be trusted.
    pub(crate) fn while_idle(
        &mut self,
        writer: &Connection,
        checkpoints: &mut Checkpoints,
        readers: &Readers,
    ) -> Result<(), Error> {
        let now = Instant::now();
        let Some(free_bytes_min) = self.free_bytes_min else {
            return Ok(());
        };
        if now < self.idle_since + IDLE || now < self.next_attempt {
            return Ok(());
        }
        self.idle_since = now;
        let (free, before) = pages(writer)?;
        if free * u64::from(PAGE_BYTES) < free_bytes_min || free < before / 2 {
            return Ok(());
        }
        self.next_attempt = now + PAUSE;
        if !checkpoints.open_mark(writer, readers)? {
            return Ok(());
        }
        log::info!("{free} of {before} pages of the database are free; giving them back, writes wait meanwhile");
        match readers.commit_with(|| writer.execute_batch("VACUUM")) {
            Ok(()) => {}
            Err(error) if is_harmless(&error) => {
                log::warn!(
                    "the database keeps its free pages: {error}; SQLite needs room for a copy of the pages in use, \
                     beside the database and in SQLITE_TMPDIR or /var/tmp"
                );
                return Ok(());
            }
            Err(error) => return Err(Error::OutcomeUnknown(error.to_string())),
        }
        // If it fails, the file passes for a copy that SQLite made, until the next start.
        let followed = commit_mark(readers, || mark::follow_schema_cookie(writer));
        let warning = "the mark of the database does not follow its schema until the next start";
        unless_disk_failed(followed, warning)?;
        let (_, after) = pages(writer)?;
        let (bytes, millis) = (
            before.saturating_sub(after) * u64::from(PAGE_BYTES),
            now.elapsed().as_millis(),
        );
        log::info!("gave back {bytes} bytes of the database in {millis} ms; it has {after} pages");
        self.after_commit();
        Ok(())
    }
}

/// Returns the number of free pages and of all pages.
fn pages(connection: &Connection) -> Result<(u64, u64), Error> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (free, all) = (number("freelist_count")?, number("page_count")?);
    Ok((free.unsigned_abs(), all.unsigned_abs()))
}

/// Returns true if SQLite has left the file as it was.
fn is_harmless(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::CannotOpen | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}
