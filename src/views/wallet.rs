//! The contract's Wallet (section 3.4).

use serde::Serialize;

use crate::domain::customers::customer::Wallet;
use crate::domain::money::Amount;
use crate::views::WireAmount;

/// A customer's money.
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

/// What a top-up left in the wallet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MainBalanceView {
    main_balance: WireAmount,
}

impl WalletView {
    /// A wallet in this currency.
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
    /// What can be spent.
    pub(crate) const fn new(main_balance: Amount) -> Self {
        Self {
            main_balance: WireAmount(main_balance),
        }
    }
}
