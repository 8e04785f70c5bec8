//! The tables of which changes wait for the end of a group, and the order in which each statement is sent beside
//! those changes.

use crate::store::engine::postgres::dialect::{self, Token};

/// A table of which changes wait.
pub(super) struct Table {
    name: &'static str,
    pub(super) waits: Waits,
}

/// The changes of a table that wait.
pub(super) enum Waits {
    /// Its inserts, to whose rows these columns refer: each a table and a column.
    Inserts(&'static [(&'static str, &'static str)]),
    /// Its updates whose conditions have these words: `WHERE id = ?1 ...`. Several updates of one
    /// row become one: values that are added, as in `balance = balance + ?2`, are summed, and of other
    /// values the last counts.
    Updates(&'static [&'static str]),
}

/// The tables, each after those to whose waiting rows its own refer.
pub(super) const TABLES: [Table; 6] = [
    Table {
        name: "milestone",
        waits: Waits::Updates(&["id", "AND", "is_released"]),
    },
    Table {
        name: "escrow",
        waits: Waits::Updates(&["id", "AND", "state"]),
    },
    Table {
        name: "payment_transaction",
        waits: Waits::Inserts(&[
            ("escrow", "payment_id"),
            ("payment_detail", "transaction_id"),
            ("receipt", "expected_id"),
            ("receipt", "deposit_id"),
            ("payout", "transaction_id"),
            ("test_account", "transaction_id"),
            ("slow_withdrawal", "transaction_id"),
            ("requested_payment", "transaction_id"),
        ]),
    },
    Table {
        name: "transfer",
        waits: Waits::Inserts(&[]),
    },
    Table {
        name: "event",
        waits: Waits::Inserts(&[("delivery", "event_id"), ("delivery_attempt", "event_id")]),
    },
    Table {
        name: "account",
        waits: Waits::Updates(&["id"]),
    },
];

/// The order in which a statement and the waiting changes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendOrder {
    /// It is a change that can wait, of the table at this place of [`TABLES`].
    Waits(usize),
    /// The waiting changes of this many of [`TABLES`] come before it.
    Follows(usize),
}

impl SendOrder {
    /// The order of a statement that comes after all waiting changes.
    pub(super) const FOLLOWS_ALL: Self = Self::Follows(TABLES.len());
    /// The order of a statement to which no waiting change matters.
    pub(super) const FREE: Self = Self::Follows(0);

    /// Returns the order of a statement in SQLite's SQL.
    pub(super) fn of(sql: &str) -> Self {
        let words = words_of(sql);
        let place_of = |name: &str| TABLES.iter().position(|table| table.name == name);
        let waiting = match words[..] {
            ["INSERT", "INTO", name, ..] if !words.contains(&"SELECT") => {
                place_of(name).filter(|place| matches!(TABLES[*place].waits, Waits::Inserts(_)))
            }
            ["UPDATE", name, ..] => place_of(name).filter(|place| match TABLES[*place].waits {
                Waits::Updates(condition) => condition_of(&words) == condition,
                Waits::Inserts(_) => false,
            }),
            _ => None,
        };
        let is_change = matches!(words.first(), Some(&("INSERT" | "UPDATE")));
        let must_follow = |table: &Table| {
            let refers = match table.waits {
                Waits::Inserts(columns) => {
                    is_change
                        && columns
                            .iter()
                            .any(|(referring, column)| words.contains(referring) && words.contains(column))
                }
                Waits::Updates(_) => false,
            };
            refers || words.contains(&table.name) || words.first() == Some(&"DELETE")
        };
        let last = TABLES.iter().rposition(must_follow);
        match waiting {
            // The rows that its own row refers to are sent before it.
            Some(place) if last.is_none_or(|last| last <= place) => Self::Waits(place),
            _ => Self::Follows(last.map_or(0, |place| place + 1)),
        }
    }
}

/// Returns the words after the last `WHERE`.
fn condition_of<'w, 's>(words: &'w [&'s str]) -> &'w [&'s str] {
    let start = words.iter().rposition(|word| *word == "WHERE");
    start.map_or(&[], |start| &words[start + 1..])
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

/// Returns true if a change in SQLite's SQL waits for the end of its group.
#[cfg(test)]
pub(crate) fn waits(sql: &str) -> bool {
    matches!(SendOrder::of(sql), SendOrder::Waits(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::postgres::schema;

    #[test]
    fn a_statement_comes_after_the_rows_that_it_reads_or_refers_to() {
        for (sql, order) in [
            ("INSERT INTO event (id, data) VALUES (?1, ?2)", SendOrder::Waits(4)),
            ("INSERT INTO event (id) SELECT id FROM escrow", SendOrder::Follows(5)),
            ("SELECT max(id) FROM transfer", SendOrder::Follows(4)),
            ("SELECT payment_id FROM escrow WHERE id = ?1", SendOrder::Follows(2)),
            ("SELECT is_released FROM milestone WHERE id = ?1", SendOrder::Follows(1)),
            ("SELECT can_buy FROM customer WHERE id = ?1", SendOrder::FREE),
            ("UPDATE escrow SET dispute = ?2 WHERE id = ?1", SendOrder::Follows(2)),
            (
                "UPDATE escrow SET state = 'CLOSED'/*sqlite*/, checksum = f(state)/*end*/ WHERE id = ?1 AND state = 'OPENED'",
                SendOrder::Waits(1),
            ),
            (
                "UPDATE escrow SET state = 'OPENED', payment_id = ?2 WHERE id = ?1 AND state = 'AWAITING_PAYMENT'",
                SendOrder::Follows(3),
            ),
            (
                "UPDATE milestone SET is_released = 1 WHERE id = ?1 AND is_released = 0",
                SendOrder::Waits(0),
            ),
            ("INSERT INTO delivery (event_id) VALUES (?1)", SendOrder::Follows(5)),
            (
                "UPDATE account SET balance = balance + ?2 WHERE id = ?1",
                SendOrder::Waits(5),
            ),
            (
                "UPDATE account SET balance = ?2 WHERE customer_id = ?1",
                SendOrder::FOLLOWS_ALL,
            ),
            ("SELECT balance FROM account WHERE id = ?1", SendOrder::FOLLOWS_ALL),
            ("DELETE FROM customer WHERE id = ?1", SendOrder::FOLLOWS_ALL),
        ] {
            assert_eq!(SendOrder::of(sql), order, "{sql}");
        }
    }

    /// The statements of every reference to these tables in the schema are known.
    #[test]
    fn all_references_are_known() {
        let schema = schema::statements();
        let mut found = Vec::new();
        for statement in schema.split(';') {
            let words = words_of(statement);
            for (place, pair) in words.windows(2).enumerate() {
                if let ["REFERENCES", table] = pair
                    && let Some(at) = TABLES.iter().position(|known| known.name == *table)
                    && let Waits::Inserts(_) = TABLES[at].waits
                {
                    let column = words[..place].iter().rfind(|word| word.ends_with("_id"));
                    found.push((at, words[2], *column.expect("a reference has a column")));
                }
            }
        }
        assert!(found.len() > 10);
        for (at, referring, column) in found {
            let is_known = matches!(TABLES[at].waits, Waits::Inserts(known) if known.contains(&(referring, column)));
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
