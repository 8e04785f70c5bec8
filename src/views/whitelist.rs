//! Whitelisted withdrawal addresses (contract section 3.10), and the deposit address
//! (section 4.3.8).

use serde::Serialize;

use crate::domain::ids::WhitelistAddressId;
use crate::domain::payments::whitelist::{EvmAddress, NETWORK, WhitelistAddress};
use crate::domain::time::Timestamp;
use crate::views::WireText;

/// The contract's `WhitelistAddress`: an address that crypto withdrawals may go to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WhitelistAddressView {
    id: WireText<WhitelistAddressId>,
    wallet_address: String,
    network: &'static str,
    label: Option<String>,
    date_added: WireText<Timestamp>,
    last_updated: WireText<Timestamp>,
}

/// The master address for crypto deposits.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DepositWalletView {
    wallet_address: String,
    network: &'static str,
    network_id: &'static str,
    qr_code: String,
    explorer_url: String,
    instructions: &'static str,
}

impl WhitelistAddressView {
    /// Shows an address. It never changes, so both dates are the same.
    pub(crate) fn new(address: WhitelistAddress) -> Self {
        Self {
            id: WireText(address.id),
            wallet_address: address.wallet_address.as_str().to_owned(),
            network: NETWORK,
            label: address.label,
            date_added: WireText(address.created_at),
            last_updated: WireText(address.created_at),
        }
    }
}

impl DepositWalletView {
    /// Shows a simulated address, with a warning not to use it.
    pub(crate) fn new(address: &EvmAddress) -> Self {
        let address = address.as_str();
        Self {
            wallet_address: address.to_owned(),
            network: "BSC Testnet",
            network_id: "97",
            qr_code: format!("ethereum:{address}@97"),
            explorer_url: format!("https://testnet.bscscan.com/address/{address}"),
            instructions: "SIMULATED: nobody has a key to this address and nothing watches it. Send nothing to it: \
                           what is sent is lost. In this sandbox, money comes in by a deposit intent or a top-up.",
        }
    }
}
