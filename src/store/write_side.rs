//! The writing half of a store, the same for both engines.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use crate::store::engine::delivery_wakeups::DeliveryWakeups;
use crate::store::engine::health::Health;
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::writer::Writer;
use crate::store::engine::writer_meter::WriterMeter;

/// The writer with its health, clock, wake-ups and meter.
pub(super) struct WriteSide {
    pub(super) writer: Writer,
    pub(super) health: Arc<Health>,
    pub(super) clock: Arc<LedgerClock>,
    pub(super) wakeups: Arc<DeliveryWakeups>,
    pub(super) meter: Arc<WriterMeter>,
    /// See [`Store::key_version`](crate::store::Store::key_version).
    pub(super) key_version: Arc<AtomicU64>,
    /// See [`Store::leadership`](crate::store::Store::leadership).
    pub(super) is_leader: watch::Sender<bool>,
}
