//! Checkpoints: copying the write-ahead log into the database file. A thread beside the
//! writer copies nearly all of it while commands go on. The writer copies only the
//! short rest, so no command waits long for a checkpoint.
//!
//! When fsync fails, the operating system may drop the unwritten pages and report the
//! error only once. After such a failure, of the file or of the log, the store copies nothing more
//! and stops. The log stays, and the next start copies all of it again.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::health::Health;
use crate::store::engine::sqlite::disk_failures::{commit_mark, of_disk, unless_disk_failed};
use crate::store::engine::sqlite::lock::LockedFile;
use crate::store::engine::sqlite::readers::Readers;
use crate::store::engine::sqlite::{connection, lock, mark};
use crate::store::engine::writer_meter::WriterMeter;

/// Passes of the thread over the log. The second pass copies the pages written during
/// the first, and leaves the writer those written during the second.
const PASSES: usize = 2;
/// Copies the pages that no reader needs in the log, without waiting for readers.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Reports the length of the log and copies nothing.
const NOOP: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Copies the whole log, and empties it if no reader uses it.
const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
/// The rest of the log that an idle writer copies itself. If the log is longer, the thread
/// copies nearly all of it first, since a command may arrive meanwhile.
const REST_PAGES_MAX: i64 = 1_000;
/// Attempts to mark the file itself open, which a read under way prevents.
const ARMING_ATTEMPTS_MAX: u32 = 20;
const ARMING_PAUSE: Duration = Duration::from_millis(1);
/// The warning of a checkpoint that failed and is tried again.
const POSTPONED: &str = "checkpoint postponed, the write-ahead log grows meanwhile";
/// The pause after a checkpoint of an idle log that a full disk or a reader prevented.
const PREVENTED_PAUSE: Duration = Duration::from_millis(2_500);

/// A handle of the database file for syncing it. SQLite itself syncs the file only once the
/// whole log is copied. The writer, which copies the rest, would then wait until everything
/// that the thread has copied is on the disk.
///
/// Closing any handle of a file drops all POSIX locks of the process on that file. This
/// handle must therefore be opened before every connection and outlive all of them.
#[derive(Clone, Debug)]
pub(crate) struct SyncHandle(Arc<LockedFile>);

impl SyncHandle {
    /// Opens the database file, which must exist and be writable, and locks it.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] when another server holds the lock under any path.
    pub(crate) fn open_locked(path: &Path) -> Result<Self, OpenError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let locked = lock::lock_file(path, file.map_err(OpenError::io(path))?)?;
        Ok(Self(Arc::new(locked)))
    }

    pub(crate) fn file(&self) -> &File {
        self.0.file()
    }
}

/// Starts and finishes checkpoints, from the writer's thread. Dropping it ends the
/// copying thread, after the copy under way.
pub(crate) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    done: Receiver<Result<(), Error>>,
    thread: Option<JoinHandle<()>>,
    is_copying: bool,
    /// Pages in the log at which copying begins.
    pages: i64,
    /// Pages in the log at the last copy. A log longer than this has not restarted from
    /// its beginning since.
    log_at_last_copy: i64,
    /// The whole log is in the file.
    is_checkpointed: bool,
    /// The mark in the file itself is open.
    is_armed: bool,
    /// The earliest time to try to checkpoint all of it again.
    next_attempt: Instant,
    /// The earliest time to try to arm again.
    next_arming: Instant,
    /// Pages in the log after the last look at it. It has fewer after it has begun anew.
    log_pages: i64,
    meter: Arc<WriterMeter>,
    health: Arc<Health>,
}

/// Pages in the log, and the number of them that are copied into the file.
struct CopyProgress {
    log: i64,
    copied: i64,
    /// A reader kept the checkpoint from going as far as it should.
    is_prevented: bool,
}

impl CopyProgress {
    const fn is_complete(&self) -> bool {
        self.log == self.copied && !self.is_prevented
    }
}

