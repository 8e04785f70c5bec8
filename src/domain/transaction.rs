//! Transactions: the entries of a payment history (contract sections 4.3.1 and 4.3.9).
//!
//! Escrows, payments and effects all build on this file, so it imports none of them.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::ids::{EscrowId, Reference, TransactionId};
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum TransactionType {
    /// Money added to a wallet.
    Deposit,
    /// A buyer's payment for escrows, a stake in a vault, or the credit of a payee.
    Escrow,
    /// The merchant's commission on a closed escrow.
    Commission,
    /// The merchant's additional fee of a closed escrow.
    Delivery,
    /// Money withdrawn from a wallet.
    Withdrawal,
    /// Money sent from one customer's wallet to another's.
    WalletTransfer,
    /// Money received on a reserved bank account. The contract has this type, but escrowd
    /// has no such accounts, so no transaction has it.
    Transfer,
}

/// The direction in which a transaction changed its owner's main balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum CreditType {
    Credit,
    Debit,
}

/// An entry of a customer's or merchant's payment history. It never changes. Its
/// [`Detail`] holds what may still change while it is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub id: TransactionId,
    /// The main account of the owner of the history.
    pub owner: Account,
    pub transaction_type: TransactionType,
    pub credit_type: CreditType,
    pub amount: Amount,
    /// The payment's reference: the client's own, or a generated one.
    pub reference: Reference,
    /// The escrow that a credit came from, or the vault that a stake went into. A buyer's
    /// payment has none here: it may fund several escrows, so each of them refers to the
    /// payment instead.
    pub escrow: Option<EscrowId>,
    pub created_at: Timestamp,
}

impl Transaction {
    /// Returns this transaction as one of a deal, which its money came from or went into.
    pub fn of_deal(self, deal: EscrowId) -> Self {
        Self {
            escrow: Some(deal),
            ..self
        }
    }

    /// Returns this transaction with a chosen reference, or as it is without one.
    pub fn with_reference(self, chosen: Option<Reference>) -> Self {
        match chosen {
            Some(reference) => Self { reference, ..self },
            None => self,
        }
    }

    /// Returns the reference that the payer of a deposit quotes at the bank. In live mode it is made from
    /// the id, so no other deposit of any merchant has it: merchants choose the references of payments
    /// each for itself, and may share a bank account. A sandbox has no bank.
    pub fn quoted_reference(&self, mode: Mode) -> Reference {
        match mode {
            Mode::Sandbox => self.reference.clone(),
            Mode::Live => Reference::of(self.id),
        }
    }
}

/// A transaction with its details, as it is recorded and as its event shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub transaction: Transaction,
    /// `None` if it succeeded at once, had no fee, and moved its owner's main balance by its
    /// amount.
    pub detail: Option<Detail>,
}

impl From<Transaction> for Entry {
    /// Returns the entry of a transaction without details.
    fn from(transaction: Transaction) -> Self {
        Self {
            transaction,
            detail: None,
        }
    }
}

impl Entry {
    /// Returns the transaction's status.
    pub fn status(&self) -> PaymentStatus {
        self.detail
            .as_ref()
            .map_or(PaymentStatus::Success, |detail| detail.status)
    }

    /// Returns the transaction's fee. A debit takes it in addition to the amount.
    pub fn fee(&self) -> Amount {
        self.detail.as_ref().map_or(Amount::ZERO, |detail| detail.fee)
    }

    /// Returns the time at which the transaction succeeded, failed or was reversed, or else the
    /// time at which it was requested.
    pub fn updated_at(&self) -> Timestamp {
        let settled_at = self.detail.as_ref().and_then(|detail| detail.settled_at);
        settled_at.unwrap_or(self.transaction.created_at)
    }
}

/// The facts of a payment that a funded escrow keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingPayment {
    /// The id of the buyer's transaction.
    pub id: TransactionId,
    pub reference: Reference,
    /// The whole charge of the payment. It exceeds the escrow's charge if the payment
    /// funded several escrows.
    pub amount: Amount,
}

/// The status of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum PaymentStatus {
    /// Requested. No money has moved, except that the amount and the fee of a withdrawal with a
    /// pay-out are in transit.
    Pending,
    /// Succeeded.
    Success,
    /// Failed. No money has moved, or it has been moved back.
    Failed,
    /// Reversed after it succeeded, or because its pay-out was sent back. The money has been moved
    /// back, except for the fee of a pay-out that the bank had paid.
    Reversed,
}

