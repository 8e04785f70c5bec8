//! How every connection to the file is set up. Every pragma is set in one
//! function and read back, because a pragma that does not take is silent
//! (reliability section 5).

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags};
use serde::{Deserialize, Serialize};

use crate::store::engine::error::OpenError;
use crate::store::engine::file;

/// How long a connection waits for an outside program, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements each connection keeps prepared; more than there are.
const CACHED_STATEMENTS_MAX: usize = 128;

/// How much a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// Every commit reaches the disk before it is acknowledged.
    Full,
    /// The last commits may be lost when power fails; none when the process dies.
    Normal,
    /// Nothing waits for the disk: for a file that is removed with the process anyway.
    /// No setting chooses it.
    #[serde(skip)]
    Off,
}

impl Synchronous {
    const fn pragma(self) -> i64 {
        match self {
            Self::Off => 0,
            Self::Normal => 1,
            Self::Full => 2,
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Writer {
        synchronous: Synchronous,
        checkpoint_pages: u32,
    },
    Checkpoints {
        synchronous: Synchronous,
    },
    Reader,
}

/// Opens one connection and sets it up.
pub(crate) fn open(path: &Path, role: Role) -> Result<Connection, OpenError> {
    let sqlite = |cause| OpenError::Sqlite {
        path: path.to_owned(),
        cause,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    // SQLite silently makes do with reading where it may not write.
    if connection.is_readonly(MAIN_DB).map_err(sqlite)? {
        return Err(OpenError::Io {
            path: path.to_owned(),
            cause: io::ErrorKind::PermissionDenied.into(),
        });
    }
    set_up(&connection, role)
        .map_err(sqlite)?
        .map_err(|problem| OpenError::Unfit {
            path: path.to_owned(),
            problem,
        })?;
    Ok(connection)
}

/// Opens a file for reading only, without asking anything of the server that
/// may be running on it.
pub(crate) fn open_to_audit(path: &Path) -> Result<Connection, OpenError> {
    if let Err(cause) = fs::metadata(path) {
        return Err(OpenError::Io {
            path: path.to_owned(),
            cause,
        });
    }
    file::refuse_foreign(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sqlite = |cause| OpenError::Sqlite {
        path: path.to_owned(),
        cause,
    };
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    Ok(connection)
}

/// Sets every pragma of a role, in an order that matters (the timeout comes
/// before anything that can wait), and says which one did not take.
pub(crate) fn set_up(connection: &Connection, role: Role) -> rusqlite::Result<Result<(), String>> {
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS_MAX);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if journal != "wal" {
        return Ok(Err(format!("WAL mode is not possible here, SQLite chose {journal}")));
    }
    let shared = [
        ("foreign_keys", 1),
        // `INSERT OR REPLACE` would delete a transfer past its trigger without.
        ("recursive_triggers", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("mmap_size", 0),
    ];
    let own = match role {
        Role::Writer {
            synchronous,
            checkpoint_pages,
        } => vec![
            ("synchronous", synchronous.pragma()),
            // When and by whom is seen to in checkpoints.rs.
            ("wal_autocheckpoint", 0),
            ("journal_size_limit", log_bytes_kept(checkpoint_pages)),
            ("cache_size", -65_536),
        ],
        Role::Checkpoints { synchronous } => vec![("synchronous", synchronous.pragma()), ("wal_autocheckpoint", 0)],
        Role::Reader => vec![("query_only", 1), ("wal_autocheckpoint", 0), ("cache_size", -8_192)],
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

/// A slow reader holds up checkpoints and lets the log grow. When the log
/// starts anew after it, the file is cut back to this: four times what it holds
/// when a checkpoint begins. It grows while the checkpoint runs, also on a busy
/// disk, and without a slow reader nothing should ever be cut: growing again costs.
fn log_bytes_kept(checkpoint_pages: u32) -> i64 {
    const FRAME_HEAD_BYTES: u32 = 24;
    4 * i64::from(checkpoint_pages) * i64::from(file::PAGE_BYTES + FRAME_HEAD_BYTES)
}
