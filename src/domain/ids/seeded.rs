//! Ids of escrows and milestones, which a sandbox seed makes equal on every server.
//!
//! On the wire an id is 24 hex characters: 16 for a number, 8 for a guard. In the file it
//! is the key of its row, which is a number that follows time, and a stored guard of 64
//! bits. Most ids show both as they are. A seeded id must not depend on time, and many
//! merchants may load the same seed into one table, so a seeded id cannot show the key of
//! its row. It shows a position in the seed in its place:
//!
//! | made by | key of the row | stored guard | number on the wire | guard on the wire |
//! |---|---|---|---|---|
//! | a client | from time | 32 random bits | the key | the random bits |
//! | a seed | from time | position << 32, plus hash | position * 1024 + key % 1024 | hash |
//!
//! The first escrow of a seed has position 1. Its number on the wire is 1024, that of its
//! first milestone is 1025, and that of the second escrow is 2048. The hash has
//! 32 bits and covers the seed's content and the number on the wire.
//!
//! This has three consequences:
//!
//! - The text of an id shows whether a seed made it, because keys start at
//!   [`FIRST_NUMBER`], above every number that a seeded id shows.
//! - The text of a seeded id does not contain the key of its row. The store finds the row
//!   by merchant and stored guard, in one place (`Snapshot::with_row_key`). Until then the
//!   id's [`EscrowId::number`] is the key of no row.
//! - Two ids are equal if their texts are equal. Within one merchant they then belong to
//!   the same row.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

use crate::domain::ids::names::{CustomerId, PaymentToken};
use crate::domain::ids::numbers::{FIRST_NUMBER, NUMBERS_APART, decode_hex, encode_hex};

/// Bits of a guard on the wire.
const GUARD_BITS: u32 = 32;

