//! The writing half of a store, the same for both engines.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::store::engine::delivery_wakeups::DeliveryWakeups;
use crate::store::engine::health::Health;
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::writer::{GroupCommit, Writer, WriterThread};
use crate::store::engine::writer_meter::WriterMeter;
use crate::store::settings::WriterEnded;

/// The parts that the writer's group commit shares with the rest of the store.
#[derive(Clone)]
pub(super) struct WriterParts {
    pub(super) health: Arc<Health>,
    pub(super) clock: Arc<LedgerClock>,
    pub(super) wakeups: Arc<DeliveryWakeups>,
    pub(super) meter: Arc<WriterMeter>,
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
    /// Starts the writer thread with a group commit that has these parts.
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
        } = parts;
        let (ended, writer_ended) = oneshot::channel();
        let (for_writer, counting) = (Arc::clone(&health), Arc::clone(&meter));
        let (writer, thread) = Writer::start(group_commit, for_writer, counting, queue_commands_max, ended)?;
        let write_side = Self {
            writer,
            thread: Mutex::new(Some(thread)),
            health,
            clock,
            wakeups,
            meter,
            key_version: Arc::default(),
            is_leader: watch::Sender::new(is_leader),
        };
        Ok((write_side, writer_ended))
    }

    /// Lets the waiting commands finish and ends the writer.
    pub(super) fn close(&self) {
        self.writer.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the writer thread panicked");
        }
    }
}
