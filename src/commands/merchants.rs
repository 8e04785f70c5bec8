//! Creating merchants: on the first use of a key in sandbox mode, by operators in live mode
//! (architecture section 6).

use crate::commands::operators::{self, OperatorActor};
use crate::commands::{Error, Policy, deliveries};
use crate::domain::events::webhook_endpoint::{SigningSecret, WebhookUrlChoice};
use crate::domain::ids::MerchantId;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::merchant::key::{KeyOwner, KeyScope, MerchantKey, NewKey, SandboxKey};
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::merchant::settings::{Merchant, SettingsChange};
use crate::domain::refusal::Refusal;
use crate::domain::treasury::act::{ActKind, Agent};
use crate::store::{self, Tx};

/// The parsed request for a new merchant.
#[derive(Clone, Debug)]
pub struct MerchantRequest {
    pub name: String,
    pub settings: SettingsChange,
}

/// Creates a live merchant with a key for every route.
///
/// # Errors
///
/// Refuses, in this order: an operator who is limited to some merchants, a name that another
/// merchant has, a commission that is too high.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    agent: &Agent,
    request: Parsed<MerchantRequest>,
    key: NewKey,
) -> Result<(Merchant, MerchantKey), Error> {
    let MerchantRequest { name, settings } = request?;
    if !operators::covers(tx, agent, &[])? {
        return Err(Refusal::OperatorLimited.into());
    }
    if tx.merchant_named(&name)?.is_some() {
        return Err(Refusal::MerchantNameTaken.into());
    }
    let id = tx.insert_merchant(Some(&name), None)?;
    let merchant = change_settings(tx, policy, id, settings)?;
    let key = MerchantKey::new(key, KeyScope::SuperAdmin, None, tx.ledger_time());
    tx.insert_merchant_key(id, &key)?;
    let actor = OperatorActor {
        merchant: id,
        agent: agent.clone(),
    };
    actor.record(tx, ActKind::MerchantCreated, id.0.to_string(), None)?;
    Ok((merchant, key))
}

/// Changes a live merchant's settings. Escrows that exist keep the fees that they were offered
/// with.
///
/// The act names the changed settings.
///
/// # Errors
///
/// Refuses a change of nothing, and a commission that is too high.
pub fn change(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    change: Parsed<SettingsChange>,
) -> Result<Merchant, Error> {
    let change = change?;
    let fields = change.fields();
    if fields.is_empty() {
        let expected = "an object with at least one setting to change";
        return Err(Invalid::wrong("the body", expected, "none").into());
    }
    let merchant = change_settings(tx, policy, actor.merchant, change)?;
    let (subject, changed) = (merchant.id.0.to_string(), fields.join(", "));
    actor.record(tx, ActKind::MerchantChanged, subject, Some(changed))?;
    Ok(merchant)
}

fn change_settings(
    tx: &mut Tx<'_>,
    policy: &Policy,
    id: MerchantId,
    change: SettingsChange,
) -> Result<Merchant, Error> {
    let mut merchant = tx.merchant_settings(id)?.ok_or(Refusal::MerchantNotFound)?;
    change.apply_to(&mut merchant, policy.merchant_settings_default.rates)?;
    tx.save_merchant_settings(&merchant)?;
    Ok(merchant)
}

/// Saves or removes the secret with which a payment provider signs its notices to a merchant.
///
/// # Errors
///
/// Names the field of an invalid secret.
pub fn set_notice_secret(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    provider: &'static str,
    secret: Parsed<Option<SigningSecret>>,
) -> Result<(), Error> {
    tx.save_notice_secret(actor.merchant, provider, secret?.as_ref())?;
    Ok(actor.record(tx, ActKind::NoticeSecretSet, provider.to_owned(), None)?)
}

/// Returns the merchant of a sandbox key. Creates it on the first use of the key.
pub fn of_sandbox_key(tx: &mut Tx<'_>, key: &SandboxKey) -> Result<MerchantId, store::Error> {
    if let Some(owner) = tx.owner_of_key(key.hash())? {
        return Ok(owner.merchant);
    }
    let merchant = tx.insert_merchant(None, Some(key.signing_secret()))?;
    if key.is_of_default_merchant() {
        tx.save_publishable_key(merchant, Some(&PublishableKey::of_default_merchant()))?;
    }
    let scope = KeyScope::SuperAdmin;
    tx.insert_sandbox_key(key.hash(), KeyOwner { merchant, scope })?;
    Ok(merchant)
}

/// Gives the default merchant's key the hash that requests without a key have. In a former version
/// `sk_test_default` had a hash of its own, so it and the requests without a key could have a
/// merchant each. Returns false and changes nothing if requests without a key already have a
/// merchant, which is then the default merchant for both.
pub fn mend_default_key(tx: &mut Tx<'_>) -> Result<bool, store::Error> {
    let former = SandboxKey::former_default_hash();
    let default = SandboxKey::new("");
    let Some(owner) = tx.owner_of_key(&former)? else {
        return Ok(true);
    };
    if tx.owner_of_key(default.hash())?.is_some() {
        return Ok(false);
    }
    tx.save_key_hash(&former, default.hash())?;
    tx.save_publishable_key(owner.merchant, Some(&PublishableKey::of_default_merchant()))?;
    Ok(true)
}

/// Creates an empty merchant and moves the sandbox key and the publishable key of `merchant` to
/// it. The old merchant is left behind without a key, and retention removes its rows later: the
/// time of a reset does not depend on their number. Disables its webhook endpoint and deletes its
/// pending deliveries, as [`webhook_endpoints::set`] does.
///
/// [`webhook_endpoints::set`]: crate::commands::webhook_endpoints::set
pub fn reset(tx: &mut Tx<'_>, key_hash: &[u8; 32], merchant: MerchantId) -> Result<MerchantId, store::Error> {
    let signing_secret = tx.webhook_endpoint(merchant)?.secret;
    let publishable_key = tx.publishable_key(merchant)?;
    // The new merchant's clock has no offset, so its first times are ledger times.
    tx.use_ledger_clock();
    let new_merchant = tx.insert_merchant(None, signing_secret.as_ref())?;
    tx.save_key_owner(key_hash, new_merchant)?;
    tx.save_publishable_key(merchant, None)?;
    tx.save_publishable_key(new_merchant, publishable_key.as_ref())?;
    tx.save_left_behind(merchant)?;
    tx.save_webhook_endpoint(merchant, &WebhookUrlChoice::Disabled, None)?;
    deliveries::discard_some(tx, merchant)?;
    tx.act_for(new_merchant)?;
    Ok(new_merchant)
}
