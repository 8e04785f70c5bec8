//! The database file itself: checks that it is an escrowd file, and creates a fresh one.
//! This code leaves foreign files untouched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::store::engine::error::OpenError;

const SCHEMA: &str = include_str!("../../../schema.sql");

/// Marks an escrowd file: "ESCR" in ASCII.
const APPLICATION_ID: u32 = 0x4553_4352;
/// The version of `schema.sql`.
const SCHEMA_VERSION: u32 = 1;
/// Version 3.51.3. Older SQLite libraries can corrupt a file in WAL mode.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// The page size of a fresh file, in bytes.
pub(crate) const PAGE_BYTES: u32 = 2048;
/// Only the owner may read and write a ledger.
const FILE_PERMISSIONS: u32 = 0o600;

/// Resolves symbolic links, so that a link and its target share one lock. If the file
/// does not exist yet, resolves its folder.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let io = |cause| OpenError::Io {
        path: path.to_owned(),
        cause,
    };
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                return Err(OpenError::Unfit {
                    path: path.to_owned(),
                    problem:
                        "it is a symbolic link to a file that does not exist; create that file, or remove the link"
                            .to_owned(),
                });
            }
            let name = path.file_name().ok_or_else(|| io(io::ErrorKind::IsADirectory.into()))?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Ok(fs::canonicalize(folder.unwrap_or(Path::new(".")))
                .map_err(io)?
                .join(name))
        }
        resolved => resolved.map_err(io),
    }
}

/// Creates the file if it does not exist or is empty.
///
/// # Errors
///
/// Fails on a foreign or newer file, one of another mode or currency, and a SQLite
/// library that is too old.
pub(crate) fn prepare(path: &Path, mode: Mode, currency: &str, now: Timestamp) -> Result<(), OpenError> {
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
        Err(cause) => Err(OpenError::Io {
            path: path.to_owned(),
            cause,
        }),
    }
}

/// Creates a fresh file under another name and renames it when it is complete, so that a
/// crash leaves either no file or a whole one.
fn create(path: &Path, mode: Mode, currency: &str, now: Timestamp) -> Result<(), OpenError> {
    let io = |cause| OpenError::Io {
        path: path.to_owned(),
        cause,
    };
    let sqlite = |cause| OpenError::Sqlite {
        path: path.to_owned(),
        cause,
    };
    refuse_orphaned_log(path)?;
    let unfinished = sibling(path, ".new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut fresh = OpenOptions::new();
    fresh.write(true).create_new(true).mode(FILE_PERMISSIONS);
    fresh.open(&unfinished).map_err(io)?;
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
    connection.close().map_err(|(_, cause)| sqlite(cause))?;
    fs::rename(&unfinished, path).map_err(io)?;
    sync_folder_of(path).map_err(io)
}

/// Fails if there is a log without a database. SQLite would apply that log to the fresh
/// file, and it may hold the only copy of the last commits.
fn refuse_orphaned_log(path: &Path) -> Result<(), OpenError> {
    if has_log(path) {
        let problem = format!(
            "the database is gone, and {} holds its last commits; restore the database, or move that file away to \
             start afresh",
            log_of(path).display()
        );
        return Err(OpenError::Unfit {
            path: path.to_owned(),
            problem,
        });
    }
    Ok(())
}

fn has_log(path: &Path) -> bool {
    fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0)
}

fn log_of(path: &Path) -> PathBuf {
    sibling(path, "-wal")
}

/// Checks the file's header without SQLite, which would already write beside the file.
///
/// # Errors
///
/// Fails if the file is not an escrowd file, or a newer version created it.
pub(crate) fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    let not_ours = |reason: &str| OpenError::NotOurs {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let mut header = [0_u8; 100];
    let mut file = File::open(path).map_err(|cause| OpenError::Io {
        path: path.to_owned(),
        cause,
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
    let sqlite = |cause| OpenError::Sqlite {
        path: path.to_owned(),
        cause,
    };
    // Closing a connection that may write moves a log left behind by a crash into the
    // file. Until the file is known to be usable, that must not happen. Without a log
    // nothing can move, and only a connection that may write removes its `-wal` and
    // `-shm` files when it closes.
    let flags = if has_log(path) {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    };
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    // The commits of a newer program may still be in the log, while the header of the
    // file shows the older version.
    let found: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(sqlite)?;
    if found > SCHEMA_VERSION {
        return Err(OpenError::TooNew {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    let made_for: Option<(String, String)> = connection
        .query_row("SELECT mode, currency FROM instance", [], |row| {
            Ok((row.get("mode")?, row.get("currency")?))
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

/// Appends a suffix to the file name of a path.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Syncs the folder of this path, so that creating, renaming or removing the path
/// survives a power failure.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
