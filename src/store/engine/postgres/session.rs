//! A connection to PostgreSQL with its prepared statements.
//!
//! The path of a query ([`Statement::query`]), until a place has its rows:
//!
//! | Place | What it does |
//! |---|---|
//! | `group_reads` | has the rows if they were read for all commands of the group, before the first of them ran |
//! | `gathered_changes` | gives up the waiting changes that the query may read; they are sent |
//! | `outcomes` | has the rows if this command asked for them ahead ([`Statement::send_ahead`]): until its next change, or to its end if no command of the group changes them |
//! | `client` | asks the server |
//!
//! The path of a change of one row ([`Statement::send`]):
//!
//! | Place | What it does |
//! |---|---|
//! | `group_reads` | forgets the rows that the change may make wrong |
//! | `gathered_changes` | keeps a change that can wait (`waiting_tables`) until a statement needs it or the group ends; for any other it gives up the changes that come before it |
//! | `client` | sends the change |
//! | `outcomes` | keeps its answer, which is awaited with that of a later query |

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future;
use std::vec::IntoIter;

use tokio_postgres::types::{BorrowToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage};

use crate::store::engine::SCHEMA_VERSION;
use crate::store::engine::error::{Error, all_rows};
use crate::store::engine::postgres::client::Client;
use crate::store::engine::postgres::dialect;
use crate::store::engine::postgres::gathered_changes::{GATHERED_MAX, GatheredStatement, Gathering};
use crate::store::engine::postgres::group_reads::GroupReads;
use crate::store::engine::postgres::outcomes::{AheadRows, Change, CommandState, Outstanding};
use crate::store::engine::postgres::prepared_statements::{self, Prepared, PreparedStatements};
use crate::store::engine::postgres::value::{OwnedValue, owned, parameters};
use crate::store::engine::postgres::waiting_tables::SendOrder;
use crate::store::engine::value::Value;

/// The most statements whose outcomes are not known yet.
const SENT_MAX: usize = 256;

/// The rows of one part of a table.
const PART_ROWS: u32 = 1_000;

/// A connection.
pub(crate) struct Session {
    pub(super) outstanding: Outstanding,
    /// The error of a statement of a command that was kept. Its group must not be committed.
    pub(super) failure: RefCell<Option<Error>>,
    /// The changes that wait for the end of the group, if groups are run.
    pub(super) gathering: Gathering,
    /// The rows that were read for the commands of the group.
    pub(super) group_reads: GroupReads,
    pub(super) savepoint: Cell<Savepoint>,
    pub(super) client: Client,
    statements: PreparedStatements,
    /// The number of cursors so far, if queries without values read whole tables and use them.
    cursors: Option<Cell<u64>>,
    /// The number of changes of keys that its newest group has seen.
    pub(super) key_changes: Option<i64>,
}

/// A query that runs for several commands of a group.
pub(crate) struct GroupQuery<'q> {
    pub(crate) sql: &'q str,
    /// It is of rows of a deal's parties and not of the deal itself. No waiting change matters to it:
    /// what commands have posted to accounts, their group remembers.
    pub(crate) is_of_parties: bool,
    /// For each command the number of the deal that it is about, and the values.
    pub(crate) asked: Vec<(i64, Vec<Value<'q>>)>,
}

/// The savepoint of the command under way. A command whose reads are known and whose changes wait
/// sends nothing, and needs none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Savepoint {
    /// No command is under way.
    None,
    /// It is set before the first statement of the command.
    Due,
    Set,
}

