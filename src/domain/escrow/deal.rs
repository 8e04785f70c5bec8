//! Deals: escrows of any settlement type, where a payment token or a list can lead to
//! either an escrow or a vault.

use crate::domain::escrow::Escrow;
use crate::domain::escrow::vault::Vault;
use crate::domain::ids::{EscrowId, MerchantId};
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
