//! The contract's Bank, and what a bank or a customer answers to a look-up (sections
//! 3.10, 4.3.6 and 4.3.7).

use serde::Serialize;

use crate::domain::customers::customer::Customer;
use crate::domain::payments::bank::AccountQuery;

/// A bank.
#[derive(Debug, Serialize)]
pub(crate) struct BankView {
    pub(crate) name: &'static str,
    pub(crate) code: &'static str,
}

/// Whose a bank account is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountNameView {
    account_name: &'static str,
    account_number: String,
    bank_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bank_name: Option<String>,
}

/// Whose a phone number is.
#[derive(Debug, Serialize)]
pub(crate) struct PhoneView {
    name: String,
    phone: Option<String>,
}

impl PhoneView {
    /// A customer with the phone as it is kept, however it was asked for.
    pub(crate) fn new(customer: &Customer) -> Self {
        let phone = customer.profile.as_ref().and_then(|profile| profile.phone.as_ref());
        Self {
            name: customer.name(),
            phone: phone.map(ToString::to_string),
        }
    }
}

impl AccountNameView {
    /// The account that was asked about, and its name.
    pub(crate) fn new(query: AccountQuery, account_name: &'static str) -> Self {
        Self {
            account_name,
            account_number: query.account_number,
            bank_code: query.bank_code,
            bank_name: query.bank_name,
        }
    }
}
