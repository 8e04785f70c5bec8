//! Offers and edits: the steps of a seller before a buyer pays, and the merchant's
//! additional fee.

use crate::domain::effects::{Booking, Effects, EscrowEvent};
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::escrow::milestone::{Milestone, MilestoneStatus};
use crate::domain::escrow::terms::{Conversion, KeptTerms, MilestoneOffer, MilestoneTerms, Terms, check_sum};
use crate::domain::escrow::{AdditionalFee, Escrow, Plan, Progress, Seller};
use crate::domain::fees::{Fee, Rates, WhoPays};
use crate::domain::file::FileName;
use crate::domain::ids::{EscrowId, IdSource};
use crate::domain::invalid::Invalid;
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// The most pictures of one escrow (contract section 4.2.1).
pub const IMAGES_MAX: usize = 5;

impl Escrow {
    /// Offers a standard escrow with pictures. It awaits payment and releases everything
    /// at once.
    ///
    /// # Errors
    ///
    /// Refuses an amount that exceeds [`Amount::MAX`] together with its fee, and then too
    /// many pictures.
    pub fn offer_standard(
        seller: Seller,
        terms: Terms,
        images: Vec<FileName>,
        mut booking: Booking<'_>,
    ) -> Result<(Self, Effects), Refusal> {
        let id = booking.ids.escrow_id();
        let mut escrow = Self::offer(id, seller, terms, Plan::Standard, &mut booking)?;
        escrow.add_images(images)?;
        Ok((escrow, booking.effects))
    }

    /// Offers a milestone escrow. It awaits payment and releases one milestone after
    /// another.
    ///
    /// # Errors
    ///
    /// Refuses an amount that exceeds [`Amount::MAX`] together with its fee.
    pub fn offer_milestones(
        seller: Seller,
        offer: MilestoneOffer,
        mut booking: Booking<'_>,
    ) -> Result<(Self, Effects), Refusal> {
        let id = booking.ids.escrow_id();
        let plan = Plan::Milestones(fresh_milestones(id, offer.milestones, booking.ids));
        let escrow = Self::offer(id, seller, offer.terms, plan, &mut booking)?;
        Ok((escrow, booking.effects))
    }

    /// Makes the offer and emits its events.
    fn offer(
        id: EscrowId,
        seller: Seller,
        terms: Terms,
        plan: Plan,
        booking: &mut Booking<'_>,
    ) -> Result<Self, Refusal> {
        let escrow = Self {
            id,
            merchant: seller.merchant,
            payment_token: booking.ids.payment_token(),
            seller: seller.party,
            fee: affordable_fee(&terms, seller.rates, Amount::ZERO)?,
            additional_fee: AdditionalFee::NONE,
            images: Vec::new(),
            is_link: plan == Plan::Standard && terms.total_quantity > 1,
            terms,
            plan,
            progress: Progress::AwaitingPayment,
            created_at: booking.now,
            updated_at: booking.now,
        };
        escrow.emit(EscrowEvent::Created, &mut booking.effects);
        escrow.emit(EscrowEvent::Pending, &mut booking.effects);
        Ok(escrow)
    }

    /// Replaces the terms and the milestones of an offer that awaits payment. The fee is
    /// computed anew, and every milestone gets a new id (contract section 4.1.2).
    ///
    /// # Errors
    ///
    /// Checks that the caller is the seller, that it is a milestone escrow, that it
    /// awaits payment, and that amount and fee do not exceed [`Amount::MAX`].
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

    /// Replaces the terms of a standard escrow that awaits payment, except those in
    /// `keeps`, and adds images. The fee is computed anew; the additional fee stays
    /// (contract section 4.2.2). The escrow becomes a link if it is open to several
    /// buyers, and stops being one if it is open to one.
    ///
    /// # Errors
    ///
    /// Checks that the caller is the seller, that it is a standard escrow, that it awaits
    /// payment, that amount and fees do not exceed [`Amount::MAX`], and that there are
    /// not too many images.
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

    /// Adds pictures after those that the escrow has.
    ///
    /// # Errors
    ///
    /// Refuses all of them if the escrow would have more than [`IMAGES_MAX`].
    pub fn add_images(&mut self, images: Vec<FileName>) -> Result<(), Invalid> {
        let together = self.images.len() + images.len();
        if together > IMAGES_MAX {
            let expected = format!("at most {IMAGES_MAX} files in all");
            return Err(Invalid::wrong("imageUrl", expected, &format!("{together} of them")));
        }
        self.images.extend(images);
        Ok(())
    }

    /// Converts a standard escrow that awaits payment to a milestone escrow. The buyer
    /// pays the fee, which is computed anew. The additional fee is removed, and all other
    /// terms stay (contract section 4.1.3).
    ///
    /// # Errors
    ///
    /// Checks that the caller is the seller, that the escrow is a standard escrow and not a
    /// link, that it awaits payment, that milestones can add up to the amount, that these do, and
    /// that amount and fee do not exceed [`Amount::MAX`].
    pub fn convert_to_milestones(
        &mut self,
        seller: &Seller,
        conversion: Conversion,
        limits: &TermsLimits,
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
        check_sum(&conversion.milestones, terms.amount, limits)?;
        self.fee = affordable_fee(&terms, seller.rates, Amount::ZERO)?;
        self.additional_fee = AdditionalFee::NONE;
        self.terms = terms;
        self.plan = Plan::Milestones(fresh_milestones(self.id, conversion.milestones, ids));
        self.updated_at = now;
        Ok(())
    }

    /// Sets the additional fee. `is_refundable` stays as it is if `None` (contract
    /// section 4.2.3).
    ///
    /// # Errors
    ///
    /// Checks that it is a standard escrow, that it awaits payment, and that the charge
    /// does not exceed [`Amount::MAX`].
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

    /// Checks that this party may delete the offer (contract section 4.2.4).
    ///
    /// # Errors
    ///
    /// Refuses a party that is not the seller, and then an escrow that was paid for.
    pub fn check_deletable_by(&self, seller: &Party) -> Result<(), Refusal> {
        self.check_sold_by(seller)?;
        self.check_awaits_payment()
    }

    /// Checks that this party is the seller.
    pub(super) fn check_sold_by(&self, party: &Party) -> Result<(), Refusal> {
        if self.seller == *party {
            Ok(())
        } else {
            Err(Refusal::AccessDenied)
        }
    }

    pub(super) fn check_awaits_payment(&self) -> Result<(), Refusal> {
        if self.progress == Progress::AwaitingPayment {
            Ok(())
        } else {
            Err(Refusal::ActionNotAllowed)
        }
    }
}

/// Returns the fee of these terms.
///
/// # Errors
///
/// Names the field `amount` if amount, buyer's share of the fee and additional fee
/// together exceed [`Amount::MAX`].
fn affordable_fee(terms: &Terms, rates: Rates, additional: Amount) -> Result<Fee, Invalid> {
    let fee = Fee::of(terms.amount, terms.who_pays, rates);
    if Amount::total([terms.amount, fee.buyer_share(), additional]).is_none() {
        let expected = format!(
            "an amount that, with its fee and the additional fee, is at most {}",
            Amount::MAX
        );
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
