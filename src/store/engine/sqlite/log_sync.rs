//! Syncing the write-ahead log on a thread of its own, so that the next group runs meanwhile.
//!
//! SQLite writes the commit of a group into the log without a sync, and reads see it from then on.
//! Nothing of it leaves the service before it is durable:
//!
//! - The replies of a group are sent after the sync of its commit.
//! - A read that may have seen the commit returns after that sync.
//! - The next group is committed after that sync. So the commit of one group at most is visible and
//!   not durable. Commits of the mark alone show clients nothing and wait for no sync.
//!
//! A failed sync ends the service. The system reports such a failure once and may have dropped what
//! was to be written, so no sync is tried again.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::store::engine::error::Error;
use crate::store::engine::sqlite::file;

/// The work after a sync, which gets its outcome: the replies of the group.
pub(crate) type AfterSync = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// The commit that is not durable yet, if there is one, and the reads that wait for it.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    /// False if all that reads have seen so far is durable. Set before a commit, so that no read
    /// sees the commit and not this.
    is_pending: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    reads: Vec<oneshot::Sender<()>>,
    /// The pending commit never becomes durable.
    has_failed: bool,
}

impl Waiting {
    /// Adds a read. Reads that have stopped waiting are removed before the list grows, so that a
    /// disk that never answers does not fill the memory.
    fn add(&mut self, read: oneshot::Sender<()>) {
        if self.reads.len() == self.reads.capacity() {
            self.reads.retain(|read| !read.is_closed());
        }
        self.reads.push(read);
    }
}

impl Durability {
    /// Notes that a commit begins.
    pub(crate) fn begin(&self) {
        self.is_pending.store(true, Ordering::SeqCst);
    }

    /// Notes that the commit is durable, or has changed nothing, and lets the reads go on.
    pub(crate) fn end(&self) {
        let mut waiting = self.waiting();
        self.is_pending.store(false, Ordering::SeqCst);
        for read in waiting.reads.drain(..) {
            // The caller of the read may have stopped waiting.
            let _gone = read.send(());
        }
    }

    /// Notes that no later commit becomes durable, nor a pending one. Reads that may have seen that
    /// one fail.
    pub(crate) fn fail(&self) {
        let mut waiting = self.waiting();
        waiting.has_failed = true;
        waiting.reads.clear();
    }