/// A prepared statement of a session.
pub(crate) struct Statement<'a> {
    session: &'a Session,
    pub(super) prepared: Prepared,
    /// It reads rows that no command of the group has changed.
    is_for_unchanged: bool,
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
            outstanding: Outstanding::default(),
            failure: RefCell::default(),
            gathering: Gathering::default(),
            group_reads: GroupReads::default(),
            savepoint: Cell::new(Savepoint::None),
            client,
            statements: PreparedStatements::default(),
            cursors: None,
            key_changes: None,
        }
    }

    /// Returns true if the connection is closed, which ended its transaction.
    pub(crate) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Returns the number of rows that statements have changed, or must have changed if their
    /// outcomes are not known yet.
    pub(super) const fn changes(&self) -> u64 {
        self.outstanding.rows()
    }

    /// Returns the error of a statement of a kept command, if one is known. Its group must not be
    /// committed.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone()
    }

    /// Returns the changes that wait for the end of the group.
    pub(super) const fn gathering(&self) -> &Gathering {
        &self.gathering
    }

    /// Makes queries without values read their rows in parts.
    pub(super) fn read_tables_in_parts(&mut self) {
        self.cursors = Some(Cell::new(0));
    }

    /// Returns the connection, for what no statement does.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for the outcomes of the statements that were sent, and for that of one that follows
    /// them, and returns the first error of all but those of undone commands.
    pub(super) fn wait<T>(&self, outcome: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Error> {
        let (sent, outcome) = self.client.wait(self.outstanding.arrive(outcome));
        let failed = |error| Error::from(self.client.cause_of(error));
        for Change {
            outcome: changed,
            rows,
            row,
            command,
        } in sent
        {
            let checked = changed.map_err(failed);
            let checked =
                checked.and_then(|changed| all_rows(usize::try_from(changed).unwrap_or(usize::MAX), rows, row));
            match (command, checked) {
                (CommandState::Undone, _) | (_, Ok(())) => {}
                (CommandState::UnderWay, Err(error)) => return Err(error),
                (CommandState::Kept, Err(error)) => {
                    self.failure.replace(Some(error.clone()));
                    return Err(error);
                }
            }
        }
        outcome.map_err(failed)
    }

    /// Waits for the outcomes of the statements that were sent.
    pub(crate) fn await_outcomes(&self) -> Result<(), Error> {
        match self.outstanding.count() {
            0 => Ok(()),
            _ => self.wait(future::ready(Ok(()))),
        }
    }

    /// Runs statements without values, in one round trip. They are not translated.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), Error> {
        self.outstanding.forget_changed();
        self.wait(self.client.sender().batch_execute(sql))
    }

    /// Runs statements without values, in one round trip, and returns the numbers of all their
    /// rows. They are not translated.
    pub(crate) fn numbers(&self, sql: &str) -> Result<Vec<i64>, Error> {
        let mut numbers = Vec::new();
        for message in self.wait(self.client.sender().simple_query(sql))? {
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

    /// Begins a transaction of this isolation level that no migration spans. The lock, which takes no
    /// snapshot, keeps a migration from committing until the transaction ends: rows of a table that
    /// is made anew would not be in an earlier snapshot.
    pub(super) fn begin_between_migrations(&self, isolation: &str) -> Result<(), Error> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL {isolation};
             LOCK TABLE schema_identity IN ACCESS SHARE MODE;
             SELECT version FROM schema_identity"
        );
        self.begin(&begin).map(drop)
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
    pub(crate) fn in_transaction<T>(&self, run: impl FnOnce(&Client) -> Result<T, Error>) -> Result<T, Error> {
        self.begin_between_migrations("READ COMMITTED")?;
        let outcome = run(&self.client).and_then(|value| self.batch("COMMIT").map(|()| value));
        self.rolled_back_after(outcome)
    }

    /// Sends all changes that wait, at the end of the group.
    pub(super) fn send_gathered(&self) -> Result<(), Error> {
        self.send_all(self.gathering.take_all()?)
    }

    /// Sends the waiting changes that come before a statement with this order.
    pub(super) fn send_those_before(&self, order: SendOrder) -> Result<(), Error> {
        self.send_all(self.gathering.take_before(order)?)
    }

    fn send_all(&self, statements: Vec<GatheredStatement>) -> Result<(), Error> {
        for GatheredStatement {
            sql,
            mut columns,
            rows,
            row,
        } in statements
        {
            if rows == 1 {
                let values = columns.iter_mut().filter_map(Vec::pop).collect();
                self.prepare(&sql)?.send_change::<OwnedValue>(values, 1, row)?;
            } else {
                self.send_columns(&sql, columns, rows, row)?;
            }
        }
        Ok(())
    }

    /// Prepares a statement in SQLite's SQL, or takes the one that was kept.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement<'_>, Error> {
        let prepared = if let Some(kept) = self.statements.get(sql) {
            kept
        } else {
            self.set_savepoint()?;
            let (translated, types) = prepared_statements::translated(sql);
            let statement = self.wait(self.client.sender().prepare_typed(&translated, &types))?;
            self.statements.keep(sql, translated, statement)
        };
        Ok(Statement {
            session: self,
            prepared,
            is_for_unchanged: false,
        })
    }

    /// Changes a row for each of these values, now or at the end of the group. The outcome is reported
    /// as by [`Statement::send`].
    pub(crate) fn change_rows<const COUNT: usize>(
        &self,
        sql: &str,
        values: &[[Value<'_>; COUNT]],
        row: &'static str,
    ) -> Result<(), Error> {
        let statement = self.prepare(sql)?;
        if values.len() < 2 || self.gathering.takes(statement.prepared.order) {
            return values.iter().try_for_each(|values| statement.send(values, row));
        }
        for values in values {
            self.forget_read(&statement.prepared, values);
        }
        self.send_those_before(statement.prepared.order)?;
        let column = |place: usize| -> Vec<OwnedValue> { values.iter().map(|row| row[place].into()).collect() };
        self.send_columns(sql, (0..COUNT).map(column).collect(), values.len(), row)
    }

    /// Sends one statement for these columns of values, which have this many rows.
    fn send_columns(
        &self,
        sql: &str,
        columns: Vec<Vec<OwnedValue>>,
        rows: usize,
        row: &'static str,
    ) -> Result<(), Error> {
        let for_one = self.prepare(sql)?.prepared;
        let for_many = self.prepare(&dialect::for_many(sql, &types_of(&for_one)))?;
        for_many.send_change(columns, rows, row)
    }

    /// Forgets the rows that were read for the group and that a statement with these values changes.
    fn forget_read(&self, prepared: &Prepared, values: &[Value<'_>]) {
        self.group_reads.forget(prepared.changed, values.first().copied());
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Returns the types of the parameters of a statement.
pub(super) fn types_of(prepared: &Prepared) -> Vec<&str> {
    prepared.statement.params().iter().map(Type::name).collect()
}

impl Statement<'_> {
    /// Makes a query one of rows that no waiting change is of.
    pub(crate) fn for_unchanged(mut self) -> Self {
        self.prepared.order = SendOrder::FREE;
        self.is_for_unchanged = true;
        self
    }

    /// Runs a statement that changes rows, and returns how many.
    pub(crate) fn execute(&self, values: &[Value<'_>]) -> Result<usize, Error> {
        let session = self.session;
        session.outstanding.forget_changed();
        session.forget_read(&self.prepared, values);
        session.set_savepoint()?;
        session.send_those_before(self.prepared.order)?;
        let sender = session.client.sender();
        let changed = session.wait(sender.execute(&self.prepared.statement, &parameters(values)))?;
        session.outstanding.add_changed(changed);
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// Sends a statement that must change one row. Its outcome, and the error if it changes another
    /// number of rows, is that of the next call that waits: this one, if many outcomes are due.
    /// The change itself may wait for the end of the group.
    pub(crate) fn send(&self, values: &[Value<'_>], row: &'static str) -> Result<(), Error> {
        let (session, prepared) = (self.session, &self.prepared);
        session.forget_read(prepared, values);
        if session.gathering.takes(prepared.order) {
            session.outstanding.forget_changed();
            return match session
                .gathering
                .add(prepared.order, &prepared.source, owned(values), row)
            {
                ..GATHERED_MAX => Ok(()),
                _ => session.send_those_before(SendOrder::FOLLOWS_ALL),
            };
        }
        session.send_those_before(prepared.order)?;
        self.send_change(owned(values), 1, row)
    }

    fn send_change<V>(&self, values: Vec<V>, rows: usize, row: &'static str) -> Result<(), Error>
    where
        V: BorrowToSql + Send + 'static,
    {
        self.session.outstanding.forget_changed();
        self.session.set_savepoint()?;
        if self.session.outstanding.count() >= SENT_MAX {
            self.session.await_outcomes()?;
        }
        let outcome = self.session.client.send(self.prepared.statement.clone(), values)?;
        self.session.outstanding.add(outcome, rows, row);
        Ok(())
    }

    /// Sends a query ahead of its use. A later [`Statement::query`] with the same values takes its
    /// rows, unless a statement has changed something meanwhile. Rows that were read for the group
    /// are not asked for again.
    pub(crate) fn send_ahead(&self, values: &[Value<'_>]) -> Result<(), Error> {
        if self.session.group_reads.has(&self.prepared.sql, values) {
            return Ok(());
        }
        self.session.set_savepoint()?;
        self.session.send_those_before(self.prepared.order)?;
        let (session, values) = (self.session, owned(values));
        let rows = session
            .client
            .send_query(self.prepared.statement.clone(), values.clone())?;
        session
            .outstanding
            .add_ahead(&self.prepared.sql, values, rows, self.is_for_unchanged);
        Ok(())
    }

    /// Runs a query.
    pub(crate) fn query(&self, values: &[Value<'_>]) -> Result<Rows<'_>, Error> {
        if let Some(read) = self.session.group_reads.take(&self.prepared.sql, values) {
            return Ok(Rows::of(read));
        }
        self.session.set_savepoint()?;
        self.session.send_those_before(self.prepared.order)?;
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
        let session = self.session;
        let ahead = session
            .outstanding
            .take_ahead(&self.prepared.sql, values, self.is_for_unchanged);
        let rows = match ahead {
            Some(AheadRows::Here(rows)) => rows?,
            Some(AheadRows::Coming(rows)) => session.wait(rows)?,
            None => {
                let sender = session.client.sender();
                session.wait(sender.query(&self.prepared.statement, &parameters(values)))?
            }
        };
        Ok(Rows::of(rows))
    }
}

impl Rows<'_> {
    fn of(fetched: Vec<Row>) -> Self {
        Self {
            fetched: fetched.into_iter(),
            current: None,
            cursor: None,
        }
    }

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
        let session = self.session;
        session.wait(session.client.sender().query(&sql, &[]))
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        // Closing it early only frees memory of the server: the transaction ends soon.
        drop(self.session.batch(&format!("CLOSE part_{}", self.number)));
    }
}
