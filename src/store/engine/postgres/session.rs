//! A connection to PostgreSQL with its prepared statements.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::vec::IntoIter;

use postgres::types::{ToSql, Type};
use postgres::{Client, Row, SimpleQueryMessage};

use crate::store::engine::error::Error;
use crate::store::engine::postgres::dialect;
use crate::store::engine::sqlite::file::SCHEMA_VERSION;
use crate::store::engine::value::Value;

/// The most prepared statements that a session keeps: more than the program has, with the lists
/// whose conditions it puts together.
const STATEMENTS_MAX: usize = 512;

/// The rows of one part of a table.
const PART_ROWS: u32 = 1_000;

/// A connection.
pub(crate) struct Session {
    client: RefCell<Client>,
    /// The prepared statements, by their SQL before translation.
    statements: RefCell<HashMap<String, Prepared>>,
    /// The number of rows that statements have changed.
    changes: Cell<u64>,
    /// The number of cursors so far, if queries without values read whole tables and use them.
    cursors: Option<Cell<u64>>,
}

/// A prepared statement with its SQL after translation.
#[derive(Clone)]
struct Prepared {
    statement: postgres::Statement,
    sql: Arc<str>,
}

/// A prepared statement of a session.
pub(crate) struct Statement<'a> {
    session: &'a Session,
    prepared: Prepared,
}

/// The rows of a result, all of which are in memory unless a cursor reads them in parts.
pub(crate) struct Rows<'a> {
    fetched: IntoIter<Row>,
    current: Option<Row>,
    cursor: Option<Cursor<'a>>,
}

/// The rest of a result, on the server.
struct Cursor<'a> {
    session: &'a Session,
    number: u64,
}

impl Session {
    pub(super) fn of(client: Client) -> Self {
        Self {
            client: RefCell::new(client),
            statements: RefCell::default(),
            changes: Cell::new(0),
            cursors: None,
        }
    }

    /// Returns true if the connection is closed, which ended its transaction.
    pub(crate) fn is_lost(&self) -> bool {
        self.client.borrow().is_closed()
    }

    /// Returns the number of rows that statements have changed.
    pub(super) const fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Makes queries without values read their rows in parts.
    pub(super) fn read_tables_in_parts(&mut self) {
        self.cursors = Some(Cell::new(0));
    }

    /// Returns the connection, for what no statement does.
    pub(crate) fn client(&mut self) -> &mut Client {
        self.client.get_mut()
    }

