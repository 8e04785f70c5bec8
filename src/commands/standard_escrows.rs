//! Standard escrows, from the offer to the end of the deal, and what holds for
//! escrows of any effects type before anyone pays (contract sections 4.2, 4.6.1).

use crate::commands::customers::{admit, admit_party, admit_seller};
use crate::commands::{Error, Policy, categories, load_deal, load_escrow, outbox};
use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::DealRef;
use crate::domain::escrow::terms::{KeptTerms, Terms, TermsRequest};
use crate::domain::file::FileName;
use crate::domain::ids::{EscrowId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::money::Amount;
use crate::domain::party::Actor;
use crate::domain::refusal::{Parsed, Refusal};
use crate::store::Tx;

/// What a seller sends to edit a standard escrow.
#[derive(Clone, Debug)]
pub struct StandardEditRequest {
    /// The new terms.
    pub terms: TermsRequest,
    /// What of the old ones stays.
    pub keeps: KeptTerms,
}

/// What a merchant sends to set an additional fee.
#[derive(Clone, Copy, Debug)]
pub struct AdditionalFeeRequest {
    /// How much.
    pub amount: Amount,
    /// Whether it goes back with a refund; as it was when left out.
    pub is_refundable: Option<bool>,
}

/// Offers a standard escrow, with pictures of what is sold.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    draft: Parsed<TermsRequest>,
    images: Parsed<Vec<FileName>>,
) -> Result<Escrow, Error> {
    admit_seller(tx, policy, actor)?;
    let draft = categories::find_for(tx, actor.merchant, &actor.party, draft?)?;
    let terms = Terms::new(draft, &policy.terms_limits)?;
    let now = tx.now();
    let images = images?;
    let seller = policy.seller(actor);
    let (escrow, effects) = Escrow::offer_standard(seller, terms, images, tx, now)?;
    tx.insert_escrow(&escrow)?;
    outbox::apply(tx, policy, actor.merchant, &effects, &[DealRef::from(&escrow)])?;
    Ok(escrow)
}

/// Replaces the terms of a standard escrow that nobody has paid for, and adds pictures.
pub fn edit(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    token: PaymentToken,
    draft: Parsed<StandardEditRequest>,
    images: Parsed<Vec<FileName>>,
) -> Result<Escrow, Error> {
    admit_seller(tx, policy, actor)?;
    let draft = draft?;
    let terms = categories::find_for(tx, actor.merchant, &actor.party, draft.terms)?;
    let terms = Terms::new(terms, &policy.terms_limits)?;
    let images = images?;
    let now = tx.now();
    let mut escrow = load_for_seller(tx, actor, token)?;
    let seller = policy.seller(actor);
    escrow.edit_standard(&seller, terms, draft.keeps, images, now)?;
    tx.replace_terms(&escrow)?;
    Ok(escrow)
}

/// Takes back an escrow that nobody has paid for, of any effects type: from then on
/// nobody finds it.
pub fn delete(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, token: PaymentToken) -> Result<(), Error> {
    admit_party(tx, policy, actor)?;
    let escrow = load_for_seller(tx, actor, token)?;
    escrow.check_deletable_by(&actor.party)?;
    Ok(tx.delete_escrow(escrow.id)?)
}

/// Sets the merchant's additional fee on a standard escrow that nobody has paid for.
pub fn set_additional_fee(
    tx: &mut Tx<'_>,
    merchant: MerchantId,
    token: PaymentToken,
    draft: Result<AdditionalFeeRequest, Refusal>,
) -> Result<Escrow, Error> {
    let draft = draft?;
    let now = tx.now();
    let key = EscrowKey::Token(token);
    let deal = load_deal(tx, merchant, &key, Refusal::EscrowNotOfThisMerchant)?;
    let mut escrow = deal.escrow_or(Refusal::AdditionalFeeNotStandard)?;
    escrow.set_additional_fee(draft.amount, draft.is_refundable, now)?;
    tx.replace_terms(&escrow)?;
    Ok(escrow)
}

/// Pays a seller whose buyer has not confirmed in time.
pub fn claim(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, token: PaymentToken) -> Result<Escrow, Error> {
    admit_party(tx, policy, actor)?;
    let now = tx.now();
    let mut escrow = load_for_seller(tx, actor, token)?;
    let effects = escrow.claim(&actor.party, policy.claim_grace_seconds, tx, now)?;
    tx.save_close(&escrow)?;
    outbox::apply(tx, policy, actor.merchant, &effects, &[DealRef::from(&escrow)])?;
    Ok(escrow)
}

/// Confirms the whole deal as its buyer, which releases all of its money.
pub fn confirm_payment(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, escrow: EscrowId) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?;
    let now = tx.now();
    let mut escrow = load_escrow(tx, actor.merchant, &EscrowKey::Id(escrow), Refusal::ActionNotAllowed)?;
    let effects = escrow.confirm_payment(actor.customer(), tx, now)?;
    tx.save_close(&escrow)?;
    outbox::apply(tx, policy, actor.merchant, &effects, &[DealRef::from(&escrow)])?;
    Ok(escrow)
}

/// An escrow that a seller may do something to; a vault has no seller.
fn load_for_seller(tx: &Tx<'_>, actor: &Actor, token: PaymentToken) -> Result<Escrow, Error> {
    load_escrow(tx, actor.merchant, &EscrowKey::Token(token), Refusal::ActionNotAllowed)
}
