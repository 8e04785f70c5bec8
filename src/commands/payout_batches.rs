//! Batches of pay-outs: the results with which one comes back from the bank.

use crate::commands::operators::OperatorActor;
use crate::commands::payouts::{self, PayoutWithWithdrawal};
use crate::commands::{Error, Policy};
use crate::domain::ids::PayoutId;
use crate::domain::invalid::Parsed;
use crate::domain::refusal::Refusal;
use crate::domain::time::Date;
use crate::domain::treasury::payout::{BankEntry, Payout, PayoutStatus, check_value_date};
use crate::store::Tx;

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

/// The end of a pay-out at the bank.
#[derive(Clone, Debug)]
pub enum BatchOutcome {
    Paid(BankEntry),
    /// The bank has sent it back on this day, for this reason.
    Returned {
        value_date: Date,
        reason: String,
    },
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
    let known = payouts::get(tx, actor.merchant, id)?.ok_or(Refusal::PayoutNotFound)?;
    if has_ended(&known.payout, &outcome) {
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

/// Returns true if a pay-out has had exactly this end.
fn has_ended(payout: &Payout, outcome: &BatchOutcome) -> bool {
    match outcome {
        BatchOutcome::Paid(entry) => {
            let is_same =
                |paid: &BankEntry| paid.value_date == entry.value_date && paid.reference_key() == entry.reference_key();
            payout.status == PayoutStatus::Paid && payout.paid.as_ref().is_some_and(is_same)
        }
        BatchOutcome::Returned { reason, .. } => {
            payout.status == PayoutStatus::Returned && payout.reason.as_ref() == Some(reason)
        }
    }
}