    /// Returns true if reads may see a commit that is not durable.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending.load(Ordering::SeqCst)
    }

    /// Waits until all that is visible to reads now is durable.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if it will never be.
    pub(crate) async fn reached(&self) -> Result<(), Error> {
        match self.pending() {
            Some(end) => end.await.map_err(|_| Error::Stopped),
            None => Ok(()),
        }
    }

    /// Waits as [`Durability::reached`] does, and blocks the thread meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if it will never be.
    pub(crate) fn reached_blocking(&self) -> Result<(), Error> {
        match self.pending() {
            Some(end) => end.blocking_recv().map_err(|_| Error::Stopped),
            None => Ok(()),
        }
    }

    /// Returns the end of the sync under way, if there is one.
    fn pending(&self) -> Option<oneshot::Receiver<()>> {
        if !self.is_pending() {
            return None;
        }
        let mut waiting = self.waiting();
        // It may have ended meanwhile.
        if !self.is_pending() {
            return None;
        }
        let (told, end) = oneshot::channel();
        if !waiting.has_failed {
            waiting.add(told);
        }
        Some(end)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's end of the thread that syncs the log. Dropping it ends the thread, after the sync
/// under way. No commit becomes durable then, and reads that wait for one fail.
pub(crate) struct LogSync {
    durability: Arc<Durability>,
    begun: Option<SyncSender<AfterSync>>,
    ended: Receiver<Result<(), Error>>,
    thread: Option<JoinHandle<()>>,
    is_under_way: bool,
}

impl LogSync {
    /// Syncs the log, which the process before may have left between a commit and its sync, and
    /// starts the thread. The database is open, so that its log exists.
    ///
    /// No POSIX lock of SQLite is on the log, so its handle may be closed at any time.
    pub(crate) fn start(database: &Path, durability: Arc<Durability>) -> io::Result<Self> {
        let log = OpenOptions::new().read(true).write(true).open(file::log_of(database))?;
        log.sync_data()?;
        Self::start_with(move || sync(&log), durability)
    }

    fn start_with(
        mut sync: impl FnMut() -> Result<(), Error> + Send + 'static,
        durability: Arc<Durability>,
    ) -> io::Result<Self> {
        let (begun, syncs) = sync_channel::<AfterSync>(1);
        let (end, ended) = sync_channel(1);
        let of_writer = Arc::clone(&durability);
        let thread = thread::Builder::new().name("log-sync".to_owned()).spawn(move || {
            while let Ok(after_sync) = syncs.recv() {
                let outcome = sync();
                match outcome {
                    Ok(()) => durability.end(),
                    Err(_) => durability.fail(),
                }
                after_sync(outcome.clone());
                // The receiver is gone only when the store closes.
                drop(end.send(outcome));
            }
        })?;
        Ok(Self {
            durability: of_writer,
            begun: Some(begun),
            ended,
            thread: Some(thread),
            is_under_way: false,
        })
    }

    /// Must be called before a commit that reads see, with no sync under way. [`LogSync::begin`] or
    /// [`LogSync::cancel`] follows the commit.
    pub(crate) fn prepare(&self) {
        self.durability.begin();
    }

    /// Notes that the commit has failed and changed nothing.
    pub(crate) fn cancel(&self) {
        self.durability.end();
    }

    /// Begins to sync the log. The sync before must be finished. [`LogSync::finish`] returns after
    /// `after_sync`, so that one group's outcome is never kept after that of the next.
    pub(crate) fn begin(&mut self, after_sync: AfterSync) {
        debug_assert!(!self.is_under_way, "one sync at a time");
        // Sending fails only if the thread has died, which the end of the sync tells.
        drop(self.begun.as_ref().map(|begun| begun.send(after_sync)));
        self.is_under_way = true;
    }

    /// Returns true while a sync is under way.
    ///
    /// # Errors
    ///
    /// [`Error::OutcomeUnknown`] if it has failed.
    pub(crate) fn is_under_way(&mut self) -> Result<bool, Error> {
        if self.is_under_way {
            match self.ended.try_recv() {
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return self.finish().map(|()| false),
                Ok(outcome) => {
                    self.is_under_way = false;
                    outcome?;
                }
            }
        }
        Ok(false)
    }

    /// Waits for the end of the sync under way, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::OutcomeUnknown`] if it failed.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        if !self.is_under_way {
            return Ok(());
        }
        self.is_under_way = false;
        let died = || Error::OutcomeUnknown("the thread that syncs the write-ahead log has died".to_owned());
        self.ended.recv().unwrap_or_else(|_| Err(died()))
    }
}

impl Drop for LogSync {
    fn drop(&mut self) {
        self.begun = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread that syncs the write-ahead log panicked");
        }
        // A commit may be pending that was not handed over.
        self.durability.fail();
    }
}

