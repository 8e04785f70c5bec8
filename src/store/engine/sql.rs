//! Statements, their values and their rows, as the tables use them. The tables know no
//! engine and no database library; this file leads to the one that is in use.
//!
//! Statements are written in SQLite's SQL. The engine of PostgreSQL translates them
//! (`postgres/dialect.rs`).

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::store::engine::error::{Error, all_rows};
use crate::store::engine::postgres;
pub(crate) use crate::store::engine::postgres::GroupQuery;
pub(crate) use crate::store::engine::value::{Value, params};

/// A connection that is in a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Connection<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a postgres::Session),
}

/// A prepared statement. The connection keeps it for the next use of the same SQL.
pub(crate) enum Statement<'a> {
    Sqlite(rusqlite::CachedStatement<'a>),
    Postgres(postgres::Statement<'a>),
}

/// The rows of a result, read one after another.
pub(crate) enum Rows<'a> {
    Sqlite(rusqlite::Rows<'a>),
    Postgres(postgres::Rows<'a>),
}

/// One row of a result, whose columns are read by their position.
#[derive(Clone, Copy)]
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

impl<'a> Connection<'a> {
    pub(crate) const fn of(connection: &'a rusqlite::Connection) -> Self {
        Self::Sqlite(connection)
    }

    /// Prepares a statement, or takes the one that was kept.
    pub(crate) fn prepare(self, sql: &str) -> Result<Statement<'a>, Error> {
        Ok(match self {
            Self::Sqlite(connection) => Statement::Sqlite(connection.prepare_cached(sql)?),
            Self::Postgres(session) => Statement::Postgres(session.prepare(sql)?),
        })
    }

    /// Prepares a query of rows that no command of the group has changed. On PostgreSQL it need not
    /// wait for changes of other rows of its table.
    pub(crate) fn prepare_for_unchanged(self, sql: &str) -> Result<Statement<'a>, Error> {
        match self {
            Self::Sqlite(_) => self.prepare(sql),
            Self::Postgres(session) => Ok(Statement::Postgres(session.prepare(sql)?.for_unchanged())),
        }
    }

    /// Returns true if the transaction goes on. The database ends it by itself if the disk is
    /// full or failing, or the connection is lost.
    pub(crate) fn is_in_transaction(self) -> bool {
        match self {
            Self::Sqlite(connection) => !connection.is_autocommit(),
            Self::Postgres(session) => !session.is_lost(),
        }
    }

    /// Changes a row for each of these values, which name different rows, by a statement of the
    /// form `UPDATE ... WHERE ...`. To PostgreSQL it is one statement for all, which may wait for
    /// the end of the group. Its answer is not waited for, as with [`Statement::change_row`].
    pub(crate) fn change_rows<const COUNT: usize>(
        self,
        sql: &str,
        values: &[[Value<'_>; COUNT]],
        row: &'static str,
    ) -> Result<(), Error> {
        if let Self::Postgres(session) = self {
            return session.change_rows(sql, values, row);
        }
        let mut statement = self.prepare(sql)?;
        values.iter().try_for_each(|values| statement.change_row(values, row))
    }

    /// Begins a query of which [`Statement::query`] will ask the rows, with the same SQL and
    /// values, so that several questions take one round trip. Rows that a statement may have
    /// changed meanwhile are asked for again. A query of a file has no trip to save.
    ///
    /// The query must not fail for any values: its error would fail the command's transaction.
    pub(crate) fn ask_ahead(self, sql: &str, values: &[Value<'_>]) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.prepare(sql)?.send_ahead(values),
        }
    }

    /// Runs these queries for several commands before the first of them runs. Each takes its rows by
    /// the same SQL and values, unless they may have changed meanwhile. A query of a file has no trip
    /// to save.
    ///
    /// The queries must not fail for any values.
    pub(crate) fn read_for_group(self, queries: Vec<GroupQuery<'_>>) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.read_for_group(queries),
        }
    }

    /// Begins a part of a command that can be undone alone: a savepoint.
    pub(crate) fn begin_part(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => execute(connection, "SAVEPOINT part"),
            Self::Postgres(session) => session.begin_part(),
        }
    }

    /// Ends the part of a command under way, whose changes become those of the command. The
    /// outcomes of its statements are known ([`Connection::await_outcomes`]).
    pub(crate) fn end_part(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => execute(connection, "RELEASE part"),
            Self::Postgres(session) => session.end_part(),
        }
    }

    /// Undoes the part of a command under way, and ends it.
    pub(crate) fn undo_part(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => {
                execute(connection, "ROLLBACK TO part")?;
                execute(connection, "RELEASE part")
            }
            Self::Postgres(session) => session.undo_part(),
        }
    }

    /// Returns true if the database is a server: each query that is not asked for ahead takes a round
    /// trip, and the content of uploaded files is in the database itself.
    pub(crate) const fn is_server(self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Begins a query of rows that no command of the group has changed. They stay usable until the
    /// command ends.
    pub(crate) fn ask_ahead_for_unchanged(self, sql: &str, values: &[Value<'_>]) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.prepare(sql)?.for_unchanged().send_ahead(values),
        }
    }

    /// Waits until the server has answered all that was sent.
    ///
    /// # Errors
    ///
    /// The first error of [`Statement::change_row`] that no call has returned yet.
    pub(crate) fn await_outcomes(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.await_outcomes(),
        }
    }

    /// Runs a part of a command without checking references between rows, where that is
    /// possible: PostgreSQL lets only its administrator do so.
    pub(crate) fn without_references<T>(self, part: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Self::Sqlite(connection) => {
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
                let _unchecked = Unchecked(connection);
                part()
            }
            Self::Postgres(_) => part(),
        }
    }
}

