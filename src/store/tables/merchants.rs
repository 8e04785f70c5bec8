//! Merchants.

use std::mem;

use crate::domain::chain_hash::ChainHash;
use crate::domain::customers::country::Country;
use crate::domain::customers::customer::Wallet;
use crate::domain::events::choice::EventChoice;
use crate::domain::events::webhook_endpoint::{SigningSecret, StoredWebhookEndpoint, WebhookUrl, WebhookUrlChoice};
use crate::domain::ids::{IdSource, MerchantId, WalletId};
use crate::domain::ledger::Account;
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::merchant::settings::OwnSettings;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::sandbox::clock_offset::ClockOffset;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Value, params};
use crate::store::merchant_row::{MerchantRow, Unsaved};
use crate::store::tables::columns::{broken, no_merchant, read_all, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct CommandRow<'a>, command_columns! {
        wallet_id: i64,
        wallet_guard: u32,
        clock_offset_millis: ClockOffset,
        is_business: Option<bool>,
        country: Option<Country>,
        commission_bps: Option<u16>,
        left_at: Option<Timestamp>,
        chain_head: [u8; 32],
        callback_url: Option<&'a str>,
        callback_events: Option<&'a str>,
        callback_gone_at: Option<Timestamp>,
        callback_version: u32,
        signing_secret: Option<&'a str>,
        previous_signing_secret: Option<&'a str>,
        previous_secret_until: Option<Timestamp>,
    }
}

row! {
    struct WalletRow, wallet_columns! {
        wallet_id: i64,
        wallet_guard: u32,
        created_at: Timestamp = "merchant.created_at",
        balance: Amount,
        updated_at: Timestamp,
    }
}

/// Returns the webhook endpoint of a row.
fn webhook_endpoint_of(row: &CommandRow<'_>) -> Result<StoredWebhookEndpoint, Error> {
    let choice = match row.callback_url {
        None => WebhookUrlChoice::Configured,
        Some("") => WebhookUrlChoice::Disabled,
        Some(url) => WebhookUrl::parse(url, Mode::Sandbox)
            .map(WebhookUrlChoice::Url)
            // Its query may hold a secret, and the error is logged.
            .map_err(|_| broken("a callback URL", url.split('?').next().unwrap_or_default()))?,
    };
    let events = row
        .callback_events
        .map(|events| EventChoice::parse(events).ok_or_else(|| broken("a choice of events", events)))
        .transpose()?;
    Ok(StoredWebhookEndpoint {
        choice,
        events,
        missed_since: row.callback_gone_at,
        version: row.callback_version,
        secret: row.signing_secret.map(SigningSecret::new),
        previous_secret: row
            .previous_signing_secret
            .map(SigningSecret::new)
            .zip(row.previous_secret_until),
    })
}

