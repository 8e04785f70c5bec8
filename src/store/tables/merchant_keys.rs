//! The keys of merchants.

use std::sync::Arc;

use crate::domain::ids::MerchantId;
use crate::domain::merchant::key::{KeyAccess, KeyId, KeyOwner, KeyScope, MerchantKey, end_of};
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::columns::{read_all, row, stored_as_word};
use crate::store::tables::merchant_settings::address_ranges;
use crate::store::tx::{Snapshot, Tx};

stored_as_word!(KeyScope, "the scope of a key");

row! {
    struct AccessRow<'a>, access_columns! {
        merchant_id: MerchantId,
        scope: KeyScope,
        expires_at: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
        last_used_at: Option<Timestamp>,
        allowed_addresses: Option<&'a str>,
    }
}

row! {
    struct KeyRow, key_columns! {
        key_hash: [u8; 32],
        scope: KeyScope,
        label: Option<String>,
        ending: Option<String>,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
        last_used_at: Option<Timestamp>,
    }
}

row! {
    struct OwnerRow, owner_columns! {
        merchant_id: MerchantId,
        scope: KeyScope,
    }
}

impl Snapshot<'_> {
    /// Returns the owner of the key with this SHA-256 hash, also if the key has ended.
    pub fn owner_of_key(&self, key_hash: &[u8; 32]) -> Result<Option<KeyOwner>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            owner_columns!(),
            " FROM merchant_key WHERE key_hash = ?1"
        ))?;
        statement.first(params![key_hash], |row| {
            let row = OwnerRow::read(row)?;
            Ok(KeyOwner {
                merchant: row.merchant_id,
                scope: row.scope,
            })
        })
    }

    /// Returns what the key with this SHA-256 hash gives access to, also if it has ended.
    pub fn key_access(&self, key_hash: &[u8; 32]) -> Result<Option<KeyAccess>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            access_columns!(),
            " FROM merchant_key JOIN merchant ON merchant.id = merchant_id WHERE key_hash = ?1"
        ))?;
        statement.first(params![key_hash], |row| {
            let row = AccessRow::read(row)?;
            let allowed = row.allowed_addresses.map(address_ranges).transpose()?;
            Ok(KeyAccess {
                owner: KeyOwner {
                    merchant: row.merchant_id,
                    scope: row.scope,
                },
                ends_at: end_of(row.expires_at, row.revoked_at),
                last_used_at: row.last_used_at,
                allowed: allowed.map(Arc::from),
            })
        })
    }

    /// Returns the keys of a merchant, oldest first, also those that have ended.
    pub fn keys_of(&self, merchant: MerchantId) -> Result<Vec<MerchantKey>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            key_columns!(),
            " FROM merchant_key WHERE merchant_id = ?1 ORDER BY created_at, key_hash"
        ))?;
        read_all(statement.query(params![merchant.0])?, read_key)
    }

    /// Returns the key of a merchant with this id.
    pub fn merchant_key(&self, merchant: MerchantId, id: KeyId) -> Result<Option<MerchantKey>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            key_columns!(),
            " FROM merchant_key WHERE merchant_id = ?1 AND substr(key_hash, 1, 12) = ?2"
        ))?;
        statement.first(params![merchant.0, id.bytes()], read_key)
    }

    /// Returns the hash of the key of a sandbox's merchant, which has one unless a reset left it
    /// behind.
    pub fn sandbox_key_of(&self, merchant: MerchantId) -> Result<Option<[u8; 32]>, Error> {
        self.connection
            .prepare("SELECT key_hash FROM merchant_key WHERE merchant_id = ?1")?
            .first(params![merchant.0], |row| row.get(0))
    }

    /// Returns the key with this SHA-256 hash.
    pub fn merchant_key_of_hash(&self, key_hash: &[u8; 32]) -> Result<Option<MerchantKey>, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            key_columns!(),
            " FROM merchant_key WHERE key_hash = ?1"
        ))?;
        statement.first(params![key_hash], read_key)
    }
}

fn read_key(row: Row<'_>) -> Result<MerchantKey, Error> {
    let row = KeyRow::read(row)?;
    Ok(MerchantKey {
        hash: row.key_hash,
        scope: row.scope,
        label: row.label,
        ending: row.ending,
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        last_used_at: row.last_used_at,
    })
}

impl Tx<'_> {
    /// Returns the owner of the key with this SHA-256 hash, also if the key has ended. The commands
    /// of a group read it once.
    pub fn owner_of_key(&mut self, key_hash: &[u8; 32]) -> Result<Option<KeyOwner>, Error> {
        if self.state.has_key_change {
            return Snapshot::owner_of_key(self, key_hash);
        }
        if let Some(owner) = self.group.key_owners.get(key_hash) {
            return Ok(Some(*owner));
        }
        let owner = Snapshot::owner_of_key(self, key_hash)?;
        if let Some(owner) = owner {
            self.group.key_owners.insert(*key_hash, owner);
        }
        Ok(owner)
    }

    /// Adds the key of a sandbox to its merchant.
    pub fn insert_sandbox_key(&mut self, key_hash: &[u8; 32], owner: KeyOwner) -> Result<(), Error> {
        self.state.has_key_change = true;
        self.connection
            .prepare("INSERT INTO merchant_key (key_hash, merchant_id, scope, created_at) VALUES (?1, ?2, ?3, ?4)")?
            .change_row(
                params![
                    key_hash,
                    owner.merchant.0,
                    owner.scope.into_str(),
                    self.ledger_time().millis()
                ],
                "a key",
            )
    }

    /// Adds a key to a live merchant.
    pub fn insert_merchant_key(&mut self, merchant: MerchantId, key: &MerchantKey) -> Result<(), Error> {
        self.state.has_key_change = true;
        self.connection
            .prepare(
                "INSERT INTO merchant_key (key_hash, merchant_id, scope, label, ending, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .change_row(
                params![
                    key.hash,
                    merchant.0,
                    key.scope.into_str(),
                    key.label,
                    key.ending,
                    key.created_at.millis(),
                    key.expires_at.map(Timestamp::millis),
                ],
                "a key",
            )
    }

    /// Saves when a key ends and when it was last used.
    pub fn save_merchant_key(&mut self, key: &MerchantKey) -> Result<(), Error> {
        self.state.has_key_change = true;
        self.connection
            .prepare("UPDATE merchant_key SET expires_at = ?2, revoked_at = ?3, last_used_at = ?4 WHERE key_hash = ?1")?
            .change_row(
                params![
                    key.hash,
                    key.expires_at.map(Timestamp::millis),
                    key.revoked_at.map(Timestamp::millis),
                    key.last_used_at.map(Timestamp::millis),
                ],
                "a key",
            )
    }

    /// Gives a key that exists another hash, which no key has.
    pub fn save_key_hash(&mut self, key_hash: &[u8; 32], next: &[u8; 32]) -> Result<(), Error> {
        self.state.has_key_change = true;
        self.connection
            .prepare("UPDATE merchant_key SET key_hash = ?2 WHERE key_hash = ?1")?
            .change_row(params![key_hash, next], "a key")
    }

    /// Moves a key that exists to another merchant.
    pub fn save_key_owner(&mut self, key_hash: &[u8; 32], merchant: MerchantId) -> Result<(), Error> {
        self.state.has_key_change = true;
        self.connection
            .prepare("UPDATE merchant_key SET merchant_id = ?2 WHERE key_hash = ?1")?
            .change_row(params![key_hash, merchant.0], "a key")
    }
}
