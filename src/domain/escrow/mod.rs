//! Escrows: one deal from offer to close, its states, and the rules of each step
//! (contract sections 4.1, 4.2, 4.6.1 and 6). Each step has a file of its own.
//!
//! A step checks its refusals in the order that its documentation gives. It changes the
//! escrow only if none applies.

pub mod actions;
mod agreed;
pub mod category;
mod close;
pub mod deal;
pub mod dispute;
pub mod exits;
mod fund;
pub mod limits;
mod link;
pub mod merchant_escrows;
pub mod milestone;
mod offer;
pub mod party_escrows;
mod release;
pub mod terms;
#[cfg(test)]
mod tests;
pub mod vault;

pub use agreed::{check_terms_agreed, terms_hash};
pub use fund::{PaymentOffer, Source, check_not_listed, check_token, fund, sort_for_funding};
pub use offer::IMAGES_MAX;
pub use release::ReleaseOrder;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::effects::{Effects, EscrowEvent};
use crate::domain::escrow::dispute::Dispute;
use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::terms::Terms;
use crate::domain::fees::{Fee, Rates};
use crate::domain::file::FileName;
use crate::domain::ids::{CustomerId, EscrowId, MerchantId, MilestoneId, PaymentToken};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::time::Timestamp;
use crate::domain::transaction::FundingPayment;

/// A deal between a seller and, once it is funded, a buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escrow {
    pub id: EscrowId,
    pub merchant: MerchantId,
    /// The token by which a buyer names it to pay.
    pub payment_token: PaymentToken,
    pub seller: Party,
    pub terms: Terms,
    /// The fee, fixed together with the terms.
    pub fee: Fee,
    /// The merchant's own addition to the charge.
    pub additional_fee: AdditionalFee,
    /// Pictures of what is sold.
    pub images: Vec<FileName>,
    /// True if several buyers may pay for it, each for an escrow of their own.
    pub is_link: bool,
    /// The way in which its money leaves the hold.
    pub plan: Plan,
    pub progress: Progress,
    /// The time of the offer.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// The way in which an escrow's money leaves the hold: its settlement type on the wire.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
pub enum Plan {
    /// All of it at once.
    Standard,
    /// One milestone after another.
    #[strum(serialize = "MILESTONE")]
    Milestones(Vec<Milestone>),
}

/// A merchant's own addition to an escrow's charge, such as for delivery (contract
/// section 4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdditionalFee {
    pub amount: Amount,
    /// True if it goes back to the buyer when the escrow is refunded or split.
    pub is_refundable: bool,
}

impl AdditionalFee {
    /// The fee of an escrow for which the merchant has set none.
    pub const NONE: Self = Self {
        amount: Amount::ZERO,
        is_refundable: true,
    };

    /// Returns what goes back to the buyer when the escrow closes like this.
    pub(super) const fn returned_on(self, outcome: CloseReason) -> Amount {
        match outcome {
            CloseReason::Refunded | CloseReason::Split(_) if self.is_refundable => self.amount,
            _ => Amount::ZERO,
        }
    }
}

/// The progress of an escrow, with the facts known at that stage.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum Progress {
    /// Offered. It has no buyer yet.
    AwaitingPayment,
    /// Funded. The hold is not empty.
    Opened {
        /// The buyer's payment.
        funding: Funding,
        /// The dispute, if there is one. It keeps the money in the hold.
        dispute: Option<Dispute>,
    },
    /// Closed. The hold is empty.
    Closed {
        /// The buyer's payment.
        funding: Funding,
        /// The dispute with its ruling, or the ruling alone, if there was one.
        dispute: Option<Dispute>,
        outcome: CloseReason,
        at: Timestamp,
    },
}

/// The way in which an escrow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Everything was released.
    Completed,
    /// The seller claimed the money after the delivery window.
    Claimed,
    /// The money in the hold went back to the buyer.
    Refunded,
    /// The money in the hold was split.
    Split(Split),
}

/// The parts of a split. Together they are the pool (contract section 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The amount released to the seller.
    pub seller: Amount,
    /// The amount returned to the buyer.
    pub buyer: Amount,
}

/// The status of an escrow in the contract (section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
pub enum Status {
    /// Offered and not funded.
    Pending,
    Ongoing,
    /// The buyer or the seller opened a dispute.
    Disputed,
    /// The other side replied to the dispute.
    Investigating,
    /// Everything was released.
    Completed,
    /// The seller claimed the money after the delivery window.
    Claimed,
    /// The money in the hold went back to the buyer.
    Refunded,
    /// The money in the hold was split.
    Split,
}

/// The buyer's one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    pub buyer: CustomerId,
    pub payment: FundingPayment,
    pub paid_at: Timestamp,
}

/// The seller of an offer, with the merchant and its rates.
#[derive(Clone, Debug)]
pub struct Seller {
    pub merchant: MerchantId,
    pub rates: Rates,
    pub party: Party,
}

impl Escrow {
    /// Returns the amount that the buyer pays: the amount of the terms, the buyer's share
    /// of the fee and the additional fee (contract section 5.3).
    pub fn charge(&self) -> Amount {
        Amount::total([self.terms.amount, self.fee.buyer_share(), self.additional_fee.amount])
            .expect("checked when the terms and the additional fee were set")
    }

