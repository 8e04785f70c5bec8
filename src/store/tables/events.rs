//! Events, which the outbox keeps with the data of their payloads.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};

use crate::domain::events::delivery::Dispatch;
use crate::domain::events::event::{self, EventFilter, EventOrder, RecordedEvent, ReplayStart};
use crate::domain::ids::{CustomerId, EscrowId, EventId, MerchantId, TransactionId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::packing;
use crate::store::tables::checked::{insert_checked, is_intact};
use crate::store::tables::columns::{Packed, broken, optional_escrow_id, read_all, read_first, row, stored_as_word};
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
    /// Its subject as it is now: a JSON text.
    pub data: &'a str,
    /// The decision if it is sent.
    pub dispatch: Dispatch,
}

/// An event to be delivered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedEvent {
    pub id: EventId,
    pub name: String,
    pub escrow: Option<EscrowId>,
}

/// The expression that is true if an event and its name are as they were recorded.
macro_rules! is_intact_event {
    () => {
        concat!(
            "coalesce(",
            is_intact!(
                event,
                id,
                guard,
                merchant_id,
                name_id,
                escrow_id,
                transaction_id,
                created_at,
                data,
                dispatch
            ),
            " AND ",
            is_intact!(event_name, id, name),
            ", 0)"
        )
    };
}

row! {
    struct EventRow<'a>, event_columns! {
        id: i64 = "event.id",
        guard: u32 = "event.guard",
        name: Option<String>,
        escrow_id: Option<i64> = "event.escrow_id",
        escrow_guard: Option<i64> = "escrow.guard",
        customer_id: Option<CustomerId> = "account.customer_id",
        created_at: Timestamp = "event.created_at",
        data: Packed<'a>,
        dispatch: Option<Dispatch>,
        is_intact: bool = is_intact_event!(),
    }
}

row! {
    struct PayloadRow<'a>, payload_columns! {
        name: Option<&'a str>,
        created_at: Timestamp,
        data: Packed<'a>,
        is_intact: bool = is_intact_event!(),
    }
}

row! {
    struct ReplayRow, replay_columns! {
        id: i64 = "event.id",
        guard: u32 = "event.guard",
        name: String,
        escrow_id: Option<i64>,
        escrow_guard: Option<i64> = "escrow.guard",
    }
}

stored_as_word!(Dispatch, "the dispatch of an event");

/// A number that no escrow has.
const NO_ROW: i64 = 0;

/// Selects a merchant's events after a number and up to another.
const OF_MERCHANT: &str = "SELECT id FROM event WHERE merchant_id = ?1 AND id > ?2 AND id <= ?6";

/// The conditions of a filter, each for the value of the next parameter.
const OF_TYPE: &str = " AND name_id IN
    (SELECT id FROM event_name WHERE name = ?3 OR (name > ?3 || '.' AND name < ?3 || '/'))";
/// The event of a payment for several escrows names none of them, so the condition compares
/// the escrow's payment too. No event of an escrow is older than the escrow.
const OF_ESCROW: &str = " AND id > ?4
    AND (escrow_id = ?4 OR transaction_id = (SELECT payment_id FROM escrow WHERE id = ?4))";
/// The event of a payment belongs to the payment's owner. SQLite reads both lists once, and
/// only if there is an event to compare with them.
const OF_CUSTOMER: &str = " AND CASE WHEN transaction_id IS NOT NULL THEN transaction_id IN
        (WITH RECURSIVE entry (id) AS
            (SELECT newest_transaction_id FROM account
                 WHERE merchant_id = ?1 AND customer_id = ?5 AND purpose = 'CUSTOMER_MAIN'
             UNION ALL SELECT previous_id FROM entry JOIN payment_transaction USING (id))
         SELECT id FROM entry)
    ELSE escrow_id IN
        (SELECT id FROM escrow WHERE merchant_id = ?1 AND seller_id = ?5
         UNION ALL SELECT id FROM escrow WHERE merchant_id = ?1 AND buyer_id = ?5
         UNION ALL SELECT escrow_id FROM vault_stake WHERE merchant_id = ?1 AND customer_id = ?5) END";

