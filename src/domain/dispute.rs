//! Disputes: what each side said (contract section 3.6).

use super::file::FileName;
use super::time::Timestamp;

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
    /// In words.
    pub message: String,
    /// With this evidence.
    pub proof: Option<FileName>,
    /// When.
    pub at: Timestamp,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Who paid.
    Buyer,
    /// Who sells.
    Seller,
    /// Who ruled.
    Merchant,
}

impl Speaker {
    /// Every speaker, under its stored name.
    pub const WORDS: [(&'static str, Self); 3] = [
        (Self::Buyer.as_str(), Self::Buyer),
        (Self::Seller.as_str(), Self::Seller),
        (Self::Merchant.as_str(), Self::Merchant),
    ];

    /// Its stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buyer => "BUYER",
            Self::Seller => "SELLER",
            Self::Merchant => "MERCHANT",
        }
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
}
