//! Test cards (contract section 4.10). There is no card processor: the few
//! documented numbers say what a charge does, and no other number is taken, so
//! that no real card is ever stored.

use crate::domain::decline::{self, Decline};
use crate::domain::ids::CardId;
use crate::domain::money::Amount;
use crate::domain::refusal::Invalid;
use crate::domain::time::Timestamp;

/// A test card: its number, and what comes of charging it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestCard {
    /// The number as it is printed.
    pub number: &'static str,
    /// The brand.
    pub brand: &'static str,
    /// The last year it is valid in.
    pub exp_year: &'static str,
    /// Why every charge is declined; nothing when that is for the amount to say.
    pub decline: Option<Decline>,
}

/// Every test card.
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
    /// Its id.
    pub id: CardId,
    /// Which test card it is.
    pub kind: TestCard,
    /// When it was saved.
    pub created_at: Timestamp,
}

impl TestCard {
    /// The card with this number, which may be written in groups. A number that is
    /// no test card's is not repeated in the refusal: it may be a real one.
    pub fn of_number(text: &str) -> Result<Self, Invalid> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        Self::stored(&digits).ok_or_else(|| {
            let numbers = TEST_CARDS.map(|card| card.number).join(", ");
            Invalid::wrong("number", format!("one of the test cards {numbers}"), "another number")
        })
    }

    /// The card with exactly this number.
    pub fn stored(number: &str) -> Option<Self> {
        TEST_CARDS.into_iter().find(|card| card.number == number)
    }

    /// Its last four digits.
    pub fn last4(&self) -> &'static str {
        self.number.get(12..).unwrap_or_default()
    }

    /// Charges it with this amount: the card itself may decline, then the amount.
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
    fn only_test_cards_are_taken_and_no_other_number_is_repeated() {
        let spaced = TestCard::of_number("4242 4242-4242 4242").unwrap();
        assert_eq!(spaced, TEST_CARDS[0]);
        for number in ["4111111111111111", "", "4242", "42424242424242424"] {
            let refusal = format!("{:?}", TestCard::of_number(number).unwrap_err());
            assert!(refusal.contains("another number"), "{refusal}");
            assert!(!refusal.contains("4111111111111111"), "{refusal}");
        }
    }
}
