//! A merchant's customers (contract sections 4.3.7 and 4.4).

use crate::domain::customer::Customer;
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::Email;
use crate::store::{Error, Store};

/// One customer; another merchant's is as good as none.
pub fn by_id(store: &Store, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Customer>, Error> {
    store.read(|snapshot| snapshot.customer(merchant, customer))
}

/// The customer with this email address.
pub fn by_email(store: &Store, merchant: MerchantId, email: &Email) -> Result<Option<Customer>, Error> {
    store.read(|snapshot| snapshot.customer_by_email(merchant, email))
}

/// The customer with this phone, in any spelling: `0801...`, `234801...`, `801...`.
pub fn by_phone(store: &Store, merchant: MerchantId, spelling: &str) -> Result<Option<Customer>, Error> {
    store.read(|snapshot| snapshot.customer_by_phone(merchant, spelling))
}

/// A page of all of them, newest first.
pub fn page(store: &Store, merchant: MerchantId, request: PageRequest) -> Result<Page<Customer>, Error> {
    store.read(|snapshot| snapshot.customers(merchant, request))
}
