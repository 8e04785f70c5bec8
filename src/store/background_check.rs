//! The thread that checks all transfers of a file beside the service's work. It begins at the
//! start and ends when it has read them once.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::background::{BackgroundTask, BackgroundThread, Panics, Stop};
use crate::store::audit::verification::{Verification, Verified};
use crate::store::engine::error::Error;
use crate::store::engine::health::Health;
use crate::store::engine::reader::{self, Reader};

/// The thread works for a tenth of the time, so that requests hardly notice it.
const PAUSE_PER_WORK: u32 = 9;

/// The most time that a step may take, which reads a thousand transfers and a thousand accounts. A
/// stop of the service waits for the step under way.
const STEP_TIME_MAX: Duration = Duration::from_secs(5);

/// The pause after a step that could not be made.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Starts the check on a connection of its own.
pub(crate) fn start(
    mut connection: impl Reader,
    health: Arc<Health>,
    panics: Arc<Panics>,
) -> io::Result<BackgroundThread> {
    BackgroundThread::start(BackgroundTask::LedgerCheck, panics, move |stop| {
        run(&mut connection, &health, stop);
    })
}

fn run(connection: &mut dyn Reader, health: &Health, stop: &Stop) {
    let mut verification = Verification::default();
    loop {
        let started = Instant::now();
        let outcome = reader::answer(
            |snapshot| verification.step(snapshot.connection),
            |query| connection.read(STEP_TIME_MAX, query),
        );
        let pause_min = match outcome {
            Ok(Some(verified)) => return report(&verified, health),
            Ok(None) => Duration::ZERO,
            // Another program holds the file's locks, the disk is slow, or PostgreSQL comes back.
            Err(Error::FileBusy | Error::ReadTooLong | Error::Unreachable(_)) => RETRY_PAUSE,
            // The writer finds this out too, logs it, and ends the service.
            Err(Error::Migrated { .. }) => return,
            Err(error) => {
                health.heed(&error);
                return log::error!(
                    "the ledger cannot be read: {error}; stop the service, run `escrowd check`, and keep the file"
                );
            }
        };
        let pause = pause_min.max(started.elapsed() * PAUSE_PER_WORK);
        if stop.comes_within(pause) {
            return;
        }
    }
}

/// Logs the outcome. Damage stops all writes: what would be written next could rest on it.
fn report(verified: &Verified, health: &Health) {
    for problem in &verified.problems {
        log::error!("the ledger is broken: {problem}; stop the service, run `escrowd check`, and keep the file");
    }
    if let Some(problem) = verified.problems.first() {
        health.refuse_writes(Error::LedgerBroken(problem.clone()));
    }
    if verified.problems.is_empty() && verified.transfers > 0 {
        log::info!(
            "checked the ledger: all {} transfers follow from each other and add up to the balances",
            verified.transfers
        );
    }
}
