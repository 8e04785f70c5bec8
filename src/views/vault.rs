//! Participants of vaults (contract section 3.8).

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::escrow::vault::{Stake, Vault, VaultProgress};
use crate::domain::ids::CustomerId;
use crate::views::{AsText, MajorUnits};

/// The contract's `VaultParticipant`: a participant and its stake.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParticipantView {
    customer_id: AsText<CustomerId>,
    amount: MajorUnits,
    #[schemars(extend("enum" = ["STAKED", "RELEASED", "REFUNDED"]))]
    status: &'static str,
    staked_at: AsText<i64>,
    settled_at: Option<AsText<i64>>,
}

impl ParticipantView {
    /// Shows a vault's participants in the order of the request that created it.
    pub(crate) fn list(vault: &Vault) -> Vec<Self> {
        let status = match vault.progress {
            VaultProgress::Opened => "STAKED",
            VaultProgress::Won { .. } => "RELEASED",
            VaultProgress::Cancelled { .. } => "REFUNDED",
        };
        let settled_at = vault.settled_at().map(|at| AsText(at.unix_seconds()));
        let view = |stake: &Stake| Self {
            customer_id: AsText(stake.customer.clone()),
            amount: MajorUnits(stake.amount),
            status,
            staked_at: AsText(vault.created_at.unix_seconds()),
            settled_at,
        };
        vault.stakes.iter().map(view).collect()
    }
}
