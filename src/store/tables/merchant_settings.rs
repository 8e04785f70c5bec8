//! The settings of merchants, and the secrets of payment providers.

use crate::domain::address_range::AddressRange;
use crate::domain::customers::country::Country;
use crate::domain::events::webhook_endpoint::SigningSecret;
use crate::domain::ids::MerchantId;
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::merchant::settings::{Merchant, OwnSettings};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::domain::transaction::DepositAccount;
use crate::store::engine::error::Error;
use crate::store::engine::sql::{Row, params};
use crate::store::tables::columns::{broken, read_all, row};
use crate::store::tx::{Snapshot, Tx};

row! {
    struct SettingsRow<'a>, settings_columns! {
        id: MerchantId,
        name: Option<String>,
        is_business: Option<bool>,
        country: Option<Country>,
        commission_bps: Option<u16>,
        deposit_account: Option<&'a str>,
        allowed_addresses: Option<&'a str>,
        publishable_key: Option<&'a str>,
        created_at: Timestamp,
    }
}

macro_rules! select_settings {
    ($condition:literal) => {
        concat!("SELECT ", settings_columns!(), " FROM merchant WHERE ", $condition)
    };
}

impl Snapshot<'_> {
    /// Returns a merchant with its settings.
    pub fn merchant_settings(&self, merchant: MerchantId) -> Result<Option<Merchant>, Error> {
        let mut statement = self.connection.prepare(select_settings!("id = ?1"))?;
        statement.first(params![merchant.0], read_merchant)
    }

    /// Returns a page of the merchants with a name, oldest first: those among `only`. An empty `only`
    /// stands for all merchants.
    pub fn merchants(&self, only: &[MerchantId], request: PageRequest) -> Result<Page<Merchant>, Error> {
        let ids: Vec<i64> = only.iter().map(|merchant| merchant.0).collect();
        let ids = serde_json::to_string(&ids).expect("numbers are JSON");
        let mut statement = self.connection.prepare(select_settings!(
            "name IS NOT NULL AND id > ?3 AND (?4 = '[]' OR id IN (/*sqlite*/SELECT value FROM json_each(?4)/*end*/
                     /*postgres SELECT value::bigint FROM json_array_elements_text(?4::json) AS one (value)*/))
             ORDER BY id LIMIT ?1 OFFSET ?2"
        ))?;
        let rows = statement.query(params![request.rows_read(), request.offset(), request.behind(), ids])?;
        let rows = read_all(rows, read_merchant)?;
        let count = self.count(
            "SELECT count(*) FROM merchant
             WHERE name IS NOT NULL AND (?1 = '[]' OR id IN (/*sqlite*/SELECT value FROM json_each(?1)/*end*/
                 /*postgres SELECT value::bigint FROM json_array_elements_text(?1::json) AS one (value)*/))",
            params![&ids],
        )?;
        Ok(Page::of(rows, count, request, |merchant| merchant.id.0))
    }

    /// Returns true if there is a merchant with a name: in live mode, if there is any.
    pub fn has_named_merchant(&self) -> Result<bool, Error> {
        self.connection
            .prepare("SELECT 1 FROM merchant WHERE name IS NOT NULL LIMIT 1")?
            .exists(params![])
    }

    /// Returns the name and the commission of a merchant whose commission is above this one.
    pub fn merchant_with_commission_above(&self, bps: u16) -> Result<Option<(String, u16)>, Error> {
        self.connection
            .prepare(
                "SELECT name, commission_bps FROM merchant WHERE commission_bps > ?1 ORDER BY commission_bps DESC",
            )?
            .first(params![bps], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Returns true if customers of another merchant pay to this account at the bank. Merchants
    /// without an account of their own have the default one.
    pub fn is_deposited_to_beside(
        &self,
        merchant: MerchantId,
        account: &DepositAccount,
        default: Option<&DepositAccount>,
    ) -> Result<bool, Error> {
        self.connection.prepare(DEPOSITED_TO)?.exists(params![
            merchant.0,
            account.account_number,
            account.bank_code,
            default.map(stored_account)
        ])
    }

    /// Returns the secret with which a payment provider signs its notices to a merchant.
    pub fn notice_secret(&self, merchant: MerchantId, provider: &str) -> Result<Option<SigningSecret>, Error> {
        let secret: Option<String> = self
            .connection
            .prepare("SELECT secret FROM notice_secret WHERE merchant_id = ?1 AND provider = ?2")?
            .first(params![merchant.0, provider], |row| row.get(0))?;
        Ok(secret.map(SigningSecret::new))
    }
}

/// A merchant other than ?1 with the account of this number at the bank of this code.
const DEPOSITED_TO: &str = "SELECT 1 FROM merchant
     WHERE id <> ?1 AND coalesce(deposit_account, ?4)/*postgres ::json*/ ->> 'account_number' = ?2
         AND (coalesce(deposit_account, ?4)/*postgres ::json*/ ->> 'bank_code') IS ?3 LIMIT 1";

fn read_merchant(row: Row<'_>) -> Result<Merchant, Error> {
    let row = SettingsRow::read(row)?;
    let account = |json: &str| serde_json::from_str(json).map_err(|_| broken("a deposit account", json));
    let addresses = row.allowed_addresses.map(address_ranges).transpose()?;
    let publishable_key = |key: &str| PublishableKey::parse(key).ok_or_else(|| broken("a publishable key", key));
    Ok(Merchant {
        id: row.id,
        name: row.name,
        own: OwnSettings {
            is_business: row.is_business,
            country: row.country,
            commission_bps: row.commission_bps,
        },
        deposit_account: row.deposit_account.map(account).transpose()?,
        allowed_addresses: addresses.unwrap_or_default(),
        publishable_key: row.publishable_key.map(publishable_key).transpose()?,
        created_at: row.created_at,
    })
}

/// Parses stored ranges of addresses.
pub(crate) fn address_ranges(stored: &str) -> Result<Vec<AddressRange>, Error> {
    let ranges = stored.split(' ').map(AddressRange::parse).collect::<Result<_, _>>();
    ranges.map_err(|_| broken("ranges of addresses", stored))
}

impl Tx<'_> {
    /// Saves a merchant's settings.
    pub fn save_merchant_settings(&mut self, merchant: &Merchant) -> Result<(), Error> {
        self.state.has_key_change = true;
        let addresses: Vec<String> = merchant.allowed_addresses.iter().map(AddressRange::to_string).collect();
        self.connection
            .prepare(
                "UPDATE merchant SET is_business = ?2, country = ?3, commission_bps = ?4, deposit_account = ?5,
                     allowed_addresses = nullif(?6, '')
                 WHERE id = ?1",
            )?
            .change_row(
                params![
                    merchant.id.0,
                    merchant.own.is_business,
                    merchant.own.country.as_ref().map(Country::code),
                    merchant.own.commission_bps,
                    merchant.deposit_account.as_ref().map(stored_account),
                    addresses.join(" "),
                ],
                "a merchant",
            )?;
        self.merchant_mut(merchant.id)?.own = merchant.own;
        Ok(())
    }

    /// Saves or removes the secret with which a payment provider signs its notices.
    pub fn save_notice_secret(
        &mut self,
        merchant: MerchantId,
        provider: &str,
        secret: Option<&SigningSecret>,
    ) -> Result<(), Error> {
        match secret {
            Some(secret) => self
                .connection
                .prepare(
                    "INSERT INTO notice_secret (merchant_id, provider, secret) VALUES (?1, ?2, ?3)
                     ON CONFLICT (merchant_id, provider) DO UPDATE SET secret = excluded.secret",
                )?
                .execute(params![merchant.0, provider, secret.as_str()])?,
            None => self
                .connection
                .prepare("DELETE FROM notice_secret WHERE merchant_id = ?1 AND provider = ?2")?
                .execute(params![merchant.0, provider])?,
        };
        Ok(())
    }
}

fn stored_account(account: &DepositAccount) -> String {
    serde_json::to_string(account).expect("texts are JSON")
}
