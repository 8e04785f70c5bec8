//! Commands on standard escrows, and those of a seller on standard and milestone escrows: to
//! delete one that is unpaid, and to give back what is held (contract sections 4.2, 4.6.1
//! and 9.4).

use crate::commands::admission::{admit, admit_party, admit_seller};
use crate::commands::deals::{explained, load_deal, load_escrow};
use crate::commands::{Error, Policy, categories, outbox};
use crate::domain::effects::{Booking, Effects};
use crate::domain::escrow::Escrow;
use crate::domain::escrow::terms::{KeptTerms, Terms, TermsRequest};
use crate::domain::file::FileName;
use crate::domain::ids::{EscrowId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::money::Amount;
use crate::domain::party::Actor;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// The parsed request to edit a standard escrow.
#[derive(Clone, Debug)]
pub struct StandardEditRequest {
    pub terms: TermsRequest,
    pub keeps: KeptTerms,
}

/// The parsed request to set the additional fee.
#[derive(Clone, Copy, Debug)]
pub struct AdditionalFeeRequest {
    pub amount: Amount,
    /// True if a refund includes the fee. `None` keeps the stored value.
    pub is_refundable: Option<bool>,
}

/// Creates a standard escrow. `images` names the pictures of the item.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<TermsRequest>,
    images: &[FileName],
) -> Result<Escrow, Error> {
    admit_seller(tx, policy, actor)?;
    let request = request?;
    let category = categories::find(tx, actor.merchant, &actor.party, request.category)?;
    let terms = Terms::new(request, category, &policy.terms_limits)?;
    let seller = policy.seller(tx, actor)?;
    let (escrow, effects) = Escrow::offer_standard(seller, terms, images.to_vec(), tx.booking())?;
    tx.insert_escrow(&escrow)?;
    outbox::apply_of(tx, policy, &escrow, &effects)?;
    Ok(escrow)
}

/// Replaces the terms of a standard escrow before it is paid, and adds pictures.
pub fn edit(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    token: PaymentToken,
    request: Parsed<StandardEditRequest>,
    images: &[FileName],
) -> Result<Escrow, Error> {
    admit_seller(tx, policy, actor)?;
    let StandardEditRequest { terms, keeps } = request?;
    let category = categories::find(tx, actor.merchant, &actor.party, terms.category)?;
    let terms = Terms::new(terms, category, &policy.terms_limits)?;
    let now = tx.now();
    let mut escrow = load_for_seller(tx, actor, token)?;
    let seller = policy.seller(tx, actor)?;
    let edited = escrow.edit_standard(&seller, terms, keeps, images.to_vec(), now);
    explained(policy, &escrow, edited)?;
    tx.replace_terms(&escrow)?;
    Ok(escrow)
}

/// Deletes a standard or milestone escrow before it is paid. Later requests do not find it.
pub fn delete(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, token: PaymentToken) -> Result<(), Error> {
    admit_party(tx, policy, actor)?;
    let escrow = load_for_seller(tx, actor, token)?;
    explained(policy, &escrow, escrow.check_deletable_by(&actor.party))?;
    Ok(tx.delete_escrow(escrow.id)?)
}

/// Sets the merchant's additional fee on a standard escrow before it is paid.
pub fn set_additional_fee(
    tx: &mut Tx<'_>,
    merchant: MerchantId,
    token: PaymentToken,
    request: Result<AdditionalFeeRequest, Refusal>,
) -> Result<Escrow, Error> {
    let request = request?;
    let now = tx.now();
    let key = EscrowKey::Token(token);
    let deal = load_deal(tx, merchant, &key, Refusal::EscrowNotOfThisMerchant)?;
    let mut escrow = deal.escrow_or(Refusal::AdditionalFeeNotStandard)?;
    escrow.set_additional_fee(request.amount, request.is_refundable, now)?;
    tx.replace_terms(&escrow)?;
    Ok(escrow)
}

/// Pays the hold to the seller after the delivery window and the grace period have passed
/// without the buyer's confirmation.
pub fn claim(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, token: PaymentToken) -> Result<Escrow, Error> {
    admit_party(tx, policy, actor)?;
    let escrow = load_for_seller(tx, actor, token)?;
    close(tx, policy, escrow, |escrow, booking| {
        escrow.claim(&actor.party, policy.claim_grace_seconds, booking)
    })
}

/// Gives back to the buyer, as the seller, all that a standard or milestone escrow holds.
pub fn refund(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, token: PaymentToken) -> Result<Escrow, Error> {
    admit_party(tx, policy, actor)?;
    let escrow = load_for_seller(tx, actor, token)?;
    close(tx, policy, escrow, |escrow, booking| {
        escrow.refund(&actor.party, booking)
    })
}

/// Confirms the whole escrow as the buyer, which releases everything in the hold.
pub fn confirm_payment(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, escrow: EscrowId) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?;
    let escrow = load_escrow(tx, actor.merchant, &EscrowKey::Id(escrow), Refusal::ActionNotAllowed)?;
    close(tx, policy, escrow, |escrow, booking| {
        escrow.confirm_payment(actor.customer(), booking)
    })
}

/// Closes an escrow by a rule of the domain, which moves all of its hold, and saves the close.
fn close(
    tx: &mut Tx<'_>,
    policy: &Policy,
    mut escrow: Escrow,
    rule: impl FnOnce(&mut Escrow, Booking<'_>) -> Result<Effects, Refusal>,
) -> Result<Escrow, Error> {
    let closed = rule(&mut escrow, tx.booking());
    let effects = explained(policy, &escrow, closed)?;
    tx.save_close(&escrow)?;
    outbox::apply_of(tx, policy, &escrow, &effects)?;
    Ok(escrow)
}

/// Loads an escrow for a command of its seller. Refuses a vault, which has no seller.
fn load_for_seller(tx: &Tx<'_>, actor: &Actor, token: PaymentToken) -> Result<Escrow, Error> {
    load_escrow(tx, actor.merchant, &EscrowKey::Token(token), Refusal::ActionNotAllowed)
}
