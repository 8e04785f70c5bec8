//! Payments as their owners see them (contract sections 3.5 and 4.3.1).

use crate::domain::customers::customer::Customer;
use crate::domain::effects::Effects;
use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::DealRef;
use crate::domain::escrow::vault::Vault;
use crate::domain::ids::{CustomerId, EscrowId, PaymentToken};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{Detail, Method, PaymentStatus, Transaction};

/// A transaction with everything that a reply shows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The entry in its owner's history.
    pub transaction: Transaction,
    /// Details. `None` for a payment that succeeded at once, cost no fee and changed its
    /// owner's main balance by its amount.
    pub detail: Option<Detail>,
    /// The escrows that it paid for in the order of their offers, or the escrow that it
    /// came from.
    pub escrows: Vec<Escrow>,
    /// The vault that the money went into as a stake, or came from.
    pub vault: Option<Vault>,
    /// The customers who sell in those escrows or won the vault.
    pub payees: Vec<Customer>,
}

/// The facts of a deal that a transaction shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidDeal {
    pub id: EscrowId,
    pub payment_token: PaymentToken,
    pub purpose: String,
    pub description: Option<String>,
    pub amount: Amount,
    pub fee: Amount,
    /// The seller, or the winner of a vault if there is one.
    pub payee: Option<Payee>,
}

/// The payee of a deal, as other parties see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    /// The name, or the id if no name is known.
    pub name: String,
    /// The phone, as dialled within its country.
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

    /// Returns the payee of a deal that the merchant sells in its own name.
    pub fn merchant() -> Self {
        Self {
            name: "Merchant".to_owned(),
            phone: None,
        }
    }
}

impl PaidDeal {
    /// Returns the facts of a deal, with the name of the payee from `payees`. A payee who is
    /// not in `payees` appears with the id as the name.
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
    /// Returns the deals that the payment paid for, or the one that it came from.
    pub fn deals(&self) -> Vec<PaidDeal> {
        let escrows = self.escrows.iter().map(DealRef::from);
        let deals = escrows.chain(self.vault.as_ref().map(DealRef::from));
        deals.map(|deal| PaidDeal::new(deal, &self.payees)).collect()
    }

    pub fn status(&self) -> PaymentStatus {
        self.detail
            .as_ref()
            .map_or(PaymentStatus::Success, |detail| detail.status)
    }

    /// Returns the means by which its money moves, or `None` for an immediate payment
    /// from or to an escrow.
    pub fn method(&self) -> Option<&Method> {
        self.detail.as_ref().map(|detail| &detail.method)
    }

    /// Returns the fee. A debit takes it in addition to the amount.
    pub fn fee(&self) -> Amount {
        self.detail.as_ref().map_or(Amount::ZERO, |detail| detail.fee)
    }

    /// Sets the status and the time of settlement, and emits the event of the payment. The
    /// caller moves the money.
    ///
    /// # Panics
    ///
    /// Panics for a payment without details. It succeeded at once, and commands load none for a
    /// receipt or a pay-out (`Snapshot::payment_to_settle`).
    pub fn settle(&mut self, status: PaymentStatus, now: Timestamp, effects: &mut Effects) {
        let detail = self.detail.as_mut().expect("only a payment with details is settled");
        detail.status = status;
        detail.settled_at = Some(now);
        effects.emit_payment(&self.transaction, Some(&*detail));
    }

    /// Makes a settled payment pending again, since its settlement was recorded by mistake. Emits no
    /// event, as no pending payment does. The caller moves the money.
    pub fn reopen(&mut self) {
        if let Some(detail) = self.detail.as_mut() {
            detail.status = PaymentStatus::Pending;
            detail.settled_at = None;
        }
    }

    /// Returns the time of the last change.
    pub fn updated_at(&self) -> Timestamp {
        let settled_at = self.detail.as_ref().and_then(|detail| detail.settled_at);
        settled_at.unwrap_or(self.transaction.created_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{Reference, TransactionId};
    use crate::domain::ledger::Account;
    use crate::domain::transaction::{CreditType, TransactionType};

    #[test]
    #[should_panic(expected = "only a payment with details is settled")]
    fn a_payment_without_details_is_never_settled() {
        let id = TransactionId::new(1, 1);
        let mut payment = Payment {
            transaction: Transaction {
                id,
                owner: Account::CustomerMain(CustomerId::parse("ada").unwrap()),
                transaction_type: TransactionType::Deposit,
                credit_type: CreditType::Credit,
                amount: Amount::ONE_MAJOR,
                reference: Reference::of(id),
                escrow: None,
                created_at: Timestamp::from_millis(0).unwrap(),
            },
            detail: None,
            escrows: Vec::new(),
            vault: None,
            payees: Vec::new(),
        };
        let now = Timestamp::from_millis(1000).unwrap();
        payment.settle(PaymentStatus::Reversed, now, &mut Effects::default());
    }
}
