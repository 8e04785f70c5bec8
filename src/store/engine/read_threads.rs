//! Threads for reads, with a connection and a bounded queue of their own.
//!
//! Reads that may take long, of lists and all that they count, run on such threads, so that the
//! reads of single rows never wait for them. While others wait, no merchant has all threads: a
//! merchant whose lists are slow does not stop those of others. On PostgreSQL the reads of single
//! rows have such threads too, of all merchants alike; on a file they run on the caller's thread.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::domain::ids::MerchantId;
use crate::store::engine::error::Error;
use crate::store::engine::reader::{AnyQuery, Found, Query, Reader, answer};

/// The threads and their queue. Dropping it stops them.
pub(crate) struct ReadThreads {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The most time that a read may take, and the most time that it may wait before.
    time_max: Duration,
}

/// The share of one merchant in the threads and the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sharing {
    /// At most half of the queue, and never all threads if there are several.
    AmongMerchants,
    /// All, for short reads.
    None,
}

struct Queue {
    state: Mutex<State>,
    /// Signals that a read may be able to run.
    changed: Condvar,
    /// The most reads that wait, of all merchants and of one.
    waiting_max: usize,
    waiting_of_one_max: usize,
    /// The most reads of one merchant that run at the same time.
    running_of_one_max: usize,
}

struct State {
    waiting: VecDeque<QueuedRead>,
    /// The numbers of reads that run, without merchants that have none.
    running: HashMap<MerchantId, usize>,
    is_stopped: bool,
}

struct QueuedRead {
    merchant: MerchantId,
    since: Instant,
    /// Runs the read and sends its outcome. Without a connection it sends that there were
    /// too many reads.
    run: Run,
}

type Run = Box<dyn FnOnce(Option<&mut dyn Reader>) + Send>;

impl ReadThreads {
    /// Starts a thread of this name for each connection.
    pub(crate) fn start(
        name: &str,
        connections: Vec<Box<dyn Reader>>,
        sharing: Sharing,
        waiting_max: usize,
        time_max: Duration,
    ) -> io::Result<Self> {
        let (waiting_of_one_max, running_of_one_max) = match sharing {
            Sharing::AmongMerchants => (waiting_max.div_ceil(2), connections.len().saturating_sub(1).max(1)),
            Sharing::None => (waiting_max, connections.len()),
        };
        let reads = Self {
            queue: Arc::new(Queue {
                state: Mutex::new(State {
                    waiting: VecDeque::new(),
                    running: HashMap::new(),
                    is_stopped: false,
                }),
                changed: Condvar::new(),
                waiting_max,
                waiting_of_one_max,
                running_of_one_max,
            }),
            threads: Mutex::default(),
            time_max,
        };
        for mut connection in connections {
            let queue = Arc::clone(&reads.queue);
            let run = move || {
                while let Some(next) = queue.take() {
                    let is_late = next.since.elapsed() > time_max;
                    (next.run)((!is_late).then_some(&mut *connection));
                    queue.finish(next.merchant);
                }
            };
            let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
            reads.threads().push(thread);
        }
        Ok(reads)
    }

    /// Runs a merchant's query on a snapshot, which includes every commit acknowledged
    /// before the call. If the caller stops waiting, a query that has not begun never does.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyReads`] if the queue is full or the query waited too long in it, or
    /// the error of the query.
    pub(crate) async fn read(&self, merchant: MerchantId, query: AnyQuery) -> Result<Found, Error> {
        let (reply, outcome) = oneshot::channel();
        let time_max = self.time_max;
        let run = move |connection: Option<&mut dyn Reader>| {
            if reply.is_closed() {
                return;
            }
            let outcome = answer(query, |query| read(connection, time_max, query));
            // The receiver is gone if the caller has stopped waiting.
            drop(reply.send(outcome));
        };
        self.queue.add(merchant, Box::new(run))?;
        outcome.await.unwrap_or(Err(Error::Stopped))
    }

