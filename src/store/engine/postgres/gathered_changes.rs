//! Changes that wait for the end of a group of commands.
//!
//! A statement costs PostgreSQL more than a row: it prepares the checks of its table anew each time.
//! So rows that each command adds, and balances that each command moves, wait until the commands of
//! the group have run, and go as one statement for each table. Several changes of one balance become
//! one. A statement that reads such a table, or whose row refers to one that waits, comes after it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use crate::store::engine::error::Error;
use crate::store::engine::postgres::dialect::{self, Token};
use crate::store::engine::postgres::value::OwnedValue;
use crate::store::engine::postgres::waiting_tables::{SendOrder, TABLES, Waits};

/// The most changes that wait.
pub(super) const GATHERED_MAX: usize = 1_024;

/// A change that waits.
#[derive(Clone, Debug)]
struct GatheredChange {
    /// The place of its table in [`TABLES`].
    table: usize,
    /// Its statement before translation.
    sql: Arc<str>,
    values: Vec<OwnedValue>,
    /// The kind of row, for the error if it is not changed.
    row: &'static str,
}

/// A statement with the values of several changes.
#[derive(Debug)]
pub(super) struct GatheredStatement {
    /// The statement of one change before translation.
    pub(super) sql: Arc<str>,
    /// The values of each of its parameters.
    pub(super) columns: Vec<Vec<OwnedValue>>,
    /// The number of rows that must be changed.
    pub(super) rows: usize,
    /// The kind of row, for the error if one is not changed.
    pub(super) row: &'static str,
}

/// The changes that wait.
#[derive(Debug, Default)]
struct GatheredChanges {
    /// Changes of kept commands.
    kept: Vec<GatheredChange>,
    /// Changes of the command under way.
    own: Vec<GatheredChange>,
    /// Changes of kept commands that were sent during the command under way. If that command is
    /// undone, so are they.
    at_risk: Vec<GatheredChange>,
}

/// The changes of a session that wait: none outside a group. Each command of a group is kept or
/// undone.
#[derive(Debug, Default)]
pub(super) struct Gathering(Option<RefCell<GatheredChanges>>);

impl Gathering {
    /// Returns the changes of a new group: none yet.
    pub(super) fn of_group() -> Self {
        Self(Some(RefCell::default()))
    }

    /// Returns true if a change with this order waits.
    pub(super) const fn takes(&self, order: SendOrder) -> bool {
        self.0.is_some() && matches!(order, SendOrder::Waits(_))
    }

    /// Adds a change of the command under way, and returns how many wait.
    pub(super) fn add(&self, order: SendOrder, sql: &Arc<str>, values: Vec<OwnedValue>, row: &'static str) -> usize {
        let (Some(changes), SendOrder::Waits(table)) = (&self.0, order) else {
            unreachable!("the caller asks first if the change waits");
        };
        let sql = Arc::clone(sql);
        changes.borrow_mut().add(GatheredChange {
            table,
            sql,
            values,
            row,
        })
    }

    /// Returns true if no change waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|changes| changes.borrow().len() == 0)
    }

    /// Takes the changes that come before a statement with this order.
    pub(super) fn take_before(&self, order: SendOrder) -> Result<Vec<GatheredStatement>, Error> {
        match (&self.0, order) {
            (Some(changes), SendOrder::Follows(tables @ 1..)) => changes.borrow_mut().take(tables),
            _ => Ok(Vec::new()),
        }
    }

    /// Takes all changes, at the end of the group.
    pub(super) fn take_all(&self) -> Result<Vec<GatheredStatement>, Error> {
        let changes = self.0.as_ref();
        changes.map_or(Ok(Vec::new()), |changes| changes.borrow_mut().take_all())
    }

    /// Keeps the changes of the command under way, whose savepoint was released.
    pub(super) fn keep(&self) {
        self.change(GatheredChanges::keep);
    }

    /// Forgets the changes of the command under way, whose savepoint is rolled back.
    pub(super) fn undo(&self) {
        self.change(GatheredChanges::undo);
    }

    /// Forgets the changes of the part of a command that is rolled back. None waited when it began.
    pub(super) fn undo_part(&self) {
        self.change(GatheredChanges::undo_part);
    }

    fn change(&self, change: impl FnOnce(&mut GatheredChanges)) {
        if let Some(changes) = &self.0 {
            change(&mut changes.borrow_mut());
        }
    }
}

