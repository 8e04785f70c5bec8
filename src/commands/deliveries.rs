//! What came of deliveries: recorded, tried again, given up, forgotten.

use crate::domain::events::delivery::{Attempt, Delivery, NextAttempt, RetrySchedule};
use crate::domain::events::webhook_endpoint::SandboxWebhookEndpoint;
use crate::domain::ids::MerchantId;
use crate::domain::time::Timestamp;
use crate::store::{Error, Tx};

/// One attempt that was made, and the delivery it was for.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// What was to be delivered.
    pub delivery: Delivery,
    /// What came of it.
    pub attempt: Attempt,
    /// What the next attempt's wait is counted from: when this one was made, or when it
    /// had been due, for a merchant whose clock was moved past it.
    pub since: Timestamp,
}

/// Records an attempt and what follows from it.
pub fn record(tx: &mut Tx<'_>, schedule: &RetrySchedule, attempted: &Attempted) -> Result<(), Error> {
    let Attempted {
        delivery,
        attempt,
        since,
    } = attempted;
    tx.insert_attempt(delivery.event, attempt)?;
    match schedule.after(delivery.attempts, &attempt.outcome, *since) {
        NextAttempt::At(due) => tx.postpone_delivery(delivery, due),
        NextAttempt::None => tx.finish_delivery(delivery, *since),
    }
}

/// Deliveries that one command gives up, so that none keeps the others waiting for long.
const DROPS_PER_COMMAND_MAX: usize = 1_000;

/// Gives up some of what is to be delivered to a merchant that wants nothing any more:
/// all of it, unless that is very much. Asks once more whether it is so, since the
/// merchant may have changed its mind.
pub fn discard_pending(
    tx: &mut Tx<'_>,
    merchant: MerchantId,
    is_wanted: impl FnOnce(&SandboxWebhookEndpoint) -> bool,
) -> Result<(), Error> {
    let setting = tx.webhook_endpoint(merchant)?;
    if is_wanted(&setting) {
        return Ok(());
    }
    discard_some(tx, merchant)
}

/// Gives up as much of what is to be delivered to a merchant as one command does.
pub(super) fn discard_some(tx: &mut Tx<'_>, merchant: MerchantId) -> Result<(), Error> {
    tx.delete_deliveries(merchant, DROPS_PER_COMMAND_MAX)
}

/// Events that one command forgets, so that none keeps the others waiting for long.
const EVENTS_PER_COMMAND_MAX: usize = 500;

/// Forgets some of the events from before this time, and answers whether there may be
/// more.
pub fn delete_events(tx: &mut Tx<'_>, before: Timestamp) -> Result<bool, Error> {
    let deleted = tx.delete_events_before(before, EVENTS_PER_COMMAND_MAX)?;
    Ok(deleted == EVENTS_PER_COMMAND_MAX)
}
