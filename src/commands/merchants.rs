//! How merchants come to be: on first use in sandbox mode, from the
//! configuration in live mode (design section 6).

use crate::commands::deliveries;
use crate::domain::events::webhook_endpoint::WebhookUrlChoice;
use crate::domain::ids::MerchantId;
use crate::domain::merchant::{KeyOwner, KeyScope, SandboxKey};
use crate::store::{self, Tx};

/// A merchant of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredMerchant {
    /// Its name, which stays while keys change.
    pub name: String,
    /// SHA-256 hashes of its keys, and what each opens.
    pub keys: Vec<([u8; 32], KeyScope)>,
}

/// The merchant of a key, made now if this is the key's first use.
pub fn of_sandbox_key(tx: &mut Tx<'_>, key: &SandboxKey) -> Result<MerchantId, store::Error> {
    if let Some(owner) = tx.owner_of_key(key.hash())? {
        return Ok(owner.merchant);
    }
    let merchant = tx.insert_merchant(None, Some(key.signing_secret()))?;
    let scope = KeyScope::SuperAdmin;
    tx.insert_merchant_key(key.hash(), KeyOwner { merchant, scope })?;
    Ok(merchant)
}

/// Gives the sandbox key of this merchant another one with nothing in it, made now. The
/// one it had stays in the file, since a ledger is never rewritten; no key leads to it any
/// more, and what was still to be delivered for it goes nowhere.
pub fn start_over(tx: &mut Tx<'_>, key_hash: &[u8; 32], merchant: MerchantId) -> Result<MerchantId, store::Error> {
    let signing_secret = tx.webhook_endpoint(merchant)?.secret;
    tx.use_ledger_clock();
    let fresh = tx.insert_merchant(None, signing_secret.as_ref())?;
    tx.save_key_owner(key_hash, fresh)?;
    tx.save_webhook_url(merchant, &WebhookUrlChoice::Disabled)?;
    deliveries::discard_some(tx, merchant)?;
    tx.act_for(fresh)?;
    Ok(fresh)
}

/// Why the merchants of the configuration cannot be made to count.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// A key belongs to a merchant of another name. Under the new name there would
    /// be a merchant with nothing, and nobody could reach the old one's money.
    #[error(
        "a key of merchant {configured:?} belongs to merchant {stored:?} in the database; a merchant keeps its name, \
         so name it {stored:?} again, or give {configured:?} a key of its own"
    )]
    OtherName {
        /// The name in the configuration.
        configured: String,
        /// The name in the file.
        stored: String,
    },
    /// The store could not.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Makes the configured merchants that do not exist yet, and the configured keys
/// the only ones that count. Answers the merchants in the order given.
pub fn configure(tx: &mut Tx<'_>, merchants: &[ConfiguredMerchant]) -> Result<Vec<MerchantId>, ConfigureError> {
    for merchant in merchants {
        refuse_other_name(tx, merchant)?;
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

fn refuse_other_name(tx: &Tx<'_>, merchant: &ConfiguredMerchant) -> Result<(), ConfigureError> {
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
