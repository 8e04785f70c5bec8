//! Commands on the keys of live merchants.

use crate::commands::Error;
use crate::commands::operators::OperatorActor;
use crate::domain::invalid::Parsed;
use crate::domain::last_use;
use crate::domain::merchant::key::{KeyId, KeyScope, MerchantKey, NewKey, overlap_seconds};
use crate::domain::refusal::Refusal;
use crate::domain::treasury::act::ActKind;
use crate::store::{self, Tx};

/// The parsed request for a new key.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    pub scope: KeyScope,
    pub label: Option<String>,
}

/// Adds a key to a merchant. Only its hash is stored.
///
/// # Errors
///
/// Names the first field that is not valid.
pub fn create(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    request: Parsed<KeyRequest>,
    key: NewKey,
) -> Result<MerchantKey, Error> {
    let KeyRequest { scope, label } = request?;
    let key = MerchantKey::new(key, scope, label, tx.ledger_time());
    tx.insert_merchant_key(actor.merchant, &key)?;
    record(tx, actor, ActKind::KeyCreated, &key, None)?;
    Ok(key)
}

/// Replaces a key by one with the same scope and label. Both open routes until the overlap
/// ends. Returns the old key and the new one.
///
/// # Errors
///
/// Refuses a key that the merchant does not have, and one that has ended already.
pub fn rotate(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    id: Option<KeyId>,
    overlap_hours: Parsed<u32>,
    next: NewKey,
) -> Result<(MerchantKey, MerchantKey), Error> {
    let overlap_hours = overlap_hours?;
    let mut old = load(tx, actor, id)?;
    let new = old.rotate(next, overlap_seconds(overlap_hours), tx.ledger_time())?;
    tx.save_merchant_key(&old)?;
    tx.insert_merchant_key(actor.merchant, &new)?;
    record(tx, actor, ActKind::KeyRotated, &old, None)?;
    Ok((old, new))
}

/// Ends a key at once.
///
/// # Errors
///
/// Refuses a key that the merchant does not have, and one that has ended already.
pub fn revoke(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    id: Option<KeyId>,
    reason: Parsed<String>,
) -> Result<MerchantKey, Error> {
    let reason = reason?;
    let mut key = load(tx, actor, id)?;
    key.revoke(tx.ledger_time())?;
    tx.save_merchant_key(&key)?;
    record(tx, actor, ActKind::KeyRevoked, &key, Some(reason))?;
    Ok(key)
}

/// Saves that a key is being used, if its last use is long enough ago.
pub fn save_last_use(tx: &mut Tx<'_>, key_hash: &[u8; 32]) -> Result<(), store::Error> {
    let now = tx.ledger_time();
    if let Some(mut key) = tx.merchant_key_of_hash(key_hash)?
        && last_use::is_outdated(key.last_used_at, last_use::precision_of_key(key.ends_at()), now)
    {
        key.last_used_at = Some(now);
        tx.save_merchant_key(&key)?;
    }
    Ok(())
}

fn load(tx: &Tx<'_>, actor: &OperatorActor, id: Option<KeyId>) -> Result<MerchantKey, Error> {
    let key = id.map(|id| tx.merchant_key(actor.merchant, id)).transpose()?;
    Ok(key.flatten().ok_or(Refusal::KeyNotFound)?)
}

fn record(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    kind: ActKind,
    key: &MerchantKey,
    reason: Option<String>,
) -> Result<(), store::Error> {
    actor.record(tx, kind, key.id().to_string(), reason)
}
