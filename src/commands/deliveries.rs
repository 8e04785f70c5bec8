//! Recording attempts, scheduling retries, and deleting pending deliveries.

use crate::domain::events::delivery::{Attempt, Delivery, NextAttempt, RetrySchedule};
use crate::domain::events::webhook_endpoint::WebhookUrl;
use crate::domain::ids::MerchantId;
use crate::domain::time::Timestamp;
use crate::store::{Error, Tx};

/// An attempt, and the delivery that it was for.
#[derive(Clone, Debug)]
pub struct Attempted {
    pub delivery: Delivery,
    pub attempt: Attempt,
    /// The time from which the pause before the next attempt is counted. This is the time
    /// of the attempt or, in a flush, the time at which the delivery was due.
    pub since: Timestamp,
    /// The pause before the next attempt that the endpoint asked for, within the operator's
    /// bound.
    pub retry_after_seconds: Option<u32>,
    /// The version of the endpoint that was attempted.
    pub endpoint_version: u32,
    /// True after a commit that may have recorded it.
    pub may_be_recorded: bool,
}

/// Records an attempt. Then schedules the next one, or finishes the delivery. Later
/// deliveries with its ordering key go on at once unless the attempt failed in a way that
/// keeps the order. If the event is delivered, its other retries end. If the merchant has set the
/// endpoint anew since the attempt began, a failure is not counted and the next attempt is due at once:
/// the new endpoint has had none. Does nothing if retention has removed the event, perhaps with its merchant, or
/// if a commit whose outcome was unknown has recorded the attempt.
///
/// Returns true if the attempt has ended deliveries to the endpoint: it answered 410 Gone,
/// and the merchant has not set it anew since the attempt began. Then deletes pending
/// deliveries of the merchant, at most as many as one command deletes. The deliverer deletes
/// the rest.
pub fn record(tx: &mut Tx<'_>, schedule: &RetrySchedule, attempted: &Attempted) -> Result<bool, Error> {
    let Attempted {
        delivery,
        attempt,
        since,
        retry_after_seconds,
        endpoint_version,
        may_be_recorded,
    } = attempted;
    if *may_be_recorded && tx.has_attempt(delivery.event, attempt)? {
        return Ok(false);
    }
    if !tx.insert_attempt(delivery.event, attempt)? {
        return Ok(false);
    }
    let mut is_to_former = false;
    if !attempt.outcome.is_delivered() {
        let endpoint = tx.webhook_endpoint(delivery.merchant)?;
        is_to_former = endpoint.version != *endpoint_version;
        if attempt.outcome.is_gone() && !is_to_former && !endpoint.is_gone() {
            // The events of pending deliveries are older than this attempt, and a replay must find
            // them too.
            let oldest = tx.oldest_pending_event_at(delivery.merchant)?;
            let missed_since = oldest.map_or(attempt.attempted_at, |at| at.min(attempt.attempted_at));
            tx.save_webhook_gone(delivery.merchant, missed_since)?;
            tx.finish_delivery(delivery, *since)?;
            discard_some(tx, delivery.merchant)?;
            return Ok(true);
        }
    }
    let next = if is_to_former {
        NextAttempt::At(*since)
    } else {
        schedule.after(delivery.attempts, &attempt.outcome, *retry_after_seconds, *since)
    };
    let next = match next {
        // Another attempt of the event, which began no earlier, was taken meanwhile.
        NextAttempt::At(_) if tx.is_delivered_since(delivery.event, attempt.attempted_at)? => NextAttempt::None,
        next => next,
    };
    match next {
        NextAttempt::At(due) if is_to_former => tx.put_back_delivery(delivery, due)?,
        NextAttempt::At(due) if attempt.outcome.is_refused() => {
            tx.postpone_refused_delivery(delivery, due, *since)?;
        }
        NextAttempt::At(due) => tx.postpone_delivery(delivery, due)?,
        NextAttempt::None => {
            tx.finish_delivery(delivery, *since)?;
            if attempt.outcome.is_delivered() {
                tx.delete_retries(delivery.event)?;
            }
        }
    }
    Ok(false)
}

/// The most deliveries that one command deletes or makes due, so that other commands do not wait long.
const DELIVERIES_PER_COMMAND_MAX: usize = 1_000;

/// Deletes pending deliveries of a merchant without a webhook endpoint, at most as many as
/// one command deletes. Deletes none if the merchant has set one meanwhile.
pub fn discard_pending(tx: &mut Tx<'_>, merchant: MerchantId, configured: Option<&WebhookUrl>) -> Result<(), Error> {
    let endpoint = tx.webhook_endpoint(merchant)?;
    if endpoint.active(configured).is_ok() {
        return Ok(());
    }
    discard_some(tx, merchant).map(drop)
}

/// Deletes pending deliveries of a merchant, at most as many as one command deletes. Returns true
/// if there may be more.
pub(super) fn discard_some(tx: &mut Tx<'_>, merchant: MerchantId) -> Result<bool, Error> {
    let deleted = tx.delete_deliveries(merchant, DELIVERIES_PER_COMMAND_MAX)?;
    Ok(deleted == DELIVERIES_PER_COMMAND_MAX)
}

/// Makes deliveries of a merchant that are due later due now, at most as many as one command
/// changes. Returns true if there may be more.
pub fn hasten_some(tx: &mut Tx<'_>, merchant: MerchantId) -> Result<bool, Error> {
    let hastened = tx.hasten_deliveries(merchant, DELIVERIES_PER_COMMAND_MAX)?;
    Ok(hastened == DELIVERIES_PER_COMMAND_MAX)
}
