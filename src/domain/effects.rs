//! The effects of a command: the transfers to post, the entries to record in payment
//! histories, and the events to emit. A [`Booking`] collects them.

use strum::VariantArray;

use crate::domain::ids::{EscrowId, IdSource, MilestoneId, Reference};
use crate::domain::ledger::{Account, Transfer, TransferKind};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{CreditType, Detail, Entry, PaymentStatus, Transaction, TransactionType};

/// Everything that one command does beside changing its escrow. The store posts all of it
/// or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The transfers to post, in order.
    pub transfers: Vec<Transfer>,
    /// The entries of payment histories, in order.
    pub entries: Vec<Entry>,
    /// The events to emit, in order.
    pub events: Vec<Event>,
}

/// The effects of one command while a rule decides them, with the time of the command and the
/// source of its ids.
///
/// A rule that can refuse takes it by value, passes it on by reference, and returns its
/// effects. A refusal drops it, so a refused command has no effects.
pub struct Booking<'a> {
    /// Makes the ids of new objects.
    pub ids: &'a mut dyn IdSource,
    /// The time of the command, at which all of its effects take place.
    pub now: Timestamp,
    /// The effects so far, in order.
    pub effects: Effects,
}

impl<'a> Booking<'a> {
    /// Begins a booking without effects.
    pub fn new(ids: &'a mut dyn IdSource, now: Timestamp) -> Self {
        Self {
            ids,
            now,
            effects: Effects::default(),
        }
    }

    /// Returns a new transaction that adds this amount to its owner's main balance. It has a made
    /// reference and names no deal. The caller records it.
    pub fn credit(&mut self, owner: Account, transaction_type: TransactionType, amount: Amount) -> Transaction {
        self.transaction(owner, transaction_type, CreditType::Credit, amount)
    }

    /// Returns a new transaction that takes this amount from its owner's main balance, as
    /// [`Self::credit`] does.
    pub fn debit(&mut self, owner: Account, transaction_type: TransactionType, amount: Amount) -> Transaction {
        self.transaction(owner, transaction_type, CreditType::Debit, amount)
    }

    fn transaction(
        &mut self,
        owner: Account,
        transaction_type: TransactionType,
        credit_type: CreditType,
        amount: Amount,
    ) -> Transaction {
        let id = self.ids.transaction_id();
        Transaction {
            id,
            owner,
            transaction_type,
            credit_type,
            amount,
            reference: Reference::of(id),
            escrow: None,
            created_at: self.now,
        }
    }
}

/// An event for the webhook endpoint (contract section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An escrow or a vault reached a status.
    Escrow(EscrowEvent, EscrowId),
    /// The money of a milestone was released. An event of escrowd's own: it is recorded only
    /// for an endpoint that has chosen it by name.
    MilestoneReleased(EscrowId, MilestoneId),
    /// A transaction succeeded, failed or was reversed. A pending transaction emits no event.
    Payment(Box<Entry>),
}

/// The events of an escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum EscrowEvent {
    /// The seller offered it.
    Created,
    /// It awaits payment.
    Pending,
    /// The buyer funded it.
    Ongoing,
    /// The last part of its hold was released.
    Completed,
    /// The seller claimed the hold, because the buyer did not confirm in time.
    Claimed,
    /// The buyer or the seller disputed it.
    Disputed,
    /// The other side replied to a dispute.
    Investigating,
    /// The hold went back to the buyer.
    Refunded,
    /// The hold was split between buyer and seller.
    Split,
}

impl EscrowEvent {
    /// Returns the event's name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "escrow.created",
            Self::Pending => "escrow.pending",
            Self::Ongoing => "escrow.ongoing",
            Self::Completed => "escrow.completed",
            Self::Claimed => "escrow.claimed",
            Self::Disputed => "escrow.disputed",
            Self::Investigating => "escrow.investigating",
            Self::Refunded => "escrow.refunded",
            Self::Split => "escrow.split",
        }
    }
}

/// The name of [`Event::MilestoneReleased`].
pub const MILESTONE_RELEASED: &str = "milestone.released";

