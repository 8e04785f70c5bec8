//! Events, which the outbox keeps with the data of their payloads.

use crate::domain::events::delivery::Dispatch;
use crate::domain::events::event::{self, RecordedEvent, ReplayStart};
use crate::domain::ids::{CustomerId, EscrowId, EventId, MerchantId, TransactionId};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::packing;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::checked::{insert_checked, is_intact};
use crate::store::tables::columns::{Packed, optional_escrow_id, read_all, row, stored_as_word};
use crate::store::tx::{InsertedEvent, Snapshot, Tx};
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
    /// True if a delivery of it is pending.
    pub is_pending: bool,
}

/// The expression that is true if the row of an event is as it was recorded.
macro_rules! is_intact_row {
    () => {
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
        )
    };
}

/// The expression that is true if an event and its name are as they were recorded.
macro_rules! is_intact_event {
    () => {
        concat!(
            "coalesce(",
            is_intact_row!(),
            " AND ",
            is_intact!(event_name, id, name),
            ", false)"
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
        data: Option<Packed<'a>>,
        dispatch: Option<Dispatch>,
        is_intact: bool = is_intact_event!(),
    }
}

row! {
    struct PayloadRow<'a>, payload_columns! {
        name: Option<&'a str>,
        escrow_id: Option<i64>,
        created_at: Timestamp,
        data: Option<Packed<'a>>,
        is_intact: bool = is_intact_event!(),
    }
}

row! {
    struct DataRow<'a>, data_columns! {
        escrow_id: Option<i64>,
        data: Option<Packed<'a>>,
        is_intact: bool = is_intact_row!(),
    }
}

row! {
    struct ReplayRow, replay_columns! {
        id: i64 = "event.id",
        guard: u32 = "event.guard",
        name: String,
        escrow_id: Option<i64>,
        escrow_guard: Option<i64> = "escrow.guard",
        is_pending: bool = "EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id)",
    }
}

