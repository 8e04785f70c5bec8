//! Ids of escrows and milestones, which a seed makes the same in every merchant.
//!
//! The rows of all merchants lie in one table, each under a number of its own, and an
//! id shows that number. An id that is to be the same in hundreds of merchants cannot.
//! A seeded row has a number from time like any other, so that it stands in its turn
//! in every list; but its id shows its place in the seed instead. The place is kept in
//! the stored guard, above the 32 bits that are the guard of every other row:
//!
//! | made by | number of the row | stored guard | on the wire: 16 and 8 hex digits |
//! |---|---|---|---|
//! | a client | from time | 32 random bits | the number, the guard |
//! | a seed | from time | the place, then 32 bits of the seed's hash | the place for the number, those 32 bits |
//!
//! Places are numbers as well: 1,024 for the first escrow, 1,025 for its first
//! milestone, 2,048 for the second escrow. They end where numbers from time begin
//! ([`FIRST_NUMBER`]), so an id says by itself which of the two it shows. One that
//! shows a place does not say its row: that is found by merchant and stored guard.
//!
//! Two ids are equal when they show the same. Within a merchant they are then the same.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

use crate::domain::ids::{CustomerId, FIRST_NUMBER, NUMBERS_APART, PaymentToken, decode_hex, encode_hex};

/// Bits of a guard that are shown.
const GUARD_BITS: u32 = 32;

/// A type for one kind of id, as `object_id` makes them, of what a seed can
/// make too.
macro_rules! seedable_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(Parts);

        impl $name {
            /// The id of a row: its number, and its guard as it is stored.
            pub const fn new(number: i64, guard: i64) -> Self {
                Self(Parts { number, guard })
            }

            /// Where it is stored. Of one that a caller wrote and that shows a place,
            /// this is the number of no row.
            pub const fn number(&self) -> i64 {
                self.0.number
            }

            /// The stored guard.
            pub const fn guard(&self) -> i64 {
                self.0.guard
            }

            /// Whether a seed made it: then it is looked up by merchant and stored
            /// guard.
            pub const fn is_seeded(&self) -> bool {
                self.0.place() > 0
            }

            /// What nobody can guess, unless a seed made it: the last 8 hex characters.
            pub fn shown_guard(&self) -> u32 {
                self.0.shown().1
            }

            /// The id a caller wrote. Text that is no id becomes the id of zeros, as
            /// everywhere.
            pub fn named(text: &str) -> Self {
                Self(Parts::of_shown(decode_hex(text).unwrap_or_default()))
            }

            /// The id this text is, or `None` when it is not 24 lower-case hex
            /// characters.
            pub fn parse(text: &str) -> Option<Self> {
                decode_hex(text).map(Parts::of_shown).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (number, guard) = self.0.shown();
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
    /// Names an escrow.
    EscrowId
);
seedable_id!(
    /// Names a milestone; an edit gives every milestone a new one.
    MilestoneId
);

/// What is stored of an id. A row's number and what its id shows are the same modulo
/// [`NUMBERS_APART`], which is what tells the milestones of an escrow apart.
#[derive(Clone, Copy)]
struct Parts {
    number: i64,
    guard: i64,
}

impl Parts {
    /// Those of the row with this number that belongs to the escrow at this place.
    fn seeded(number: i64, place: i64, shown_guard: u32) -> Self {
        let guard = place << GUARD_BITS | i64::from(shown_guard);
        Self { number, guard }
    }

    /// The place of its escrow in the seed, from 1; 0 where no seed made it.
    const fn place(self) -> i64 {
        self.guard >> GUARD_BITS
    }

    /// What the id shows: a number and a guard.
    fn shown(self) -> (i64, u32) {
        let number = match self.place() {
            0 => self.number,
            place => place * NUMBERS_APART + self.number % NUMBERS_APART,
        };
        let [.., a, b, c, d] = self.guard.to_be_bytes();
        (number, u32::from_be_bytes([a, b, c, d]))
    }

    /// Those of the id that shows this number and this guard.
    fn of_shown((shown, guard): (i64, u32)) -> Self {
        if (NUMBERS_APART..FIRST_NUMBER).contains(&shown) {
            Self::seeded(shown % NUMBERS_APART, shown / NUMBERS_APART, guard)
        } else {
            Self {
                number: shown,
                guard: guard.into(),
            }
        }
    }
}

impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        self.shown() == other.shown()
    }
}

impl Eq for Parts {}

impl Hash for Parts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shown().hash(state);
    }
}

/// Where names are drawn from while a seed is loaded: they follow from what the seed
/// says and from how many were drawn before, and from nothing else.
#[derive(Clone, Debug)]
pub struct Seed {
    content_hash: [u8; 32],
    escrows: i64,
    customers: i64,
}

impl Seed {
    /// Most escrows of one seed. Their places fit below the numbers from time.
    pub const ESCROWS_MAX: usize = 1_000;

    /// The names of the seed whose content has this SHA-256 hash.
    pub const fn new(content_hash: [u8; 32]) -> Self {
        Self {
            content_hash,
            escrows: 0,
            customers: 0,
        }
    }

