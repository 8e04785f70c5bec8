//! Opening connections to the database file. One function sets every pragma and reads
//! it back, because SQLite ignores a pragma that it cannot apply without an error
//! (architecture section 3.3).

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags};
use serde::Deserialize;

use crate::store::engine::error::OpenError;
use crate::store::engine::packing;
use crate::store::engine::sqlite::format::FRAME_HEAD_BYTES;
use crate::store::engine::sqlite::{checksum, deadline, file, inspection, lock, schema};

/// The longest time that a connection waits for the locks of another program, such as a
/// backup.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of prepared statements that each connection caches, which is more than the
/// program has.
const CACHED_STATEMENTS_MAX: usize = 128;

/// The point to which a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// Every commit reaches the disk before it is acknowledged: the log is synced after it
    /// (`log_sync.rs`).
    Full,
    /// A power failure may lose the last commits. The death of the process loses none.
    Normal,
    /// No commit waits for the disk. Only ephemeral files use this, and no setting selects it.
    #[serde(skip)]
    Off,
}

impl Synchronous {
    /// Returns the value of SQLite's pragma. SQLite itself syncs the log before a checkpoint alone, also
    /// with [`Synchronous::Full`].
    const fn pragma(self) -> i64 {
        match self {
            Self::Off => 0,
            Self::Normal | Self::Full => 1,
        }
    }
}

/// The purpose of a connection, which decides its pragmas.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectionKind {
    Writer {
        synchronous: Synchronous,
        checkpoint_pages: u32,
    },
    Checkpoints {
        synchronous: Synchronous,
    },
    /// Changes the schema, which must not follow references meanwhile. Runs alone.
    Migration,
    Reader,
}

/// Opens one connection for reading and writing and sets its pragmas.
pub(crate) fn open(path: &Path, kind: ConnectionKind) -> Result<Connection, OpenError> {
    let sqlite = OpenError::sqlite(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    // SQLite opens a file that it may not write as read-only, without an error.
    if connection.is_readonly(MAIN_DB).map_err(sqlite)? {
        return Err(OpenError::Io {
            path: path.to_owned(),
            cause: io::ErrorKind::PermissionDenied.into(),
        });
    }
    set_up(&connection, kind)
        .map_err(sqlite)?
        .map_err(|problem| OpenError::unfit(path, problem))?;
    Ok(connection)
}

/// Checks that a file can be audited: that its log is there and its own. This opens and
/// closes the file, which drops all POSIX locks of this process on it, so it must come before
/// the first [`open_to_audit`].
pub(crate) fn check_to_audit(path: &Path) -> Result<(), OpenError> {
    let file = file::open_regular(path)?;
    // While a server runs, file and log change together and belong to each other.
    if !lock::is_held(file) {
        inspection::check_log(path)?;
    }
    Ok(())
}

/// Opens a checked escrowd file of this version for reading, without the instance lock: a
/// server may be running on it.
pub(crate) fn open_to_audit(path: &Path) -> Result<Connection, OpenError> {
    let connection = open_to_copy(path)?;
    let sqlite = OpenError::sqlite(path);
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    inspection::refuse_other_version(path, version.map_err(sqlite)?)?;
    schema::check(path, &connection, schema::Objects::Tables)?;
    Ok(connection)
}

/// Opens a checked escrowd file of any version for reading its pages. Everything else about
/// it may differ from what this program writes.
pub(crate) fn open_to_copy(path: &Path) -> Result<Connection, OpenError> {
    let sqlite = OpenError::sqlite(path);
    let connection = open_for_reading(path)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    connection.pragma_update(None, "query_only", 1).map_err(sqlite)?;
    add_functions(&connection).map_err(sqlite)?;
    Ok(connection)
}

fn open_for_reading(path: &Path) -> Result<Connection, OpenError> {
    // SQLite makes files beside the database even to read it, which a read-only disk does not let it
    // do. A running service has a log beside its file, so a file without one is whole and is not being
    // written.
    if !file::has_log(path) && file::is_on_read_only_disk(path) {
        return inspection::open_alone(path);
    }
    // Only a connection that may write removes its `-wal` and `-shm` files when it closes.
    // But it also moves a log that it finds into the file.
    let access = if file::has_log(path) {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    };
    Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(OpenError::sqlite(path))
}

/// Adds the SQL functions with which statements write and read rows to a connection.
///
/// # Errors
///
/// Fails while a statement of the connection runs.
pub fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    checksum::register(connection)?;
    packing::register(connection)
}

/// Sets every pragma of a connection of this kind. The busy timeout comes first, before anything that can
/// wait. The inner `Err` names a pragma that SQLite did not apply.
pub(crate) fn set_up(connection: &Connection, kind: ConnectionKind) -> rusqlite::Result<Result<(), String>> {
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS_MAX);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    add_functions(connection)?;
    let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if journal != "wal" {
        return Ok(Err(format!("WAL mode is not possible here, SQLite chose {journal}")));
    }
    if matches!(kind, ConnectionKind::Reader) {
        deadline::heed(connection)?;
    }
    let is_migration = matches!(kind, ConnectionKind::Migration);
    let shared = [
        ("foreign_keys", i64::from(!is_migration)),
        // Without it, `INSERT OR REPLACE` deletes a transfer without firing its trigger.
        ("recursive_triggers", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("mmap_size", 0),
    ];
    let own = match kind {
        ConnectionKind::Writer {
            synchronous,
            checkpoint_pages,
        } => vec![
            ("synchronous", synchronous.pragma()),
            // checkpoints.rs runs the checkpoints.
            ("wal_autocheckpoint", 0),
            ("journal_size_limit", log_bytes_kept(checkpoint_pages)),
            ("cache_size", -65_536),
        ],
        ConnectionKind::Checkpoints { synchronous } => {
            vec![("synchronous", synchronous.pragma()), ("wal_autocheckpoint", 0)]
        }
        ConnectionKind::Migration => vec![
            // FULL: SQLite syncs each of its commits.
            ("synchronous", 2),
            ("wal_autocheckpoint", 0),
            // A table gets its new name without a look at the triggers and views that name it.
            ("legacy_alter_table", 1),
            ("cache_size", -65_536),
        ],
        ConnectionKind::Reader => vec![("query_only", 1), ("wal_autocheckpoint", 0), ("cache_size", -8_192)],
    };
    for (pragma, wanted) in shared.into_iter().chain(own) {
        connection.pragma_update(None, pragma, wanted)?;
        let got: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0))?;
        if got != wanted {
            return Ok(Err(format!("PRAGMA {pragma} is {got} and must be {wanted}")));
        }
    }
    Ok(Ok(()))
}

/// The size in bytes to which SQLite truncates the log's file when the log restarts:
/// four times the size at which a checkpoint begins.
///
/// Only a log that a slow reader has let grow should be truncated, since growing the
/// file again costs time. Four times leaves room for the pages written while a
/// checkpoint runs on a busy disk.
fn log_bytes_kept(checkpoint_pages: u32) -> i64 {
    4 * i64::from(checkpoint_pages) * i64::from(file::PAGE_BYTES + FRAME_HEAD_BYTES)
}
