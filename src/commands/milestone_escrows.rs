//! Commands on milestone escrows: offer, edit, convert a standard escrow, and confirm
//! (contract section 4.1).

use crate::commands::admission::{admit, admit_beneficiaries};
use crate::commands::deals::{explained, load_escrow};
use crate::commands::{Error, Policy, categories, outbox};
use crate::domain::escrow::terms::{Conversion, MilestoneOffer, MilestoneRequest, TermsRequest};
use crate::domain::escrow::{Escrow, Progress};
use crate::domain::ids::{EscrowId, EscrowKey, MilestoneId, PaymentToken};
use crate::domain::invalid::Parsed;
use crate::domain::money::Amount;
use crate::domain::party::Actor;
use crate::domain::refusal::Refusal;
use crate::store::Tx;

/// The parsed request to offer or edit a milestone escrow.
#[derive(Clone, Debug)]
pub struct MilestoneEscrowRequest {
    pub terms: TermsRequest,
    /// The milestones in order.
    pub milestones: Vec<MilestoneRequest>,
}

/// The parsed request to convert a standard escrow to a milestone escrow.
#[derive(Clone, Debug)]
pub struct ConversionRequest {
    /// The new escrow amount. `None` keeps the amount.
    pub amount: Option<Amount>,
    /// The milestones in order.
    pub milestones: Vec<MilestoneRequest>,
}

/// Creates a milestone escrow.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<MilestoneEscrowRequest>,
) -> Result<Escrow, Error> {
    let offer = offer_of(tx, policy, actor, request)?;
    let seller = policy.seller(tx, actor)?;
    let (escrow, effects) = Escrow::offer_milestones(seller, offer, tx.booking())?;
    tx.insert_escrow(&escrow)?;
    outbox::apply_of(tx, policy, &escrow, &effects)?;
    Ok(escrow)
}

/// Replaces the terms of a milestone escrow before it is paid.
pub fn edit(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    token: PaymentToken,
    request: Parsed<MilestoneEscrowRequest>,
) -> Result<Escrow, Error> {
    let offer = offer_of(tx, policy, actor, request)?;
    let now = tx.now();
    let mut escrow = load_escrow(
        tx,
        actor.merchant,
        &EscrowKey::Token(token),
        Refusal::NotAMilestoneEscrow,
    )?;
    let seller = policy.seller(tx, actor)?;
    let edited = escrow.edit_milestones(&seller, offer, tx, now);
    explained(policy, &escrow, edited)?;
    tx.replace_terms(&escrow)?;
    Ok(escrow)
}

/// Converts a standard escrow to a milestone escrow before it is paid.
pub fn convert(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    token: PaymentToken,
    request: Parsed<ConversionRequest>,
) -> Result<Escrow, Error> {
    admit(tx, policy, actor)?.check_may_sell()?;
    let request = request?;
    let now = tx.now();
    let conversion = Conversion::new(request.amount, request.milestones, &policy.terms_limits, now.date())?;
    admit_beneficiaries(tx, policy, actor.merchant, &conversion.milestones)?;
    let key = EscrowKey::Token(token);
    let mut escrow = load_escrow(tx, actor.merchant, &key, Refusal::ActionNotAllowed)?;
    let seller = policy.seller(tx, actor)?;
    let converted = escrow.convert_to_milestones(&seller, conversion, &policy.terms_limits, tx, now);
    explained(policy, &escrow, converted)?;
    tx.replace_terms(&escrow)?;
    Ok(escrow)
}

/// Confirms a milestone as the buyer, which releases its amount.
pub fn confirm(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    escrow: EscrowId,
    milestone: MilestoneId,
) -> Result<Escrow, Error> {
    tx.ask_for_deal(escrow)?;
    admit(tx, policy, actor)?;
    let mut escrow = load_escrow(tx, actor.merchant, &EscrowKey::Id(escrow), Refusal::MilestoneNotFound)?;
    let order = policy.release_order();
    let confirmed = escrow.confirm_milestone(actor.customer(), milestone, order, tx.booking());
    let effects = explained(policy, &escrow, confirmed)?;
    let released = escrow.milestone(milestone).ok_or(Refusal::MilestoneNotFound)?;
    tx.save_release(released.id)?;
    if matches!(escrow.progress, Progress::Closed { .. }) {
        tx.save_close(&escrow)?;
    }
    outbox::apply_of(tx, policy, &escrow, &effects)?;
    Ok(escrow)
}

fn offer_of(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<MilestoneEscrowRequest>,
) -> Result<MilestoneOffer, Error> {
    admit(tx, policy, actor)?.check_may_sell()?;
    let MilestoneEscrowRequest { terms, milestones } = request?;
    let category = categories::find(tx, actor.merchant, &actor.party, terms.category)?;
    let today = tx.now().date();
    let offer = MilestoneOffer::new(terms, category, milestones, &policy.terms_limits, today)?;
    admit_beneficiaries(tx, policy, actor.merchant, &offer.milestones)?;
    Ok(offer)
}
