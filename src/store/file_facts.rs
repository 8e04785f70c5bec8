//! Facts about a file that the command line shows. They are only read, and a service may be
//! using the file.

use std::path::Path;

use crate::domain::mode::Mode;
use crate::domain::time::Timestamp;
use crate::domain::treasury::position::Position;
use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::sql::Connection;
use crate::store::engine::sqlite::inspection::{self, Purpose};
use crate::store::engine::sqlite::{connection, file};
use crate::store::opened::{Opened, unreadable};
use crate::store::place::Place;
use crate::store::tx::Snapshot;

/// Returns the mode that a database was made for. It may be in use.
///
/// # Errors
///
/// Fails if it is not a database of escrowd, or cannot be read.
pub fn mode_of(path: &Path) -> Result<Mode, OpenError> {
    purpose_of(path).map(|purpose| purpose.mode)
}

/// Returns the mode and the currency that a database was made for. It may be in use.
pub(super) fn purpose_of(path: &Path) -> Result<Purpose, OpenError> {
    let path = &*file::resolve_link(path)?;
    connection::check_to_audit(path)?;
    inspection::purpose_of(path, &connection::open_to_copy(path)?)
}

/// Checks that there is a database and that it has the schema of this version. Only reads, and may
/// run beside a server.
///
/// # Errors
///
/// Fails if it is missing, has another schema or cannot be read.
pub fn check_existing(place: &Place) -> Result<(), OpenError> {
    Opened::open(&Opened::check(place)?).map(drop)
}

/// Returns the ledger time of the newest commit in a database, `None` in a fresh one. Only
/// reads, and may run beside a server.
///
/// # Errors
///
/// Fails when the database cannot be opened or read.
pub fn newest_ledger_time(place: &Place) -> Result<Option<Timestamp>, OpenError> {
    let place = &Opened::check(place)?;
    let newest = Opened::open(place)?.in_snapshot(|snapshot| Snapshot::of(snapshot).newest_ledger_time());
    newest.map_err(|cause| unreadable(place, cause))
}

/// Returns the position of all merchants in a database, at the time of its newest commit, and
/// the currency of its amounts. Only reads, and may run beside a server.
///
/// # Errors
///
/// Fails when the database cannot be opened or read.
pub fn position(place: &Place) -> Result<(Position, String), OpenError> {
    let place = &Opened::check(place)?;
    let read = Opened::open(place)?.in_snapshot(position_in);
    read.map_err(|cause| unreadable(place, cause))
}

/// Returns the position of all merchants in an open database, as [`position`] does.
pub(super) fn position_in(connection: Connection<'_>) -> Result<(Position, String), Error> {
    let snapshot = Snapshot::of(connection);
    let merchants = snapshot.every_merchant()?.into_iter();
    let merchants = merchants
        .map(|merchant| snapshot.position_of(merchant))
        .collect::<Result<_, _>>()?;
    let as_of = snapshot.newest_ledger_time()?.unwrap_or(Timestamp::EPOCH);
    let position = Position::of(merchants, as_of, snapshot.newest_transfer()?);
    Ok((position, snapshot.currency()?))
}
