//! Telling subscribers once more what they were told.

use crate::commands::{Error, Policy, webhook_endpoints};
use crate::domain::events::event::{REPLAY_MAX, RecordedEvent, ReplayStart};
use crate::domain::ids::{EventId, MerchantId};
use crate::domain::refusal::{Parsed, Refusal};
use crate::store::Tx;

/// Sends one event again, with the same bytes under the same id, and answers it as it
/// stands then.
///
/// Refuses, in this order: an event that the merchant does not have, a merchant with
/// nowhere to send it to.
pub fn resend(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId, id: EventId) -> Result<RecordedEvent, Error> {
    let event = tx.event(merchant, id)?.ok_or(Refusal::EventNotFound)?;
    webhook_endpoints::check_set(tx, policy, merchant)?;
    tx.insert_resend(merchant, id, event.escrow, tx.now())?;
    Ok(tx.event(merchant, id)?.unwrap_or(event))
}

/// Sends every event from there on again, oldest first, and answers how many.
///
/// Refuses, in this order: what is no start, a start at an event that the merchant does
/// not have, a merchant with nowhere to send them to, more than [`REPLAY_MAX`] of them.
pub fn replay(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    start: Parsed<ReplayStart>,
) -> Result<usize, Error> {
    let start = start?;
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
    for &(id, escrow) in &events {
        tx.insert_resend(merchant, id, escrow, now)?;
    }
    Ok(events.len())
}
