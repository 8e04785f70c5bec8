//! The database file itself: its path, its neighbours, and the creation of a fresh one.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use rustix::fs::Access;
use rustix::io::Errno;

use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::store::engine::SCHEMA_VERSION;
use crate::store::engine::error::OpenError;
use crate::store::engine::files::{FILE_PERMISSIONS, folder_of, is_there, remove_if_there, sibling, sync_folder_of};
use crate::store::engine::schema::SCHEMA;
use crate::store::engine::sqlite::format::APPLICATION_ID_AT;
use crate::store::engine::sqlite::{checksum, lock, mark};
use crate::store::engine::value::stored_mode;

/// Marks an escrowd file: "ESCR" in ASCII.
pub(crate) const APPLICATION_ID: u32 = 0x4553_4352;
/// Version 3.51.3. Older SQLite libraries can corrupt a file in WAL mode.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// The page size of a fresh file, in bytes.
pub(crate) const PAGE_BYTES: u32 = 2048;
/// The end of the name of a copy that is not whole yet.
pub(crate) const PARTIAL_SUFFIX: &str = ".partial";
/// The ends of names that the service gives beside a database. SQLite removes a `-journal`.
const OF_THE_SERVICE: [&str; 7] = ["-wal", "-shm", "-journal", ".lock", PARTIAL_SUFFIX, ".new", "-files"];

/// The contents of a fresh file.
#[derive(Clone, Copy)]
pub(crate) struct Fresh<'a> {
    pub(crate) mode: Mode,
    pub(crate) currency: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) schema_cookie: u32,
}

/// Resolves symbolic links, so that a link and its target share one lock. If the file
/// does not exist yet, resolves its folder.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let io = OpenError::io(path);
    if path.as_os_str().is_empty() {
        return Err(OpenError::unfit(path, "the name of the database is empty; name a file"));
    }
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if is_there(path) {
                return Err(OpenError::unfit(
                    path,
                    "it is a symbolic link to a file that does not exist; create that file, or remove the link",
                ));
            }
            if ends_as_folder(path) {
                return Err(OpenError::unfit(path, ENDS_AS_FOLDER));
            }
            let name = path.file_name().ok_or_else(|| io(io::ErrorKind::IsADirectory.into()))?;
            Ok(fs::canonicalize(folder_of(path)).map_err(io)?.join(name))
        }
        Ok(folder) if folder.is_dir() => Err(OpenError::unfit(
            path,
            format!(
                "it is a folder; name a file in it, such as {}",
                path.join("escrowd.db").display()
            ),
        )),
        resolved => resolved.map_err(io),
    }
}

/// The problem of a name that a system call refuses as soon as the file is there.
pub(crate) const ENDS_AS_FOLDER: &str = "it ends as the name of a folder does; name a file";

/// Returns true if a path ends in `/` or `/.`, which the functions of [`Path`] pass over.
pub(crate) fn ends_as_folder(path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    path.ends_with(b"/") || path.ends_with(b"/.")
}

/// Resolves a path that is itself a symbolic link: log and files are beside its target. Another
/// path stays as it was written, for messages.
pub(crate) fn resolve_link(path: &Path) -> Result<Cow<'_, Path>, OpenError> {
    if path.is_symlink() {
        resolve(path).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(path))
    }
}

/// Returns true if the disk of a file is mounted read-only.
pub(crate) fn is_on_read_only_disk(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK) == Err(Errno::ROFS)
}

/// Returns the end of a name, if it is one that the service gives beside a database.
pub(crate) fn suffix_of_service(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.as_encoded_bytes();
    OF_THE_SERVICE
        .into_iter()
        .find(|suffix| name.ends_with(suffix.as_bytes()))
}

/// Checks that a path is not that of a file which the service or SQLite keeps beside a database that
/// is there. An empty log, of which another service is the owner, looks like a new database.
pub(crate) fn refuse_part_of_another(path: &Path) -> Result<(), OpenError> {
    let database = suffix_of_service(path).and_then(|suffix| {
        let path = path.as_os_str().as_encoded_bytes();
        let database = path.strip_suffix(suffix.as_bytes())?;
        Some(PathBuf::from(OsStr::from_bytes(database)))
    });
    match database.filter(|database| database.is_file()) {
        Some(database) => Err(OpenError::unfit(
            path,
            format!(
                "it belongs to the database {}, beside which it stands; name that database, or choose another name",
                database.display()
            ),
        )),
        None => Ok(()),
    }
}

