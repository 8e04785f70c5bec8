//! Who acts and who sells: a customer, or the merchant in its own name.

use crate::domain::ids::CustomerId;
use crate::domain::ledger::Account;

/// A seller, or whoever acts where the `customer-id` header is optional
/// (contract section 1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A customer of the merchant.
    Customer(CustomerId),
    /// The merchant itself.
    Merchant,
}

impl Party {
    /// The customer, if it is one.
    pub const fn customer(&self) -> Option<&CustomerId> {
        match self {
            Self::Customer(customer) => Some(customer),
            Self::Merchant => None,
        }
    }

    /// Whether it is this customer.
    pub fn is(&self, customer: &CustomerId) -> bool {
        self.customer() == Some(customer)
    }

    /// Where it is paid.
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
