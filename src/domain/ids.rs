//! Names of things: typed, so that one cannot stand where another is meant.
//!
//! Ids are made outside (`entropy.rs`) and only shaped here. Those of escrows and
//! milestones, which a seed can make the same in every merchant, are in
//! `ids/seeded.rs`.

mod seeded;

use std::fmt;
use std::iter;

pub use seeded::{EscrowId, MilestoneId, Seed};

use crate::domain::time::Timestamp;

/// Numbers that objects take: each takes the next multiple of this. What lies
/// between two is for what belongs to the first, an escrow's milestones.
const NUMBERS_APART: i64 = 1 << 10;
/// How many milestones an escrow can have; each has a number behind the escrow's.
pub const MILESTONES_MAX: i64 = 1_000;
/// Numbers of one millisecond, 32 objects; when they run out, numbering goes on
/// in those of the next.
const NUMBERS_PER_MILLISECOND: i64 = 1 << 15;
/// No object has a number below this, not even one made in 1970: ids of seeds show
/// such numbers (see `ids/seeded.rs`).
const FIRST_NUMBER: i64 = 1 << 26;

/// The number of an object made now, greater than `previous`, the one given out
/// before it. Numbers follow time, so that new rows land at the right edge of
/// their table.
pub fn number_after(previous: i64, now: Timestamp) -> i64 {
    first_number_of(now)
        .max(previous.saturating_add(NUMBERS_APART))
        .max(FIRST_NUMBER)
}

/// The smallest number of an object made in this millisecond: those made before have
/// smaller ones, unless there were more than their time had numbers for.
pub fn first_number_of(now: Timestamp) -> i64 {
    now.millis().saturating_mul(NUMBERS_PER_MILLISECOND)
}

/// The last number that [`number_after`] gives out in this millisecond, unless it
/// goes on in the next.
pub fn last_number_of(now: Timestamp) -> i64 {
    let first_of_next = now.millis().saturating_add(1).saturating_mul(NUMBERS_PER_MILLISECOND);
    first_of_next.saturating_sub(NUMBERS_APART)
}

