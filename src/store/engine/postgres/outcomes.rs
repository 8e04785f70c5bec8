//! Statements whose outcomes are not known yet, and queries that were sent ahead of their use.

use std::sync::Arc;

use tokio_postgres::Row;

use crate::store::engine::postgres::client::{Sent, SentQuery};
use crate::store::engine::postgres::value::OwnedValue;

/// A statement on its way that must change this many rows.
pub(super) struct SentChange {
    pub(super) outcome: Sent,
    pub(super) rows: usize,
    /// The kind of row, for the error if one is not there.
    pub(super) row: &'static str,
}

/// The outcome of such a statement.
pub(super) struct Change {
    pub(super) changed: u64,
    pub(super) rows: usize,
    pub(super) row: &'static str,
}

/// A query that was sent ahead of its use.
pub(super) struct Ahead {
    pub(super) sql: Arc<str>,
    pub(super) values: Vec<OwnedValue>,
    pub(super) rows: AheadRows,
}

pub(super) enum AheadRows {
    Coming(SentQuery),
    Here(Result<Vec<Row>, tokio_postgres::Error>),
}

/// Waits for the outcomes of statements in their order.
pub(super) async fn outcomes_of(sent: Vec<SentChange>) -> Result<Vec<Change>, tokio_postgres::Error> {
    let mut done = Vec::with_capacity(sent.len());
    for SentChange { outcome, rows, row } in sent {
        let changed = outcome.await?;
        done.push(Change { changed, rows, row });
    }
    Ok(done)
}

/// Waits until the rows of all these queries are here.
pub(super) async fn receive(ahead: &mut [Ahead]) {
    for query in ahead {
        if let AheadRows::Coming(rows) = &mut query.rows {
            query.rows = AheadRows::Here(rows.await);
        }
    }
}
