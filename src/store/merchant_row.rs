//! The row of a merchant that a command acts for, loaded once.

use crate::domain::events::webhook_endpoint::SandboxWebhookEndpoint;
use crate::domain::ids::{MerchantId, WalletId};
use crate::domain::ledger::ChainHash;
use crate::domain::sandbox::clock_offset::ClockOffset;

/// A merchant's row, as commands need it.
#[derive(Clone, Debug)]
pub struct MerchantRow {
    /// The merchant.
    pub id: MerchantId,
    /// The id of its own wallet.
    pub wallet_id: WalletId,
    /// How far its clock is ahead of ledger time.
    pub clock: ClockOffset,
    /// The hash of its newest transfer.
    pub chain_head: ChainHash,
    /// Its webhook endpoint in a sandbox.
    pub webhook_endpoint: SandboxWebhookEndpoint,
}
