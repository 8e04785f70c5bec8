//! Disputes: what each side said, and what the merchant ruled (contract sections
//! 3.6 and 4.6). What a dispute does to its escrow is in `escrow/dispute.rs`.

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
    /// What the buyer said.
    pub buyer: Statement,
    /// What the seller replied.
    pub seller: Option<Statement>,
    /// What the merchant ruled.
    pub merchant: Option<Statement>,
}

/// What one side said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What who said it was called then, as far as it was known.
    pub name: Option<String>,
    /// In words.
    pub message: String,
    /// With this evidence.
    pub proof: Option<FileName>,
    /// When.
    pub at: Timestamp,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE", const_into_str)]
pub enum Speaker {
    /// Who paid.
    Buyer,
    /// Who sells.
    Seller,
    /// Who ruled.
    Merchant,
}

impl Statement {
    /// What someone says now, without evidence or a name so far. Refuses a message that
    /// is blank, longer than `chars_max` or not plain text, named by `field`.
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

/// Which way the merchant rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Resolution {
    /// For the seller.
    Completed,
    /// For the buyer.
    Refunded,
    /// For both.
    Split,
}

/// What came in as a merchant's ruling, beside its words and evidence.
#[derive(Clone, Debug)]
pub struct RulingRequest {
    /// Which way.
    pub verdict: Parsed<Resolution>,
    /// On a split, what the seller gets.
    pub seller_amount: Parsed<Option<Amount>>,
    /// On a split, what the buyer gets back.
    pub buyer_amount: Parsed<Option<Amount>>,
    /// Whether the additional fee goes back to the buyer; as the escrow has it when
    /// left out.
    pub additional_fee_refundable: Result<Option<bool>, Refusal>,
}

/// What becomes of the money that a dispute froze. One of a split that has not two
/// parts cannot exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Everything to those the escrow would have paid.
    Completed,
    /// Everything back to the buyer.
    Refunded {
        /// Whether the additional fee too; as the escrow has it when not said.
        additional_fee_refundable: Option<bool>,
    },
    /// Some to the seller, the rest back to the buyer.
    Split {
        /// To the seller.
        seller: Amount,
        /// To the buyer.
        buyer: Amount,
        /// Whether the additional fee goes back to the buyer; as the escrow has it
        /// when not said.
        additional_fee_refundable: Option<bool>,
    },
}

impl Ruling {
    /// Checks the verdict, the two amounts, whether the verdict is one that has
    /// amounts, and what is said of the additional fee, in this order. On a completion
    /// the last is of no effect (contract section 4.6.7).
    pub fn new(draft: RulingRequest) -> Result<Self, Refusal> {
        let verdict = draft.verdict?;
        let amounts = (draft.seller_amount?, draft.buyer_amount?);
        match (verdict, amounts) {
            (Resolution::Split, (None, _) | (_, None)) => return Err(Refusal::SplitAmountsMissing),
            (Resolution::Completed | Resolution::Refunded, (Some(_), _) | (_, Some(_))) => {
                return Err(Refusal::SplitAmountsWithoutSplit);
            }
            _ => {}
        }
        let additional_fee_refundable = draft.additional_fee_refundable?;
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
    /// What was said, in the order it was said.
    pub fn statements(&self) -> impl Iterator<Item = (Speaker, &Statement)> {
        let others = [(Speaker::Seller, &self.seller), (Speaker::Merchant, &self.merchant)];
        let others = others
            .into_iter()
            .filter_map(|(speaker, said)| Some((speaker, said.as_ref()?)));
        std::iter::once((Speaker::Buyer, &self.buyer)).chain(others)
    }

    /// What was said last.
    pub fn last(&self) -> (Speaker, &Statement) {
        self.statements().last().unwrap_or((Speaker::Buyer, &self.buyer))
    }
}
