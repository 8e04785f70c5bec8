//! What subscribers were told, and which of it is asked for.

use crate::domain::events::delivery::DeliveryProgress;
use crate::domain::ids::{CustomerId, EscrowId, EventId};
use crate::domain::time::Timestamp;

/// Most events that are sent again at once.
pub const REPLAY_MAX: u32 = 10_000;

/// Something that subscribers were told, as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its id.
    pub id: EventId,
    /// Its name on the wire.
    pub name: String,
    /// The escrow it is about, or the only one that its transaction is about.
    pub escrow: Option<EscrowId>,
    /// Whose transaction it is about.
    pub customer: Option<CustomerId>,
    /// When it happened, by the merchant's clock.
    pub created_at: Timestamp,
    /// JSON: the bytes that subscribers get.
    pub payload: String,
    /// How far it has come on its way to them.
    pub delivery: DeliveryProgress,
}

/// Which events are wanted; what is left out wants them all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this type.
    pub event_type: Option<EventType>,
    /// About this escrow, its payments among them.
    pub escrow: Option<EscrowId>,
    /// About a payment of this customer's, an escrow that they sell or have paid for, or
    /// a vault that they have a stake in.
    pub customer: Option<CustomerId>,
}

/// In which order events are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOrder {
    /// All of them, newest first.
    NewestFirst,
    /// Those that came after this one, oldest first.
    After(EventId),
}

/// From where on events are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayStart {
    /// From this event on.
    Event(EventId),
    /// From this moment on, by the merchant's clock.
    Moment(Timestamp),
}

/// The name of an event or, up to a dot, of a family of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType(String);

impl EventType {
    /// What it may look like, for people.
    pub const SHAPE: &'static str =
        "the name of an event, such as \"escrow.completed\", or of a family, such as \"payment\"";

    /// The type this text is, or `None` when no event is ever called so.
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
        let is_type = text.len() <= 64 && text.split('.').all(is_word);
        is_type.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_words_between_dots() {
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