fn sync(log: &File) -> Result<(), Error> {
    log.sync_data()
        .map_err(|error| Error::OutcomeUnknown(format!("the write-ahead log could not be synced: {error}")))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Polls a future once, without waiting.
    fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    /// A thread whose syncs end with the outcomes that are sent, and the outcomes of which the work
    /// after the syncs was told.
    struct Syncing {
        log_sync: LogSync,
        durability: Arc<Durability>,
        end: mpsc::Sender<Result<(), Error>>,
        told: mpsc::Receiver<Result<(), Error>>,
    }

    impl Syncing {
        /// Begins the sync of a commit.
        fn begin() -> Self {
            let durability = Arc::<Durability>::default();
            let (end, outcome) = mpsc::channel();
            let sync = move || outcome.recv().expect("a sync that does not end");
            let mut log_sync = LogSync::start_with(sync, Arc::clone(&durability)).unwrap();
            let (tell, told) = mpsc::channel();
            log_sync.prepare();
            log_sync.begin(Box::new(move |outcome| tell.send(outcome).unwrap()));
            Self {
                log_sync,
                durability,
                end,
                told,
            }
        }

        fn end(&mut self, outcome: Result<(), Error>) -> Result<(), Error> {
            self.end.send(outcome).unwrap();
            self.log_sync.finish()
        }
    }

    fn failed() -> Error {
        Error::OutcomeUnknown("planned by the test".to_owned())
    }

    #[test]
    fn replies_wait_for_the_sync() {
        let mut syncing = Syncing::begin();
        assert!(syncing.log_sync.is_under_way().unwrap());
        assert!(syncing.told.try_recv().is_err(), "a reply before the end of the sync");
        syncing.end(Ok(())).unwrap();
        assert!(matches!(syncing.told.try_recv(), Ok(Ok(()))));
        assert!(!syncing.log_sync.is_under_way().unwrap());
        syncing.log_sync.finish().unwrap();
    }

    #[test]
    fn reads_wait_for_the_sync_under_way_and_for_no_other() {
        let mut syncing = Syncing::begin();
        let durability = Arc::clone(&syncing.durability);
        let mut read = pin!(durability.reached());
        assert!(poll(read.as_mut()).is_none(), "a read that may have seen the commit");
        let blocked = {
            let durability = Arc::clone(&durability);
            thread::spawn(move || durability.reached_blocking())
        };
        syncing.end(Ok(())).unwrap();
        assert!(matches!(poll(read), Some(Ok(()))));
        blocked.join().unwrap().unwrap();
        assert!(matches!(poll(durability.reached()), Some(Ok(()))), "a later read");
        durability.reached_blocking().unwrap();
    }

    #[test]
    fn a_failed_sync_fails_the_replies_the_reads_and_the_writer() {
        let mut syncing = Syncing::begin();
        let durability = Arc::clone(&syncing.durability);
        let mut read = pin!(durability.reached());
        assert!(poll(read.as_mut()).is_none());
        assert!(matches!(syncing.end(Err(failed())), Err(Error::OutcomeUnknown(_))));
        assert!(matches!(syncing.told.recv(), Ok(Err(Error::OutcomeUnknown(_)))));
        assert!(matches!(poll(read), Some(Err(Error::Stopped))));
        assert!(
            matches!(poll(durability.reached()), Some(Err(Error::Stopped))),
            "a read that begins after the failure sees the commit too"
        );
        assert!(matches!(durability.reached_blocking(), Err(Error::Stopped)));
    }

    #[test]
    fn a_failed_sync_is_seen_without_waiting_for_it() {
        let mut syncing = Syncing::begin();
        syncing.end.send(Err(failed())).unwrap();
        while syncing.log_sync.is_under_way().is_ok_and(|is_under_way| is_under_way) {
            thread::yield_now();
        }
        // The failure is returned once, and no sync is under way after it.
        syncing.log_sync.finish().unwrap();
        assert!(matches!(syncing.told.recv(), Ok(Err(_))));
    }

    #[test]
    fn a_thread_that_dies_counts_as_a_failed_sync() {
        let Syncing {
            mut log_sync,
            durability,
            end,
            told,
        } = Syncing::begin();
        drop(end);
        assert!(matches!(log_sync.finish(), Err(Error::OutcomeUnknown(_))));
        assert!(told.recv().is_err(), "the work after the sync was dropped");
        let mut read = pin!(durability.reached());
        assert!(poll(read.as_mut()).is_none(), "the commit never became durable");
        drop(log_sync);
        assert!(matches!(poll(read), Some(Err(Error::Stopped))));
    }

    #[test]
    fn a_commit_that_no_sync_follows_fails_the_reads_at_the_end_of_the_writer() {
        let durability = Arc::<Durability>::default();
        let log_sync = LogSync::start_with(|| Ok(()), Arc::clone(&durability)).unwrap();
        log_sync.prepare();
        let mut read = pin!(durability.reached());
        assert!(poll(read.as_mut()).is_none());
        // As when a panic unwinds the writer.
        drop(log_sync);
        assert!(matches!(poll(read), Some(Err(Error::Stopped))));
        assert!(matches!(durability.reached_blocking(), Err(Error::Stopped)));
    }

    #[test]
    fn reads_that_have_stopped_waiting_are_forgotten() {
        let durability = Durability::default();
        durability.begin();
        for _ in 0..10_000 {
            assert!(poll(durability.reached()).is_none());
        }
        let waiting = durability.waiting().reads.len();
        assert!(waiting < 100, "{waiting} reads");
    }

    #[test]
    fn a_commit_that_changed_nothing_holds_up_no_read() {
        let durability = Durability::default();
        durability.begin();
        assert!(poll(durability.reached()).is_none());
        durability.end();
        assert!(matches!(poll(durability.reached()), Some(Ok(()))));
        // A store that ends without a pending commit.
        durability.fail();
        assert!(matches!(poll(durability.reached()), Some(Ok(()))));
    }

    #[test]
    fn the_log_beside_the_database_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("test.db");
        assert!(LogSync::start(&database, Arc::default()).is_err(), "there is no log");
        std::fs::write(file::log_of(&database), b"log").unwrap();
        let mut log_sync = LogSync::start(&database, Arc::default()).unwrap();
        let (tell, told) = mpsc::channel();
        log_sync.begin(Box::new(move |outcome| tell.send(outcome).unwrap()));
        log_sync.finish().unwrap();
        told.recv().unwrap().unwrap();
    }
}
