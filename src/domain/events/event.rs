//! Recorded events, and the filters to list and replay them.

use crate::domain::events::delivery::{DeliveryProgress, DeliveryStatus, Dispatch, UnsentReason};
use crate::domain::ids::{CustomerId, EscrowId, EventId};
use crate::domain::time::Timestamp;

/// The most events of one replay.
pub const REPLAY_MAX: u32 = 10_000;

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
    /// The JSON text that is sent to the webhook endpoint.
    pub payload: String,
    /// The decision, when it was recorded, if it is sent.
    pub dispatch: Dispatch,
    /// The progress of its delivery.
    pub delivery: DeliveryProgress,
}

impl RecordedEvent {
    /// Returns the reason why the event was not sent and will not be, if that is so.
    pub fn unsent_reason(&self) -> Option<UnsentReason> {
        let is_unsent = self.delivery.status() == DeliveryStatus::None;
        is_unsent.then(|| UnsentReason::of(self.dispatch))
    }
}

/// Returns the escrow whose events an event of this name is delivered in order with. The
/// `escrow.*` events of an escrow tell its story; a payment's event is complete in itself
/// and waits for no other.
pub fn ordering_key(name: &str, escrow: Option<EscrowId>) -> Option<EscrowId> {
    escrow.filter(|_| name.starts_with("escrow."))
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

/// The name of an event, or of a family of events: the part of their names up to a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType(String);

impl EventType {
    /// The shape of an event type, for messages.
    pub const SHAPE: &'static str =
        "the name of an event, such as \"escrow.completed\", or of a family, such as \"payment\"";

    /// Returns `None` if the text cannot be the name of an event or a family.
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
        let is_type = text.len() <= 64 && text.split('.').all(is_word);
        is_type.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_type_is_words_between_dots() {
        for text in ["escrow", "escrow.completed", "payment.wallet_transfer.success"] {
            assert!(EventType::parse(text).is_some(), "{text}");
        }
        let long = "x".repeat(65);
        for text in [
            "",
            ".",
            "escrow.",
            ".created",
            "escrow..created",
            "Escrow",
            "escrow.*",
            "escrow created",
            "é",
            &long,
        ] {
            assert!(EventType::parse(text).is_none(), "{text}");
        }
    }
}
