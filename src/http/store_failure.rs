//! The replies to failures of the store.

use strum::{EnumProperty, IntoStaticStr, VariantArray};

use crate::store;

/// A failure of the store, as its code tells it. The status is 503 unless the variant states
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumProperty, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum StoreFailure {
    Busy,
    StorageFull,
    DatabaseGone,
    DatabaseMigrated,
    LedgerBroken,
    ClockJumped,
    StorageFailing,
    Stopping,
    DatabaseUnreachable,
    OutcomeUnknown,
    #[strum(props(status = 500))]
    Internal,
}

impl StoreFailure {
    /// Returns the HTTP status.
    pub(super) fn status(self) -> u16 {
        self.get_int("status")
            .map_or(503, |status| u16::try_from(status).expect("a status has three digits"))
    }
}

/// Returns the failure that an error of the store is, and its message.
pub(super) fn store_failure(error: &store::Error) -> (StoreFailure, &'static str) {
    match error {
        store::Error::QueueFull => (
            StoreFailure::Busy,
            "Too many writes are waiting; nothing was changed, try again shortly",
        ),
        store::Error::FileBusy => (
            StoreFailure::Busy,
            "Another program is writing to the database; nothing was changed, try again shortly",
        ),
        store::Error::NoReader(_) | store::Error::TooManyReads => {
            (StoreFailure::Busy, "Too many reads are waiting; try again shortly")
        }
        store::Error::TooManyFiles(_) => (
            StoreFailure::Busy,
            "The service has as many files open as it may; nothing was changed, try again shortly",
        ),
        store::Error::NoThread(_) => (
            StoreFailure::Busy,
            "The service has as many threads as it may; nothing was changed, try again shortly",
        ),
        store::Error::MerchantGone(_) => (
            StoreFailure::Busy,
            "A reset has replaced the merchant of this request; nothing was changed, send it again",
        ),
        store::Error::ReadTooLong => (
            StoreFailure::Busy,
            "The read took longer than storage.read_seconds_max allows and was stopped; narrow the filter, or try again \
             when the service is less busy",
        ),
        store::Error::StorageFull => (StoreFailure::StorageFull, "The disk is full; nothing was changed"),
        store::Error::FileGone(_) => (
            StoreFailure::DatabaseGone,
            "The database file was removed or replaced while the service ran; nothing was changed, and the service stops",
        ),
        store::Error::Migrated { .. } => (
            StoreFailure::DatabaseMigrated,
            "A newer version of the service has migrated the database; nothing was changed, and this process of the older \
             version stops",
        ),
        store::Error::LedgerBroken(_) => (
            StoreFailure::LedgerBroken,
            "The check of the ledger found damage, so writes are refused; nothing was changed. The operator should stop \
             the service, run escrowd check and restore a backup",
        ),
        store::Error::ClockJumped { .. } => (
            StoreFailure::ClockJumped,
            "The system's clock is further ahead than storage.clock_jump_hours_max allows; nothing was changed, and \
             writes go on when the operator has set it right or confirmed it",
        ),
        store::Error::Abandoned => (
            StoreFailure::StorageFailing,
            "The storage failed; nothing was changed, try again shortly",
        ),
        store::Error::Stopped => (
            StoreFailure::Stopping,
            "The service is stopping; nothing was changed, try again shortly",
        ),
        store::Error::Unreachable(_) => (
            StoreFailure::DatabaseUnreachable,
            "No database server can be reached that takes writes; nothing was changed, try again shortly",
        ),
        store::Error::OutcomeUnknown(_) | store::Error::DiskFailed(_) => (
            StoreFailure::OutcomeUnknown,
            "The storage failed, and the service cannot tell if this took effect; look it up before you send it again, or \
             send it with the same Idempotency-Key",
        ),
        store::Error::Panicked
        | store::Error::Sqlite(_)
        | store::Error::Postgres(_)
        | store::Error::Corrupt(_)
        | store::Error::Files(_) => (
            StoreFailure::Internal,
            "Something went wrong on our side; nothing was changed",
        ),
    }
}
