//! Offering and confirming standard escrows (contract sections 4.2.1, 4.6.1).

use super::customers::{admit, admit_seller};
use super::{Actor, Error, PartyActor, Policy, categories, load_escrow};
use crate::domain::escrow::Escrow;
use crate::domain::file::FileName;
use crate::domain::ids::{EscrowId, EscrowKey};
use crate::domain::refusal::{Refusal, Sent};
use crate::domain::terms::{Terms, TermsDraft};
use crate::store::Tx;

/// Offers a standard escrow, with pictures of what is sold.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &PartyActor,
    draft: Sent<TermsDraft>,
    images: Sent<Vec<FileName>>,
) -> Result<Escrow, Error> {
    admit_seller(tx, policy, actor)?;
    let draft = categories::find_for(tx, actor.merchant, &actor.party, draft?)?;
    let terms = Terms::new(draft, &policy.terms_limits)?;
    let now = tx.now();
    let images = images?;
    let (escrow, settlement) = Escrow::offer_standard(policy.seller(actor.merchant, &actor.party), terms, tx, now)?;
    let escrow = escrow.with_images(images);
    tx.insert_escrow(&escrow)?;
    tx.post(actor.merchant, &settlement)?;
    Ok(escrow)
}

/// Confirms the whole deal as its buyer, which releases all of its money.
pub fn confirm_payment(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, escrow: EscrowId) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?;
    let now = tx.now();
    let mut escrow = load_escrow(tx, actor.merchant, &EscrowKey::Id(escrow), Refusal::ActionNotAllowed)?;
    let settlement = escrow.confirm_payment(&actor.customer, tx, now)?;
    tx.save_close(&escrow)?;
    tx.post(actor.merchant, &settlement)?;
    Ok(escrow)
}
