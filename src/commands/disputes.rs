//! Disputing an escrow and ruling on it (contract sections 4.6 and 9.4).

use crate::commands::customers::admit;
use crate::commands::operators::OperatorActor;
use crate::commands::{Error, Policy, explained, load_escrow, outbox};
use crate::domain::customers::profile::Profile;
use crate::domain::escrow::deal::Deal;
use crate::domain::escrow::dispute::{Ruling, Statement};
use crate::domain::escrow::{Escrow, Status};
use crate::domain::file::FileName;
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::party::Actor;
use crate::domain::refusal::Refusal;
use crate::domain::treasury::act::ActKind;
use crate::store::Tx;

/// The parsed request to rule on a dispute.
#[derive(Clone, Debug)]
pub struct ResolutionRequest {
    /// The merchant's reasons.
    pub resolution: String,
    pub ruling: Ruling,
}

/// Records a statement of the buyer or the seller in a dispute. `proof` holds at most one
/// file of evidence.
pub fn submit(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    token: PaymentToken,
    message: Parsed<String>,
    proof: &[FileName],
) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?;
    let statement = Statement {
        name: name_of(tx, actor.merchant, actor.customer())?,
        proof: proof.first().copied(),
        ..Statement::new(message?, tx.now())
    };
    let key = EscrowKey::Token(token);
    let mut escrow = load_escrow(tx, actor.merchant, &key, Refusal::VaultNotDisputable)?;
    let submitted = escrow.submit_statement(actor.customer(), statement, policy.exits());
    let effects = explained(policy, &escrow, submitted)?;
    tx.save_dispute(&escrow)?;
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
    proof: &[FileName],
) -> Result<Escrow, Error> {
    let request = request?;
    let resolution = Statement {
        proof: proof.first().copied(),
        ..Statement::new(request.resolution, tx.now())
    };
    let deal = tx.deal(merchant, &EscrowKey::Id(escrow))?;
    let mut escrow = match (deal.ok_or(Refusal::EscrowNotFound)?, request.ruling) {
        (Deal::Escrow(escrow), _) => escrow,
        (Deal::Vault(_), Ruling::Split { .. }) => return Err(Refusal::VaultNotSplittable.into()),
        (Deal::Vault(_), _) => return Err(Refusal::NoDispute.into()),
    };
    let effects = escrow.resolve(request.ruling, resolution, policy.exits(), tx)?;
    tx.save_ruling(&escrow)?;
    if escrow.status() == Status::Completed {
        tx.save_release_of_rest(escrow.id)?;
    }
    tx.save_close(&escrow)?;
    outbox::apply_of(tx, policy, &escrow, &effects)?;
    Ok(escrow)
}

/// Rules as an operator, whose name then stands on the ruling in the record of acts.
///
/// # Errors
///
/// Refuses what [`resolve`] refuses.
pub fn resolve_as_operator(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &OperatorActor,
    escrow: EscrowId,
    request: Result<ResolutionRequest, Refusal>,
    proof: &[FileName],
) -> Result<Escrow, Error> {
    let reason = request.as_ref().ok().map(|request| request.resolution.clone());
    let escrow = resolve(tx, policy, actor.merchant, escrow, request, proof)?;
    actor.record(tx, ActKind::DealResolved, escrow.id.to_string(), reason)?;
    Ok(escrow)
}

fn name_of(tx: &Tx<'_>, merchant: MerchantId, customer: &CustomerId) -> Result<Option<String>, Error> {
    let profile = tx.customer(merchant, customer)?.and_then(|customer| customer.profile);
    Ok(profile.as_ref().and_then(Profile::full_name))
}
