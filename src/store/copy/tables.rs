//! The tables of `schema.sql` and their rows, as both engines have them.

use sha2::{Digest, Sha256};

use crate::store::engine::error::Error;
use crate::store::engine::postgres::without_nul;
use crate::store::engine::schema::SCHEMA;
use crate::store::engine::sql::{Connection, Row, Value, params};

/// A part of the work, for showing progress.
#[derive(Clone, Copy, Debug)]
pub enum CopyStep<'a> {
    /// Files that rows name.
    Files {
        /// Copied so far.
        done: u64,
    },
    /// Rows of a table.
    Rows {
        /// The table.
        table: &'a str,
        /// Copied so far.
        done: u64,
    },
    /// Rows of a table of the copy, which are compared with those of the source.
    Compared {
        /// The table.
        table: &'a str,
        /// Read so far.
        done: u64,
    },
    /// Transfers that the audit of the copy reads.
    Audit {
        /// Read so far.
        done: u64,
        /// In all.
        all: u64,
    },
}

/// The number of rows between two progress reports.
pub(super) const ROWS_PER_REPORT: u64 = 10_000;
/// The table of the mark, which each engine keeps in its own way.
pub(super) const MARK: &str = "file_mark";

/// A table, with the columns that a copy carries over: neither those that are computed from
/// others, nor the checksum, which SQLite alone has.
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<String>,
    key: Vec<String>,
    has_checksum: bool,
}

/// Returns all tables but that of the mark, in the order in which `schema.sql` creates them.
pub(super) fn all() -> Result<Vec<Table>, Error> {
    let connection = rusqlite::Connection::open_in_memory()?;
    connection.execute_batch(SCHEMA)?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> ?1
               ORDER BY rowid";
    let mut names = connection.prepare(sql)?;
    let names = names.query_map([MARK], |row| row.get(0))?;
    names.map(|name| Ok(Table::of(&connection, name?)?)).collect()
}

impl Table {
    fn of(connection: &rusqlite::Connection, name: String) -> rusqlite::Result<Self> {
        let sql = "SELECT name, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0";
        let mut statement = connection.prepare(sql)?;
        let columns = statement.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut columns = columns.collect::<rusqlite::Result<Vec<(String, i64)>>>()?;
        let before = columns.len();
        columns.retain(|(column, _)| column != "checksum");
        let has_checksum = columns.len() < before;
        let mut key: Vec<&(String, i64)> = columns.iter().filter(|(_, place)| *place > 0).collect();
        key.sort_by_key(|(_, place)| *place);
        Ok(Self {
            name,
            key: key.into_iter().map(|(column, _)| quoted(column)).collect(),
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            has_checksum,
        })
    }

    /// Returns the columns, separated by commas.
    pub(super) fn columns(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| quoted(column)).collect();
        columns.join(", ")
    }

    /// Returns the query of all rows in the order of their keys, in which SQLite adds them
    /// fastest.
    pub(super) fn select_in_order(&self) -> String {
        format!("{} ORDER BY {}", self.select(), self.key.join(", "))
    }

    fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.columns(), self.name)
    }

    /// Returns the statement with which SQLite adds a row.
    pub(super) fn insert(&self) -> String {
        let mut columns = self.columns();
        let numbered = self.columns.iter().zip(1..);
        let mut values: Vec<String> = numbered.clone().map(|(_, number)| format!("?{number}")).collect();
        if self.has_checksum {
            columns.push_str(", checksum");
            let covered: Vec<String> = numbered
                .map(|(column, number)| format!("'{column}', ?{number}"))
                .collect();
            values.push(format!("row_checksum({})", covered.join(", ")));
        }
        format!("INSERT INTO {} ({columns}) VALUES ({})", self.name, values.join(", "))
    }

    /// Returns the values of a row, in the order of the columns.
    pub(super) fn values<'r>(&self, row: Row<'r>) -> Result<Vec<Value<'r>>, Error> {
        (0..self.columns.len()).map(|column| row.value(column)).collect()
    }

    /// Reads the whole table.
    pub(super) fn read(
        &self,
        connection: Connection<'_>,
        on_step: &mut dyn FnMut(CopyStep<'_>),
    ) -> Result<Content, Error> {
        let mut content = Content::default();
        let mut statement = connection.prepare(&self.select())?;
        let mut rows = statement.query(params![])?;
        while let Some(row) = rows.next()? {
            content.add(&self.values(row)?);
            if content.rows.is_multiple_of(ROWS_PER_REPORT) {
                let (table, done) = (self.name.as_str(), content.rows);
                on_step(CopyStep::Compared { table, done });
            }
        }
        Ok(content)
    }
}

fn quoted(column: &str) -> String {
    format!("\"{column}\"")
}

/// The content of a table: the number of its rows, and the sum of their hashes, which does not
/// depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) rows: u64,
    hashes: u128,
}

impl Content {
    /// Adds a row. A text of a file counts as PostgreSQL stores it.
    pub(super) fn add(&mut self, values: &[Value<'_>]) {
        let mut hash = Sha256::new();
        let mut add_value = |kind: u8, bytes: &[u8]| {
            hash.update([kind]);
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for value in values {
            match value {
                Value::Null => add_value(0, &[]),
                Value::Integer(number) => add_value(1, &number.to_le_bytes()),
                Value::Text(text) => add_value(2, without_nul(text).as_bytes()),
                Value::Blob(bytes) => add_value(3, bytes),
            }
        }
        let half = hash.finalize().first_chunk().copied().unwrap_or_default();
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(u128::from_le_bytes(half));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_all_columns_but_those_that_are_made_anew() {
        let tables = all().unwrap();
        assert_eq!(tables.len() + 1, SCHEMA.matches("CREATE TABLE ").count());
        assert!(tables.iter().all(|table| table.name != MARK && !table.key.is_empty()));
        let milestone = tables.iter().find(|table| table.name == "milestone").unwrap();
        assert_eq!(
            milestone.columns(),
            "\"id\", \"guard\", \"title\", \"description\", \"amount\", \"due_date\", \"beneficiary_id\", \
             \"is_released\", \"updated_at\""
        );
        let name = tables.iter().find(|table| table.name == "event_name").unwrap();
        assert_eq!(
            name.insert(),
            "INSERT INTO event_name (\"id\", \"name\", checksum) VALUES (?1, ?2, row_checksum('id', ?1, 'name', ?2))"
        );
        let key = tables.iter().find(|table| table.name == "customer").unwrap();
        assert!(key.select_in_order().ends_with("ORDER BY \"merchant_id\", \"id\""));
    }

    #[test]
    fn contents_are_equal_if_the_rows_are() {
        let of = |rows: &[&[Value<'_>]]| {
            let mut content = Content::default();
            for row in rows {
                content.add(row);
            }
            content
        };
        let (one, other): (&[Value<'_>], &[Value<'_>]) = (
            &[Value::Integer(1), Value::Text("a")],
            &[Value::Integer(2), Value::Null],
        );
        assert_eq!(of(&[one, other]), of(&[other, one]));
        for different in [
            of(&[one, one]),
            of(&[one]),
            of(&[one, &[Value::Null, Value::Integer(2)]]),
            of(&[one, &[Value::Integer(2), Value::Text("")]]),
            of(&[&[Value::Integer(1), Value::Blob(b"a")], other]),
        ] {
            assert_ne!(of(&[one, other]), different);
        }
    }
}
