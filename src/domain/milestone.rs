//! One stage of a milestone escrow, offered or funded.

use super::ids::{CustomerId, MilestoneId};
use super::terms::MilestoneTerms;
use super::time::Timestamp;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MilestoneStatus {
    /// Not released: with the buyer before funding, in the hold after it.
    Pending,
    /// Released at this time.
    Released(Timestamp),
}

impl Milestone {
    /// When it was released, if it was.
    pub const fn released_at(&self) -> Option<Timestamp> {
        match self.status {
            MilestoneStatus::Pending => None,
            MilestoneStatus::Released(at) => Some(at),
        }
    }

    /// Who is paid when it is released: its own beneficiary, or the seller.
    pub fn payee<'a>(&'a self, seller: &'a CustomerId) -> &'a CustomerId {
        self.terms.beneficiary.as_ref().unwrap_or(seller)
    }
}
