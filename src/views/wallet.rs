//! Wallets (contract section 3.4).

use serde::Serialize;

use crate::domain::customers::customer::Wallet;
use crate::domain::money::Amount;
use crate::views::WireAmount;

/// The contract's Wallet: a customer's balances.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WalletView {
    id: String,
    main_balance: WireAmount,
    escrow_balance: WireAmount,
    currency: String,
    created_at: String,
    updated_at: String,
}

/// The main balance after a top-up.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MainBalanceView {
    main_balance: WireAmount,
}

impl WalletView {
    /// Shows a wallet in this currency.
    pub(crate) fn new(wallet: &Wallet, currency: &str) -> Self {
        Self {
            id: wallet.id.to_string(),
            main_balance: WireAmount(wallet.main_balance),
            escrow_balance: WireAmount(wallet.escrow_balance),
            currency: currency.to_owned(),
            created_at: wallet.created_at.to_string(),
            updated_at: wallet.updated_at.to_string(),
        }
    }
}

impl MainBalanceView {
    /// Shows the main balance.
    pub(crate) const fn new(main_balance: Amount) -> Self {
        Self {
            main_balance: WireAmount(main_balance),
        }
    }
}
