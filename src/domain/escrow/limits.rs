//! The operator's limits for what may be offered.

use crate::domain::money::Amount;

/// Limits for offers of escrows and vaults.
#[derive(Clone, Copy, Debug)]
pub struct TermsLimits {
    /// True to accept exactly what the reference API accepts: decimals in milestone
    /// amounts, and a delivery window in every request (architecture section 5).
    pub is_strict: bool,
    /// The smallest escrow amount.
    pub amount_min: Amount,
    /// Most milestones of one escrow.
    pub milestones_max: usize,
    /// The longest purpose or milestone title, in characters.
    pub purpose_chars_max: usize,
    /// The longest description, in characters.
    pub description_chars_max: usize,
}
