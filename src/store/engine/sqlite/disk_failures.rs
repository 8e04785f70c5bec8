//! Failures of the disk while the service runs. One that hits an fsync is final: the system may
//! have dropped what was to be written, and let the next fsync succeed without it.

use rusqlite::ErrorCode;

use crate::store::engine::error::Error;
use crate::store::engine::sqlite::readers::Readers;

/// Changes the mark in a commit of its own.
///
/// # Errors
///
/// [`Error::DiskFailed`] if the log could not be written, or its beginning not synced: the mark may
/// have reached it or not, and another fsync could succeed without writing what this one has lost.
pub(crate) fn commit_mark(readers: &Readers, change: impl FnOnce() -> rusqlite::Result<()>) -> Result<(), Error> {
    readers.commit_with(change).map_err(of_disk)
}

/// Returns the outcome of work that is done again later if it fails, unless the disk failed. `None`
/// stands for another error, which is logged with this warning.
///
/// # Errors
///
/// [`Error::DiskFailed`] if the disk failed.
pub(crate) fn unless_disk_failed<T>(outcome: Result<T, Error>, warning: &str) -> Result<Option<T>, Error> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(error @ Error::DiskFailed(_)) => Err(error),
        Err(error) => {
            log::warn!("{warning}: {error}");
            Ok(None)
        }
    }
}

/// Returns the error of a write by SQLite. Any failure of the disk ends the service, as one of an
/// fsync must.
pub(crate) fn of_disk(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => Error::DiskFailed(error.to_string()),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn only_a_failed_disk_is_no_reason_to_try_again() {
        let of = |code| of_disk(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_DIR_FSYNC,
            ffi::SQLITE_IOERR_WRITE,
        ] {
            let outcome = unless_disk_failed::<()>(Err(of(code)), "put off");
            assert!(matches!(outcome, Err(Error::DiskFailed(_))), "{code}: {outcome:?}");
        }
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_LOCKED] {
            let outcome = unless_disk_failed::<()>(Err(of(code)), "put off");
            assert!(matches!(outcome, Ok(None)), "{code}: {outcome:?}");
        }
    }
}
