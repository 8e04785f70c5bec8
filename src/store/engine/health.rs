//! The outcome of the writer's last commit, for health checks, which must not write to the
//! disk each time.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::store::engine::error::Error;

/// With less free room than this, a full disk has not recovered. A small write can succeed
/// where the next one fails.
const FREE_BYTES_MIN: u64 = 256 * 1024;

/// The state of the disk, as the last write found it.
pub(crate) struct Health {
    database: PathBuf,
    /// The error of the last write, `None` after a success.
    last: Mutex<Option<Error>>,
    /// The error that ended the writer, if callers must know it.
    end: OnceLock<Error>,
    /// The damage because of which writes are refused, although the writer runs.
    damage: OnceLock<Error>,
}

impl Health {
    pub(crate) fn of(database: &Path) -> Self {
        Self {
            database: database.to_owned(),
            last: Mutex::new(None),
            end: OnceLock::new(),
            damage: OnceLock::new(),
        }
    }

    /// Records the outcome of a write to the disk.
    pub(crate) fn record(&self, outcome: Result<(), Error>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
    }

    /// Returns the error of the last write.
    pub(crate) fn last(&self) -> Result<(), Error> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().map_or(Ok(()), Err)
    }

    /// Returns true if the disk has room to try a write again after a failure.
    pub(crate) fn has_room(&self) -> bool {
        let folder = self.database.parent().unwrap_or(Path::new("/"));
        rustix::fs::statvfs(folder).is_ok_and(|system| {
            let bytes = system.f_bavail.saturating_mul(system.f_frsize);
            bytes >= FREE_BYTES_MIN
        })
    }

    /// Refuses all later writes with this error.
    pub(crate) fn refuse_writes(&self, damage: Error) {
        // The first damage stands for all.
        drop(self.damage.set(damage));
    }

    /// Returns the error with which writes are refused, if they are.
    pub(crate) fn damage(&self) -> Option<Error> {
        self.damage.get().cloned()
    }

    /// Sets the error that all later writes get.
    pub(crate) fn end(&self, error: Error) {
        // The writer ends once.
        drop(self.end.set(error));
    }

    /// Returns the error of a write after the writer has ended.
    pub(crate) fn after_end(&self) -> Error {
        self.end.get().cloned().unwrap_or(Error::Stopped)
    }
}
