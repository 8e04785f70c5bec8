//! The row of a merchant that a command acts for, loaded once.

use crate::domain::events::webhook_endpoint::StoredWebhookEndpoint;
use crate::domain::ids::{MerchantId, WalletId};
use crate::domain::ledger::ChainHash;
use crate::domain::merchant::settings::OwnSettings;
use crate::domain::sandbox::clock_offset::ClockOffset;

/// The columns of a merchant's row that commands use.
#[derive(Clone, Debug)]
pub struct MerchantRow {
    pub id: MerchantId,
    /// The id of the merchant's own wallet.
    pub wallet_id: WalletId,
    pub clock: ClockOffset,
    pub own: OwnSettings,
    /// The hash of the merchant's newest transfer.
    pub chain_head: ChainHash,
    /// Its webhook endpoint.
    pub webhook_endpoint: StoredWebhookEndpoint,
}
