//! The effects of a command: the transfers to post, the transactions to record in payment
//! histories, and the events to emit. A [`Booking`] collects them.

use strum::VariantArray;

use crate::domain::ids::{EscrowId, IdSource, MilestoneId, TransactionId};
use crate::domain::ledger::{Account, Transfer, TransferKind};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{Detail, PaymentStatus, Transaction, TransactionType};

/// Everything that one command does beside changing its escrow. The store posts all of it
/// or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The transfers to post, in order.
    pub transfers: Vec<Transfer>,
    /// The entries of payment histories.
    pub transactions: Vec<Transaction>,
    /// The details of those transactions that have them.
    pub details: Vec<(TransactionId, Detail)>,
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
}

/// An event for the webhook endpoint (contract section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An escrow or a vault reached a status.
    Escrow(EscrowEvent, EscrowId),
    /// The money of a milestone was released. An event of escrowd's own: it is recorded only
    /// for an endpoint that has chosen it by name.
    MilestoneReleased(EscrowId, MilestoneId),
    /// A transaction succeeded, failed or was reversed.
    Payment(Box<PaymentEvent>),
}

/// A transaction that succeeded, failed or was reversed. A pending transaction emits no
/// event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentEvent {
    /// The entry in its owner's history.
    pub transaction: Transaction,
    /// The transaction's details. `None` if it succeeded at once, had no fee, and moved its
    /// owner's main balance by its amount.
    pub detail: Option<Detail>,
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

impl PaymentEvent {
    /// Returns the transaction's final status.
    pub fn status(&self) -> PaymentStatus {
        self.detail
            .as_ref()
            .map_or(PaymentStatus::Success, |detail| detail.status)
    }

    /// Returns the transaction's fee. A debit takes it in addition to the amount.
    pub fn fee(&self) -> Amount {
        self.detail.as_ref().map_or(Amount::ZERO, |detail| detail.fee)
    }

    /// Returns the time at which the transaction succeeded, failed or was reversed.
    pub fn updated_at(&self) -> Timestamp {
        let settled_at = self.detail.as_ref().and_then(|detail| detail.settled_at);
        settled_at.unwrap_or(self.transaction.created_at)
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

    /// Records a transaction in its owner's history, unless its amount is zero.
    pub fn record(&mut self, transaction: Transaction) {
        if !transaction.amount.is_zero() {
            self.transactions.push(transaction);
        }
    }

    /// Records a transaction that succeeded and emits its event, unless its amount is zero.
    pub fn record_and_emit(&mut self, transaction: Transaction) {
        if !transaction.amount.is_zero() {
            self.emit_payment(&transaction, None);
        }
        self.record(transaction);
    }

    /// Records a transaction with details. Emits its event unless it is pending. The amount
    /// must not be zero.
    pub fn record_with(&mut self, transaction: Transaction, detail: Detail) {
        if detail.status != PaymentStatus::Pending {
            self.emit_payment(&transaction, Some(&detail));
        }
        self.details.push((transaction.id, detail));
        self.record(transaction);
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
            self.events.push(Event::Payment(Box::new(PaymentEvent {
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
