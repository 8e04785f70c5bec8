//! The thread that checks all transfers of a file beside the service's work. It begins at the
//! start and ends when it has read them once.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::store::audit::verification::{Verification, Verified};
use crate::store::engine::error::Error;
use crate::store::engine::health::Health;
use crate::store::engine::long_reads::Reader;

/// The thread works for a tenth of the time, so that requests hardly notice it.
const PAUSE_PER_WORK: u32 = 9;

/// The most time that a step may take, which reads a thousand transfers, or the accounts.
const STEP_TIME_MAX: Duration = Duration::from_mins(10);

/// The running check. Dropping it ends the thread after the step under way.
pub(crate) struct BackgroundCheck(Mutex<Option<(Sender<()>, JoinHandle<()>)>>);

impl BackgroundCheck {
    /// Starts the check on a connection of its own.
    pub(crate) fn start(connection: impl Reader, health: Arc<Health>) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let check = thread::Builder::new().name("check".to_owned());
        let thread = check.spawn(move || run(connection, &health, &stopped))?;
        Ok(Self(Mutex::new(Some((stop, thread)))))
    }

    /// Ends the check and closes its connection.
    pub(crate) fn stop(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = running {
            drop(stop);
            if thread.join().is_err() {
                log::error!("the thread that checks the ledger panicked");
            }
        }
    }
}

impl Drop for BackgroundCheck {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(mut connection: impl Reader, health: &Health, stopped: &Receiver<()>) {
    let mut verification = Verification::default();
    loop {
        let started = Instant::now();
        match connection.read(STEP_TIME_MAX, |snapshot| verification.step(snapshot.connection)) {
            Ok(Some(verified)) => return report(&verified, health),
            // More follows, or another program holds the file's locks, or PostgreSQL comes back.
            Ok(None) | Err(Error::FileBusy | Error::Unreachable(_)) => {}
            Err(error) => {
                return log::error!(
                    "the ledger cannot be read: {error}; stop the service, run `escrowd check`, and keep the file"
                );
            }
        }
        let pause = started.elapsed() * PAUSE_PER_WORK;
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
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
    if verified.problems.is_empty() {
        log::info!(
            "checked the ledger: all {} transfers follow from each other and add up to the balances",
            verified.transfers
        );
    }
}
