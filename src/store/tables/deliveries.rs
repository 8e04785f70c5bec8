//! Events on their way to merchants' callback URLs, and what came of each attempt.

use rusqlite::{OptionalExtension, Row, params};

use crate::domain::events::delivery::{Attempt, AttemptOutcome, Delivery, DeliveryId, DeliveryProgress};
use crate::domain::ids::{self, EscrowId, EventId, IdSource, MerchantId};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::tables::columns::{optional_timestamp_at, timestamp_at};
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    /// The first deliveries of a merchant whose turn it is, in the order they are due,
    /// now or later.
    pub fn next_deliveries(&self, merchant: MerchantId, limit: usize) -> Result<Vec<Delivery>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT delivery.id, event_id, event.guard, lane, attempts, due_at
             FROM delivery JOIN event ON event.id = event_id
             WHERE delivery.merchant_id = ?1 AND due_at IS NOT NULL ORDER BY due_at, delivery.id LIMIT ?2",
        )?;
        let mut rows = statement.query(params![merchant.0, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut deliveries = Vec::new();
        while let Some(row) = rows.next()? {
            deliveries.push(Delivery {
                id: DeliveryId(row.get(0)?),
                event: EventId::new(row.get(1)?, row.get(2)?),
                merchant,
                ordering_key: row.get(3)?,
                attempts: row.get(4)?,
                due_at: timestamp_at(row, 5)?,
            });
        }
        Ok(deliveries)
    }

    /// The first merchant after this one with something to be delivered.
    pub fn merchant_with_deliveries_after(&self, merchant: MerchantId) -> Result<Option<MerchantId>, Error> {
        let next: Option<i64> = self
            .connection
            .prepare_cached("SELECT min(merchant_id) FROM delivery WHERE merchant_id > ?1")?
            .query_row([merchant.0], |row| row.get(0))?;
        Ok(next.map(MerchantId))
    }

    /// How many deliveries of a merchant fall due while its clock goes from one time to
    /// the other: those whose next attempt does, and those that wait behind them.
    pub fn deliveries_due(&self, merchant: MerchantId, after: Timestamp, until: Timestamp) -> Result<u64, Error> {
        let due: i64 = self
            .connection
            .prepare_cached(
                "SELECT count(*) + coalesce(sum((SELECT count(*) FROM delivery AS behind
                                                 WHERE behind.lane = first.lane AND behind.due_at IS NULL)), 0)
                 FROM delivery AS first WHERE merchant_id = ?1 AND due_at > ?2 AND due_at <= ?3",
            )?
            .query_row([merchant.0, after.millis(), until.millis()], |row| row.get(0))?;
        Ok(due.unsigned_abs())
    }

    /// The bytes of an event, the same on every attempt.
    pub fn payload_of(&self, event: EventId) -> Result<String, Error> {
        let payload = self
            .connection
            .prepare_cached("SELECT payload FROM event WHERE id = ?1")?
            .query_row([event.number()], |row| row.get(0))?;
        Ok(payload)
    }

    /// How far an event has come on its way to the merchant.
    pub fn delivery_of(&self, event: EventId) -> Result<DeliveryProgress, Error> {
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
        Ok(DeliveryProgress {
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
            Some(status) => AttemptOutcome::Answered {
                status,
                beginning: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
            },
            None => AttemptOutcome::Failed(row.get(3)?),
        },
        duration_millis: row.get(4)?,
    })
}

