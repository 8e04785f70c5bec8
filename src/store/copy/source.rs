//! The database that a copy reads.

use std::path::{Path, PathBuf};

use rusqlite::DropBehavior;

use crate::domain::file::FileName;
use crate::store::engine::error::{Error, OpenError};
use crate::store::engine::file_content::ContentError;
use crate::store::engine::postgres::reconnecting_session::open_to_read_all;
use crate::store::engine::postgres::{Session, copying};
use crate::store::engine::sql::{Connection, params};
use crate::store::engine::sqlite::file;
use crate::store::engine::sqlite::lock::{self, InstanceLock, LockedFile};
use crate::store::engine::sqlite::{backup, blobs, connection, inspection};
use crate::store::place::Place;
use crate::store::tables::columns::FromColumn;
use crate::store::tx::Snapshot;

/// Takes the name and the content of a file.
type KeepFile<'a> = &'a mut dyn FnMut(FileName, &[u8]) -> Result<(), Error>;

/// A database in one snapshot. No service can use it until this is dropped.
pub(super) enum Source {
    File {
        path: PathBuf,
        connection: rusqlite::Connection,
        /// Dropped after the connection: closing a handle of the file ends the locks of SQLite.
        _file: LockedFile,
        _lock: InstanceLock,
    },
    Postgres(Session),
}

/// The counters from which a copy continues: commits, newest transfer, ledger time and newest
/// number.
#[derive(Clone, Copy)]
pub(super) struct Counters {
    pub(super) commits: i64,
    pub(super) newest_transfer: i64,
    pub(super) ledger_time: i64,
    /// The greatest number that a row took.
    pub(super) newest_number: i64,
}

impl Source {
    /// Locks a database and begins its snapshot.
    ///
    /// # Errors
    ///
    /// Fails if a service uses the database, or it has not this program's schema.
    pub(super) fn open(place: &Place) -> Result<Self, OpenError> {
        match place {
            Place::File(path) => Self::open_file(path),
            Place::Postgres(address) => {
                let begun = open_to_read_all(address).and_then(|session| {
                    copying::begin_source(&session)?;
                    Ok(session)
                });
                begun.map(Self::Postgres).map_err(|problem| problem.into_error(address))
            }
        }
    }

    fn open_file(path: &Path) -> Result<Self, OpenError> {
        let path = file::resolve(path)?;
        let file = file::open_regular(&path)?;
        let lock = InstanceLock::take(&path)?;
        let file = lock::lock_file(&path, file)?;
        inspection::check_log(&path)?;
        let connection = connection::open_to_audit(&path)?;
        // The snapshot ends with the connection.
        let begun = backup::pin(&connection).map(|mut snapshot| snapshot.set_drop_behavior(DropBehavior::Ignore));
        begun.map_err(OpenError::sqlite(&path))?;
        Ok(Self::File {
            path,
            connection,
            _file: file,
            _lock: lock,
        })
    }

    /// Returns the connection, which is in the transaction of the snapshot.
    pub(super) const fn connection(&self) -> Connection<'_> {
        match self {
            Self::File { connection, .. } => Connection::of(connection),
            Self::Postgres(session) => Connection::Postgres(session),
        }
    }

    /// Reads where the database goes on.
    pub(super) fn counters(&self) -> Result<Counters, Error> {
        let snapshot = Snapshot::of(self.connection());
        let sql = "SELECT commits, newest_transfer, ledger_time, /*sqlite*/0/*end*//*postgres newest_number*/
                   FROM file_mark";
        let (commits, newest_transfer, ledger_time, given_out): (i64, i64, i64, i64) =
            self.connection().prepare(sql)?.one(params![], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        Ok(Counters {
            commits,
            newest_transfer,
            ledger_time,
            newest_number: snapshot.newest_number()?.max(given_out),
        })
    }

    /// Calls `keep` with the name and the content of every file that a row names.
    ///
    /// # Errors
    ///
    /// Fails if a file is missing or damaged, and with the error of `keep`.
    pub(super) fn each_file(&self, keep: KeepFile<'_>) -> Result<(), Error> {
        let mut names = self.connection().prepare("SELECT name FROM file ORDER BY name")?;
        let mut rows = names.query(params![])?;
        while let Some(row) = rows.next()? {
            let name = FileName::from_column(row, 0)?;
            match self {
                Self::File { path, .. } => keep(name, &content_beside(path, name)?)?,
                Self::Postgres(_) => {
                    let sql = "SELECT content FROM file_content WHERE name = ?1";
                    let mut content = self.connection().prepare(sql)?;
                    content.one(params![name.to_string()], |row| {
                        let bytes = <&[u8]>::from_column(row, 0)?;
                        if FileName::of(name.kind, bytes) != name {
                            return Err(changed(name));
                        }
                        keep(name, bytes)
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn content_beside(database: &Path, name: FileName) -> Result<Vec<u8>, Error> {
    blobs::content(database, name).map_err(|problem| match problem {
        ContentError::Io { cause, .. } => cause.into(),
        damage => Error::Corrupt(damage.to_string()),
    })
}

fn changed(name: FileName) -> Error {
    Error::Corrupt(ContentError::Changed(name).to_string())
}