fn execute(connection: &rusqlite::Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// A connection that does not check references until this is dropped.
struct Unchecked<'a>(&'a rusqlite::Connection);

impl Drop for Unchecked<'_> {
    fn drop(&mut self) {
        let checked = self.0.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true);
        checked.expect("SQLite sets a flag of the connection");
    }
}

impl Statement<'_> {
    /// Runs a statement that changes rows, and returns how many.
    pub(crate) fn execute(&mut self, values: &[Value<'_>]) -> Result<usize, Error> {
        match self {
            Self::Sqlite(statement) => Ok(statement.execute(rusqlite::params_from_iter(values))?),
            Self::Postgres(statement) => statement.execute(values),
        }
    }

    /// Runs a statement that changes one row. PostgreSQL's answer is not waited for: an error, or
    /// another number of rows, is returned by a later statement, by [`Connection::await_outcomes`], or as
    /// the end of the command.
    pub(crate) fn change_row(&mut self, values: &[Value<'_>], row: &'static str) -> Result<(), Error> {
        match self {
            Self::Sqlite(statement) => all_rows(statement.execute(rusqlite::params_from_iter(values))?, 1, row),
            Self::Postgres(statement) => statement.send(values, row),
        }
    }

    /// Runs a query.
    pub(crate) fn query(&mut self, values: &[Value<'_>]) -> Result<Rows<'_>, Error> {
        Ok(match self {
            Self::Sqlite(statement) => Rows::Sqlite(statement.query(rusqlite::params_from_iter(values))?),
            Self::Postgres(statement) => Rows::Postgres(statement.query(values)?),
        })
    }

    /// Runs a query of one row.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if there is none.
    pub(crate) fn one<T>(
        &mut self,
        values: &[Value<'_>],
        read: impl FnOnce(Row<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let found = self.first(values, read)?;
        found.ok_or_else(|| Error::Corrupt("a row was expected and not found".to_owned()))
    }

    /// Runs a query and reads its first row, if there is one.
    pub(crate) fn first<T>(
        &mut self,
        values: &[Value<'_>],
        read: impl FnOnce(Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.query(values)?.next()?.map(read).transpose()
    }

    /// Runs a query and returns true if it has a row.
    pub(crate) fn exists(&mut self, values: &[Value<'_>]) -> Result<bool, Error> {
        Ok(self.query(values)?.next()?.is_some())
    }
}

impl Rows<'_> {
    /// Returns the next row, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, Error> {
        Ok(match self {
            Self::Sqlite(rows) => rows.next()?.map(Row::Sqlite),
            Self::Postgres(rows) => rows.next()?.map(Row::Postgres),
        })
    }
}

impl<'r> Row<'r> {
    /// Returns the value of a column.
    pub(crate) fn value(self, column: usize) -> Result<Value<'r>, Error> {
        let row = match self {
            Self::Sqlite(row) => row,
            Self::Postgres(row) => return postgres::value_of(row, column),
        };
        match row.get_ref(column)? {
            ValueRef::Null => Ok(Value::Null),
            ValueRef::Integer(number) => Ok(Value::Integer(number)),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Ok(Value::Text(text)),
                Err(_) => Err(Error::Corrupt(format!("{} is no text", self.name(column)))),
            },
            ValueRef::Blob(bytes) => Ok(Value::Blob(bytes)),
            ValueRef::Real(_) => Err(Error::Corrupt(format!("{} is a fraction", self.name(column)))),
        }
    }

    /// Describes a column whose value has another type than its table gives it.
    pub(crate) fn wrong_type(self, column: usize, expected: &str) -> Error {
        Error::Corrupt(format!("{} is not {expected}", self.name(column)))
    }

    fn name(self, column: usize) -> String {
        let name = match self {
            Self::Sqlite(row) => row.as_ref().column_name(column).ok(),
            Self::Postgres(row) => row.columns().get(column).map(postgres::Column::name),
        };
        name.map_or_else(|| format!("column {column}"), str::to_owned)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
