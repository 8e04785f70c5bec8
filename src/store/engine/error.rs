//! The errors of the store. Variants differ where the caller must react differently.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;
use rustix::io::Errno;
use tokio_postgres::error::SqlState;

use crate::domain::time::Timestamp;

/// The reason why a read or a write failed. Nothing was changed, except perhaps after
/// [`Error::OutcomeUnknown`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Too many writes are waiting; try again shortly.
    #[error("too many writes are waiting")]
    QueueFull,
    /// Another program is writing to the file; try again shortly.
    #[error("another program is writing to the file")]
    FileBusy,
    /// The disk is full, or the file has reached its size limit.
    #[error("no room left to store anything")]
    StorageFull,
    /// The store is stopping or has stopped.
    #[error("the store has stopped")]
    Stopped,
    /// The command panicked and was rolled back; other commands are not affected.
    #[error("the command panicked")]
    Panicked,
    /// The group of the command could not be committed, or was rolled back while another command of it
    /// ran; the log says why. Nothing was changed.
    #[error("the commit was broken off")]
    Abandoned,
    /// The database file, or its log, was removed, replaced or cut off while the service ran. The
    /// store stops: what it would write from now on would be lost.
    #[error("{0}")]
    FileGone(String),
    /// A process of a newer build has migrated the PostgreSQL database. The store stops: its
    /// statements are those of the version before.
    #[error(
        "another process has migrated the database to schema version {found}, and this build knows version {known}; replace this build by the newer one"
    )]
    Migrated {
        /// The database's schema version.
        found: i64,
        /// The version of this program.
        known: u32,
    },
    /// The system's clock is further ahead of ledger time than it may be. The store accepts
    /// writes again when the clock is right.
    #[error(
        "the system's clock shows {clock} and ledger time is {ledger_time}, further apart than storage.clock_jump_hours_max"
    )]
    ClockJumped {
        /// The time that the system's clock shows.
        clock: Timestamp,
        /// The ledger time, which goes on without the clock.
        ledger_time: Timestamp,
    },
    /// Another error of SQLite: a bug, or a damaged file.
    #[error("SQLite: {0}")]
    Sqlite(Arc<rusqlite::Error>),
    /// Another error of PostgreSQL: a bug, or a damaged database.
    #[error("PostgreSQL: {}", describe_postgres(.0))]
    Postgres(Arc<tokio_postgres::Error>),
    /// No PostgreSQL server can be reached that takes writes, or the connection to it was
    /// lost before anything was committed; try again shortly.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The process, or the machine, has as many files open as it may; try again shortly.
    #[error("{0}; raise the limit of open files, or lower limits.connections_max")]
    TooManyFiles(Arc<io::Error>),
    /// The system gives the process no further thread; try again shortly.
    #[error("no thread can be started: {0}")]
    NoThread(String),
    /// The folder of blobs could not be read or written.
    #[error("the folder of files: {0}")]
    Files(Arc<io::Error>),
    /// No reader became free within the timeout.
    #[error("no connection for reading: {0}")]
    NoReader(String),
    /// Too many reads that may take long are waiting, or this one waited too long; try again
    /// shortly.
    #[error("too many reads are waiting")]
    TooManyReads,
    /// The read reached its deadline and was stopped.
    #[error("the read took too long")]
    ReadTooLong,
    /// A stored value that the domain cannot represent, or a missing row: a bug, or a
    /// damaged file.
    #[error("the stored data is broken: {0}")]
    Corrupt(String),
    /// The command acts for a merchant with this number that a reset left behind, or that was
    /// removed after one. Its rows are being removed, so none may be added.
    #[error("merchant {0} was left behind by a reset")]
    MerchantGone(i64),
    /// The check of the ledger beside the service's work, or other work on the file, found damage.
    /// Writes are refused from then on.
    #[error("the ledger is broken: {0}")]
    LedgerBroken(String),
    /// The commit failed, and the store cannot know if it took effect. The store stops, and
    /// the next start recovers the state before or after the commit.
    #[error("the outcome of the commit is unknown: {0}")]
    OutcomeUnknown(String),
    /// The disk failed during a checkpoint, or in a commit of the mark alone. The store stops, and the next start copies
    /// the whole log again.
    #[error("the disk failed: {0}")]
    DiskFailed(String),
}

impl Error {
    /// Returns true if SQLite found that the file is damaged, or PostgreSQL a table or an index.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            Self::Postgres(error) => {
                [Some(&SqlState::DATA_CORRUPTED), Some(&SqlState::INDEX_CORRUPTED)].contains(&error.code())
            }
            _ => false,
        }
    }

    /// Returns true if the error is of the rows that a command needs, or of a bug in it: the commands of
    /// others may succeed.
    pub const fn is_of_one_command(&self) -> bool {
        matches!(self, Self::Corrupt(_) | Self::Panicked | Self::MerchantGone(_))
    }

    /// Returns true if work in the background need not log this: another log line has already
    /// reported that all writes are refused, or the store has been stopped.
    pub const fn is_reported_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::ClockJumped { .. } | Self::LedgerBroken(_) | Self::Migrated { .. } | Self::Stopped
        )
    }
}

