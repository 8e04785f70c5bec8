//! Offering and editing: what a seller does before anyone pays.

use super::{AdditionalFee, Escrow, Plan, Progress, Seller};
use crate::domain::fees::{Fee, Rates};
use crate::domain::file::FileName;
use crate::domain::ids::{EscrowId, IdSource};
use crate::domain::milestone::{Milestone, MilestoneStatus};
use crate::domain::money::Amount;
use crate::domain::refusal::{Invalid, Refusal};
use crate::domain::settlement::{EscrowEvent, Settlement};
use crate::domain::terms::{MilestoneOffer, MilestoneTerms, Terms};
use crate::domain::time::Timestamp;

impl Escrow {
    /// A standard escrow: awaits payment, and releases everything at once.
    /// Refused when amount and fee together exceed [`Amount::MAX`].
    pub fn offer_standard(
        seller: Seller,
        terms: Terms,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(Self, Settlement), Refusal> {
        let id = ids.escrow_id();
        Self::offer(id, seller, terms, Plan::Standard, ids, now)
    }

    /// The same offer with more pictures of what is sold, after those it has.
    pub fn with_images(mut self, images: impl IntoIterator<Item = FileName>) -> Self {
        self.images.extend(images);
        self
    }

    /// A milestone escrow: awaits payment, and releases milestone by milestone.
    /// Refused when amount and fee together exceed [`Amount::MAX`].
    pub fn offer_milestones(
        seller: Seller,
        offer: MilestoneOffer,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(Self, Settlement), Refusal> {
        let id = ids.escrow_id();
        let plan = Plan::Milestones(fresh_milestones(id, offer.milestones, ids));
        Self::offer(id, seller, offer.terms, plan, ids, now)
    }

    fn offer(
        id: EscrowId,
        seller: Seller,
        terms: Terms,
        plan: Plan,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(Self, Settlement), Refusal> {
        let escrow = Self {
            id,
            merchant: seller.merchant,
            payment_token: ids.payment_token(),
            seller: seller.party,
            fee: affordable_fee(&terms, seller.rates)?,
            additional_fee: AdditionalFee::NONE,
            images: Vec::new(),
            is_link: plan == Plan::Standard && terms.total_quantity > 1,
            terms,
            plan,
            progress: Progress::AwaitingPayment,
            created_at: now,
            updated_at: now,
        };
        let mut settlement = Settlement::default();
        settlement.tell(EscrowEvent::Created, escrow.id);
        settlement.tell(EscrowEvent::Pending, escrow.id);
        Ok((escrow, settlement))
    }

    /// Replaces terms and milestones of an offer nobody has paid for; the fee is
    /// set anew and every milestone gets a new id (contract section 4.1.2).
    ///
    /// Checks that the caller is the seller, that it is a milestone escrow, that
    /// it awaits payment, and that amount and fee stay below [`Amount::MAX`].
    pub fn edit_milestones(
        &mut self,
        seller: &Seller,
        offer: MilestoneOffer,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.seller != seller.party {
            return Err(Refusal::AccessDenied);
        }
        if self.plan == Plan::Standard {
            return Err(Refusal::NotAMilestoneEscrow);
        }
        if self.progress != Progress::AwaitingPayment {
            return Err(Refusal::ActionNotAllowed);
        }
        self.fee = affordable_fee(&offer.terms, seller.rates)?;
        self.terms = offer.terms;
        self.plan = Plan::Milestones(fresh_milestones(self.id, offer.milestones, ids));
        self.updated_at = now;
        Ok(())
    }
}

/// The fee of these terms, if buyer and ledger can carry it on top of them.
fn affordable_fee(terms: &Terms, rates: Rates) -> Result<Fee, Invalid> {
    let fee = Fee::of(terms.amount, terms.who_pays, rates);
    if terms.amount.checked_add(fee.buyer_share()).is_none() {
        let expected = format!("an amount that, with its fee, is at most {}", Amount::MAX);
        return Err(Invalid::wrong("amount", expected, &terms.amount.to_string()));
    }
    Ok(fee)
}

fn fresh_milestones(escrow: EscrowId, terms: Vec<MilestoneTerms>, ids: &mut dyn IdSource) -> Vec<Milestone> {
    terms
        .into_iter()
        .enumerate()
        .map(|(position, terms)| Milestone {
            id: ids.milestone_id(escrow, position),
            terms,
            status: MilestoneStatus::Pending,
        })
        .collect()
}