impl Snapshot<'_> {
    /// Returns the columns of a merchant that commands use.
    ///
    /// # Errors
    ///
    /// [`Error::MerchantGone`] if there is no such merchant.
    pub(crate) fn merchant_row(&self, merchant: MerchantId) -> Result<MerchantRow, Error> {
        let mut statement =
            self.connection
                .prepare(concat!("SELECT ", command_columns!(), " FROM merchant WHERE id = ?1"))?;
        let mut rows = statement.query(params![merchant.0])?;
        let Some(row) = rows.next()? else {
            return Err(Error::MerchantGone(merchant.0));
        };
        let row = CommandRow::read(row)?;
        Ok(MerchantRow {
            id: merchant,
            wallet_id: WalletId::new(row.wallet_id, row.wallet_guard),
            clock: row.clock_offset_millis,
            own: OwnSettings {
                is_business: row.is_business,
                country: row.country,
                commission_bps: row.commission_bps,
            },
            is_left_behind: row.left_at.is_some(),
            chain_head: ChainHash::from_bytes(row.chain_head),
            unsaved: Unsaved::default(),
            webhook_endpoint: webhook_endpoint_of(&row)?,
        })
    }

    /// Returns the name of a live merchant.
    pub fn merchant_name(&self, merchant: MerchantId) -> Result<Option<String>, Error> {
        self.connection
            .prepare("SELECT name FROM merchant WHERE id = ?1")?
            .one(params![merchant.0], |row| row.get(0))
    }

    /// Returns the merchant's own wallet, with its earnings. Its escrow balance is always
    /// zero, since a merchant never funds an escrow.
    pub fn merchant_wallet(&self, merchant: MerchantId) -> Result<Wallet, Error> {
        let mut statement = self.connection.prepare(concat!(
            "SELECT ",
            wallet_columns!(),
            " FROM merchant JOIN account ON merchant_id = merchant.id AND customer_id IS NULL
             WHERE merchant.id = ?1 AND purpose = 'MERCHANT_MAIN'"
        ))?;
        let mut rows = statement.query(params![merchant.0])?;
        let Some(row) = rows.next()? else {
            return Err(no_merchant(merchant));
        };
        let row = WalletRow::read(row)?;
        Ok(Wallet {
            id: WalletId::new(row.wallet_id, row.wallet_guard),
            created_at: row.created_at,
            main_balance: row.balance,
            escrow_balance: Amount::ZERO,
            updated_at: row.updated_at,
        })
    }

    /// Returns the key that names the merchant in its web pages, or `None` for a merchant that a
    /// reset left behind.
    pub fn publishable_key(&self, merchant: MerchantId) -> Result<Option<PublishableKey>, Error> {
        let key: Option<String> = self
            .connection
            .prepare("SELECT publishable_key FROM merchant WHERE id = ?1")?
            .one(params![merchant.0], |row| row.get(0))?;
        let parse = |key: String| PublishableKey::parse(&key).ok_or_else(|| broken("a publishable key", &key));
        key.map(parse).transpose()
    }

    /// Returns the merchant with this publishable key.
    pub fn merchant_of_publishable_key(&self, key: &PublishableKey) -> Result<Option<MerchantId>, Error> {
        self.connection
            .prepare("SELECT id FROM merchant WHERE publishable_key = ?1")?
            .first(params![key.as_str()], |row| row.get(0))
    }

    /// Returns the live merchant with this name.
    pub fn merchant_named(&self, name: &str) -> Result<Option<MerchantId>, Error> {
        self.connection
            .prepare("SELECT id FROM merchant WHERE name = ?1")?
            .first(params![name], |row| row.get(0))
    }

    /// Returns the merchant that has this text as its id or, if none has, as its name.
    pub fn merchant_by_id_or_name(&self, text: &str) -> Result<Option<MerchantId>, Error> {
        let id = text.parse().ok().filter(|id: &i64| id.to_string() == text);
        match id.map(MerchantId) {
            Some(id) if self.has_merchant(id)? => Ok(Some(id)),
            _ => self.merchant_named(text),
        }
    }

    /// Returns the oldest merchants, at most this many.
    pub fn first_merchants(&self, most: i64) -> Result<Vec<MerchantId>, Error> {
        let mut statement = self
            .connection
            .prepare("SELECT id FROM merchant WHERE left_at IS NULL ORDER BY id LIMIT ?1")?;
        read_all(statement.query(params![most])?, |row| row.get(0))
    }

    /// Returns true if a merchant exists that no reset has left behind.
    pub fn has_merchant(&self, merchant: MerchantId) -> Result<bool, Error> {
        self.connection
            .prepare("SELECT 1 FROM merchant WHERE id = ?1 AND left_at IS NULL")?
            .exists(params![merchant.0])
    }
}

