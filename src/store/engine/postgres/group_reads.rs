//! Rows that are read for the commands of a group before they run, in one round trip for all.
//!
//! A command takes the rows instead of asking for them. The rows that are read for a command belong
//! to the deal that the command is about. A statement that changes rows of this deal, or rows that may
//! belong to any deal, makes them unusable, and the command asks itself.

use std::cell::RefCell;
use std::sync::Arc;

use tokio_postgres::Row;

use crate::domain::ids::NUMBERS_APART;
use crate::store::engine::error::Error;
use crate::store::engine::postgres::dialect::{self, Token};
use crate::store::engine::postgres::value::OwnedValue;
use crate::store::engine::postgres::waiting_tables::SendOrder;
use crate::store::engine::value::Value;

/// The tables of which rows are read for a group.
const READ_TABLES: [&str; 5] = ["escrow", "milestone", "account", "customer", "customer_profile"];

/// The rows that are read and not taken yet.
#[derive(Default)]
pub(super) struct GroupReads(RefCell<Vec<GroupRead>>);

/// The rows of one query with these values.
struct GroupRead {
    /// The number of the deal to which the rows belong.
    deal: i64,
    sql: Arc<str>,
    values: Vec<OwnedValue>,
    /// They are no rows of the deal itself, but of its parties.
    is_of_parties: bool,
    rows: Vec<Row>,
}

/// The deals of which a statement changes rows that may have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangedDeals {
    None,
    /// A change to the progress of that deal: what was read of its parties stays valid.
    ProgressOfFirstValue,
    /// The deal whose number, or the number of one of whose milestones, is the first value.
    OfFirstValue,
    Any,
}

impl GroupReads {
    /// Adds the rows of a query that ran for each of these values, each with the number of its deal.
    /// The last column of a row is the place of its values, from 1.
    pub(super) fn add(
        &self,
        sql: &Arc<str>,
        is_of_parties: bool,
        asked: Vec<(i64, Vec<OwnedValue>)>,
        rows: Vec<Row>,
    ) -> Result<(), Error> {
        let mut reads: Vec<GroupRead> = asked
            .into_iter()
            .map(|(deal, values)| GroupRead {
                deal,
                sql: Arc::clone(sql),
                values,
                is_of_parties,
                rows: Vec::new(),
            })
            .collect();
        for row in rows {
            let place: i64 = row.try_get(row.len() - 1)?;
            let read = usize::try_from(place - 1).ok().and_then(|place| reads.get_mut(place));
            let read = read.ok_or_else(|| Error::Corrupt(format!("no values have the place {place}")))?;
            read.rows.push(row);
        }
        self.0.borrow_mut().append(&mut reads);
        Ok(())
    }

