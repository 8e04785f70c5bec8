//! A thread that works beside the service until it is told to stop.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::background::{BackgroundTask, Panics, Restarts};

/// A running thread. Dropping this ends it.
pub(crate) struct BackgroundThread {
    task: BackgroundTask,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Dropped when the thread should end.
    stop: Sender<()>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

/// The sign that a background thread should end.
pub(crate) struct Stop(Receiver<()>);

impl Stop {
    /// Waits for the sign, at most for this time. Returns true if the thread should end.
    pub(crate) fn comes_within(&self, pause: Duration) -> bool {
        self.0.recv_timeout(pause) != Err(RecvTimeoutError::Timeout)
    }
}

impl BackgroundThread {
    /// Starts a thread, which ends when `run` returns. When `run` panics, it is called again.
    pub(crate) fn start(
        task: BackgroundTask,
        panics: Arc<Panics>,
        mut run: impl FnMut(&Stop) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        let repeat = move || {
            let stop = Stop(stopped);
            let mut restarts = Restarts::of(task, &panics);
            while catch_unwind(AssertUnwindSafe(|| run(&stop))).is_err() {
                if stop.comes_within(restarts.pause_after_panic()) {
                    break;
                }
            }
            drop(run);
            drop(end);
        };
        let thread = thread::Builder::new().name(task.into_str().to_owned()).spawn(repeat)?;
        Ok(Self {
            task,
            running: Mutex::new(Some(Running { stop, ended, thread })),
        })
    }

    /// Ends the thread after the step under way, and waits for it.
    pub(crate) fn stop(&self) {
        if let Some(Running { stop, thread, .. }) = self.take() {
            drop(stop);
            if thread.join().is_err() {
                log::error!("the thread {} panicked at its end", self.task.into_str());
            }
        }
    }

    /// Ends the thread after the step under way, and waits for it at most for this time. Returns
    /// false if it has not ended by then.
    pub(crate) fn stop_within(&self, time_max: Duration) -> bool {
        self.take().is_none_or(|Running { stop, ended, .. }| {
            drop(stop);
            ended.recv_timeout(time_max) != Err(RecvTimeoutError::Timeout)
        })
    }

    fn take(&self) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for BackgroundThread {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_is_counted_and_begins_again() {
        let panics = Arc::<Panics>::default();
        let (tell, told) = channel();
        let mut runs = 0;
        let run = move |stop: &Stop| {
            runs += 1;
            tell.send(runs).unwrap();
            assert_ne!(runs, 1, "planned by the test");
            while !stop.comes_within(Duration::from_mins(1)) {}
        };
        let thread = BackgroundThread::start(BackgroundTask::Peers, Arc::clone(&panics), run).unwrap();
        let next = || told.recv_timeout(Duration::from_secs(20));
        assert_eq!((next(), next()), (Ok(1), Ok(2)));
        assert!(panics.read().any(|read| read == ("peers", 1)), "{panics:?}");
        thread.stop();
        assert_eq!(next(), Err(RecvTimeoutError::Disconnected), "the thread goes on");
    }

    #[test]
    fn a_stop_ends_the_pause_after_a_panic() {
        let (tell, told) = channel();
        let run = move |_: &Stop| {
            tell.send(()).unwrap();
            panic!("planned by the test");
        };
        let thread = BackgroundThread::start(BackgroundTask::Backups, Arc::default(), run).unwrap();
        for _ in 0..3 {
            told.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        // The pause is now 4 seconds long.
        assert!(thread.stop_within(Duration::from_millis(3_500)));
    }

    #[test]
    fn a_stop_with_a_limit_leaves_a_thread_that_does_not_end() {
        let (_go, may_go) = channel::<()>();
        let run = move |_: &Stop| {
            may_go.recv().unwrap_err();
        };
        let thread = BackgroundThread::start(BackgroundTask::Backups, Arc::default(), run).unwrap();
        assert!(!thread.stop_within(Duration::from_millis(50)));
    }
}
