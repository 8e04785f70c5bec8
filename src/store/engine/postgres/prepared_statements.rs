//! The prepared statements of a session.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::types::Type;

use crate::store::engine::postgres::dialect;
use crate::store::engine::postgres::group_reads::ChangedDeals;
use crate::store::engine::postgres::waiting_tables::SendOrder;

/// The most statements that a session keeps: more than the program has, with the lists whose
/// conditions it puts together.
const STATEMENTS_MAX: usize = 512;

/// A prepared statement.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) statement: tokio_postgres::Statement,
    /// Its SQL before translation.
    pub(super) source: Arc<str>,
    /// Its SQL after translation.
    pub(super) sql: Arc<str>,
    pub(super) order: SendOrder,
    pub(super) changed: ChangedDeals,
}

/// The statements that are kept, by their SQL before translation.
#[derive(Default)]
pub(super) struct PreparedStatements(RefCell<HashMap<String, Prepared>>);

/// Translates a statement in SQLite's SQL, and returns it with the types of its parameters. One
/// that does not occur in the translation needs a type.
pub(super) fn translated(sql: &str) -> (String, Vec<Type>) {
    let translated = dialect::translate(sql);
    let occur = dialect::parameters_in(&translated).into_iter();
    let types = occur.map(|occurs| if occurs { Type::UNKNOWN } else { Type::TEXT });
    (translated, types.collect())
}

impl PreparedStatements {
    /// Returns a statement that is kept.
    pub(super) fn get(&self, sql: &str) -> Option<Prepared> {
        self.0.borrow().get(sql).cloned()
    }

    /// Keeps a statement, and returns it.
    pub(super) fn keep(&self, sql: &str, translated: String, statement: tokio_postgres::Statement) -> Prepared {
        let prepared = Prepared {
            statement,
            source: sql.into(),
            sql: translated.into(),
            order: SendOrder::of(sql),
            changed: ChangedDeals::of(sql),
        };
        let mut statements = self.0.borrow_mut();
        if statements.len() >= STATEMENTS_MAX {
            statements.clear();
        }
        statements.insert(sql.to_owned(), prepared.clone());
        prepared
    }
}