const SELECT_EVENT: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM event
      LEFT JOIN event_name ON event_name.id = name_id
      LEFT JOIN escrow ON escrow.id = event.escrow_id
      LEFT JOIN payment_transaction AS entry ON entry.id = event.transaction_id
      LEFT JOIN account ON account.id = entry.account_id
      WHERE event.id = ?1"
);

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

    /// Returns a page of a merchant's events. Finds and counts them in an index, and reads
    /// the rows of the page only. The number of all events is stored.
    pub fn events(
        &self,
        merchant: MerchantId,
        filter: &EventFilter,
        order: EventOrder,
        request: PageRequest,
    ) -> Result<Page<RecordedEvent>, Error> {
        let escrow = self.escrow_of(merchant, filter)?;
        let known = match order {
            EventOrder::NewestFirst if *filter == EventFilter::default() => {
                Some(self.event_count(merchant, request.newest_counted())?)
            }
            EventOrder::NewestFirst | EventOrder::After(_) => None,
        };
        let newest = match order {
            EventOrder::NewestFirst if known.is_some() => request.newest(),
            EventOrder::NewestFirst => request.newest_counted(),
            EventOrder::After(_) => i64::MAX,
        };
        let is_before_page = |number: i64| match order {
            EventOrder::NewestFirst => number > request.newest(),
            EventOrder::After(_) => number <= request.behind(),
        };
        let (offset, limit) = (request.offset(), request.rows_read());
        let (mut on_page, mut found, mut skipped) = (Vec::new(), 0, 0);
        let mut statement = self.connection.prepare_cached(&listing(filter, order))?;
        let mut rows = statement.query(values_of(merchant, filter, escrow, order, newest))?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            if is_before_page(number) {
                // Counts, and is on no page from here on.
            } else if skipped < offset {
                skipped += 1;
            } else if on_page.len() < limit {
                on_page.push(number);
            }
            found += 1;
            if known.is_some() && on_page.len() == limit {
                break;
            }
        }
        let read = |number: i64| {
            let event = self.event_of_number(number)?;
            event.ok_or_else(|| broken("an event that exists", &number.to_string()))
        };
        let rows = on_page.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page::of(
            rows,
            known.unwrap_or(found),
            request,
            |event: &RecordedEvent| event.id.number(),
        ))
    }

    /// Returns the number in the key of a merchant's newest event, or 0 if there is none.
    pub fn newest_event(&self, merchant: MerchantId) -> Result<i64, Error> {
        let newest: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(id) FROM event WHERE merchant_id = ?1")?
            .query_row([merchant.0], |row| row.get(0))?;
        Ok(newest.unwrap_or_default())
    }

    /// Returns at most `limit` events after the one with this number, oldest first, and the
    /// number up to which no other event passes the filter.
    pub fn events_after(
        &self,
        merchant: MerchantId,
        filter: &EventFilter,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<RecordedEvent>, i64), Error> {
        let newest = self.newest_event(merchant)?;
        let escrow = self.escrow_of(merchant, filter)?;
        let order = EventOrder::After(EventId::new(after, 0));
        let mut statement = self.connection.prepare_cached(&listing(filter, order))?;
        let mut rows = statement.query(values_of(merchant, filter, escrow, order, newest))?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            events.extend(self.event_of_number(number)?);
            if events.len() == limit {
                return Ok((events, number));
            }
        }
        Ok((events, newest.max(after)))
    }

    /// Returns the row's number of the escrow that a filter names.
    fn escrow_of(&self, merchant: MerchantId, filter: &EventFilter) -> Result<Option<i64>, Error> {
        Ok(match filter.escrow {
            None => None,
            Some(id) => Some(self.number_of_deal(merchant, id)?.unwrap_or(NO_ROW)),
        })
    }

    /// Returns the number of a merchant's events up to a number: that of all events, which is
    /// stored, without the newer ones.
    fn event_count(&self, merchant: MerchantId, newest: i64) -> Result<u64, Error> {
        let count: i64 = self
            .connection
            .prepare_cached(
                "SELECT event_count - (SELECT count(*) FROM event WHERE merchant_id = ?1 AND id > ?2)
                 FROM merchant WHERE id = ?1",
            )?
            .query_row([merchant.0, newest], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Returns one of a merchant's events. Events of other merchants are not found.
    pub fn event(&self, merchant: MerchantId, id: EventId) -> Result<Option<RecordedEvent>, Error> {
        let owner: Option<i64> = self
            .connection
            .prepare_cached("SELECT merchant_id FROM event WHERE id = ?1 AND guard = ?2")?
            .query_row(params![id.number(), id.guard()], |row| row.get(0))
            .optional()?;
        if owner != Some(merchant.0) {
            return Ok(None);
        }
        self.event_of_number(id.number())
    }

    pub(crate) fn event_of_number(&self, number: i64) -> Result<Option<RecordedEvent>, Error> {
        let mut statement = self.connection.prepare_cached(SELECT_EVENT)?;
        read_first(statement.query([number])?, |row| self.read_event(row))
    }

    /// Returns at most `limit` of a merchant's events from `start` on, oldest first.
    pub fn events_from(
        &self,
        merchant: MerchantId,
        start: ReplayStart,
        limit: u32,
    ) -> Result<Vec<ReplayedEvent>, Error> {
        let (number, millis) = match start {
            ReplayStart::Event(id) => (id.number(), 0),
            ReplayStart::Moment(at) => (0, at.millis()),
        };
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            replay_columns!(),
            " FROM event JOIN event_name ON event_name.id = name_id LEFT JOIN escrow ON escrow.id = escrow_id
             WHERE event.merchant_id = ?1 AND event.id >= ?2 AND event.created_at >= ?3 ORDER BY event.id LIMIT ?4"
        ))?;
        read_all(statement.query(params![merchant.0, number, millis, limit])?, |row| {
            let row = ReplayRow::read(row)?;
            Ok(ReplayedEvent {
                id: EventId::new(row.id, row.guard),
                name: row.name,
                escrow: optional_escrow_id(row.escrow_id, row.escrow_guard),
            })
        })
    }

    /// Returns the payload of an event, whose bytes are the same for every attempt.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the event is not as it was recorded.
    pub fn payload_of(&self, event: EventId) -> Result<String, Error> {
        let mut statement = self.connection.prepare_cached(concat!(
            "SELECT ",
            payload_columns!(),
            " FROM event LEFT JOIN event_name ON event_name.id = name_id WHERE event.id = ?1"
        ))?;
        let payload = read_first(statement.query([event.number()])?, |row| {
            let row = PayloadRow::read(row)?;
            Ok(match (row.name, row.data.unpack(), row.is_intact) {
                (Some(name), Some(data), true) => Some(event::payload(name, &data, row.created_at)),
                _ => None,
            })
        })?;
        payload.flatten().ok_or_else(|| damaged_event(event))
    }

    /// Returns the name of an event, or `None` if retention has removed it.
    pub fn event_name(&self, event: EventId) -> Result<Option<String>, Error> {
        let name = self
            .connection
            .prepare_cached("SELECT name FROM event JOIN event_name ON event_name.id = name_id WHERE event.id = ?1")?
            .query_row([event.number()], |row| row.get(0))
            .optional()?;
        Ok(name)
    }

    fn read_event(&self, row: &Row<'_>) -> Result<RecordedEvent, Error> {
        let row = EventRow::read(row)?;
        let id = EventId::new(row.id, row.guard);
        let (Some(name), Some(data), true) = (row.name, row.data.unpack(), row.is_intact) else {
            return Err(damaged_event(id));
        };
        Ok(RecordedEvent {
            id,
            name,
            escrow: optional_escrow_id(row.escrow_id, row.escrow_guard),
            customer: row.customer_id,
            created_at: row.created_at,
            data,
            dispatch: row.dispatch.unwrap_or(Dispatch::NoEndpoint),
            delivery: self.delivery_of(id)?,
        })
    }
}