impl Tx<'_> {
    /// Wants a new event delivered at `due`, by the merchant's clock; after everything
    /// with the same ordering key that is still to be delivered.
    pub fn insert_delivery(
        &mut self,
        merchant: MerchantId,
        event: EventId,
        ordering_key: Option<EscrowId>,
        due: Timestamp,
    ) -> Result<(), Error> {
        self.insert_delivery_numbered(event.number(), merchant, event, ordering_key, due)
    }

    /// Wants an older event delivered once more, whatever became of it before.
    pub fn insert_resend(
        &mut self,
        merchant: MerchantId,
        event: EventId,
        ordering_key: Option<EscrowId>,
        due: Timestamp,
    ) -> Result<(), Error> {
        let id = self.number();
        self.insert_delivery_numbered(id, merchant, event, ordering_key, due)
    }

    fn insert_delivery_numbered(
        &mut self,
        id: i64,
        merchant: MerchantId,
        event: EventId,
        ordering_key: Option<EscrowId>,
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
                ordering_key.as_ref().map(EscrowId::number),
                due.millis()
            ])?;
        self.new_deliveries.push(merchant);
        Ok(())
    }

    /// Writes down what came of an attempt, as long as the event is remembered.
    pub fn insert_attempt(&mut self, event: EventId, attempt: &Attempt) -> Result<(), Error> {
        let (status, error, answer) = match &attempt.outcome {
            AttemptOutcome::Answered { status, beginning } => (Some(*status), None, Some(beginning)),
            AttemptOutcome::Failed(error) => (None, Some(error), None),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO delivery_attempt (event_id, number, attempted_at, url, status, error, duration_millis, answer)
                 SELECT ?1, (SELECT coalesce(max(number), 0) + 1 FROM delivery_attempt WHERE event_id = ?1),
                        ?2, ?3, ?4, ?5, ?6, ?7
                 WHERE EXISTS (SELECT 1 FROM event WHERE id = ?1)",
            )?
            .execute(params![
                event.number(),
                attempt.attempted_at.millis(),
                attempt.url,
                status,
                error,
                attempt.duration_millis,
                answer
            ])?;
        Ok(())
    }

    /// Counts an attempt that failed, and says when the next one is due. Of a delivery
    /// that was dropped meanwhile nothing is left to be counted.
    pub fn postpone_delivery(&mut self, delivery: &Delivery, due: Timestamp) -> Result<(), Error> {
        self.connection
            .prepare_cached("UPDATE delivery SET attempts = attempts + 1, due_at = ?2 WHERE id = ?1")?
            .execute(params![delivery.id.0, due.millis()])?;
        Ok(())
    }

    /// Ends a delivery, whatever came of it, and makes the next one with its ordering key due.
    pub fn finish_delivery(&mut self, delivery: &Delivery, next_due: Timestamp) -> Result<(), Error> {
        self.connection
            .prepare_cached("DELETE FROM delivery WHERE id = ?1")?
            .execute([delivery.id.0])?;
        if let Some(ordering_key) = delivery.ordering_key {
            self.connection
                .prepare_cached(
                    "UPDATE delivery SET due_at = ?2
                     WHERE id = (SELECT min(id) FROM delivery WHERE lane = ?1) AND due_at IS NULL",
                )?
                .execute(params![ordering_key, next_due.millis()])?;
        }
        Ok(())
    }

    /// Forgets events from before this time with what came of them, oldest first and
    /// not those still to be delivered, and answers how many: at most `limit`.
    pub fn delete_events_before(&mut self, before: Timestamp, limit: usize) -> Result<usize, Error> {
        let numbers_before = ids::first_number_of(before);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let old = "SELECT id FROM event WHERE id < ?1
                   AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id) ORDER BY id LIMIT ?2";
        self.connection
            .prepare_cached(&format!("DELETE FROM delivery_attempt WHERE event_id IN ({old})"))?
            .execute([numbers_before, limit])?;
        let deleted = self
            .connection
            .prepare_cached(&format!("DELETE FROM event WHERE id IN ({old})"))?
            .execute([numbers_before, limit])?;
        Ok(deleted)
    }

    /// Gives up what is still to be delivered to a merchant, at most so many at once:
    /// first those that wait behind others, which would wait for ever without them.
    pub fn delete_deliveries(&mut self, merchant: MerchantId, limit: usize) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "DELETE FROM delivery WHERE id IN
                     (SELECT id FROM delivery WHERE merchant_id = ?1 ORDER BY due_at LIMIT ?2)",
            )?
            .execute(params![merchant.0, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        Ok(())
    }
}