/// Creates the file if it does not exist or is empty. Returns true if it did.
///
/// # Errors
///
/// Fails if the SQLite library is too old, and if the file cannot be written.
pub(crate) fn create_if_missing(path: &Path, fresh: Fresh<'_>) -> Result<bool, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        let problem = format!(
            "SQLite {} is too old, 3.51.3 is the oldest that is safe",
            rusqlite::version()
        );
        return Err(OpenError::unfit(path, problem));
    }
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(not_regular(path)),
        Ok(file) if file.len() > 0 => return Ok(false),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(OpenError::io(path)(error));
        }
        _ => {}
    }
    create(path, fresh).map(|()| true)
}

/// Creates a fresh file under another name and renames it when it is complete, so that a
/// crash leaves either no file or a whole one.
fn create(path: &Path, of: Fresh<'_>) -> Result<(), OpenError> {
    let io = OpenError::io(path);
    let sqlite = OpenError::sqlite(path);
    refuse_orphaned_log(path)?;
    refuse_unfinished_copy(path)?;
    let unfinished = sibling(path, ".new");
    remove_if_there(&unfinished).map_err(io)?;
    let mut fresh = OpenOptions::new();
    fresh.write(true).create_new(true).mode(FILE_PERMISSIONS);
    fresh.open(&unfinished).map_err(io)?;
    let connection = Connection::open(&unfinished).map_err(sqlite)?;
    let fill = || {
        create_tables(&connection)?;
        let instance = params![stored_mode(of.mode), of.currency, of.now.millis()];
        checksum::register(&connection)?;
        let sql = "INSERT INTO instance (only_row, mode, currency, created_at, checksum)
                   VALUES (1, ?1, ?2, ?3, row_checksum('only_row', 1, 'mode', ?1, 'currency', ?2, 'created_at', ?3))";
        connection.execute(sql, instance)?;
        mark::insert(&connection, of.schema_cookie)
    };
    fill().map_err(sqlite)?;
    connection.close().map_err(|(_, cause)| sqlite(cause))?;
    fs::rename(&unfinished, path).map_err(io)?;
    sync_folder_of(path).map_err(io)
}

/// Makes an empty file one of escrowd, whose tables have no rows yet.
pub(crate) fn create_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;"))
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
        return Err(OpenError::unfit(path, problem));
    }
    Ok(())
}

/// Fails if there is a copy that has not its name yet. A restore that was interrupted has perhaps
/// moved the database that was there aside, and a fresh one would hide that.
fn refuse_unfinished_copy(path: &Path) -> Result<(), OpenError> {
    let copy = sibling(path, PARTIAL_SUFFIX);
    if !is_there(&copy) {
        return Ok(());
    }
    let shown = copy.display();
    let problem = if open_regular(&copy).is_ok_and(lock::is_held) {
        format!("a copy to this name is under way, in {shown}; wait for its end, or choose another name")
    } else {
        format!(
            "a restore was interrupted: {shown} is its copy, and the database that was there is perhaps beside it, under a \
             name with .replaced-; run `escrowd restore` again, or remove that copy to start afresh"
        )
    };
    Err(OpenError::unfit(path, problem))
}

/// Returns true if the file may be what a killed process has left of a copy: it is empty, its
/// first page was not written yet, or it is an escrowd file.
pub(crate) fn may_be_unfinished(path: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = open_regular(path).map(|file| file.take(APPLICATION_ID_AT as u64 + 4).read_to_end(&mut beginning));
    let is_ours = beginning
        .get(APPLICATION_ID_AT..)
        .is_some_and(|id| *id == APPLICATION_ID.to_be_bytes());
    matches!(read, Ok(Ok(_))) && (is_ours || beginning.iter().all(|byte| *byte == 0))
}

/// Returns true if there is a write-ahead log beside the file that is not empty.
pub(crate) fn has_log(path: &Path) -> bool {
    fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0)
}

/// Returns the path of the write-ahead log.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    sibling(path, "-wal")
}

/// Returns the path of SQLite's index of the write-ahead log.
pub(crate) fn index_of(path: &Path) -> PathBuf {
    sibling(path, "-shm")
}

/// Opens a file for reading.
///
/// # Errors
///
/// [`OpenError::NotOurs`] if it is no regular file: to open a pipe could take for ever.
pub(crate) fn open_regular(path: &Path) -> Result<File, OpenError> {
    let opened = match fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(not_regular(path)),
        Ok(_) => File::open(path),
        Err(error) => Err(error),
    };
    opened.map_err(OpenError::io(path))
}

/// Opens a file for reading as [`open_regular`] does, or returns `None` if there is none.
pub(crate) fn open_existing(path: &Path) -> Result<Option<File>, OpenError> {
    match open_regular(path) {
        Err(OpenError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

fn not_regular(path: &Path) -> OpenError {
    OpenError::NotOurs {
        path: path.to_owned(),
        reason: "it is not a regular file".to_owned(),
    }
}
