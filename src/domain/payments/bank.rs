//! Simulated banks and bank accounts (contract sections 4.3.5 and 4.3.6). No request
//! leaves the server: the account number decides the outcome.

use std::ops::RangeInclusive;

use crate::domain::characters::quoted;
use crate::domain::decline;
use crate::domain::invalid::Invalid;
use crate::domain::money::Amount;
use crate::domain::payments::intent::IntentOutcome;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::BankAccount;

/// The bank of the test accounts.
pub const TEST_BANK_CODE: &str = "999999";
pub const TEST_BANK_NAME: &str = "Sandbox Bank";

/// A bank of the sandbox: one of Nigeria's, or the bank of the test accounts. Clients name a
/// bank by a code of either system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bank {
    pub name: &'static str,
    /// The six digits of the interbank payment system (NIP). Every bank has them.
    pub nip_code: &'static str,
    /// The three digits of the Central Bank, which only some kinds of bank have.
    pub cbn_code: Option<&'static str>,
}

impl Bank {
    const fn with_both(nip_code: &'static str, cbn_code: &'static str, name: &'static str) -> Self {
        Self {
            name,
            nip_code,
            cbn_code: Some(cbn_code),
        }
    }

    const fn with_nip(nip_code: &'static str, name: &'static str) -> Self {
        Self {
            name,
            nip_code,
            cbn_code: None,
        }
    }

    /// Returns true if the bank has this code in either system.
    fn has_code(&self, code: &str) -> bool {
        self.nip_code == code || self.cbn_code == Some(code)
    }
}

