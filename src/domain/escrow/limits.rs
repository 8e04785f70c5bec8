//! The operator's bounds on what may be offered.

use crate::domain::money::Amount;

/// Bounds on what may be offered.
#[derive(Clone, Copy, Debug)]
pub struct TermsLimits {
    /// Whether to take what the reference API takes: milestone amounts with
    /// decimals, and a delivery window that is always said (design section 5).
    pub is_strict: bool,
    /// Smallest escrow amount.
    pub amount_min: Amount,
    /// Most milestones in one escrow.
    pub milestones_max: usize,
    /// Longest purpose or milestone title, in characters.
    pub purpose_chars_max: usize,
    /// Longest description, in characters.
    pub description_chars_max: usize,
}