impl Tx<'_> {
    /// Sets the merchant that the rest of this command acts for, and switches to its clock.
    ///
    /// # Errors
    ///
    /// [`Error::MerchantGone`] if a reset has left the merchant behind: its rows are being removed.
    pub fn act_for(&mut self, merchant: MerchantId) -> Result<(), Error> {
        if self.merchant(merchant)?.is_left_behind {
            return Err(Error::MerchantGone(merchant.0));
        }
        self.act_for_any(merchant)
    }

    /// Sets the merchant as [`Tx::act_for`] does, also one that a reset has left behind. Only what
    /// was due before its rows are removed is done for such a merchant.
    pub fn act_for_any(&mut self, merchant: MerchantId) -> Result<(), Error> {
        self.state.clock = self.merchant(merchant)?.clock;
        self.state.acts_for = Some(merchant);
        Ok(())
    }

    /// Returns a merchant's row. The commands of a group load it once.
    pub fn merchant(&mut self, merchant: MerchantId) -> Result<&MerchantRow, Error> {
        self.merchant_mut(merchant).map(|row| &*row)
    }

    /// Returns the loaded row of a merchant. A method that changes the table must change
    /// this row too.
    pub(crate) fn merchant_mut(&mut self, merchant: MerchantId) -> Result<&mut MerchantRow, Error> {
        let loaded = self.state.memory.merchants.iter().position(|row| row.id == merchant);
        if let Some(place) = loaded {
            return Ok(&mut self.state.memory.merchants[place]);
        }
        let row = match self.group.merchants.get(&merchant) {
            Some(row) => row.clone(),
            None => self.merchant_row(merchant)?,
        };
        Ok(self.state.memory.merchants.push_mut(row))
    }

    /// Returns the rows of all merchants that the group has loaded.
    pub(crate) fn loaded_merchants(&mut self) -> &mut [MerchantRow] {
        let own = &mut self.state.memory.merchants;
        for row in self.group.merchants.values() {
            if own.iter().all(|known| known.id != row.id) {
                own.push(row.clone());
            }
        }
        own
    }

    /// Writes the heads of chains and the counts of events that the group has changed. The writer
    /// does so before each commit, and a command before it removes rows. [`Tx::keep`] passes
    /// what was written on to the group.
    pub fn save_merchants(&mut self) -> Result<(), Error> {
        let connection = self.connection;
        let mut values: Vec<[Value<'_>; 3]> = Vec::new();
        let is_unsaved = |row: &&MerchantRow| row.unsaved != Unsaved::default();
        let of_group: Vec<MerchantId> = self
            .group
            .merchants
            .values()
            .filter(is_unsaved)
            .map(|row| row.id)
            .collect();
        for merchant in of_group {
            self.merchant(merchant)?;
        }
        for row in &mut self.state.memory.merchants {
            let unsaved = mem::take(&mut row.unsaved);
            if unsaved != Unsaved::default() {
                values.push([
                    row.id.0.into(),
                    Value::Blob(row.chain_head.bytes()),
                    unsaved.events.into(),
                ]);
            }
        }
        connection.change_rows(
            "UPDATE merchant SET chain_head = ?2, event_count = event_count + ?3 WHERE id = ?1",
            &values,
            "a merchant",
        )
    }

    /// Inserts a merchant with its own accounts, a publishable key and no secret key. A live
    /// merchant has a name; a merchant of a sandbox key has the secret that signs its events.
    pub fn insert_merchant(&mut self, name: Option<&str>, secret: Option<&SigningSecret>) -> Result<MerchantId, Error> {
        let (now, wallet) = (self.now().millis(), self.wallet_id());
        let mode = if name.is_some() { Mode::Live } else { Mode::Sandbox };
        let publishable_key = PublishableKey::from_random(mode, self.random());
        let merchant: i64 = self
            .connection
            .prepare("SELECT coalesce(max(id), 0) + 1 FROM merchant")?
            .one(params![], |row| row.get(0))?;
        self.connection
            .prepare(
                "INSERT INTO merchant (id, name, chain_head, wallet_id, wallet_guard, created_at, signing_secret,
                     publishable_key)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .change_row(
                params![
                    merchant,
                    name,
                    ChainHash::START.bytes(),
                    wallet.number(),
                    wallet.guard(),
                    now,
                    secret.map(SigningSecret::as_str),
                    publishable_key.as_str(),
                ],
                "a merchant",
            )?;
        let merchant = MerchantId(merchant);
        for account in Account::OF_MERCHANT {
            self.insert_account(merchant, &account)?;
        }
        // The number may be that of a merchant whose row the group has loaded and then removed.
        self.state.memory.merchants.retain(|row| row.id != merchant);
        let row = self.merchant_row(merchant)?;
        self.state.memory.merchants.push(row);
        Ok(merchant)
    }

    /// Saves or removes the key that names a merchant in its web pages.
    pub fn save_publishable_key(&mut self, merchant: MerchantId, key: Option<&PublishableKey>) -> Result<(), Error> {
        self.connection
            .prepare("UPDATE merchant SET publishable_key = ?2 WHERE id = ?1")?
            .change_row(params![merchant.0, key.map(PublishableKey::as_str)], "a merchant")
    }

    /// Marks a merchant as left behind, after its key has moved to another.
    pub fn save_left_behind(&mut self, merchant: MerchantId) -> Result<(), Error> {
        self.connection
            .prepare("UPDATE merchant SET left_at = ?2 WHERE id = ?1")?
            .change_row(params![merchant.0, self.ledger_time().millis()], "a merchant")?;
        self.merchant_mut(merchant)?.is_left_behind = true;
        Ok(())
    }
}