    /// Runs statements without values, in one round trip. They are not translated.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), Error> {
        Ok(self.client.borrow_mut().batch_execute(sql)?)
    }

    /// Runs statements without values, in one round trip, and returns the numbers of all their
    /// rows. They are not translated.
    pub(crate) fn numbers(&self, sql: &str) -> Result<Vec<i64>, Error> {
        let mut numbers = Vec::new();
        for message in self.client.borrow_mut().simple_query(sql)? {
            if let SimpleQueryMessage::Row(row) = message {
                for column in 0..row.len() {
                    let number = row.get(column).and_then(|text| text.parse().ok());
                    numbers.push(number.ok_or_else(|| Error::Corrupt("a row of numbers was expected".to_owned()))?);
                }
            }
        }
        Ok(numbers)
    }

    /// Begins a transaction with statements of which the last row has the version of the schema,
    /// and returns the numbers of the rows before it. After an error no transaction is under way.
    ///
    /// # Errors
    ///
    /// [`Error::Migrated`] if another process has migrated the database, or the error of the
    /// statements.
    pub(super) fn begin(&self, sql: &str) -> Result<Vec<i64>, Error> {
        let begun = self.numbers(sql).and_then(|mut numbers| match numbers.pop() {
            Some(version) if version == i64::from(SCHEMA_VERSION) => Ok(numbers),
            Some(found) => Err(Error::Migrated {
                found,
                known: SCHEMA_VERSION,
            }),
            None => Err(Error::Corrupt("the version of the schema is missing".to_owned())),
        });
        self.rolled_back_after(begun)
    }

    /// Ends the transaction under way if this outcome is an error, and returns it.
    pub(super) fn rolled_back_after<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if outcome.is_err() && !self.is_lost() {
            self.batch("ROLLBACK")?;
        }
        outcome
    }

    /// Runs statements in a transaction of their own, which no migration spans. After an error no
    /// transaction is under way.
    pub(crate) fn in_transaction<T>(&mut self, run: impl FnOnce(&mut Client) -> Result<T, Error>) -> Result<T, Error> {
        self.begin(
            "BEGIN ISOLATION LEVEL READ COMMITTED;
             LOCK TABLE schema_identity IN ACCESS SHARE MODE;
             SELECT version FROM schema_identity",
        )?;
        let outcome = run(self.client()).and_then(|value| self.batch("COMMIT").map(|()| value));
        self.rolled_back_after(outcome)
    }

    /// Prepares a statement in SQLite's SQL, or takes the one that was kept.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'_>, Error> {
        let kept = self.statements.borrow().get(sql).cloned();
        let prepared = match kept {
            Some(prepared) => prepared,
            None => self.prepare_anew(sql)?,
        };
        Ok(Statement {
            session: self,
            prepared,
        })
    }

    fn prepare_anew(&self, sql: &str) -> Result<Prepared, Error> {
        let translated = dialect::translate(sql);
        let occur = dialect::parameters_in(&translated).into_iter();
        let types: Vec<Type> = occur
            .map(|occurs| if occurs { Type::UNKNOWN } else { Type::TEXT })
            .collect();
        let statement = self.client.borrow_mut().prepare_typed(&translated, &types)?;
        let prepared = Prepared {
            statement,
            sql: translated.into(),
        };
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_MAX {
            statements.clear();
        }
        statements.insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Statement<'_> {
    /// Runs a statement that changes rows, and returns how many.
    pub(crate) fn execute(&self, values: &[Value<'_>]) -> Result<usize, Error> {
        let changed = self
            .session
            .client
            .borrow_mut()
            .execute(&self.prepared.statement, &parameters(values))?;
        self.session.changes.set(self.session.changes.get() + changed);
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// Runs a query.
    pub(crate) fn query(&self, values: &[Value<'_>]) -> Result<Rows<'_>, Error> {
        if let (Some(cursors), []) = (&self.session.cursors, values) {
            let number = cursors.get() + 1;
            cursors.set(number);
            self.session.batch(&format!(
                "DECLARE part_{number} NO SCROLL CURSOR FOR {}",
                self.prepared.sql
            ))?;
            return Ok(Rows {
                fetched: Vec::new().into_iter(),
                current: None,
                cursor: Some(Cursor {
                    session: self.session,
                    number,
                }),
            });
        }
        let rows = self
            .session
            .client
            .borrow_mut()
            .query(&self.prepared.statement, &parameters(values))?;
        Ok(Rows {
            fetched: rows.into_iter(),
            current: None,
            cursor: None,
        })
    }
}

/// Returns values as the library takes them.
pub(super) fn parameters<'v>(values: &'v [Value<'v>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl Rows<'_> {
    /// Returns the next row, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<&Row>, Error> {
        self.current = self.fetched.next();
        if self.current.is_none()
            && let Some(cursor) = &self.cursor
        {
            self.fetched = cursor.fetch()?.into_iter();
            self.current = self.fetched.next();
        }
        Ok(self.current.as_ref())
    }
}

impl Cursor<'_> {
    fn fetch(&self) -> Result<Vec<Row>, Error> {
        let sql = format!("FETCH {PART_ROWS} FROM part_{}", self.number);
        Ok(self.session.client.borrow_mut().query(&sql, &[])?)
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        // Closing it early only frees memory of the server: the transaction ends soon.
        drop(self.session.batch(&format!("CLOSE part_{}", self.number)));
    }
}
