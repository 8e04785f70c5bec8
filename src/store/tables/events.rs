//! Events, which the outbox keeps with their payloads.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};

use crate::domain::events::event::{EventFilter, EventOrder, EventType, RecordedEvent, ReplayStart};
use crate::domain::ids::{CustomerId, EscrowId, EventId, MerchantId, TransactionId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::tables::columns::{offset_of, optional_escrow_id, read_all, read_first, row};
use crate::store::tx::{Snapshot, Tx};
use crate::store::write_summary::{WriteSummary, WriteSummaryRows};

/// An event to be recorded. It never changes afterwards.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    pub id: EventId,
    pub merchant: MerchantId,
    /// Its name on the wire.
    pub name: &'a str,
    /// The escrow that the event or its transaction is about. `None` for a transaction of
    /// several escrows.
    pub escrow: Option<EscrowId>,
    /// The transaction that the event is about.
    pub transaction: Option<TransactionId>,
    /// The bytes that are signed and delivered.
    pub payload: &'a str,
}

row! {
    struct EventRow, event_columns! {
        id: i64 = "event.id",
        guard: u32 = "event.guard",
        name: String,
        escrow_id: Option<i64> = "event.escrow_id",
        escrow_guard: Option<i64> = "escrow.guard",
        customer_id: Option<CustomerId> = "account.customer_id",
        created_at: Timestamp = "event.created_at",
        payload: String,
    }
}

row! {
    struct ReplayRow, replay_columns! {
        id: i64 = "event.id",
        guard: u32 = "event.guard",
        escrow_id: Option<i64>,
        escrow_guard: Option<i64> = "escrow.guard",
    }
}

const TABLES: &str = "event
    LEFT JOIN escrow ON escrow.id = event.escrow_id
    LEFT JOIN payment_transaction AS entry ON entry.id = event.transaction_id
    LEFT JOIN account ON account.id = entry.account_id";

/// A number that no escrow has.
const NO_ROW: i64 = 0;

/// The condition of a filter on a merchant's events. A part that the filter leaves open is
/// NULL. The event of a payment for several escrows names none of them, so the condition
/// compares the escrow's payment too.
const WANTED: &str = "event.merchant_id = ?1 AND event.id > ?2
    AND (?3 IS NULL OR name = ?3 OR substr(name, 1, length(?3) + 1) = ?3 || '.')
    AND (?4 IS NULL OR event.escrow_id = ?4
        OR event.transaction_id = (SELECT payment_id FROM escrow WHERE id = ?4))
    AND (?5 IS NULL OR CASE WHEN event.transaction_id IS NOT NULL THEN account.customer_id = ?5
        ELSE seller_id = ?5 OR buyer_id = ?5
            OR EXISTS (SELECT 1 FROM vault_stake WHERE escrow_id = event.escrow_id AND customer_id = ?5) END)";