/// The banks, by kind.
pub const BANKS: &[Bank] = &[
    Bank::with_nip(TEST_BANK_CODE, TEST_BANK_NAME),
    // Commercial banks.
    Bank::with_both("000014", "044", "Access Bank"),
    Bank::with_both("000009", "023", "Citibank Nigeria"),
    Bank::with_both("000010", "050", "Ecobank Nigeria"),
    Bank::with_both("000007", "070", "Fidelity Bank"),
    Bank::with_both("000016", "011", "First Bank of Nigeria"),
    Bank::with_both("000003", "214", "First City Monument Bank"),
    Bank::with_both("000027", "103", "Globus Bank"),
    Bank::with_both("000013", "058", "Guaranty Trust Bank"),
    Bank::with_both("000020", "030", "Heritage Bank"),
    Bank::with_both("000006", "301", "Jaiz Bank"),
    Bank::with_both("000002", "082", "Keystone Bank"),
    Bank::with_both("000029", "303", "Lotus Bank"),
    Bank::with_both("000036", "107", "Optimus Bank"),
    Bank::with_both("000030", "104", "Parallex Bank"),
    Bank::with_both("000008", "076", "Polaris Bank"),
    Bank::with_both("000031", "105", "PremiumTrust Bank"),
    Bank::with_both("000023", "101", "Providus Bank"),
    Bank::with_both("000034", "106", "Signature Bank"),
    Bank::with_both("000012", "221", "Stanbic IBTC Bank"),
    Bank::with_both("000021", "068", "Standard Chartered Bank"),
    Bank::with_both("000001", "232", "Sterling Bank"),
    Bank::with_both("000022", "100", "SunTrust Bank"),
    Bank::with_both("000026", "302", "TAJ Bank"),
    Bank::with_both("000037", "304", "The Alternative Bank"),
    Bank::with_both("000025", "102", "Titan Trust Bank"),
    Bank::with_both("000018", "032", "Union Bank of Nigeria"),
    Bank::with_both("000004", "033", "United Bank for Africa"),
    Bank::with_both("000011", "215", "Unity Bank"),
    Bank::with_both("000017", "035", "Wema Bank"),
    Bank::with_both("000015", "057", "Zenith Bank"),
    // The central bank and merchant banks.
    Bank::with_both("000028", "001", "Central Bank of Nigeria"),
    Bank::with_both("060001", "559", "Coronation Merchant Bank"),
    Bank::with_both("060002", "560", "FBNQuest Merchant Bank"),
    Bank::with_both("400001", "501", "FSDH Merchant Bank"),
    Bank::with_both("060004", "562", "Greenwich Merchant Bank"),
    Bank::with_both("060003", "561", "Nova Merchant Bank"),
    Bank::with_both("000024", "502", "Rand Merchant Bank"),
    // Payment service banks.
    Bank::with_nip("120001", "9 Payment Service Bank"),
    Bank::with_nip("120002", "Hope Payment Service Bank"),
    Bank::with_nip("120003", "MoMo Payment Service Bank"),
    Bank::with_nip("120005", "Money Master Payment Service Bank"),
    Bank::with_nip("120004", "SmartCash Payment Service Bank"),
    // Mobile money.
    Bank::with_nip("100026", "Carbon"),
    Bank::with_nip("100001", "FETS"),
    Bank::with_nip("100014", "Firstmonie Wallet"),
    Bank::with_nip("100022", "GoMoney"),
    Bank::with_nip("100009", "GT Mobile"),
    Bank::with_nip("100036", "Kegow"),
    Bank::with_nip("100035", "M36"),
    Bank::with_nip("100020", "MoneyBox"),
    Bank::with_nip("100032", "NowNow"),
    Bank::with_nip("100004", "OPay"),
    Bank::with_nip("100002", "Paga"),
    Bank::with_nip("100033", "PalmPay"),
    Bank::with_nip("100003", "Parkway ReadyCash"),
    Bank::with_nip("100039", "Titan Paystack"),
    Bank::with_nip("100034", "Zenith Eazy Wallet"),
    // Microfinance banks.
    Bank::with_nip("090270", "AB Microfinance Bank"),
    Bank::with_nip("090134", "Accion Microfinance Bank"),
    Bank::with_nip("090160", "Addosser Microfinance Bank"),
    Bank::with_nip("090155", "Advans La Fayette Microfinance Bank"),
    Bank::with_nip("090180", "Amju Unique Microfinance Bank"),
    Bank::with_nip("090529", "Ampersand Microfinance Bank"),
    Bank::with_nip("090376", "Apple Microfinance Bank"),
    Bank::with_nip("090287", "AssetMatrix Microfinance Bank"),
    Bank::with_nip("090117", "Boctrust Microfinance Bank"),
    Bank::with_nip("090444", "BOI Microfinance Bank"),
    Bank::with_nip("090176", "Bosak Microfinance Bank"),
    Bank::with_nip("090360", "CashConnect Microfinance Bank"),
    Bank::with_nip("090154", "CEMCS Microfinance Bank"),
    Bank::with_nip("090365", "Corestep Microfinance Bank"),
    Bank::with_nip("070006", "Covenant Microfinance Bank"),
    Bank::with_nip("090611", "Creditville Microfinance Bank"),
    Bank::with_nip("090310", "EdFin Microfinance Bank"),
    Bank::with_nip("090097", "Ekondo Microfinance Bank"),
    Bank::with_nip("090328", "Eyowo Microfinance Bank"),
    Bank::with_nip("090551", "FairMoney Microfinance Bank"),
    Bank::with_nip("090179", "Fast Microfinance Bank"),
    Bank::with_nip("090400", "FINCA Microfinance Bank"),
    Bank::with_nip("090366", "Firmus Microfinance Bank"),
    Bank::with_nip("090145", "Fullrange Microfinance Bank"),
    Bank::with_nip("090147", "Hackman Microfinance Bank"),
    Bank::with_nip("090121", "Hasal Microfinance Bank"),
    Bank::with_nip("090118", "IBILE Microfinance Bank"),
    Bank::with_nip("090267", "Kuda Microfinance Bank"),
    Bank::with_nip("090177", "LAPO Microfinance Bank"),
    Bank::with_nip("090420", "Letshego Microfinance Bank"),
    Bank::with_nip("090321", "Mayfair Microfinance Bank"),
    Bank::with_nip("090281", "Mint-Finex Microfinance Bank"),
    Bank::with_nip("090455", "Mkobo Microfinance Bank"),
    Bank::with_nip("090405", "Moniepoint Microfinance Bank"),
    Bank::with_nip("090194", "NIRSAL Microfinance Bank"),
    Bank::with_nip("070001", "NPF Microfinance Bank"),
    Bank::with_nip("070008", "Page Microfinance Bank"),
    Bank::with_nip("090317", "PatrickGold Microfinance Bank"),
    Bank::with_nip("090137", "PecanTrust Microfinance Bank"),
    Bank::with_nip("090165", "Petra Microfinance Bank"),
    Bank::with_nip("090303", "Purplemoney Microfinance Bank"),
    Bank::with_nip("090261", "QuickFund Microfinance Bank"),
    Bank::with_nip("090198", "RenMoney Microfinance Bank"),
    Bank::with_nip("090175", "Rubies Microfinance Bank"),
    Bank::with_nip("090286", "Safe Haven Microfinance Bank"),
    Bank::with_nip("090112", "Seed Capital Microfinance Bank"),
    Bank::with_nip("090325", "Sparkle Microfinance Bank"),
    Bank::with_nip("090262", "Stellas Microfinance Bank"),
    Bank::with_nip("090426", "Tangerine Money Microfinance Bank"),
    Bank::with_nip("090315", "U & C Microfinance Bank"),
    Bank::with_nip("090110", "VFD Microfinance Bank"),
    Bank::with_nip("090120", "Wetland Microfinance Bank"),
    // Mortgage banks.
    Bank::with_nip("070010", "Abbey Mortgage Bank"),
    Bank::with_nip("090001", "ASO Savings and Loans"),
    Bank::with_nip("070021", "Cooperative Mortgage Bank"),
    Bank::with_nip("070009", "Gateway Mortgage Bank"),
    Bank::with_nip("070016", "Infinity Trust Mortgage Bank"),
    Bank::with_nip("070012", "Lagos Building and Investment Company"),
    Bank::with_nip("070007", "Livingtrust Mortgage Bank"),
    Bank::with_nip("070013", "Platinum Mortgage Bank"),
    Bank::with_nip("070011", "Refuge Mortgage Bank"),
];

