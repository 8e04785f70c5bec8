//! Which of a merchant's deals are wanted (contract sections 4.6.3 to 4.6.6).

use crate::domain::escrow::Status;
use crate::domain::ids::{CategoryId, CustomerId, PaymentToken};
use crate::domain::time::Date;

/// What a deal must be to be listed: everything that is given here.
#[derive(Clone, Debug, Default)]
pub struct MerchantEscrowFilter {
    /// Disputed, now or once.
    pub is_disputed: bool,
    /// One that this customer sells, has paid for or has a stake in.
    pub customer: Option<CustomerId>,
    /// In this status.
    pub status: Option<Status>,
    /// In this category.
    pub category: Option<CategoryId>,
    /// With this token.
    pub token: Option<PaymentToken>,
    /// Made on this day or later, in UTC.
    pub from: Option<Date>,
    /// Made on this day or earlier, in UTC.
    pub to: Option<Date>,
}
