//! A database that is opened for reading alone, for commands that need no service.

use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::postgres::Session;
use crate::store::engine::postgres::build::Build;
use crate::store::engine::postgres::reconnecting_session::{in_snapshot, open_to_read_all};
use crate::store::engine::sql::Connection;
use crate::store::engine::sqlite::{connection, file};
use crate::store::place::Place;

/// A connection for reading. A service may use the database at the same time.
pub(super) enum Opened {
    Sqlite(rusqlite::Connection),
    Postgres(Box<Session>),
}

impl Opened {
    /// Checks that a database can be read, and returns its place without a symbolic link. For a
    /// file, this must come before the first [`Opened::open`].
    pub(super) fn check(place: &Place) -> Result<Place, OpenError> {
        match place {
            Place::File(path) => {
                let path = file::resolve_link(path)?;
                connection::check_to_audit(&path)?;
                Ok(Place::File(path.into_owned()))
            }
            Place::Postgres(_) => Ok(place.clone()),
        }
    }

    /// Opens a checked database.
    pub(super) fn open(place: &Place) -> Result<Self, OpenError> {
        match place {
            Place::File(path) => connection::open_to_audit(path).map(Self::Sqlite),
            Place::Postgres(address) => {
                let opened = open_to_read_all(address);
                let checked = opened.and_then(|session| {
                    Build::current().check(session.client())?;
                    Ok(Self::Postgres(Box::new(session)))
                });
                checked.map_err(|problem| problem.into_error(address))
            }
        }
    }

    /// Reads from one snapshot.
    pub(super) fn in_snapshot<T>(&self, read: impl FnOnce(Connection<'_>) -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Self::Sqlite(connection) => {
                let transaction = connection.unchecked_transaction()?;
                read(Connection::of(&transaction))
            }
            Self::Postgres(session) => in_snapshot(session, read),
        }
    }
}

/// Returns the error of a database that was opened and cannot be read.
pub(super) fn unreadable(place: &Place, cause: Error) -> OpenError {
    match place {
        Place::File(path) => OpenError::Damaged {
            path: path.clone(),
            cause,
        },
        Place::Postgres(address) => OpenError::Postgres {
            address: address.to_string(),
            cause,
        },
    }
}
