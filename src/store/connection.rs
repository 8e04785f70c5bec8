//! Opening a file: whose it is, and how every connection to it is set up.
//!
//! Every pragma is set in one function and read back, because a pragma that
//! does not take is silent (reliability section 5).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::error::OpenError;
use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;

const SCHEMA: &str = include_str!("../../schema.sql");

/// Marks a file as ours: "ESCR" in ASCII.
const APPLICATION_ID: u32 = 0x4553_4352;
/// Version of `schema.sql`.
const SCHEMA_VERSION: u32 = 1;
/// SQLite libraries before this one can corrupt a WAL file (3.51.3).
const SQLITE_VERSION_MIN: i32 = 3_051_003;
const PAGE_BYTES: u32 = 2048;
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
}

impl Synchronous {
    const fn pragma(self) -> i64 {
        match self {
            Self::Normal => 1,
            Self::Full => 2,
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Writer {
        synchronous: Synchronous,
        checkpoint_pages: u32,
    },
    Reader,
}

/// Makes the file if there is none, and refuses one that is not ours.
pub(super) fn prepare(path: &Path, mode: Mode, currency: &str, now: Timestamp) -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        let problem = format!(
            "SQLite {} is too old, 3.51.3 is the oldest that is safe",
            rusqlite::version()
        );
        return Err(OpenError::Unfit {
            path: path.to_owned(),
            problem,
        });
    }
    match fs::metadata(path) {
        Ok(file) if file.len() > 0 => {
            refuse_foreign(path)?;
            refuse_other_instance(path, mode, currency)
        }
        Ok(_) => create(path, mode, currency, now),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, mode, currency, now),
        Err(source) => Err(OpenError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Opens one connection and sets it up.
pub(super) fn open(path: &Path, role: Role) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    // SQLite silently makes do with reading where it may not write.
    if connection.is_readonly(MAIN_DB).map_err(sqlite)? {
        return Err(OpenError::Io {
            path: path.to_owned(),
            source: io::ErrorKind::PermissionDenied.into(),
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
pub(super) fn open_to_audit(path: &Path) -> Result<Connection, OpenError> {
    if let Err(source) = fs::metadata(path) {
        return Err(OpenError::Io {
            path: path.to_owned(),
            source,
        });
    }
    refuse_foreign(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    })
}

/// Sets every pragma of a role, in an order that matters (the timeout comes
/// before anything that can wait), and says which one did not take.
pub(super) fn set_up(connection: &Connection, role: Role) -> rusqlite::Result<Result<(), String>> {
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS_MAX);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if journal != "wal" {
        return Ok(Err(format!("WAL mode is not possible here, SQLite chose {journal}")));
    }
    let shared = [
        ("foreign_keys", 1),
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
            ("wal_autocheckpoint", i64::from(checkpoint_pages)),
            ("journal_size_limit", log_bytes_kept(checkpoint_pages)),
            ("cache_size", -65_536),
        ],
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
/// starts anew after it, the file is cut back to this: twice what it holds
/// between two checkpoints, so that without such a reader nothing is ever cut.
fn log_bytes_kept(checkpoint_pages: u32) -> i64 {
    const FRAME_HEAD_BYTES: u32 = 24;
    2 * i64::from(checkpoint_pages) * i64::from(PAGE_BYTES + FRAME_HEAD_BYTES)
}

/// Makes a fresh file under another name and moves it into place whole, so that
/// a crash leaves either no file or a complete one.
fn create(path: &Path, mode: Mode, currency: &str, now: Timestamp) -> Result<(), OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let sqlite = |source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    };
    refuse_orphaned_log(path)?;
    let unfinished = sibling(path, ".new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    File::create_new(&unfinished).map_err(io)?;
    let connection = Connection::open(&unfinished).map_err(sqlite)?;
    let fill = || {
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;"))?;
        let instance = params![stored_mode(mode), currency, now.millis()];
        let sql = "INSERT INTO instance (only_row, mode, currency, created_at) VALUES (1, ?1, ?2, ?3)";
        connection.execute(sql, instance)
    };
    fill().map_err(sqlite)?;
    connection.close().map_err(|(_, source)| sqlite(source))?;
    fs::rename(&unfinished, path).map_err(io)?;
    sync_folder_of(path).map_err(io)
}

/// SQLite would mix a log that was left behind into the fresh file; and what is
/// in it may be all that is left of the last commits.
fn refuse_orphaned_log(path: &Path) -> Result<(), OpenError> {
    let log = sibling(path, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let problem = format!(
            "the database is gone, and {} holds its last commits; restore the database, or move that file away to \
             start afresh",
            log.display()
        );
        return Err(OpenError::Unfit {
            path: path.to_owned(),
            problem,
        });
    }
    Ok(())
}

/// Reads the file's own header, before SQLite may touch anything.
fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    let not_ours = |reason: &str| OpenError::NotOurs {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let mut header = [0_u8; 100];
    let mut file = File::open(path).map_err(|source| OpenError::Io {
        path: path.to_owned(),
        source,
    })?;
    file.read_exact(&mut header)
        .map_err(|_| not_ours("it is too short to be a database"))?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(not_ours("it is not an SQLite database"));
    }
    let number_at = |offset: usize| {
        let bytes = header[offset..].first_chunk().expect("the header is 100 bytes long");
        u32::from_be_bytes(*bytes)
    };
    let (found, application_id) = (number_at(60), number_at(68));
    if application_id != APPLICATION_ID {
        return Err(not_ours("it is the database of another program"));
    }
    if found > SCHEMA_VERSION {
        return Err(OpenError::TooNew {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

fn refuse_other_instance(path: &Path, mode: Mode, currency: &str) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?;
    let made_for: Option<(String, String)> = connection
        .query_row("SELECT mode, currency FROM instance", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(sqlite)?;
    match made_for {
        Some((made_mode, made_currency)) if made_mode == stored_mode(mode) && made_currency == currency => Ok(()),
        Some((made_mode, made_currency)) => Err(OpenError::OtherInstance {
            path: path.to_owned(),
            made_for: format!("{} mode in {made_currency}", made_mode.to_lowercase()),
            asked_for: format!("{mode} mode in {currency}"),
        }),
        None => Err(OpenError::NotOurs {
            path: path.to_owned(),
            reason: "it does not say what it is for".to_owned(),
        }),
    }
}

const fn stored_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Sandbox => "SANDBOX",
        Mode::Live => "LIVE",
    }
}

/// The path with something added to its file name.
pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a rename in the folder survive a power failure.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
