//! Notices: what a payment provider says about money that came in.

use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// One payment that a provider received, in words that all providers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The provider's identity of the payment. It is used once: a notice with the same one is
    /// the same payment. It begins with the provider's name, so that two providers never
    /// share one.
    pub provider_reference: String,
    /// The texts that may be the reference of a deposit, the likeliest first. The first that
    /// is known counts.
    pub deposit_references: Vec<String>,
    /// The payer's own words, which may hold the reference of a deposit.
    pub narration: Option<String>,
    /// The amount that was paid, before the provider's fee.
    pub amount: Amount,
    /// The fee that the provider keeps when it passes the money on, if the notice names it.
    pub fee: Option<Amount>,
    /// The code of the currency, such as `NGN`.
    pub currency: String,
    /// The payer's email address. It is a hint for people: payers type it themselves.
    pub customer_email: Option<String>,
    /// `None` if the notice has no time that can be read. The payment then counts as received when
    /// the notice comes.
    pub paid_at: Option<Timestamp>,
    /// True if the payment is one of the provider's test mode, which moves no money.
    pub is_test: bool,
}