impl Checkpoints {
    /// Starts the thread on a connection of its own.
    pub(crate) fn start(
        connection: Connection,
        file: SyncHandle,
        pages: i64,
        meter: Arc<WriterMeter>,
        health: Arc<Health>,
    ) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let (finished, done) = sync_channel(1);
        let heeding = Arc::clone(&health);
        let thread = thread::Builder::new().name("checkpoints".to_owned()).spawn(move || {
            while woken.recv().is_ok() {
                // The receiver is gone only when the store closes.
                drop(finished.send(copy_nearly_all(&connection, &file, &heeding)));
            }
            drop(connection);
            drop(file);
        })?;
        Ok(Self {
            wake: Some(wake),
            done,
            thread: Some(thread),
            is_copying: false,
            pages,
            log_at_last_copy: 0,
            is_checkpointed: false,
            is_armed: false,
            next_attempt: Instant::now(),
            next_arming: Instant::now(),
            log_pages: 0,
            meter,
            health,
        })
    }

    /// Returns true while the thread may be writing to the file.
    pub(crate) const fn is_copying(&self) -> bool {
        self.is_copying
    }

    /// Copies the log with which a start begins into the file. The process before may have ended by a
    /// failed sync: the system then shows what it has never written to the disk, and no later sync of
    /// the log writes it. If a reader keeps part of it from being copied, that part is left to later
    /// checkpoints.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFailed`] if the disk failed.
    pub(crate) fn copy_inherited(&mut self, writer: &Connection) -> Result<(), Error> {
        self.checkpoint(writer, PASSIVE).map(drop)
    }

    /// Returns the number of pages in the log as it is known without a look at it. The log has no
    /// more than these, unless commits followed that were made while the thread copied.
    pub(crate) const fn known_log_pages(&self) -> i64 {
        self.log_pages
    }

    /// Looks at the log, outside of a transaction, and returns the number of pages in it.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFailed`] if the disk failed.
    pub(crate) fn look_at_log(&mut self, writer: &Connection) -> Result<i64, Error> {
        self.checkpoint(writer, NOOP)?;
        Ok(self.log_pages)
    }

    /// Runs a checkpoint pragma as [`checkpoint`] does, and keeps the length of the log.
    fn checkpoint(&mut self, writer: &Connection, pragma: &str) -> Result<Option<CopyProgress>, Error> {
        let progress = checkpoint(writer, pragma, &self.health)?;
        if let Some(CopyProgress { log, .. }) = &progress {
            self.log_pages = *log;
        }
        Ok(progress)
    }

    /// Returns true if the whole log was in the file after the last commit.
    pub(crate) const fn is_checkpointed(&self) -> bool {
        self.is_checkpointed
    }

    /// Returns true if the next commit must leave the mark open: to mark the file itself open,
    /// or because a checkpoint under way may copy the mark of that commit and leave later
    /// commits in the log.
    pub(crate) fn needs_open_mark(&self) -> bool {
        self.is_copying || self.needs_arming()
    }

    fn needs_arming(&self) -> bool {
        !self.is_armed && Instant::now() >= self.next_arming
    }

    /// Marks the file itself open, before the first commit is acknowledged that only the log
    /// could hold. Such a commit has an open mark. While another program reads an older state
    /// of the file, this is not possible. Later groups then try again, and their commits go
    /// on.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFailed`] if the disk failed.
    pub(crate) fn arm(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        if self.is_armed {
            return Ok(());
        }
        for _ in 0..ARMING_ATTEMPTS_MAX {
            if self
                .checkpoint(writer, PASSIVE)?
                .is_some_and(|progress| progress.log == progress.copied)
            {
                self.is_armed = true;
                // Reads that begin from now on use the file alone.
                readers.commit_with(|| ());
                break;
            }
            // A read of our own ends within microseconds.
            thread::sleep(ARMING_PAUSE);
        }
        if !self.is_armed {
            self.next_arming = Instant::now() + PREVENTED_PAUSE;
        }
        // On a full disk the mark of the next commit, or of the last checkpoint, is closed.
        let closed = commit_mark(readers, || mark::count(writer, false));
        let warning = "the mark of the database stays open until the next commit";
        unless_disk_failed(closed, warning).map(drop)
    }

    /// Begins a log as a commit does, and marks the file itself open. Returns false if a read
    /// under way prevents that. The log then has more than the file, until it is checkpointed.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFailed`] if the disk failed, or the error of the commit.
    pub(crate) fn open_mark(&mut self, writer: &Connection, readers: &Readers) -> Result<bool, Error> {
        if !self.is_armed {
            self.is_checkpointed = false;
            commit_mark(readers, || mark::count(writer, true))?;
            self.arm(writer, readers)?;
        }
        Ok(self.is_armed)
    }

    /// Moves the log into the file step by step while no command waits. The file then holds
    /// every commit, and its mark is closed. The writer calls this again until
    /// [`Self::is_checkpointed`].
    ///
    /// # Errors
    ///
    /// [`Error::DiskFailed`] if the disk failed.
    pub(crate) fn while_idle(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        if self.is_checkpointed || Instant::now() < self.next_attempt {
            return Ok(());
        }
        if self.is_copying {
            // The thread may be at work, and finishes what it began.
            return self.after_copy(writer, readers);
        }
        let Some(CopyProgress { log, copied, .. }) = self.checkpoint(writer, NOOP)? else {
            return Ok(());
        };
        if log - copied > REST_PAGES_MAX && self.begin_copy(writer, readers, log)? {
            return Ok(());
        }
        // Waits for no read under way.
        writer.busy_timeout(Duration::ZERO)?;
        let outcome = self.checkpoint_all(writer, readers);
        writer.busy_timeout(connection::BUSY_TIMEOUT)?;
        match outcome {
            Ok(()) => Ok(()),
            Err(error @ Error::DiskFailed(_)) => Err(error),
            Err(error) => {
                if !matches!(error, Error::FileBusy) {
                    log::warn!("{POSTPONED}: {error}");
                }
                self.next_attempt = Instant::now() + PREVENTED_PAUSE;
                Ok(())
            }
        }
    }

    /// Moves the whole log into the file and closes its mark, before the store closes.
    ///
    /// # Errors
    ///
    /// Fails if the log is still part of the file.
    pub(crate) fn close(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        self.end_thread();
        self.checkpoint_all(writer, readers)
    }

    /// Moves the whole log into the file, with a closed mark as the newest.
    ///
    /// # Errors
    ///
    /// [`Error::FileBusy`] if a reader prevents it, or the error of the disk.
    fn checkpoint_all(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        if mark::is_open(writer)? {
            commit_mark(readers, || mark::count(writer, false))?;
        }
        // Closes the snapshots that are only kept.
        readers.commit_with(|| ());
        // Even if a reader keeps the log from being emptied, the closed mark may reach the file.
        self.is_armed = false;
        let progress = run_checkpoint(writer, TRUNCATE, &self.health);
        self.log_pages = 0;
        // Reads that begin from now on use the file alone.
        readers.commit_with(|| ());
        // A full disk prevents it too, and no other program must then be blamed.
        if !progress?.is_some_and(|progress| progress.is_complete()) {
            return Err(Error::FileBusy);
        }
        self.is_checkpointed = true;
        self.log_at_last_copy = 0;
        self.meter.checkpoints.add_one();
        Ok(())
    }

    /// Begins or finishes a checkpoint if one is due. The writer calls this after each
    /// commit, which may not be durable yet.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFailed`] if the disk failed. The file can then no longer be trusted. The
    /// store tries a checkpoint again later if it fails for another reason.
    pub(crate) fn after_commit(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        self.is_checkpointed = false;
        self.next_attempt = Instant::now();
        if !self.is_copying {
            return self.begin(writer, readers);
        }
        self.after_copy(writer, readers)
    }

    /// Copies the rest of the log if the thread has copied nearly all of it.
    fn after_copy(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        match self.done.try_recv() {
            Ok(outcome) => outcome?,
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => {
                log::error!("the checkpoint thread has died; the writer copies the write-ahead log itself from now on");
            }
        }
        self.is_copying = false;
        self.finish(writer, readers)
    }

    fn begin(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        let Some(CopyProgress { log, .. }) = self.checkpoint(writer, NOOP)? else {
            return Ok(());
        };
        let has_started_anew = log <= self.log_at_last_copy;
        let due = if has_started_anew {
            self.pages
        } else {
            self.pages.max(self.log_at_last_copy + self.pages / 4)
        };
        if log < due {
            return Ok(());
        }
        if self.begin_copy(writer, readers, log)? {
            return Ok(());
        }
        self.finish(writer, readers)
    }

    /// Lets the thread copy, and returns true if it does, or if this is put off.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFailed`] if the disk failed.
    fn begin_copy(&mut self, writer: &Connection, readers: &Readers, log: i64) -> Result<bool, Error> {
        self.log_at_last_copy = log;
        let opened = commit_mark(readers, || mark::count(writer, true));
        if unless_disk_failed(opened, POSTPONED)?.is_none() {
            return Ok(true);
        }
        self.is_copying = self.wake.as_ref().is_some_and(|wake| wake.try_send(()).is_ok());
        Ok(self.is_copying)
    }

    fn finish(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        if let Some(CopyProgress { log, copied, .. }) = self.checkpoint(writer, PASSIVE)? {
            self.log_at_last_copy = log;
            if copied == log {
                self.meter.checkpoints.add_one();
                // The next commit restarts the log unless a reader still uses it.
                // Reads that begin from now on use the file alone.
                readers.commit_with(|| ());
            }
        }
        Ok(())
    }

    fn end_thread(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the checkpoint thread panicked");
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.end_thread();
    }
}

