//! Payments and the history they leave (contract sections 3.5, 4.3.1, 4.3.9).

use crate::domain::customers::customer::Customer;
use crate::domain::effects::Effects;
use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::DealRef;
use crate::domain::escrow::vault::Vault;
use crate::domain::ids::{CustomerId, EscrowId, IdSource, PaymentToken};
use crate::domain::ledger::{self, Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::refusal::{Invalid, Refusal};
use crate::domain::time::Timestamp;
use crate::domain::transaction::{CreditType, Detail, Method, PaymentStatus, Transaction, TransactionType};

/// A transaction with all there is to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The entry in its owner's history.
    pub transaction: Transaction,
    /// What there is beside it; nothing for one that succeeded at once, cost
    /// nothing and moved its owner's main balance by its amount.
    pub detail: Option<Detail>,
    /// The escrows it paid for, in the order they were offered, or the one it came
    /// from.
    pub escrows: Vec<Escrow>,
    /// The vault it was staked in, or came from.
    pub vault: Option<Vault>,
    /// Who sells in those escrows or won the vault, of the merchant's customers.
    pub payees: Vec<Customer>,
}

/// What a transaction says of a deal that it paid for or came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidDeal {
    /// The deal.
    pub id: EscrowId,
    /// What it is paid with.
    pub payment_token: PaymentToken,
    /// What it is about.
    pub purpose: String,
    /// More of it.
    pub description: Option<String>,
    /// What was agreed on.
    pub amount: Amount,
    /// What it costs.
    pub fee: Amount,
    /// Who sells or, of a vault, who won it: nobody yet.
    pub payee: Option<Payee>,
}

/// Whom a deal pays, as others see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    /// Their name, or their id while nobody said it.
    pub name: String,
    /// Their phone, as dialled within their country.
    pub phone: Option<String>,
}

impl Payee {
    fn find(id: &CustomerId, payees: &[Customer]) -> Self {
        let payee = payees.iter().find(|payee| payee.id == *id);
        let phone = payee.and_then(|payee| payee.profile.as_ref()?.phone.as_ref());
        Self {
            name: payee.map_or_else(|| id.to_string(), Customer::name),
            phone: phone.map(|phone| phone.as_str().to_owned()),
        }
    }

    /// A merchant that sells in its own name.
    pub fn merchant() -> Self {
        Self {
            name: "Merchant".to_owned(),
            phone: None,
        }
    }
}

impl PaidDeal {
    /// Returns what a transaction shows of a deal, with the deal's payee among `payees`.
    /// A payee who is not among them is shown by id.
    pub fn new(deal: DealRef<'_>, payees: &[Customer]) -> Self {
        let payee = deal.payee().map(|id| Payee::find(id, payees));
        match deal {
            DealRef::Escrow(escrow) => Self {
                id: escrow.id,
                payment_token: escrow.payment_token.clone(),
                purpose: escrow.terms.purpose.clone(),
                description: escrow.terms.description.clone(),
                amount: escrow.terms.amount,
                fee: escrow.fee.total(),
                payee: Some(payee.unwrap_or_else(Payee::merchant)),
            },
            DealRef::Vault(vault) => Self {
                id: vault.id,
                payment_token: vault.payment_token.clone(),
                purpose: vault.purpose.clone(),
                description: vault.description.clone(),
                amount: vault.pot(),
                fee: vault.fee.total(),
                payee,
            },
        }
    }
}

impl Payment {
    /// Returns the deals it paid for, or the one it came from.
    pub fn deals(&self) -> Vec<PaidDeal> {
        let escrows = self.escrows.iter().map(DealRef::from);
        let deals = escrows.chain(self.vault.as_ref().map(DealRef::from));
        deals.map(|deal| PaidDeal::new(deal, &self.payees)).collect()
    }

    /// Where it stands.
    pub fn status(&self) -> PaymentStatus {
        self.detail
            .as_ref()
            .map_or(PaymentStatus::Success, |detail| detail.status)
    }

    /// How its money goes, where that is not from or to an escrow.
    pub fn method(&self) -> Option<&Method> {
        self.detail.as_ref().map(|detail| &detail.method)
    }

    /// What it cost: on top of a debit.
    pub fn fee(&self) -> Amount {
        self.detail.as_ref().map_or(Amount::ZERO, |detail| detail.fee)
    }

    /// When it last changed.
    pub fn updated_at(&self) -> Timestamp {
        let settled_at = self.detail.as_ref().and_then(|detail| detail.settled_at);
        settled_at.unwrap_or(self.transaction.created_at)
    }
}

/// Smallest top-up, in minor units: 1,000 (design section 5).
pub const TOP_UP_MIN: i64 = 100_000;
/// Largest top-up, in minor units: 100,000.
pub const TOP_UP_MAX: i64 = 10_000_000;

/// With `strict`, how long a customer waits between two top-ups.
const TOP_UP_EVERY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// With `strict`, refuses a top-up within 24 hours of the one before.
pub fn check_top_up_is_due(topped_up_at: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    match topped_up_at {
        Some(before) if now.millis() - before.millis() < TOP_UP_EVERY_MILLIS => Err(Refusal::ToppedUpToday),
        _ => Ok(()),
    }
}

/// Adds play money to a customer's wallet. `inside` is all the money the
/// merchant's accounts hold together. Checks the amount, then the total.
pub fn top_up(
    customer: &CustomerId,
    amount: Amount,
    inside: Amount,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    if !(TOP_UP_MIN..=TOP_UP_MAX).contains(&amount.minor()) {
        let expected = "a number from 1000 to 100000";
        return Err(Invalid::wrong("amount", expected, &amount.to_string()).into());
    }
    let mut effects = Effects::default();
    let deposit = enter(&mut effects, TransferKind::TopUp, customer, amount, inside, ids, now)?;
    effects.record_and_emit(deposit);
    Ok(effects)
}

/// The play money a sandbox customer starts with; nothing when it is zero.
/// Nobody deposited it, so it stands in the history and no event tells of it.
pub fn opening_balance(
    customer: &CustomerId,
    amount: Amount,
    inside: Amount,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let mut effects = Effects::default();
    let deposit = enter(
        &mut effects,
        TransferKind::OpeningBalance,
        customer,
        amount,
        inside,
        ids,
        now,
    )?;
    effects.record(deposit);
    Ok(effects)
}

/// Moves money in from the outside world; the transaction that says so is for
/// the caller to record.
fn enter(
    effects: &mut Effects,
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
    effects.transfer(kind, Account::OutsideWorld, wallet.clone(), amount, None);
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