impl GatheredChanges {
    /// Adds a change of the command under way, and returns how many wait.
    fn add(&mut self, change: GatheredChange) -> usize {
        self.own.push(change);
        self.len()
    }

    /// Returns the number of changes that wait.
    const fn len(&self) -> usize {
        self.kept.len() + self.own.len()
    }

    /// Takes the changes of the first tables, this many, to send them before the command under way
    /// goes on.
    fn take(&mut self, tables: usize) -> Result<Vec<GatheredStatement>, Error> {
        let is_taken = |change: &GatheredChange| change.table < tables;
        let (mut taken, kept): (Vec<_>, _) = mem::take(&mut self.kept).into_iter().partition(is_taken);
        let (own_taken, own): (Vec<_>, _) = mem::take(&mut self.own).into_iter().partition(is_taken);
        (self.kept, self.own) = (kept, own);
        self.at_risk.extend_from_slice(&taken);
        taken.extend(own_taken);
        in_order(taken).map(statements_of)
    }

    /// Takes all changes, to send them at the end of the group.
    fn take_all(&mut self) -> Result<Vec<GatheredStatement>, Error> {
        let mut taken = mem::take(&mut self.kept);
        taken.append(&mut self.own);
        in_order(taken).map(statements_of)
    }

    /// Leaves the changes of the command under way to the end of the group.
    fn keep(&mut self) {
        self.kept.append(&mut self.own);
        self.at_risk.clear();
    }

    /// Forgets the changes of the command under way, or of the part of it that is undone.
    fn undo_part(&mut self) {
        self.own.clear();
    }

    /// Forgets the changes of the command under way. Changes of kept commands that its
    /// rollback undid wait again.
    fn undo(&mut self) {
        self.own.clear();
        self.at_risk.append(&mut self.kept);
        self.kept = mem::take(&mut self.at_risk);
    }
}

/// Returns changes so that those of one statement follow each other, after those that they refer to,
/// and those of one row are one.
fn in_order(mut changes: Vec<GatheredChange>) -> Result<Vec<GatheredChange>, Error> {
    changes.sort_by(|one, other| (one.table, &one.sql).cmp(&(other.table, &other.sql)));
    let mut ordered: Vec<GatheredChange> = Vec::with_capacity(changes.len());
    // The places of the values that each statement adds.
    let mut added: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
    // The place of each row's change.
    let mut updates: HashMap<(Arc<str>, i64), usize> = HashMap::new();
    for change in changes {
        if let (Waits::Updates(_), Some(OwnedValue::Integer(id))) = (&TABLES[change.table].waits, change.values.first())
        {
            let key = (Arc::clone(&change.sql), *id);
            if let Some(&place) = updates.get(&key) {
                let sql = Arc::clone(&change.sql);
                let added = added.entry(sql).or_insert_with_key(|sql| added_places(sql));
                ordered[place].take_over(change, added)?;
                continue;
            }
            updates.insert(key, ordered.len());
        }
        ordered.push(change);
    }
    Ok(ordered)
}

/// Puts the changes of one statement, which follow each other, together.
fn statements_of(changes: Vec<GatheredChange>) -> Vec<GatheredStatement> {
    let mut statements: Vec<GatheredStatement> = Vec::new();
    for change in changes {
        match statements.last_mut() {
            Some(statement) if statement.sql == change.sql => {
                statement.rows += 1;
                let columns = statement.columns.iter_mut();
                columns
                    .zip(change.values)
                    .for_each(|(column, value)| column.push(value));
            }
            _ => statements.push(GatheredStatement {
                sql: change.sql,
                columns: change.values.into_iter().map(|value| vec![value]).collect(),
                rows: 1,
                row: change.row,
            }),
        }
    }
    statements
}

impl GatheredChange {
    /// Makes a later change of the same row a part of this one. The values at the `added` places are
    /// summed.
    fn take_over(&mut self, later: Self, added: &[usize]) -> Result<(), Error> {
        for (place, value) in later.values.into_iter().enumerate() {
            let before = &mut self.values[place];
            *before = match (&*before, value) {
                (OwnedValue::Integer(before), OwnedValue::Integer(more)) if added.contains(&place) => {
                    let sum = before.checked_add(more);
                    OwnedValue::Integer(
                        sum.ok_or_else(|| Error::Corrupt("a sum of changes exceeds 64 bits".to_owned()))?,
                    )
                }
                (_, last) => last,
            };
        }
        Ok(())
    }
}