/// The account number that cannot be resolved to a name.
const UNKNOWN_ACCOUNT: &str = "0000000000";
/// The account number to which every withdrawal fails.
const FAILING_ACCOUNT: &str = "0000000001";
/// The account number to which every withdrawal succeeds and is then reversed.
const REVERSING_ACCOUNT: &str = "0000000002";

/// The account number to which a withdrawal takes [`SLOW_SECONDS`] after it was verified, and
/// then succeeds.
const SLOW_ACCOUNT: &str = "0000000003";
/// The time that the bank of the slow account takes, in seconds: an hour.
pub const SLOW_SECONDS: i64 = 3_600;

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

/// Returns true if the text has ten digits and nothing else.
pub fn is_account_number(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The fewest and the most digits of a bank code in any system that clients use.
const CODE_DIGITS: RangeInclusive<usize> = 3..=6;

/// The bank codes that requests may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BankCodes {
    /// Any 3 to 6 digits: payment processors number the same banks in ways of their own, and
    /// the sandbox takes a code that no bank has as a test bank's.
    Any,
    /// The codes of the list.
    Listed,
    /// The codes of the list without the sandbox's own bank.
    Real,
}

impl BankCodes {
    /// Returns the banks of the list.
    pub fn banks(self) -> impl Iterator<Item = &'static Bank> {
        BANKS
            .iter()
            .filter(move |bank| self != Self::Real || !bank.has_code(TEST_BANK_CODE))
    }

    /// Checks that a request may send this code.
    ///
    /// # Errors
    ///
    /// Names `field` if it may not.
    pub fn check(self, field: &str, code: &str) -> Result<(), Invalid> {
        let is_number = CODE_DIGITS.contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
        if self.banks().any(|bank| bank.has_code(code)) || (is_number && self == Self::Any) {
            return Ok(());
        }
        let expected = match self {
            Self::Any => "3 to 6 digits, such as those that GET /v1/payment/bank-list gives",
            Self::Listed | Self::Real => "a code that GET /v1/payment/bank-list gives",
        };
        Err(Invalid::wrong(field, expected, &quoted(code)))
    }
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
    /// Returns true if a withdrawal to the account is settled later.
    pub fn is_slow(&self) -> bool {
        self.account_number == SLOW_ACCOUNT
    }

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
    use std::collections::HashSet;

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
    fn each_code_of_either_system_is_one_banks() {
        let mut codes = HashSet::new();
        for bank in BANKS {
            assert!(bank.nip_code.len() == 6, "{bank:?}");
            assert!(bank.cbn_code.is_none_or(|code| code.len() == 3), "{bank:?}");
            for code in [bank.nip_code].into_iter().chain(bank.cbn_code) {
                assert!(codes.insert(code), "{code} is used twice");
                for codes in [BankCodes::Any, BankCodes::Listed] {
                    assert_eq!(codes.check("bankCode", code), Ok(()));
                }
            }
        }
        let names: HashSet<&str> = BANKS.iter().map(|bank| bank.name).collect();
        assert_eq!(names.len(), BANKS.len());
    }

    #[test]
    fn digits_that_no_bank_has_are_a_test_bank_unless_the_check_is_strict() {
        for code in ["000", "777", "5021", "50211", "999992", "123456"] {
            assert_eq!(BankCodes::Any.check("bankCode", code), Ok(()), "{code}");
            assert!(BankCodes::Listed.check("bankCode", code).is_err(), "{code}");
        }
        assert!(BankCodes::Listed.check("bankCode", TEST_BANK_CODE).is_ok());
        assert!(BankCodes::Real.check("bankCode", TEST_BANK_CODE).is_err());
        assert!(BankCodes::Real.check("bankCode", "123456").is_err());
        assert!(BankCodes::Real.check("bankCode", "058").is_ok());
        for code in ["", "1", "12", "1234567", "GTB", "05 8", "-58", "058 ", "٠٥٨"] {
            for codes in [BankCodes::Any, BankCodes::Listed] {
                assert!(codes.check("bankCode", code).is_err(), "{code}");
            }
        }
    }
}
