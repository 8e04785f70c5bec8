//! Runs a command once for each idempotency key.
//!
//! The key, the command's changes and the reply are in one commit, so that a retry finds all
//! of them or none. The reply of a success is kept, and so is that of a refusal: otherwise a
//! retry could succeed after the client has seen a refusal. After a request that is wrong by
//! itself ([`is_of_request_alone`]) or a failure of the store, nothing is kept and the key
//! stays free.

use crate::commands::{Error, Policy};
use crate::domain::idempotency::{
    Difference, IdempotencyKey, IdempotencyRecord, RequestFingerprint, StoredReply, is_of_request_alone,
};
use crate::domain::party::Actor;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// A request with an idempotency key.
#[derive(Clone, Debug)]
pub struct IdempotentRequest {
    pub key: IdempotencyKey,
    pub fingerprint: RequestFingerprint,
}

/// The outcome of a request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdempotentOutcome {
    /// The command ran for this request.
    First(StoredReply),
    /// The command ran for an earlier request. Holds the first reply.
    Replayed(StoredReply),
    /// An earlier, different request used the key.
    KeyReused(Difference),
}

/// Runs an actor's command unless it ran before, and keeps the reply. A refused command
/// changes nothing, but its reply is kept unless the request is wrong by itself. The reply belongs to the merchant that the
/// command acts for at its end: after a reset, that is the key's new merchant.
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
        Err(Error::Refused(refusal)) if !is_of_request_alone(&refusal) => Err(refusal),
        Err(error) => return Err(error),
    };
    let record = IdempotencyRecord {
        fingerprint: fingerprint.clone(),
        reply: render(decided),
        created_at: tx.now(),
    };
    tx.save_idempotency_record(tx.acts_for().unwrap_or(actor.merchant), key, &record)?;
    Ok(IdempotentOutcome::First(record.reply))
}
