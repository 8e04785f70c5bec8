//! Inserts that wait for the end of a group of commands.
//!
//! Each command adds rows to tables that the commands beside it seldom read. A statement costs
//! PostgreSQL more than a row: it prepares the table's checks anew each time. So the rows of all
//! commands of a group are inserted together, by one statement for each table. A statement that
//! reads such a table, or whose rows refer to it, comes after its rows.

use std::mem;
use std::sync::Arc;

use crate::store::engine::postgres::dialect::{self, Token};
use crate::store::engine::postgres::value::OwnedValue;

/// The most rows that wait.
pub(super) const GATHERED_MAX: usize = 1_024;

/// A table whose inserts are gathered.
struct Table {
    name: &'static str,
    /// The columns that refer to it: the table and the column.
    referred_to_by: &'static [(&'static str, &'static str)],
}

/// The tables, each after those that it refers to.
const TABLES: [Table; 3] = [
    Table {
        name: "payment_transaction",
        referred_to_by: &[
            ("escrow", "payment_id"),
            ("payment_detail", "transaction_id"),
            ("receipt", "expected_id"),
            ("receipt", "deposit_id"),
            ("payout", "transaction_id"),
            ("test_account", "transaction_id"),
            ("slow_withdrawal", "transaction_id"),
            ("requested_payment", "transaction_id"),
        ],
    },
    Table {
        name: "transfer",
        referred_to_by: &[],
    },
    Table {
        name: "event",
        referred_to_by: &[("delivery", "event_id"), ("delivery_attempt", "event_id")],
    },
];

/// What a statement has to do with gathered rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It inserts a row that can wait, into the table at this place of [`TABLES`].
    Gathered(usize),
    /// The waiting rows of this many of [`TABLES`] must be inserted before it.
    Needs(usize),
}

impl Role {
    /// That of a statement before which all rows must be inserted.
    pub(super) const ALL: Self = Self::Needs(TABLES.len());
}

/// A row that waits.
#[derive(Clone, Debug)]
pub(super) struct GatheredRow {
    /// The place of its table in [`TABLES`].
    pub(super) table: usize,
    /// The statement that inserts it, before translation.
    pub(super) sql: Arc<str>,
    pub(super) values: Vec<OwnedValue>,
    /// The kind of row, for the error if it is not inserted.
    pub(super) row: &'static str,
}

/// The rows that wait.
#[derive(Debug, Default)]
pub(super) struct GatheredInserts {
    /// The rows of kept commands.
    kept: Vec<GatheredRow>,
    /// The rows of the command under way.
    own: Vec<GatheredRow>,
    /// The rows of kept commands that were inserted during the command under way. If that one is
    /// undone, so are they.
    at_risk: Vec<GatheredRow>,
}

impl GatheredInserts {
    /// Adds a row of the command under way, and returns how many wait.
    pub(super) fn add(&mut self, row: GatheredRow) -> usize {
        self.own.push(row);
        self.len()
    }

    /// Returns the number of rows that wait.
    pub(super) const fn len(&self) -> usize {
        self.kept.len() + self.own.len()
    }

    /// Takes the rows of the first tables, this many, to insert them before the command under way
    /// goes on.
    pub(super) fn take(&mut self, tables: usize) -> Vec<GatheredRow> {
        let is_taken = |row: &GatheredRow| row.table < tables;
        let (taken, kept) = mem::take(&mut self.kept).into_iter().partition(is_taken);
        self.kept = kept;
        self.at_risk.extend_from_slice(&taken);
        let (own_taken, own) = mem::take(&mut self.own).into_iter().partition(is_taken);
        self.own = own;
        in_order(taken, own_taken)
    }

    /// Takes all rows, to insert them at the end of the group.
    pub(super) fn take_all(&mut self) -> Vec<GatheredRow> {
        in_order(mem::take(&mut self.kept), mem::take(&mut self.own))
    }

    /// Leaves the rows of the command under way to the end of the group.
    pub(super) fn keep(&mut self) {
        self.kept.append(&mut self.own);
        self.at_risk.clear();
    }

    /// Forgets the rows of the command under way, or of the part of it that is undone.
    pub(super) fn undo_part(&mut self) {
        self.own.clear();
    }

    /// Forgets the rows of the command under way. Rows of others that were undone with it wait
    /// again.
    pub(super) fn undo(&mut self) {
        self.own.clear();
        self.at_risk.append(&mut self.kept);
        self.kept = mem::take(&mut self.at_risk);
    }

