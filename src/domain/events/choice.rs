//! The types of events that a webhook endpoint wants.
//!
//! Beside the events of the contract there are escrowd's own. An endpoint gets one of these
//! only if it has chosen it by its name or its family: `*` and no choice at all stand for the
//! events of the contract.

use std::str::FromStr;

use strum::VariantArray;

use crate::domain::effects::{EscrowEvent, MILESTONE_RELEASED};
use crate::domain::transaction::{PaymentStatus, TransactionType};

/// A choice of events: names such as `escrow.completed`, and patterns for families of them,
/// such as `payment.*`, separated by spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventChoice(String);

/// A name or a pattern that stands for no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of an event, or a pattern such as \"escrow.*\"; the events are {}", known_names().join(", "))]
pub struct UnknownEvent;

impl EventChoice {
    /// Returns the choice of these names and patterns, or `None` if there are none. The list
    /// may name an event twice.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, UnknownEvent> {
        let mut chosen: Vec<&str> = Vec::new();
        for entry in entries {
            if !is_known(entry) {
                return Err(UnknownEvent);
            }
            if !chosen.contains(&entry) {
                chosen.push(entry);
            }
        }
        Ok((!chosen.is_empty()).then(|| Self(chosen.join(" "))))
    }

    /// Returns the stored choice, or `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_choice = text.split(' ').all(is_known);
        is_choice.then(|| Self(text.to_owned()))
    }

    /// Returns the text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the names and patterns.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ')
    }

    /// Returns true if the event with this name is chosen.
    pub fn includes(&self, name: &str) -> bool {
        self.entries().any(|entry| match entry.strip_suffix('*') {
            Some("") => !is_own(name),
            Some(family) => name.starts_with(family),
            None => name == entry,
        })
    }
}

/// The outcomes of a payment that have an event.
const OUTCOMES: [PaymentStatus; 3] = [PaymentStatus::Success, PaymentStatus::Failed, PaymentStatus::Reversed];

/// Returns the names of all events, in the order of the contract, and then escrowd's own.
pub fn known_names() -> Vec<String> {
    let of_escrows = EscrowEvent::VARIANTS.iter().map(|event| event.name().to_owned());
    let of_payments = TransactionType::VARIANTS.iter().flat_map(|transaction_type| {
        let name = transaction_type.into_str();
        OUTCOMES.map(|outcome| format!("payment.{name}.{}", outcome.into_str()))
    });
    of_escrows
        .chain(of_payments)
        .chain([MILESTONE_RELEASED.to_owned()])
        .collect()
}

/// Returns true if the event with this name is escrowd's own and not one of the contract.
pub fn is_own(name: &str) -> bool {
    name == MILESTONE_RELEASED
}

/// Returns true if the text is the name of an event or a pattern that some event has.
fn is_known(entry: &str) -> bool {
    if let Some(rest) = entry.strip_prefix("payment.") {
        let (transaction_type, outcome) = rest.split_once('.').unwrap_or((rest, ""));
        let is_type = TransactionType::from_str(transaction_type).is_ok();
        let is_outcome = outcome == "*" || OUTCOMES.iter().any(|known| known.into_str() == outcome);
        return rest == "*" || (is_type && is_outcome);
    }
    let is_named = |event: &EscrowEvent| event.name() == entry;
    matches!(entry, "*" | "escrow.*" | "milestone.*" | MILESTONE_RELEASED) || EscrowEvent::VARIANTS.iter().any(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(entries: &[&str]) -> EventChoice {
        EventChoice::of(entries.iter().copied()).unwrap().unwrap()
    }

    #[test]
    fn names_and_patterns_choose_events() {
        for (entries, name, is_chosen) in [
            (&["escrow.completed"][..], "escrow.completed", true),
            (&["escrow.completed"], "escrow.created", false),
            (&["escrow.*"], "escrow.created", true),
            (&["escrow.*"], "payment.escrow.success", false),
            (&["payment.escrow.*"], "payment.escrow.failed", true),
            (&["payment.escrow.*"], "payment.deposit.success", false),
            (&["payment.*"], "payment.wallet_transfer.reversed", true),
            (&["*"], "payment.deposit.success", true),
            (&["*"], "milestone.released", false),
            (&["escrow.*"], "milestone.released", false),
            (&["milestone.*"], "milestone.released", true),
            (&["*", "milestone.released"], "milestone.released", true),
            (&["milestone.released"], "escrow.created", false),
            (
                &["escrow.created", "payment.deposit.*"],
                "payment.deposit.success",
                true,
            ),
        ] {
            assert_eq!(choice(entries).includes(name), is_chosen, "{entries:?} {name}");
        }
    }

    #[test]
    fn a_choice_is_stored_as_a_text_without_repetitions() {
        let made = choice(&["escrow.*", "payment.deposit.success", "escrow.*"]);
        assert_eq!(made.as_str(), "escrow.* payment.deposit.success");
        assert_eq!(EventChoice::parse(made.as_str()), Some(made));
        for damaged in ["", " ", "escrow.* ", "escrow.*  escrow.created", "escrow"] {
            assert_eq!(EventChoice::parse(damaged), None, "{damaged:?}");
        }
        assert_eq!(EventChoice::of([]), Ok(None));
    }

    #[test]
    fn every_known_name_can_be_chosen_and_no_other() {
        assert_eq!(known_names().len(), 9 + 7 * 3 + 1);
        assert!(known_names().iter().all(|name| is_known(name)));
        for unknown in [
            "",
            "escrow",
            "escrow.",
            "escrow.complete",
            "Escrow.completed",
            "escrow.completed.*",
            "escrow*",
            "*.completed",
            "payment",
            "payment.escrow",
            "payment.escrow.pending",
            "payment.escrow.success.*",
            "payment.*.success",
            "payment.refund.success",
            " escrow.*",
            "**",
            "milestone",
            "milestone.release",
        ] {
            assert_eq!(EventChoice::of([unknown]), Err(UnknownEvent), "{unknown:?}");
        }
        let message = UnknownEvent.to_string();
        for name in [
            "escrow.split",
            "payment.escrow.success",
            "payment.wallet_transfer.reversed",
        ] {
            assert!(message.contains(name), "{message}");
        }
    }
}