/// Defines an id type of objects that a seed can make. Its methods are those of
/// `object_id!` in `object.rs`, and those for seeded ids.
macro_rules! seedable_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(StoredId);

        impl $name {
            /// Returns the id of a row: its key, and its guard as stored.
            pub const fn new(number: i64, guard: i64) -> Self {
                Self(StoredId { number, guard })
            }

            /// Returns the key of the row. In a seeded id that was read from a text, this
            /// is the key of no row.
            pub const fn number(&self) -> i64 {
                self.0.number
            }

            /// Returns the stored guard.
            pub const fn guard(&self) -> i64 {
                self.0.guard
            }

            /// Returns true if a seed made the id, so that its row must be found by
            /// merchant and stored guard.
            pub const fn is_seeded(&self) -> bool {
                self.0.position() > 0
            }

            /// Reads an id that a caller sent. A malformed text becomes the id of zeros,
            /// which no object has, so that the reply to a malformed id is the same as to an
            /// unknown one (contract section 9.3, row 60).
            pub fn named(text: &str) -> Self {
                Self(StoredId::from_wire(decode_hex(text).unwrap_or_default()))
            }

            /// The shape of an id, for messages.
            pub const SHAPE: &'static str = "24 lower-case hex characters";

            /// Returns `None` if the text is not 24 lower-case hex characters.
            pub fn parse(text: &str) -> Option<Self> {
                decode_hex(text).map(StoredId::from_wire).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (number, guard) = self.0.on_wire();
                f.write_str(encode_hex(number, guard, &mut [0; 24]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

seedable_id!(
    /// The id of an escrow or a vault.
    EscrowId
);
seedable_id!(
    /// The id of a milestone. An edit of its escrow gives it a new one.
    MilestoneId
);

impl EscrowId {
    /// Returns the last 8 hex characters of the text.
    pub(super) fn wire_guard(self) -> u32 {
        self.0.on_wire().1
    }
}

/// An id as stored. See the head of this file for how the text follows from it.
#[derive(Clone, Copy)]
struct StoredId {
    number: i64,
    guard: i64,
}

impl StoredId {
    const fn seeded(number: i64, position: i64, wire_guard: u32) -> Self {
        let guard = (position << GUARD_BITS) | wire_guard as i64;
        Self { number, guard }
    }

    /// Returns the position of its escrow in the seed, from 1, or 0 if no seed made it.
    const fn position(self) -> i64 {
        self.guard >> GUARD_BITS
    }

    /// Returns the number and the guard that the text shows.
    fn on_wire(self) -> (i64, u32) {
        let number = match self.position() {
            0 => self.number,
            position => position * NUMBERS_APART + self.number % NUMBERS_APART,
        };
        let [.., a, b, c, d] = self.guard.to_be_bytes();
        (number, u32::from_be_bytes([a, b, c, d]))
    }

    /// Returns the id whose text shows this number and this guard.
    fn from_wire((number, guard): (i64, u32)) -> Self {
        if (NUMBERS_APART..FIRST_NUMBER).contains(&number) {
            Self::seeded(number % NUMBERS_APART, number / NUMBERS_APART, guard)
        } else {
            let guard = guard.into();
            Self { number, guard }
        }
    }
}

impl PartialEq for StoredId {
    fn eq(&self, other: &Self) -> bool {
        self.on_wire() == other.on_wire()
    }
}

impl Eq for StoredId {}

impl Hash for StoredId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.on_wire().hash(state);
    }
}

/// The ids of the objects that a seed creates. They depend only on the seed's content and on
/// the number of ids made before.
#[derive(Clone, Debug)]
pub struct SeededIds {
    content_hash: [u8; 32],
    escrows: i64,
    customers: i64,
}

impl SeededIds {
    /// The most escrows of one seed. The numbers of their ids stay below `FIRST_NUMBER`.
    pub const ESCROWS_MAX: usize = 1_000;

    /// Returns the ids of the seed whose content has this SHA-256 hash.
    pub const fn new(content_hash: [u8; 32]) -> Self {
        Self {
            content_hash,
            escrows: 0,
            customers: 0,
        }
    }

    /// Returns the id of the seed's first escrow. A merchant that has it has loaded the
    /// seed.
    pub fn first_escrow_id(&self) -> EscrowId {
        Self::new(self.content_hash).next_escrow_id(0)
    }

    /// Makes the id of the next escrow, whose row has this key.
    pub(super) fn next_escrow_id(&mut self, number: i64) -> EscrowId {
        self.escrows += 1;
        EscrowId(self.id("escrow", number))
    }

    /// Makes the id of a milestone of the latest escrow. The milestone's row has this key.
    pub(super) fn milestone_id(&self, number: i64) -> MilestoneId {
        MilestoneId(self.id("milestone", number))
    }

    /// Makes the token of the latest escrow.
    pub(super) fn payment_token(&self) -> PaymentToken {
        PaymentToken::from_random(self.bits("token", self.escrows))
    }

    /// Makes the id of the next customer whom the seed gives none.
    pub(super) fn next_customer_id(&mut self) -> CustomerId {
        self.customers += 1;
        CustomerId::from_random(self.bits("customer", self.customers))
    }

    /// Makes an id that belongs to the latest escrow.
    fn id(&self, kind: &str, number: i64) -> StoredId {
        let (wire_number, _) = StoredId::seeded(number, self.escrows, 0).on_wire();
        let [.., a, b, c, d] = self.bits(kind, wire_number).to_be_bytes();
        StoredId::seeded(number, self.escrows, u32::from_be_bytes([a, b, c, d]))
    }

    fn bits(&self, kind: &str, number: i64) -> u128 {
        let mut hash = Sha256::new();
        hash.update(self.content_hash);
        hash.update(kind);
        hash.update(number.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        u128::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{IdSource, number_after};
    use crate::domain::time::Timestamp;

    /// Gives out numbers from a time, and the ids of a seed if there is one.
    struct Source {
        number: i64,
        seed: Option<SeededIds>,
    }

    impl Source {
        fn at(millis: i64, seed: Option<[u8; 32]>) -> Self {
            let now = Timestamp::from_millis(millis).unwrap();
            Self {
                number: number_after(0, now),
                seed: seed.map(SeededIds::new),
            }
        }

        /// Makes the ids of three escrows with two milestones each, and their tokens.
        fn escrows(&mut self) -> Vec<(EscrowId, PaymentToken, [MilestoneId; 2])> {
            let escrow = |_| {
                let id = self.escrow_id();
                (
                    id,
                    self.payment_token(),
                    [0, 1].map(|position| self.milestone_id(id, position)),
                )
            };
            (0..3).map(escrow).collect()
        }
    }

    impl IdSource for Source {
        fn number(&mut self) -> i64 {
            self.number += NUMBERS_APART;
            self.number
        }

        fn random(&mut self) -> u128 {
            u128::MAX
        }

        fn seeded_ids(&mut self) -> Option<&mut SeededIds> {
            self.seed.as_mut()
        }
    }

    #[test]
    fn an_id_is_written_and_read_as_24_hex_characters() {
        let text = "0199c0ffee7abcdef0123456";
        assert_eq!(EscrowId::named(text).to_string(), text);
    }

    #[test]
    fn a_malformed_id_is_read_as_the_id_of_zeros() {
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

    const NOW: i64 = 1_782_123_300_007;

    #[test]
    fn the_same_seed_gives_the_same_ids_at_any_time() {
        let one = Source::at(NOW, Some([1; 32])).escrows();
        let other = Source::at(NOW + 999_999, Some([1; 32])).escrows();
        assert_eq!(one, other);
        for ((one, ..), (other, ..)) in one.iter().zip(&other) {
            assert_eq!((one.to_string(), one.guard()), (other.to_string(), other.guard()));
            assert_ne!(one.number(), other.number(), "each has a row of its own");
        }
        let customer = |content: u8| Source::at(NOW, Some([content; 32])).customer_id();
        assert_eq!(customer(1), customer(1));
        assert_eq!(customer(1).as_str().len(), 24);
        assert_ne!(customer(1), customer(2));
        let mut source = Source::at(NOW, Some([1; 32]));
        assert_ne!(source.customer_id(), source.customer_id());
    }

    #[test]
    fn another_seed_gives_other_ids() {
        let one = Source::at(NOW, Some([1; 32])).escrows();
        let other = Source::at(NOW, Some([2; 32])).escrows();
        for (one, other) in one.iter().zip(&other) {
            assert_ne!(one.0, other.0);
            assert_ne!(one.1, other.1);
            assert_ne!(one.2, other.2);
        }
    }

    #[test]
    fn a_seeded_id_shows_its_position() {
        let escrows = Source::at(NOW, Some([1; 32])).escrows();
        let wire_number = |id: &dyn fmt::Display| i64::from_str_radix(&id.to_string()[..16], 16).unwrap();
        for ((id, _, milestones), position) in escrows.iter().zip(1..) {
            assert_eq!(wire_number(id), position * 1024);
            assert_eq!(
                milestones.map(|id| wire_number(&id)),
                [position * 1024 + 1, position * 1024 + 2]
            );
        }
    }

    #[test]
    fn an_id_read_from_its_text_is_equal_to_it() {
        for seed in [None, Some([1; 32])] {
            for (id, _, milestones) in Source::at(NOW, seed).escrows() {
                let named = EscrowId::named(&id.to_string());
                assert_eq!(named, id);
                assert_eq!((named.guard(), named.is_seeded()), (id.guard(), seed.is_some()));
                assert_eq!(
                    named.number() == id.number(),
                    seed.is_none(),
                    "the text of a seeded id does not contain the key of its row"
                );
                let named = milestones.map(|id| MilestoneId::named(&id.to_string()));
                assert_eq!(named, milestones);
                assert_ne!(named[0], milestones[1]);
            }
        }
    }

    #[test]
    fn no_row_has_a_number_that_a_seeded_id_shows() {
        let first = number_after(0, Timestamp::EPOCH);
        let last_position = i64::try_from(SeededIds::ESCROWS_MAX).unwrap() * NUMBERS_APART + NUMBERS_APART - 1;
        assert!(
            last_position < first,
            "the first number of 1970 is above every number of a seeded id"
        );
        assert!(!EscrowId::named(&EscrowId::new(first, 7).to_string()).is_seeded());
        let named = |number: i64| EscrowId::named(encode_hex(number, 7, &mut [0; 24]));
        for (number, is_seeded) in [
            (i64::MIN, false),
            (-1, false),
            (0, false),
            (1, false),
            (1023, false),
            (1024, true),
            (last_position, true),
            (first - 1, true),
            (first, false),
            (i64::MAX, false),
        ] {
            let id = named(number);
            assert_eq!(id.is_seeded(), is_seeded, "{number}");
            assert_eq!(
                id.to_string(),
                format!("{number:016x}00000007"),
                "an id formats as the text that it was read from"
            );
        }
    }
}