impl Event {
    /// Returns the event's name on the wire: `escrow.completed`, `payment.escrow.success`.
    pub fn name(&self) -> String {
        match self {
            Self::Escrow(event, _) => event.name().to_owned(),
            Self::MilestoneReleased(..) => MILESTONE_RELEASED.to_owned(),
            Self::Payment(payment) => {
                let transaction_type = payment.transaction.transaction_type.into_str();
                format!("payment.{transaction_type}.{}", payment.status().into_str())
            }
        }
    }
}

impl Effects {
    /// Adds a transfer. An amount of zero adds none (contract section 9.1, row 9).
    pub fn transfer(
        &mut self,
        kind: TransferKind,
        debit: Account,
        credit: Account,
        amount: Amount,
        escrow: Option<EscrowId>,
    ) {
        if !amount.is_zero() {
            self.transfers.push(Transfer {
                kind,
                debit,
                credit,
                amount,
                escrow,
            });
        }
    }

    /// Records an entry in its owner's history, unless its amount is zero. Emits no event.
    pub fn record(&mut self, entry: impl Into<Entry>) {
        let entry = entry.into();
        if !entry.transaction.amount.is_zero() {
            self.entries.push(entry);
        }
    }

    /// Records an entry as [`Self::record`] does, and emits its event unless it is pending.
    pub fn record_and_emit(&mut self, entry: impl Into<Entry>) {
        let entry = entry.into();
        if !entry.transaction.amount.is_zero() && entry.status() != PaymentStatus::Pending {
            self.emit_payment(&entry.transaction, entry.detail.as_ref());
        }
        self.record(entry);
    }

    /// Records a transaction with details as [`Self::record_and_emit`] does.
    pub fn record_with(&mut self, transaction: Transaction, detail: Detail) {
        self.record_and_emit(Entry {
            transaction,
            detail: Some(detail),
        });
    }

    /// Emits the event of a transaction that is no longer pending. The merchant's own
    /// transactions emit none, except its earnings from a deal: commission and delivery
    /// (contract section 7.1).
    pub fn emit_payment(&mut self, transaction: &Transaction, detail: Option<&Detail>) {
        let is_earned = matches!(
            transaction.transaction_type,
            TransactionType::Commission | TransactionType::Delivery
        );
        if transaction.owner.customer().is_some() || is_earned {
            self.events.push(Event::Payment(Box::new(Entry {
                transaction: transaction.clone(),
                detail: detail.cloned(),
            })));
        }
    }

    /// Emits an event of an escrow or a vault.
    pub fn emit(&mut self, event: EscrowEvent, deal: EscrowId) {
        self.events.push(Event::Escrow(event, deal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{CustomerId, TransactionId};
    use crate::domain::transaction::Method;

    fn deposit(amount: Amount) -> Transaction {
        let id = TransactionId::new(1, 1);
        Transaction {
            id,
            owner: Account::CustomerMain(CustomerId::parse("ada").unwrap()),
            transaction_type: TransactionType::Deposit,
            credit_type: CreditType::Credit,
            amount,
            reference: Reference::of(id),
            escrow: None,
            created_at: Timestamp::from_millis(0).unwrap(),
        }
    }

    fn detail(status: PaymentStatus) -> Detail {
        let method = Method::Card {
            card_id: "c".to_owned(),
        };
        Detail {
            status,
            ..Detail::pending(Amount::ZERO, method)
        }
    }

    #[test]
    fn an_entry_is_recorded_with_its_details_and_emitted_unless_it_is_pending() {
        for (status, events) in [
            (PaymentStatus::Pending, 0),
            (PaymentStatus::Success, 1),
            (PaymentStatus::Failed, 1),
        ] {
            let mut effects = Effects::default();
            effects.record_with(deposit(Amount::ONE_MAJOR), detail(status));
            let entry = Entry {
                transaction: deposit(Amount::ONE_MAJOR),
                detail: Some(detail(status)),
            };
            let emitted = vec![Event::Payment(Box::new(entry.clone())); events];
            assert_eq!((effects.entries, effects.events), (vec![entry], emitted));
        }
    }

    #[test]
    fn an_amount_of_zero_is_neither_recorded_nor_emitted() {
        let mut effects = Effects::default();
        effects.record(deposit(Amount::ZERO));
        effects.record_and_emit(deposit(Amount::ZERO));
        effects.record_with(deposit(Amount::ZERO), detail(PaymentStatus::Success));
        assert_eq!(effects, Effects::default());
    }
}
