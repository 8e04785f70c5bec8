//! The record of the acts of operators: who did what, when, why, from where, and what it
//! moved. Acts are chained by hashes, so that a changed or removed one shows.

use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::chain_hash::Chained;
use crate::domain::ids::{MerchantId, OperatorId};
use crate::domain::invalid::Parsed;
use crate::domain::text;

/// The kind of an act. Its stored name is part of the act's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ActKind {
    OperatorCreated,
    OperatorRevoked,
    MerchantCreated,
    /// The settings of a merchant were changed.
    MerchantChanged,
    KeyCreated,
    /// A key got a successor, and an end.
    KeyRotated,
    KeyRevoked,
    WebhookEndpointSet,
    SigningSecretRotated,
    /// The secret of a payment provider was set or removed.
    NoticeSecretSet,
    /// An expected deposit was given up.
    DepositExpired,
    ReceiptRecorded,
    ReceiptApproved,
    ReceiptRejected,
    /// The first of two operators asked to assign money in suspense.
    ReceiptAssignmentRequested,
    /// Money in suspense was credited to a customer.
    ReceiptAssigned,
    /// The first of two operators asked to reverse a receipt.
    ReceiptReversalRequested,
    /// The request of the first of two operators was ended before the second one asked.
    ReceiptRequestRetracted,
    ReceiptReversed,
    /// A pay-out was asked for: of the merchant's money, of fees, or of money in suspense.
    PayoutRequested,
    PayoutApproved,
    PayoutRejected,
    PayoutPaid,
    /// The first of two operators asked to reopen a pay-out.
    PayoutReopeningRequested,
    /// The payment of a pay-out was recorded by mistake.
    PayoutReopened,
    /// The first of two operators asked to record the return of a pay-out.
    PayoutReturnRequested,
    PayoutReturned,
    /// The request of the first of two operators was ended before the second one asked.
    PayoutRequestRetracted,
    /// A batch of approved pay-outs was exported for the bank.
    PayoutsExported,
    /// The first of two operators asked for a ruling.
    DealRulingRequested,
    /// The request of the first of two operators was ended before the second one asked.
    DealRequestRetracted,
    /// A deal was ruled on.
    DealResolved,
}

/// The most characters of the reason of an act.
pub const REASON_CHARS_MAX: usize = 500;

/// Returns the reason of an act.
///
/// # Errors
///
/// Names `field` if [`text::line_up_to`] refuses the text.
pub fn check_reason(field: &str, reason: String) -> Parsed<String> {
    text::line_up_to(field, reason, REASON_CHARS_MAX)
}

/// The caller of an operator's route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// `None` in a sandbox, where the key's owner acts, for a payment provider's notice, and for a
    /// command on the machine itself.
    pub operator: Option<OperatorId>,
    /// The client's IP address.
    pub address: Option<String>,
}

/// An act to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAct {
    /// The merchant, or `None` if the act concerns the whole deployment.
    pub merchant: Option<MerchantId>,
    pub kind: ActKind,
    /// The id of the object.
    pub subject: String,
    pub reason: Option<String>,
    /// The numbers of the transfers that it posted.
    pub transfers: Option<RangeInclusive<i64>>,
}

/// An act as stored, without the number of its row. The hash covers every field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedAct<'a> {
    /// 0 for an act that concerns the whole deployment.
    pub merchant: i64,
    /// 1, 2, 3, ... of the merchant or of the deployment.
    pub number: i64,
    /// The number of the operator's row.
    pub operator: Option<i64>,
    /// The stored name of the [`ActKind`].
    pub kind: &'a str,
    pub subject: &'a str,
    pub reason: Option<&'a str>,
    pub address: Option<&'a str>,
    pub first_transfer: Option<i64>,
    pub last_transfer: Option<i64>,
    /// In milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

impl Chained for PostedAct<'_> {
    /// Each text is hashed after its length, and each absent value as a length or number that no
    /// present one has, so that two different acts never give the same bytes.
    fn hash_after(&self, before: &[u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(before);
        for number in [
            self.merchant,
            self.number,
            self.operator.unwrap_or_default(),
            self.first_transfer.unwrap_or_default(),
            self.last_transfer.unwrap_or_default(),
            self.created_at,
        ] {
            hash.update(number.to_be_bytes());
        }
        for text in [Some(self.kind), Some(self.subject), self.reason, self.address] {
            let bytes = text.map(str::as_bytes);
            let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(bytes.unwrap_or_default());
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chain_hash::ChainHash;

    fn act() -> PostedAct<'static> {
        PostedAct {
            merchant: 3,
            number: 7,
            operator: Some(2),
            kind: ActKind::ReceiptReversed.into_str(),
            subject: "00000000000000070000002a",
            reason: Some("wrong customer"),
            address: None,
            first_transfer: Some(8),
            last_transfer: Some(9),
            created_at: 1_782_123_300_000,
        }
    }

    #[test]
    fn a_reason_is_one_line_of_so_many_characters() {
        for (reason, is_valid) in [
            ("wrong customer", true),
            ("a".repeat(REASON_CHARS_MAX).as_str(), true),
            ("a".repeat(REASON_CHARS_MAX + 1).as_str(), false),
            ("", false),
            ("wrong\ncustomer", false),
        ] {
            let checked = check_reason("reason", reason.to_owned());
            assert_eq!(checked.ok().as_deref(), is_valid.then_some(reason), "{reason:?}");
        }
    }

    #[test]
    fn every_field_is_part_of_the_hash() {
        let original = ChainHash::START.followed_by(&act());
        let changes: [fn(&mut PostedAct<'_>); 11] = [
            |act| act.merchant += 1,
            |act| act.number += 1,
            |act| act.operator = None,
            |act| act.kind = "receipt_recorded",
            |act| act.subject = "00000000000000070000002b",
            |act| act.reason = None,
            |act| act.reason = Some(""),
            |act| act.address = Some(""),
            |act| act.first_transfer = Some(7),
            |act| act.last_transfer = None,
            |act| act.created_at += 1,
        ];
        let mut hashes = vec![original, original.followed_by(&act())];
        for change in changes {
            let mut altered = act();
            change(&mut altered);
            hashes.push(ChainHash::START.followed_by(&altered));
        }
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "change {index}");
        }
    }

    #[test]
    fn the_hash_is_pinned_so_that_old_files_stay_valid() {
        // The same bytes hashed by another implementation.
        let pinned = "aaf535fa68d2b4f189dd7ec3eaf143101be1ec9d664dd741816494891ed2b817";
        assert_eq!(ChainHash::START.followed_by(&act()).to_string(), pinned);
    }

    #[test]
    fn text_cannot_move_from_one_field_to_the_next() {
        let hash = |subject, reason| {
            ChainHash::START.followed_by(&PostedAct {
                subject,
                reason,
                ..act()
            })
        };
        assert_ne!(hash("ab", Some("c")), hash("a", Some("bc")));
    }
}
