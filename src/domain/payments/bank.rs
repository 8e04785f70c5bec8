//! Banks and bank accounts as the sandbox plays them (contract sections 4.3.5 and
//! 4.3.6). No bank is ever asked: an account number says what will happen.

use crate::domain::decline;
use crate::domain::money::Amount;
use crate::domain::payments::intent::IntentOutcome;
use crate::domain::refusal::{Invalid, Refusal};
use crate::domain::transaction::BankAccount;

/// The bank of test accounts.
pub const TEST_BANK_CODE: &str = "999999";
/// Its name.
pub const TEST_BANK_NAME: &str = "Sandbox Bank";

/// Code and name of every bank that money can be sent to.
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

/// The account number that no bank knows.
const UNKNOWN_ACCOUNT: &str = "0000000000";
/// The account number to which a withdrawal fails.
const FAILING_ACCOUNT: &str = "0000000001";
/// The account number from which a withdrawal comes back.
const REVERSING_ACCOUNT: &str = "0000000002";

/// Who any other account belongs to.
pub const ACCOUNT_NAME: &str = "Sandbox Account";

/// A question to a bank: whose account is this?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountQuery {
    /// Ten digits.
    pub account_number: String,
    /// The bank's code.
    pub bank_code: String,
    /// The bank's name, when the caller gives it.
    pub bank_name: Option<String>,
}

/// Whether a text is an account number: ten digits.
pub fn is_account_number(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses a bank code that is not in the list, for the field of this name.
pub fn check_bank_code(field: &str, code: &str) -> Result<(), Invalid> {
    if BANKS.iter().any(|(known, _)| *known == code) {
        return Ok(());
    }
    let expected = "a code that GET /v1/payment/bank-list gives";
    Err(Invalid::wrong(field, expected, &format!("{code:?}")))
}

impl AccountQuery {
    /// The name of the account. Refused for the one number that no bank knows.
    pub fn answer(&self) -> Result<&'static str, Refusal> {
        if self.account_number == UNKNOWN_ACCOUNT {
            return Err(Refusal::AccountNotResolved);
        }
        Ok(ACCOUNT_NAME)
    }
}

impl BankAccount {
    /// What becomes of a withdrawal of this amount to it: the account says, or else
    /// the amount.
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
