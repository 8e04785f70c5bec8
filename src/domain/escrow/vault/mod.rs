//! Vaults: several participants put in stakes, and one gets the pot (contract sections
//! 4.8, 5.8 and 6.3). Each step has a file of its own.

mod open;
mod settle;
#[cfg(test)]
mod tests;

pub use open::{
    PARTICIPANTS_MIN, STAKE_MIN, StakeRequest, VaultOffer, VaultOwner, VaultRequest, check_participant_count,
    check_stake,
};

use crate::domain::escrow::Status;
use crate::domain::escrow::category::Category;
use crate::domain::fees::Fee;
use crate::domain::ids::{CustomerId, EscrowId, MerchantId, PaymentToken};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A vault. It is open from the start, since the stakes are taken when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    pub id: EscrowId,
    pub merchant: MerchantId,
    /// The token by which the merchant refers to it.
    pub payment_token: PaymentToken,
    pub purpose: String,
    pub description: Option<String>,
    pub category: Option<Category>,
    /// The fee, taken out of the pot.
    pub fee: Fee,
    /// The stakes in the order of the request: two or more, each of another participant.
    pub stakes: Vec<Stake>,
    pub progress: VaultProgress,
    /// The time at which the stakes were taken.
    pub created_at: Timestamp,
}

/// The stake of one participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stake {
    pub customer: CustomerId,
    pub amount: Amount,
}

/// The progress of a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultProgress {
    /// The stakes are held.
    Opened,
    /// One participant has got the pot.
    Won { winner: CustomerId, at: Timestamp },
    /// All participants have got their stakes back, less their shares of the fee.
    Cancelled { at: Timestamp },
}

impl Stake {
    /// Returns the account that the stake comes from and goes back to.
    fn main_account(&self) -> Account {
        Account::CustomerMain(self.customer.clone())
    }

    /// Returns the account that holds the stake.
    fn hold(&self) -> Account {
        Account::CustomerEscrow(self.customer.clone())
    }
}

impl Vault {
    /// Returns the sum of all stakes.
    pub fn pot(&self) -> Amount {
        pot_of(&self.stakes).expect("checked when the stakes were taken")
    }

    /// Returns the status that the contract shows.
    pub const fn status(&self) -> Status {
        match &self.progress {
            VaultProgress::Opened => Status::Ongoing,
            VaultProgress::Won { .. } => Status::Completed,
            VaultProgress::Cancelled { .. } => Status::Refunded,
        }
    }

    /// Returns the winner, if there is one.
    pub const fn winner(&self) -> Option<&CustomerId> {
        match &self.progress {
            VaultProgress::Won { winner, .. } => Some(winner),
            VaultProgress::Opened | VaultProgress::Cancelled { .. } => None,
        }
    }

    /// Returns the time of the settlement, if it is settled.
    pub const fn settled_at(&self) -> Option<Timestamp> {
        match &self.progress {
            VaultProgress::Opened => None,
            VaultProgress::Won { at, .. } | VaultProgress::Cancelled { at } => Some(*at),
        }
    }
}

/// Returns the sum of the stakes, or `None` above [`Amount::MAX`].
fn pot_of(stakes: &[Stake]) -> Option<Amount> {
    Amount::total(stakes.iter().map(|stake| stake.amount))
}
