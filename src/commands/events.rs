//! Delivering recorded events again.

use crate::commands::{Error, Policy, webhook_endpoints};
use crate::domain::events::delivery::Dispatch;
use crate::domain::events::event::{REPLAY_MAX, RecordedEvent, Replay, ReplayStart, ordering_key};
use crate::domain::ids::{EventId, MerchantId};
use crate::domain::invalid::Parsed;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// Queues another delivery of one event, with the same id and the same payload bytes, and
/// returns the event. Its type need not be chosen, because the request names the event.
///
/// # Errors
///
/// Refuses, in this order: an event that the merchant does not have, a merchant without a
/// webhook endpoint or with one that is gone.
pub fn resend(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, id: EventId) -> Result<RecordedEvent, Error> {
    let event = tx.event(merchant, id)?.ok_or(Refusal::EventNotFound)?;
    webhook_endpoints::check_set(tx, policy, merchant)?;
    tx.insert_resend(merchant, id, ordering_key(&event.name, event.escrow), tx.now())?;
    Ok(tx.event(merchant, id)?.unwrap_or(event))
}

/// Queues another delivery of every event of the replay whose type the endpoint has chosen,
/// oldest first, and returns the number of events.
///
/// # Errors
///
/// Refuses, in this order: an invalid replay, a start at an event that the merchant does not
/// have, a merchant without a webhook endpoint or with one that is gone, more than
/// [`REPLAY_MAX`] events.
pub fn replay(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, replay: Parsed<Replay>) -> Result<usize, Error> {
    let Replay { start, status } = replay?;
    if let ReplayStart::Event(id) = start
        && tx.event(merchant, id)?.is_none()
    {
        return Err(Refusal::EventNotFound.into());
    }
    webhook_endpoints::check_set(tx, policy, merchant)?;
    let events = tx.events_from(merchant, start, REPLAY_MAX + 1)?;
    if events.len() > REPLAY_MAX as usize {
        return Err(Refusal::TooManyEvents { max: REPLAY_MAX }.into());
    }
    let now = tx.now();
    let mut queued = 0;
    for event in &events {
        if let Some(wanted) = status
            && tx.delivery_of(event.id)?.status() != wanted
        {
            continue;
        }
        if webhook_endpoints::dispatch(tx, policy, merchant, &event.name)? == Dispatch::Queued {
            tx.insert_resend(merchant, event.id, ordering_key(&event.name, event.escrow), now)?;
            queued += 1;
        }
    }
    Ok(queued)
}
