//! Funding: the buyer's one payment that opens an escrow, or several (contract
//! section 4.3.1).

use super::{Escrow, Funding, Progress};
use crate::domain::ids::{CustomerId, IdSource, Reference};
use crate::domain::ledger::{Account, TransferKind};
use crate::domain::milestone::Milestone;
use crate::domain::money::Amount;
use crate::domain::payment::{CreditType, FundingPayment, Transaction, TransactionType};
use crate::domain::refusal::Refusal;
use crate::domain::settlement::{EscrowEvent, Settlement};
use crate::domain::time::Timestamp;

/// A buyer's wish to pay.
#[derive(Clone, Debug)]
pub struct PaymentOffer {
    /// The payment's reference.
    pub reference: Reference,
    /// What the buyer expects to pay, when they say.
    pub amount: Option<Amount>,
    /// What is in their wallet.
    pub available: Amount,
}

/// Funds every escrow of one payment, or none.
///
/// Checks, in this order: for each escrow whether it awaits payment, whether the
/// buyer is its seller, whether the buyer is paid by one of its milestones; then
/// the amount offered against what is due, then the balance. `escrows` are left
/// untouched by a refusal and must not be empty.
pub fn fund(
    escrows: &mut [Escrow],
    buyer: &CustomerId,
    offer: PaymentOffer,
    ids: &mut dyn IdSource,
    now: Timestamp,
) -> Result<(Transaction, Settlement), Refusal> {
    for escrow in &*escrows {
        escrow.check_payable_by(buyer)?;
    }
    let due = Amount::total(escrows.iter().map(Escrow::charge)).ok_or(Refusal::TooMuchMoney)?;
    if let Some(offered) = offer.amount.filter(|&offered| offered != due) {
        return Err(Refusal::AmountMismatch { due, offered });
    }
    if offer.available < due {
        return Err(Refusal::InsufficientBalance {
            needed: due,
            available: offer.available,
        });
    }
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
    let mut settlement = Settlement::default();
    settlement.record_and_tell(transaction.clone());
    for escrow in escrows {
        let payment = FundingPayment {
            id: transaction.id,
            reference: transaction.reference.clone(),
            amount: due,
        };
        escrow.open(buyer.clone(), payment, now, &mut settlement);
    }
    Ok((transaction, settlement))
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
    fn open(&mut self, buyer: CustomerId, payment: FundingPayment, now: Timestamp, settlement: &mut Settlement) {
        settlement.transfer(
            TransferKind::Fund,
            Account::CustomerMain(buyer.clone()),
            Account::CustomerEscrow(buyer.clone()),
            self.charge(),
            Some(self.id),
        );
        settlement.tell(EscrowEvent::Ongoing, self.id);
        self.progress = Progress::Opened {
            funding: Funding {
                buyer,
                payment,
                paid_at: now,
            },
            dispute: None,
        };
        self.updated_at = now;
    }
}
