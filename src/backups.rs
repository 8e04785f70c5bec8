//! Makes a backup of the database from time to time, in a folder that the configuration names, and
//! removes the oldest ones. Runs on a thread of its own. After each slice of pages or files the thread
//! pauses for as long as the slice took, up to [`SLICE_PAUSE_MAX`], so that the service can use the
//! disk. While the write-ahead log is large, it makes no pauses between slices of pages.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::background::{BackgroundTask, BackgroundThread, Stop};
use crate::domain::time::Timestamp;
use crate::store::{self, BackupError, FOLDER_PERMISSIONS, Step, Store};

/// The pause before a failed backup is tried again. It doubles with each further failure, since each
/// attempt may copy the whole database.
const RETRY_PAUSE_MIN: Duration = Duration::from_mins(1);
/// The longest pause before a failed backup is tried again, unless the interval of the schedule is
/// shorter.
const RETRY_PAUSE_MAX: Duration = Duration::from_hours(1);
/// The longest pause between two looks at the clock.
const LOOK_PAUSE_MAX: Duration = Duration::from_mins(1);
/// The longest pause after a slice of pages.
const SLICE_PAUSE_MAX: Duration = Duration::from_millis(100);
/// The size of the write-ahead log from which a backup makes no pauses, so that it ends soon
/// and the log can start anew.
const LOG_BYTES_HURRY: u64 = 64 << 20;
/// The time for which a stop waits for the thread. The audit of a copy is not interrupted; it
/// ends with the process, and the next backup removes the copy.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);
/// The priority of the thread: it gives way to the threads of the service.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// The schedule of the backups.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) folder: PathBuf,
    pub(crate) every: Duration,
    /// The number of backups that stay.
    pub(crate) kept: usize,
    /// The database, whose name the backups carry.
    pub(crate) database: PathBuf,
}

/// The outcome of the backups so far, for the metrics.
#[derive(Debug, Default)]
pub struct BackupHealth {
    /// Milliseconds since 1970, 0 before the first success.
    last_success_millis: AtomicI64,
    failures: AtomicU64,
}

impl BackupHealth {
    /// Returns the ledger time of the newest backup that succeeded, also before this start.
    pub fn last_success(&self) -> Option<Timestamp> {
        Timestamp::from_millis(self.last_success_millis.load(Ordering::Relaxed)).filter(|at| at.millis() > 0)
    }

    /// Returns the number of backups that failed since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// The running backups. Dropping it ends them: a copy under way is given up, and no more of its
/// pages are read after that.
pub(crate) struct Backups {
    health: Arc<BackupHealth>,
    thread: BackgroundThread,
}

impl Backups {
    /// Starts the thread.
    pub(crate) fn start(store: Store, schedule: Schedule) -> io::Result<Self> {
        let health = Arc::new(BackupHealth::default());
        let panics = Arc::clone(store.panics());
        let mut keeper = Keeper {
            store,
            schedule,
            health: Arc::clone(&health),
            due: None,
            is_under_way: false,
            failed: 0,
        };
        let thread = BackgroundThread::start(BackgroundTask::Backups, panics, move |stop| keeper.run(stop))?;
        Ok(Self { health, thread })
    }

    /// Returns the outcome of the backups so far.
    pub(crate) fn health(&self) -> Arc<BackupHealth> {
        Arc::clone(&self.health)
    }
}

impl Drop for Backups {
    fn drop(&mut self) {
        if !self.thread.stop_within(STOP_TIME_MAX) {
            log::info!("a backup is still being checked; it ends with the service, and the next one takes its place");
        }
    }
}

struct Keeper {
    store: Store,
    schedule: Schedule,
    health: Arc<BackupHealth>,
    /// The time of the next backup, `None` before the first run.
    due: Option<Timestamp>,
    /// True while a backup is made. A panic leaves it so.
    is_under_way: bool,
    /// The number of failures since the last success.
    failed: u32,
}

impl Keeper {
    /// Makes backups until the sign to stop. A run after a panic goes on with the same schedule.
    fn run(&mut self, stop: &Stop) {
        if mem::take(&mut self.is_under_way) {
            self.count_failure();
        }
        loop {
            let due = self.due.unwrap_or_else(|| self.begin());
            let left = due.millis() - self.store.ledger_time().millis();
            let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
            if !left.is_zero() {
                if stop.comes_within(left.min(LOOK_PAUSE_MAX)) {
                    return;
                }
                continue;
            }
            let started = self.store.ledger_time();
            self.is_under_way = true;
            let made = self.back_up(started, stop);
            self.is_under_way = false;
            match made {
                Err(BackupError::Stopped) => return,
                Err(error) => {
                    let next = self.count_failure();
                    log::error!("no backup was made: {error}; the next attempt is at {next}");
                }
                Ok(()) => {
                    self.failed = 0;
                    self.due = Some(later(started, self.schedule.every));
                }
            }
        }
    }

