//! Offering and editing: what a seller does before anyone pays, and the fee that the
//! merchant may add.

use crate::domain::effects::{Effects, EscrowEvent};
use crate::domain::escrow::milestone::{Milestone, MilestoneStatus};
use crate::domain::escrow::terms::{Conversion, KeptTerms, MilestoneOffer, MilestoneTerms, Terms, check_sum};
use crate::domain::escrow::{AdditionalFee, Escrow, Plan, Progress, Seller};
use crate::domain::fees::{Fee, Rates, WhoPays};
use crate::domain::file::FileName;
use crate::domain::ids::{EscrowId, IdSource};
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::{Invalid, Refusal};
use crate::domain::time::Timestamp;

/// Most pictures of what is sold (contract section 4.2.1).
pub const IMAGES_MAX: usize = 5;

impl Escrow {
    /// A standard escrow with pictures of what is sold: awaits payment, and releases
    /// everything at once. Refused when amount and fee together exceed
    /// [`Amount::MAX`], and then when there are too many pictures.
    pub fn offer_standard(
        seller: Seller,
        terms: Terms,
        images: Vec<FileName>,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(Self, Effects), Refusal> {
        let id = ids.escrow_id();
        let mut escrow = Self::offer(id, seller, terms, Plan::Standard, ids, now)?;
        escrow.add_images(images)?;
        Ok(escrow.announced())
    }

    /// A milestone escrow: awaits payment, and releases milestone by milestone.
    /// Refused when amount and fee together exceed [`Amount::MAX`].
    pub fn offer_milestones(
        seller: Seller,
        offer: MilestoneOffer,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(Self, Effects), Refusal> {
        let id = ids.escrow_id();
        let plan = Plan::Milestones(fresh_milestones(id, offer.milestones, ids));
        Ok(Self::offer(id, seller, offer.terms, plan, ids, now)?.announced())
    }

    fn offer(
        id: EscrowId,
        seller: Seller,
        terms: Terms,
        plan: Plan,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            id,
            merchant: seller.merchant,
            payment_token: ids.payment_token(),
            seller: seller.party,
            fee: affordable_fee(&terms, seller.rates, Amount::ZERO)?,
            additional_fee: AdditionalFee::NONE,
            images: Vec::new(),
            is_link: plan == Plan::Standard && terms.total_quantity > 1,
            terms,
            plan,
            progress: Progress::AwaitingPayment,
            created_at: now,
            updated_at: now,
        })
    }

    /// A new offer, and that subscribers are told of it.
    fn announced(self) -> (Self, Effects) {
        let mut effects = Effects::default();
        effects.emit(EscrowEvent::Created, &self);
        effects.emit(EscrowEvent::Pending, &self);
        (self, effects)
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
        self.check_sold_by(&seller.party)?;
        if self.plan == Plan::Standard {
            return Err(Refusal::NotAMilestoneEscrow);
        }
        self.check_awaits_payment()?;
        self.fee = affordable_fee(&offer.terms, seller.rates, Amount::ZERO)?;
        self.terms = offer.terms;
        self.plan = Plan::Milestones(fresh_milestones(self.id, offer.milestones, ids));
        self.updated_at = now;
        Ok(())
    }

    /// Replaces the terms of a standard escrow that nobody has paid for, but for what
    /// is kept, and adds images; the fee is set anew, the additional fee stays
    /// (contract section 4.2.2). More than one buyer make it a link, one buyer makes it
    /// none.
    ///
    /// Checks that the caller is the seller, that it is a standard escrow, that it
    /// awaits payment, that there are not too many images, and that amount and fees
    /// stay below [`Amount::MAX`].
    pub fn edit_standard(
        &mut self,
        seller: &Seller,
        terms: Terms,
        keeps: KeptTerms,
        images: Vec<FileName>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_sold_by(&seller.party)?;
        if self.plan != Plan::Standard {
            return Err(Refusal::ActionNotAllowed);
        }
        self.check_awaits_payment()?;
        let fee = affordable_fee(&terms, seller.rates, self.additional_fee.amount)?;
        self.add_images(images)?;
        self.fee = fee;
        self.terms.replace(terms, keeps);
        if !keeps.total_quantity {
            self.is_link = self.terms.total_quantity > 1;
        }
        self.updated_at = now;
        Ok(())
    }

