//! Batches of pay-outs: their export for the bank, and the results with which they come back.

use crate::commands::operators::OperatorActor;
use crate::commands::{Error, Policy, payouts};
use crate::domain::ids::PayoutId;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::refusal::Refusal;
use crate::domain::treasury::act::ActKind;
use crate::domain::treasury::payout::{BatchOutcome, PayoutStatus, check_value_date};
use crate::store::{self, PayoutWithWithdrawal, Tx};

/// The most pay-outs in a batch. Its commit keeps other writes waiting.
pub const BATCH_MAX: usize = 1_000;

/// The result of one pay-out.
#[derive(Clone, Debug)]
pub struct BatchResult {
    /// The line of the file.
    pub line: u64,
    /// The id of the pay-out, as the file has it.
    pub payout: String,
    pub outcome: Parsed<BatchOutcome>,
}

/// The effect of a result.
#[derive(Clone, Debug)]
pub enum BatchEffect {
    /// The pay-out has its new status with this commit.
    Applied(PayoutStatus),
    /// The pay-out keeps its status until a second operator asks for the same.
    Asked(PayoutStatus),
    /// The pay-out has had this end since before.
    Already(PayoutStatus),
    /// The result changed nothing.
    Refused(Refusal),
}

/// Puts the `max` oldest approved pay-outs that are in no batch into a new one for the bank, and
/// returns them, oldest first. Those whose owner may not withdraw now stay for a later batch. Records
/// the export, unless there are none.
pub fn export(tx: &mut Tx<'_>, actor: &OperatorActor, max: usize) -> Result<Vec<PayoutWithWithdrawal>, Error> {
    let batch = tx
        .newest_payout_batch(actor.merchant)?
        .map_or(1, |newest| newest.saturating_add(1));
    let now = tx.now();
    let mut exported = Vec::new();
    for mut stored in tx.payouts_to_export(actor.merchant, max)? {
        stored.payout.export(batch, now)?;
        tx.save_payout(&stored.payout)?;
        exported.push(tx.with_withdrawal(stored)?);
    }
    if !exported.is_empty() {
        record_export(tx, actor, batch, exported.len())?;
    }
    Ok(exported)
}

/// Returns the `max` oldest pay-outs of an earlier batch that are still approved, oldest first, because
/// its file was lost. Records the export.
///
/// # Errors
///
/// Names the field `batch` if the merchant has no batch with this number.
pub fn export_again(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    batch: Parsed<u32>,
    max: usize,
) -> Result<Vec<PayoutWithWithdrawal>, Error> {
    let batch = batch?;
    let newest = tx.newest_payout_batch(actor.merchant)?.unwrap_or_default();
    if !(1..=newest).contains(&batch) {
        let expected = match newest {
            0 => "left out, since no batch was exported yet".to_owned(),
            newest => format!("the number of an exported batch, from 1 to {newest}"),
        };
        return Err(Invalid::wrong("batch", expected, &batch.to_string()).into());
    }
    let approved = tx.approved_payouts_of_batch(actor.merchant, batch, max)?;
    record_export(tx, actor, batch, approved.len())?;
    let exported = approved.into_iter().map(|stored| tx.with_withdrawal(stored));
    Ok(exported.collect::<Result<_, _>>()?)
}

fn record_export(tx: &mut Tx<'_>, actor: &OperatorActor, batch: u32, count: usize) -> Result<(), store::Error> {
    let subject = format!("batch {batch}, {count} pay-outs");
    actor.record(tx, ActKind::PayoutsExported, subject, None)
}

/// Applies the results of a batch, each for itself: one that cannot be applied does not keep
/// the others from it. The same results again change nothing, but for the large returns for which
/// another operator has asked: those take effect.
///
/// # Errors
///
/// Fails if the store does, and then applies none.
pub fn apply(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    results: Vec<BatchResult>,
) -> Result<Vec<(BatchResult, BatchEffect)>, Error> {
    let mut applied = Vec::with_capacity(results.len());
    for result in results {
        let effect = match tx.attempt(|tx| apply_one(tx, policy, actor, &result))? {
            Ok(effect) => effect,
            Err(Error::Refused(refusal)) => BatchEffect::Refused(refusal),
            Err(error) => return Err(error),
        };
        applied.push((result, effect));
    }
    Ok(applied)
}

fn apply_one(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    result: &BatchResult,
) -> Result<BatchEffect, Error> {
    let outcome = result.outcome.clone()?;
    let id = PayoutId::named(&result.payout);
    let known = tx
        .payout_with_withdrawal(actor.merchant, id)?
        .ok_or(Refusal::PayoutNotFound)?;
    if known.payout.has_ended_as(&outcome) {
        return Ok(BatchEffect::Already(known.payout.status));
    }
    let changed = match outcome {
        BatchOutcome::Paid(entry) => payouts::pay(tx, policy, actor, id, Ok(entry))?,
        BatchOutcome::Returned { value_date, reason } => {
            check_value_date(value_date, tx.now())?;
            payouts::record_return(tx, policy, actor, id, Ok(reason))?
        }
    };
    let PayoutWithWithdrawal { payout, .. } = changed;
    Ok(match payout.asked {
        Some(_) => BatchEffect::Asked(payout.status),
        None => BatchEffect::Applied(payout.status),
    })
}
