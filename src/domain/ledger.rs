//! The double-entry ledger: accounts, the transfers between them, and the hash of a transfer in
//! its merchant's chain, which reveals a transfer that was changed, removed or inserted later
//! (architecture section 4).

use std::fmt;

use sha2::{Digest, Sha256};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::chain_hash::Chained;
use crate::domain::ids::{CustomerId, EscrowId, MerchantId};
use crate::domain::money::Amount;

/// An account of one merchant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum Account {
    /// A customer's wallet: the money that the customer can spend.
    CustomerMain(CustomerId),
    /// The holds of the open escrows that a customer has funded.
    CustomerEscrow(CustomerId),
    /// The merchant's own money.
    MerchantMain,
    /// The platform's fees.
    PlatformFees,
    /// The money of pay-outs that have been asked for and not been paid.
    InTransit,
    /// Money that came without saying whose it is.
    Suspense,
    /// The rest of the world. Its balance is minus the sum of all other balances.
    OutsideWorld,
}

impl Account {
    /// The accounts that a merchant has from the start.
    pub const OF_MERCHANT: [Self; 5] = [
        Self::MerchantMain,
        Self::PlatformFees,
        Self::InTransit,
        Self::Suspense,
        Self::OutsideWorld,
    ];

    /// Returns the customer who owns the account, or `None` if no customer does.
    pub const fn customer(&self) -> Option<&CustomerId> {
        match self {
            Self::CustomerMain(customer) | Self::CustomerEscrow(customer) => Some(customer),
            Self::MerchantMain | Self::PlatformFees | Self::InTransit | Self::Suspense | Self::OutsideWorld => None,
        }
    }
}

/// Formats the account in words: `ben main`, `platform fees`.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CustomerMain(customer) => write!(f, "{customer} main"),
            Self::CustomerEscrow(customer) => write!(f, "{customer} escrow"),
            Self::MerchantMain => f.write_str("merchant main"),
            Self::PlatformFees => f.write_str("platform fees"),
            Self::InTransit => f.write_str("in transit"),
            Self::Suspense => f.write_str("suspense"),
            Self::OutsideWorld => f.write_str("outside world"),
        }
    }
}

/// The reason for a transfer. Its stored name is part of the transfer's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum TransferKind {
    /// The test money that a sandbox customer starts with.
    OpeningBalance,
    /// Test money added to a wallet.
    TopUp,
    /// Test money into a wallet or out of it, to the balance that a test asked for.
    BalanceSet,
    /// A buyer's payment into the hold.
    Fund,
    /// From the hold to a seller or beneficiary.
    Release,
    /// A participant's stake, into the hold of a vault.
    Stake,
    /// From the hold back to the payer.
    Refund,
    /// From the hold to the merchant, when the escrow closes.
    Commission,
    /// From the hold to the merchant, who added it to the charge.
    AdditionalFee,
    /// From the hold to the platform, when the escrow closes.
    PlatformFee,
    /// From a bank account or a card into a wallet.
    Deposit,
    /// From a wallet to a bank account or a blockchain address. The reversal of a withdrawal
    /// goes in the other direction.
    Withdrawal,
    /// The fee of a withdrawal. The reversal of a withdrawal returns it.
    WithdrawalFee,
    /// From one customer's wallet to another's.
    WalletTransfer,
    /// The amount and the fee of a pay-out, from its owner into the account for money in
    /// transit.
    Payout,
    /// The money of a pay-out that was rejected or returned, back to its owner.
    PayoutReturn,
    /// Money that came in, into suspense.
    Unallocated,
    /// From suspense to the wallet that it was meant for.
    Allocation,
    /// The reverse of a receipt, or of the payment of a pay-out with its fee, that was recorded by
    /// mistake.
    Correction,
}

/// One movement of money. A transfer is never changed, and never deleted but with a sandbox
/// merchant that a reset left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub kind: TransferKind,
    /// The account whose balance falls.
    pub debit: Account,
    /// The account whose balance rises.
    pub credit: Account,
    /// More than zero.
    pub amount: Amount,
    /// The escrow whose hold it fills or empties.
    pub escrow: Option<EscrowId>,
}

/// A transfer as stored: with its number, its time and the numbers of its accounts. The
/// hash chain covers every field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedTransfer<'a> {
    /// Its number in the ledger of the whole file, from 1.
    pub id: i64,
    /// The merchant whose chain it belongs to.
    pub merchant: MerchantId,
    /// The stored name of the [`TransferKind`].
    pub kind: &'a str,
    /// The number of the debited account.
    pub debit_account: i64,
    /// The number of the credited account.
    pub credit_account: i64,
    /// In minor units.
    pub amount: i64,
    /// The number of the escrow.
    pub escrow: Option<i64>,
    /// In milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

impl Chained for PostedTransfer<'_> {
    /// Every field but the last has a fixed width, so that two different transfers never
    /// give the same bytes. A transfer without an escrow is hashed with 0, which is no
    /// escrow's number.
    fn hash_after(&self, before: &[u8; 32]) -> [u8; 32] {
        let mut fixed = [0; 32 + 7 * 8];
        fixed[..32].copy_from_slice(before);
        let numbers = [
            self.id,
            self.merchant.0,
            self.debit_account,
            self.credit_account,
            self.amount,
            self.created_at,
            self.escrow.unwrap_or_default(),
        ];
        for (place, number) in fixed[32..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        let mut hash = Sha256::new();
        hash.update(fixed);
        hash.update(self.kind);
        hash.finalize().into()
    }
}

/// Returns true if a merchant's accounts can take this much more money: together they
/// must not exceed [`Amount::MAX`]. Every transfer from the outside world passes this check,
/// so no balance and no sum of balances can exceed it.
pub fn may_enter(entering: Amount, inside: Amount) -> bool {
    inside.checked_add(entering).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chain_hash::ChainHash;

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
    fn accounts_have_words_and_some_have_a_customer() {
        let ben = CustomerId::parse("ben").unwrap();
        for (account, words, customer) in [
            (Account::CustomerMain(ben.clone()), "ben main", Some(&ben)),
            (Account::CustomerEscrow(ben.clone()), "ben escrow", Some(&ben)),
            (Account::MerchantMain, "merchant main", None),
            (Account::PlatformFees, "platform fees", None),
            (Account::InTransit, "in transit", None),
            (Account::Suspense, "suspense", None),
            (Account::OutsideWorld, "outside world", None),
        ] {
            assert_eq!((account.to_string().as_str(), account.customer()), (words, customer));
        }
    }

    #[test]
    fn money_enters_up_to_the_most_that_accounts_may_hold() {
        let one = Amount::from_minor(1).unwrap();
        let room_for_one = Amount::MAX.checked_sub(one).unwrap();
        assert!(may_enter(one, room_for_one));
        assert!(!may_enter(one, Amount::MAX));
        assert!(may_enter(Amount::ZERO, Amount::MAX));
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
