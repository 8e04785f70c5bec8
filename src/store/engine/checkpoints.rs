//! Checkpoints: copying the write-ahead log into the database file. A thread beside the
//! writer copies nearly all of it while commands go on. The writer copies only the
//! short rest, so no command waits long for a checkpoint.
//!
//! When fsync fails, the operating system may drop the unwritten pages and report the
//! error only once. After such a failure the store copies nothing more and stops. The
//! log stays, and the next start copies all of it again.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode};

use crate::store::engine::error::Error;
use crate::store::engine::readers::Readers;

/// Passes of the thread over the log. The second pass copies the pages written during
/// the first, and leaves the writer those written during the second.
const PASSES: usize = 2;
/// Copies the pages that no reader needs in the log, without waiting for readers.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Reports the length of the log and copies nothing.
const NOOP: &str = "PRAGMA wal_checkpoint(NOOP)";

/// A handle of the database file for syncing it. SQLite itself syncs the file only once the
/// whole log is copied. The writer, which copies the rest, would then wait until everything
/// that the thread has copied is on the disk.
///
/// Closing any handle of a file drops all POSIX locks of the process on that file. This
/// handle must therefore be opened before every connection and outlive all of them.
#[derive(Clone, Debug)]
pub(crate) struct SyncHandle(Arc<File>);

impl SyncHandle {
    /// Opens the database file, which must exist.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Arc::new).map(Self)
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
}

/// Pages in the log, and the number of them that are copied into the file.
struct CopyProgress {
    log: i64,
    copied: i64,
}

impl Checkpoints {
    /// Starts the thread on a connection of its own.
    pub(crate) fn start(connection: Connection, file: SyncHandle, pages: i64) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let (finished, done) = sync_channel(1);
        let thread = thread::Builder::new().name("checkpoints".to_owned()).spawn(move || {
            while woken.recv().is_ok() {
                // The receiver is gone only when the store closes.
                drop(finished.send(copy_nearly_all(&connection, &file)));
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
        })
    }

    /// Begins or finishes a checkpoint if one is due. The writer calls this after each
    /// commit, when the replies are sent.
    ///
    /// # Errors
    ///
    /// [`Error::DiskFailed`] if the disk failed. The file can then no longer be trusted. The
    /// store tries a checkpoint again later if it fails for another reason.
    pub(crate) fn after_commit(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        if !self.is_copying {
            return self.begin(writer, readers);
        }
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
        let Some(CopyProgress { log, .. }) = checkpoint(writer, NOOP)? else {
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
        self.log_at_last_copy = log;
        if self.wake.as_ref().is_some_and(|wake| wake.try_send(()).is_ok()) {
            self.is_copying = true;
            return Ok(());
        }
        self.finish(writer, readers)
    }

    fn finish(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        if let Some(CopyProgress { log, copied }) = checkpoint(writer, PASSIVE)? {
            self.log_at_last_copy = log;
            if copied == log {
                // The next commit restarts the log unless a reader still uses it.
                // Reads that begin from now on use the file alone.
                readers.commit_with(|| ());
            }
        }
        Ok(())
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the checkpoint thread panicked");
        }
    }
}

fn copy_nearly_all(connection: &Connection, file: &SyncHandle) -> Result<(), Error> {
    for _ in 0..PASSES {
        let Some(progress) = checkpoint(connection, PASSIVE)? else {
            return Ok(());
        };
        file.0
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
fn checkpoint(connection: &Connection, pragma: &str) -> Result<Option<CopyProgress>, Error> {
    let outcome = connection.prepare_cached(pragma).and_then(|mut statement| {
        statement.query_row([], |row| {
            let (log, copied) = (row.get("log")?, row.get("checkpointed")?);
            // SQLite reports -1 while another program runs a checkpoint.
            Ok((log >= 0).then_some(CopyProgress { log, copied }))
        })
    });
    match outcome {
        Ok(progress) => Ok(progress),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => {
            Err(Error::DiskFailed(error.to_string()))
        }
        Err(error) => {
            log::warn!("checkpoint postponed, the write-ahead log grows meanwhile: {error}");
            Ok(None)
        }
    }
}
