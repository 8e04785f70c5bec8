//! The writing half of a store, the same for both engines.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::store::engine::delivery_wakeups::DeliveryWakeups;
use crate::store::engine::health::Health;
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::writer::{GroupCommit, Writer, WriterThread};
use crate::store::engine::writer_meter::WriterMeter;
use crate::store::settings::WriterEnded;
use crate::store::tx::Tx;

/// The parts that the writer's group commit shares with the rest of the store.
#[derive(Clone)]
pub(super) struct WriterParts {
    pub(super) health: Arc<Health>,
    pub(super) clock: Arc<LedgerClock>,
    pub(super) wakeups: Arc<DeliveryWakeups>,
    pub(super) meter: Arc<WriterMeter>,
    pub(super) key_version: Arc<AtomicU64>,
}

/// The writer with its health, clock, wake-ups and meter.
pub(super) struct WriteSide {
    pub(super) writer: Writer,
    thread: Mutex<Option<WriterThread>>,
    pub(super) health: Arc<Health>,
    pub(super) clock: Arc<LedgerClock>,
    pub(super) wakeups: Arc<DeliveryWakeups>,
    pub(super) meter: Arc<WriterMeter>,
    /// See [`Store::key_version`](crate::store::Store::key_version).
    pub(super) key_version: Arc<AtomicU64>,
    /// See [`Store::leadership`](crate::store::Store::leadership).
    pub(super) is_leader: watch::Sender<bool>,
}

impl WriteSide {
    /// Starts the writer thread with a group commit that has these parts. A clock that the start has
    /// accepted is kept by a commit of its own: perhaps no client writes until the stop.
    pub(super) fn start(
        parts: WriterParts,
        group_commit: impl GroupCommit,
        queue_commands_max: usize,
        is_leader: bool,
    ) -> io::Result<(Self, WriterEnded)> {
        let WriterParts {
            health,
            clock,
            wakeups,
            meter,
            key_version,
        } = parts;
        let (ended, writer_ended) = oneshot::channel();
        let (for_writer, counting) = (Arc::clone(&health), Arc::clone(&meter));
        let (writer, thread) = Writer::start(group_commit, for_writer, counting, queue_commands_max, ended)?;
        if clock.followed_at_start() {
            // It fails if the writer has ended, which the next write finds out.
            let touch = |tx: &mut Tx<'_>| tx.touch_mark();
            drop(writer.submit_unanswered(touch));
        }
        let write_side = Self {
            writer,
            thread: Mutex::new(Some(thread)),
            health,
            clock,
            wakeups,
            meter,
            key_version,
            is_leader: watch::Sender::new(is_leader),
        };
        Ok((write_side, writer_ended))
    }

    /// Lets the waiting commands finish and ends the writer.
    pub(super) fn close(&self) {
        if let Some(thread) = self.take_thread() {
            end(&self.writer, thread);
        }
    }

    /// Ends the writer as [`WriteSide::close`] does, and returns after this time also if it has not
    /// ended: a database on another machine may leave a commit without an answer for any time.
    pub(super) fn close_within(&self, time_max: Duration) {
        let Some(thread) = self.take_thread() else {
            return;
        };
        let writer = self.writer.clone();
        let (told, ended) = mpsc::channel::<()>();
        // A full queue keeps this thread too.
        thread::spawn(move || {
            end(&writer, thread);
            drop(told);
        });
        if ended.recv_timeout(time_max) == Err(RecvTimeoutError::Timeout) {
            log::error!(
                "the database has not answered the last commit; its commands may have taken effect, and clients that \
                 waited for them got no reply"
            );
        }
    }

    fn take_thread(&self) -> Option<WriterThread> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn end(writer: &Writer, thread: WriterThread) {
    writer.stop();
    if thread.join().is_err() {
        log::error!("the writer thread panicked");
    }
}
