//! Moving the write-ahead log into the file. A thread beside the writer copies
//! nearly all of it while commands go on; the writer itself only copies the rest,
//! which is short, so that no command waits long for a checkpoint.
//!
//! What the system could not write to the disk it may never try again, and says so
//! once. After such a failure nothing more may be copied, and the log must stay: the
//! next start copies it again from its beginning. So the store stops.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode};

use crate::store::engine::error::Error;
use crate::store::engine::readers::Readers;

/// Passes of the thread over the log. The second copies what was written during
/// the first, and leaves the writer what is written during the second.
const PASSES: usize = 2;
/// Copies what no reader needs in the log, and waits for nobody.
const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Only tells how long the log is.
const NOOP: &str = "PRAGMA wal_checkpoint(NOOP)";

/// The database file, opened once more to be synced. SQLite syncs it only when the
/// whole log is copied, which would leave the writer to wait for all that the
/// thread has copied.
///
/// Closing it gives up the locks that this process has on the file, whichever
/// handle took them: it must be opened before every connection and kept until all
/// are closed.
#[derive(Clone, Debug)]
pub(crate) struct SyncHandle(Arc<File>);

impl SyncHandle {
    /// Opens the file, which exists.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Arc::new).map(Self)
    }
}

/// When the log is copied, as the writer sees it. Dropping it ends the thread,
/// after the copy it is at.
pub(crate) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    done: Receiver<Result<(), Error>>,
    thread: Option<JoinHandle<()>>,
    is_copying: bool,
    /// Pages in the log at which copying begins.
    pages: i64,
    /// Pages in the log when it was last copied. While it is longer, it has not
    /// started anew.
    log_at_last_copy: i64,
}

/// Pages in the log, and how many of them are in the file by now.
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
                // Nobody hears of it when the store is going away.
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

    /// To be called by the writer when it has committed and answered. Fails only
    /// when the disk did, so that the file can no longer be trusted; a checkpoint
    /// that cannot be done for another reason is tried again later.
    pub(crate) fn after_commit(&mut self, writer: &Connection, readers: &Readers) -> Result<(), Error> {
        if !self.is_copying {
            return self.begin(writer, readers);
        }
        match self.done.try_recv() {
            Ok(outcome) => outcome?,
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => {
                log::error!("the thread that copies the write-ahead log has died; the writer does its work");
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
                // The next commit starts the log anew unless somebody reads from it:
                // reads that begin from now on read from the file alone.
                readers.renewed_by(|| ());
            }
        }
        Ok(())
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread that copies the write-ahead log panicked");
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
            .map_err(|error| Error::NotOnDisk(error.to_string()))?;
        if progress.copied == progress.log {
            return Ok(());
        }
    }
    Ok(())
}

/// Copies or asks. `None` when it could not be done now and may be tried again.
fn checkpoint(connection: &Connection, pragma: &str) -> Result<Option<CopyProgress>, Error> {
    let outcome = connection.prepare_cached(pragma).and_then(|mut statement| {
        statement.query_row([], |row| {
            let (log, copied) = (row.get(1)?, row.get(2)?);
            // Both are -1 while another program is copying.
            Ok((log >= 0).then_some(CopyProgress { log, copied }))
        })
    });
    match outcome {
        Ok(progress) => Ok(progress),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => {
            Err(Error::NotOnDisk(error.to_string()))
        }
        Err(error) => {
            log::warn!("the write-ahead log could not be copied into the file yet: {error}");
            Ok(None)
        }
    }
}
