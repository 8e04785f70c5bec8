//! Vaults: several participants stake, and one takes the pot (contract sections
//! 4.8, 5.8 and 6.3). The rules of each step have a file of their own.

mod open;
mod settle;
#[cfg(test)]
mod tests;

pub use open::{StakeRequest, VaultOffer, VaultOwner, VaultRequest};

use crate::domain::escrow::category::Category;
use crate::domain::fees::Fee;
use crate::domain::ids::{CustomerId, EscrowId, MerchantId, PaymentToken};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A vault. It is open from the start, since the stakes are taken with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    /// Its id, one of an escrow's.
    pub id: EscrowId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// What the merchant calls it by.
    pub payment_token: PaymentToken,
    /// What it is about.
    pub purpose: String,
    /// More of it.
    pub description: Option<String>,
    /// How the merchant sorts it.
    pub category: Option<Category>,
    /// What it costs, out of the pot.
    pub fee: Fee,
    /// Who put in how much, in the order given; two or more, nobody twice.
    pub stakes: Vec<Stake>,
    /// What became of it.
    pub progress: VaultProgress,
    /// When the stakes were taken.
    pub created_at: Timestamp,
}

/// What one participant put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stake {
    /// Who.
    pub customer: CustomerId,
    /// How much.
    pub amount: Amount,
}

/// How far a vault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultProgress {
    /// The stakes are held.
    Opened,
    /// One participant took the pot.
    Won {
        /// Who.
        winner: CustomerId,
        /// When.
        at: Timestamp,
    },
    /// Everyone got their stake back, less their share of the fee.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

impl Stake {
    /// Where it comes from, and where it goes back to.
    fn main_account(&self) -> Account {
        Account::CustomerMain(self.customer.clone())
    }

    /// Where it is held.
    fn hold(&self) -> Account {
        Account::CustomerEscrow(self.customer.clone())
    }
}

impl Vault {
    /// All stakes together.
    pub fn pot(&self) -> Amount {
        pot_of(&self.stakes).expect("checked when the stakes were taken")
    }

    /// Who took the pot, if anyone did.
    pub const fn winner(&self) -> Option<&CustomerId> {
        match &self.progress {
            VaultProgress::Won { winner, .. } => Some(winner),
            VaultProgress::Opened | VaultProgress::Cancelled { .. } => None,
        }
    }

    /// When it was settled, if it was.
    pub const fn settled_at(&self) -> Option<Timestamp> {
        match &self.progress {
            VaultProgress::Opened => None,
            VaultProgress::Won { at, .. } | VaultProgress::Cancelled { at } => Some(*at),
        }
    }
}

/// These stakes together, or `None` above [`Amount::MAX`].
fn pot_of(stakes: &[Stake]) -> Option<Amount> {
    Amount::total(stakes.iter().map(|stake| stake.amount))
}
