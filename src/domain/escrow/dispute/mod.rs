//! Disputes: the statements of each side and the merchant's ruling (contract sections 3.6
//! and 4.6). `rules.rs` has the steps that they bring to an escrow.

mod rules;
#[cfg(test)]
mod tests;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::file::FileName;
use crate::domain::money::Amount;
use crate::domain::refusal::{Invalid, Parsed, Refusal};
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
    /// Returns a statement without evidence and without the speaker's name.
    ///
    /// # Errors
    ///
    /// Names `field` if the message is blank, longer than `chars_max` characters, or not
    /// plain text.
    pub fn new(field: &str, message: Parsed<String>, chars_max: usize, now: Timestamp) -> Result<Self, Invalid> {
        let message = prose(field, Some(message?), chars_max)?;
        Ok(Self {
            name: None,
            message: message.ok_or_else(|| Invalid::missing(field))?,
            proof: None,
            at: now,
        })
    }
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

/// The parsed request for a ruling, without its statement and evidence.
#[derive(Clone, Debug)]
pub struct RulingRequest {
    pub verdict: Parsed<Resolution>,
    /// The seller's part of a split.
    pub seller_amount: Parsed<Option<Amount>>,
    /// The buyer's part of a split.
    pub buyer_amount: Parsed<Option<Amount>>,
    /// `Some(true)` returns the additional fee to the buyer. `None` leaves it as the escrow
    /// has it.
    pub additional_fee_refundable: Result<Option<bool>, Refusal>,
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

impl Ruling {
    /// Checks the kind of the ruling, the two amounts, that only a split has amounts, and
    /// the additional fee, in this order. The additional fee has no effect on a
    /// completion (contract section 4.6.7).
    ///
    /// # Errors
    ///
    /// Returns the first of these that fails.
    pub fn new(request: RulingRequest) -> Result<Self, Refusal> {
        let verdict = request.verdict?;
        let amounts = (request.seller_amount?, request.buyer_amount?);
        match (verdict, amounts) {
            (Resolution::Split, (None, _) | (_, None)) => return Err(Refusal::SplitAmountsMissing),
            (Resolution::Completed | Resolution::Refunded, (Some(_), _) | (_, Some(_))) => {
                return Err(Refusal::SplitAmountsWithoutSplit);
            }
            _ => {}
        }
        let additional_fee_refundable = request.additional_fee_refundable?;
        Ok(match (verdict, amounts) {
            (Resolution::Split, (Some(seller), Some(buyer))) => Self::Split {
                seller,
                buyer,
                additional_fee_refundable,
            },
            (Resolution::Refunded, _) => Self::Refunded {
                additional_fee_refundable,
            },
            _ => Self::Completed,
        })
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
