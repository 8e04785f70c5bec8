//! Ids, tokens and references. Each has its own type, so that the compiler rejects one in
//! place of another.
//!
//! `entropy.rs` supplies the numbers and the random bits. This folder gives them their
//! shape. `seeded.rs` explains the ids that are equal on every server.

mod names;
mod numbers;
mod object;
mod reference;
mod seeded;
mod source;

pub use names::{CustomerId, MerchantId, PaymentToken};
pub use numbers::{MILESTONES_MAX, NUMBERS_APART, first_number_of, last_number_of, number_after, time_of_number};
pub use object::{
    CardId, CategoryId, Cursor, EventId, OperatorId, PayoutId, ReceiptId, TransactionId, WalletId, WhitelistAddressId,
};
pub use reference::Reference;
pub use seeded::{EscrowId, MilestoneId, SeededIds};
#[cfg(test)]
pub(crate) use source::CountingEntropy;
pub use source::{Entropy, IdSource};

/// The way in which a caller names an escrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EscrowKey {
    Id(EscrowId),
    Token(PaymentToken),
}
