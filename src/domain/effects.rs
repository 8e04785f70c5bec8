//! What one event does to money, decided at once: the transfers to post, the
//! history entries they leave, and the events subscribers will be told.

use crate::domain::ids::{EscrowId, TransactionId};
use crate::domain::ledger::{Account, Transfer, TransferKind};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{Detail, PaymentStatus, Transaction, TransactionType};

/// Everything one command does beside changing its escrow. Posted whole or not
/// at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Movements of money, in order.
    pub transfers: Vec<Transfer>,
    /// Entries of payment histories.
    pub transactions: Vec<Transaction>,
    /// What there is to say of some of them beside the entry.
    pub details: Vec<(TransactionId, Detail)>,
    /// What subscribers will be told, in order.
    pub events: Vec<Event>,
}

/// Something that webhook endpoints are told (contract section 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An escrow or a vault reached a status.
    Escrow(EscrowEvent, EscrowId),
    /// A transaction succeeded, failed or was reversed.
    Payment(Box<PaymentEvent>),
}

/// A transaction that succeeded, failed or was reversed. Of a pending one nothing is
/// told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentEvent {
    /// The entry in its owner's history.
    pub transaction: Transaction,
    /// What there is beside it; nothing for one that succeeded at once, cost nothing
    /// and moved its owner's main balance by its amount.
    pub detail: Option<Detail>,
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
            Self::Payment(payment) => {
                let transaction_type = payment.transaction.transaction_type.into_str();
                format!("payment.{transaction_type}.{}", payment.status().into_str())
            }
        }
    }
}

impl PaymentEvent {
    /// How it ended.
    pub fn status(&self) -> PaymentStatus {
        self.detail
            .as_ref()
            .map_or(PaymentStatus::Success, |detail| detail.status)
    }

    /// What it cost: on top of a debit.
    pub fn fee(&self) -> Amount {
        self.detail.as_ref().map_or(Amount::ZERO, |detail| detail.fee)
    }

    /// When it came to its end.
    pub fn updated_at(&self) -> Timestamp {
        let settled_at = self.detail.as_ref().and_then(|detail| detail.settled_at);
        settled_at.unwrap_or(self.transaction.created_at)
    }
}

impl Effects {
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
    pub fn record_and_emit(&mut self, transaction: Transaction) {
        if !transaction.amount.is_zero() {
            self.emit_payment(&transaction, None);
        }
        self.record(transaction);
    }

    /// Enters a transaction, which is not over nothing, with what there is to say
    /// beside it. Of one that is settled already it tells.
    pub fn record_with(&mut self, transaction: Transaction, detail: Detail) {
        if detail.status != PaymentStatus::Pending {
            self.emit_payment(&transaction, Some(&detail));
        }
        self.details.push((transaction.id, detail));
        self.record(transaction);
    }

    /// Tells that a transaction came to its end. Of the merchant's own account nobody
    /// hears but of what it earned with a deal (contract section 7.1).
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
