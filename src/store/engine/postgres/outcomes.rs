//! Statements whose outcomes are not known yet, and queries that were sent ahead of their use.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use futures_util::future;
use tokio_postgres::Row;

use crate::store::engine::postgres::client::{Sent, SentQuery};
use crate::store::engine::postgres::value::OwnedValue;
use crate::store::engine::value::Value;

/// The statements and queries that a session has sent and whose answers it has not taken yet.
#[derive(Default)]
pub(super) struct Outstanding {
    /// The statements whose outcomes are not known yet, in their order.
    sent: RefCell<Vec<Change<Sent>>>,
    /// The queries that were sent ahead of their use.
    ahead: RefCell<Vec<Ahead>>,
    /// The number of rows that the statements so far must change.
    rows: Cell<u64>,
}

/// A statement that must change this many rows. Its outcome is on its way, or here.
pub(super) struct Change<O> {
    pub(super) outcome: O,
    pub(super) rows: usize,
    /// The kind of row, for the error if one is not there.
    pub(super) row: &'static str,
    pub(super) command: CommandState,
}

/// The number of rows that a statement has changed.
type Changed = Result<u64, tokio_postgres::Error>;

/// The state of the command whose statement is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandState {
    UnderWay,
    Kept,
    Undone,
}

/// A query that was sent ahead of its use.
struct Ahead {
    sql: Arc<str>,
    values: Vec<OwnedValue>,
    rows: AheadRows,
    /// It is of rows that no command of the group has changed, and those of the command under way
    /// do not matter to it.
    is_for_unchanged: bool,
}

/// The rows of such a query.
pub(super) enum AheadRows {
    Coming(SentQuery),
    Here(Result<Vec<Row>, tokio_postgres::Error>),
}

impl Outstanding {
    /// Returns the number of statements whose outcomes are not known.
    pub(super) fn count(&self) -> usize {
        self.sent.borrow().len()
    }

    /// Returns the number of rows that the statements so far must have changed.
    pub(super) const fn rows(&self) -> u64 {
        self.rows.get()
    }

    /// Adds rows that a statement has changed whose outcome is known.
    pub(super) fn add_changed(&self, rows: u64) {
        self.rows.set(self.rows.get() + rows);
    }

    /// Adds a statement of the command under way, which must change this many rows.
    pub(super) fn add(&self, outcome: Sent, rows: usize, row: &'static str) {
        self.add_changed(rows as u64);
        self.push(outcome, rows, row, CommandState::UnderWay);
    }

    /// Adds the statement that begins a command. Its failure is that of the group.
    pub(super) fn begin_command(&self, begin: Sent) {
        self.push(begin, 0, "the beginning of a command", CommandState::Kept);
    }

    /// Adds the statement that keeps or undoes the command under way, and forgets the queries of
    /// that command. The failure of this statement is that of the group.
    pub(super) fn end_command(&self, end: Sent, state: CommandState) {
        self.ahead.take();
        for sent in self.sent.borrow_mut().iter_mut() {
            if sent.command == CommandState::UnderWay {
                sent.command = state;
            }
        }
        self.push(end, 0, "the end of a command", CommandState::Kept);
    }

    fn push(&self, outcome: Sent, rows: usize, row: &'static str, command: CommandState) {
        self.sent.borrow_mut().push(Change {
            outcome,
            rows,
            row,
            command,
        });
    }

    /// Adds a query that was sent ahead of its use. One for unchanged rows is kept until the command
    /// ends, others until a change.
    pub(super) fn add_ahead(&self, sql: &Arc<str>, values: Vec<OwnedValue>, rows: SentQuery, is_for_unchanged: bool) {
        self.ahead.borrow_mut().push(Ahead {
            sql: Arc::clone(sql),
            values,
            rows: AheadRows::Coming(rows),
            is_for_unchanged,
        });
    }

    /// Takes the rows of a query that was sent ahead with these values.
    pub(super) fn take_ahead(&self, sql: &Arc<str>, values: &[Value<'_>], is_for_unchanged: bool) -> Option<AheadRows> {
        let mut ahead = self.ahead.borrow_mut();
        let place = ahead.iter().position(|ahead| {
            let asked = ahead.values.iter().map(OwnedValue::as_value);
            Arc::ptr_eq(&ahead.sql, sql)
                && ahead.is_for_unchanged == is_for_unchanged
                && asked.eq(values.iter().copied())
        });
        // The others stay in the order of their answers, in which they are awaited.
        place.map(|place| ahead.remove(place).rows)
    }

    /// Forgets the queries that were sent ahead and whose rows a change has made unusable.
    pub(super) fn forget_changed(&self) {
        self.ahead.borrow_mut().retain(|ahead| ahead.is_for_unchanged);
    }

    /// Waits for the outcomes of the statements and for this one, which follows them.
    pub(super) async fn arrive<T>(&self, outcome: impl Future<Output = T>) -> (Vec<Change<Changed>>, T) {
        // All that was sent is awaited together: a long answer that is not taken would keep those
        // behind it from being read.
        let mut ahead = self.ahead.take();
        let sent = outcomes_of(self.sent.take());
        let (sent, (), outcome) = future::join3(sent, receive(&mut ahead), outcome).await;
        self.ahead.replace(ahead);
        (sent, outcome)
    }
}

/// Waits for the outcomes of statements in their order.
async fn outcomes_of(sent: Vec<Change<Sent>>) -> Vec<Change<Changed>> {
    let mut done = Vec::with_capacity(sent.len());
    for Change {
        outcome,
        rows,
        row,
        command,
    } in sent
    {
        let outcome = outcome.await;
        done.push(Change {
            outcome,
            rows,
            row,
            command,
        });
    }
    done
}

/// Waits until the rows of all these queries are here.
async fn receive(ahead: &mut [Ahead]) {
    for query in ahead {
        if let AheadRows::Coming(rows) = &mut query.rows {
            query.rows = AheadRows::Here(rows.await);
        }
    }
}