stored_as_word!(Dispatch, "the dispatch of an event");

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
    /// names, without the rows that retention has removed. Both are oldest first.
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

    /// Returns one of a merchant's events. Events of other merchants are not found.
    pub fn event(&self, merchant: MerchantId, id: EventId) -> Result<Option<RecordedEvent>, Error> {
        let owner: Option<i64> = self
            .connection
            .prepare("SELECT merchant_id FROM event WHERE id = ?1 AND guard = ?2")?
            .first(params![id.number(), id.guard()], |row| row.get(0))?;
        if owner != Some(merchant.0) {
            return Ok(None);
        }
        self.event_of_number(id.number())
    }

    pub(crate) fn event_of_number(&self, number: i64) -> Result<Option<RecordedEvent>, Error> {
        let mut statement = self.connection.prepare(SELECT_EVENT)?;
        statement.first(params![number], |row| self.read_event(row))
    }

    /// Returns at most `limit` of a merchant's events from `start` on, oldest first.
    pub fn events_from(
        &self,
        merchant: MerchantId,
        start: ReplayStart,
        limit: usize,
    ) -> Result<Vec<ReplayedEvent>, Error> {
        let (number, millis) = match start {
            ReplayStart::Event(id) => (id.number(), 0),
            ReplayStart::Moment(at) => (0, at.millis()),
        };
        let mut statement = self.connection.prepare(concat!(
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
                is_pending: row.is_pending,
            })
        })
    }

    /// Returns the payload of an event, whose bytes are the same for every attempt.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the event is not as it was recorded.
    pub fn payload_of(&self, event: EventId) -> Result<String, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            payload_columns!(),
            " FROM event LEFT JOIN event_name ON event_name.id = name_id WHERE event.id = ?1"
        ))?;
        let payload = statement.first(params![event.number()], |row| {
            let row = PayloadRow::read(row)?;
            let data = self.data_of(event.number(), row.escrow_id, row.data)?;
            Ok(match (row.name, data, row.is_intact) {
                (Some(name), Some(data), true) => Some(event::payload(name, &data, row.created_at)),
                _ => None,
            })
        })?;
        payload.flatten().ok_or_else(|| damaged_event(event))
    }

    /// Returns the data of the event with this number, whose row names this escrow and holds
    /// this. Returns `None` if it is damaged.
    fn data_of(&self, number: i64, escrow: Option<i64>, own: Option<Packed<'_>>) -> Result<Option<String>, Error> {
        if let Some(own) = own {
            return Ok(own.unpack());
        }
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            data_columns!(),
            " FROM event WHERE id < ?1 ORDER BY id DESC LIMIT 1"
        ))?;
        let shared = statement.first(params![number], |row| {
            let row = DataRow::read(row)?;
            let shared = row.data.filter(|_| row.is_intact && row.escrow_id == escrow);
            Ok(shared.and_then(|data| data.unpack()))
        })?;
        Ok(shared.flatten())
    }

    /// Returns the name of an event, or `None` if retention has removed it.
    pub fn event_name(&self, event: EventId) -> Result<Option<String>, Error> {
        self.connection
            .prepare("SELECT name FROM event JOIN event_name ON event_name.id = name_id WHERE event.id = ?1")?
            .first(params![event.number()], |row| row.get(0))
    }

    fn read_event(&self, row: Row<'_>) -> Result<RecordedEvent, Error> {
        let row = EventRow::read(row)?;
        let id = EventId::new(row.id, row.guard);
        let data = self.data_of(row.id, row.escrow_id, row.data)?;
        let (Some(name), Some(data), true) = (row.name, data, row.is_intact) else {
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

/// The error for an event that is not as it was recorded, which must not be shown, signed or
/// delivered.
fn damaged_event(event: EventId) -> Error {
    Error::Corrupt(format!("event {event} is not as it was recorded"))
}

impl Tx<'_> {
    /// Inserts an event with the current time.
    pub fn insert_event(&mut self, event: &NewEvent<'_>) -> Result<(), Error> {
        let name = self.event_name_id(event.name)?;
        let is_shared = self
            .state
            .last_event
            .take()
            .is_some_and(|last| last.escrow == event.escrow && last.data == event.data);
        self.connection
            .prepare(insert_checked!(
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
            .change_row(
                params![
                    event.id.number(),
                    event.id.guard(),
                    event.merchant.0,
                    name,
                    event.escrow.as_ref().map(EscrowId::number),
                    event.transaction.as_ref().map(TransactionId::number),
                    self.now().millis(),
                    (!is_shared).then(|| packing::pack(event.data)),
                    match event.dispatch {
                        Dispatch::NoEndpoint => None,
                        decided => Some(decided.into_str()),
                    },
                ],
                "an event",
            )?;
        self.merchant_mut(event.merchant)?.unsaved.events += 1;
        self.state.write_summary.events.push(event.id);
        self.state.last_event = (!is_shared).then(|| InsertedEvent {
            escrow: event.escrow,
            data: event.data.to_owned(),
        });
        Ok(())
    }

    /// Returns the number of an event's name, and inserts the name if the file does not have
    /// it yet. The commands of a group look it up once.
    fn event_name_id(&mut self, name: &str) -> Result<i64, Error> {
        let own = self.state.memory.event_names.get(name);
        if let Some(id) = own.or_else(|| self.group.event_names.get(name)) {
            return Ok(*id);
        }
        let known = self
            .connection
            .prepare("SELECT id FROM event_name WHERE name = ?1")?
            .first(params![name], |row| row.get(0))?;
        let id = match known {
            Some(id) => id,
            None => self.insert_event_name(name)?,
        };
        self.state.memory.event_names.insert(name.to_owned(), id);
        Ok(id)
    }

    fn insert_event_name(&self, name: &str) -> Result<i64, Error> {
        let id = self
            .connection
            .prepare("SELECT coalesce(max(id), 0) + 1 FROM event_name")?
            .one(params![], |row| row.get::<i64>(0))?;
        self.connection
            .prepare(insert_checked!("event_name", id: "?1", name: "?2"))?
            .change_row(params![id, name], "the name of an event")?;
        Ok(id)
    }
}