    /// Refuses all waiting and later reads, and waits for those that run.
    pub(crate) fn stop(&self) {
        let waiting = {
            let mut state = self.queue.state();
            state.is_stopped = true;
            mem::take(&mut state.waiting)
        };
        drop(waiting);
        self.queue.changed.notify_all();
        let threads: Vec<_> = self.threads().drain(..).collect();
        for thread in threads {
            if thread.join().is_err() {
                log::error!("a thread for reads panicked");
            }
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a query on a connection, if the read got one.
fn read(connection: Option<&mut dyn Reader>, time_max: Duration, query: &mut Query<'_>) -> Result<(), Error> {
    let connection = connection.ok_or(Error::TooManyReads)?;
    let read = AssertUnwindSafe(|| connection.read(time_max, query));
    panic::catch_unwind(read).unwrap_or(Err(Error::Panicked))
}

impl Drop for ReadThreads {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Queue {
    fn add(&self, merchant: MerchantId, run: Run) -> Result<(), Error> {
        let mut state = self.state();
        if state.is_stopped {
            return Err(Error::Stopped);
        }
        let of_merchant = state.waiting.iter().filter(|waiting| waiting.merchant == merchant);
        if state.waiting.len() >= self.waiting_max || of_merchant.count() >= self.waiting_of_one_max {
            return Err(Error::TooManyReads);
        }
        state.waiting.push_back(QueuedRead {
            merchant,
            since: Instant::now(),
            run,
        });
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for a read that may run and takes it. Returns `None` once the queue is stopped.
    fn take(&self) -> Option<QueuedRead> {
        let mut state = self.state();
        loop {
            if state.is_stopped {
                return None;
            }
            if let Some(next) = state.take(self.running_of_one_max) {
                return Some(next);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, merchant: MerchantId) {
        let mut state = self.state();
        let running = state.running_of(merchant);
        if running > 1 {
            state.running.insert(merchant, running - 1);
        } else {
            state.running.remove(&merchant);
        }
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn running_of(&self, merchant: MerchantId) -> usize {
        self.running.get(&merchant).copied().unwrap_or_default()
    }

    /// Takes the oldest read of a merchant with the fewest running reads, if that merchant
    /// may run one more.
    fn take(&mut self, running_of_one_max: usize) -> Option<QueuedRead> {
        let running = |place: &usize| self.running_of(self.waiting[*place].merchant);
        let place = (0..self.waiting.len()).min_by_key(running)?;
        if running(&place) >= running_of_one_max {
            return None;
        }
        let next = self.waiting.remove(place)?;
        *self.running.entry(next.merchant).or_default() += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use rusqlite::Connection;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::store::engine::reader::{any_query, found};
    use crate::store::tx::Snapshot;

    const SLOW: MerchantId = MerchantId(1);
    const OTHER: MerchantId = MerchantId(2);
    const WAITING_MAX: usize = 4;
    const FOREVER: Duration = Duration::from_hours(1);

    fn long_reads(threads: usize, time_max: Duration) -> Arc<ReadThreads> {
        let open = |_| -> Box<dyn Reader> { Box::new(Connection::open_in_memory().unwrap()) };
        let connections = (0..threads).map(open);
        Arc::new(
            ReadThreads::start(
                "reads",
                connections.collect(),
                Sharing::AmongMerchants,
                WAITING_MAX,
                time_max,
            )
            .unwrap(),
        )
    }

    async fn read<T: Send + 'static>(
        reads: &ReadThreads,
        merchant: MerchantId,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        reads.read(merchant, any_query(query)).await.map(found)
    }

    /// A read that runs until it is let go.
    struct Held {
        go: Sender<()>,
        begun: Receiver<()>,
        task: JoinHandle<Result<(), Error>>,
    }

    impl Held {
        /// Queues the read.
        async fn queued(reads: &Arc<ReadThreads>, merchant: MerchantId) -> Self {
            let (go, may_go) = mpsc::channel();
            let (begins, begun) = mpsc::channel();
            let reads = Arc::clone(reads);
            let task = tokio::spawn(async move {
                let query = move |_: &Snapshot<'_>| {
                    begins.send(()).unwrap();
                    may_go.recv().unwrap();
                    Ok(())
                };
                read(&reads, merchant, query).await
            });
            tokio::task::yield_now().await;
            Self { go, begun, task }
        }

        /// Queues the read and waits until it runs.
        async fn running(reads: &Arc<ReadThreads>, merchant: MerchantId) -> Self {
            let held = Self::queued(reads, merchant).await;
            held.begun.recv().unwrap();
            held
        }

        async fn end(self) -> Result<(), Error> {
            self.go.send(()).unwrap();
            self.task.await.unwrap()
        }
    }

    #[tokio::test]
    async fn slow_reads_of_one_merchant_leave_a_thread_for_others() {
        let reads = long_reads(3, FOREVER);
        let mut slow = Vec::new();
        for _ in 0..2 {
            slow.push(Held::running(&reads, SLOW).await);
        }
        let waits = Held::queued(&reads, SLOW).await;
        assert_eq!(read(&reads, OTHER, |_| Ok(7)).await.unwrap(), 7);
        assert!(waits.begun.try_recv().is_err(), "a third read of one merchant runs");
        for held in slow.into_iter().chain([waits]) {
            held.end().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_a_read_and_one_merchant_cannot_fill_it() {
        let reads = long_reads(1, FOREVER);
        let runs = Held::running(&reads, SLOW).await;
        let mut waiting = vec![Held::queued(&reads, SLOW).await, Held::queued(&reads, SLOW).await];
        let refused = read(&reads, SLOW, |_| Ok(())).await;
        assert!(matches!(refused, Err(Error::TooManyReads)), "{refused:?}");
        waiting.push(Held::queued(&reads, OTHER).await);
        waiting.push(Held::queued(&reads, MerchantId(3)).await);
        let refused = read(&reads, MerchantId(4), |_| Ok(())).await;
        assert!(matches!(refused, Err(Error::TooManyReads)), "{refused:?}");
        for held in [runs].into_iter().chain(waiting) {
            held.end().await.unwrap();
        }
        read(&reads, MerchantId(4), |_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_read_that_waited_too_long_is_refused() {
        let reads = long_reads(1, Duration::ZERO);
        let refused = read(&reads, SLOW, |_| Ok(())).await;
        assert!(matches!(refused, Err(Error::TooManyReads)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_panic_ends_its_read_alone() {
        let reads = long_reads(1, FOREVER);
        let panicked = read::<()>(&reads, SLOW, |_| panic!("a bug")).await;
        assert!(matches!(panicked, Err(Error::Panicked)), "{panicked:?}");
        read(&reads, SLOW, |_| Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_read_whose_caller_has_gone_never_begins() {
        let reads = long_reads(1, FOREVER);
        let runs = Held::running(&reads, SLOW).await;
        let gone = Held::queued(&reads, SLOW).await;
        gone.task.abort();
        gone.task.await.unwrap_err();
        runs.end().await.unwrap();
        read(&reads, SLOW, |_| Ok(())).await.unwrap();
        assert!(gone.begun.recv().is_err(), "the read began");
    }

    #[tokio::test]
    async fn reads_that_wait_when_the_threads_stop_are_refused() {
        let reads = long_reads(1, FOREVER);
        let runs = Held::running(&reads, SLOW).await;
        let waits = Held::queued(&reads, SLOW).await;
        let stopping = Arc::clone(&reads);
        let stop = thread::spawn(move || stopping.stop());
        assert!(matches!(waits.task.await.unwrap(), Err(Error::Stopped)));
        runs.end().await.unwrap();
        stop.join().unwrap();
        assert!(matches!(read(&reads, SLOW, |_| Ok(())).await, Err(Error::Stopped)));
    }
}
