//! Names that are texts or small numbers: merchants, customers and payment tokens.

use std::fmt;

use crate::domain::ids::numbers::encode_hex;
use crate::domain::unset::is_unset_variable;

/// A merchant: 1, 2, 3, ... in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MerchantId(pub i64);

impl MerchantId {
    /// Stands for no merchant.
    pub const NONE: Self = Self(0);
}

/// A customer within its merchant: 1 to 128 visible ASCII characters, since clients use the
/// ids of their own systems, such as `auth0|66f1`, `ada@shop.example` and `user:1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(String);

impl CustomerId {
    /// The shape of a customer id, for messages.
    pub const SHAPE: &'static str = "1 to 128 visible ASCII characters, without spaces";

    /// Returns `None` if the text does not have [`CustomerId::SHAPE`], or is what a client
    /// sends where it has no id.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        (is_id && !is_unset_variable(text)).then(|| Self(text.to_owned()))
    }

    /// Makes the id of a customer who registered without one: 24 lower-case hex
    /// characters, as clients of the hosted API expect (contract section 1.6).
    pub fn from_parts(number: i64, guard: u32) -> Self {
        Self(encode_hex(number, guard, &mut [0; 24]).to_owned())
    }

    /// Makes an id as [`CustomerId::from_parts`] does, from random bits alone.
    pub(super) fn from_random(random: u128) -> Self {
        Self(format!("{random:032x}")[..24].to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The token that a seller hands to a buyer to pay with: `PY_`, 8 of `0-9A-Z`, 4 digits
/// (contract section 1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaymentToken(String);

impl PaymentToken {
    /// Makes a token from random bits.
    pub fn from_random(random: u128) -> Self {
        let mut digits = Digits(random);
        let mut token = String::from("PY_");
        token.extend((0..8).map(|_| digits.next_below(DIGITS_AND_LETTERS)));
        token.extend((0..4).map(|_| digits.next_below(DIGITS)));
        Self(token)
    }

    /// Reads a token that a caller sent, without any check: the store knows which tokens
    /// exist.
    pub fn named(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The base for characters of `0-9`.
pub(super) const DIGITS: u128 = 10;
/// The base for characters of `0-9A-Z`.
pub(super) const DIGITS_AND_LETTERS: u128 = 36;

/// A number that is turned into characters, one after another.
pub(super) struct Digits(pub(super) u128);

impl Digits {
    /// Returns the next digit of this base, 36 at most.
    pub(super) fn next_below(&mut self, base: u128) -> char {
        // A remainder of 128 bits costs as much as a division.
        let rest = self.0 / base;
        let digit = u32::try_from(self.0 - rest * base).expect("a remainder is below its base");
        self.0 = rest;
        char::from_digit(digit, 36)
            .expect("the base is at most 36")
            .to_ascii_uppercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customer_ids_are_short_visible_text() {
        for text in [
            "a",
            "ada",
            "A.b_c-9",
            "6710aa10b2c3d4e5f6071804",
            "auth0|abc",
            "ada@shop.example",
            "user:1",
            "a/b?c#d%41",
            "\"'\\,;{}",
            &"x".repeat(128),
        ] {
            assert_eq!(CustomerId::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            " ",
            "a b",
            "a\tb",
            "é",
            "a\0",
            "a\u{7f}",
            "undefined",
            "null",
            &"x".repeat(129),
        ] {
            assert!(CustomerId::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_generated_customer_id_is_24_hex_characters() {
        let id = CustomerId::from_parts(0x0199_c0ff_ee7a_bcde, 0xf012_3456);
        assert_eq!(id.as_str(), "0199c0ffee7abcdef0123456");
        assert_eq!(CustomerId::parse(id.as_str()), Some(id));
    }

    #[test]
    fn tokens_have_the_shape_of_the_reference_samples() {
        for random in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let token = PaymentToken::from_random(random);
            let (head, tail) = token.as_str().strip_prefix("PY_").unwrap().split_at(8);
            assert!(head.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()));
            assert!(tail.len() == 4 && tail.bytes().all(|b| b.is_ascii_digit()));
        }
    }
}