    /// Forgets everything, for the next group.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Returns rows so that those of one statement follow each other, and those that they refer to come
/// before them.
fn in_order(kept: Vec<GatheredRow>, own: Vec<GatheredRow>) -> Vec<GatheredRow> {
    let mut rows = kept;
    rows.extend(own);
    rows.sort_by(|one, other| (one.table, &one.sql).cmp(&(other.table, &other.sql)));
    rows
}

/// Returns what a statement has to do with gathered rows.
pub(super) fn role_of(sql: &str) -> Role {
    let words = words_of(sql);
    let place_of = |name: &str| TABLES.iter().position(|table| table.name == name);
    if let ["INSERT", "INTO", name, ..] = words[..]
        && let Some(place) = place_of(name)
        && !words.contains(&"SELECT")
    {
        return Role::Gathered(place);
    }
    let changes = matches!(words.first(), Some(&("INSERT" | "UPDATE")));
    let is_needed = |table: &Table| {
        let refers = |(referring, column): &(&str, &str)| words.contains(referring) && words.contains(column);
        words.first() == Some(&"DELETE")
            || words.contains(&table.name)
            || changes && table.referred_to_by.iter().any(refers)
    };
    Role::Needs(TABLES.iter().rposition(is_needed).map_or(0, |place| place + 1))
}

/// Returns the keywords and names of a statement.
fn words_of(sql: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for token in dialect::tokens_of(sql) {
        if let Token::Word(word) = token {
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::postgres::schema;

    fn row(sql: &str, table: usize, number: i64) -> GatheredRow {
        GatheredRow {
            table,
            sql: sql.into(),
            values: vec![OwnedValue::Integer(number)],
            row: "a row",
        }
    }

    fn numbers(rows: &[GatheredRow]) -> Vec<i64> {
        let number = |row: &GatheredRow| match row.values[..] {
            [OwnedValue::Integer(number)] => number,
            _ => panic!("a row has one number"),
        };
        rows.iter().map(number).collect()
    }

    #[test]
    fn rows_come_after_those_that_they_refer_to_and_in_their_order() {
        let mut gathered = GatheredInserts::default();
        gathered.add(row("event", 2, 1));
        gathered.add(row("transaction", 0, 2));
        gathered.keep();
        gathered.add(row("another transaction", 0, 3));
        gathered.add(row("event", 2, 4));
        assert_eq!(gathered.add(row("transaction", 0, 5)), 5);
        gathered.keep();
        assert_eq!(numbers(&gathered.take_all()), [3, 2, 5, 1, 4]);
        assert_eq!(gathered.len(), 0);
    }

    #[test]
    fn an_undone_command_leaves_the_rows_of_kept_ones() {
        let mut gathered = GatheredInserts::default();
        gathered.add(row("transaction", 0, 1));
        gathered.add(row("event", 2, 2));
        gathered.keep();
        // The next command needs the transactions, and is undone with them.
        gathered.add(row("transaction", 0, 3));
        assert_eq!(numbers(&gathered.take(1)), [1, 3]);
        gathered.add(row("event", 2, 4));
        gathered.undo();
        assert_eq!(numbers(&gathered.take_all()), [1, 2]);

        gathered.add(row("event", 2, 5));
        assert_eq!(numbers(&gathered.take(3)), [5]);
        gathered.keep();
        gathered.undo();
        assert_eq!(
            gathered.len(),
            0,
            "inserted rows of a kept command are not inserted again"
        );
    }

    #[test]
    fn a_statement_comes_after_the_rows_that_it_reads_or_refers_to() {
        for (sql, role) in [
            ("INSERT INTO event (id, data) VALUES (?1, ?2)", Role::Gathered(2)),
            ("INSERT INTO event (id) SELECT id FROM escrow", Role::ALL),
            ("SELECT max(id) FROM transfer", Role::Needs(2)),
            ("SELECT payment_id FROM escrow WHERE id = ?1", Role::Needs(0)),
            ("UPDATE escrow SET payment_id = ?2 WHERE id = ?1", Role::Needs(1)),
            ("UPDATE escrow SET state = 'CLOSED' WHERE id = ?1", Role::Needs(0)),
            ("INSERT INTO delivery (event_id) VALUES (?1)", Role::ALL),
            ("DELETE FROM customer WHERE id = ?1", Role::ALL),
        ] {
            assert_eq!(role_of(sql), role, "{sql}");
        }
    }

    /// Of every reference to these tables that the schema has, the statements are known.
    #[test]
    fn all_references_are_known() {
        let schema = schema::statements();
        let mut found = Vec::new();
        for statement in schema.split(';') {
            let words = words_of(statement);
            for (place, pair) in words.windows(2).enumerate() {
                if let ["REFERENCES", table] = pair
                    && let Some(at) = TABLES.iter().position(|known| known.name == *table)
                {
                    let column = words[..place].iter().rfind(|word| word.ends_with("_id"));
                    found.push((at, words[2], *column.expect("a reference has a column")));
                }
            }
        }
        assert!(found.len() > 10);
        for (at, referring, column) in found {
            let is_known = TABLES[at].referred_to_by.contains(&(referring, column));
            let is_of_later = TABLES
                .iter()
                .position(|table| table.name == referring)
                .is_some_and(|place| place > at);
            assert!(
                is_known || is_of_later,
                "{referring}.{column} refers to {}",
                TABLES[at].name
            );
        }
    }
}
