//! References of payments.

use crate::domain::ids::names::{DIGITS_AND_LETTERS, Digits};
use crate::domain::ids::object::TransactionId;
use crate::domain::ids::seeded::EscrowId;
use crate::domain::invalid::Invalid;

/// The characters of a reference that escrowd makes. As many digits of base 36 hold the 96
/// bits of an id.
const MADE_LENGTH: usize = 19;

/// The beginning of the reference of a commission.
const COMMISSION: &str = "CMSN-";
/// The beginning of the reference of an additional fee.
const DELIVERY: &str = "DLV-";

/// The reference of one payment within its merchant: 1 to 64 printable ASCII characters
/// (contract section 9.1, row 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(Default))]
pub struct Reference(String);

impl Reference {
    /// The shape of a reference, for messages.
    pub const SHAPE: &'static str = "1 to 64 printable ASCII characters";

    /// Returns `None` if the text does not have [`Reference::SHAPE`].
    pub fn parse(text: &str) -> Option<Self> {
        let is_reference = (1..=64).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        is_reference.then(|| Self(text.to_owned()))
    }

    /// Checks the reference that a client has chosen for a new payment, if it chose one. A payment
    /// of before this check keeps its reference, so it must be looked for first.
    ///
    /// # Errors
    ///
    /// Refuses a reference without a letter or digit, which people cannot tell from others, and
    /// one that begins as a derived reference does and would be taken for such.
    pub fn check_choice(chosen: Option<&Self>) -> Result<(), Invalid> {
        let Some(Self(text)) = chosen else {
            return Ok(());
        };
        let wrong = |expected: &str| Err(Invalid::wrong("reference", expected, &format!("\"{text}\"")));
        if !text.contains(|letter: char| letter.is_ascii_alphanumeric()) {
            return wrong("a text with at least one letter or digit");
        }
        if text.starts_with(COMMISSION) || text.starts_with(DELIVERY) {
            return wrong(
                "a text that does not begin with CMSN- or DLV-, as the references of commissions and additional \
                 fees do",
            );
        }
        Ok(())
    }

    /// Makes the reference of a transaction whose request has none: 19 of `0-9A-Z`, the
    /// digits of its id in base 36, the lowest first.
    pub fn of(transaction: TransactionId) -> Self {
        let id = u128::from(transaction.number().unsigned_abs()) << 32 | u128::from(transaction.guard());
        let mut digits = Digits(id);
        Self(
            (0..MADE_LENGTH)
                .map(|_| digits.next_below(DIGITS_AND_LETTERS))
                .collect(),
        )
    }

    /// Returns the transaction whose reference this is if escrowd made it with
    /// [`Reference::of`]. A caller's reference of the same form leads to a transaction that
    /// does not exist or has another guard.
    pub fn maker(&self) -> Option<TransactionId> {
        if self.0.len() != MADE_LENGTH || self.0.chars().any(|digit| digit.is_ascii_lowercase()) {
            return None;
        }
        let mut id = 0_u128;
        for digit in self.0.chars().rev() {
            id = id.checked_mul(DIGITS_AND_LETTERS)? + u128::from(digit.to_digit(36)?);
        }
        let guard = u32::try_from(id & u128::from(u32::MAX)).ok()?;
        Some(TransactionId::new(i64::try_from(id >> 32).ok()?, guard))
    }

    /// Returns the transaction to which a reference leads that was typed or came through a bank, which
    /// keeps neither case nor spaces and punctuation.
    pub fn maker_of_quoted(&self) -> Option<TransactionId> {
        let is_kept = |letter: &char| letter.is_ascii_alphanumeric();
        let kept = self.0.chars().filter(is_kept);
        Self(kept.map(|letter| letter.to_ascii_uppercase()).collect()).maker()
    }

    /// Returns the text that a row keeps of the reference of this transaction: none if
    /// [`Reference::of`] makes it from the id.
    pub fn to_stored(&self, transaction: TransactionId) -> Option<&str> {
        (self.maker() != Some(transaction)).then_some(&self.0)
    }

    /// Returns the reference of a transaction whose row keeps this text.
    pub fn from_stored(text: Option<&str>, transaction: TransactionId) -> Self {
        text.map_or_else(|| Self::of(transaction), |text| Self(text.to_owned()))
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
        Self(format!("{COMMISSION}{}", self.0))
    }

    /// Derives the reference of a deal's additional fee from that of the last payment to the
    /// seller or, if there was none, of the funding payment (contract section 1.6).
    #[must_use]
    pub fn delivery(&self) -> Self {
        Self(format!("{DELIVERY}{}", self.0))
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
    }

    #[test]
    fn a_reference_that_escrowd_makes_leads_back_to_its_transaction() {
        for (number, guard) in [(0, 0), (1, u32::MAX), (i64::MAX, u32::MAX), (0x0199_c0ff_ee7a_bcde, 7)] {
            let id = TransactionId::new(number, guard);
            let made = Reference::of(id);
            assert_eq!(made.maker(), Some(id), "{made:?}");
            assert!(Reference::parse(made.as_str()).is_some(), "{made:?}");
            assert_eq!(made.as_str().len(), 19);
            assert_eq!(made.to_stored(id), None);
            let typed = format!(" {}-{}.", &made.as_str()[..4], made.as_str()[4..].to_lowercase());
            assert_eq!(Reference(typed.clone()).maker_of_quoted(), Some(id), "{typed}");
            assert_eq!(Reference(typed).maker(), None);
            assert_eq!(Reference::from_stored(None, id), made);
        }
        for text in [
            "",
            "order 17/a",
            "ZZZZZZZZZZZZZZZZZZZ",
            "000000000000000000a",
            "00000000000000000000",
        ] {
            assert_eq!(Reference(text.to_owned()).maker(), None, "{text}");
        }
    }

    #[test]
    fn a_reference_of_the_caller_is_stored_as_it_is() {
        let id = TransactionId::new(5, 6);
        let reference = Reference::parse("order 17/a").unwrap();
        assert_eq!(reference.to_stored(id), Some("order 17/a"));
        assert_eq!(Reference::from_stored(Some("order 17/a"), id), reference);
        // The reference of another transaction is a text like any other.
        let other = Reference::of(TransactionId::new(5, 7));
        assert_eq!(other.to_stored(id), Some(other.as_str()));
    }
}