/// Returns the SQL for the numbers of the events that a filter lets pass, in this order.
fn listing(filter: &EventFilter, order: EventOrder) -> String {
    let direction = match order {
        EventOrder::NewestFirst => "DESC",
        EventOrder::After(_) => "ASC",
    };
    let part = |is_asked: bool, condition| if is_asked { condition } else { "" };
    let of_type = part(filter.event_type.is_some(), OF_TYPE);
    let of_escrow = part(filter.escrow.is_some(), OF_ESCROW);
    let of_customer = part(filter.customer.is_some(), OF_CUSTOMER);
    format!("{OF_MERCHANT}{of_type}{of_escrow}{of_customer} ORDER BY id {direction}")
}

/// Returns the parameters of [`listing`]. The filter's escrow is given by its row's number.
fn values_of(
    merchant: MerchantId,
    filter: &EventFilter,
    escrow: Option<i64>,
    order: EventOrder,
    newest: i64,
) -> [Value; 6] {
    let after = match order {
        EventOrder::NewestFirst => 0,
        EventOrder::After(id) => id.number(),
    };
    let event_type = filter.event_type.as_ref().map(|name| name.as_str().to_owned());
    let customer = filter.customer.as_ref().map(|id| id.as_str().to_owned());
    [
        merchant.0.into(),
        after.into(),
        event_type.into(),
        escrow.into(),
        customer.into(),
        newest.into(),
    ]
}

