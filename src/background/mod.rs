//! Work beside the requests, such as retention, that goes on until the service stops.
//!
//! A panic in it, which is a bug, is counted and logged, and the work begins again after a pause.
//! Otherwise one panic would end that work for as long as the process lives, while requests are
//! answered as before.

mod thread;

pub(crate) use thread::{BackgroundThread, Stop};

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use strum::{IntoStaticStr, VariantArray};
use tokio::time::sleep;

use crate::meter::Counter;

/// The pause after a panic. It doubles with each further one, so that work that always panics
/// neither fills the log nor takes the time of the service.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause. After a run that lasted longer than this, the pauses begin anew.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// The work in the background. The word of each is its name in the metrics and the log, and that of
/// its thread, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub(crate) enum BackgroundTask {
    Backups,
    LedgerCheck,
    Peers,
    Retention,
    Settlements,
    Webhooks,
}

impl BackgroundTask {
    /// Returns the longest pause before the task begins again.
    const fn pause_max(self) -> Duration {
        match self {
            // Keys that another process revokes work in this one during the pause.
            Self::Peers => PAUSE_MIN,
            _ => PAUSE_MAX,
        }
    }
}

/// The panics since the start, by task.
#[derive(Debug, Default)]
pub(crate) struct Panics([Counter; BackgroundTask::VARIANTS.len()]);

impl Panics {
    /// Returns the name of each task and the number of its panics.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let tasks = BackgroundTask::VARIANTS.iter();
        tasks.map(|task| (task.into_str(), self.of(*task).get()))
    }

    const fn of(&self, task: BackgroundTask) -> &Counter {
        &self.0[task as usize]
    }
}

/// Counts the panics of one task, and decides how soon it begins again.
pub(crate) struct Restarts<'a> {
    task: BackgroundTask,
    panics: &'a Panics,
    began: Instant,
    next_pause: Duration,
}

impl<'a> Restarts<'a> {
    /// Begins to count. The first run of the task begins now.
    pub(crate) fn of(task: BackgroundTask, panics: &'a Panics) -> Self {
        Self {
            task,
            panics,
            began: Instant::now(),
            next_pause: PAUSE_MIN,
        }
    }

    /// Counts and logs a panic, and returns the pause after which the task begins again.
    pub(crate) fn pause_after_panic(&mut self) -> Duration {
        let pause = self.pause_after(self.began.elapsed());
        self.began = Instant::now() + pause;
        self.panics.of(self.task).add_one();
        let (name, seconds) = (self.task.into_str(), pause.as_secs());
        log::error!("the background task {name} panicked, which is a bug; it begins again in {seconds} s");
        pause
    }

    /// Returns the pause after a run that took this long, and doubles the next one.
    fn pause_after(&mut self, ran: Duration) -> Duration {
        if ran > PAUSE_MAX {
            self.next_pause = PAUSE_MIN;
        }
        let pause = self.next_pause;
        self.next_pause = self.task.pause_max().min(pause * 2);
        pause
    }
}

/// Runs a task on the current runtime until it returns. Begins it again whenever it panics.
pub(crate) async fn run(task: BackgroundTask, panics: &Panics, mut work: impl AsyncFnMut()) {
    let mut restarts = Restarts::of(task, panics);
    while catch_panic(work()).await.is_err() {
        sleep(restarts.pause_after_panic()).await;
    }
}

/// The error of a run that panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Awaits a run of a task. A panic must leave no state half changed that a later run uses.
pub(crate) async fn catch_panic(run: impl Future<Output = ()>) -> Result<(), Panicked> {
    AssertUnwindSafe(run).catch_unwind().await.map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound_and_begins_anew_after_a_long_run() {
        let panics = Panics::default();
        let mut restarts = Restarts::of(BackgroundTask::Retention, &panics);
        let mut pauses_after = |ran: Duration| restarts.pause_after(ran).as_secs();
        let pauses: Vec<u64> = (0..8).map(|_| pauses_after(Duration::ZERO)).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pauses_after(PAUSE_MAX), 60);
        assert_eq!(pauses_after(PAUSE_MAX + Duration::from_secs(1)), 1);
    }

    #[tokio::test]
    async fn a_task_that_panics_is_counted_and_begins_again() {
        let panics = Panics::default();
        let mut runs = 0;
        run(BackgroundTask::Settlements, &panics, async || {
            runs += 1;
            tokio::task::yield_now().await;
            assert_ne!(runs, 1, "planned by the test");
        })
        .await;
        assert_eq!(runs, 2);
        let counted = |(name, count): (&str, u64)| count == u64::from(name == "settlements");
        assert!(panics.read().all(counted), "{panics:?}");
    }
}