    /// The id of the seed's first escrow, in whichever merchant.
    pub fn first_escrow_id(&self) -> EscrowId {
        Self::new(self.content_hash).next_escrow_id(0)
    }

    /// A name for the next escrow, to be stored under this number.
    pub(super) fn next_escrow_id(&mut self, number: i64) -> EscrowId {
        self.escrows += 1;
        EscrowId(self.parts("escrow", number))
    }

    /// A name for a milestone of the escrow named last, to be stored under this number.
    pub(super) fn milestone_id(&self, number: i64) -> MilestoneId {
        MilestoneId(self.parts("milestone", number))
    }

    /// A token for the escrow named last.
    pub(super) fn payment_token(&self) -> PaymentToken {
        PaymentToken::from_random(self.bits("token", self.escrows))
    }

    /// A name for the next customer who did not bring one.
    pub(super) fn next_customer_id(&mut self) -> CustomerId {
        self.customers += 1;
        CustomerId(format!("{:032x}", self.bits("customer", self.customers))[..24].to_owned())
    }

    /// An id of this kind that belongs to the escrow named last.
    fn parts(&self, kind: &str, number: i64) -> Parts {
        let shown = Parts::seeded(number, self.escrows, 0).shown().0;
        let [.., a, b, c, d] = self.bits(kind, shown).to_be_bytes();
        Parts::seeded(number, self.escrows, u32::from_be_bytes([a, b, c, d]))
    }

    fn bits(&self, kind: &str, place: i64) -> u128 {
        let mut hash = Sha256::new();
        hash.update(self.content_hash);
        hash.update(kind);
        hash.update(place.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        u128::from_be_bytes(*hash.first_chunk().expect("sixteen bytes and sixteen more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{IdSource, number_after};
    use crate::domain::time::Timestamp;

    /// Numbers from a time, and a seed if there is one.
    struct Source {
        number: i64,
        seed: Option<Seed>,
    }

    impl Source {
        fn at(millis: i64, seed: Option<[u8; 32]>) -> Self {
            let now = Timestamp::from_millis(millis).unwrap();
            Self {
                number: number_after(0, now),
                seed: seed.map(Seed::new),
            }
        }

        /// Three escrows with two milestones each, with their tokens.
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

        fn seed(&mut self) -> Option<&mut Seed> {
            self.seed.as_mut()
        }
    }

    const NOW: i64 = 1_782_123_300_007;

    #[test]
    fn the_same_seed_gives_the_same_names_whenever_and_wherever() {
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
    fn another_seed_gives_other_names() {
        let one = Source::at(NOW, Some([1; 32])).escrows();
        let other = Source::at(NOW, Some([2; 32])).escrows();
        for (one, other) in one.iter().zip(&other) {
            assert_ne!(one.0, other.0);
            assert_ne!(one.1, other.1);
            assert_ne!(one.2, other.2);
        }
    }

    #[test]
    fn an_id_of_a_seed_shows_its_place() {
        let escrows = Source::at(NOW, Some([1; 32])).escrows();
        let shown = |id: &dyn fmt::Display| i64::from_str_radix(&id.to_string()[..16], 16).unwrap();
        for ((id, _, milestones), place) in escrows.iter().zip(1..) {
            assert_eq!(shown(id), place * 1024);
            assert_eq!(milestones.map(|id| shown(&id)), [place * 1024 + 1, place * 1024 + 2]);
        }
    }

    #[test]
    fn what_a_caller_writes_is_the_id_it_shows() {
        for seed in [None, Some([1; 32])] {
            for (id, _, milestones) in Source::at(NOW, seed).escrows() {
                let named = EscrowId::named(&id.to_string());
                assert_eq!(named, id);
                assert_eq!((named.guard(), named.is_seeded()), (id.guard(), seed.is_some()));
                assert_eq!(named.number() == id.number(), seed.is_none(), "a place names no row");
                let named = milestones.map(|id| MilestoneId::named(&id.to_string()));
                assert_eq!(named, milestones);
                assert_ne!(named[0], milestones[1]);
            }
        }
    }

    #[test]
    fn numbers_from_time_and_places_never_meet() {
        let first = number_after(0, Timestamp::EPOCH);
        let last_place = i64::try_from(Seed::ESCROWS_MAX).unwrap() * NUMBERS_APART + NUMBERS_APART - 1;
        assert!(last_place < first, "not even in 1970");
        assert!(!EscrowId::named(&EscrowId::new(first, 7).to_string()).is_seeded());
        let named = |number: i64| EscrowId::named(encode_hex(number, 7, &mut [0; 24]));
        for (number, is_seeded) in [
            (i64::MIN, false),
            (-1, false),
            (0, false),
            (1, false),
            (1023, false),
            (1024, true),
            (last_place, true),
            (first - 1, true),
            (first, false),
            (i64::MAX, false),
        ] {
            let id = named(number);
            assert_eq!(id.is_seeded(), is_seeded, "{number}");
            assert_eq!(
                id.to_string(),
                format!("{number:016x}00000007"),
                "and it is shown again"
            );
        }
    }
}
