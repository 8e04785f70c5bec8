//! The row of an account, which the commands of a group share.

use std::collections::HashMap;

use crate::domain::ids::MerchantId;
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::store::engine::error::Error;
use crate::store::tables::columns::row;

/// The rows of accounts, by their merchant.
pub(crate) type AccountRows = HashMap<MerchantId, HashMap<Account, AccountRow>>;

row! {
    /// The number of an account, its balance in minor units (zero or below for the outside world)
    /// and its payment history.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct AccountRow, account_columns! {
        id: i64,
        balance: i64,
        newest_transaction_id: Option<i64>,
        transaction_count: i64,
    }
}
pub(crate) use account_columns;

impl AccountRow {
    /// Returns the balance of this account without its sign.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is outside the bounds of such an account.
    pub(crate) fn amount(&self, account: &Account) -> Result<Amount, Error> {
        let minor = if *account == Account::OutsideWorld {
            self.balance.saturating_neg()
        } else {
            self.balance
        };
        Amount::from_minor(minor).ok_or_else(|| Error::Corrupt(format!("the balance of {account:?} is {minor}")))
    }
}
