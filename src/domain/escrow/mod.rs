//! One deal, from offer to close: its states, and in a file for each step every
//! rule of what may happen to it (contract sections 4.1, 4.2, 4.6.1 and 6).
//!
//! Each step checks its refusals in the order its documentation gives, and
//! changes the escrow only when none applies.

pub mod category;
mod close;
pub mod deal;
pub mod dispute;
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

pub use fund::{PaymentOffer, Source, fund};
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
use crate::domain::money::Amount;
use crate::domain::party::Party;
use crate::domain::time::Timestamp;
use crate::domain::transaction::FundingPayment;

/// A deal between a seller and, once funded, a buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escrow {
    /// Its id.
    pub id: EscrowId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// What a buyer pays it with.
    pub payment_token: PaymentToken,
    /// Who offered it.
    pub seller: Party,
    /// What was offered.
    pub terms: Terms,
    /// What it costs, fixed with the terms.
    pub fee: Fee,
    /// What the merchant adds to the charge for itself.
    pub additional_fee: AdditionalFee,
    /// Pictures of what is sold.
    pub images: Vec<FileName>,
    /// Whether several buyers may pay for it, each for an escrow of their own.
    pub is_link: bool,
    /// How its money leaves the hold.
    pub plan: Plan,
    /// How far it is.
    pub progress: Progress,
    /// When it was offered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How an escrow's money leaves the hold; its settlement type on the wire.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
pub enum Plan {
    /// All at once.
    Standard,
    /// Milestone by milestone.
    #[strum(serialize = "MILESTONE")]
    Milestones(Vec<Milestone>),
}

/// What a merchant adds to an escrow's charge for itself, such as delivery
/// (contract section 4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdditionalFee {
    /// How much.
    pub amount: Amount,
    /// Whether it goes back to the buyer with a refund or a split.
    pub is_refundable: bool,
}

impl AdditionalFee {
    /// None, until the merchant sets one.
    pub const NONE: Self = Self {
        amount: Amount::ZERO,
        is_refundable: true,
    };
}

/// How far an escrow is, with what is known by then.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum Progress {
    /// Offered; no buyer yet.
    AwaitingPayment,
    /// Funded; the hold is not empty.
    Opened {
        /// Who paid, and how.
        funding: Funding,
        /// What buyer and seller are at odds about. It freezes the money.
        dispute: Option<Dispute>,
    },
    /// Nothing is held any more.
    Closed {
        /// Who paid, and how.
        funding: Funding,
        /// What was disputed, and the ruling.
        dispute: Option<Dispute>,
        /// How it ended.
        outcome: CloseReason,
        /// When.
        at: Timestamp,
    },
}

/// How an escrow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Everything was released.
    Completed,
    /// The seller took it after the delivery window.
    Claimed,
    /// What was held went back to the buyer.
    Refunded,
    /// What was held was split.
    Split(Split),
}

/// How what was held was split; both parts together are the pool (contract section
/// 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Released to the seller.
    pub seller: Amount,
    /// Returned to the buyer.
    pub buyer: Amount,
}

/// The contract's status of an escrow (section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
pub enum Status {
    /// Nobody has paid.
    Pending,
    /// Funded.
    Ongoing,
    /// The buyer disputed it.
    Disputed,
    /// The seller replied to the dispute.
    Investigating,
    /// Everything was released.
    Completed,
    /// The seller took it after the delivery window.
    Claimed,
    /// What was held went back to the buyer.
    Refunded,
    /// What was held was split.
    Split,
}

/// The buyer's one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Who paid.
    pub buyer: CustomerId,
    /// With which payment.
    pub payment: FundingPayment,
    /// When.
    pub paid_at: Timestamp,
}

/// Who offers, in which merchant's name, at which rates.
#[derive(Clone, Debug)]
pub struct Seller {
    /// The merchant.
    pub merchant: MerchantId,
    /// The merchant's rates.
    pub rates: Rates,
    /// Who sells.
    pub party: Party,
}

impl Escrow {
    /// What the buyer pays: the amount, their share of the fee and the additional
    /// fee (contract section 5.3).
    pub fn charge(&self) -> Amount {
        Amount::total([self.terms.amount, self.fee.buyer_share(), self.additional_fee.amount])
            .expect("checked when the terms and the additional fee were set")
    }

    /// What the parties can still divide: what is held, less the fees (contract
    /// section 4.6.7). Nothing before the escrow is funded and after it closes.
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
                Amount::total(pending.map(|(_, net)| net)).expect("no more than the amount")
            }
        }
    }

    /// What the escrow still keeps of the buyer's payment: nothing before it is
    /// funded and nothing after it closes.
    pub fn held(&self) -> Amount {
        if !matches!(self.progress, Progress::Opened { .. }) {
            return Amount::ZERO;
        }
        Amount::total([self.pool(), self.fee.total(), self.additional_fee.amount]).expect("no more than was charged")
    }

    /// Its status.
    pub const fn status(&self) -> Status {
        match &self.progress {
            Progress::AwaitingPayment => Status::Pending,
            Progress::Opened { dispute: None, .. } => Status::Ongoing,
            Progress::Opened {
                dispute: Some(Dispute { seller: None, .. }),
                ..
            } => Status::Disputed,
            Progress::Opened {
                dispute: Some(Dispute { seller: Some(_), .. }),
                ..
            } => Status::Investigating,
            Progress::Closed { outcome, .. } => match outcome {
                CloseReason::Completed => Status::Completed,
                CloseReason::Claimed => Status::Claimed,
                CloseReason::Refunded => Status::Refunded,
                CloseReason::Split(_) => Status::Split,
            },
        }
    }

    /// The milestones in order; none for a standard escrow.
    pub fn milestones(&self) -> &[Milestone] {
        match &self.plan {
            Plan::Standard => &[],
            Plan::Milestones(milestones) => milestones,
        }
    }

    /// The milestone that a caller names.
    pub fn milestone(&self, id: MilestoneId) -> Option<&Milestone> {
        self.milestones().iter().find(|milestone| milestone.id == id)
    }

    /// The funding payment, once there is one.
    pub const fn funding(&self) -> Option<&Funding> {
        match &self.progress {
            Progress::AwaitingPayment => None,
            Progress::Opened { funding, .. } | Progress::Closed { funding, .. } => Some(funding),
        }
    }

    /// Whether this customer sells it or has paid for it.
    pub fn has_party(&self, customer: &CustomerId) -> bool {
        self.seller.is(customer) || self.funding().is_some_and(|funding| funding.buyer == *customer)
    }

    /// The dispute, if there was one.
    pub const fn dispute(&self) -> Option<&Dispute> {
        match &self.progress {
            Progress::Opened { dispute, .. } | Progress::Closed { dispute, .. } => dispute.as_ref(),
            Progress::AwaitingPayment => None,
        }
    }

    /// Returns whether this customer may see its dispute: one of its parties, once there
    /// is one (contract section 4.6.4).
    pub fn is_disputed_by_or_with(&self, customer: &CustomerId) -> bool {
        self.dispute().is_some() && self.has_party(customer)
    }

    /// When it closed, if it did.
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

    /// What each milestone releases: its amount less its share of the seller's
    /// part of the fee, cut so that the shares add up (contract section 5.5).
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