    /// Looks for the newest backup, and returns the time of the next one.
    fn begin(&mut self) -> Timestamp {
        let mut due = self.store.ledger_time();
        // A backup of the future is of a clock that was wrong.
        let existing = self.existing().unwrap_or_default();
        let newest = existing.into_iter().filter(|made| *made <= due).max();
        if let Some(newest) = newest {
            self.health
                .last_success_millis
                .store(newest.millis(), Ordering::Relaxed);
            due = later(newest, self.schedule.every);
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::nice(NICE) {
            log::debug!("backups run with the service's own priority: {error}");
        }
        self.due = Some(due);
        due
    }

    /// Counts a backup that has failed now. Returns the time of the next attempt.
    fn count_failure(&mut self) -> Timestamp {
        self.health.failures.fetch_add(1, Ordering::Relaxed);
        self.failed = self.failed.saturating_add(1);
        let next = later(
            self.store.ledger_time(),
            retry_pause(self.failed).min(self.schedule.every),
        );
        self.due = Some(next);
        next
    }

    fn back_up(&self, at: Timestamp, stop: &Stop) -> Result<(), BackupError> {
        let folder = &self.schedule.folder;
        let to = folder.join(self.name(at));
        let made = DirBuilder::new().mode(FOLDER_PERMISSIONS).create(folder);
        if let Err(error) = made
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            let problem = format!("the folder cannot be made: {error}; make it, or change backups.folder");
            return Err(BackupError::Failed { path: to, problem });
        }
        self.remove_unfinished();
        let started = Instant::now();
        let mut slice_began = started;
        let mut on_step = |step| {
            let pause = match step {
                Step::Pages { log_bytes, .. } if log_bytes < LOG_BYTES_HURRY => slice_began.elapsed(),
                Step::Files { .. } => slice_began.elapsed(),
                Step::Pages { .. } | Step::Audit { .. } => Duration::ZERO,
            };
            let is_stopped = stop.comes_within(pause.min(SLICE_PAUSE_MAX));
            slice_began = Instant::now();
            if is_stopped {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let backup = self.store.backup(&to, &mut on_step)?;
        self.health.last_success_millis.store(at.millis(), Ordering::Relaxed);
        log::info!(
            "backup {} made and checked in {} ms: {} bytes and {} files",
            to.display(),
            started.elapsed().as_millis(),
            backup.bytes,
            backup.files
        );
        self.remove_oldest(at);
        Ok(())
    }

    /// Removes all but the newest backups up to this time, which is that of the last one. Those
    /// with a later time are of a clock that was wrong, and take no place from a good one. A
    /// backup that is in use, or cannot be removed, is logged and stays.
    fn remove_oldest(&self, newest: Timestamp) {
        let mut times = match self.existing() {
            Ok(times) => times,
            Err(error) => return self.tell_kept(&self.schedule.folder, &error),
        };
        times.retain(|time| *time <= newest);
        times.sort_unstable_by(|a, b| b.cmp(a));
        for old in times.into_iter().skip(self.schedule.kept) {
            let path = self.schedule.folder.join(self.name(old));
            if let Err(error) = store::remove_backup(&path) {
                self.tell_kept(&path, &error);
            }
        }
    }

    fn tell_kept(&self, path: &Path, error: &io::Error) {
        log::warn!(
            "old backups in {} stay: {}: {error}; they are removed after a later backup, or remove them yourself",
            self.schedule.folder.display(),
            path.display()
        );
    }

    /// Removes the parts that killed services left of their backups. A backup that another
    /// service is making is left alone. A part that cannot be removed is tried again at the next
    /// backup.
    fn remove_unfinished(&self) {
        let names = fs::read_dir(&self.schedule.folder).into_iter().flatten().flatten();
        let times = names.filter_map(|entry| Some(self.time_in(entry.file_name().to_str()?)?.0));
        for time in times.collect::<BTreeSet<_>>() {
            drop(store::remove_unfinished(&self.schedule.folder.join(self.name(time))));
        }
    }

    /// Returns the times of the backups in the folder.
    fn existing(&self) -> io::Result<Vec<Timestamp>> {
        let mut times = Vec::new();
        for entry in fs::read_dir(&self.schedule.folder)? {
            let entry = entry?;
            let is_file = entry.file_type()?.is_file();
            let name = entry.file_name();
            match name.to_str().and_then(|name| self.time_in(name)) {
                Some((time, "")) if is_file => times.push(time),
                _ => {}
            }
        }
        Ok(times)
    }

    /// Returns the name of the backup of this time, such as `escrowd-20261127T054500Z.db`.
    fn name(&self, at: Timestamp) -> String {
        format!("{}-{}.db", self.stem(), at.compact_text())
    }

    /// Returns the time in a name, if the service gives such names, and what comes after the name of
    /// the backup itself.
    fn time_in<'a>(&self, name: &'a str) -> Option<(Timestamp, &'a str)> {
        let name = name.strip_prefix(self.stem().as_str())?.strip_prefix('-')?;
        let (time, suffix) = name.split_once(".db")?;
        Some((Timestamp::parse_compact(time)?, suffix))
    }

    fn stem(&self) -> String {
        let stem = self.schedule.database.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }
}

/// Returns the pause after this many failures, which are one at least.
fn retry_pause(failed: u32) -> Duration {
    let times = 1_u32.checked_shl(failed - 1).unwrap_or(u32::MAX);
    RETRY_PAUSE_MIN.saturating_mul(times).min(RETRY_PAUSE_MAX)
}

fn later(at: Timestamp, pause: Duration) -> Timestamp {
    at.millis_later(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_backup_is_tried_again_within_an_hour() {
        let minutes: Vec<u64> = (1..9).map(|failed| retry_pause(failed).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retry_pause(u32::MAX), RETRY_PAUSE_MAX);
    }
}
