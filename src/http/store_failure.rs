//! The replies to failures of the store.

use strum::{EnumProperty, IntoStaticStr, VariantArray};

use crate::store;

/// A failure of the store that clients tell apart by its code. The status is 503 unless the variant states
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

/// Seconds after which a client may try a failed write again.
pub(super) const RETRY_AFTER_SECONDS: u64 = 1;
/// Seconds after which the clock of the machine may be right again. People set it.
const RETRY_AFTER_CLOCK_SECONDS: u64 = 30;

impl StoreFailure {
    /// Returns the HTTP status.
    pub(super) fn status(self) -> u16 {
        self.get_int("status")
            .map_or(503, |status| u16::try_from(status).expect("a status has three digits"))
    }

    /// Returns the seconds after which the client should send the request again. `None` stands for a
    /// request that may have taken effect, and for a failure that only an operator can end.
    pub(super) const fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::OutcomeUnknown | Self::LedgerBroken | Self::DatabaseGone | Self::Internal => None,
            Self::ClockJumped => Some(RETRY_AFTER_CLOCK_SECONDS),
            Self::Busy
            | Self::StorageFull
            | Self::DatabaseMigrated
            | Self::StorageFailing
            | Self::Stopping
            | Self::DatabaseUnreachable => Some(RETRY_AFTER_SECONDS),
        }
    }
}

/// A failure with its message to the client.
pub(super) struct DescribedFailure {
    pub(super) failure: StoreFailure,
    pub(super) message: &'static str,
}

/// Returns the failure that an error of the store is, and its message.
pub(super) fn store_failure(error: &store::Error) -> DescribedFailure {
    let (failure, message) = match error {
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
    };
    DescribedFailure { failure, message }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::http::header::RETRY_AFTER;

    use crate::http::ApiError;
    use crate::store::Error;

    fn retry_after(error: Error) -> (u16, Option<String>) {
        let reply = ApiError::from(error).error_response();
        let seconds = reply.headers().get(RETRY_AFTER);
        let seconds = seconds.map(|seconds| seconds.to_str().unwrap().to_owned());
        (reply.status().as_u16(), seconds)
    }

    #[test]
    fn a_client_is_asked_to_repeat_only_what_has_changed_nothing_and_may_succeed() {
        let lost = || "the connection was lost".to_owned();
        assert_eq!(retry_after(Error::OutcomeUnknown(lost())), (503, None));
        assert_eq!(retry_after(Error::DiskFailed(lost())), (503, None));
        assert_eq!(retry_after(Error::LedgerBroken(lost())), (503, None));
        assert_eq!(retry_after(Error::FileGone(lost())), (503, None));
        assert_eq!(retry_after(Error::Panicked), (500, None));
        for may_succeed in [Error::QueueFull, Error::StorageFull, Error::Abandoned, Error::Stopped] {
            assert_eq!(retry_after(may_succeed), (503, Some("1".to_owned())));
        }
    }
}
