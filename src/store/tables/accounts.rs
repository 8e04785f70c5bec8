//! Accounts and their balances. Balances move only in `settlements.rs`.

use rusqlite::{Row, params};

use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::store::engine::error::Error;
use crate::store::tables::columns::{broken, customer_id_at, text_at};
use crate::store::tx::{Snapshot, Tx};

/// Where a payment history begins, and how long it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryHead {
    /// Its newest entry.
    pub(crate) newest: Option<i64>,
    /// How many entries it has.
    pub(crate) count: u64,
}

/// The account whose purpose and customer stand in this column and the next.
pub(crate) fn account_at(row: &Row<'_>, column: usize) -> Result<Account, Error> {
    let purpose = text_at(row, column)?;
    match purpose {
        "CUSTOMER_MAIN" => customer_id_at(row, column + 1).map(Account::CustomerMain),
        "CUSTOMER_ESCROW" => customer_id_at(row, column + 1).map(Account::CustomerEscrow),
        "MERCHANT_MAIN" => Ok(Account::MerchantMain),
        "PLATFORM_FEES" => Ok(Account::PlatformFees),
        "OUTSIDE_WORLD" => Ok(Account::OutsideWorld),
        other => Err(broken("the purpose of an account", other)),
    }
}

impl Snapshot<'_> {
    /// What is in an account. The outside world's balance is at most zero; its size
    /// is answered, which is all the money in the merchant's other accounts.
    pub fn balance(&self, merchant: MerchantId, account: &Account) -> Result<Amount, Error> {
        let minor = self.account(merchant, account, |row| row.get::<_, i64>(1))?;
        let minor = if *account == Account::OutsideWorld {
            -minor
        } else {
            minor
        };
        Amount::from_minor(minor).ok_or_else(|| Error::Corrupt(format!("the balance of {account:?} is {minor}")))
    }

    /// The stored number of an account.
    pub(crate) fn account_number(&self, merchant: MerchantId, account: &Account) -> Result<i64, Error> {
        self.account(merchant, account, |row| row.get(0))
    }

    /// Where an account's payment history begins, and how long it is.
    pub(crate) fn history_head(&self, merchant: MerchantId, account: &Account) -> Result<HistoryHead, Error> {
        let (newest, count) = self.account(merchant, account, |row| Ok((row.get(2)?, row.get::<_, i64>(3)?)))?;
        Ok(HistoryHead {
            newest,
            count: count.unsigned_abs(),
        })
    }

    /// The stored number of an account, and that of the newest entry in its
    /// payment history.
    pub(crate) fn account_to_touch(
        &self,
        merchant: MerchantId,
        account: &Account,
    ) -> Result<(i64, Option<i64>), Error> {
        self.account(merchant, account, |row| Ok((row.get(0)?, row.get(2)?)))
    }

    /// The account with this stored number.
    pub(crate) fn account_of_number(&self, number: i64) -> Result<Account, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT purpose, customer_id FROM account WHERE id = ?1")?;
        let mut rows = statement.query([number])?;
        match rows.next()? {
            Some(row) => account_at(row, 0),
            None => Err(broken("the number of an account", &number.to_string())),
        }
    }

    fn account<T>(
        &self,
        merchant: MerchantId,
        account: &Account,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let found = match account.customer() {
            Some(customer) => self
                .connection
                .prepare_cached(
                    "SELECT id, balance, newest_transaction_id, transaction_count FROM account
                     WHERE merchant_id = ?1 AND customer_id = ?2 AND purpose = ?3",
                )?
                .query_row(params![merchant.0, customer.as_str(), account.into_str()], read),
            None => self
                .connection
                .prepare_cached(
                    "SELECT id, balance, newest_transaction_id, transaction_count FROM account
                     WHERE merchant_id = ?1 AND customer_id IS NULL AND purpose = ?2",
                )?
                .query_row(params![merchant.0, account.into_str()], read),
        };
        found.map_err(Error::from)
    }
}

impl Tx<'_> {
    /// A new account with nothing in it.
    pub(crate) fn insert_account(&mut self, merchant: MerchantId, account: &Account) -> Result<(), Error> {
        let customer = account.customer().map(CustomerId::as_str);
        self.connection
            .prepare_cached(
                "INSERT INTO account (id, merchant_id, customer_id, purpose, updated_at)
                 VALUES ((SELECT coalesce(max(id), 0) + 1 FROM account), ?1, ?2, ?3, ?4)",
            )?
            .execute(params![merchant.0, customer, account.into_str(), self.now().millis()])?;
        Ok(())
    }
}
