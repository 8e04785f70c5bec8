//! Statements, their values and their rows, as the tables use them. The tables know no database
//! library; this is the one place that does for them.

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::store::engine::error::Error;

/// A connection that is in a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection<'a>(&'a rusqlite::Connection);

/// A prepared statement. The connection keeps it for the next use of the same SQL.
pub(crate) struct Statement<'a>(rusqlite::CachedStatement<'a>);

/// The rows of a result, read one after another.
pub(crate) struct Rows<'a>(rusqlite::Rows<'a>);

/// One row of a result, whose columns are read by their position.
#[derive(Clone, Copy)]
pub(crate) struct Row<'r>(&'r rusqlite::Row<'r>);

/// A value in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    Null,
    Integer(i64),
    Text(&'v str),
    Blob(&'v [u8]),
}

/// A type that a parameter of a statement takes.
pub(crate) trait ToValue {
    fn to_value(&self) -> Value<'_>;
}

/// The values of a statement's parameters, in their order: `?1`, `?2` and so on.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(crate::store::engine::sql::ToValue::to_value(&$value)),*]
    };
}
pub(crate) use params;

impl<'a> Connection<'a> {
    pub(crate) const fn of(connection: &'a rusqlite::Connection) -> Self {
        Self(connection)
    }

    /// Returns the connection for the engine's own statements.
    pub(in crate::store::engine) const fn sqlite(self) -> &'a rusqlite::Connection {
        self.0
    }

    /// Prepares a statement, or takes the one that was kept.
    pub(crate) fn prepare(self, sql: &str) -> Result<Statement<'a>, Error> {
        Ok(Statement(self.0.prepare_cached(sql)?))
    }

    /// Returns true if the transaction goes on. The database ends it by itself if the disk is
    /// full or failing.
    pub(crate) fn is_in_transaction(self) -> bool {
        !self.0.is_autocommit()
    }

    /// Runs a part of a command without checking references between rows.
    pub(crate) fn without_references<T>(self, part: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        struct Unchecked<'a>(&'a rusqlite::Connection);
        impl Drop for Unchecked<'_> {
            fn drop(&mut self) {
                let checked = self.0.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true);
                checked.expect("SQLite sets a flag of the connection");
            }
        }
        self.0.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        let _unchecked = Unchecked(self.0);
        part()
    }
}

impl Statement<'_> {
    /// Runs a statement that changes rows, and returns how many.
    pub(crate) fn execute(&mut self, values: &[Value<'_>]) -> Result<usize, Error> {
        Ok(self.0.execute(rusqlite::params_from_iter(values))?)
    }

    /// Runs a query.
    pub(crate) fn query(&mut self, values: &[Value<'_>]) -> Result<Rows<'_>, Error> {
        Ok(Rows(self.0.query(rusqlite::params_from_iter(values))?))
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
        Ok(self.0.next()?.map(Row))
    }
}

impl<'r> Row<'r> {
    /// Returns the value of a column.
    pub(crate) fn value(self, column: usize) -> Result<Value<'r>, Error> {
        match self.0.get_ref(column)? {
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
        let name = self.0.as_ref().column_name(column);
        name.map_or_else(|_| format!("column {column}"), str::to_owned)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Implements [`ToValue`] for types of numbers.
macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl ToValue for $type {
            fn to_value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        })*
    };
}

numbers!(bool, i64, u8, u16, u32);

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
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
