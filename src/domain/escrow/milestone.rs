//! Milestones: the stages of a milestone escrow.

use strum::{EnumDiscriminants, IntoStaticStr, VariantArray};

use crate::domain::escrow::terms::MilestoneTerms;
use crate::domain::ids::MilestoneId;
use crate::domain::party::Party;
use crate::domain::time::Timestamp;

/// A milestone with its terms and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// The id. An edit of the escrow gives the milestone a new one.
    pub id: MilestoneId,
    pub terms: MilestoneTerms,
    pub status: MilestoneStatus,
}

/// The status of a milestone's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, EnumDiscriminants)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
#[strum_discriminants(
    name(MilestoneStatusWord),
    doc = "The status of a milestone's money, without its time.",
    derive(IntoStaticStr, VariantArray),
    strum(serialize_all = "UPPERCASE")
)]
pub enum MilestoneStatus {
    /// Not released. The buyer has the money before funding, the hold after it.
    Pending,
    /// Released at this time.
    Released(Timestamp),
    /// Returned to the buyer by a ruling or by the seller.
    Refunded,
    /// Split between buyer and seller by a ruling.
    Split,
}

impl Milestone {
    /// Returns the time of the release, if it was released.
    pub const fn released_at(&self) -> Option<Timestamp> {
        match self.status {
            MilestoneStatus::Released(at) => Some(at),
            MilestoneStatus::Pending | MilestoneStatus::Refunded | MilestoneStatus::Split => None,
        }
    }

    /// Returns true if its money is neither released nor returned nor split.
    pub const fn is_pending(&self) -> bool {
        matches!(self.status, MilestoneStatus::Pending)
    }

    /// Returns the party that a release pays: the milestone's beneficiary, or else the
    /// seller.
    pub fn payee(&self, seller: &Party) -> Party {
        let beneficiary = self.terms.beneficiary.clone();
        beneficiary.map_or_else(|| seller.clone(), Party::Customer)
    }
}
