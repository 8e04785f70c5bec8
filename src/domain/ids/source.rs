//! The sources of new ids.

use std::iter;

use crate::domain::ids::names::{CustomerId, DIGITS, Digits, PaymentToken};
use crate::domain::ids::numbers::MILESTONES_MAX;
use crate::domain::ids::object::{
    CardId, CategoryId, EventId, OperatorId, PayoutId, ReceiptId, TransactionId, WalletId, WhitelistAddressId,
};
use crate::domain::ids::seeded::{EscrowId, MilestoneId, SeededIds};
use crate::domain::time::Timestamp;

/// A source of numbers and random bits: the operating system in service, a counter in a
/// test.
pub trait Entropy: Send {
    /// Returns a number for a new object, as [`number_after`] does.
    ///
    /// [`number_after`]: crate::domain::ids::number_after
    fn number(&mut self, now: Timestamp) -> i64;

    /// Gives out only numbers above this one from now on.
    fn start_after(&mut self, number: i64);

    /// Returns the greatest number given out so far, or the one that was to be exceeded.
    fn newest(&self) -> i64;

    /// Returns random bits that callers cannot guess.
    fn random(&mut self) -> u128;

    /// Returns 64 of such bits.
    fn random_number(&mut self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.random().to_ne_bytes();
        i64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Numbers and bits that count up, for tests that open a store. The first is above this one.
#[cfg(test)]
pub(crate) struct CountingEntropy(pub(crate) i64);

#[cfg(test)]
impl Entropy for CountingEntropy {
    fn number(&mut self, _now: Timestamp) -> i64 {
        self.0 += 1024;
        self.0
    }

    fn start_after(&mut self, number: i64) {
        self.0 = self.0.max(number);
    }

    fn newest(&self) -> i64 {
        self.0
    }

    fn random(&mut self) -> u128 {
        self.0 += 1024;
        u128::from(self.0.unsigned_abs())
    }
}

/// Makes the ids of one command's objects.
pub trait IdSource {
    /// Returns a number greater than all numbers given out before.
    fn number(&mut self) -> i64;

    /// Returns random bits that callers cannot guess.
    fn random(&mut self) -> u128;

    /// Returns the ids of the seed that is being loaded, if one is. Escrows, milestones,
    /// payment tokens and customers take their ids from it.
    fn seeded_ids(&mut self) -> Option<&mut SeededIds> {
        None
    }

    fn guard(&mut self) -> u32 {
        let [.., a, b, c, d] = self.random().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn escrow_id(&mut self) -> EscrowId {
        let number = self.number();
        match self.seeded_ids() {
            Some(seed) => seed.next_escrow_id(number),
            None => EscrowId::new(number, self.guard().into()),
        }
    }

    /// Makes the id of the milestone at this position of its escrow, counted from 0 and
    /// below [`MILESTONES_MAX`].
    fn milestone_id(&mut self, escrow: EscrowId, position: usize) -> MilestoneId {
        let position = i64::try_from(position).expect("a position is small");
        debug_assert!(position < MILESTONES_MAX, "{position} is for another escrow");
        let number = escrow.number() + 1 + position;
        match self.seeded_ids() {
            Some(seed) => seed.milestone_id(number),
            None => MilestoneId::new(number, self.guard().into()),
        }
    }

    fn transaction_id(&mut self) -> TransactionId {
        TransactionId::new(self.number(), self.guard())
    }

    fn wallet_id(&mut self) -> WalletId {
        WalletId::new(self.number(), self.guard())
    }

    fn category_id(&mut self) -> CategoryId {
        CategoryId::new(self.number(), self.guard())
    }

    fn event_id(&mut self) -> EventId {
        EventId::new(self.number(), self.guard())
    }

    fn operator_id(&mut self) -> OperatorId {
        OperatorId::new(self.number(), self.guard())
    }

    fn receipt_id(&mut self) -> ReceiptId {
        ReceiptId::new(self.number(), self.guard())
    }

    fn payout_id(&mut self) -> PayoutId {
        PayoutId::new(self.number(), self.guard())
    }

    fn card_id(&mut self) -> CardId {
        CardId::new(self.number(), self.guard())
    }

    fn whitelist_address_id(&mut self) -> WhitelistAddressId {
        WhitelistAddressId::new(self.number(), self.guard())
    }

    /// Makes the number of a test account: `99` and 8 digits (contract section 3.5.1).
    fn test_account_number(&mut self) -> String {
        let mut digits = Digits(self.random());
        iter::chain("99".chars(), (0..8).map(|_| digits.next_below(DIGITS))).collect()
    }

    /// Makes the id of a customer who registers without one.
    fn customer_id(&mut self) -> CustomerId {
        match self.seeded_ids() {
            Some(seed) => seed.next_customer_id(),
            None => CustomerId::from_parts(self.number(), self.guard()),
        }
    }

    /// Makes the token of the escrow whose id was made last.
    fn payment_token(&mut self) -> PaymentToken {
        match self.seeded_ids() {
            Some(seed) => seed.payment_token(),
            None => PaymentToken::from_random(self.random()),
        }
    }
}