/// Returns the places of the values that a statement adds to a column: of `?2` in
/// `SET balance = balance + ?2` it is 1.
fn added_places(sql: &str) -> Vec<usize> {
    let tokens = dialect::tokens_without_spaces(sql);
    let place = |sum: &[Token<'_>]| match *sum {
        [
            Token::Word(column),
            Token::Other("="),
            Token::Word(before),
            Token::Other("+"),
            Token::Parameter(Some(number)),
        ] if column == before => number.parse::<usize>().ok()?.checked_sub(1),
        _ => None,
    };
    tokens.windows(5).filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(sql: &str, table: usize, number: i64) -> GatheredChange {
        GatheredChange {
            table,
            sql: sql.into(),
            values: vec![OwnedValue::Integer(number)],
            row: "a row",
        }
    }

    /// Returns the numbers of changes with one value each, in the order in which they are sent.
    fn numbers(statements: &[GatheredStatement]) -> Vec<i64> {
        let number = |value: &OwnedValue| match value {
            OwnedValue::Integer(number) => *number,
            _ => panic!("a change has one number"),
        };
        let columns = statements.iter().flat_map(|statement| &statement.columns);
        columns.flatten().map(number).collect()
    }

    #[test]
    fn rows_come_after_those_that_they_refer_to_and_in_their_order() {
        let mut gathered = GatheredChanges::default();
        gathered.add(change("event", 2, 1));
        gathered.add(change("transaction", 0, 2));
        gathered.keep();
        gathered.add(change("another transaction", 0, 3));
        gathered.add(change("event", 2, 4));
        assert_eq!(gathered.add(change("transaction", 0, 5)), 5);
        gathered.keep();
        assert_eq!(numbers(&gathered.take_all().unwrap()), [3, 2, 5, 1, 4]);
        assert_eq!(gathered.len(), 0);
    }

    #[test]
    fn an_undone_command_leaves_the_rows_of_kept_ones() {
        let mut gathered = GatheredChanges::default();
        gathered.add(change("transaction", 0, 1));
        gathered.add(change("event", 2, 2));
        gathered.keep();
        // The next command needs the transactions, and is undone with them.
        gathered.add(change("transaction", 0, 3));
        assert_eq!(numbers(&gathered.take(1).unwrap()), [1, 3]);
        gathered.add(change("event", 2, 4));
        gathered.undo();
        assert_eq!(numbers(&gathered.take_all().unwrap()), [1, 2]);

        gathered.add(change("event", 2, 5));
        assert_eq!(numbers(&gathered.take(3).unwrap()), [5]);
        gathered.keep();
        gathered.undo();
        assert_eq!(
            gathered.len(),
            0,
            "inserted rows of a kept command are not inserted again"
        );
    }

    #[test]
    fn changes_of_one_row_become_one() {
        let sql = "UPDATE account SET balance = balance + ?2, newest = ?3 WHERE id = ?1";
        let moved = |account: i64, amount: i64, newest: OwnedValue| GatheredChange {
            table: 5,
            sql: sql.into(),
            values: vec![OwnedValue::Integer(account), OwnedValue::Integer(amount), newest],
            row: "an account",
        };
        let mut gathered = GatheredChanges::default();
        gathered.add(moved(1, -5, OwnedValue::Integer(7)));
        gathered.add(moved(2, 5, OwnedValue::Null));
        gathered.keep();
        gathered.add(moved(1, 9, OwnedValue::Integer(8)));
        gathered.keep();
        let sent = gathered.take_all().unwrap();
        let [statement] = &sent[..] else {
            panic!("there is one statement");
        };
        let integers = |values: [i64; 2]| values.map(OwnedValue::Integer).to_vec();
        let newest = vec![OwnedValue::Integer(8), OwnedValue::Null];
        assert_eq!(statement.columns, [integers([1, 2]), integers([4, 5]), newest]);
        assert_eq!(statement.rows, 2);

        gathered.add(moved(1, i64::MAX, OwnedValue::Null));
        gathered.add(moved(1, 1, OwnedValue::Null));
        assert!(matches!(gathered.take_all(), Err(Error::Corrupt(_))));
    }
}
