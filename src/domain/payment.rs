//! Payments and the history they leave (contract sections 3.5, 4.3.1, 4.3.9).

use super::ids::{CustomerId, EscrowId, IdSource, Reference, TransactionId};
use super::ledger::{self, Account, TransferKind};
use super::money::Amount;
use super::refusal::{Invalid, Refusal};
use super::settlement::Settlement;
use super::time::Timestamp;

/// What kind of payment a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionType {
    /// Money added to a wallet.
    Deposit,
    /// A buyer funding escrows, or a payee receiving from one.
    Escrow,
    /// The merchant's commission on a closed escrow.
    Commission,
    /// The additional fee the merchant took from a closed escrow.
    Delivery,
}

impl TransactionType {
    /// Every type, under its name.
    pub const WORDS: [(&'static str, Self); 4] = [
        (Self::Deposit.as_str(), Self::Deposit),
        (Self::Escrow.as_str(), Self::Escrow),
        (Self::Commission.as_str(), Self::Commission),
        (Self::Delivery.as_str(), Self::Delivery),
    ];

    /// The type's name on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Escrow => "escrow",
            Self::Commission => "commission",
            Self::Delivery => "delivery",
        }
    }
}

/// Which way a transaction moved its owner's main balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditType {
    /// Up.
    Credit,
    /// Down.
    Debit,
}

impl CreditType {
    /// Both directions, under their names.
    pub const WORDS: [(&'static str, Self); 2] = [
        (Self::Credit.as_str(), Self::Credit),
        (Self::Debit.as_str(), Self::Debit),
    ];

    /// The direction's name on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Debit => "debit",
        }
    }
}

/// An entry of a customer's or merchant's payment history. Every one that
/// exists has succeeded.
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
    /// The escrow a credit came from. A buyer's payment may fund several, and
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

/// Smallest top-up, in minor units: 1,000 (design section 5).
pub const TOP_UP_MIN: i64 = 100_000;
/// Largest top-up, in minor units: 100,000.
pub const TOP_UP_MAX: i64 = 10_000_000;

/// Adds play money to a customer's wallet. `inside` is all the money the
/// merchant's accounts hold together. Checks the amount, then the total.
pub fn top_up(
    customer: &CustomerId,
    amount: Amount,
    inside: Amount,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Result<Settlement, Refusal> {
    if !(TOP_UP_MIN..=TOP_UP_MAX).contains(&amount.minor()) {
        let expected = "a number from 1000 to 100000";
        return Err(Invalid::wrong("amount", expected, &amount.to_string()).into());
    }
    let mut settlement = Settlement::default();
    let deposit = enter(&mut settlement, TransferKind::TopUp, customer, amount, inside, ids, now)?;
    settlement.record_and_tell(deposit);
    Ok(settlement)
}

/// The play money a sandbox customer starts with; nothing when it is zero.
/// Nobody deposited it, so it stands in the history and no event tells of it.
pub fn opening_balance(
    customer: &CustomerId,
    amount: Amount,
    inside: Amount,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Result<Settlement, Refusal> {
    let mut settlement = Settlement::default();
    let deposit = enter(
        &mut settlement,
        TransferKind::OpeningBalance,
        customer,
        amount,
        inside,
        ids,
        now,
    )?;
    settlement.record(deposit);
    Ok(settlement)
}

/// Moves money in from the outside world; the transaction that says so is for
/// the caller to record.
fn enter(
    settlement: &mut Settlement,
    kind: TransferKind,
    customer: &CustomerId,
    amount: Amount,
    inside: Amount,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Result<Transaction, Refusal> {
    if !ledger::may_enter(amount, inside) {
        return Err(Refusal::TooMuchMoney);
    }
    let wallet = Account::CustomerMain(customer.clone());
    settlement.transfer(kind, Account::OutsideWorld, wallet.clone(), amount, None);
    Ok(Transaction {
        id: ids.transaction_id(),
        owner: wallet,
        transaction_type: TransactionType::Deposit,
        credit_type: CreditType::Credit,
        amount,
        reference: ids.reference(),
        escrow: None,
        created_at: now,
    })
}
