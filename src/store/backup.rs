//! Backups: a copy of a database with the files that its rows name, made while a service may
//! be using it, and audited before it gets its name.
//!
//! The copy is one snapshot. Its files are those that rows of the snapshot name; files are
//! never changed, and never removed once a row has named them, so they may be copied after
//! the rows.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, Transaction};

use crate::domain::file::FileName;
use crate::domain::mode::Mode;
use crate::domain::text::counted;
use crate::domain::time::Timestamp;
use crate::store::audit::{Audit, audit};
use crate::store::backup_files::{remove_files_without_database, remove_leftovers};
use crate::store::engine::SCHEMA_VERSION;
use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::files::{folder_of, is_there, sibling};
use crate::store::engine::sql;
use crate::store::engine::sqlite::backup::{Copying, FileCopyError, pin};
use crate::store::engine::sqlite::file::{self, PARTIAL_SUFFIX};
use crate::store::engine::sqlite::{blobs, connection, inspection};
use crate::store::tx::Snapshot;

/// The size of the source's write-ahead log, in bytes, at which a copy is given up. The log
/// grows by all that is written while the pages are copied.
const LOG_BYTES_MAX: u64 = 1 << 30;
/// The remedy for a name that is taken.
const CHOOSE_ANOTHER: &str = "choose another name";
/// The findings of an audit that a message shows.
pub(super) const SHOWN_MAX: usize = 3;

/// A finished backup.
#[derive(Debug)]
pub struct Backup {
    /// Bytes of the database.
    pub bytes: u64,
    /// Files that its rows name.
    pub files: u64,
    /// Transfers in it, as the audit counted them. `None` for a database of an earlier version,
    /// which this program cannot audit.
    pub transfers: Option<u64>,
    /// The ledger time of its newest commit; `None` in a fresh database.
    pub newest_at: Option<Timestamp>,
}

/// A part of the work, for showing progress.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Pages of the database.
    Pages {
        /// Copied so far.
        done: u64,
        /// In the whole database.
        all: u64,
        /// The present size of the source's write-ahead log in bytes.
        log_bytes: u64,
    },
    /// Files that rows name.
    Files {
        /// Copied so far.
        done: u64,
        /// In all.
        all: u64,
    },
    /// Transfers that the audit of the copy reads.
    Audit {
        /// Read so far.
        done: u64,
        /// In all.
        all: u64,
    },
}

/// Learns of each step, and may end a backup before its audit.
pub type OnStep<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

/// The reason why there is no backup. Nothing is left under its name.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The source, or the copy, cannot be opened as a database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database is on a PostgreSQL server.
    #[error(
        "escrowd copies database files only; back a PostgreSQL database up with its own means, such as pg_dump or \
         pg_basebackup"
    )]
    NotAFile,
    /// There is already something with this name.
    #[error("{path} exists already; {remedy}")]
    Exists {
        /// The file or folder.
        path: PathBuf,
        /// The way out.
        remedy: String,
    },
    /// Another backup with the same name is being made.
    #[error("another backup to {path} is being made; wait for its end, or choose another name")]
    InUse {
        /// The name of the backup.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("there is no room for {path}; make room, or choose another disk; nothing was left there")]
    NoRoom {
        /// The name of the backup.
        path: PathBuf,
    },
    /// A part of the copy cannot be read or written.
    #[error("{path} cannot be made: {problem}")]
    Failed {
        /// The name of the backup.
        path: PathBuf,
        /// The problem and its remedy.
        problem: String,
    },
    /// The copy is no sound ledger, since the source is none.
    #[error(
        "{path} is damaged ({}): {}; keep it as it is, run `escrowd check --deep` on it, and restore an earlier backup",
        counted(*total, "finding"),
        findings.join("; ")
    )]
    Damaged {
        /// The source.
        path: PathBuf,
        /// The first findings.
        findings: Vec<String>,
        /// The number of all findings.
        total: u64,
    },
    /// The source belongs to another mode.
    #[error("{path} was made for {found} mode, and {wanted}")]
    OtherMode {
        /// The source.
        path: PathBuf,
        /// Its mode.
        found: Mode,
        /// The rule, and the command for the other mode.
        wanted: &'static str,
    },
    /// The database has another currency than it must have.
    #[error("{path} is in {found}, and {wanted}")]
    OtherCurrency {
        /// The database.
        path: PathBuf,
        /// Its currency.
        found: String,
        /// The rule, with the other currency and the remedy.
        wanted: String,
    },
    /// The write-ahead log of the source grew too much while its pages were copied.
    #[error(
        "{path} is written so fast that its write-ahead log reached {log_bytes} bytes before all pages were copied; back it up at a quieter time, or to a faster disk"
    )]
    LogTooLong {
        /// The source.
        path: PathBuf,
        /// The size of the log.
        log_bytes: u64,
    },
    /// The service stops.
    #[error("the backup was ended before it was whole, since the service stops")]
    Stopped,
}

