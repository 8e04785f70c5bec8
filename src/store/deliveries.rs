//! Events on their way to merchants' callback URLs, and what came of each attempt.

use rusqlite::{OptionalExtension, Row, params};

use super::columns::{optional_timestamp_at, timestamp_at};
use super::error::Error;
use super::snapshot::{Snapshot, Tx};
use crate::domain::delivery::{Attempt, Outcome, Progress};
use crate::domain::ids::{EscrowId, EventId, IdSource, MerchantId};
use crate::domain::time::Timestamp;

impl Snapshot<'_> {
    /// How far an event has come on its way to the merchant.
    pub fn delivery_of(&self, event: EventId) -> Result<Progress, Error> {
        let pending = self
            .connection
            .prepare_cached("SELECT due_at FROM delivery WHERE event_id = ?1 ORDER BY id LIMIT 1")?
            .query_row([event.number()], |row| Ok(optional_timestamp_at(row, 0)))
            .optional()?
            .transpose()?;
        let mut statement = self.connection.prepare_cached(
            "SELECT attempted_at, url, status, error, duration_millis, answer FROM delivery_attempt
             WHERE event_id = ?1 ORDER BY number",
        )?;
        let mut rows = statement.query([event.number()])?;
        let mut attempts = Vec::new();
        while let Some(row) = rows.next()? {
            attempts.push(read_attempt(row)?);
        }
        Ok(Progress {
            is_pending: pending.is_some(),
            next_attempt_at: pending.flatten(),
            attempts,
        })
    }
}

fn read_attempt(row: &Row<'_>) -> Result<Attempt, Error> {
    let status: Option<u16> = row.get(2)?;
    Ok(Attempt {
        attempted_at: timestamp_at(row, 0)?,
        url: row.get(1)?,
        outcome: match status {
            Some(status) => Outcome::Answered {
                status,
                beginning: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
            },
            None => Outcome::Failed(row.get(3)?),
        },
        duration_millis: row.get(4)?,
    })
}

impl Tx<'_> {
    /// Wants a new event delivered at `due`, by the merchant's clock; after everything
    /// of the same lane that is still to be delivered.
    pub fn insert_delivery(
        &mut self,
        merchant: MerchantId,
        event: EventId,
        lane: Option<EscrowId>,
        due: Timestamp,
    ) -> Result<(), Error> {
        self.insert_delivery_numbered(event.number(), merchant, event, lane, due)
    }

    /// Wants an older event delivered once more, whatever became of it before.
    pub fn insert_resend(
        &mut self,
        merchant: MerchantId,
        event: EventId,
        lane: Option<EscrowId>,
        due: Timestamp,
    ) -> Result<(), Error> {
        let id = self.number();
        self.insert_delivery_numbered(id, merchant, event, lane, due)
    }

    fn insert_delivery_numbered(
        &mut self,
        id: i64,
        merchant: MerchantId,
        event: EventId,
        lane: Option<EscrowId>,
        due: Timestamp,
    ) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO delivery (id, event_id, merchant_id, lane, due_at)
                 SELECT ?1, ?2, ?3, ?4, CASE WHEN EXISTS (SELECT 1 FROM delivery WHERE lane = ?4) THEN NULL ELSE ?5 END",
            )?
            .execute(params![
                id,
                event.number(),
                merchant.0,
                lane.as_ref().map(EscrowId::number),
                due.millis()
            ])?;
        Ok(())
    }

    /// Gives up whatever is still to be delivered to a merchant.
    pub fn delete_deliveries(&mut self, merchant: MerchantId) -> Result<(), Error> {
        self.connection
            .prepare_cached("DELETE FROM delivery WHERE merchant_id = ?1")?
            .execute([merchant.0])?;
        Ok(())
    }
}
