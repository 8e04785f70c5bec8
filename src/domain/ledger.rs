//! The double-entry ledger: accounts, transfers between them, and the chain of
//! hashes that makes a changed transfer show (design section 4).

use std::fmt;

use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr};

use crate::domain::ids::{CustomerId, EscrowId, MerchantId};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A place of one merchant where money can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum Account {
    /// What a customer can spend.
    CustomerMain(CustomerId),
    /// What the open escrows a customer funded still hold.
    CustomerEscrow(CustomerId),
    /// What the merchant earned.
    MerchantMain,
    /// What the platform earned.
    PlatformFees,
    /// Where money comes from: minus all that ever came in.
    OutsideWorld,
}

impl Account {
    /// The customer it belongs to, if it is one's.
    pub const fn customer(&self) -> Option<&CustomerId> {
        match self {
            Self::CustomerMain(customer) | Self::CustomerEscrow(customer) => Some(customer),
            Self::MerchantMain | Self::PlatformFees | Self::OutsideWorld => None,
        }
    }
}

/// In words: `ben main`, `platform fees`.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CustomerMain(customer) => write!(f, "{customer} main"),
            Self::CustomerEscrow(customer) => write!(f, "{customer} escrow"),
            Self::MerchantMain => f.write_str("merchant main"),
            Self::PlatformFees => f.write_str("platform fees"),
            Self::OutsideWorld => f.write_str("outside world"),
        }
    }
}

/// Why money moved. The word of a kind is stored, and is part of the transfer's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum TransferKind {
    /// Play money a sandbox customer starts with.
    OpeningBalance,
    /// Play money added to a wallet.
    TopUp,
    /// A buyer's payment into the hold.
    Fund,
    /// Out of the hold to a seller or beneficiary.
    Release,
    /// A participant's stake into a vault's hold.
    Stake,
    /// Out of the hold back to who paid.
    Refund,
    /// Out of the hold to the merchant, when the escrow closes.
    Commission,
    /// Out of the hold to the merchant, who had added it to the charge.
    AdditionalFee,
    /// Out of the hold to the platform, when the escrow closes.
    PlatformFee,
    /// Into a wallet from a bank account or a card.
    Deposit,
    /// Out of a wallet to a bank account or a blockchain address; the other way
    /// when it was reversed.
    Withdrawal,
    /// What a withdrawal costs; the other way when it was reversed.
    WithdrawalFee,
    /// From one customer's wallet into another's.
    WalletTransfer,
}

/// One movement of money. Never changed, never deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Why.
    pub kind: TransferKind,
    /// Whose balance falls.
    pub debit: Account,
    /// Whose balance rises.
    pub credit: Account,
    /// By how much; more than zero.
    pub amount: Amount,
    /// The escrow whose hold it fills or empties.
    pub escrow: Option<EscrowId>,
}

/// A transfer as it stands in the ledger: numbered, dated, its accounts named
/// by their numbers. This is what the chain covers, to the last field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedTransfer<'a> {
    /// Place in the ledger of the whole file, from 1.
    pub id: i64,
    /// Whose chain it belongs to.
    pub merchant: MerchantId,
    /// Stored name of the [`TransferKind`].
    pub kind: &'a str,
    /// Number of the account whose balance fell.
    pub debit_account: i64,
    /// Number of the account whose balance rose.
    pub credit_account: i64,
    /// By how much, in minor units.
    pub amount: i64,
    /// Number of the escrow.
    pub escrow: Option<i64>,
    /// When, in milliseconds since 1970.
    pub created_at: i64,
}

/// Hash of a transfer and, through it, of every transfer of the merchant before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What stands before a merchant's first transfer.
    pub const START: Self = Self([0; 32]);

    /// A stored hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's bytes, as stored.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash of the transfer that follows the one with this hash. Every
    /// field has a fixed width but the last, so that no two different transfers
    /// are written the same. No escrow is 0, which is no escrow's number.
    #[must_use]
    pub fn followed_by(&self, transfer: &PostedTransfer<'_>) -> Self {
        let mut fixed = [0; 32 + 7 * 8];
        fixed[..32].copy_from_slice(&self.0);
        let numbers = [
            transfer.id,
            transfer.merchant.0,
            transfer.debit_account,
            transfer.credit_account,
            transfer.amount,
            transfer.created_at,
            transfer.escrow.unwrap_or_default(),
        ];
        for (place, number) in fixed[32..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        let mut hash = Sha256::new();
        hash.update(fixed);
        hash.update(transfer.kind);
        Self(hash.finalize().into())
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Whether money may enter: not when `entering` would bring a merchant's accounts above
/// [`Amount::MAX`] together. No single balance can then exceed it, nor can any
/// sum of balances: this one check, where money enters, bounds them all.
pub fn may_enter(entering: Amount, inside: Amount) -> bool {
    inside.checked_add(entering).is_some()
}

/// The date of a transfer that follows one dated `newest`: time in the ledger
/// never runs backwards, whatever the clock does.
pub fn not_before(newest: Option<Timestamp>, clock: Timestamp) -> Timestamp {
    newest.map_or(clock, |newest| newest.max(clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer() -> PostedTransfer<'static> {
        PostedTransfer {
            id: 7,
            merchant: MerchantId(1),
            kind: "FUND",
            debit_account: 3,
            credit_account: 4,
            amount: 1_020_000,
            escrow: Some(9),
            created_at: 1_782_123_300_000,
        }
    }

    #[test]
    fn every_field_is_part_of_the_hash() {
        let original = ChainHash::START.followed_by(&transfer());
        let changes: [fn(&mut PostedTransfer<'_>); 8] = [
            |t| t.id += 1,
            |t| t.merchant.0 += 1,
            |t| t.kind = "RELEASE",
            |t| t.debit_account += 1,
            |t| t.credit_account += 1,
            |t| t.amount += 1,
            |t| t.escrow = None,
            |t| t.created_at += 1,
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut altered = transfer();
            change(&mut altered);
            assert_ne!(ChainHash::START.followed_by(&altered), original, "change {index}");
        }
        assert_ne!(
            original.followed_by(&transfer()),
            original,
            "the hash before is part of it"
        );
    }

    #[test]
    fn the_hash_is_pinned_so_that_old_files_stay_valid() {
        // The same bytes hashed by another implementation.
        let pinned = "6c65b39fd5453fa0c25e61a9d1419e677afd88f8e0fbc34324ef9d6015c807fc";
        assert_eq!(format!("{:?}", ChainHash::START.followed_by(&transfer())), pinned);
    }
}