/// Copies a database and its files to a new name, which is a whole database of its own. The
/// source may be in use.
///
/// # Errors
///
/// Fails if the name is taken, if a part cannot be read or written, and if the copy is not
/// sound. Nothing is left under the name.
pub fn backup(from: &Path, to: &Path, on_step: OnStep<'_>) -> Result<Backup, BackupError> {
    let from = &file::resolve(from)?;
    connection::check_to_audit(from)?;
    let source = connection::open_to_audit(from)?;
    Source {
        path: from,
        connection: &source,
        version: SCHEMA_VERSION,
    }
    .copy_to(to, on_step)
}

/// A database that is read.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) connection: &'a Connection,
    /// The version of its schema.
    pub(super) version: u32,
}

impl Source<'_> {
    /// Copies the source to a new name.
    pub(super) fn copy_to(&self, to: &Path, on_step: OnStep<'_>) -> Result<Backup, BackupError> {
        refuse_unfit(to)?;
        refuse_existing(to)?;
        let (copying, made) = self.prepare(to, on_step)?;
        remove_files_without_database(to).map_err(|error| failed(error.into(), to))?;
        finish(copying, to)?;
        Ok(made)
    }

    /// Makes a whole and sound copy under an unfinished name.
    pub(super) fn prepare(&self, to: &Path, on_step: OnStep<'_>) -> Result<(Copying, Backup), BackupError> {
        refuse_unfit(to)?;
        let as_backup_error = |error: FileCopyError| failed(error, to);
        let sqlite = |error: rusqlite::Error| as_backup_error(error.into());
        let copying = Copying::begin(to).map_err(as_backup_error)?;
        let unfinished = copying.path().to_owned();
        remove_leftovers(to).map_err(|error| as_backup_error(error.into()))?;
        let snapshot = pin(self.connection).map_err(sqlite)?;
        self.copy_pages(&copying, &snapshot, to, on_step)?;
        let newest_at = Snapshot::of(sql::Connection::of(&snapshot)).newest_ledger_time();
        let names = names_of_files(&snapshot).map_err(sqlite)?;
        // From here on the source's log may start anew.
        drop(snapshot);
        let files = CopyOfFiles {
            from: self.path,
            to: &unfinished,
            for_backup: to,
        };
        let copied = files.copy(&names, on_step).and_then(|()| {
            let transfers = self.check(&unfinished, on_step)?;
            let bytes = fs::metadata(&unfinished)
                .map_err(|error| as_backup_error(error.into()))?
                .len();
            Ok(Backup {
                bytes,
                files: names.len() as u64,
                transfers,
                newest_at: newest_at.map_err(|cause| OpenError::Damaged {
                    path: self.path.to_owned(),
                    cause,
                })?,
            })
        });
        match copied {
            Ok(made) => Ok((copying, made)),
            Err(error) => {
                // The next backup with this name removes files that cannot be removed now.
                drop(blobs::remove_all(&unfinished));
                Err(error)
            }
        }
    }

    fn copy_pages(
        &self,
        copying: &Copying,
        snapshot: &Transaction<'_>,
        to: &Path,
        on_step: OnStep<'_>,
    ) -> Result<(), BackupError> {
        let log = file::log_of(self.path);
        let mut too_long = None;
        let copied = copying.pages(snapshot, &mut |done, all| {
            let log_bytes = fs::metadata(&log).map_or(0, |log| log.len());
            if log_bytes > LOG_BYTES_MAX && done < all {
                too_long = Some(log_bytes);
                return ControlFlow::Break(());
            }
            on_step(Step::Pages { done, all, log_bytes })
        });
        match (copied, too_long) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(log_bytes)) => Err(BackupError::LogTooLong {
                path: self.path.to_owned(),
                log_bytes,
            }),
            (Err(error), None) => Err(failed(error, to)),
        }
    }

    /// Audits the copy, and returns the number of its transfers. The pages of an earlier
    /// version are checked by SQLite only.
    fn check(&self, copy: &Path, on_step: OnStep<'_>) -> Result<Option<u64>, BackupError> {
        if self.version < SCHEMA_VERSION {
            let whole = inspection::check_pages(copy);
            return whole.map(|()| None).map_err(|problem| self.damaged(vec![problem], 1));
        }
        let mut is_stopped = false;
        let audited = audit(&copy.to_owned().into(), &mut |done, all| {
            // The audit itself goes on to its end.
            is_stopped |= on_step(Step::Audit { done, all }).is_break();
        });
        if is_stopped {
            return Err(BackupError::Stopped);
        }
        let Audit {
            transfers,
            findings,
            findings_total,
            ..
        } = audited?;
        if findings_total == 0 {
            return Ok(Some(transfers));
        }
        let first = findings.iter().take(SHOWN_MAX).map(ToString::to_string);
        Err(self.damaged(first.collect(), findings_total))
    }

    fn damaged(&self, findings: Vec<String>, total: u64) -> BackupError {
        BackupError::Damaged {
            path: self.path.to_owned(),
            findings,
            total,
        }
    }
}

