//! Disputes: the statements of each side and the merchant's ruling (contract sections 3.6,
//! 4.6 and 9.4). `rules.rs` has the steps that they bring to an escrow.

mod rules;
#[cfg(test)]
mod tests;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::file::FileName;
use crate::domain::ids::OperatorId;
use crate::domain::invalid::Invalid;
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::text::prose;
use crate::domain::time::Timestamp;

/// The statements over an escrow: those of a dispute, with the merchant's on its ruling, or
/// the merchant's alone if it rules without a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    first: (Speaker, Statement),
    /// The later statements, in order of arrival. A speaker makes one statement.
    later: Vec<(Speaker, Statement)>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
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

/// A ruling on a large hold that one operator has asked for, until a second one asks for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedRuling {
    pub by: OperatorId,
    pub ruling: Ruling,
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
    /// Returns the kind, the amounts of a split for the seller and the buyer, and the decision on the
    /// additional fee.
    pub const fn parts(self) -> (Resolution, Option<(Amount, Amount)>, Option<bool>) {
        match self {
            Self::Completed => (Resolution::Completed, None, None),
            Self::Refunded {
                additional_fee_refundable,
            } => (Resolution::Refunded, None, additional_fee_refundable),
            Self::Split {
                seller,
                buyer,
                additional_fee_refundable,
            } => (Resolution::Split, Some((seller, buyer)), additional_fee_refundable),
        }
    }

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
    /// Begins with this statement.
    pub const fn new(speaker: Speaker, statement: Statement) -> Self {
        Self {
            first: (speaker, statement),
            later: Vec::new(),
        }
    }

    /// Adds the statement of a speaker who has made none.
    pub fn add(&mut self, speaker: Speaker, statement: Statement) {
        self.later.push((speaker, statement));
    }

    /// Returns the statements in order of arrival.
    pub fn statements(&self) -> impl Iterator<Item = (Speaker, &Statement)> {
        let all = std::iter::once(&self.first).chain(&self.later);
        all.map(|(speaker, statement)| (*speaker, statement))
    }

    /// Returns the latest statement.
    pub fn last(&self) -> (Speaker, &Statement) {
        let (speaker, statement) = self.later.last().unwrap_or(&self.first);
        (*speaker, statement)
    }

    /// Returns true if this speaker has made a statement.
    pub fn has_spoken(&self, speaker: Speaker) -> bool {
        self.statements().any(|(other, _)| other == speaker)
    }

    /// Returns true if a party disputed; false if the merchant ruled without a dispute.
    pub fn is_between_parties(&self) -> bool {
        self.has_spoken(Speaker::Buyer) || self.has_spoken(Speaker::Seller)
    }

    /// Returns true if the other side replied to the party that opened the dispute.
    pub fn is_answered(&self) -> bool {
        self.has_spoken(Speaker::Buyer) && self.has_spoken(Speaker::Seller)
    }
}
