//! What can go wrong with storage, told apart by what the caller may conclude.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Why a read or a write did not happen. Except for
/// [`Error::OutcomeUnknown`], nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Too many writes are waiting; try again shortly.
    #[error("too many writes are waiting")]
    QueueFull,
    /// Another program is writing to the file; try again shortly.
    #[error("another program is writing to the file")]
    FileBusy,
    /// There is no room left in the file or on its disk.
    #[error("no room left to store anything")]
    StorageFull,
    /// The store is stopping or has stopped.
    #[error("the store has stopped")]
    Stopped,
    /// The command panicked; the next one is not affected.
    #[error("the command panicked")]
    Panicked,
    /// Another command of the same commit broke it off, on a full or failing disk.
    #[error("the commit was broken off")]
    Abandoned,
    /// The command told something that was not written down for subscribers: a bug.
    #[error("the command left untold what subscribers must hear")]
    UnrecordedEvents,
    /// SQLite refused: a bug, or a broken file.
    #[error("SQLite: {0}")]
    Sqlite(Arc<rusqlite::Error>),
    /// The folder of files could not be read or written.
    #[error("the folder of files: {0}")]
    Files(Arc<io::Error>),
    /// No connection for reading came free in time.
    #[error("no connection for reading: {0}")]
    NoReader(String),
    /// A stored value that the domain cannot read, or a row that should be there.
    #[error("the stored data is broken: {0}")]
    Corrupt(String),
    /// The commit failed in a way that leaves open whether it took effect. The
    /// store stops, and the next start finds out.
    #[error("the outcome of the commit is unknown: {0}")]
    OutcomeUnknown(Arc<rusqlite::Error>),
    /// The disk failed to keep what moved from the log into the file. The store
    /// stops, and the next start copies the whole log again.
    #[error("the disk failed: {0}")]
    NotOnDisk(String),
}

/// A write that had to find its row and did not is a bug, caught before it can
/// do harm.
pub(crate) fn one_row(changed: usize, what: &str) -> Result<(), Error> {
    if changed == 1 {
        Ok(())
    } else {
        Err(Error::Corrupt(format!("{what} was expected and not found")))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::StorageFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::FileBusy,
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull,
            _ => Self::Files(Arc::new(error)),
        }
    }
}

/// Why a file cannot be opened, with the path and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server has it.
    #[error("{path} is in use by {holder}; stop that server, or choose another file with --database")]
    InUse {
        /// The database file.
        path: PathBuf,
        /// Who holds it, as far as is known.
        holder: String,
    },
    /// It exists and was not made by escrowd.
    #[error("{path} is not an escrowd file ({reason}); it was left untouched, choose another with --database")]
    NotOurs {
        /// The database file.
        path: PathBuf,
        /// What it looks like instead.
        reason: String,
    },
    /// It was made by a later version.
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
    /// It was made for another mode or currency.
    #[error(
        "{path} was made for {made_for} and cannot serve {asked_for}; choose another file with --database, or change the setting back"
    )]
    OtherInstance {
        /// The database file.
        path: PathBuf,
        /// Mode and currency of the file.
        made_for: String,
        /// Mode and currency of the configuration.
        asked_for: String,
    },
    /// A setting did not take, or the SQLite library is too old.
    #[error("{path}: {problem}")]
    Unfit {
        /// The database file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system refused access.
    #[error(
        "{path} cannot be opened: {cause}; check that the folder exists, and that it and the file are readable and writable"
    )]
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// SQLite refused to work with it.
    #[error("{path} cannot be used: {cause}; `escrowd check` says more if the file is damaged")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        cause: rusqlite::Error,
    },
    /// It is one of ours and cannot be read to its end.
    #[error("{path} is damaged: {cause}; keep the file as it is and restore a backup")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What went wrong.
        cause: Error,
    },
    /// It opened, and what is in it cannot be read.
    #[error("{path} cannot be used: {cause}; `escrowd check` says more if the file is damaged")]
    Store {
        /// The database file.
        path: PathBuf,
        /// What went wrong.
        cause: Error,
    },
}
