//! Pending deliveries of events to merchants' webhook endpoints, and attempts. With the table
//! `event` this is the outbox.

use std::collections::HashMap;

use crate::domain::events::delivery::{
    Attempt, AttemptOutcome, Delivery, DeliveryId, DeliveryProgress, DeliveryStatus, Wait,
};
use crate::domain::ids::{self, EscrowId, EventId, IdSource, MerchantId};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::columns::{read_all, row};
use crate::store::tables::events::ReplayedEvent;
use crate::store::tx::{Snapshot, Tx};

row! {
    struct DeliveryRow, delivery_columns! {
        id: i64 = "delivery.id",
        event_id: i64,
        event_guard: u32 = "event.guard",
        lane: Option<i64>,
        attempts: u32,
        due_at: Timestamp,
    }
}

row! {
    /// A pending delivery, with the event before it in the order of its escrow if it waits
    /// for that one.
    struct WaitRow, wait_columns! {
        due_at: Option<Timestamp> = "delivery.due_at",
        before_id: Option<i64> = "before.event_id",
        before_guard: Option<u32> = "event.guard",
    }
}

/// The state of an event's pending delivery after a command made it due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hastened {
    /// No delivery of the event is pending.
    NotPending,
    /// The event's only delivery has no ordering key and was due already; its attempt may be under way.
    UnderWay,
    /// The next attempt of the event, or of the delivery that it waits behind, is due now.
    Due,
}

row! {
    struct AttemptRow, attempt_columns! {
        attempted_at: Timestamp,
        url: String,
        status: Option<u16>,
        error: Option<String>,
        duration_millis: u32,
        answer: Option<String>,
    }
}

row! {
    struct OutcomeRow, outcome_columns! {
        event_id: i64 = "attempt.event_id",
        attempted_at: Timestamp = "attempt.attempted_at",
        status: Option<u16> = "attempt.status",
    }
}

/// At most ?2 merchants with deliveries whose numbers follow ?1. Each is found by one step in the
/// index, however many deliveries the one before has.
const MERCHANTS: &str = "WITH RECURSIVE found (merchant_id) AS (
         SELECT min(merchant_id) FROM delivery WHERE merchant_id > ?1
         UNION ALL
         SELECT (SELECT min(delivery.merchant_id) FROM delivery WHERE delivery.merchant_id > found.merchant_id)
         FROM found WHERE found.merchant_id IS NOT NULL)
     SELECT merchant_id FROM found WHERE merchant_id IS NOT NULL LIMIT ?2";

fn read_attempt(row: Row<'_>) -> Result<Attempt, Error> {
    let row = AttemptRow::read(row)?;
    Ok(Attempt {
        attempted_at: row.attempted_at,
        url: row.url,
        outcome: match row.status {
            Some(status) => AttemptOutcome::Responded {
                status,
                beginning: row.answer.unwrap_or_default(),
            },
            None => AttemptOutcome::Failed(row.error.unwrap_or_default()),
        },
        duration_millis: row.duration_millis,
    })
}

