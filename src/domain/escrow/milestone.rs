//! One stage of a milestone escrow, offered or funded.

use strum::IntoStaticStr;

use crate::domain::escrow::terms::MilestoneTerms;
use crate::domain::ids::MilestoneId;
use crate::domain::party::Party;
use crate::domain::time::Timestamp;

/// A milestone: what was offered, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Its id; a new one after every edit.
    pub id: MilestoneId,
    /// What was offered.
    pub terms: MilestoneTerms,
    /// Where its money is.
    pub status: MilestoneStatus,
}

/// Where a milestone's money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
pub enum MilestoneStatus {
    /// Not released: with the buyer before funding, in the hold after it.
    Pending,
    /// Released at this time.
    Released(Timestamp),
    /// Went back to the buyer when a dispute was resolved.
    Refunded,
    /// Was split between buyer and seller when a dispute was resolved.
    Split,
}

impl Milestone {
    /// When it was released, if it was.
    pub const fn released_at(&self) -> Option<Timestamp> {
        match self.status {
            MilestoneStatus::Released(at) => Some(at),
            MilestoneStatus::Pending | MilestoneStatus::Refunded | MilestoneStatus::Split => None,
        }
    }

    /// Whether its money has not left the buyer's side yet.
    pub const fn is_pending(&self) -> bool {
        matches!(self.status, MilestoneStatus::Pending)
    }

    /// Who is paid when it is released: its own beneficiary, or the seller.
    pub fn payee(&self, seller: &Party) -> Party {
        let beneficiary = self.terms.beneficiary.clone();
        beneficiary.map_or_else(|| seller.clone(), Party::Customer)
    }
}
