//! Test cards (contract section 4.10).
//!
//! No request leaves the server: the number of a documented test card decides the outcome
//! of a charge. Every other number is refused, so that no real card number is ever
//! stored.

use crate::domain::customers::country::Country;
use crate::domain::decline::{self, Decline};
use crate::domain::ids::CardId;
use crate::domain::invalid::Invalid;
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// A test card and the outcome of its charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestCard {
    /// The number as printed on the card.
    pub number: &'static str,
    pub brand: &'static str,
    /// The last year of its validity.
    pub exp_year: &'static str,
    /// The reason for which every charge is declined. `None` if the amount decides.
    pub decline: Option<Decline>,
}

pub const TEST_CARDS: [TestCard; 5] = [
    TestCard {
        number: "4242424242424242",
        brand: "visa",
        exp_year: "2099",
        decline: None,
    },
    TestCard {
        number: "5555555555554444",
        brand: "mastercard",
        exp_year: "2099",
        decline: None,
    },
    TestCard {
        number: "4000000000009995",
        brand: "visa",
        exp_year: "2099",
        decline: Some(Decline::InsufficientFunds),
    },
    TestCard {
        number: "4000000000000069",
        brand: "visa",
        exp_year: "2020",
        decline: Some(Decline::Expired),
    },
    TestCard {
        number: "4000000000000119",
        brand: "visa",
        exp_year: "2099",
        decline: Some(Decline::ProcessorError),
    },
];

/// A card that a customer has saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub id: CardId,
    /// The test card with the saved card's number.
    pub kind: TestCard,
    pub created_at: Timestamp,
}

/// A card, and its owner's choice of default: the oldest card is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedCard {
    pub card: Card,
    pub is_default: bool,
}

/// Returns the cards of one customer with the default marked. `cards` has the oldest
/// first.
pub fn saved_cards(cards: Vec<Card>) -> impl Iterator<Item = SavedCard> {
    cards.into_iter().enumerate().map(|(index, card)| SavedCard {
        card,
        is_default: index == 0,
    })
}

/// Checks that a customer of this country may pay with a card (contract section 4.10).
pub fn check_country(country: Country) -> Result<(), Refusal> {
    if country == Country::NIGERIA {
        Ok(())
    } else {
        Err(Refusal::CardsForNigeriansOnly)
    }
}

impl TestCard {
    /// Returns the test card with this number. Spaces and hyphens in the number are
    /// ignored.
    ///
    /// # Errors
    ///
    /// Refuses every other number. The message does not repeat the number, because it may be
    /// that of a real card.
    pub fn of_number(text: &str) -> Result<Self, Invalid> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        Self::stored(&digits).ok_or_else(|| {
            let numbers = TEST_CARDS.map(|card| card.number).join(", ");
            Invalid::wrong("number", format!("one of the test cards {numbers}"), "another number")
        })
    }

    /// Returns the test card with exactly this number.
    pub fn stored(number: &str) -> Option<Self> {
        TEST_CARDS.into_iter().find(|card| card.number == number)
    }

    /// Returns the last four digits.
    pub fn last4(&self) -> &'static str {
        self.number.get(12..).unwrap_or_default()
    }

    /// Charges the card with this amount.
    ///
    /// # Errors
    ///
    /// Returns the decline that the card prescribes or, if it prescribes none, the one
    /// that the amount does.
    pub const fn charge(&self, amount: Amount) -> Result<(), Decline> {
        match self.decline {
            None => decline::check_amount(amount),
            Some(decline) => Err(decline),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_cards_pass_the_check_that_forms_make() {
        for card in TEST_CARDS {
            let sum: u32 = card
                .number
                .chars()
                .rev()
                .filter_map(|digit| digit.to_digit(10))
                .enumerate()
                .map(|(place, digit)| match place % 2 {
                    0 => digit,
                    _ => digit * 2 / 10 + digit * 2 % 10,
                })
                .sum();
            assert_eq!((card.number.len(), sum % 10), (16, 0), "{}", card.number);
            assert_eq!(card.last4(), &card.number[12..]);
        }
    }

    #[test]
    fn a_charge_is_declined_by_the_card_or_else_by_the_amount() {
        let charged = |number: &str, minor: i64| {
            let amount = Amount::from_minor(minor).unwrap();
            TestCard::stored(number).unwrap().charge(amount)
        };
        assert_eq!(charged("4242424242424242", 100_000), Ok(()));
        assert_eq!(charged("4242424242424242", 100_091), Err(Decline::ProcessorError));
        assert_eq!(charged("4000000000000069", 100_000), Err(Decline::Expired));
        assert_eq!(charged("4000000000000069", 100_091), Err(Decline::Expired));
    }

    #[test]
    fn only_test_cards_are_accepted_and_no_other_number_is_echoed() {
        let spaced = TestCard::of_number("4242 4242-4242 4242").unwrap();
        assert_eq!(spaced, TEST_CARDS[0]);
        for number in ["4111111111111111", "", "4242", "42424242424242424"] {
            let refusal = format!("{:?}", TestCard::of_number(number).unwrap_err());
            assert!(refusal.contains("another number"), "{refusal}");
            assert!(!refusal.contains("4111111111111111"), "{refusal}");
        }
    }
}