impl Snapshot<'_> {
    /// Returns the next deliveries of a merchant by due time, which may lie in the future.
    /// A delivery that waits behind another with its ordering key is left out.
    pub fn next_deliveries(&self, merchant: MerchantId, limit: usize) -> Result<Vec<Delivery>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            delivery_columns!(),
            " FROM delivery JOIN event ON event.id = event_id
             WHERE delivery.merchant_id = ?1 AND due_at IS NOT NULL ORDER BY due_at, delivery.id LIMIT ?2"
        ))?;
        let rows = statement.query(params![merchant.0, limit])?;
        read_all(rows, |row| {
            let row = DeliveryRow::read(row)?;
            Ok(Delivery {
                id: DeliveryId(row.id),
                event: EventId::new(row.event_id, row.event_guard),
                merchant,
                ordering_key: row.lane,
                attempts: row.attempts,
                due_at: row.due_at,
            })
        })
    }

    /// Returns at most `limit` merchants with deliveries whose numbers follow this one's, in the
    /// order of their numbers.
    pub fn merchants_with_deliveries_after(
        &self,
        merchant: MerchantId,
        limit: usize,
    ) -> Result<Vec<MerchantId>, Error> {
        let mut statement = self.connection.prepare(MERCHANTS)?;
        read_all(statement.query(params![merchant.0, limit])?, |row| row.get(0))
    }

    /// Counts the deliveries of a merchant that fall due while its clock moves from `after`
    /// to `until`, including those that wait behind them.
    pub fn deliveries_due(&self, merchant: MerchantId, after: Timestamp, until: Timestamp) -> Result<u64, Error> {
        self.count(
            "SELECT count(*) + coalesce(sum((SELECT count(*) FROM delivery AS behind
                                             WHERE behind.lane = first.lane AND behind.due_at IS NULL)), 0)
             FROM delivery AS first WHERE merchant_id = ?1 AND due_at > ?2 AND due_at <= ?3",
            params![merchant.0, after.millis(), until.millis()],
        )
    }

    /// Returns the time of a merchant's oldest event with a pending delivery.
    pub fn oldest_pending_event_at(&self, merchant: MerchantId) -> Result<Option<Timestamp>, Error> {
        self.connection
            .prepare(
                "SELECT created_at FROM event WHERE id = (SELECT min(event_id) FROM delivery WHERE merchant_id = ?1)",
            )?
            .first(params![merchant.0], |row| row.get(0))
    }

    /// Returns the reason why an event is pending, and all attempts so far. If the
    /// event has several deliveries, the one with the next attempt counts.
    pub fn delivery_of(&self, event: EventId) -> Result<DeliveryProgress, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            wait_columns!(),
            " FROM delivery
             LEFT JOIN delivery AS before ON delivery.due_at IS NULL
                 AND before.id = (SELECT max(id) FROM delivery AS other
                                  WHERE other.lane = delivery.lane AND other.id < delivery.id)
             LEFT JOIN event ON event.id = before.event_id
             WHERE delivery.event_id = ?1 ORDER BY delivery.due_at IS NULL, delivery.due_at, delivery.id LIMIT 1"
        ))?;
        let waits_for = statement.first(params![event.number()], |row| {
            let row = WaitRow::read(row)?;
            match (row.due_at, row.before_id, row.before_guard) {
                (Some(due), _, _) => Ok(Wait::Attempt(due)),
                (None, Some(id), Some(guard)) => Ok(Wait::Event(EventId::new(id, guard))),
                (None, _, _) => Err(Error::Corrupt(
                    "a pending delivery has neither a due time nor a delivery before it".to_owned(),
                )),
            }
        })?;
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            attempt_columns!(),
            " FROM delivery_attempt WHERE event_id = ?1 ORDER BY number"
        ))?;
        Ok(DeliveryProgress {
            waits_for,
            attempts: read_all(statement.query(params![event.number()])?, read_attempt)?,
        })
    }

    /// Returns the status of each of these events of a merchant, which are oldest first. One query finds the
    /// attempts of all.
    pub fn statuses_of(&self, merchant: MerchantId, events: &[ReplayedEvent]) -> Result<Vec<DeliveryStatus>, Error> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(Vec::new());
        };
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            outcome_columns!(),
            " FROM event CROSS JOIN delivery_attempt AS attempt ON attempt.event_id = event.id
             WHERE event.merchant_id = ?1 AND event.id >= ?2 AND event.id <= ?3"
        ))?;
        let rows = statement.query(params![merchant.0, first.id.number(), last.id.number()])?;
        let mut last_attempts = HashMap::new();
        for row in read_all(rows, OutcomeRow::read)? {
            let attempt = (row.attempted_at, row.status.is_some_and(AttemptOutcome::is_success));
            let last = last_attempts.entry(row.event_id).or_insert(attempt);
            *last = attempt.max(*last);
        }
        let status = |event: &ReplayedEvent| {
            DeliveryStatus::of(event.is_pending, last_attempts.get(&event.id.number()).copied())
        };
        Ok(events.iter().map(status).collect())
    }
}

