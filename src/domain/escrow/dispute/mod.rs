//! Disputes: the statements of each side and the merchant's ruling (contract sections 3.6
//! and 4.6). `rules.rs` has the steps that they bring to an escrow.

mod rules;
#[cfg(test)]
mod tests;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::file::FileName;
use crate::domain::money::Amount;
use crate::domain::refusal::{Invalid, Refusal};
use crate::domain::text::prose;
use crate::domain::time::Timestamp;

/// A dispute over an escrow. The buyer opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub buyer: Statement,
    /// The seller's reply.
    pub seller: Option<Statement>,
    /// The merchant's statement on its ruling.
    pub merchant: Option<Statement>,
}

/// The statement of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The speaker's name at the time, if known.
    pub name: Option<String>,
    pub message: String,
    /// A file of evidence.
    pub proof: Option<FileName>,
    pub at: Timestamp,
}

/// The side that makes a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
pub enum Speaker {
    Buyer,
    Seller,
    Merchant,
}

impl Statement {
    /// Returns a statement without evidence and without the speaker's name. `message` is a
    /// text that [`statement_text`] has checked.
    pub const fn new(message: String, now: Timestamp) -> Self {
        Self {
            name: None,
            message,
            proof: None,
            at: now,
        }
    }
}

/// Returns the text of a statement.
///
/// # Errors
///
/// Names `field` if the text is blank, longer than `chars_max` characters, or not plain
/// text.
pub fn statement_text(field: &str, text: String, chars_max: usize) -> Result<String, Invalid> {
    prose(field, Some(text), chars_max)?.ok_or_else(|| Invalid::missing(field))
}

/// The kind of a ruling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Resolution {
    /// The seller gets the money.
    Completed,
    /// The buyer gets the money back.
    Refunded,
    /// Both get a part.
    Split,
}

/// The merchant's decision on the money in the hold. A split always has both parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The payees of the escrow get everything.
    Completed,
    /// The buyer gets everything back.
    Refunded {
        /// `Some(true)` returns the additional fee too. `None` leaves it as the escrow has
        /// it.
        additional_fee_refundable: Option<bool>,
    },
    /// The seller gets one part, the buyer the other.
    Split {
        seller: Amount,
        buyer: Amount,
        /// `Some(true)` returns the additional fee to the buyer. `None` leaves it as the
        /// escrow has it.
        additional_fee_refundable: Option<bool>,
    },
}

impl Resolution {
    /// Returns the ruling of this kind with these amounts. It leaves the additional fee as
    /// the escrow has it.
    ///
    /// # Errors
    ///
    /// Refuses a split without both amounts, and an amount without a split.
    pub fn with_amounts(self, seller: Option<Amount>, buyer: Option<Amount>) -> Result<Ruling, Refusal> {
        let additional_fee_refundable = None;
        match (self, seller, buyer) {
            (Self::Split, Some(seller), Some(buyer)) => Ok(Ruling::Split {
                seller,
                buyer,
                additional_fee_refundable,
            }),
            (Self::Split, _, _) => Err(Refusal::SplitAmountsMissing),
            (Self::Completed, None, None) => Ok(Ruling::Completed),
            (Self::Refunded, None, None) => Ok(Ruling::Refunded {
                additional_fee_refundable,
            }),
            (Self::Completed | Self::Refunded, _, _) => Err(Refusal::SplitAmountsWithoutSplit),
        }
    }
}

impl Ruling {
    /// Returns the ruling with a decision on the additional fee, which has no effect on a
    /// completion (contract section 4.6.7).
    #[must_use]
    pub const fn with_additional_fee(self, additional_fee_refundable: Option<bool>) -> Self {
        match self {
            Self::Completed => self,
            Self::Refunded { .. } => Self::Refunded {
                additional_fee_refundable,
            },
            Self::Split { seller, buyer, .. } => Self::Split {
                seller,
                buyer,
                additional_fee_refundable,
            },
        }
    }
}

impl Dispute {
    /// Returns the statements in order.
    pub fn statements(&self) -> impl Iterator<Item = (Speaker, &Statement)> {
        let others = [(Speaker::Seller, &self.seller), (Speaker::Merchant, &self.merchant)];
        let others = others
            .into_iter()
            .filter_map(|(speaker, said)| Some((speaker, said.as_ref()?)));
        std::iter::once((Speaker::Buyer, &self.buyer)).chain(others)
    }

    /// Returns the latest statement.
    pub fn last(&self) -> (Speaker, &Statement) {
        self.statements().last().unwrap_or((Speaker::Buyer, &self.buyer))
    }
}
