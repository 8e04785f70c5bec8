//! Deals: escrows of any settlement type, where a payment token or a list can lead to
//! either an escrow or a vault.

use crate::domain::escrow::Escrow;
use crate::domain::escrow::vault::Vault;
use crate::domain::ids::{CustomerId, EscrowId, MerchantId};
use crate::domain::refusal::Refusal;

/// An escrow between a seller and a buyer, or a vault of several participants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every deal is an escrow, and none is kept for long"
)]
pub enum Deal {
    /// A standard escrow or a milestone escrow.
    Escrow(Escrow),
    Vault(Vault),
}

impl Deal {
    pub const fn id(&self) -> EscrowId {
        match self {
            Self::Escrow(escrow) => escrow.id,
            Self::Vault(vault) => vault.id,
        }
    }

    pub const fn merchant(&self) -> MerchantId {
        match self {
            Self::Escrow(escrow) => escrow.merchant,
            Self::Vault(vault) => vault.merchant,
        }
    }

    /// Returns the escrow.
    ///
    /// # Errors
    ///
    /// Returns `refusal` for a vault.
    pub fn escrow_or(self, refusal: Refusal) -> Result<Escrow, Refusal> {
        match self {
            Self::Escrow(escrow) => Ok(escrow),
            Self::Vault(_) => Err(refusal),
        }
    }
}

/// A deal of any settlement type, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum DealRef<'a> {
    /// A standard or a milestone escrow.
    Escrow(&'a Escrow),
    /// A vault.
    Vault(&'a Vault),
}

impl<'a> DealRef<'a> {
    /// Returns the deal's id.
    pub const fn id(self) -> EscrowId {
        match self {
            Self::Escrow(escrow) => escrow.id,
            Self::Vault(vault) => vault.id,
        }
    }

    /// Returns the deal's merchant.
    pub const fn merchant(self) -> MerchantId {
        match self {
            Self::Escrow(escrow) => escrow.merchant,
            Self::Vault(vault) => vault.merchant,
        }
    }

    /// Returns the customer whom the deal pays: an escrow's seller or a vault's winner;
    /// `None` for a merchant that sells in its own name and a vault without a winner.
    pub fn payee(self) -> Option<&'a CustomerId> {
        match self {
            Self::Escrow(escrow) => escrow.seller.customer(),
            Self::Vault(vault) => vault.winner(),
        }
    }
}

impl<'a> From<&'a Escrow> for DealRef<'a> {
    fn from(escrow: &'a Escrow) -> Self {
        Self::Escrow(escrow)
    }
}

impl<'a> From<&'a Vault> for DealRef<'a> {
    fn from(vault: &'a Vault) -> Self {
        Self::Vault(vault)
    }
}
