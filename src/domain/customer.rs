//! Customers, and how one comes to be.

use super::ids::{CustomerId, WalletId};
use super::money::Amount;
use super::refusal::Refusal;
use super::time::Timestamp;

/// A buyer or seller of one merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Its id, as in the `customer-id` header.
    pub id: CustomerId,
    /// The id of its wallet.
    pub wallet: WalletId,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// A customer's money as the customer sees it (contract section 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Its id.
    pub id: WalletId,
    /// What can be spent.
    pub main_balance: Amount,
    /// What the open escrows the customer funded still hold for those who will be
    /// paid: the hold without the fees in it (contract section 9.1, row 15).
    pub escrow_balance: Amount,
    /// When the customer was first seen.
    pub created_at: Timestamp,
    /// When a balance last moved.
    pub updated_at: Timestamp,
}

/// What happens when a `customer-id` names nobody yet (design section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Sandbox mode: the customer is registered, with this much play money.
    Register {
        /// The opening balance.
        opening_balance: Amount,
    },
    /// Live mode: the request is refused.
    KnownOnly,
}

impl Admission {
    /// The opening balance of a customer that is not known yet, or the refusal.
    pub const fn of_unknown(self) -> Result<Amount, Refusal> {
        match self {
            Self::Register { opening_balance } => Ok(opening_balance),
            Self::KnownOnly => Err(Refusal::CustomerNotFound),
        }
    }
}
