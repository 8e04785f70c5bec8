//! Why a payment is declined in a sandbox, and the amounts that are. There is no
//! bank and no card processor: what is asked for says what will happen.

use crate::domain::money::Amount;

/// Why a payment was declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decline {
    /// There is not enough on the account.
    InsufficientFunds,
    /// The card has expired.
    Expired,
    /// The card processor, or the bank, could not do it.
    ProcessorError,
}

/// Minor units in a major one.
const MINOR_UNITS: i64 = 100;
/// The last two digits of amounts for which the account lacks funds, as the code of
/// card networks has it.
const ENDS_WITHOUT_FUNDS: i64 = 51;
/// The last two digits of amounts at which the processor or bank fails.
const ENDS_IN_ERROR: i64 = 91;

/// Lets a card or a bank take this amount, unless its last two digits are those of a
/// decline: `.51` lacks funds, `.91` meets an error.
pub const fn check_amount(amount: Amount) -> Result<(), Decline> {
    match amount.minor() % MINOR_UNITS {
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
