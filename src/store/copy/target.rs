//! The database that a copy makes.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;

use crate::domain::file::FileName;
use crate::domain::ids::Entropy;
use crate::store::audit::{Audit, audit};
use crate::store::backup::{self, BackupError};
use crate::store::backup_files;
use crate::store::copy::error::CopyError;
use crate::store::copy::source::Counters;
use crate::store::copy::tables::{self, Content, CopyStep, Table};
use crate::store::engine::error::Error;
use crate::store::engine::postgres::Session;
use crate::store::engine::postgres::address::Address;
use crate::store::engine::postgres::preparation::random_secret;
use crate::store::engine::postgres::reconnecting_session::open_to_read_all;
use crate::store::engine::postgres::{CopyIn, copying};
use crate::store::engine::sql::{Connection, Value, params};
use crate::store::engine::sqlite::backup::{Copying, FileCopyError};
use crate::store::engine::sqlite::connection::add_functions;
use crate::store::engine::sqlite::file;
use crate::store::engine::sqlite::{blobs, inspection, mark};
use crate::store::place::Place;

/// The rows that PostgreSQL takes at once. It remembers every reference of each until their end.
const PART_ROWS: u64 = 50_000;
/// The rows with references that lead nowhere that a message names.
const SHOWN_MAX: u32 = 3;

/// A database that is not whole yet. Dropping it leaves nothing of it.
pub(super) enum Target {
    File(Box<NewFile>),
    Postgres { session: Box<Session>, address: Address },
}

/// A file under an unfinished name, in a transaction.
pub(super) struct NewFile {
    to: PathBuf,
    /// `None` when the transaction has ended.
    connection: Option<rusqlite::Connection>,
    /// `None` when the file has its name. Dropped after the connection.
    copying: Option<Copying>,
    schema_cookie: u32,
}

/// Rows on their way into a table.
enum Part<'a> {
    Sqlite(rusqlite::CachedStatement<'a>),
    Postgres(CopyIn<'a>),
}

impl Part<'_> {
    fn write(&mut self, values: &[Value<'_>]) -> Result<(), Error> {
        match self {
            Self::Sqlite(insert) => Ok(insert.execute(rusqlite::params_from_iter(values)).map(drop)?),
            Self::Postgres(rows) => rows.write(values),
        }
    }

    fn finish(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(rows) => rows.finish(),
        }
    }
}

impl Target {
    /// Begins a database with empty tables.
    ///
    /// # Errors
    ///
    /// Fails if the name of the file is taken, or the PostgreSQL database has tables.
    pub(super) fn begin(place: &Place, entropy: &mut dyn Entropy) -> Result<Self, CopyError> {
        match place {
            Place::File(to) => {
                let file = NewFile::begin(to, mark::random_cookie(entropy))?;
                Ok(Self::File(Box::new(file)))
            }
            Place::Postgres(address) => {
                let secret = random_secret(entropy);
                let begun = open_to_read_all(address).and_then(|session| {
                    copying::begin_target(&session, &secret)?;
                    Ok(session)
                });
                let session = begun.map_err(|problem| problem.into_error(address))?;
                Ok(Self::Postgres {
                    session: Box::new(session),
                    address: address.clone(),
                })
            }
        }
    }

    /// Returns the connection, which is in the transaction of the copy.
    pub(super) fn connection(&self) -> Connection<'_> {
        match self {
            Self::File(file) => Connection::of(file.connection()),
            Self::Postgres { session, .. } => Connection::Postgres(session),
        }
    }

    /// Adds a file that a row will name.
    pub(super) fn keep_file(&mut self, name: FileName, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::File(file) => {
                blobs::begin_unfinished(file.unfinished())?;
                Ok(blobs::write_copy(file.unfinished(), name, bytes)?)
            }
            Self::Postgres { session, .. } => {
                let mut content = Connection::Postgres(session)
                    .prepare("INSERT INTO file_content (name, content) VALUES (?1, ?2)")?;
                content.execute(params![name.to_string(), bytes]).map(drop)
            }
        }
    }

    /// Copies the rows of a table, and returns what they were at the source.
    pub(super) fn fill(
        &mut self,
        from: Connection<'_>,
        table: &Table,
        on_step: &mut dyn FnMut(CopyStep<'_>),
    ) -> Result<Content, Error> {
        let mut content = Content::default();
        let mut statement = from.prepare(&table.select_in_order())?;
        let mut rows = statement.query(params![])?;
        let mut is_end = false;
        while !is_end {
            let mut part = match self {
                Self::File(file) => Part::Sqlite(file.connection().prepare_cached(&table.insert())?),
                Self::Postgres { session, .. } => Part::Postgres(session.copy_in(&table.name, &table.columns())?),
            };
            let until = content.rows + PART_ROWS;
            while content.rows < until {
                let Some(row) = rows.next()? else {
                    is_end = true;
                    break;
                };
                let values = table.values(row)?;
                part.write(&values)?;
                content.add(&values);
                if content.rows.is_multiple_of(tables::ROWS_PER_REPORT) {
                    let (table, done) = (table.name.as_str(), content.rows);
                    on_step(CopyStep::Rows { table, done });
                }
            }
            part.finish()?;
        }
        Ok(content)
    }

    /// Writes the mark and completes the schema, when all rows are there.
    pub(super) fn complete(&mut self, of: Counters) -> Result<(), Error> {
        match self {
            Self::File(file) => Ok(file.complete(of)?),
            Self::Postgres { session, .. } => {
                Connection::Postgres(session)
                    .prepare(
                        "INSERT INTO file_mark (only_row, generation, previous_generation, commits, newest_transfer,
                             is_open, schema_cookie, ledger_time, newest_number)
                         VALUES (1, 0, 0, ?1, ?2, 0, 0, ?3, ?4)",
                    )?
                    .execute(params![
                        of.commits,
                        of.newest_transfer,
                        of.ledger_time,
                        of.newest_number
                    ])?;
                copying::complete_target(session)
            }
        }
    }

    /// Returns references that lead nowhere. PostgreSQL checks them with every row.
    pub(super) fn problems(&self) -> Result<Vec<String>, Error> {
        let Self::File(file) = self else {
            return Ok(Vec::new());
        };
        Ok(inspection::broken_references(file.connection(), Some(SHOWN_MAX))?)
    }

    /// Commits the copy, audits it and gives it its place.
    ///
    /// # Errors
    ///
    /// Fails if it is not sound. Nothing is left of it then.
    pub(super) fn finish(self, from: &Place, on_step: &mut dyn FnMut(CopyStep<'_>)) -> Result<Audit, CopyError> {
        match self {
            Self::File(file) => file.finish(from, on_step),
            Self::Postgres { session, address } => finish_postgres(&session, address, from, on_step),
        }
    }
}

