//! Commands that happen once, however often they are asked for under one key.
//!
//! Key, effect and reply are one commit, so that a retry finds all of it or nothing. Kept
//! is what the command decided: a success, and a refusal on the state of things, since a
//! retry must never do something else than the first try. A body that could not be read
//! as what it must be, and a failure of the store, leave the key free.

use crate::commands::{Error, Policy};
use crate::domain::idempotency::{Difference, IdempotencyKey, IdempotencyRecord, RequestFingerprint, StoredReply};
use crate::domain::party::Actor;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// A request under a key.
#[derive(Clone, Debug)]
pub struct IdempotentRequest {
    /// The key.
    pub key: IdempotencyKey,
    /// What is asked under it.
    pub fingerprint: RequestFingerprint,
}

/// What came of a request under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotentOutcome {
    /// The command ran now.
    Done(StoredReply),
    /// It ran before.
    Replayed(StoredReply),
    /// Something else ran before under this key.
    KeyReused(Difference),
}

/// Runs an actor's command unless it ran before, and keeps the reply. A command that the
/// merchant starts over with leaves the reply to the merchant that the key has then. What
/// a refused command did is undone, except that its reply is kept.
pub fn once<T>(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: &IdempotentRequest,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<T, Error>,
    render: impl FnOnce(Result<T, Refusal>) -> StoredReply,
) -> Result<IdempotentOutcome, Error> {
    let IdempotentRequest { key, fingerprint } = request;
    let earlier = tx.idempotency_record(actor.merchant, key)?;
    if let Some(record) = earlier.filter(|record| record.is_kept(tx.now(), policy.idempotency_kept_seconds)) {
        return Ok(record
            .reply_to(fingerprint)
            .map_or_else(IdempotentOutcome::KeyReused, IdempotentOutcome::Replayed));
    }
    let decided = match tx.attempt(|tx| command(tx, policy, actor))? {
        Ok(done) => Ok(done),
        Err(Error::Refused(refusal)) if !matches!(refusal, Refusal::Invalid(_)) => Err(refusal),
        Err(error) => return Err(error),
    };
    let record = IdempotencyRecord {
        asked: fingerprint.clone(),
        reply: render(decided),
        created_at: tx.now(),
    };
    tx.save_idempotency_record(tx.acts_for().unwrap_or(actor.merchant), key, &record)?;
    Ok(IdempotentOutcome::Done(record.reply))
}
