//! Merchants and their keys.

use rusqlite::{OptionalExtension, params};

use super::error::Error;
use super::snapshot::{Snapshot, Tx};
use crate::domain::ids::MerchantId;
use crate::domain::ledger::{Account, ChainHash};

impl Snapshot<'_> {
    /// The merchant whose key has this SHA-256 hash.
    pub fn merchant_of_key(&self, key_hash: &[u8; 32]) -> Result<Option<MerchantId>, Error> {
        let merchant = self
            .connection
            .prepare_cached("SELECT merchant_id FROM merchant_key WHERE key_hash = ?1")?
            .query_row([key_hash], |row| row.get(0).map(MerchantId))
            .optional()?;
        Ok(merchant)
    }

    /// The name a merchant is configured under.
    pub fn merchant_name(&self, merchant: MerchantId) -> Result<Option<String>, Error> {
        let name = self
            .connection
            .prepare_cached("SELECT name FROM merchant WHERE id = ?1")?
            .query_row([merchant.0], |row| row.get(0))?;
        Ok(name)
    }

    /// The merchant that is configured under this name.
    pub fn merchant_named(&self, name: &str) -> Result<Option<MerchantId>, Error> {
        let merchant = self
            .connection
            .prepare_cached("SELECT id FROM merchant WHERE name = ?1")?
            .query_row([name], |row| row.get(0).map(MerchantId))
            .optional()?;
        Ok(merchant)
    }
}

impl Tx<'_> {
    /// A new merchant with its own accounts, and no key yet.
    pub fn insert_merchant(&mut self, name: Option<&str>) -> Result<MerchantId, Error> {
        let now = self.now().millis();
        let merchant: i64 = self
            .connection
            .prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM merchant")?
            .query_row([], |row| row.get(0))?;
        self.connection
            .prepare_cached("INSERT INTO merchant (id, name, chain_head, created_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![merchant, name, ChainHash::START.bytes(), now])?;
        let merchant = MerchantId(merchant);
        for account in [Account::MerchantMain, Account::PlatformFees, Account::OutsideWorld] {
            self.insert_account(merchant, &account)?;
        }
        Ok(merchant)
    }

    /// Gives a merchant one more key.
    pub fn insert_merchant_key(&mut self, key_hash: &[u8; 32], merchant: MerchantId) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT INTO merchant_key (key_hash, merchant_id) VALUES (?1, ?2)")?
            .execute(params![key_hash, merchant.0])?;
        Ok(())
    }

    /// Takes all keys away, from every merchant.
    pub fn delete_merchant_keys(&mut self) -> Result<(), Error> {
        self.connection.execute("DELETE FROM merchant_key", [])?;
        Ok(())
    }
}