fn finish_postgres(
    session: &Session,
    address: Address,
    from: &Place,
    on_step: &mut dyn FnMut(CopyStep<'_>),
) -> Result<Audit, CopyError> {
    let to = Place::Postgres(address);
    let committed = session.batch("COMMIT").map_err(|cause| CopyError::Failed {
        part: "the end".to_owned(),
        from: from.clone(),
        to: to.clone(),
        cause,
    });
    let problem = match committed.and_then(|()| audited(&to, from, &to, on_step)) {
        Ok(audit) => return Ok(audit),
        Err(problem) => problem,
    };
    let removed = tables::all().and_then(|tables| {
        let mark = std::iter::once(tables::MARK);
        copying::remove_target(session, mark.chain(tables.iter().map(|table| table.name.as_str())))
    });
    Err(match removed {
        Ok(()) => problem,
        Err(cause) => CopyError::Left {
            to,
            problem: Box::new(problem),
            cause,
        },
    })
}

/// Audits a copy, and fails if it is not sound.
fn audited(copy: &Place, from: &Place, to: &Place, on_step: &mut dyn FnMut(CopyStep<'_>)) -> Result<Audit, CopyError> {
    let audit = audit(copy, &mut |done, all| on_step(CopyStep::Audit { done, all }))?;
    if audit.findings_total == 0 {
        return Ok(audit);
    }
    Err(CopyError::damaged(from, to, &audit.findings, audit.findings_total))
}

impl NewFile {
    fn begin(to: &Path, schema_cookie: u32) -> Result<Self, BackupError> {
        backup::refuse_unfit(to)?;
        backup::refuse_existing(to)?;
        let as_backup_error = |error: FileCopyError| backup::failed(error, to);
        let copying = Copying::begin(to).map_err(as_backup_error)?;
        backup_files::remove_leftovers(to).map_err(|error| as_backup_error(error.into()))?;
        let open = || {
            let connection = rusqlite::Connection::open(copying.path())?;
            // A copy that is not whole is never used, so it needs no journal and is synced once.
            connection.pragma_update(None, "journal_mode", "OFF")?;
            connection.pragma_update(None, "synchronous", "OFF")?;
            connection.pragma_update(None, "cache_size", -65_536)?;
            // Rows of a table may name those of a later one. The end checks them all.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
            add_functions(&connection)?;
            file::create_tables(&connection)?;
            connection.execute_batch("BEGIN")?;
            Ok(connection)
        };
        let connection = open().map_err(|error: rusqlite::Error| as_backup_error(error.into()))?;
        Ok(Self {
            to: to.to_owned(),
            connection: Some(connection),
            copying: Some(copying),
            schema_cookie,
        })
    }

    fn connection(&self) -> &rusqlite::Connection {
        self.connection.as_ref().expect("the transaction has not ended")
    }

    fn unfinished(&self) -> &Path {
        self.copying.as_ref().expect("the file has not its name yet").path()
    }

    fn complete(&self, of: Counters) -> rusqlite::Result<()> {
        mark::insert(self.connection(), self.schema_cookie)?;
        mark::go_on(self.connection(), of.commits, of.newest_transfer, of.ledger_time)
    }

    fn finish(mut self, from: &Place, on_step: &mut dyn FnMut(CopyStep<'_>)) -> Result<Audit, CopyError> {
        let to = self.to.clone();
        let as_backup_error = |error: FileCopyError| backup::failed(error, &to);
        if let Some(connection) = self.connection.take() {
            connection
                .execute_batch("COMMIT")
                .map_err(|error| as_backup_error(error.into()))?;
            connection.close().map_err(|(_, error)| as_backup_error(error.into()))?;
        }
        let unfinished = self.unfinished().to_owned();
        if blobs::is_unfinished(&unfinished) {
            blobs::sync_all(&unfinished).map_err(|error| as_backup_error(error.into()))?;
        }
        let audit = audited(&Place::File(unfinished), from, &Place::File(to.clone()), on_step)?;
        backup_files::remove_files_without_database(&to).map_err(|error| as_backup_error(error.into()))?;
        if let Some(copying) = self.copying.take() {
            copying.sync().map_err(|error| as_backup_error(error.into()))?;
            backup::finish(copying, &to)?;
        }
        Ok(audit)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(copying) = &self.copying {
            // The next copy with this name removes files that cannot be removed now.
            drop(blobs::remove_all(copying.path()));
        }
    }
}
