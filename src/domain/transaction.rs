//! Transactions: the entries of a payment history (contract sections 4.3.1 and
//! 4.3.9). This file is ground for escrows, payments and effects alike, so it imports
//! none of them.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

use crate::domain::ids::{EscrowId, Reference, TransactionId};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// The kind of payment that a transaction records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum TransactionType {
    /// Money added to a wallet.
    Deposit,
    /// A buyer funding escrows, or a payee receiving from one.
    Escrow,
    /// The merchant's commission on a closed escrow.
    Commission,
    /// The merchant's additional fee of a closed escrow.
    Delivery,
    /// Money taken out of a wallet.
    Withdrawal,
    /// Money sent from one customer's wallet to another's.
    WalletTransfer,
    /// Money that came into a reserved bank account. The contract knows it; there
    /// are no such accounts here, so no transaction is one.
    Transfer,
}

/// Which way a transaction moved its owner's main balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum CreditType {
    /// Up.
    Credit,
    /// Down.
    Debit,
}

/// An entry of a customer's or merchant's payment history. It never changes; what
/// became of one that did not succeed at once is in its [`Detail`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// Whose history it stands in: their main account.
    pub owner: Account,
    /// What kind of payment it was.
    pub transaction_type: TransactionType,
    /// Which way it moved the owner's main balance.
    pub credit_type: CreditType,
    /// By how much.
    pub amount: Amount,
    /// The payment's reference, the client's own or one of ours.
    pub reference: Reference,
    /// The escrow a credit came from, or the vault a stake went into. A buyer's payment may fund several, and
    /// they name it instead.
    pub escrow: Option<EscrowId>,
    /// When it happened.
    pub created_at: Timestamp,
}

/// What an escrow remembers of the payment that funded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingPayment {
    /// The buyer's transaction.
    pub id: TransactionId,
    /// Its reference.
    pub reference: Reference,
    /// All that was charged; more than this escrow's charge when the payment
    /// funded several.
    pub amount: Amount,
}

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum PaymentStatus {
    /// Asked for; nothing has moved.
    Pending,
    /// Done.
    Success,
    /// It could not be done; nothing has moved.
    Failed,
    /// It was done and undone; the wallet is whole again.
    Reversed,
}

/// What there is to say of a transaction beside its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Where it stands.
    pub status: PaymentStatus,
    /// What it costs: on top of a debit.
    pub fee: Amount,
    /// When it stopped being pending.
    pub settled_at: Option<Timestamp>,
    /// How the money goes.
    pub method: Method,
}

/// How the money of a payment goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum Method {
    /// In, when this test account is paid.
    TestAccount {
        /// Its number.
        account_number: String,
    },
    /// In, from a saved card.
    Card {
        /// The card's id.
        card_id: String,
    },
    /// Out, to a bank account.
    Bank(BankAccount),
    /// Out, to an address on a blockchain.
    Blockchain(BlockchainTarget),
    /// From one wallet to another.
    Wallet(WalletTarget),
}

impl Method {
    /// The type of a transaction that moves money this way.
    pub const fn transaction_type(&self) -> TransactionType {
        match self {
            Self::TestAccount { .. } | Self::Card { .. } => TransactionType::Deposit,
            Self::Bank(_) | Self::Blockchain(_) => TransactionType::Withdrawal,
            Self::Wallet(_) => TransactionType::WalletTransfer,
        }
    }
}

/// A bank account that money is sent to, as the customer names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankAccount {
    /// The bank's code, one of [`BANKS`].
    pub bank_code: String,
    /// Ten digits.
    pub account_number: String,
    /// Who it belongs to.
    pub account_name: String,
    /// The bank's name.
    pub bank_name: String,
    /// What the receiver is told.
    pub narration: Option<String>,
}

/// An address on a blockchain that money is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockchainTarget {
    /// The address that the merchant's money comes from.
    pub from_address: String,
    /// The address that it goes to.
    pub to_address: String,
    /// The token's own address, when one was named.
    pub token_address: Option<String>,
}

/// The customer on the other side of a wallet transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletTarget {
    /// Their id.
    pub customer_id: String,
    /// Their phone, as the sender wrote it; the sender's where money was received.
    pub phone: Option<String>,
    /// Their name.
    pub name: String,
    /// What the receiver is told.
    pub narration: Option<String>,
}
