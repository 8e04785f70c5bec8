//! Banks, and the replies to looking up a bank account or a phone number (contract
//! sections 3.10, 4.3.6 and 4.3.7).

use serde::Serialize;

use crate::domain::customers::customer::Customer;
use crate::domain::payments::bank::AccountQuery;

/// The contract's Bank.
#[derive(Debug, Serialize)]
pub(crate) struct BankView {
    pub(crate) name: &'static str,
    pub(crate) code: &'static str,
}

/// The name on a bank account.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountNameView {
    account_name: &'static str,
    account_number: String,
    bank_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bank_name: Option<String>,
}

/// The customer with a phone number.
#[derive(Debug, Serialize)]
pub(crate) struct PhoneView {
    name: String,
    phone: Option<String>,
}

impl PhoneView {
    /// Shows the customer with the phone number in its stored form, whichever form the
    /// request had.
    pub(crate) fn new(customer: &Customer) -> Self {
        let phone = customer.profile.as_ref().and_then(|profile| profile.phone.as_ref());
        Self {
            name: customer.name(),
            phone: phone.map(ToString::to_string),
        }
    }
}

impl AccountNameView {
    /// Shows the requested account with its name.
    pub(crate) fn new(query: AccountQuery, account_name: &'static str) -> Self {
        Self {
            account_name,
            account_number: query.account_number,
            bank_code: query.bank_code,
            bank_name: query.bank_name,
        }
    }
}
