//! Checks of a database file before SQLite opens it for writing: that it is an escrowd
//! file, that the write-ahead log beside it is its own, that it has this program's schema,
//! and that it was made for this mode and currency. A refused file is left untouched, and
//! nothing is left beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::domain::mode::Mode;
use crate::store::engine::SCHEMA_VERSION;
use crate::store::engine::error::{Error, LogLoss, OpenError};
use crate::store::engine::files;
use crate::store::engine::sqlite::file::{self, APPLICATION_ID, PAGE_BYTES};
use crate::store::engine::sqlite::format::{
    self, APPLICATION_ID_AT, HEADER_BYTES, SCHEMA_COOKIE_AT, SCHEMA_VERSION_AT, word_at,
};
use crate::store::engine::sqlite::log_file::LogFile;
use crate::store::engine::sqlite::mark::{MARK_PAGE, Mark};
use crate::store::engine::sqlite::schema;
use crate::store::engine::value::mode_of;

/// The bytes that a path keeps in a URI. SQLite takes a path as a URI only.
const NOT_IN_A_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'/');

/// The header of the database file, read without SQLite.
struct Header([u8; HEADER_BYTES]);

impl Header {
    fn schema_version(&self) -> u32 {
        word_at(&self.0, SCHEMA_VERSION_AT)
    }

    fn schema_cookie(&self) -> u32 {
        word_at(&self.0, SCHEMA_COOKIE_AT)
    }
}

