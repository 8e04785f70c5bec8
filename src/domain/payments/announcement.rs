//! The identity of a bank transfer that a customer announces for one deal.

use std::slice;

use sha2::{Digest, Sha256};

use crate::domain::escrow::{self, Escrow};
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::money::Amount;
use crate::domain::transaction::{Method, Transaction};

/// The SHA-256 of what a customer announces: the deal with its terms, and the amount. Of two pending
/// transfers with the same one only the first would pay for the deal.
///
/// It is stored, so another form would make each announced transfer one that is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement([u8; 32]);

impl Announcement {
    /// Returns what a customer announces for this deal with the terms that it has now.
    pub fn new(merchant: MerchantId, customer: &CustomerId, deal: &Escrow, amount: Amount) -> Self {
        let terms_hash = escrow::terms_hash(slice::from_ref(deal));
        Self::of_parts(merchant, customer, &deal.id.to_string(), &terms_hash, amount)
    }

    /// Returns what a transaction announces. `None` unless it is a bank transfer for one deal, whose terms
    /// are known.
    pub fn of(merchant: MerchantId, transaction: &Transaction, method: &Method) -> Option<Self> {
        let Method::BankTransfer {
            escrow_ids,
            terms_hash: Some(terms_hash),
            ..
        } = method
        else {
            return None;
        };
        let ([deal], Some(customer)) = (escrow_ids.as_slice(), transaction.owner.customer()) else {
            return None;
        };
        let amount = transaction.amount;
        Some(Self::of_parts(merchant, customer, deal, terms_hash, amount))
    }

    fn of_parts(merchant: MerchantId, customer: &CustomerId, deal: &str, terms_hash: &str, amount: Amount) -> Self {
        let parts = (merchant.0, customer.as_str(), deal, terms_hash, amount.minor());
        let parts = serde_json::to_vec(&parts).expect("texts and numbers are JSON");
        Self(Sha256::digest(parts).into())
    }

    /// Returns the bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn of(merchant: i64, customer: &str, deal: &str, terms_hash: &str, minor: i64) -> Announcement {
        let customer = CustomerId::parse(customer).unwrap();
        let amount = Amount::from_minor(minor).unwrap();
        Announcement::of_parts(MerchantId(merchant), &customer, deal, terms_hash, amount)
    }

    #[test]
    fn each_part_tells_announcements_apart() {
        let all = [
            of(1, "ada", "d1", "t1", 100),
            of(2, "ada", "d1", "t1", 100),
            of(1, "ben", "d1", "t1", 100),
            of(1, "ada", "d2", "t1", 100),
            of(1, "ada", "d1", "t2", 100),
            of(1, "ada", "d1", "t1", 101),
        ];
        let different: HashSet<_> = all.iter().map(Announcement::as_bytes).collect();
        assert_eq!(different.len(), all.len());
    }

    /// Databases hold these hashes.
    #[test]
    fn the_hash_never_changes() {
        let hash = hex::encode(of(1, "ada", "d1", "t1", 100).as_bytes());
        assert_eq!(hash, "00bd0ebd1498ebeca34903874633d91e1a01f01127cac5de77565fe6ff1ee025");
    }
}
