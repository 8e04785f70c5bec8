//! Lists of events, in the order of the index of a merchant's events.

use crate::domain::events::event::{EventFilter, EventOrder, EventType, RecordedEvent};
use crate::domain::ids::{CustomerId, EventId, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Value, params};
use crate::store::tables::columns::{broken, read_all};
use crate::store::tx::Snapshot;

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

impl Snapshot<'_> {
    /// Returns a page of a merchant's events. Finds and counts them along an index, and reads
    /// the rows that a filter compares and those of the page. The number of all events is
    /// stored.
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
        // Rows behind the page count too, unless their number is known.
        let rows_max = known.map(|_| offset.saturating_add(limit as u64));
        let mut statement = self.connection.prepare(&listing(filter, order, rows_max))?;
        let mut rows = statement.query(&values_of(merchant, filter, escrow, order, newest, rows_max))?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            // Rows before the page only count.
            if !is_before_page(number) {
                if skipped < offset {
                    skipped += 1;
                } else if on_page.len() < limit {
                    on_page.push(number);
                }
            }
            found += 1;
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
            .prepare("SELECT max(id) FROM event WHERE merchant_id = ?1")?
            .one(params![merchant.0], |row| row.get(0))?;
        Ok(newest.unwrap_or_default())
    }

    /// Returns the id of a merchant's newest event.
    pub fn newest_event_id(&self, merchant: MerchantId) -> Result<Option<EventId>, Error> {
        self.connection
            .prepare("SELECT id, guard FROM event WHERE merchant_id = ?1 ORDER BY id DESC LIMIT 1")?
            .first(params![merchant.0], |row| Ok(EventId::new(row.get(0)?, row.get(1)?)))
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
        let rows_max = Some(limit as u64);
        let mut statement = self.connection.prepare(&listing(filter, order, rows_max))?;
        let values = values_of(merchant, filter, escrow, order, newest, rows_max);
        let numbers: Vec<i64> = read_all(statement.query(&values)?, |row| row.get(0))?;
        let mut events = Vec::with_capacity(numbers.len());
        for number in &numbers {
            events.extend(self.event_of_number(*number)?);
        }
        let read_to = match numbers.last() {
            Some(last) if numbers.len() == limit => *last,
            _ => newest.max(after),
        };
        Ok((events, read_to))
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
        self.count(
            "SELECT event_count - (SELECT count(*) FROM event WHERE merchant_id = ?1 AND id > ?2)
             FROM merchant WHERE id = ?1",
            params![merchant.0, newest],
        )
    }
}

/// Returns the SQL for the numbers of the events that a filter lets pass, in this order, and at most
/// as many if there is a limit. PostgreSQL sends all rows of a query at once.
fn listing(filter: &EventFilter, order: EventOrder, rows_max: Option<u64>) -> String {
    let direction = match order {
        EventOrder::NewestFirst => "DESC",
        EventOrder::After(_) => "ASC",
    };
    let part = |is_asked: bool, condition| if is_asked { condition } else { "" };
    let of_type = part(filter.event_type.is_some(), OF_TYPE);
    let of_escrow = part(filter.escrow.is_some(), OF_ESCROW);
    let of_customer = part(filter.customer.is_some(), OF_CUSTOMER);
    let limit = part(rows_max.is_some(), " LIMIT ?7");
    format!("{OF_MERCHANT}{of_type}{of_escrow}{of_customer} ORDER BY id {direction}{limit}")
}

/// Returns the parameters of [`listing`]. The filter's escrow is given by its row's number.
fn values_of(
    merchant: MerchantId,
    filter: &EventFilter,
    escrow: Option<i64>,
    order: EventOrder,
    newest: i64,
    rows_max: Option<u64>,
) -> Vec<Value<'_>> {
    let after = match order {
        EventOrder::NewestFirst => 0,
        EventOrder::After(id) => id.number(),
    };
    let event_type = filter.event_type.as_ref().map(EventType::as_str);
    let customer = filter.customer.as_ref().map(CustomerId::as_str);
    let mut values = vec![
        merchant.0.into(),
        after.into(),
        event_type.into(),
        escrow.into(),
        customer.into(),
        newest.into(),
    ];
    values.extend(rows_max.map(|rows| Value::from(i64::try_from(rows).unwrap_or(i64::MAX))));
    values
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params_from_iter};

    use super::*;
    use crate::domain::ids::EscrowId;
    use crate::store::engine::schema::SCHEMA;

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
        connection.execute_batch(SCHEMA).unwrap();
        let of_limits = |(filter, order): (EventFilter, EventOrder)| {
            [None, Some(51)].map(|rows_max| (filter.clone(), order, rows_max))
        };
        for (filter, order, rows_max) in lists().into_iter().flat_map(of_limits) {
            let sql = listing(&filter, order, rows_max);
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let escrow = filter.escrow.map(|id| id.number());
            let values = values_of(MerchantId(1), &filter, escrow, order, i64::MAX, rows_max);
            let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>("detail"));
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