/// Gives a finished copy its name, the files first: a database has its files from the first
/// moment. If it does not get the name, removes its files.
pub(super) fn finish(mut copying: Copying, to: &Path) -> Result<(), BackupError> {
    let unfinished = copying.path().to_owned();
    let has_files = is_there(&blobs::root_of(&unfinished));
    let mut give_name = || {
        if is_there(to) {
            // A database that has appeared meanwhile must not get the files of this one.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        blobs::rename_all(&unfinished, to)?;
        copying.keep_as(to)
    };
    let named = give_name();
    if has_files && !copying.is_kept() {
        let is_renamed = !is_there(&blobs::root_of(&unfinished));
        // The next backup with this name removes files that cannot be removed now.
        drop(blobs::remove_all(if is_renamed { to } else { &unfinished }));
    }
    named
        .and_then(|()| blobs::mark_finished(to))
        .map_err(|error| failed(error.into(), to))
}

/// Refuses a name that belongs to the service beside another database, which would then remove
/// the copy or write over it, and one whose unfinished name is taken by something of another
/// program.
pub(super) fn refuse_unfit(to: &Path) -> Result<(), BackupError> {
    let name = to.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    let problem = if name.is_empty() {
        Some("it names no file".to_owned())
    } else if file::ends_as_folder(to) {
        Some(file::ENDS_AS_FOLDER.to_owned())
    } else if let Some(suffix) = file::suffix_of_service(to) {
        Some(format!(
            "names that end in {suffix} belong to the service, beside the database whose name stands before it; choose \
             another name, such as one that ends in .db"
        ))
    } else {
        database_of_folder(to).map(|database| {
            format!(
                "its folder has the files of the database {}; choose another folder",
                database.display()
            )
        })
    };
    if let Some(problem) = problem {
        let path = to.to_owned();
        return Err(BackupError::Failed { path, problem });
    }
    let unfinished = sibling(to, PARTIAL_SUFFIX);
    let files = blobs::root_of(&unfinished);
    let foreign = if is_there(&unfinished) && !file::may_be_unfinished(&unfinished) {
        unfinished
    } else if is_there(&files) && !blobs::may_be_unfinished(&unfinished) {
        files
    } else {
        return Ok(());
    };
    Err(BackupError::Exists {
        path: foreign,
        remedy: "it is no part of an unfinished copy, which has this name; move it away, or choose another name"
            .to_owned(),
    })
}

/// Returns the database whose files are in the folder of this path, or above it.
fn database_of_folder(path: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder_of(path)).ok()?;
    folder.ancestors().find_map(|folder| {
        let database = folder.file_name()?.to_str()?.strip_suffix("-files")?;
        Some(folder.with_file_name(database)).filter(|database| database.is_file())
    })
}

