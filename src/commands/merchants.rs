//! Creating merchants: on the first use of a key in sandbox mode, from the configuration in
//! live mode (architecture section 6).

use crate::commands::deliveries;
use crate::domain::events::webhook_endpoint::WebhookUrlChoice;
use crate::domain::ids::MerchantId;
use crate::domain::merchant::{KeyOwner, KeyScope, SandboxKey};
use crate::store::{self, Tx};

/// A merchant of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredMerchant {
    /// Its name, which identifies it when its keys change.
    pub name: String,
    /// The SHA-256 hashes of its keys, each with the key's scope.
    pub keys: Vec<([u8; 32], KeyScope)>,
}

/// Returns the merchant of a sandbox key. Creates it on the first use of the key.
pub fn of_sandbox_key(tx: &mut Tx<'_>, key: &SandboxKey) -> Result<MerchantId, store::Error> {
    if let Some(owner) = tx.owner_of_key(key.hash())? {
        return Ok(owner.merchant);
    }
    let merchant = tx.insert_merchant(None, Some(key.signing_secret()))?;
    let scope = KeyScope::SuperAdmin;
    tx.insert_merchant_key(key.hash(), KeyOwner { merchant, scope })?;
    Ok(merchant)
}

/// Creates an empty merchant and moves the sandbox key of `merchant` to it. The old merchant
/// is left behind without a key, and retention removes its rows later: the time of a reset
/// does not depend on their number. Disables its webhook endpoint and deletes its pending
/// deliveries, as [`webhook_endpoints::set`] does.
///
/// [`webhook_endpoints::set`]: crate::commands::webhook_endpoints::set
pub fn reset(tx: &mut Tx<'_>, key_hash: &[u8; 32], merchant: MerchantId) -> Result<MerchantId, store::Error> {
    let signing_secret = tx.webhook_endpoint(merchant)?.secret;
    // The new merchant's clock has no offset, so its first times are ledger times.
    tx.use_ledger_clock();
    let new_merchant = tx.insert_merchant(None, signing_secret.as_ref())?;
    tx.save_key_owner(key_hash, new_merchant)?;
    tx.save_left_behind(merchant)?;
    tx.save_webhook_endpoint(merchant, &WebhookUrlChoice::Disabled, None)?;
    deliveries::discard_some(tx, merchant)?;
    tx.act_for(new_merchant)?;
    Ok(new_merchant)
}

/// The reason why the configured merchants were not applied.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// A configured key belongs to a stored merchant with another name. If the server
    /// accepted the new name, it would create an empty merchant for the key, and no key
    /// would reach the money of the stored one.
    #[error(
        "a key of merchant {configured:?} belongs to merchant {stored:?} in the database; a merchant keeps its name, \
         so name it {stored:?} again, or give {configured:?} a key of its own"
    )]
    OtherName {
        /// The name in the configuration.
        configured: String,
        /// The name in the database.
        stored: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Creates the configured merchants that do not exist yet, and replaces all stored keys by
/// the configured ones. Returns the merchants in the order of `merchants`.
///
/// # Errors
///
/// Returns [`ConfigureError::OtherName`] for a key that belongs to a merchant with another
/// name.
pub fn configure(tx: &mut Tx<'_>, merchants: &[ConfiguredMerchant]) -> Result<Vec<MerchantId>, ConfigureError> {
    for merchant in merchants {
        check_name(tx, merchant)?;
    }
    tx.delete_merchant_keys()?;
    let mut configured = Vec::with_capacity(merchants.len());
    for ConfiguredMerchant { name, keys } in merchants {
        let merchant = match tx.merchant_named(name)? {
            Some(merchant) => merchant,
            None => tx.insert_merchant(Some(name), None)?,
        };
        for &(key_hash, scope) in keys {
            tx.insert_merchant_key(&key_hash, KeyOwner { merchant, scope })?;
        }
        configured.push(merchant);
    }
    Ok(configured)
}

fn check_name(tx: &Tx<'_>, merchant: &ConfiguredMerchant) -> Result<(), ConfigureError> {
    for (key_hash, _) in &merchant.keys {
        let holder = tx.owner_of_key(key_hash)?;
        let stored = holder
            .map(|holder| tx.merchant_name(holder.merchant))
            .transpose()?
            .flatten();
        if let Some(stored) = stored.filter(|stored| *stored != merchant.name) {
            return Err(ConfigureError::OtherName {
                configured: merchant.name.clone(),
                stored,
            });
        }
    }
    Ok(())
}
