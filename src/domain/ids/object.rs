//! Ids of objects that no seed makes: transactions, wallets, categories, cards,
//! whitelisted addresses and events.

use std::fmt;

use crate::domain::ids::numbers::{decode_hex, encode_hex};

/// Defines the id type of one kind of object: 24 lower-case hex characters on the wire
/// (contract section 1.6). They encode the object's number, which is the key of its row,
/// and a guard of 32 random bits, which keeps callers from guessing one id from another.
macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            number: i64,
            guard: u32,
        }

        impl $name {
            pub const fn new(number: i64, guard: u32) -> Self {
                Self { number, guard }
            }

            /// Returns the key of the object's row.
            pub const fn number(&self) -> i64 {
                self.number
            }

            /// Returns the random part.
            pub const fn guard(&self) -> u32 {
                self.guard
            }

            /// Reads an id that a caller sent. A malformed text becomes the id of zeros,
            /// which no object has, so that the reply to a malformed id is the same as to an
            /// unknown one (contract section 9.3, row 60).
            pub fn named(text: &str) -> Self {
                Self::parse(text).unwrap_or(Self::new(0, 0))
            }

            /// Returns `None` if the text is not 24 lower-case hex characters.
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
    /// The id of a transaction.
    TransactionId
);
object_id!(
    /// The id of a customer's wallet, or of the merchant's own.
    WalletId
);
object_id!(
    /// The id of a category.
    CategoryId
);
object_id!(
    /// The id of a saved card.
    CardId
);
object_id!(
    /// The id of an address on a customer's whitelist.
    WhitelistAddressId
);
object_id!(
    /// The id of an event.
    EventId
);
object_id!(
    /// The id of an operator.
    OperatorId
);
object_id!(
    /// The id of a receipt.
    ReceiptId
);
object_id!(
    /// The id of a pay-out.
    PayoutId
);
object_id!(
    /// The place behind a row of a list: the row's key, and the tag of the list in the place of a
    /// guard. It stays valid when the row is removed, since it holds the key and does not refer to
    /// the row.
    Cursor
);
