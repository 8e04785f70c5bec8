//! The row of a merchant, loaded once for a group of commands.

use crate::domain::chain_hash::ChainHash;
use crate::domain::events::webhook_endpoint::StoredWebhookEndpoint;
use crate::domain::ids::{MerchantId, WalletId};
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
    /// A reset has left the merchant behind.
    pub(crate) is_left_behind: bool,
    /// The hash of the merchant's newest transfer.
    pub chain_head: ChainHash,
    /// The changes that the database does not have yet.
    pub(crate) unsaved: Unsaved,
    /// Its webhook endpoint.
    pub webhook_endpoint: StoredWebhookEndpoint,
}

/// The changes that the commands of a group have made to a merchant's row. Nearly every command
/// adds something, so the end of the group writes it once
/// ([`Tx::save_merchants`](crate::store::tx::Tx::save_merchants)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unsaved {
    /// The chain has a new head.
    pub(crate) has_new_head: bool,
    /// The number of events that are not counted yet.
    pub(crate) events: i64,
}
