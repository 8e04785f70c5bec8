//! The replies to failures of the store.

use crate::store;

/// The status, code and message of a failure of the store.
pub(super) struct StoreFailure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

impl StoreFailure {
    /// Every code of [`store_failure`].
    pub(super) const CODES: [&str; 9] = [
        "busy",
        "storage_full",
        "database_gone",
        "ledger_broken",
        "clock_jumped",
        "storage_failing",
        "stopping",
        "outcome_unknown",
        "internal",
    ];
}

/// Returns the reply to a failure of the store.
pub(super) fn store_failure(error: &store::Error) -> StoreFailure {
    let (status, code, message) = match error {
        store::Error::QueueFull => (
            503,
            "busy",
            "Too many writes are waiting; nothing was changed, try again shortly",
        ),
        store::Error::FileBusy => (
            503,
            "busy",
            "Another program is writing to the database; nothing was changed, try again shortly",
        ),
        store::Error::NoReader(_) | store::Error::TooManyReads => {
            (503, "busy", "Too many reads are waiting; try again shortly")
        }
        store::Error::ReadTooLong => (
            503,
            "busy",
            "The read took longer than storage.read_seconds_max allows and was stopped; narrow the filter, or try again \
             when the service is less busy",
        ),
        store::Error::StorageFull => (503, "storage_full", "The disk is full; nothing was changed"),
        store::Error::FileGone(_) => (
            503,
            "database_gone",
            "The database file was removed or replaced while the service ran; nothing was changed, and the service stops",
        ),
        store::Error::LedgerBroken(_) => (
            503,
            "ledger_broken",
            "The check of the ledger found damage, so writes are refused; nothing was changed. The operator should stop \
             the service, run escrowd check and restore a backup",
        ),
        store::Error::ClockJumped { .. } => (
            503,
            "clock_jumped",
            "The system's clock is further ahead than storage.clock_jump_hours_max allows; nothing was changed, and \
             writes go on when the operator has set it right or confirmed it",
        ),
        store::Error::Abandoned => (
            503,
            "storage_failing",
            "The storage failed; nothing was changed, try again shortly",
        ),
        store::Error::Stopped => (
            503,
            "stopping",
            "The service is stopping; nothing was changed, try again shortly",
        ),
        store::Error::OutcomeUnknown(_) | store::Error::DiskFailed(_) => (
            500,
            "outcome_unknown",
            "The disk failed, and the service cannot tell if this took effect; its state shows after a restart",
        ),
        store::Error::Panicked | store::Error::Sqlite(_) | store::Error::Corrupt(_) | store::Error::Files(_) => {
            (500, "internal", "Something went wrong on our side; nothing was changed")
        }
    };
    StoreFailure { status, code, message }
}
