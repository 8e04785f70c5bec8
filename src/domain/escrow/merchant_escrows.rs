//! The filter for the list of a merchant's deals (contract sections 4.6.3 to 4.6.6).

use crate::domain::escrow::Status;
use crate::domain::ids::{CategoryId, CustomerId, PaymentToken};
use crate::domain::time::Date;

/// A filter of deals. A deal passes if it meets every condition that is given.
#[derive(Clone, Debug, Default)]
pub struct MerchantEscrowFilter {
    /// True if the deal must have or have had a dispute.
    pub is_disputed: bool,
    /// The customer who sells it, has paid for it or has a stake in it.
    pub customer: Option<CustomerId>,
    pub status: Option<Status>,
    pub category: Option<CategoryId>,
    pub token: Option<PaymentToken>,
    /// The first day of its creation, in UTC.
    pub from: Option<Date>,
    /// The last day of its creation, in UTC.
    pub to: Option<Date>,
}