/// The error for an event that is not as it was recorded, which must not be shown, signed or
/// delivered.
fn damaged_event(event: EventId) -> Error {
    Error::Corrupt(format!("event {event} is not as it was recorded"))
}

impl Tx<'_> {
    /// Inserts an event with the current time.
    pub fn insert_event(&mut self, event: &NewEvent<'_>) -> Result<(), Error> {
        let name = self.event_name_id(event.name)?;
        self.connection
            .prepare_cached(insert_checked!(
                "event",
                id: "?1",
                guard: "?2",
                merchant_id: "?3",
                name_id: "?4",
                escrow_id: "?5",
                transaction_id: "?6",
                created_at: "?7",
                data: "?8",
                dispatch: "?9",
            ))?
            .execute(params![
                event.id.number(),
                event.id.guard(),
                event.merchant.0,
                name,
                event.escrow.as_ref().map(EscrowId::number),
                event.transaction.as_ref().map(TransactionId::number),
                self.now().millis(),
                packing::pack(event.data),
                match event.dispatch {
                    Dispatch::NoEndpoint => None,
                    decided => Some(decided.into_str()),
                },
            ])?;
        self.write_summary.events.push(event.id);
        Ok(())
    }

    /// Returns the number of an event's name, and inserts the name if the file does not have
    /// it yet.
    fn event_name_id(&self, name: &str) -> Result<i64, Error> {
        let known = self
            .connection
            .prepare_cached("SELECT id FROM event_name WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        let id = self
            .connection
            .query_row("SELECT coalesce(max(id), 0) + 1 FROM event_name", [], |row| {
                row.get::<_, i64>(0)
            })?;
        self.connection
            .execute(insert_checked!("event_name", id: "?1", name: "?2"), params![id, name])?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::domain::events::event::EventType;

    /// Every combination of filters, in both orders.
    fn lists() -> Vec<(EventFilter, EventOrder)> {
        let mut lists = Vec::new();
        for order in [EventOrder::NewestFirst, EventOrder::After(EventId::new(1, 2))] {
            for asked in 0..8_u8 {
                let asks = |bit: u8| asked & (1 << bit) != 0;
                let filter = EventFilter {
                    event_type: EventType::parse("escrow").filter(|_| asks(0)),
                    escrow: Some(EscrowId::new(1, 2)).filter(|_| asks(1)),
                    customer: CustomerId::parse("ada").filter(|_| asks(2)),
                };
                lists.push((filter, order));
            }
        }
        lists
    }

    /// A list that reads other merchants' events, or sorts its own, would cost what the file
    /// holds.
    #[test]
    fn every_list_walks_along_the_merchants_events_and_sorts_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../../../schema.sql")).unwrap();
        for (filter, order) in lists() {
            let sql = listing(&filter, order);
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let escrow = filter.escrow.map(|id| id.number());
            let values = values_of(MerchantId(1), &filter, escrow, order, i64::MAX);
            let steps = statement.query_map(values, |row| row.get::<_, String>("detail"));
            let plan: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
            // Without a filter, the index alone.
            let kind = if filter == EventFilter::default() {
                "COVERING INDEX"
            } else {
                "INDEX"
            };
            let along = format!("SEARCH event USING {kind} event_of_merchant (merchant_id=? AND rowid>? AND rowid<?)");
            assert_eq!(plan[0], along, "{plan:#?}");
            // A file has some twenty names.
            let is_short = |step: &str| {
                ["SCAN entry", "SCAN event_name"]
                    .iter()
                    .any(|short| step.starts_with(short))
            };
            let is_wide = |step: &String| step.starts_with("SCAN") && !is_short(step);
            let sorts = |step: &String| step.contains("TEMP B-TREE");
            assert!(!plan.iter().any(|step| is_wide(step) || sorts(step)), "{plan:#?}");
        }
    }
}