/// Checks the file's header without SQLite, which would already write beside the file.
///
/// # Errors
///
/// Fails if the file is not an escrowd file, or a newer version created it.
fn refuse_foreign(path: &Path) -> Result<Header, OpenError> {
    let not_ours = |reason: &str| OpenError::NotOurs {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let mut header = Header([0; HEADER_BYTES]);
    let mut file = file::open_regular(path)?;
    file.read_exact(&mut header.0)
        .map_err(|_| not_ours("it is too short to be a database"))?;
    if !header.0.starts_with(format::BEGINNING) {
        return Err(not_ours("it is not an SQLite database"));
    }
    if word_at(&header.0, APPLICATION_ID_AT) != APPLICATION_ID {
        return Err(not_ours("it is the database of another program"));
    }
    refuse_newer(path, header.schema_version())?;
    Ok(header)
}

/// # Errors
///
/// [`OpenError::TooNew`] or [`OpenError::TooOld`] unless this is the version of this program.
pub(crate) fn refuse_other_version(path: &Path, found: u32) -> Result<(), OpenError> {
    if found < SCHEMA_VERSION {
        return Err(OpenError::TooOld {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    refuse_newer(path, found)
}

fn refuse_newer(path: &Path, found: u32) -> Result<(), OpenError> {
    if found > SCHEMA_VERSION {
        return Err(OpenError::TooNew {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

/// Returns the schema version in the header of a file, without its log.
///
/// # Errors
///
/// Fails if the file is not an escrowd file, or a newer version created it.
pub(crate) fn version_alone(path: &Path) -> Result<u32, OpenError> {
    refuse_foreign(path).map(|header| header.schema_version())
}

/// Checks that the file is an escrowd file, and that the write-ahead log beside it is its
/// own and not missing. No server may be running on the file. Returns the schema version of
/// its newest commit, which is perhaps in the log alone.
///
/// # Errors
///
/// [`OpenError::Log`] if the log is missing or belongs to another file.
pub(crate) fn check_log(path: &Path) -> Result<u32, OpenError> {
    let header = refuse_foreign(path)?;
    let log_path = file::log_of(path);
    let log = LogFile::read(&log_path).map_err(OpenError::io(&log_path))?;
    // The commits of a newer program may still be in the log, while the header of the
    // file shows the older version.
    let version = log.schema_version.filter(|_| !log.is_foreign);
    let version = version.unwrap_or(header.schema_version());
    refuse_newer(path, version)?;
    let Some(mark) = mark_of(path)? else {
        return Ok(version);
    };
    // SQLite changes the schema cookie of a copy that it makes. Such a copy is whole.
    let is_copy_by_sqlite = mark.schema_cookie != i64::from(header.schema_cookie());
    let (commits, newest_transfer) = (mark.commits, mark.newest_transfer);
    if log.commits > 0 && !log.belongs_to(&mark) {
        return Err(OpenError::Log(LogLoss::OfAnother {
            path: path.to_owned(),
            log: log_path,
            commits,
            newest_transfer,
            in_log: log
                .marks
                .first()
                .zip(log.marks.last())
                .map(|(first, last)| (first.commits, last.commits)),
        }));
    }
    if mark.is_open && !is_copy_by_sqlite && is_missing_or_empty(&log_path) {
        return Err(OpenError::Log(LogLoss::Missing {
            path: path.to_owned(),
            log: log_path,
            commits,
            newest_transfer,
        }));
    }
    Ok(version)
}

/// Returns true if there is no such log, or one of no bytes. The service empties a log only
/// when its mark is closed. A log without a valid frame is something else: a power failure
/// leaves one while SQLite begins the log anew, before the first commit is acknowledged.
fn is_missing_or_empty(log: &Path) -> bool {
    match fs::metadata(log) {
        Ok(log) => log.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Reads the mark of the file without its log. Returns `None` if its page holds no mark.
pub(crate) fn mark_of(path: &Path) -> Result<Option<Mark>, OpenError> {
    let mut page = [0; PAGE_BYTES as usize];
    let mut read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(u64::from((MARK_PAGE - 1) * PAGE_BYTES)))?;
        file.read_exact(&mut page)
    };
    match read() {
        Ok(()) => Ok(Mark::in_page(&page)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(cause) => Err(OpenError::io(path)(cause)),
    }
}

/// Describes references between rows that lead nowhere, no more than this many, or all.
pub(crate) fn broken_references(connection: &Connection, limit: Option<u32>) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT 'a row of ' || \"table\" || ' names one of ' || parent || ' that does not exist'
               FROM pragma_foreign_key_check LIMIT ?1";
    let mut broken = connection.prepare(sql)?;
    let broken = broken.query_map([limit.map_or(-1, i64::from)], |row| row.get(0))?;
    broken.collect()
}

/// Moves a log that belongs to another file away, so that SQLite does not apply it, and
/// returns its new path.
pub(crate) fn set_log_aside(log: &Path) -> Result<PathBuf, OpenError> {
    let io = OpenError::io(log);
    let free = (1_u64..).map(|number| files::sibling(log, &format!(".aside-{number}")));
    let aside = free
        .into_iter()
        .find(|path| !files::is_there(path))
        .expect("there are more numbers than files");
    fs::rename(log, &aside).map_err(io)?;
    files::sync_folder_of(log).map_err(io)?;
    Ok(aside)
}

/// Checks that the file and what is beside it can be written, that its schema is this
/// program's, and that it was made for this mode and currency.
pub(crate) fn check_content(path: &Path, mode: Mode, currency: &str) -> Result<(), OpenError> {
    check_access(path)?;
    read_once(path, |connection| check_rows(path, connection, mode, currency))
}

/// Checks a file of an earlier version as [`check_content`] does, but for its schema.
pub(crate) fn check_purpose(path: &Path, mode: Mode, currency: &str) -> Result<(), OpenError> {
    check_access(path)?;
    read_once(path, |connection| check_instance(path, connection, mode, currency))
}

fn check_access(path: &Path) -> Result<(), OpenError> {
    for suffix in ["", "-wal", "-shm"] {
        let path = files::sibling(path, suffix);
        match OpenOptions::new().read(true).write(true).open(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(OpenError::Io { path, cause }),
            _ => {}
        }
    }
    Ok(())
}

/// Runs a check on the file. The rows that a check reads are written once, when the file is
/// created. So they are in the file itself, and it can be read as if it had no log: SQLite
/// then writes nothing. But a crash during a checkpoint leaves a file that can be read with
/// its log only, and a crash after a migration one whose new schema is in the log only.
fn read_once(path: &Path, check: impl Fn(&Connection) -> Result<(), OpenError>) -> Result<(), OpenError> {
    let alone = open_alone(path).and_then(|connection| check(&connection));
    if alone.is_ok() || !file::has_log(path) {
        return alone;
    }
    let index = file::index_of(path);
    let had_index = index.exists();
    let with_log = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(OpenError::sqlite(path))
        .and_then(|connection| check(&connection));
    if with_log.is_err() && !had_index {
        // A connection that may not write does not remove the index of the log. If this
        // fails, the next start uses the index.
        drop(fs::remove_file(index));
    }
    match (&alone, &with_log) {
        // The log says nothing, and the file alone said more.
        (Err(reason), Err(OpenError::Sqlite { .. })) if !matches!(reason, OpenError::Sqlite { .. }) => alone,
        _ => with_log,
    }
}

/// Opens the file without its log, read-only and without locks.
pub(crate) fn open_alone(path: &Path) -> Result<Connection, OpenError> {
    let encoded = percent_encode(path.as_os_str().as_bytes(), &NOT_IN_A_PATH);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{encoded}?immutable=1"), flags).map_err(OpenError::sqlite(path))
}

fn check_rows(path: &Path, connection: &Connection, mode: Mode, currency: &str) -> Result<(), OpenError> {
    schema::check(path, connection, schema::Objects::All)?;
    if mark_of(path)?.is_none() && !file::has_log(path) {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            cause: Error::Corrupt("the mark on page 2 cannot be read".to_owned()),
        });
    }
    check_instance(path, connection, mode, currency)
}

fn check_instance(path: &Path, connection: &Connection, mode: Mode, currency: &str) -> Result<(), OpenError> {
    let made_for = purpose_of(path, connection)?;
    if made_for.mode == mode && made_for.currency == currency {
        return Ok(());
    }
    Err(OpenError::OtherInstance {
        path: path.to_owned(),
        made_for: format!("{} mode in {}", made_for.mode, made_for.currency),
        asked_for: format!("{mode} mode in {currency}"),
    })
}

/// The mode and the currency that a file was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Purpose {
    pub(crate) mode: Mode,
    pub(crate) currency: String,
}

/// Returns the mode and the currency that a file was made for.
pub(crate) fn purpose_of(path: &Path, connection: &Connection) -> Result<Purpose, OpenError> {
    let row: Option<(String, String)> = connection
        .query_row("SELECT mode, currency FROM instance", [], |row| {
            Ok((row.get("mode")?, row.get("currency")?))
        })
        .optional()
        .map_err(OpenError::sqlite(path))?;
    let purpose = row.and_then(|(stored, currency)| {
        let mode = mode_of(&stored)?;
        Some(Purpose { mode, currency })
    });
    purpose.ok_or_else(|| OpenError::NotOurs {
        path: path.to_owned(),
        reason: "it does not say what it is for".to_owned(),
    })
}

/// Checks every page of a file that nothing uses with SQLite. The error is the first problem.
pub(crate) fn check_pages(path: &Path) -> Result<(), String> {
    let connection = open_alone(path).map_err(|error| error.to_string())?;
    let sql = "PRAGMA integrity_check(1)";
    let outcome = connection.query_row(sql, [], |row| row.get::<_, String>(0));
    match outcome.map_err(|error| error.to_string())?.as_str() {
        "ok" => Ok(()),
        problem => Err(problem.to_owned()),
    }
}
