//! Funding: the buyer's one payment that opens an escrow, or several (contract
//! section 4.3.1).

use crate::domain::effects::{Effects, EscrowEvent};
use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::{Escrow, Funding, Progress};
use crate::domain::ids::{CustomerId, IdSource, Reference};
use crate::domain::ledger::{self, Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::payments::card::Card;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{
    CreditType, Detail, FundingPayment, Method, PaymentStatus, Transaction, TransactionType,
};

/// A buyer's wish to pay.
#[derive(Clone, Debug)]
pub struct PaymentOffer {
    /// The payment's reference.
    pub reference: Reference,
    /// What the buyer expects to pay, when they say.
    pub amount: Option<Amount>,
    /// Where the money comes from.
    pub source: Source,
}

/// Where a buyer's money comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Their wallet.
    Wallet {
        /// What is in it.
        available: Amount,
    },
    /// A saved card: the money comes from outside straight into the hold.
    Card {
        /// The card.
        card: Card,
        /// All the money that the merchant's accounts hold together.
        inside: Amount,
    },
}

impl Source {
    /// Refuses what it cannot give: a wallet that is short; for a card, money that
    /// the merchant's accounts cannot hold, then a declined charge.
    fn check(&self, due: Amount) -> Result<(), Refusal> {
        match self {
            Self::Wallet { available } if *available < due => Err(Refusal::InsufficientBalance {
                needed: due,
                available: *available,
            }),
            Self::Card { inside, .. } if !ledger::may_enter(due, *inside) => Err(Refusal::TooMuchMoney),
            Self::Card { card, .. } => card.kind.charge(due).map_err(Refusal::CardDeclined),
            Self::Wallet { .. } => Ok(()),
        }
    }

    /// Enters the buyer's payment into their history: what came from a card says so,
    /// since it never passed through their wallet.
    fn record(&self, transaction: Transaction, now: Timestamp, effects: &mut Effects) {
        match self {
            Self::Wallet { .. } => effects.record_and_emit(transaction),
            Self::Card { card, .. } => {
                let detail = Detail {
                    status: PaymentStatus::Success,
                    fee: Amount::ZERO,
                    settled_at: Some(now),
                    method: Method::Card {
                        card_id: card.id.to_string(),
                    },
                };
                effects.record_with(transaction, detail);
            }
        }
    }

    /// The account that the hold is filled from.
    fn account(&self, buyer: &CustomerId) -> Account {
        match self {
            Self::Wallet { .. } => Account::CustomerMain(buyer.clone()),
            Self::Card { .. } => Account::OutsideWorld,
        }
    }
}

/// Funds every escrow of one payment, or none.
///
/// Checks, in this order: for each escrow whether it awaits payment, whether the
/// buyer is its seller, whether the buyer is paid by one of its milestones; then
/// the amount offered against what is due, then whether the money is there. `escrows` are left
/// untouched by a refusal and must not be empty.
pub fn fund(
    escrows: &mut [Escrow],
    buyer: &CustomerId,
    offer: PaymentOffer,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Result<(Transaction, Effects), Refusal> {
    for escrow in &*escrows {
        escrow.check_payable_by(buyer)?;
    }
    let due = Amount::total(escrows.iter().map(Escrow::charge)).ok_or(Refusal::TooMuchMoney)?;
    if let Some(offered) = offer.amount.filter(|&offered| offered != due) {
        return Err(Refusal::AmountMismatch { due, offered });
    }
    offer.source.check(due)?;
    let transaction = Transaction {
        id: ids.transaction_id(),
        owner: Account::CustomerMain(buyer.clone()),
        transaction_type: TransactionType::Escrow,
        credit_type: CreditType::Debit,
        amount: due,
        reference: offer.reference,
        escrow: None,
        created_at: now,
    };
    let mut effects = Effects::default();
    offer.source.record(transaction.clone(), now, &mut effects);
    let source = offer.source.account(buyer);
    for escrow in escrows {
        let payment = FundingPayment {
            id: transaction.id,
            reference: transaction.reference.clone(),
            amount: due,
        };
        escrow.open(buyer.clone(), source.clone(), payment, now, &mut effects);
    }
    Ok((transaction, effects))
}

impl Escrow {
    /// Whether this buyer could pay now: not when it was paid for already or is a
    /// link, which never opens itself and is met here when it is sold out; not
    /// when the buyer is the seller, not when a milestone pays the buyer.
    fn check_payable_by(&self, buyer: &CustomerId) -> Result<(), Refusal> {
        if self.progress != Progress::AwaitingPayment || self.is_link {
            return Err(Refusal::EscrowNotPayable);
        }
        if self.seller.is(buyer) {
            return Err(Refusal::BuyerIsSeller);
        }
        let pays_the_buyer = |milestone: &Milestone| milestone.terms.beneficiary.as_ref() == Some(buyer);
        if self.milestones().iter().any(pays_the_buyer) {
            return Err(Refusal::BuyerIsBeneficiary);
        }
        Ok(())
    }

    /// Opens an escrow that [`Escrow::check_payable_by`] accepted.
    fn open(
        &mut self,
        buyer: CustomerId,
        source: Account,
        payment: FundingPayment,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        effects.transfer(
            TransferKind::Fund,
            source,
            Account::CustomerEscrow(buyer.clone()),
            self.charge(),
            Some(self.id),
        );
        self.progress = Progress::Opened {
            funding: Funding {
                buyer,
                payment,
                paid_at: now,
            },
            dispute: None,
        };
        self.updated_at = now;
        effects.emit(EscrowEvent::Ongoing, self);
    }
}
