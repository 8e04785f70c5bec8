//! Moving the write-ahead log into the file. A thread beside the writer copies
//! nearly all of it while commands go on; the writer itself only copies the rest,
//! which is short, so that no command waits long for a checkpoint.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

/// Passes of the thread over the log. The second copies what was written during
/// the first, and leaves the writer what is written during the second.
const PASSES: usize = 2;

/// The database file, opened once more to be synced. SQLite syncs it only at the end
/// of a whole copy, which is the writer's, and would make the writer wait for all
/// that the thread has copied.
///
/// Closing it gives up the locks that this process has on the file, whichever
/// handle took them: it must be kept until every connection is closed.
#[derive(Clone, Debug)]
pub(super) struct SyncHandle(Arc<File>);

impl SyncHandle {
    /// Opens the file, which exists.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Arc::new).map(Self)
    }
}

/// When the log is copied, as the writer sees it.
pub(super) struct Checkpoints {
    wake: SyncSender<()>,
    is_nearly_done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    state: State,
    /// Pages in the log at which copying begins.
    pages: i64,
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing to do until the log has so many pages.
    WaitingFor(i64),
    /// The thread is copying.
    Copying,
}

/// Pages in the log, and how many of them are in the file by now.
struct Progress {
    log: i64,
    copied: i64,
}

impl Checkpoints {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(connection: Connection, file: SyncHandle, pages: i64) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let is_nearly_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_nearly_done);
        let thread = thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || copy_whenever(&woken, &connection, &file, &done))?;
        Ok(Self {
            wake,
            is_nearly_done,
            thread,
            state: State::WaitingFor(pages),
            pages,
        })
    }

    /// To be called by the writer when it has committed and answered. A
    /// checkpoint that fails loses nothing: the log stays, and is tried again.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let outcome = match self.state {
            State::WaitingFor(pages) => self.begin_at(pages, writer),
            State::Copying if self.is_nearly_done.swap(false, Ordering::Acquire) => self.finish(writer),
            State::Copying => Ok(()),
        };
        if let Err(error) = outcome {
            log::warn!("the write-ahead log could not be copied into the file yet: {error}");
            self.state = State::WaitingFor(self.pages);
        }
    }

    fn begin_at(&mut self, pages: i64, writer: &Connection) -> rusqlite::Result<()> {
        if checkpoint(writer, "NOOP")?.log >= pages && self.wake.try_send(()).is_ok() {
            self.state = State::Copying;
        }
        Ok(())
    }

    fn finish(&mut self, writer: &Connection) -> rusqlite::Result<()> {
        let Progress { log, copied } = checkpoint(writer, "PASSIVE")?;
        // A whole copy lets the next commit start the log anew. A reader may stand in
        // the way; then the log grows by a quarter before the next attempt.
        let next = if copied == log {
            self.pages
        } else {
            log + self.pages / 4
        };
        self.state = State::WaitingFor(next);
        Ok(())
    }

    /// Ends the thread, after the copy it is at.
    pub(super) fn stop(self) {
        drop(self.wake);
        if self.thread.join().is_err() {
            log::error!("the thread that copies the write-ahead log panicked");
        }
    }
}

fn copy_whenever(woken: &Receiver<()>, connection: &Connection, file: &SyncHandle, is_nearly_done: &AtomicBool) {
    while woken.recv().is_ok() {
        for _ in 0..PASSES {
            if let Err(error) = checkpoint(connection, "PASSIVE") {
                log::warn!("the write-ahead log could not be copied into the file yet: {error}");
            }
            if let Err(error) = file.0.sync_data() {
                log::warn!("the database file could not be synced yet: {error}");
            }
        }
        is_nearly_done.store(true, Ordering::Release);
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Progress> {
    connection
        .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
        .query_row([], |row| {
            Ok(Progress {
                log: row.get(1)?,
                copied: row.get(2)?,
            })
        })
}
