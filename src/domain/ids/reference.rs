//! References of payments.

use crate::domain::ids::names::{DIGITS_AND_LETTERS, RandomDigits};
use crate::domain::ids::seeded::EscrowId;

/// The reference of one payment within its merchant: 1 to 64 printable ASCII characters
/// (contract section 9.1, row 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(String);

impl Reference {
    /// The shape of a reference, for messages.
    pub const SHAPE: &'static str = "1 to 64 printable ASCII characters";

    /// Returns `None` if the text does not have [`Reference::SHAPE`].
    pub fn parse(text: &str) -> Option<Self> {
        let is_reference = (1..=64).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        is_reference.then(|| Self(text.to_owned()))
    }

    /// Returns a stored reference. A derived one may be longer than a caller's.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Makes the reference of a payment whose request has none: 19 of `0-9A-Z`.
    pub fn from_random(random: u128) -> Self {
        let mut digits = RandomDigits(random);
        Self((0..19).map(|_| digits.next_below(DIGITS_AND_LETTERS)).collect())
    }

    /// Derives the reference of a transaction that concerns one of the escrows that this
    /// payment funded.
    #[must_use]
    pub fn of_escrow(&self, escrow: EscrowId) -> Self {
        Self(format!("{}-{:08x}", self.0, escrow.wire_guard()))
    }

    /// Derives the reference of the commission on a deal that this payment funded
    /// (contract section 1.6).
    #[must_use]
    pub fn commission(&self) -> Self {
        Self(format!("CMSN-{}", self.0))
    }

    /// Derives the reference of a deal's additional fee from that of the last payment to the
    /// seller or, if there was none, of the funding payment (contract section 1.6).
    #[must_use]
    pub fn delivery(&self) -> Self {
        Self(format!("DLV-{}", self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_printable_ascii() {
        assert!(Reference::parse("order 17/a").is_some());
        for text in ["", "a\n", "é", &"x".repeat(65)] {
            assert!(Reference::parse(text).is_none(), "{text}");
        }
        assert_eq!(Reference::from_random(u128::MAX).as_str().len(), 19);
    }
}
