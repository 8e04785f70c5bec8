//! The outcome of the writer's last commit, for health checks, which must not write to the
//! disk each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::store::engine::error::Error;
use crate::store::engine::files;

/// With less free room than this, a full disk has not recovered. A small write can succeed
/// where the next one fails.
const FREE_BYTES_MIN: u64 = 256 * 1024;
/// The pause between two writes that only find out if writing is possible again.
const TRY_PAUSE: Duration = Duration::from_secs(1);

/// A server's disk counts as having room again once no write has found it full for this long.
const ROOM_PAUSE: Duration = Duration::from_secs(5);

/// A change of the room on the disk.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    None,
    Again,
}

/// The state of the disk, or of PostgreSQL, as the last write found it.
pub(crate) struct Health {
    /// The database file, if there is one on this machine.
    database: Option<PathBuf>,
    /// The error of the last write, `None` after a success.
    last: Mutex<Option<Error>>,
    /// The time of the last write that found the disk full, if the log has not yet said that there is
    /// room again.
    full_at: Mutex<Option<Instant>>,
    /// The error that ended the writer, if callers must know it.
    end: OnceLock<Error>,
    /// The damage because of which writes are refused, although the writer runs.
    damage: OnceLock<Error>,
    /// The writer has ended.
    has_ended: AtomicBool,
    /// The time from which [`Health::may_try_again`] allows another write.
    next_try: Mutex<Instant>,
}

/// The sizes of the files in bytes, `None` if a file cannot be found.
#[derive(Clone, Copy, Debug)]
pub struct FileSizes {
    pub database: Option<u64>,
    /// The write-ahead log.
    pub log: Option<u64>,
}

impl Health {
    pub(crate) fn of(database: Option<&Path>) -> Self {
        Self {
            database: database.map(Path::to_owned),
            last: Mutex::new(None),
            full_at: Mutex::new(None),
            end: OnceLock::new(),
            damage: OnceLock::new(),
            has_ended: AtomicBool::new(false),
            next_try: Mutex::new(Instant::now()),
        }
    }

    /// Records the outcome of a write to the disk. Logs once that the disk is full, and once that
    /// there is room again.
    pub(crate) fn record(&self, outcome: Result<(), Error>) {
        if let Some(change) = self.change_of_room(&outcome, Instant::now()) {
            match change {
                Room::None => log::error!(
                    "the disk of {} is full; writes are refused until there is room",
                    self.place()
                ),
                Room::Again => log::warn!("the disk of {} has room again; writes go on", self.place()),
            }
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
    }

    /// Returns the change of the room on the disk after a write with this outcome, if it is to be
    /// logged.
    fn change_of_room(&self, outcome: &Result<(), Error>, now: Instant) -> Option<Room> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        match (outcome, *full_at) {
            (Err(Error::StorageFull), before) => {
                *full_at = Some(now);
                before.is_none().then_some(Room::None)
            }
            (Ok(()), Some(at)) if self.has_room_since(at, now) => {
                *full_at = None;
                Some(Room::Again)
            }
            _ => None,
        }
    }

    /// Returns true if a disk that was full has room again. That of a server shows its room only by
    /// writes: small ones succeed between others that find it full.
    fn has_room_since(&self, full_at: Instant, now: Instant) -> bool {
        match self.database {
            Some(_) => self.has_room(),
            None => now.duration_since(full_at) >= ROOM_PAUSE,
        }
    }

    fn place(&self) -> String {
        let database = self.database.as_deref();
        database.map_or_else(|| "the PostgreSQL server".to_owned(), |path| path.display().to_string())
    }

    /// Returns the error of the last write.
    pub(crate) fn last(&self) -> Result<(), Error> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().map_or(Ok(()), Err)
    }

    /// Returns true if the disk, unless it is that of a server, has room to try a write again after
    /// a failure.
    pub(crate) fn has_room(&self) -> bool {
        let Some(database) = &self.database else {
            return true;
        };
        files::free_bytes(files::folder_of(database)).is_some_and(|bytes| bytes >= FREE_BYTES_MIN)
    }

    /// Returns true at most once in [`TRY_PAUSE`].
    pub(crate) fn may_try_again(&self) -> bool {
        let now = Instant::now();
        let mut next = self.next_try.lock().unwrap_or_else(PoisonError::into_inner);
        let may = *next <= now;
        if may {
            *next = now + TRY_PAUSE;
        }
        may
    }

    /// Returns the sizes of the files.
    pub(crate) fn file_sizes(&self) -> FileSizes {
        let size_of = |path: &Path| fs::metadata(path).ok().map(|file| file.len());
        let Some(database) = &self.database else {
            return FileSizes {
                database: None,
                log: None,
            };
        };
        FileSizes {
            database: size_of(database),
            log: size_of(&files::sibling(database, "-wal")),
        }
    }

    /// Checks that the writer runs and does not refuse writes.
    ///
    /// # Errors
    ///
    /// The error with which writes are refused.
    pub(crate) fn check_running(&self) -> Result<(), Error> {
        match self.damage() {
            Some(damage) => Err(damage),
            None if self.has_ended.load(Ordering::Acquire) => Err(self.after_end()),
            None => Ok(()),
        }
    }

    /// Tells that the writer has ended.
    pub(crate) fn writer_has_ended(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    /// Refuses all later writes with this error.
    pub(crate) fn refuse_writes(&self, damage: Error) {
        // The first damage stands for all.
        drop(self.damage.set(damage));
    }

    /// Refuses all later writes if work on the database failed with this error because it is
    /// damaged: what would be written next could rest on the damage, or be lost with it.
    pub(crate) fn heed(&self, error: &Error) {
        if error.is_damage() && self.damage.set(Error::LedgerBroken(error.to_string())).is_ok() {
            log::error!(
                "the ledger is broken: {error}; writes are refused: stop the service, run `escrowd check`, and keep the \
                 database"
            );
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_of_a_server_is_told_once_and_has_room_after_some_seconds_of_writes() {
        let health = Health::of(None);
        let start = Instant::now();
        let told = |outcome, seconds| health.change_of_room(&outcome, start + Duration::from_secs(seconds));
        assert_eq!(told(Ok(()), 0), None);
        assert_eq!(told(Err(Error::StorageFull), 1), Some(Room::None));
        for seconds in (2..20).step_by(2) {
            assert_eq!(told(Ok(()), seconds), None, "a small write");
            assert_eq!(told(Err(Error::StorageFull), seconds + 1), None);
        }
        assert_eq!(told(Ok(()), 23), None);
        assert_eq!(told(Err(Error::Abandoned), 30), None);
        assert_eq!(told(Ok(()), 30), Some(Room::Again));
        assert_eq!(told(Ok(()), 40), None);
        assert_eq!(told(Err(Error::StorageFull), 41), Some(Room::None));
    }
}