fn copy_nearly_all(connection: &Connection, file: &SyncHandle, health: &Health) -> Result<(), Error> {
    for _ in 0..PASSES {
        let Some(progress) = checkpoint(connection, PASSIVE, health)? else {
            return Ok(());
        };
        file.file()
            .sync_data()
            .map_err(|error| Error::DiskFailed(error.to_string()))?;
        if progress.copied == progress.log {
            return Ok(());
        }
    }
    Ok(())
}

/// Runs a checkpoint pragma. Returns `None` when it cannot run now and may be tried
/// again.
///
/// # Errors
///
/// [`Error::DiskFailed`] when the disk failed.
fn checkpoint(connection: &Connection, pragma: &str, health: &Health) -> Result<Option<CopyProgress>, Error> {
    unless_disk_failed(run_checkpoint(connection, pragma, health), POSTPONED).map(Option::flatten)
}

/// Runs a checkpoint pragma as [`checkpoint`] does, and returns every error.
fn run_checkpoint(connection: &Connection, pragma: &str, health: &Health) -> Result<Option<CopyProgress>, Error> {
    let outcome = connection.prepare_cached(pragma).and_then(|mut statement| {
        statement.query_row([], |row| {
            let (log, copied, is_prevented) = (row.get("log")?, row.get("checkpointed")?, row.get("busy")?);
            // SQLite reports -1 while another program runs a checkpoint.
            Ok((log >= 0).then_some(CopyProgress {
                log,
                copied,
                is_prevented,
            }))
        })
    });
    outcome.map_err(of_disk).inspect_err(|error| health.heed(error))
}