impl Tx<'_> {
    /// Inserts the delivery of a new event, due now by the merchant's clock. If other
    /// deliveries with the same ordering key are pending, it waits behind them instead.
    pub fn insert_delivery(
        &mut self,
        merchant: MerchantId,
        event: EventId,
        ordering_key: Option<EscrowId>,
    ) -> Result<(), Error> {
        self.insert_delivery_numbered(event.number(), merchant, event, ordering_key)
    }

    /// Inserts one more delivery of an older event, even if the event was delivered before.
    pub fn insert_resend(
        &mut self,
        merchant: MerchantId,
        event: EventId,
        ordering_key: Option<EscrowId>,
    ) -> Result<(), Error> {
        let id = self.number();
        self.insert_delivery_numbered(id, merchant, event, ordering_key)
    }

    fn insert_delivery_numbered(
        &mut self,
        id: i64,
        merchant: MerchantId,
        event: EventId,
        ordering_key: Option<EscrowId>,
    ) -> Result<(), Error> {
        let now = self.now();
        self.connection
            .prepare(
                "INSERT INTO delivery (id, event_id, merchant_id, lane, due_at)
                 VALUES (?1, ?2, ?3, ?4, CASE WHEN EXISTS (SELECT 1 FROM delivery WHERE lane = ?4) THEN NULL
                                         ELSE CAST(?5 AS INTEGER) END)",
            )?
            .change_row(
                params![
                    id,
                    event.number(),
                    merchant.0,
                    ordering_key.as_ref().map(EscrowId::number),
                    now.millis()
                ],
                "a delivery",
            )?;
        self.state.new_deliveries.push(merchant);
        Ok(())
    }

    /// Makes the next attempt of a pending event due now, if it is due later. If the event waits
    /// behind another with its ordering key, this is the attempt of the first of them.
    pub fn hasten_event(&mut self, merchant: MerchantId, event: EventId) -> Result<Hastened, Error> {
        let now = self.now();
        let pending = self
            .connection
            .prepare(
                "SELECT CASE WHEN due_at IS NULL
                             THEN (SELECT min(id) FROM delivery AS first WHERE first.lane = delivery.lane)
                             ELSE id END,
                        lane IS NULL AND NOT EXISTS (SELECT 1 FROM delivery AS other
                                                     WHERE other.event_id = delivery.event_id AND other.id <> delivery.id)
                 FROM delivery WHERE event_id = ?1 ORDER BY due_at IS NULL, due_at, id LIMIT 1",
            )?
            .first(params![event.number()], |row| {
                Ok((row.get::<i64>(0)?, row.get::<bool>(1)?))
            })?;
        let Some((next, is_alone)) = pending else {
            return Ok(Hastened::NotPending);
        };
        let hastened = self
            .connection
            .prepare("UPDATE delivery SET due_at = ?2 WHERE id = ?1 AND due_at > ?2")?
            .execute(params![next, now.millis()])?;
        self.state.new_deliveries.push(merchant);
        if is_alone && hastened == 0 {
            Ok(Hastened::UnderWay)
        } else {
            Ok(Hastened::Due)
        }
    }

    /// Makes at most `limit` of a merchant's deliveries that are due later due now, and returns
    /// their number.
    pub fn hasten_deliveries(&mut self, merchant: MerchantId, limit: usize) -> Result<usize, Error> {
        let now = self.now();
        self.connection
            .prepare(
                "UPDATE delivery SET due_at = ?2 WHERE id IN
                     (SELECT id FROM delivery WHERE merchant_id = ?1 AND due_at > ?2 LIMIT ?3)",
            )?
            .execute(params![merchant.0, now.millis(), limit])
    }

    /// Records an attempt and returns true, unless retention has removed the event.
    pub fn insert_attempt(&mut self, event: EventId, attempt: &Attempt) -> Result<bool, Error> {
        let (status, error, answer) = match &attempt.outcome {
            AttemptOutcome::Responded { status, beginning } => (Some(*status), None, Some(beginning)),
            AttemptOutcome::Failed(error) => (None, Some(error), None),
        };
        let inserted = self
            .connection
            .prepare(
                "INSERT INTO delivery_attempt (event_id, number, attempted_at, url, status, error, duration_millis, answer)
                 SELECT CAST(?1 AS INTEGER),
                        (SELECT coalesce(max(number), 0) + 1 FROM delivery_attempt WHERE event_id = ?1),
                        CAST(?2 AS INTEGER), ?3, CAST(?4 AS INTEGER), ?5, CAST(?6 AS INTEGER), ?7
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
        Ok(inserted > 0)
    }

    /// Returns true if an attempt of an event is recorded already.
    pub fn has_attempt(&self, event: EventId, attempt: &Attempt) -> Result<bool, Error> {
        self.connection
            .prepare(
                "SELECT 1 FROM delivery_attempt
                 WHERE event_id = ?1 AND attempted_at = ?2 AND url = ?3 AND duration_millis = ?4 LIMIT 1",
            )?
            .exists(params![
                event.number(),
                attempt.attempted_at.millis(),
                attempt.url,
                attempt.duration_millis
            ])
    }

    /// Returns true if an attempt at this time or later has delivered an event.
    pub fn is_delivered_since(&self, event: EventId, since: Timestamp) -> Result<bool, Error> {
        self.connection
            .prepare(
                "SELECT 1 FROM delivery_attempt
                 WHERE event_id = ?1 AND attempted_at >= ?2 AND status BETWEEN 200 AND 299 LIMIT 1",
            )?
            .exists(params![event.number(), since.millis()])
    }

    /// Counts a failed attempt and schedules the next one. Does nothing if the delivery was
    /// removed meanwhile.
    pub fn postpone_delivery(&mut self, delivery: &Delivery, due: Timestamp) -> Result<(), Error> {
        self.connection
            .prepare("UPDATE delivery SET attempts = attempts + 1, due_at = ?2 WHERE id = ?1")?
            .execute(params![delivery.id.0, due.millis()])?;
        Ok(())
    }

    /// Makes a delivery due without counting an attempt. Does nothing if it was removed meanwhile.
    pub fn put_back_delivery(&mut self, delivery: &Delivery, due: Timestamp) -> Result<(), Error> {
        self.connection
            .prepare("UPDATE delivery SET due_at = ?2 WHERE id = ?1")?
            .execute(params![delivery.id.0, due.millis()])?;
        Ok(())
    }

    /// Counts an attempt that was refused and schedules the next one. The delivery loses its
    /// ordering key, so that the next one with that key becomes due at `next_due`.
    pub fn postpone_refused_delivery(
        &mut self,
        delivery: &Delivery,
        due: Timestamp,
        next_due: Timestamp,
    ) -> Result<(), Error> {
        self.connection
            .prepare("UPDATE delivery SET attempts = attempts + 1, due_at = ?2, lane = NULL WHERE id = ?1")?
            .execute(params![delivery.id.0, due.millis()])?;
        self.release_next(delivery, next_due)
    }

    /// Removes a delivery that succeeded or was given up, and makes the next one with its
    /// ordering key due at `next_due`.
    pub fn finish_delivery(&mut self, delivery: &Delivery, next_due: Timestamp) -> Result<(), Error> {
        self.connection
            .prepare("DELETE FROM delivery WHERE id = ?1")?
            .execute(params![delivery.id.0])?;
        self.release_next(delivery, next_due)
    }

    /// Removes the retries and resends of an event that hold no place in an order, after the event was
    /// delivered.
    pub fn delete_retries(&mut self, event: EventId) -> Result<(), Error> {
        self.connection
            .prepare("DELETE FROM delivery WHERE event_id = ?1 AND lane IS NULL")?
            .execute(params![event.number()])?;
        Ok(())
    }

    /// Makes the delivery that waits behind this one due at `next_due`.
    fn release_next(&mut self, delivery: &Delivery, next_due: Timestamp) -> Result<(), Error> {
        if let Some(ordering_key) = delivery.ordering_key {
            self.connection
                .prepare(
                    "UPDATE delivery SET due_at = ?2
                     WHERE id = (SELECT min(id) FROM delivery WHERE lane = ?1) AND due_at IS NULL",
                )?
                .execute(params![ordering_key, next_due.millis()])?;
        }
        Ok(())
    }

    /// Removes events older than `before` with their attempts, oldest first and at most
    /// `limit`, and returns their number. Keeps events with pending deliveries, and an event
    /// whose data the next one shares if that is not removed with it.
    pub fn delete_events_before(&mut self, before: Timestamp, limit: usize) -> Result<usize, Error> {
        // A trigger lowers the count of each removed event, so the counts of the group must be in the
        // table first.
        self.save_merchants()?;
        let mut statement = self.connection.prepare(
            "SELECT event.id, sharer.id IS NOT NULL FROM event
             LEFT JOIN event AS sharer ON sharer.data IS NULL
                 AND sharer.id = (SELECT min(id) FROM event AS later WHERE later.id > event.id)
             WHERE event.id < ?1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_id = event.id)
                 AND (sharer.id IS NULL
                      OR sharer.id < ?1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_id = sharer.id))
             ORDER BY event.id LIMIT ?2",
        )?;
        let rows = statement.query(params![ids::first_number_of(before), limit])?;
        let mut events = read_all(rows, |row| Ok((row.get::<i64>(0)?, row.get::<bool>(1)?)))?;
        // The batch is full, so the event that shares the data of the last one stays, and needs it.
        if events.len() == limit {
            events.pop_if(|(_, is_shared)| *is_shared);
        }
        let mut delete_attempts = self
            .connection
            .prepare("DELETE FROM delivery_attempt WHERE event_id = ?1")?;
        let mut delete_event = self.connection.prepare("DELETE FROM event WHERE id = ?1")?;
        for (event, _) in &events {
            delete_attempts.execute(params![event])?;
            delete_event.execute(params![event])?;
        }
        Ok(events.len())
    }

    /// Removes at most `limit` pending deliveries of a merchant, and returns their number. Deliveries
    /// that wait behind others go first, because without the others they would never become due.
    pub fn delete_deliveries(&mut self, merchant: MerchantId, limit: usize) -> Result<usize, Error> {
        self.connection
            .prepare(
                "DELETE FROM delivery WHERE id IN
                     (SELECT id FROM delivery WHERE merchant_id = ?1 ORDER BY due_at NULLS FIRST LIMIT ?2)",
            )?
            .execute(params![merchant.0, limit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::sqlite::plans;

    #[test]
    fn merchants_with_deliveries_are_found_in_an_index() {
        let plan = plans::of(MERCHANTS);
        let step = "SEARCH delivery USING COVERING INDEX delivery_due (merchant_id>?)";
        assert_eq!(plan.iter().filter(|found| *found == step).count(), 2, "{plan:#?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN delivery")), "{plan:#?}");
    }
}
