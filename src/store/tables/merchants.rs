//! Merchants and their keys.

use rusqlite::{OptionalExtension, params};

use crate::domain::customers::customer::Wallet;
use crate::domain::events::webhook_endpoint::SigningSecret;
use crate::domain::ids::{IdSource, MerchantId, WalletId};
use crate::domain::ledger::{Account, ChainHash};
use crate::domain::merchant::KeyOwner;
use crate::domain::money::Amount;
use crate::store::engine::error::{Error, one_row};
use crate::store::merchant_row::MerchantRow;
use crate::store::tables::clocks::clock_offset_at;
use crate::store::tables::columns::{amount_at, broken, timestamp_at, word_at};
use crate::store::tables::webhook_endpoints::webhook_endpoint_at;
use crate::store::tx::{Snapshot, Tx};

impl Snapshot<'_> {
    fn merchant_row(&self, merchant: MerchantId) -> Result<MerchantRow, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT wallet_id, wallet_guard, clock_offset_millis, chain_head, callback_url, signing_secret
             FROM merchant WHERE id = ?1",
        )?;
        let mut rows = statement.query([merchant.0])?;
        let Some(row) = rows.next()? else {
            return Err(broken("the number of a merchant", &merchant.0.to_string()));
        };
        Ok(MerchantRow {
            id: merchant,
            wallet_id: WalletId::new(row.get(0)?, row.get(1)?),
            clock: clock_offset_at(row, 2)?,
            chain_head: ChainHash::from_bytes(row.get(3)?),
            webhook_endpoint: webhook_endpoint_at(row, 4)?,
        })
    }

    /// Whose the key with this SHA-256 hash is.
    pub fn owner_of_key(&self, key_hash: &[u8; 32]) -> Result<Option<KeyOwner>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT merchant_id, scope FROM merchant_key WHERE key_hash = ?1")?;
        let mut rows = statement.query([key_hash])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some(KeyOwner {
            merchant: MerchantId(row.get(0)?),
            scope: word_at(row, 1, "the scope of a key")?,
        }))
    }

    /// The name a merchant is configured under.
    pub fn merchant_name(&self, merchant: MerchantId) -> Result<Option<String>, Error> {
        let name = self
            .connection
            .prepare_cached("SELECT name FROM merchant WHERE id = ?1")?
            .query_row([merchant.0], |row| row.get(0))?;
        Ok(name)
    }

    /// What a merchant itself has earned. It funds no escrow as a buyer, so nothing
    /// of its own is ever held.
    pub fn merchant_wallet(&self, merchant: MerchantId) -> Result<Wallet, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT wallet_id, wallet_guard, merchant.created_at, balance, updated_at
             FROM merchant JOIN account ON merchant_id = merchant.id AND customer_id IS NULL
             WHERE merchant.id = ?1 AND purpose = 'MERCHANT_MAIN'",
        )?;
        let mut rows = statement.query([merchant.0])?;
        let Some(row) = rows.next()? else {
            return Err(broken("the number of a merchant", &merchant.0.to_string()));
        };
        Ok(Wallet {
            id: WalletId::new(row.get(0)?, row.get(1)?),
            created_at: timestamp_at(row, 2)?,
            main_balance: amount_at(row, 3)?,
            escrow_balance: Amount::ZERO,
            updated_at: timestamp_at(row, 4)?,
        })
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
    /// Makes the rest of this command act for a merchant and happen by its clock.
    pub fn act_for(&mut self, merchant: MerchantId) -> Result<(), Error> {
        self.clock = self.merchant(merchant)?.clock;
        self.acts_for = Some(merchant);
        Ok(())
    }

    /// Returns a merchant's row, which this command loads once.
    pub fn merchant(&mut self, merchant: MerchantId) -> Result<&MerchantRow, Error> {
        self.merchant_mut(merchant).map(|row| &*row)
    }

    /// Returns a merchant's row, to be changed as the table was.
    pub(crate) fn merchant_mut(&mut self, merchant: MerchantId) -> Result<&mut MerchantRow, Error> {
        if self.merchant.as_ref().is_none_or(|row| row.id != merchant) {
            self.merchant = Some(self.merchant_row(merchant)?);
        }
        Ok(self.merchant.as_mut().expect("loaded above"))
    }

    /// A new merchant with its own accounts, and no key yet. A configured one has a
    /// name; one that a sandbox key made, what signs its events.
    pub fn insert_merchant(&mut self, name: Option<&str>, secret: Option<&SigningSecret>) -> Result<MerchantId, Error> {
        let (now, wallet) = (self.now().millis(), self.wallet_id());
        let merchant: i64 = self
            .connection
            .prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM merchant")?
            .query_row([], |row| row.get(0))?;
        self.connection
            .prepare_cached(
                "INSERT INTO merchant (id, name, chain_head, wallet_id, wallet_guard, created_at, signing_secret)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                merchant,
                name,
                ChainHash::START.bytes(),
                wallet.number(),
                wallet.guard(),
                now,
                secret.map(SigningSecret::as_str),
            ])?;
        let merchant = MerchantId(merchant);
        for account in [Account::MerchantMain, Account::PlatformFees, Account::OutsideWorld] {
            self.insert_account(merchant, &account)?;
        }
        Ok(merchant)
    }

    /// Gives a merchant one more key.
    pub fn insert_merchant_key(&mut self, key_hash: &[u8; 32], owner: KeyOwner) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT INTO merchant_key (key_hash, merchant_id, scope) VALUES (?1, ?2, ?3)")?
            .execute(params![key_hash, owner.merchant.0, owner.scope.into_str()])?;
        Ok(())
    }

    /// Gives a key to another merchant.
    pub fn save_key_owner(&mut self, key_hash: &[u8; 32], merchant: MerchantId) -> Result<(), Error> {
        let changed = self
            .connection
            .prepare_cached("UPDATE merchant_key SET merchant_id = ?2 WHERE key_hash = ?1")?
            .execute(params![key_hash, merchant.0])?;
        one_row(changed, "a key")
    }

    /// Takes all keys away, from every merchant.
    pub fn delete_merchant_keys(&mut self) -> Result<(), Error> {
        self.connection.execute("DELETE FROM merchant_key", [])?;
        Ok(())
    }
}
