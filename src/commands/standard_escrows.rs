//! Offering and confirming standard escrows (contract sections 4.2.1, 4.6.1).

use super::customers::admit;
use super::{Actor, Error, Policy};
use crate::domain::escrow::Escrow;
use crate::domain::ids::{EscrowId, EscrowKey};
use crate::domain::refusal::{Refusal, Sent};
use crate::domain::terms::{Terms, TermsDraft};
use crate::store::Tx;

/// Offers a standard escrow.
pub fn create(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, draft: Sent<TermsDraft>) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?.check_may_sell()?;
    let terms = Terms::new(draft?, &policy.terms_limits)?;
    let now = tx.now();
    let (escrow, settlement) = Escrow::offer_standard(policy.seller(actor), terms, tx, now)?;
    tx.insert_escrow(&escrow)?;
    tx.post(actor.merchant, &settlement)?;
    Ok(escrow)
}

/// Confirms the whole deal as its buyer, which releases all of its money.
pub fn confirm_payment(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, escrow: EscrowId) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?;
    let now = tx.now();
    let mut escrow = tx
        .escrow(actor.merchant, &EscrowKey::Id(escrow))?
        .ok_or(Refusal::EscrowNotFound)?;
    let settlement = escrow.confirm_payment(&actor.customer, tx, now)?;
    tx.save_completion(&escrow)?;
    tx.post(actor.merchant, &settlement)?;
    Ok(escrow)
}
