//! The merchants of a live service in tests. They are inserted when the service has started,
//! with keys that the tests know, which no route of operators can do.

use std::ops::{Deref, DerefMut};

use escrowd::config::Config;
use escrowd::domain::address_range::AddressRange;
use escrowd::domain::customers::country::Country;
use escrowd::domain::events::webhook_endpoint::SigningSecret;
use escrowd::domain::merchant::key::{KeyScope, MerchantKey, NewKey};
use escrowd::domain::merchant::settings::OwnSettings;
use escrowd::domain::time::Timestamp;
use escrowd::domain::transaction::DepositAccount;
use escrowd::store::{Error, Store, Tx};

/// 2096-10-02.
const FAR_FUTURE_MILLIS: i64 = 4_000_000_000_000;

/// The settings of a service, and the merchants that it has.
pub(crate) struct TestConfig {
    config: Config,
    pub(crate) merchant: Vec<Merchant>,
}

/// A live merchant.
#[derive(Clone)]
pub(crate) struct Merchant {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    /// A key that is limited to the routes of business accounts.
    pub(crate) business_key: Option<&'static str>,
    pub(crate) is_business: bool,
    pub(crate) country: Option<Country>,
    pub(crate) commission_bps: Option<u16>,
    pub(crate) deposit_account: Option<DepositAccount>,
    pub(crate) allowed_addresses: Vec<AddressRange>,
    pub(crate) paystack_secret: Option<SigningSecret>,
}

impl Merchant {
    pub(crate) const fn new(name: &'static str, key: &'static str) -> Self {
        Self {
            name,
            key,
            business_key: None,
            is_business: true,
            country: None,
            commission_bps: None,
            deposit_account: None,
            allowed_addresses: Vec::new(),
            paystack_secret: None,
        }
    }

    fn insert(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let id = match tx.merchant_named(self.name)? {
            Some(id) if !tx.keys_of(id)?.is_empty() => return Ok(()),
            Some(id) => id,
            None => tx.insert_merchant(Some(self.name), None)?,
        };
        let mut merchant = tx.merchant_settings(id)?.unwrap();
        merchant.own = OwnSettings {
            is_business: Some(self.is_business),
            country: self.country,
            commission_bps: self.commission_bps,
        };
        merchant.deposit_account.clone_from(&self.deposit_account);
        merchant.allowed_addresses.clone_from(&self.allowed_addresses);
        tx.save_merchant_settings(&merchant)?;
        let keys = [
            (Some(self.key), KeyScope::SuperAdmin),
            (self.business_key, KeyScope::Business),
        ];
        for (key, scope) in keys {
            let Some(key) = key else { continue };
            let mut key = MerchantKey::new(NewKey::of(key), scope, None, tx.ledger_time());
            tx.insert_merchant_key(id, &key)?;
            // No use of it is saved beside a request.
            key.last_used_at = Timestamp::from_millis(FAR_FUTURE_MILLIS);
            tx.save_merchant_key(&key)?;
        }
        tx.save_notice_secret(id, "paystack", self.paystack_secret.as_ref())
    }
}

impl TestConfig {
    pub(crate) const fn of(config: Config) -> Self {
        Self {
            config,
            merchant: Vec::new(),
        }
    }

    /// Inserts the merchants that the file does not have yet.
    pub(crate) async fn insert_merchants(&self, store: &Store) {
        for merchant in self.merchant.clone() {
            store.configure(move |tx| merchant.insert(tx)).await.unwrap();
        }
    }
}

impl Deref for TestConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl DerefMut for TestConfig {
    fn deref_mut(&mut self) -> &mut Config {
        &mut self.config
    }
}
