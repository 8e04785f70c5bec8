//! Simulated banks and bank accounts (contract sections 4.3.5 and 4.3.6). No request
//! leaves the server: the account number decides the outcome.

use crate::domain::decline;
use crate::domain::money::Amount;
use crate::domain::payments::intent::IntentOutcome;
use crate::domain::refusal::{Invalid, Refusal};
use crate::domain::transaction::BankAccount;

/// The bank of the test accounts.
pub const TEST_BANK_CODE: &str = "999999";
pub const TEST_BANK_NAME: &str = "Sandbox Bank";

/// The code and the name of every bank.
pub const BANKS: [(&str, &str); 16] = [
    (TEST_BANK_CODE, TEST_BANK_NAME),
    ("044", "Access Bank"),
    ("050", "Ecobank"),
    ("070", "Fidelity Bank"),
    ("011", "First Bank of Nigeria"),
    ("214", "First City Monument Bank"),
    ("058", "Guaranty Trust Bank"),
    ("030", "Heritage Bank"),
    ("082", "Keystone Bank"),
    ("076", "Polaris Bank"),
    ("221", "Stanbic IBTC Bank"),
    ("232", "Sterling Bank"),
    ("033", "United Bank for Africa"),
    ("032", "Union Bank of Nigeria"),
    ("035", "Wema Bank"),
    ("057", "Zenith Bank"),
];

/// The account number that cannot be resolved to a name.
const UNKNOWN_ACCOUNT: &str = "0000000000";
/// The account number to which every withdrawal fails.
const FAILING_ACCOUNT: &str = "0000000001";
/// The account number to which every withdrawal succeeds and is then reversed.
const REVERSING_ACCOUNT: &str = "0000000002";

/// The name of the owner of every other account.
pub const ACCOUNT_NAME: &str = "Sandbox Account";

/// A request for the name of an account's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountQuery {
    /// Ten digits.
    pub account_number: String,
    pub bank_code: String,
    /// The bank's name, if the request has it.
    pub bank_name: Option<String>,
}

/// Returns `true` if the text has ten digits and nothing else.
pub fn is_account_number(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Checks that a bank has this code.
///
/// # Errors
///
/// Names `field` if no bank has the code.
pub fn check_bank_code(field: &str, code: &str) -> Result<(), Invalid> {
    if BANKS.iter().any(|(known, _)| *known == code) {
        return Ok(());
    }
    let expected = "a code that GET /v1/payment/bank-list gives";
    Err(Invalid::wrong(field, expected, &format!("{code:?}")))
}

impl AccountQuery {
    /// Returns the name of the account's owner.
    ///
    /// # Errors
    ///
    /// Refuses the one account number that cannot be resolved.
    pub fn holder_name(&self) -> Result<&'static str, Refusal> {
        if self.account_number == UNKNOWN_ACCOUNT {
            return Err(Refusal::AccountNotResolved);
        }
        Ok(ACCOUNT_NAME)
    }
}

impl BankAccount {
    /// Returns the outcome of a withdrawal of this amount to the account. The account
    /// number decides or, if it has no special meaning, the amount.
    pub fn outcome(&self, amount: Amount) -> IntentOutcome {
        match self.account_number.as_str() {
            UNKNOWN_ACCOUNT | FAILING_ACCOUNT => IntentOutcome::Failed,
            REVERSING_ACCOUNT => IntentOutcome::Reversed,
            _ => decline::check_amount(amount).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_number_is_ten_digits() {
        assert!(is_account_number("0123456789"));
        for text in [
            "",
            "012345678",
            "01234567890",
            "012345678a",
            " 123456789",
            "０123456789",
        ] {
            assert!(!is_account_number(text), "{text}");
        }
    }

    #[test]
    fn no_two_banks_share_a_code() {
        for (index, (code, _)) in BANKS.iter().enumerate() {
            assert!(!BANKS[..index].iter().any(|(other, _)| other == code), "{code}");
            assert_eq!(check_bank_code("bankCode", code), Ok(()));
        }
        assert!(check_bank_code("bankCode", "000").is_err());
    }
}
