//! Disputing an escrow and ruling on it (contract sections 4.6 and 9.4).

use crate::commands::admission::admit;
use crate::commands::deals::{explained, load_escrow};
use crate::commands::operators::OperatorActor;
use crate::commands::{Error, Policy, outbox};
use crate::domain::customers::profile::Profile;
use crate::domain::effects::Effects;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::dispute::{AskedRuling, Ruling, Statement};
use crate::domain::escrow::{Escrow, Status};
use crate::domain::file::FileName;
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::party::Actor;
use crate::domain::refusal::Refusal;
use crate::domain::treasury::act::ActKind;
use crate::store::{self, Tx};

/// The parsed request to rule on a dispute.
#[derive(Clone, Debug)]
pub struct ResolutionRequest {
    /// The merchant's reasons.
    pub resolution: String,
    pub ruling: Ruling,
}

/// Records a statement of the buyer or the seller in a dispute. `proof` is the file of evidence.
pub fn submit(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    token: PaymentToken,
    message: Parsed<String>,
    proof: Option<FileName>,
) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?;
    let statement = Statement {
        name: name_of(tx, actor.merchant, actor.customer())?,
        proof,
        ..Statement::new(message?, tx.now())
    };
    let key = EscrowKey::Token(token);
    let mut escrow = load_escrow(tx, actor.merchant, &key, Refusal::VaultNotDisputable)?;
    let before = escrow.status();
    let submitted = escrow.submit_statement(actor.customer(), statement, policy.exits());
    let effects = explained(policy, &escrow, submitted)?;
    tx.save_dispute(&escrow)?;
    // An operator asked for a ruling on the escrow as it was.
    if escrow.status() != before && tx.asked_ruling(escrow.id)?.is_some() {
        tx.delete_asked_ruling(escrow.id)?;
    }
    outbox::apply_of(tx, policy, &escrow, &effects)?;
    Ok(escrow)
}

/// Rules on a dispute, or on an escrow whose parties have let their time pass, as the
/// merchant, which pays out the hold.
///
/// # Errors
///
/// Refuses a vault, which cannot be disputed. A split of a vault has a refusal of its own.
pub fn resolve(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    escrow: EscrowId,
    request: Result<ResolutionRequest, Refusal>,
    proof: Option<FileName>,
) -> Result<Escrow, Error> {
    let request = request?;
    let mut escrow = load_to_rule(tx, merchant, escrow, request.ruling)?;
    let effects = rule(tx, policy, &mut escrow, request, proof)?;
    carry_out(tx, policy, &escrow, &effects)?;
    Ok(escrow)
}

/// The result of an operator's ruling: the ruled escrow, or the open escrow and the request that waits for
/// a second operator.
#[derive(Clone, Debug)]
pub struct RulingOutcome {
    pub escrow: Escrow,
    /// The request that waits for a second operator. `None` after the ruling.
    pub asked: Option<AskedRuling>,
}

/// Rules as an operator. If the amount needs two operators, saves the first one's request instead.
///
/// # Errors
///
/// Refuses what [`resolve`] refuses, and then, if the amount needs two operators, the operator who made
/// the first request.
pub fn resolve_as_operator(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    escrow: EscrowId,
    request: Result<ResolutionRequest, Refusal>,
    proof: Option<FileName>,
) -> Result<RulingOutcome, Error> {
    let request = request?;
    let (ruling, reason) = (request.ruling, Some(request.resolution.clone()));
    let open = load_to_rule(tx, actor.merchant, escrow, ruling)?;
    let mut ruled = open.clone();
    let effects = rule(tx, policy, &mut ruled, request, proof)?;
    let asked = tx.asked_ruling(open.id)?;
    let first = asked.filter(|asked| asked.ruling == ruling).map(|asked| asked.by);
    let (operator, subject) = (actor.agent.operator, open.id.to_string());
    let decision = policy.two_person.decide(open.held(), first, operator)?;
    if let Some(by) = decision.asked_by() {
        let asked = AskedRuling { by, ruling };
        tx.save_asked_ruling(open.id, &asked)?;
        actor.record(tx, ActKind::DealRulingRequested, subject, reason)?;
        return Ok(RulingOutcome {
            escrow: open,
            asked: Some(asked),
        });
    }
    if asked.is_some() {
        tx.delete_asked_ruling(open.id)?;
    }
    carry_out(tx, policy, &ruled, &effects)?;
    actor.record(tx, ActKind::DealResolved, subject, reason)?;
    Ok(RulingOutcome {
        escrow: ruled,
        asked: None,
    })
}

/// Withdraws or declines a request for a ruling that waits for a second operator.
///
/// # Errors
///
/// Refuses an unknown deal, and one for which no operator has asked for a ruling.
pub fn retract(
    tx: &mut Tx<'_>,
    actor: &OperatorActor,
    escrow: EscrowId,
    reason: Parsed<String>,
) -> Result<AskedRuling, Error> {
    let reason = Some(reason?);
    let deal = tx.deal(actor.merchant, &EscrowKey::Id(escrow))?;
    let id = deal.ok_or(Refusal::EscrowNotFound)?.id();
    let asked = tx.asked_ruling(id)?.ok_or(Refusal::NothingAsked)?;
    tx.delete_asked_ruling(id)?;
    actor.record(tx, ActKind::DealRequestRetracted, id.to_string(), reason)?;
    Ok(asked)
}

/// Loads the escrow that a ruling is about.
fn load_to_rule(tx: &Tx<'_>, merchant: MerchantId, id: EscrowId, ruling: Ruling) -> Result<Escrow, Error> {
    let deal = tx.deal(merchant, &EscrowKey::Id(id))?;
    match (deal.ok_or(Refusal::EscrowNotFound)?, ruling) {
        (Deal::Escrow(escrow), _) => Ok(escrow),
        (Deal::Vault(_), Ruling::Split { .. }) => Err(Refusal::VaultNotSplittable.into()),
        (Deal::Vault(_), _) => Err(Refusal::NoDispute.into()),
    }
}

/// Decides a ruling, which [`carry_out`] saves.
fn rule(
    tx: &mut Tx<'_>,
    policy: &Policy,
    escrow: &mut Escrow,
    request: ResolutionRequest,
    proof: Option<FileName>,
) -> Result<Effects, Error> {
    let resolution = Statement {
        proof,
        ..Statement::new(request.resolution, tx.now())
    };
    Ok(escrow.resolve(request.ruling, resolution, policy.exits(), tx)?)
}

fn carry_out(tx: &mut Tx<'_>, policy: &Policy, escrow: &Escrow, effects: &Effects) -> Result<(), store::Error> {
    tx.save_ruling(escrow)?;
    if escrow.status() == Status::Completed {
        tx.save_release_of_rest(escrow.id)?;
    }
    tx.save_close(escrow)?;
    outbox::apply_of(tx, policy, escrow, effects)
}

fn name_of(tx: &Tx<'_>, merchant: MerchantId, customer: &CustomerId) -> Result<Option<String>, Error> {
    let profile = tx.customer(merchant, customer)?.and_then(|customer| customer.profile);
    Ok(profile.as_ref().and_then(Profile::full_name))
}