    /// Adds pictures of what is sold, after those it has. Refuses them all when they are more than
    /// [`IMAGES_MAX`] with those that are there.
    pub fn add_images(&mut self, images: Vec<FileName>) -> Result<(), Invalid> {
        let together = self.images.len() + images.len();
        if together > IMAGES_MAX {
            let expected = format!("at most {IMAGES_MAX} files in all");
            return Err(Invalid::wrong("imageUrl", expected, &format!("{together} of them")));
        }
        self.images.extend(images);
        Ok(())
    }

    /// Makes a standard escrow that nobody has paid for a milestone escrow: the fee is
    /// the buyer's and set anew, an additional fee goes, all other terms stay (contract
    /// section 4.1.3).
    ///
    /// Checks that the caller is the seller, that it has no milestones yet, that it is
    /// no link, that it awaits payment, that the milestones add up to the amount, and
    /// that amount and fee stay below [`Amount::MAX`].
    pub fn convert_to_milestones(
        &mut self,
        seller: &Seller,
        conversion: Conversion,
        ids: &mut dyn IdSource,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_sold_by(&seller.party)?;
        if self.plan != Plan::Standard {
            return Err(Refusal::AlreadyAMilestoneEscrow);
        }
        if self.is_link {
            return Err(Refusal::ActionNotAllowed);
        }
        self.check_awaits_payment()?;
        let terms = Terms {
            amount: conversion.amount.unwrap_or(self.terms.amount),
            who_pays: WhoPays::Buyer,
            ..self.terms.clone()
        };
        check_sum(&conversion.milestones, terms.amount)?;
        self.fee = affordable_fee(&terms, seller.rates, Amount::ZERO)?;
        self.additional_fee = AdditionalFee::NONE;
        self.terms = terms;
        self.plan = Plan::Milestones(fresh_milestones(self.id, conversion.milestones, ids));
        self.updated_at = now;
        Ok(())
    }

    /// Sets what the merchant adds to the charge for itself, and whether it goes back
    /// with a refund, where that is said (contract section 4.2.3).
    ///
    /// Checks that it is a standard escrow, that it awaits payment, and that the charge
    /// stays below [`Amount::MAX`].
    pub fn set_additional_fee(
        &mut self,
        amount: Amount,
        is_refundable: Option<bool>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.plan != Plan::Standard {
            return Err(Refusal::AdditionalFeeNotStandard);
        }
        if self.progress != Progress::AwaitingPayment {
            return Err(Refusal::AdditionalFeeNotPending);
        }
        if Amount::total([self.terms.amount, self.fee.buyer_share(), amount]).is_none() {
            let expected = format!(
                "an amount that, with what is charged already, is at most {}",
                Amount::MAX
            );
            return Err(Invalid::wrong("additionalFee", expected, &amount.to_string()).into());
        }
        self.additional_fee = AdditionalFee {
            amount,
            is_refundable: is_refundable.unwrap_or(self.additional_fee.is_refundable),
        };
        self.updated_at = now;
        Ok(())
    }

    /// Whether this party may take the offer back (contract section 4.2.4): not
    /// when it is not theirs, then not when it was paid for.
    pub fn check_deletable_by(&self, seller: &Party) -> Result<(), Refusal> {
        self.check_sold_by(seller)?;
        self.check_awaits_payment()
    }

    /// Whether it is this party's own.
    pub(super) fn check_sold_by(&self, party: &Party) -> Result<(), Refusal> {
        if self.seller == *party {
            Ok(())
        } else {
            Err(Refusal::AccessDenied)
        }
    }

    fn check_awaits_payment(&self) -> Result<(), Refusal> {
        if self.progress == Progress::AwaitingPayment {
            Ok(())
        } else {
            Err(Refusal::ActionNotAllowed)
        }
    }
}

/// The fee of these terms, if buyer and ledger can carry it on top of them, and the
/// additional fee on top of both.
fn affordable_fee(terms: &Terms, rates: Rates, additional: Amount) -> Result<Fee, Invalid> {
    let fee = Fee::of(terms.amount, terms.who_pays, rates);
    if Amount::total([terms.amount, fee.buyer_share(), additional]).is_none() {
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