impl Snapshot<'_> {
    /// Returns the transfers of a command with their numbers, and its events with their
    /// names, without the events that retention has removed. Both are oldest first.
    pub fn write_summary_rows(&self, summary: &WriteSummary) -> Result<WriteSummaryRows, Error> {
        let transfers = match &summary.transfers {
            Some(numbers) => self.transfers_in(numbers)?,
            None => Vec::new(),
        };
        let mut events = Vec::with_capacity(summary.events.len());
        for &event in &summary.events {
            events.extend(self.event_name(event)?.map(|name| (event, name)));
        }
        Ok((transfers, events))
    }

    /// Returns a page of a merchant's events.
    pub fn events(
        &self,
        merchant: MerchantId,
        filter: &EventFilter,
        order: EventOrder,
        request: PageRequest,
    ) -> Result<Page<RecordedEvent>, Error> {
        let escrow = match filter.escrow {
            None => None,
            Some(id) => Some(self.number_of_deal(merchant, id)?.unwrap_or(NO_ROW)),
        };
        let mut values = values_of(merchant, filter, escrow, order);
        let count: i64 = self
            .connection
            .prepare_cached(&counting())?
            .query_row(params_from_iter(&values), |row| row.get(0))?;
        values.push(request.limit.into());
        values.push(offset_of(request).into());
        let mut statement = self.connection.prepare_cached(&listing(order))?;
        let rows = statement.query(params_from_iter(&values))?;
        Ok(Page {
            rows: read_all(rows, |row| self.read_event(row))?,
            count: u64::try_from(count).unwrap_or_default(),
            request,
        })
    }

    /// Returns one of a merchant's events. Events of other merchants are not found.
    pub fn event(&self, merchant: MerchantId, id: EventId) -> Result<Option<RecordedEvent>, Error> {
        let columns = event_columns!();
        let sql = format!(
            "SELECT {columns} FROM {TABLES} WHERE event.id = ?1 AND event.guard = ?2 AND event.merchant_id = ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query(params![id.number(), id.guard(), merchant.0])?;
        read_first(rows, |row| self.read_event(row))
    }

    /// Returns at most `limit` of a merchant's events from `start` on, oldest first, each with
    /// the escrow that is its ordering key.
    pub fn events_from(
        &self,
        merchant: MerchantId,
        start: ReplayStart,
        limit: u32,
    ) -> Result<Vec<(EventId, Option<EscrowId>)>, Error> {
        let (number, millis) = match start {
            ReplayStart::Event(id) => (id.number(), 0),
            ReplayStart::Moment(at) => (0, at.millis()),
        };
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            replay_columns!(),
            " FROM event LEFT JOIN escrow ON escrow.id = escrow_id
             WHERE event.merchant_id = ?1 AND event.id >= ?2 AND event.created_at >= ?3 ORDER BY event.id LIMIT ?4"
        ))?;
        read_all(statement.query(params![merchant.0, number, millis, limit])?, |row| {
            let row = ReplayRow::read(row)?;
            let escrow = optional_escrow_id(row.escrow_id, row.escrow_guard);
            Ok((EventId::new(row.id, row.guard), escrow))
        })
    }

    /// Returns the name of an event, or `None` if retention has removed it.
    pub fn event_name(&self, event: EventId) -> Result<Option<String>, Error> {
        let name = self
            .connection
            .prepare_cached("SELECT name FROM event WHERE id = ?1")?
            .query_row([event.number()], |row| row.get(0))
            .optional()?;
        Ok(name)
    }

    fn read_event(&self, row: &Row<'_>) -> Result<RecordedEvent, Error> {
        let row = EventRow::read(row)?;
        let id = EventId::new(row.id, row.guard);
        Ok(RecordedEvent {
            id,
            name: row.name,
            escrow: optional_escrow_id(row.escrow_id, row.escrow_guard),
            customer: row.customer_id,
            created_at: row.created_at,
            payload: row.payload,
            delivery: self.delivery_of(id)?,
        })
    }
}

fn counting() -> String {
    format!("SELECT count(*) FROM {TABLES} WHERE {WANTED}")
}

fn listing(order: EventOrder) -> String {
    let direction = match order {
        EventOrder::NewestFirst => "DESC",
        EventOrder::After(_) => "ASC",
    };
    let columns = event_columns!();
    format!("SELECT {columns} FROM {TABLES} WHERE {WANTED} ORDER BY event.id {direction} LIMIT ?6 OFFSET ?7")
}

/// Returns the parameters of [`WANTED`]. The filter's escrow is given by its row's number.
fn values_of(merchant: MerchantId, filter: &EventFilter, escrow: Option<i64>, order: EventOrder) -> Vec<Value> {
    let after = match order {
        EventOrder::NewestFirst => 0,
        EventOrder::After(id) => id.number(),
    };
    let text = |text: &str| text.to_owned();
    vec![
        merchant.0.into(),
        after.into(),
        filter.event_type.as_ref().map(EventType::as_str).map(text).into(),
        escrow.into(),
        filter.customer.as_ref().map(CustomerId::as_str).map(text).into(),
    ]
}

impl Tx<'_> {
    /// Inserts an event with the current time.
    pub fn insert_event(&mut self, event: &NewEvent<'_>) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO event (id, guard, merchant_id, name, escrow_id, transaction_id, created_at, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                event.id.number(),
                event.id.guard(),
                event.merchant.0,
                event.name,
                event.escrow.as_ref().map(EscrowId::number),
                event.transaction.as_ref().map(TransactionId::number),
                self.now().millis(),
                event.payload,
            ])?;
        self.write_summary.events.push(event.id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn every_list_uses_the_index_of_the_merchants_events_and_sorts_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../../schema.sql")).unwrap();
        let tail = EventOrder::After(EventId::new(1, 2));
        for sql in [counting(), listing(EventOrder::NewestFirst), listing(tail)] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map(
                params_from_iter([1; 8].iter().take(statement.parameter_count())),
                |row| row.get::<_, String>("detail"),
            );
            let plan: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
            let is_along =
                |step: &String| step.starts_with("SEARCH event USING") && step.contains("(merchant_id=? AND rowid>?)");
            assert!(plan.iter().any(is_along), "{plan:#?}");
            let is_wide = |step: &String| step.starts_with("SCAN") && !step.contains("CONSTANT ROW");
            let sorts = |step: &String| step.contains("TEMP B-TREE");
            assert!(!plan.iter().any(|step| is_wide(step) || sorts(step)), "{plan:#?}");
        }
    }
}
