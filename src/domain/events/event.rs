//! Recorded events, and the filters to list and replay them.

use crate::domain::events::choice;
use crate::domain::events::delivery::{DeliveryProgress, DeliveryStatus, Dispatch, UnsentReason};
use crate::domain::ids::{CustomerId, EscrowId, EventId};
use crate::domain::time::Timestamp;

/// The most events that one replay looks at.
pub const REPLAY_MAX: usize = 10_000;

/// An event as recorded in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    pub id: EventId,
    /// The name on the wire, such as `escrow.completed`.
    pub name: String,
    /// The escrow that the event is about. `None` for a payment of several escrows.
    pub escrow: Option<EscrowId>,
    /// The customer whose transaction the event is about.
    pub customer: Option<CustomerId>,
    /// The time on the merchant's clock.
    pub created_at: Timestamp,
    /// Its subject as it was then: a JSON text.
    pub data: String,
    /// The decision, when it was recorded, if it is sent.
    pub dispatch: Dispatch,
    /// The progress of its delivery.
    pub delivery: DeliveryProgress,
}

impl RecordedEvent {
    /// Returns the JSON text that is sent to the webhook endpoint.
    pub fn payload(&self) -> String {
        payload(&self.name, &self.data, self.created_at)
    }

    /// Returns the reason why the event was not sent and will not be, if that is so.
    pub fn unsent_reason(&self) -> Option<UnsentReason> {
        let is_unsent = self.delivery.status() == DeliveryStatus::None;
        is_unsent.then(|| UnsentReason::of(self.dispatch))
    }
}

/// Returns the payload of an event (contract section 3.11), which every attempt signs and
/// sends. `data` is its subject as a JSON text.
pub fn payload(name: &str, data: &str, created_at: Timestamp) -> String {
    // Names and dates have no character that JSON escapes.
    format!(r#"{{"event":"{name}","data":{data},"timestamp":"{created_at}"}}"#)
}

/// Returns the ordering key of an event with this name: its escrow, for `escrow.*` and
/// `milestone.*` events, which are delivered in order. A payment's event has none, since it is
/// complete in itself.
pub fn ordering_key(name: &str, escrow: Option<EscrowId>) -> Option<EscrowId> {
    escrow.filter(|_| name.starts_with("escrow.") || name.starts_with("milestone."))
}

/// A filter of events. `None` lets every event pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Events of this type.
    pub event_type: Option<EventType>,
    /// Events of this escrow and of its payments.
    pub escrow: Option<EscrowId>,
    /// Events of this customer's payments, of escrows that the customer sells or has paid
    /// for, and of vaults in which the customer has a stake.
    pub customer: Option<CustomerId>,
}

/// The order and the start of a list of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOrder {
    /// All events, newest first.
    NewestFirst,
    /// The events after this one, oldest first.
    After(EventId),
}

/// The first event of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayStart {
    /// This event.
    Event(EventId),
    /// The first event at or after this time on the merchant's clock.
    Moment(Timestamp),
}

/// The events to deliver again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    pub start: ReplayStart,
    /// Only events whose delivery has this status.
    pub status: Option<DeliveryStatus>,
}

/// The name of an event, or of a family of events: the part of their names up to a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType(String);

impl EventType {
    /// Returns the description of an event type, for messages.
    pub fn expected() -> String {
        let names = choice::known_names().join(", ");
        format!("the name of an event, or of a family, such as \"payment\"; the events are {names}")
    }

    /// Returns `None` if no event has this name or is of this family. A family may be written as the
    /// pattern that an endpoint chooses it by, such as `payment.*`.
    pub fn parse(text: &str) -> Option<Self> {
        let family = text.strip_suffix(".*");
        let beginning = family.unwrap_or(text);
        let is_of = |name: &String| {
            name.strip_prefix(beginning)
                .is_some_and(|rest| rest.starts_with('.') || (rest.is_empty() && family.is_none()))
        };
        let is_type = !beginning.is_empty() && choice::known_names().iter().any(is_of);
        is_type.then(|| Self(beginning.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_type_is_the_name_of_an_event_or_of_a_family() {
        for text in [
            "escrow",
            "escrow.completed",
            "payment",
            "payment.wallet_transfer",
            "payment.wallet_transfer.success",
        ] {
            assert!(EventType::parse(text).is_some(), "{text}");
            assert!(EventType::expected().contains(text), "{text}");
        }
        for (pattern, family) in [("escrow.*", "escrow"), ("payment.deposit.*", "payment.deposit")] {
            assert_eq!(EventType::parse(pattern), EventType::parse(family));
        }
        for text in [
            "",
            ".",
            "escrow.",
            ".created",
            "escrow..created",
            "Escrow",
            "*",
            ".*",
            "escrow*",
            "escrow.*.*",
            "escrow.created.*",
            "escrow created",
            "é",
            "bogus",
            "escro",
            "escrow.complete",
            "escrow.completed.success",
            "payment.refund",
        ] {
            assert!(EventType::parse(text).is_none(), "{text}");
        }
    }
}