/// The details of a transaction other than an immediate payment from or to an escrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    pub status: PaymentStatus,
    /// The fee. A debit takes it in addition to the amount.
    pub fee: Amount,
    /// The time of the settlement. `None` while the transaction is pending.
    pub settled_at: Option<Timestamp>,
    pub method: Method,
}

impl Detail {
    /// Returns the details of a payment that waits for its settlement.
    pub const fn pending(fee: Amount, method: Method) -> Self {
        Self {
            status: PaymentStatus::Pending,
            fee,
            settled_at: None,
            method,
        }
    }

    /// Returns the details of a payment that succeeded at once and costs no fee.
    pub const fn succeeded(at: Timestamp, method: Method) -> Self {
        Self {
            status: PaymentStatus::Success,
            fee: Amount::ZERO,
            settled_at: Some(at),
            method,
        }
    }
}

/// The means by which the money of a payment moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum Method {
    /// A deposit by a bank transfer to this test account.
    TestAccount {
        account_number: String,
        /// The escrows to fund with the deposit.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        escrow_ids: Vec<String>,
        /// The hash of the terms of these escrows at the time of the request. `None` without
        /// escrows, and for a request to an earlier version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        terms_hash: Option<String>,
    },
    /// A deposit by a transfer to the operator's bank account.
    BankTransfer {
        /// The account at the time of the request. `None` if no deposit was expected.
        account: Option<DepositAccount>,
        /// The escrows to fund with the deposit.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        escrow_ids: Vec<String>,
        /// The hash of the terms of these escrows at the time of the request. `None` without
        /// escrows, and for a request to an earlier version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        terms_hash: Option<String>,
    },
    /// A deposit from a saved card.
    Card { card_id: String },
    /// A withdrawal to a bank account.
    Bank(BankAccount),
    /// A withdrawal to a blockchain address.
    Blockchain(BlockchainTarget),
    /// A transfer to another customer's wallet.
    Wallet(WalletTarget),
}

impl Method {
    /// Returns the ids of the escrows to fund with the deposit.
    pub fn escrow_ids(&self) -> &[String] {
        match self {
            Self::TestAccount { escrow_ids, .. } | Self::BankTransfer { escrow_ids, .. } => escrow_ids,
            Self::Card { .. } | Self::Bank(_) | Self::Blockchain(_) | Self::Wallet(_) => &[],
        }
    }

    /// Returns the hash of the terms that the customer has agreed to with the deposit.
    pub fn terms_hash(&self) -> Option<&str> {
        match self {
            Self::TestAccount { terms_hash, .. } | Self::BankTransfer { terms_hash, .. } => terms_hash.as_deref(),
            Self::Card { .. } | Self::Bank(_) | Self::Blockchain(_) | Self::Wallet(_) => None,
        }
    }

    /// Returns the type of the transactions that move money by this means.
    pub const fn transaction_type(&self) -> TransactionType {
        match self {
            Self::TestAccount { .. } | Self::BankTransfer { .. } | Self::Card { .. } => TransactionType::Deposit,
            Self::Bank(_) | Self::Blockchain(_) => TransactionType::Withdrawal,
            Self::Wallet(_) => TransactionType::WalletTransfer,
        }
    }
}

/// The operator's bank account, to which customers pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepositAccount {
    pub bank_name: String,
    pub bank_code: Option<String>,
    pub account_number: String,
    pub account_name: String,
}

/// The bank account that a withdrawal is paid to, as the customer names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankAccount {
    /// The bank's code; `payments/bank.rs` lists them.
    pub bank_code: String,
    /// Ten digits.
    pub account_number: String,
    pub account_name: String,
    pub bank_name: String,
    /// A message for the receiver.
    pub narration: Option<String>,
}

/// The blockchain addresses of a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockchainTarget {
    /// The address that the money comes from.
    pub from_address: String,
    /// The address that the money goes to.
    pub to_address: String,
    /// The address of the token, if the request names one.
    pub token_address: Option<String>,
}

/// The other customer of a wallet transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletTarget {
    pub customer_id: String,
    /// The phone. In the sender's transaction this is the receiver's, as the sender wrote
    /// it.
    pub phone: Option<String>,
    pub name: String,
    /// A message for the receiver.
    pub narration: Option<String>,
}
