//! What every store has for its writes.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use crate::store::engine::delivery_wakeups::DeliveryWakeups;
use crate::store::engine::health::Health;
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::writer::Writer;
use crate::store::engine::writer_meter::WriterMeter;

/// The writer of a store, with what it tells others.
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
