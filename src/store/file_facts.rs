//! Facts about a file that the command line shows. They are only read, and a service may be
//! using the file.

use std::path::Path;

use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::domain::treasury::position::Position;
use crate::domain::treasury::reconciliation::SumTooLarge;
use crate::store::engine::error::OpenError;
use crate::store::engine::sql;
use crate::store::engine::sqlite::{connection, inspection};
use crate::store::tx::Snapshot;

/// Returns the mode that a database was made for. It may be in use.
///
/// # Errors
///
/// Fails if it is not a database of escrowd, or cannot be read.
pub fn mode_of(path: &Path) -> Result<Mode, OpenError> {
    connection::check_to_audit(path)?;
    inspection::mode_of(path, &connection::open_to_copy(path)?)
}

/// Returns the ledger time of the newest commit in a file, `None` in a fresh file. Only reads,
/// and may run beside a server.
///
/// # Errors
///
/// Fails when the file cannot be opened or read.
pub fn newest_ledger_time(path: &Path) -> Result<Option<Timestamp>, OpenError> {
    connection::check_to_audit(path)?;
    let connection = connection::open_to_audit(path)?;
    let newest = Snapshot::of(sql::Connection::of(&connection)).newest_row_at();
    newest.map_err(|cause| OpenError::Damaged {
        path: path.to_owned(),
        cause,
    })
}

/// Returns the position of all merchants in a file, at the time of its newest commit, and the
/// currency of its amounts. Only reads, and may run beside a server. The inner error is a sum
/// beyond the largest amount.
///
/// # Errors
///
/// Fails when the file cannot be opened or read.
pub fn position(path: &Path) -> Result<(Result<Position, SumTooLarge>, String), OpenError> {
    connection::check_to_audit(path)?;
    let connection = connection::open_to_audit(path)?;
    let read = || {
        let transaction = connection.unchecked_transaction()?;
        let snapshot = Snapshot::of(sql::Connection::of(&transaction));
        let merchants = snapshot.every_merchant()?.into_iter();
        let merchants = merchants
            .map(|merchant| snapshot.position_of(merchant))
            .collect::<Result<_, _>>()?;
        let as_of = snapshot.newest_row_at()?.unwrap_or(Timestamp::EPOCH);
        let currency = transaction.query_row("SELECT currency FROM instance", [], |row| row.get(0))?;
        Ok((Position::of(merchants, as_of, snapshot.newest_transfer()?), currency))
    };
    read().map_err(|cause| OpenError::Damaged {
        path: path.to_owned(),
        cause,
    })
}