/// Checks that an `UPDATE` or `DELETE` of this many rows changed all of them.
///
/// # Errors
///
/// [`Error::Corrupt`] otherwise; the caller's savepoint is then rolled back.
pub(crate) fn all_rows(changed: usize, expected: usize, what: &str) -> Result<(), Error> {
    if changed == expected {
        Ok(())
    } else {
        Err(Error::Corrupt(format!("{what} was expected and not found")))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::StorageFull,
            Some(ErrorCode::OperationInterrupted) => Self::ReadTooLong,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::FileBusy,
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else {
            let is_connection =
                error.is_closed() || StdError::source(&error).is_some_and(<dyn StdError>::is::<io::Error>);
            return if is_connection {
                Self::Unreachable(error.to_string())
            } else {
                Self::Postgres(Arc::new(error))
            };
        };
        match *code {
            SqlState::DISK_FULL => Self::StorageFull,
            SqlState::QUERY_CANCELED => Self::ReadTooLong,
            SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED => Self::FileBusy,
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::DATABASE_DROPPED
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | SqlState::IDLE_SESSION_TIMEOUT
            | SqlState::READ_ONLY_SQL_TRANSACTION
            | SqlState::TOO_MANY_CONNECTIONS => Self::Unreachable(describe_postgres(&error)),
            _ => Self::Postgres(Arc::new(error)),
        }
    }
}

/// Returns what PostgreSQL says of an error, with the remedy if its settings are the cause, or what
/// the connection does.
pub(crate) fn describe_postgres(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return error.to_string();
    };
    let (message, code) = (said.message(), said.code());
    match remedy_for(code) {
        Some(remedy) => format!("{message} ({}); {remedy}", code.code()),
        None => format!("{message} ({})", code.code()),
    }
}

/// Returns what an operator of the server can do about an error.
fn remedy_for(code: &SqlState) -> Option<&'static str> {
    Some(match *code {
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            "name the primary in the URL, or turn off default_transaction_read_only for the role and the database"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "the role of the URL must own the tables and may create some in its schema (GRANT CREATE ON SCHEMA public)"
        }
        SqlState::INVALID_SCHEMA_NAME => "the search_path of the role must name a schema that exists",
        SqlState::TOO_MANY_CONNECTIONS => {
            "raise max_connections or the limit of the role or the database; docs/scaling.md says how many a process opens"
        }
        _ => return None,
    })
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull,
            _ if matches!(Errno::from_io_error(&error), Some(Errno::MFILE | Errno::NFILE)) => {
                Self::TooManyFiles(Arc::new(error))
            }
            _ => Self::Files(Arc::new(error)),
        }
    }
}

/// The reason why a database file and the write-ahead log beside it do not make a whole.
#[derive(Debug, thiserror::Error)]
pub enum LogLoss {
    /// The file was in use when it was last written or copied, and there is no log.
    #[error(
        "{path} was copied while its service ran, or the service was killed, and the write-ahead log {log} is missing or empty: the file alone ends at commit {commits} with transfer {newest_transfer}, and the log may hold later ones; put that log beside the file or restore a backup, or start with `escrowd serve --accept-loss` to go on without it"
    )]
    Missing {
        /// The database file.
        path: PathBuf,
        /// The log that is missing.
        log: PathBuf,
        /// The commits that the file counts.
        commits: i64,
        /// The number of the newest transfer in the file.
        newest_transfer: i64,
    },
    /// The log was not written for this state of the file.
    #[error(
        "the write-ahead log {log} does not belong to {path}: the file ends at commit {commits} with transfer {newest_transfer}, and the log {}; if you restored the file, move the log away, otherwise restore the file that belongs to the log; `escrowd serve --accept-loss` moves the log away and goes on with the file alone",
        describe(*.in_log)
    )]
    OfAnother {
        /// The database file.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// The commits that the file counts.
        commits: i64,
        /// The number of the newest transfer in the file.
        newest_transfer: i64,
        /// The first and the last commit in the log, if they are commits of an escrowd.
        in_log: Option<(i64, i64)>,
    },
}

fn describe(in_log: Option<(i64, i64)>) -> String {
    in_log.map_or_else(
        || "holds commits of another program".to_owned(),
        |(first, last)| format!("holds the commits {first} to {last} of another state of it"),
    )
}