    /// Returns true if the rows of a query with these values are here.
    pub(super) fn has(&self, sql: &Arc<str>, values: &[Value<'_>]) -> bool {
        self.0.borrow().iter().any(|read| read.is_of(sql, values))
    }

    /// Takes the rows of a query with these values.
    pub(super) fn take(&self, sql: &Arc<str>, values: &[Value<'_>]) -> Option<Vec<Row>> {
        let mut reads = self.0.borrow_mut();
        let place = reads.iter().position(|read| read.is_of(sql, values))?;
        Some(reads.swap_remove(place).rows)
    }

    /// Forgets what a statement with this first value makes unusable.
    pub(super) fn forget(&self, changed: ChangedDeals, first: Option<Value<'_>>) {
        let mut reads = self.0.borrow_mut();
        match (changed, first) {
            (ChangedDeals::None, _) => {}
            (ChangedDeals::OfFirstValue, Some(Value::Integer(number))) => {
                reads.retain(|read| !read.is_of_deal(number));
            }
            (ChangedDeals::ProgressOfFirstValue, Some(Value::Integer(number))) => {
                reads.retain(|read| read.is_of_parties || !read.is_of_deal(number));
            }
            _ => reads.clear(),
        }
    }
}

impl GroupRead {
    /// Returns true if the number is that of the deal, or of one of its milestones.
    fn is_of_deal(&self, number: i64) -> bool {
        (0..NUMBERS_APART).contains(&number.saturating_sub(self.deal))
    }

    fn is_of(&self, sql: &Arc<str>, values: &[Value<'_>]) -> bool {
        let own = self.values.iter().map(OwnedValue::as_value);
        Arc::ptr_eq(&self.sql, sql) && own.eq(values.iter().copied())
    }
}

impl ChangedDeals {
    /// Returns the deals of which a statement in SQLite's SQL changes rows.
    pub(super) fn of(sql: &str) -> Self {
        let tokens = dialect::tokens_without_spaces(sql);
        let word = |place: usize| match tokens.get(place) {
            Some(Token::Word(word)) => *word,
            _ => "",
        };
        let (table, is_of_first_value) = match (word(0), word(1)) {
            ("SELECT", _) => return Self::None,
            ("INSERT", "INTO") => (word(2), inserts_first_value_as_id(&tokens)),
            ("UPDATE", table) => (table, selects_id_by_first_value(&tokens)),
            ("DELETE", "FROM") => (word(2), selects_id_by_first_value(&tokens)),
            _ => return Self::Any,
        };
        let waits = matches!(SendOrder::of(sql), SendOrder::Waits(_));
        match table {
            // The later commands of a group know the balances that earlier ones leave.
            "account" if waits => Self::None,
            "escrow" | "milestone" if is_of_first_value && waits => Self::ProgressOfFirstValue,
            "escrow" | "milestone" if is_of_first_value => Self::OfFirstValue,
            table if READ_TABLES.contains(&table) => Self::Any,
            _ => Self::None,
        }
    }
}

/// Returns true for `... WHERE id = ?1 ...` and `... WHERE id > ?1 AND id < ?1 + 1024 ...`.
fn selects_id_by_first_value(tokens: &[Token<'_>]) -> bool {
    let condition = tokens.iter().rposition(|token| *token == Token::Word("WHERE"));
    matches!(
        condition.map(|place| &tokens[place + 1..]),
        Some([
            Token::Word("id"),
            Token::Other("=" | ">"),
            Token::Parameter(Some("1")),
            ..
        ])
    )
}

/// Returns true for `INSERT INTO ... (id, ...) VALUES (?1, ...)`.
fn inserts_first_value_as_id(tokens: &[Token<'_>]) -> bool {
    let values = tokens.iter().rposition(|token| *token == Token::Word("VALUES"));
    matches!(tokens.get(3..5), Some([Token::Other("("), Token::Word("id")]))
        && matches!(
            values.map(|place| &tokens[place + 1..]),
            Some([Token::Other("("), Token::Parameter(Some("1")), ..])
        )
}

/// Returns true if a statement in SQLite's SQL makes unusable what was read of a deal's parties.
#[cfg(test)]
pub(crate) fn changes_parties(sql: &str) -> bool {
    !matches!(
        ChangedDeals::of(sql),
        ChangedDeals::None | ChangedDeals::ProgressOfFirstValue
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deals_that_a_statement_changes_are_known() {
        for (sql, changed) in [
            ("SELECT id FROM escrow WHERE id = ?1", ChangedDeals::None),
            (
                "UPDATE escrow SET state = ?2 WHERE id = ?1 AND state = 'OPENED'",
                ChangedDeals::ProgressOfFirstValue,
            ),
            (
                "UPDATE escrow SET state = ?2, buyer_id = ?3, payment_id = ?4 WHERE id = ?1 AND state = 'AWAITING_PAYMENT'",
                ChangedDeals::OfFirstValue,
            ),
            (
                "UPDATE milestone SET is_released = 1/*sqlite*/, checksum = f(?2)/*end*/ WHERE id > ?1 AND id < ?1 + 1024",
                ChangedDeals::OfFirstValue,
            ),
            (
                "DELETE FROM milestone WHERE id > ?1 AND id < ?1 + 1024",
                ChangedDeals::OfFirstValue,
            ),
            (
                "INSERT INTO milestone (id, guard) VALUES (?1, ?2)",
                ChangedDeals::OfFirstValue,
            ),
            (
                "INSERT INTO milestone (id) SELECT id FROM escrow WHERE id = ?1",
                ChangedDeals::Any,
            ),
            ("UPDATE escrow SET images = ?2 WHERE payment_id = ?1", ChangedDeals::Any),
            ("DELETE FROM escrow WHERE merchant_id = ?1", ChangedDeals::Any),
            (
                "UPDATE account SET balance = balance + ?2 WHERE id = ?1",
                ChangedDeals::None,
            ),
            (
                "UPDATE account SET balance = 0 WHERE customer_id = ?1",
                ChangedDeals::Any,
            ),
            ("UPDATE customer SET blocked_at = ?3 WHERE id = ?1", ChangedDeals::Any),
            ("INSERT INTO event (id) VALUES (?1)", ChangedDeals::None),
            (
                "WITH old AS (SELECT 1) DELETE FROM event WHERE id = ?1",
                ChangedDeals::Any,
            ),
        ] {
            assert_eq!(ChangedDeals::of(sql), changed, "{sql}");
        }
    }

    fn numbers_left(reads: &GroupReads) -> Vec<i64> {
        reads.0.borrow().iter().map(|read| read.deal).collect()
    }

    #[test]
    fn a_change_makes_the_rows_of_its_deal_unusable() {
        let sql: Arc<str> = "SELECT 1".into();
        let reads = GroupReads::default();
        let number = |number: i64| (number, vec![OwnedValue::Integer(number)]);
        let numbers = vec![number(2048), number(3072), number(9000)];
        reads.add(&sql, false, numbers, Vec::new()).unwrap();
        reads.add(&sql, true, vec![number(2048)], Vec::new()).unwrap();
        assert_eq!(numbers_left(&reads), [2048, 3072, 9000, 2048]);
        reads.forget(ChangedDeals::ProgressOfFirstValue, Some(Value::Integer(2049)));
        assert_eq!(numbers_left(&reads), [3072, 9000, 2048], "the parties of a deal stay");
        reads.add(&sql, false, vec![number(2048)], Vec::new()).unwrap();
        reads.forget(ChangedDeals::OfFirstValue, Some(Value::Integer(2047)));
        reads.forget(ChangedDeals::None, None);
        assert_eq!(numbers_left(&reads).len(), 4);
        reads.forget(ChangedDeals::OfFirstValue, Some(Value::Integer(3071)));
        assert_eq!(numbers_left(&reads), [3072, 9000]);
        assert!(reads.has(&sql, &[Value::Integer(9000)]));
        assert!(reads.take(&sql, &[Value::Integer(3072)]).is_some());
        assert!(reads.take(&sql, &[Value::Integer(3072)]).is_none(), "it was taken");
        assert!(reads.take(&"SELECT 1".into(), &[Value::Integer(9000)]).is_none());
        reads.forget(ChangedDeals::OfFirstValue, Some(Value::Text("9000")));
        assert!(numbers_left(&reads).is_empty());
    }
}
