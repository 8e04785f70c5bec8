//! What one event does to money, decided at once: the transfers to post, the
//! history entries they leave, and the events subscribers will be told.

use super::ids::{EscrowId, TransactionId};
use super::intent::{Detail, PaymentStatus};
use super::ledger::{Account, Transfer, TransferKind};
use super::money::Amount;
use super::payment::{Transaction, TransactionType};

/// Everything one command does beside changing its escrow. Posted whole or not
/// at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Movements of money, in order.
    pub transfers: Vec<Transfer>,
    /// Entries of payment histories.
    pub transactions: Vec<Transaction>,
    /// What there is to say of some of them beside the entry.
    pub details: Vec<(TransactionId, Detail)>,
    /// What subscribers will be told, in order.
    pub events: Vec<Event>,
}

/// Something subscribers will be told (contract section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An escrow reached a status.
    Escrow(EscrowEvent, EscrowId),
    /// A transaction of this type came to this end. Of a pending one nothing is
    /// told.
    Payment(TransactionType, PaymentStatus, TransactionId),
}

/// What can be told of an escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscrowEvent {
    /// It was offered.
    Created,
    /// It awaits payment.
    Pending,
    /// It was funded.
    Ongoing,
    /// Its last money was released.
    Completed,
    /// The seller took what the buyer had not confirmed in time.
    Claimed,
    /// The buyer disputed it.
    Disputed,
    /// The seller replied to a dispute.
    Investigating,
    /// What was held went back to the buyer.
    Refunded,
    /// What was held was split between buyer and seller.
    Split,
}

impl EscrowEvent {
    const fn name(self) -> &'static str {
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

impl Event {
    /// The event's name on the wire: `escrow.completed`, `payment.escrow.success`.
    pub fn name(&self) -> String {
        match self {
            Self::Escrow(event, _) => event.name().to_owned(),
            Self::Payment(transaction_type, status, _) => {
                format!("payment.{}.{}", transaction_type.as_str(), status.as_str())
            }
        }
    }
}

impl Settlement {
    /// Moves money. A movement of nothing leaves no trace (contract section 9.1,
    /// row 9).
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

    /// Enters a transaction into its owner's history. One over nothing leaves no
    /// trace either.
    pub fn record(&mut self, transaction: Transaction) {
        if !transaction.amount.is_zero() {
            self.transactions.push(transaction);
        }
    }

    /// Enters a transaction that succeeded into its owner's history and tells of it.
    pub fn record_and_tell(&mut self, transaction: Transaction) {
        if !transaction.amount.is_zero() {
            self.tell_of(&transaction, PaymentStatus::Success);
        }
        self.record(transaction);
    }

    /// Enters a transaction, which is not over nothing, with what there is to say
    /// beside it. Of one that is settled already it tells.
    pub fn record_with(&mut self, transaction: Transaction, detail: Detail) {
        if detail.status != PaymentStatus::Pending {
            self.tell_of(&transaction, detail.status);
        }
        self.details.push((transaction.id, detail));
        self.record(transaction);
    }

    /// Tells that a transaction came to this end.
    pub fn tell_of(&mut self, transaction: &Transaction, status: PaymentStatus) {
        self.events
            .push(Event::Payment(transaction.transaction_type, status, transaction.id));
    }

    /// Tells of an escrow.
    pub fn tell(&mut self, event: EscrowEvent, escrow: EscrowId) {
        self.events.push(Event::Escrow(event, escrow));
    }
}
