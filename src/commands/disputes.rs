//! Disputing an escrow and ruling on it (contract section 4.6).

use crate::commands::customers::admit;
use crate::commands::{Error, Policy, load_escrow, outbox};
use crate::domain::customers::profile::Profile;
use crate::domain::escrow::deal::{Deal, DealRef};
use crate::domain::escrow::dispute::{Ruling, RulingRequest, Statement};
use crate::domain::escrow::{Escrow, Status};
use crate::domain::file::FileName;
use crate::domain::ids::{CustomerId, EscrowId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::party::Actor;
use crate::domain::refusal::{Parsed, Refusal};
use crate::store::Tx;

/// What a merchant sends to rule on a dispute.
#[derive(Clone, Debug)]
pub struct ResolutionRequest {
    /// In words.
    pub resolution: Parsed<String>,
    /// What becomes of the money.
    pub ruling: RulingRequest,
}

/// Takes what the buyer or the seller says in a dispute, with a file that shows it.
pub fn submit(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    token: PaymentToken,
    message: Parsed<String>,
    proof: Parsed<Vec<FileName>>,
) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?;
    let chars_max = policy.terms_limits.description_chars_max;
    let statement = Statement {
        name: name_of(tx, actor.merchant, actor.customer())?,
        ..Statement::new("message", message, chars_max, tx.now())?
    };
    let statement = with_proof(statement, proof)?;
    let key = EscrowKey::Token(token);
    let mut escrow = load_escrow(tx, actor.merchant, &key, Refusal::VaultNotDisputable)?;
    let effects = escrow.submit_statement(actor.customer(), statement)?;
    tx.save_dispute(&escrow)?;
    outbox::apply(tx, policy, actor.merchant, &effects, &[DealRef::from(&escrow)])?;
    Ok(escrow)
}

/// Rules on a dispute as the merchant, which pays out what it froze. A vault is never
/// disputed, and could not be split if it were.
pub fn resolve(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    escrow: EscrowId,
    draft: Parsed<ResolutionRequest>,
    proof: Parsed<Vec<FileName>>,
) -> Result<Escrow, Error> {
    let draft = draft?;
    let chars_max = policy.terms_limits.description_chars_max;
    let resolution = Statement::new("resolution", draft.resolution, chars_max, tx.now())?;
    let ruling = Ruling::new(draft.ruling)?;
    let resolution = with_proof(resolution, proof)?;
    let deal = tx.deal(merchant, &EscrowKey::Id(escrow))?;
    let mut escrow = match (deal.ok_or(Refusal::EscrowNotFound)?, ruling) {
        (Deal::Escrow(escrow), _) => escrow,
        (Deal::Vault(_), Ruling::Split { .. }) => return Err(Refusal::VaultNotSplittable.into()),
        (Deal::Vault(_), _) => return Err(Refusal::NoDispute.into()),
    };
    let effects = escrow.resolve(ruling, resolution, tx)?;
    tx.insert_last_statement(&escrow)?;
    if escrow.status() == Status::Completed {
        tx.save_release_of_rest(escrow.id)?;
    }
    tx.save_close(&escrow)?;
    outbox::apply(tx, policy, merchant, &effects, &[DealRef::from(&escrow)])?;
    Ok(escrow)
}

fn with_proof(statement: Statement, proof: Parsed<Vec<FileName>>) -> Result<Statement, Error> {
    Ok(Statement {
        proof: proof?.first().copied(),
        ..statement
    })
}

fn name_of(tx: &Tx<'_>, merchant: MerchantId, customer: &CustomerId) -> Result<Option<String>, Error> {
    let profile = tx.customer(merchant, customer)?.and_then(|customer| customer.profile);
    Ok(profile.as_ref().and_then(Profile::full_name))
}
