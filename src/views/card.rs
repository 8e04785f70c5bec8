//! Saved cards (contract section 3.10).

use serde::Serialize;

use crate::domain::ids::{CardId, CustomerId};
use crate::domain::payments::bank::TEST_BANK_NAME;
use crate::domain::payments::card::Card;
use crate::domain::time::Timestamp;
use crate::views::WireText;

/// The contract's Card.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CardView {
    id: WireText<CardId>,
    card_info: CardInfoView,
    is_default: bool,
    created_at: WireText<Timestamp>,
}

/// The printed details of a card.
#[derive(Debug, Serialize)]
struct CardInfoView {
    last4: &'static str,
    exp_month: &'static str,
    exp_year: &'static str,
    card_type: &'static str,
    brand: &'static str,
    customer: String,
    bank: &'static str,
}

impl CardView {
    /// Shows a customer's cards, oldest first. The first one is the default.
    pub(crate) fn list(cards: &[Card], customer: &CustomerId) -> Vec<Self> {
        let cards = cards.iter().enumerate();
        cards
            .map(|(index, card)| Self::new(card, index == 0, customer))
            .collect()
    }

    /// Shows one card of a customer.
    pub(crate) fn new(card: &Card, is_default: bool, customer: &CustomerId) -> Self {
        Self {
            id: WireText(card.id),
            card_info: CardInfoView {
                last4: card.kind.last4(),
                exp_month: "12",
                exp_year: card.kind.exp_year,
                card_type: card.kind.brand,
                brand: card.kind.brand,
                customer: customer.to_string(),
                bank: TEST_BANK_NAME,
            },
            is_default,
            created_at: WireText(card.created_at),
        }
    }
}
