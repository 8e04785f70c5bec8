//! The movements of money at the bank that the service knows of.

use crate::domain::time::Date;
use crate::domain::treasury::signed_amount::SignedAmount;

/// The direction and cause of a [`Movement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MovementKind {
    /// Money that came in.
    Receipt,
    /// Money that a payment provider received. The bank shows the provider's settlements, which
    /// are sums of many payments less fees.
    AtProvider,
    /// Money that went out.
    Payout,
}

/// One movement of money at the bank, as an operator or a provider recorded it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Movement {
    /// The day on which the bank counted the money, as it was recorded.
    pub value_date: Date,
    pub kind: MovementKind,
    /// The id of the receipt or the pay-out.
    pub id: String,
    /// The amount: above zero for a receipt, below for a pay-out. A reversal turns it.
    pub amount: SignedAmount,
    /// The bank's reference, as it was recorded.
    pub reference: String,
}