/// Refuses a name under which there is something.
pub(super) fn refuse_existing(to: &Path) -> Result<(), BackupError> {
    for path in [to.to_owned(), file::log_of(to)] {
        if is_there(&path) {
            return Err(BackupError::Exists {
                path,
                remedy: CHOOSE_ANOTHER.to_owned(),
            });
        }
    }
    let files = blobs::root_of(to);
    if is_there(&files) && !blobs::is_unfinished(to) {
        return Err(BackupError::Exists {
            path: files,
            remedy: format!("it belongs to no database; {CHOOSE_ANOTHER}, or move it away"),
        });
    }
    Ok(())
}

fn names_of_files(snapshot: &Transaction<'_>) -> rusqlite::Result<Vec<String>> {
    let mut names = snapshot.prepare("SELECT name FROM file ORDER BY name")?;
    names.query_map([], |row| row.get(0))?.collect()
}

/// The files of a database on their way into a backup.
struct CopyOfFiles<'a> {
    from: &'a Path,
    to: &'a Path,
    /// The final name, for messages.
    for_backup: &'a Path,
}

impl CopyOfFiles<'_> {
    fn copy(&self, names: &[String], on_step: OnStep<'_>) -> Result<(), BackupError> {
        if names.is_empty() {
            return Ok(());
        }
        let all = names.len() as u64;
        let as_backup_error = |error: io::Error| failed(error.into(), self.for_backup);
        blobs::begin_unfinished(self.to).map_err(as_backup_error)?;
        for (done, name) in (1..).zip(names) {
            self.copy_one(name)?;
            if on_step(Step::Files { done, all }).is_break() {
                return Err(BackupError::Stopped);
            }
        }
        blobs::sync_all(self.to).map_err(as_backup_error)
    }

    fn copy_one(&self, name: &str) -> Result<(), BackupError> {
        let damaged = |problem: String| BackupError::Damaged {
            path: self.from.to_owned(),
            findings: vec![problem],
            total: 1,
        };
        let file = FileName::parse(name).ok_or_else(|| damaged(format!("{name:?} is no name of a file")))?;
        let bytes = blobs::content(self.from, file).map_err(|error| damaged(error.to_string()))?;
        blobs::write_copy(self.to, file, &bytes).map_err(|error| failed(error.into(), self.for_backup))
    }
}

/// Says why a copy was not made.
pub(super) fn failed(error: FileCopyError, to: &Path) -> BackupError {
    let path = to.to_owned();
    let problem = match error {
        FileCopyError::Stopped => return BackupError::Stopped,
        FileCopyError::InUse => return BackupError::InUse { path },
        FileCopyError::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
            return BackupError::NoRoom { path };
        }
        FileCopyError::Sqlite(error) => Error::from(error).to_string(),
        busy @ FileCopyError::Busy => busy.to_string(),
        FileCopyError::Io(error) => match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let remedy = CHOOSE_ANOTHER.to_owned();
                return BackupError::Exists { path, remedy };
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => return BackupError::NoRoom { path },
            io::ErrorKind::NotFound if !folder_of(to).exists() => {
                "its folder does not exist; make the folder first".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                format!("{error}; let this user write in its folder, or choose another one")
            }
            _ => error.to_string(),
        },
    };
    BackupError::Failed { path, problem }
}
