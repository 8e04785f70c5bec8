//! Delivering recorded events again.

use std::collections::HashSet;

use crate::commands::{Error, Policy, webhook_endpoints};
use crate::domain::events::delivery::{DeliveryStatus, Dispatch};
use crate::domain::events::event::{REPLAY_MAX, RecordedEvent, Replay, ReplayStart, ordering_key};
use crate::domain::ids::{EventId, MerchantId};
use crate::domain::invalid::Parsed;
use crate::domain::refusal::Refusal;
use crate::store::{Hastened, Tx};

/// Sends one event again, with the same id and the same payload bytes, and returns the event. The
/// endpoint need not have chosen its type, because the request names the event. A pending delivery
/// of the event, or the one that it waits behind, becomes due at once. Another delivery is added only
/// if none is pending, or if the only one has no ordering key and is due already, so that its attempt
/// may be under way.
///
/// # Errors
///
/// Refuses, in this order: an event that the merchant does not have, a merchant without a
/// webhook endpoint or with one that is gone.
pub fn resend(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, id: EventId) -> Result<RecordedEvent, Error> {
    let event = tx.event(merchant, id)?.ok_or(Refusal::EventNotFound)?;
    webhook_endpoints::check_set(tx, policy, merchant)?;
    if tx.hasten_event(merchant, id)? != Hastened::Due {
        tx.insert_resend(merchant, id, ordering_key(&event.name, event.escrow))?;
    }
    Ok(tx.event(merchant, id)?.unwrap_or(event))
}

/// The most pending events that a replay of those alone sends at once on a PostgreSQL server, where each
/// takes two round trips. None of them is sent again, so the order of their escrows stays.
const PENDING_ON_SERVER_MAX: usize = 200;

/// The outcome of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The number of events that are sent again.
    pub events: usize,
    /// The first event that the replay has not looked at. `None` if it has looked at all.
    pub next: Option<EventId>,
}

/// Sends every event of the replay again whose type the endpoint has chosen, oldest first.
/// Looks at [`REPLAY_MAX`] events at most, so that other commands do not wait long. As in [`resend`], a
/// pending delivery is sent at once instead of another one, unless the replay sends an earlier event of
/// the same escrow again: the order would be lost.
///
/// # Errors
///
/// Refuses, in this order: an invalid replay, a start at an event that the merchant does not
/// have, a merchant without a webhook endpoint or with one that is gone.
pub fn replay(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    replay: Parsed<Replay>,
) -> Result<Replayed, Error> {
    let Replay { start, status } = replay?;
    if let ReplayStart::Event(id) = start
        && tx.event(merchant, id)?.is_none()
    {
        return Err(Refusal::EventNotFound.into());
    }
    webhook_endpoints::check_set(tx, policy, merchant)?;
    let mut events = tx.events_from(merchant, start, REPLAY_MAX + 1)?;
    let mut next = events.get(REPLAY_MAX).map(|event| event.id);
    events.truncate(REPLAY_MAX);
    if let Some(wanted) = status {
        let mut statuses = tx.statuses_of(merchant, &events)?.into_iter();
        events.retain(|_| statuses.next() == Some(wanted));
        if wanted == DeliveryStatus::Pending
            && tx.is_on_server()
            && let Some(rest) = events.get(PENDING_ON_SERVER_MAX)
        {
            next = Some(rest.id);
            events.truncate(PENDING_ON_SERVER_MAX);
        }
    }
    let mut queued = 0;
    let mut repeated_orders = HashSet::new();
    for event in &events {
        if webhook_endpoints::dispatch(tx, policy, merchant, &event.name)? == Dispatch::Queued {
            let order = ordering_key(&event.name, event.escrow);
            let follows_repeat = order.is_some_and(|order| repeated_orders.contains(&order));
            let is_sent_anyway = event.is_pending && tx.hasten_event(merchant, event.id)? != Hastened::NotPending;
            if !is_sent_anyway || follows_repeat {
                tx.insert_resend(merchant, event.id, order)?;
                repeated_orders.extend(order);
            }
            queued += 1;
        }
    }
    Ok(Replayed { events: queued, next })
}
