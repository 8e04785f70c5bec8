//! One deal, from offer to close: its states, and in a file for each step every
//! rule of what may happen to it (contract sections 4.1, 4.6.1 and 6).
//!
//! Each step checks its refusals in the order its documentation gives, and
//! changes the escrow only when none applies.

mod fund;
mod offer;
mod release;
#[cfg(test)]
mod tests;

pub use fund::{PaymentOffer, Source, fund};

use super::fees::{Fee, Rates};
use super::ids::{CustomerId, EscrowId, MerchantId, PaymentToken};
use super::milestone::{Milestone, MilestoneStatus};
use super::money::Amount;
use super::payment::FundingPayment;
use super::terms::Terms;
use super::time::Timestamp;

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
    pub seller: CustomerId,
    /// What was offered.
    pub terms: Terms,
    /// What it costs, fixed with the terms.
    pub fee: Fee,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// All at once.
    Standard,
    /// Milestone by milestone.
    Milestones(Vec<Milestone>),
}

/// How far an escrow is, with what is known by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Offered; no buyer yet.
    AwaitingPayment,
    /// Funded; the hold is not empty.
    Opened(Funding),
    /// Everything was released.
    Completed {
        /// Who paid, and how.
        funding: Funding,
        /// When the last of it was released.
        completed_at: Timestamp,
    },
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
    /// The seller.
    pub customer: CustomerId,
}

impl Escrow {
    /// What the buyer pays: the amount and their share of the fee (contract
    /// section 5.3).
    pub fn charge(&self) -> Amount {
        self.terms
            .amount
            .checked_add(self.fee.buyer_share())
            .expect("checked when the terms were set")
    }

    /// What the escrow still keeps of the buyer's payment: nothing before it is
    /// funded and nothing after it closes.
    pub fn held(&self) -> Amount {
        if !matches!(self.progress, Progress::Opened(_)) {
            return Amount::ZERO;
        }
        let released = self
            .milestones()
            .iter()
            .zip(self.net_releases())
            .filter(|(milestone, _)| milestone.status != MilestoneStatus::Pending)
            .map(|(_, net)| net);
        Amount::total(released)
            .and_then(|released| self.charge().checked_sub(released))
            .expect("no more is released than was charged")
    }

    /// The milestones in order; none for a standard escrow.
    pub fn milestones(&self) -> &[Milestone] {
        match &self.plan {
            Plan::Standard => &[],
            Plan::Milestones(milestones) => milestones,
        }
    }

    /// The funding payment, once there is one.
    pub const fn funding(&self) -> Option<&Funding> {
        match &self.progress {
            Progress::AwaitingPayment => None,
            Progress::Opened(funding) | Progress::Completed { funding, .. } => Some(funding),
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