/// The reason why a file cannot be opened. The messages name the path and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file open: a server, or a command that ends by itself.
    #[error("{path} is in use by {holder}; wait for its end or stop it, or choose another file")]
    InUse {
        /// The database file.
        path: PathBuf,
        /// The lock's holder, as it describes itself.
        holder: String,
    },
    /// The file exists and escrowd did not create it.
    #[error("{path} is not an escrowd file ({reason}); it was left untouched; choose another file")]
    NotOurs {
        /// The database file.
        path: PathBuf,
        /// The difference that was found.
        reason: String,
    },
    /// A later version of escrowd created the file.
    #[error(
        "{path} has schema version {found} and this escrowd knows up to {known}; it was left untouched, use a newer escrowd"
    )]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// The file's schema version.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// An earlier version of escrowd created the file, and no start has migrated it yet.
    #[error(
        "{path} has schema version {found} and this escrowd reads version {known}: a start of the service (`escrowd serve`) migrates it once and keeps a copy of it as it was; a copy that was kept so is read by the escrowd that made it only"
    )]
    TooOld {
        /// The database file.
        path: PathBuf,
        /// The file's schema version.
        found: u32,
        /// The version of this program.
        known: u32,
    },
    /// The file of an earlier version cannot be migrated.
    #[error("{path} has schema version {found} and cannot be migrated to version {known}: {problem}")]
    Migration {
        /// The database file.
        path: PathBuf,
        /// The file's schema version.
        found: u32,
        /// The version of this program.
        known: u32,
        /// The reason, the state of the file and the remedy.
        problem: String,
    },
    /// Another state of the program created the file, with the same schema version.
    #[error(
        "{path} has the schema {found} and this escrowd has {known}: another build of escrowd made it, or it was changed; it was left untouched, use the escrowd that made it, or choose another file"
    )]
    OtherSchema {
        /// The database file.
        path: PathBuf,
        /// The beginning of the hash of the file's schema.
        found: String,
        /// The beginning of the hash of this program's schema.
        known: String,
    },
    /// The write-ahead log is missing or belongs to another file.
    #[error(transparent)]
    Log(LogLoss),
    /// The file belongs to another mode or currency.
    #[error(
        "{path} was made for {made_for} and cannot serve {asked_for}; change the setting back, or choose another file"
    )]
    OtherInstance {
        /// The database file.
        path: PathBuf,
        /// Mode and currency of the file.
        made_for: String,
        /// Mode and currency of the configuration.
        asked_for: String,
    },
    /// SQLite did not apply a setting, the library is too old, or the path is unusable.
    #[error("{path}: {problem}")]
    Unfit {
        /// The database file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The operating system refused access.
    #[error(
        "{path} cannot be opened: {cause}; check that the folder exists, and that it and the file are readable and writable"
    )]
    Io {
        /// The file in question.
        path: PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// SQLite cannot open the file.
    #[error("{path} cannot be used: {cause}; `escrowd check` says more if the file is damaged")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// SQLite's error.
        cause: rusqlite::Error,
    },
    /// The file is an escrowd file and cannot be read to its end.
    #[error("{path} is damaged: {cause}; keep the file as it is and restore a backup")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// The error met.
        cause: Error,
    },
    /// The file opened, and its content cannot be read.
    #[error("{path} cannot be used: {cause}; `escrowd check` says more if the file is damaged")]
    Store {
        /// The database file.
        path: PathBuf,
        /// The error met.
        cause: Error,
    },
    /// A PostgreSQL database cannot be reached or read.
    #[error("the database {address} cannot be used: {cause}")]
    Postgres {
        /// Its URL without the password.
        address: String,
        /// The error met.
        cause: Error,
    },
    /// A PostgreSQL database, or its server, is not one for this service.
    #[error("the database {address} cannot be used: {problem}; it was left untouched")]
    OtherDatabase {
        /// Its URL without the password.
        address: String,
        /// The difference that was found, and the remedy.
        problem: String,
    },
}

impl OpenError {
    /// Returns the function that makes the error for a file which the operating system refused.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        |cause| Self::Io {
            path: path.to_owned(),
            cause,
        }
    }

    /// Returns the function that makes the error for a file which SQLite cannot open.
    pub(crate) fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> Self + Copy {
        |cause| Self::Sqlite {
            path: path.to_owned(),
            cause,
        }
    }

    /// Returns the error for a file with this problem.
    pub(crate) fn unfit(path: &Path, problem: impl Into<String>) -> Self {
        Self::Unfit {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// Returns the error as a check of the file shows it, which cannot send the reader to `escrowd check`.
    pub(crate) fn found_by_check(self) -> Self {
        let (path, cause) = match self {
            Self::Sqlite { path, cause } => (path, Error::from(cause)),
            Self::Store { path, cause } => (path, cause),
            other => return other,
        };
        if cause.is_damage() || matches!(cause, Error::Corrupt(_)) {
            return Self::Damaged { path, cause };
        }
        let problem = format!("it cannot be read: {cause}");
        Self::Unfit { path, problem }
    }

    /// Returns true if the message ends with the advice to choose another file. A command adds how
    /// to do that.
    pub(crate) const fn asks_for_another_file(&self) -> bool {
        matches!(
            self,
            Self::InUse { .. } | Self::NotOurs { .. } | Self::OtherSchema { .. } | Self::OtherInstance { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_open_files_is_told_from_a_broken_folder() {
        let of = |errno: Errno| Error::from(io::Error::from(errno));
        assert!(matches!(of(Errno::MFILE), Error::TooManyFiles(_)));
        assert!(matches!(of(Errno::NFILE), Error::TooManyFiles(_)));
        assert!(matches!(of(Errno::NOSPC), Error::StorageFull));
        assert!(matches!(of(Errno::IO), Error::Files(_)));
    }
}
