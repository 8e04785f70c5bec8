//! The reasons why a payment is declined in a sandbox, and the amounts that are. A
//! sandbox has no bank and no card processor, so the request determines the outcome.

use strum::{IntoStaticStr, VariantNames};
use thiserror::Error;

use crate::domain::money::Amount;

/// The reason why a payment was declined. Its word is the refusal's code for cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case", prefix = "card_")]
pub enum Decline {
    #[error("insufficient funds")]
    InsufficientFunds,
    #[error("the card has expired")]
    Expired,
    /// The card processor or the bank failed.
    #[error("the card processor failed")]
    ProcessorError,
}

const MINOR_PER_MAJOR: i64 = 100;
/// Amounts with these last two digits lack funds; 51 is the response code of card
/// networks for it.
const ENDS_WITHOUT_FUNDS: i64 = 51;
/// Amounts with these last two digits make the processor or bank fail.
const ENDS_IN_ERROR: i64 = 91;

/// Declines an amount that ends in `.51` (insufficient funds) or `.91` (processor
/// error).
pub const fn check_amount(amount: Amount) -> Result<(), Decline> {
    match amount.minor() % MINOR_PER_MAJOR {
        ENDS_WITHOUT_FUNDS => Err(Decline::InsufficientFunds),
        ENDS_IN_ERROR => Err(Decline::ProcessorError),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_endings_are_declined() {
        for (minor, outcome) in [
            (100_051, Err(Decline::InsufficientFunds)),
            (51, Err(Decline::InsufficientFunds)),
            (100_091, Err(Decline::ProcessorError)),
            (5_100, Ok(())),
            (100_050, Ok(())),
            (100_000, Ok(())),
            (123_456, Ok(())),
        ] {
            assert_eq!(check_amount(Amount::from_minor(minor).unwrap()), outcome, "{minor}");
        }
    }
}