    /// Returns the pool: the money in the hold that the parties can still divide, which
    /// excludes the fees (contract section 4.6.7). It is zero before funding and after
    /// closing.
    pub fn pool(&self) -> Amount {
        if !matches!(self.progress, Progress::Opened { .. }) {
            return Amount::ZERO;
        }
        match &self.plan {
            Plan::Standard => self
                .terms
                .amount
                .checked_sub(self.fee.seller_share())
                .expect("a fee is at most the amount"),
            Plan::Milestones(milestones) => {
                let nets = std::iter::zip(milestones, self.net_releases());
                let pending = nets.filter(|(milestone, _)| milestone.is_pending());
                Amount::total(pending.map(|(_, net)| net))
                    .expect("the net releases of pending milestones are parts of the amount")
            }
        }
    }

    /// Returns the money in the hold. It is zero before funding and after closing.
    pub fn held(&self) -> Amount {
        if !matches!(self.progress, Progress::Opened { .. }) {
            return Amount::ZERO;
        }
        Amount::total([self.pool(), self.fee.total(), self.additional_fee.amount])
            .expect("the pool and the fees are parts of the charge, which is an amount")
    }

    pub fn status(&self) -> Status {
        match &self.progress {
            Progress::AwaitingPayment => Status::Pending,
            Progress::Opened { dispute: None, .. } => Status::Ongoing,
            Progress::Opened {
                dispute: Some(dispute), ..
            } if dispute.is_answered() => Status::Investigating,
            Progress::Opened { dispute: Some(_), .. } => Status::Disputed,
            Progress::Closed { outcome, .. } => match outcome {
                CloseReason::Completed => Status::Completed,
                CloseReason::Claimed => Status::Claimed,
                CloseReason::Refunded => Status::Refunded,
                CloseReason::Split(_) => Status::Split,
            },
        }
    }

    /// Returns the milestones in order. A standard escrow has none.
    pub fn milestones(&self) -> &[Milestone] {
        match &self.plan {
            Plan::Standard => &[],
            Plan::Milestones(milestones) => milestones,
        }
    }

    /// Returns the milestone with this id.
    pub fn milestone(&self, id: MilestoneId) -> Option<&Milestone> {
        self.milestones().iter().find(|milestone| milestone.id == id)
    }

    /// Returns the buyer's payment, once there is one.
    pub const fn funding(&self) -> Option<&Funding> {
        match &self.progress {
            Progress::AwaitingPayment => None,
            Progress::Opened { funding, .. } | Progress::Closed { funding, .. } => Some(funding),
        }
    }

    /// Returns the buyer of an escrow whose money moves, which therefore is funded.
    fn buyer(&self) -> &CustomerId {
        &self.funding().expect("money leaves the hold of a funded escrow").buyer
    }

    /// Returns the account that holds the money of a funded escrow.
    fn hold(&self) -> Account {
        Account::CustomerEscrow(self.buyer().clone())
    }

    /// Returns true if this customer is the seller or the buyer.
    pub fn has_party(&self, customer: &CustomerId) -> bool {
        self.seller.is(customer) || self.funding().is_some_and(|funding| funding.buyer == *customer)
    }

    /// Returns the dispute or the ruling alone, if there was one.
    pub const fn dispute(&self) -> Option<&Dispute> {
        match &self.progress {
            Progress::Opened { dispute, .. } | Progress::Closed { dispute, .. } => dispute.as_ref(),
            Progress::AwaitingPayment => None,
        }
    }

    /// Returns true if this customer may see the dispute: there is one or a ruling alone,
    /// and the customer is a party of the escrow (contract section 4.6.4).
    pub fn shows_dispute_to(&self, customer: &CustomerId) -> bool {
        self.dispute().is_some() && self.has_party(customer)
    }

    /// Returns the time of the close, if it is closed.
    pub const fn closed_at(&self) -> Option<Timestamp> {
        match &self.progress {
            Progress::Closed { at, .. } => Some(*at),
            Progress::AwaitingPayment | Progress::Opened { .. } => None,
        }
    }

    /// Emits an event of this escrow. An escrow that the merchant itself sells has no
    /// events (contract section 7.1).
    fn emit(&self, event: EscrowEvent, effects: &mut Effects) {
        if self.seller.customer().is_some() {
            effects.emit(event, self.id);
        }
    }

    /// Returns the amount that each milestone releases: its own amount less its share of
    /// the seller's part of the fee. The shares add up to that part (contract section
    /// 5.5).
    fn net_releases(&self) -> Vec<Amount> {
        let amounts: Vec<Amount> = self
            .milestones()
            .iter()
            .map(|milestone| milestone.terms.amount)
            .collect();
        let shares = self.fee.seller_share().pro_rata(&amounts);
        let net = |(amount, share): (Amount, Amount)| amount.checked_sub(share);
        std::iter::zip(amounts, shares)
            .map(|pair| net(pair).expect("a share of the fee is at most its part of the amount"))
            .collect()
    }
}
