//! A party to a deal, and the actor of a request: a customer, or the merchant in its
//! own name.

use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::ledger::Account;

/// A customer, or the merchant in its own name (contract section 1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A customer of the merchant.
    Customer(CustomerId),
    /// The merchant itself.
    Merchant,
}

impl Party {
    /// Returns the customer, or `None` for the merchant.
    pub const fn customer(&self) -> Option<&CustomerId> {
        match self {
            Self::Customer(customer) => Some(customer),
            Self::Merchant => None,
        }
    }

    /// Returns true if this party is the customer with this id.
    pub fn is(&self, customer: &CustomerId) -> bool {
        self.customer() == Some(customer)
    }

    /// Returns the account that the party's money is paid into.
    pub fn main_account(&self) -> Account {
        match self {
            Self::Customer(customer) => Account::CustomerMain(customer.clone()),
            Self::Merchant => Account::MerchantMain,
        }
    }
}

impl From<Option<CustomerId>> for Party {
    fn from(customer: Option<CustomerId>) -> Self {
        customer.map_or(Self::Merchant, Self::Customer)
    }
}

/// The merchant of a request and the party it acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The merchant, known by its key.
    pub merchant: MerchantId,
    /// One of its customers, or the merchant itself.
    pub party: Party,
}

impl Actor {
    /// Returns the acting customer.
    ///
    /// # Panics
    ///
    /// Panics when the merchant acts for itself: the route table lets only customers
    /// reach a command that calls this.
    pub fn customer(&self) -> &CustomerId {
        self.party
            .customer()
            .expect("the route table lets only customers reach this command")
    }

    /// Returns the account that the acting customer spends from.
    ///
    /// # Panics
    ///
    /// Panics as [`Actor::customer`] does.
    pub fn wallet(&self) -> Account {
        Account::CustomerMain(self.customer().clone())
    }
}
