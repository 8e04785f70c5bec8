//! Customers and their wallets.

use rusqlite::{OptionalExtension, Row, params};

use super::columns::{amount_at, optional_timestamp_at, timestamp_at};
use super::error::{Error, one_row};
use super::snapshot::{Snapshot, Tx};
use crate::domain::customer::{Customer, Wallet};
use crate::domain::ids::{CustomerId, MerchantId, WalletId};
use crate::domain::ledger::Account;
use crate::domain::time::Timestamp;

impl Snapshot<'_> {
    /// Whether the merchant has this customer.
    pub fn has_customer(&self, merchant: MerchantId, customer: &CustomerId) -> Result<bool, Error> {
        let exists = self
            .connection
            .prepare_cached("SELECT 1 FROM customer WHERE merchant_id = ?1 AND id = ?2")?
            .exists(params![merchant.0, customer.as_str()])?;
        Ok(exists)
    }

    /// The customer with this phone number, in any spelling, and their name.
    pub fn customer_by_phone(&self, merchant: MerchantId, phone: &str) -> Result<Option<(CustomerId, String)>, Error> {
        let _nobody_has_one_yet = (merchant, phone);
        Ok(None)
    }

    /// When a customer last added play money.
    pub fn topped_up_at(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Timestamp>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT topped_up_at FROM customer WHERE merchant_id = ?1 AND id = ?2")?;
        let mut rows = statement.query(params![merchant.0, customer.as_str()])?;
        rows.next()?.map_or(Ok(None), |row| optional_timestamp_at(row, 0))
    }

    /// A customer's money as the customer sees it: the fees that the hold keeps
    /// until an escrow closes are not in it (contract section 9.1, row 15).
    pub fn wallet(&self, merchant: MerchantId, customer: &CustomerId) -> Result<Option<Wallet>, Error> {
        let wallet = self
            .connection
            .prepare_cached(
                "SELECT customer.wallet_id, customer.wallet_guard, customer.created_at, main.balance,
                        hold.balance - (SELECT coalesce(sum(fee), 0) FROM escrow
                                        WHERE merchant_id = ?1 AND buyer_id = ?2 AND state = 'OPENED'),
                        max(main.updated_at, hold.updated_at)
                 FROM customer
                 JOIN account AS main ON main.merchant_id = ?1 AND main.customer_id = ?2 AND main.purpose = 'CUSTOMER_MAIN'
                 JOIN account AS hold ON hold.merchant_id = ?1 AND hold.customer_id = ?2 AND hold.purpose = 'CUSTOMER_ESCROW'
                 WHERE customer.merchant_id = ?1 AND customer.id = ?2",
            )?
            .query_row(params![merchant.0, customer.as_str()], |row| Ok(read_wallet(row)))
            .optional()?;
        wallet.transpose()
    }
}

fn read_wallet(row: &Row<'_>) -> Result<Wallet, Error> {
    Ok(Wallet {
        id: WalletId::new(row.get(0)?, row.get(1)?),
        created_at: timestamp_at(row, 2)?,
        main_balance: amount_at(row, 3)?,
        escrow_balance: amount_at(row, 4)?,
        updated_at: timestamp_at(row, 5)?,
    })
}

impl Tx<'_> {
    /// A customer added play money now.
    pub fn save_top_up(&mut self, merchant: MerchantId, customer: &CustomerId) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("UPDATE customer SET topped_up_at = ?3 WHERE merchant_id = ?1 AND id = ?2")?
            .execute(params![merchant.0, customer.as_str(), self.now().millis()])?;
        one_row(changed, "a customer")
    }

    /// A new customer with two empty accounts.
    pub fn insert_customer(&mut self, merchant: MerchantId, customer: &Customer) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO customer (merchant_id, id, wallet_id, wallet_guard, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                merchant.0,
                customer.id.as_str(),
                customer.wallet.number(),
                customer.wallet.guard(),
                customer.created_at.millis()
            ])?;
        self.insert_account(merchant, &Account::CustomerMain(customer.id.clone()))?;
        self.insert_account(merchant, &Account::CustomerEscrow(customer.id.clone()))
    }
}