/// A type for one kind of id: 24 lower-case hex characters on the wire (contract
/// section 1.6). They are 12 bytes: a number in time order, by which it is
/// stored, and a guard, 32 random bits, so that nobody guesses one id from
/// another.
macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            number: i64,
            guard: u32,
        }

        impl $name {
            /// The id of these parts.
            pub const fn new(number: i64, guard: u32) -> Self {
                Self { number, guard }
            }

            /// Where it is stored.
            pub const fn number(&self) -> i64 {
                self.number
            }

            /// What nobody can guess.
            pub const fn guard(&self) -> u32 {
                self.guard
            }

            /// The id a caller wrote. Text that is not 24 lower-case hex
            /// characters names nothing that exists, so it becomes the id of
            /// zeros, which is never given out: a malformed id is then treated
            /// as an unknown one (contract section 9.3, row 60).
            pub fn named(text: &str) -> Self {
                Self::parse(text).unwrap_or(Self::new(0, 0))
            }

            /// The id this text is, or `None` when it is not 24 lower-case hex
            /// characters.
            pub fn parse(text: &str) -> Option<Self> {
                let (number, guard) = decode_hex(text)?;
                Some(Self { number, guard })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 24];
                f.write_str(encode_hex(self.number, self.guard, &mut text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

object_id!(
    /// Names an entry of a payment history.
    TransactionId
);
object_id!(
    /// Names a customer's wallet, or the merchant's own.
    WalletId
);
object_id!(
    /// Names a category.
    CategoryId
);
object_id!(
    /// Names a saved card.
    CardId
);
object_id!(
    /// Names an address on a customer's whitelist.
    WhitelistAddressId
);
object_id!(
    /// Names an event.
    EventId
);

fn encode_hex(number: i64, guard: u32, text: &mut [u8; 24]) -> &str {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&guard.to_be_bytes());
    hex::encode_to_slice(bytes, text).expect("two characters for each byte");
    str::from_utf8(text).expect("hex is ASCII")
}

fn decode_hex(text: &str) -> Option<(i64, u32)> {
    let is_lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let mut bytes = [0; 12];
    let decoded = hex::decode_to_slice(text, &mut bytes);
    let (number, guard) = bytes.split_at(8);
    let number = i64::from_be_bytes(number.try_into().ok()?);
    let guard = u32::from_be_bytes(guard.try_into().ok()?);
    (is_lower_case && decoded.is_ok()).then_some((number, guard))
}

/// Names a merchant: 1, 2, 3, ... in the order they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MerchantId(pub i64);

/// Names a customer within its merchant: 1 to 64 of `A-Za-z0-9._-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(String);

impl CustomerId {
    /// What a customer id may look like, for people.
    pub const SHAPE: &'static str = "1 to 64 letters, digits, '.', '_' or '-'";

    /// The id this text is, or `None` when it is not of [`CustomerId::SHAPE`].
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_id = (1..=64).contains(&text.len()) && text.bytes().all(is_allowed);
        is_id.then(|| Self(text.to_owned()))
    }

    /// An id of our own making: 24 lower-case hex characters, which clients of the
    /// reference API expect (contract section 1.6).
    pub fn from_parts(number: i64, guard: u32) -> Self {
        Self(encode_hex(number, guard, &mut [0; 24]).to_owned())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a caller names an escrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EscrowKey {
    /// By its id.
    Id(EscrowId),
    /// By its payment token.
    Token(PaymentToken),
}

/// Where ids and randomness come from: the system in service, a counter in a test.
pub trait Entropy: Send {
    /// A number for a new object, as [`number_after`] gives them out.
    fn number(&mut self, now: Timestamp) -> i64;

    /// Gives out only numbers above this one from now on.
    fn start_after(&mut self, number: i64);

    /// Bits nobody can guess.
    fn random(&mut self) -> u128;
}

/// New names for the things one command makes.
pub trait IdSource {
    /// A number never given out before, greater than all given out before.
    fn number(&mut self) -> i64;

    /// Bits nobody can guess.
    fn random(&mut self) -> u128;

    /// What names of escrows, milestones and customers are drawn from instead, while
    /// a seed is loaded.
    fn seed(&mut self) -> Option<&mut Seed> {
        None
    }

    /// The guard of a new id.
    fn guard(&mut self) -> u32 {
        let [.., a, b, c, d] = self.random().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// A name for a new escrow.
    fn escrow_id(&mut self) -> EscrowId {
        let number = self.number();
        match self.seed() {
            Some(seed) => seed.next_escrow_id(number),
            None => EscrowId::new(number, self.guard().into()),
        }
    }

    /// A name for the milestone at this position of its escrow, below
    /// [`MILESTONES_MAX`].
    fn milestone_id(&mut self, escrow: EscrowId, position: usize) -> MilestoneId {
        let position = i64::try_from(position).expect("a position is small");
        debug_assert!(position < MILESTONES_MAX, "{position} is for another escrow");
        let number = escrow.number() + 1 + position;
        match self.seed() {
            Some(seed) => seed.milestone_id(number),
            None => MilestoneId::new(number, self.guard().into()),
        }
    }

    /// A name for a new transaction.
    fn transaction_id(&mut self) -> TransactionId {
        TransactionId::new(self.number(), self.guard())
    }

    /// A name for a new wallet.
    fn wallet_id(&mut self) -> WalletId {
        WalletId::new(self.number(), self.guard())
    }

    /// A name for a new category.
    fn category_id(&mut self) -> CategoryId {
        CategoryId::new(self.number(), self.guard())
    }

    /// A name for what subscribers are told now.
    fn event_id(&mut self) -> EventId {
        EventId::new(self.number(), self.guard())
    }

    /// A name for a newly saved card.
    fn card_id(&mut self) -> CardId {
        CardId::new(self.number(), self.guard())
    }

    /// A name for a newly whitelisted address.
    fn whitelist_address_id(&mut self) -> WhitelistAddressId {
        WhitelistAddressId::new(self.number(), self.guard())
    }

    /// A number for a new test account: `99` and 8 digits (contract section 3.5.1).
    fn test_account_number(&mut self) -> String {
        let mut draw = Draw(self.random());
        iter::chain("99".chars(), (0..8).map(|_| draw.one_of(DIGITS))).collect()
    }

    /// A name for a new customer who did not bring one.
    fn customer_id(&mut self) -> CustomerId {
        match self.seed() {
            Some(seed) => seed.next_customer_id(),
            None => CustomerId::from_parts(self.number(), self.guard()),
        }
    }

    /// A token for the escrow that was named last.
    fn payment_token(&mut self) -> PaymentToken {
        match self.seed() {
            Some(seed) => seed.payment_token(),
            None => PaymentToken::from_random(self.random()),
        }
    }

    /// A reference for a payment that came without one.
    fn reference(&mut self) -> Reference {
        Reference::from_random(self.random())
    }
}

const DIGITS: u128 = 10;
const DIGITS_AND_LETTERS: u128 = 36;

/// What a seller hands to a buyer to pay with: `PY_`, 8 of `0-9A-Z`, 4 digits.
/// Fits both the wider alphabet of the design and every sample of the reference
/// API (contract section 1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PaymentToken(String);

impl PaymentToken {
    /// A token drawn from random bits.
    pub fn from_random(random: u128) -> Self {
        let mut draw = Draw(random);
        let mut token = String::from("PY_");
        token.extend((0..8).map(|_| draw.one_of(DIGITS_AND_LETTERS)));
        token.extend((0..4).map(|_| draw.one_of(DIGITS)));
        Self(token)
    }

    /// The token a caller wrote; whether any escrow has it is for the store to say.
    pub fn named(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names one payment within its merchant: 1 to 64 printable ASCII characters
/// (contract section 9.1, row 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(String);

impl Reference {
    /// What a reference may look like, for people.
    pub const SHAPE: &'static str = "1 to 64 printable ASCII characters";

    /// The reference this text is, or `None` when it is not of [`Reference::SHAPE`].
    pub fn parse(text: &str) -> Option<Self> {
        let is_reference = (1..=64).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b));
        is_reference.then(|| Self(text.to_owned()))
    }

    /// A reference as it was stored; ours may be longer than a caller's.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A reference of our own making: 19 of `0-9A-Z` drawn from random bits.
    pub fn from_random(random: u128) -> Self {
        let mut draw = Draw(random);
        Self((0..19).map(|_| draw.one_of(DIGITS_AND_LETTERS)).collect())
    }

    /// The reference of what concerns only this one of the escrows that a payment
    /// funded.
    #[must_use]
    pub fn of_escrow(&self, escrow: EscrowId) -> Self {
        Self(format!("{}-{:08x}", self.0, escrow.shown_guard()))
    }

    /// The reference of the commission taken from a deal that this one funded
    /// (contract section 1.6).
    #[must_use]
    pub fn commission(&self) -> Self {
        Self(format!("CMSN-{}", self.0))
    }

    /// The reference of the additional fee taken from a deal that this one paid
    /// out (contract section 1.6).
    #[must_use]
    pub fn delivery(&self) -> Self {
        Self(format!("DLV-{}", self.0))
    }

    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Random bits, spent one character at a time.
struct Draw(u128);

impl Draw {
    fn one_of(&mut self, base: u128) -> char {
        let digit = u32::try_from(self.0 % base).expect("a remainder is below its base");
        self.0 /= base;
        char::from_digit(digit, 36)
            .expect("the base is at most 36")
            .to_ascii_uppercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_and_read_as_24_hex_characters() {
        let text = "0199c0ffee7abcdef0123456";
        assert_eq!(EscrowId::named(text).to_string(), text);
    }

    #[test]
    fn numbers_follow_time_and_never_repeat() {
        let at = |millis| Timestamp::from_millis(millis).unwrap();
        let first = number_after(0, at(1_782_123_300_007));
        assert_eq!(first >> 15, 1_782_123_300_007);
        let many = std::iter::successors(Some(first), |&previous| {
            Some(number_after(previous, at(1_782_123_300_007)))
        });
        let many: Vec<i64> = many.take(100).collect();
        assert!(
            many.is_sorted_by(|a, b| a + 1024 == *b),
            "also when a millisecond is full"
        );
        assert!(number_after(many[99], at(1_782_123_300_011)) > many[99]);
        assert!(
            number_after(many[99], at(0)) > many[99],
            "a clock that steps back does not matter"
        );
        let now = at(1_782_123_300_007);
        assert_eq!(last_number_of(now), many[31], "32 of them in one millisecond");
        assert!(number_after(last_number_of(now), now) > many[31]);
        let last_of_all = at(253_402_207_199_999);
        assert!(
            number_after(0, last_of_all) < i64::MAX - 1024,
            "there is room to the last year"
        );
    }

    #[test]
    fn a_malformed_id_names_nothing() {
        let nothing = EscrowId::new(0, 0);
        for text in [
            "",
            "x",
            "0199C0FFEE7ABCDEF0123456",
            "0199c0ffee7abcdef01234567",
            "0199c0ffee7abcdef012345é",
        ] {
            assert_eq!(EscrowId::named(text), nothing, "{text}");
        }
    }

    #[test]
    fn customer_ids_are_short_plain_text() {
        for text in ["a", "ada", "A.b_c-9", "6710aa10b2c3d4e5f6071804", &"x".repeat(64)] {
            assert!(CustomerId::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            " ",
            "a b",
            "a/b",
            "é",
            "a\0",
            "'; DROP TABLE escrow",
            "../..",
            &"x".repeat(65),
        ] {
            assert!(CustomerId::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_customer_id_of_ours_is_24_hex_characters() {
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

    #[test]
    fn references_are_printable_ascii() {
        assert!(Reference::parse("order 17/a").is_some());
        for text in ["", "a\n", "é", &"x".repeat(65)] {
            assert!(Reference::parse(text).is_none(), "{text}");
        }
        assert_eq!(Reference::from_random(u128::MAX).as_str().len(), 19);
    }
}
