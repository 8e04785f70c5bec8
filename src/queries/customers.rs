//! A merchant's customers (contract sections 4.3.7 and 4.4).

use crate::domain::customers::customer::Customer;
use crate::domain::customers::profile::Email;
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::page::{Page, PageRequest};
use crate::store::{Error, Store};

/// By what one customer is looked for.
#[derive(Clone, Debug)]
pub enum CustomerKey {
    /// By email address, in any letter case.
    Email(String),
    /// By phone, in any spelling: `0801...`, `234801...`, `801...`.
    Phone(String),
    /// By both, which must be the same customer's.
    EmailAndPhone(String, String),
}

/// One customer; another merchant's is as good as none.
pub fn by_id(store: &Store, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Customer>, Error> {
    store.read(|snapshot| snapshot.customer(merchant, customer))
}

/// The customer with this phone, in any spelling: `0801...`, `234801...`, `801...`.
pub fn by_phone(store: &Store, merchant: MerchantId, spelling: &str) -> Result<Option<Customer>, Error> {
    store.read(|snapshot| snapshot.customer_by_phone(merchant, spelling))
}

/// The one customer with what is looked for.
pub fn by_key(store: &Store, merchant: MerchantId, key: &CustomerKey) -> Result<Option<Customer>, Error> {
    store.read(|snapshot| {
        let with_email = |text: &str| match Email::parse(text) {
            Some(email) => snapshot.customer_by_email(merchant, &email),
            None => Ok(None),
        };
        let with_phone = |spelling: &str| snapshot.customer_by_phone(merchant, spelling);
        match key {
            CustomerKey::Email(email) => with_email(email),
            CustomerKey::Phone(phone) => with_phone(phone),
            CustomerKey::EmailAndPhone(email, phone) => {
                let holder = with_phone(phone)?.map(|customer| customer.id);
                let found = with_email(email)?;
                Ok(found.filter(|customer| Some(&customer.id) == holder.as_ref()))
            }
        }
    })
}

/// A page of all of them, newest first.
pub fn page(store: &Store, merchant: MerchantId, request: PageRequest) -> Result<Page<Customer>, Error> {
    store.read(|snapshot| snapshot.customers(merchant, request))
}
