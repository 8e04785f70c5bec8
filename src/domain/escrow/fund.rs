//! Funding: a buyer's one payment opens one escrow or several (contract section 4.3.1).

use crate::domain::characters::quoted;
use crate::domain::effects::{Booking, Effects, EscrowEvent};
use crate::domain::escrow::milestone::Milestone;
use crate::domain::escrow::{Escrow, Funding, Progress};
use crate::domain::ids::{CustomerId, PaymentToken, Reference};
use crate::domain::invalid::Invalid;
use crate::domain::ledger::{self, Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::payments::card::Card;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{Detail, Entry, FundingPayment, Method, TransactionType};

/// A payment that a buyer asks for. The objects that it refers to have been looked up.
#[derive(Clone, Debug)]
pub struct PaymentOffer {
    pub reference: Option<Reference>,
    /// The amount that the buyer expects to pay, if the request names one.
    pub amount: Option<Amount>,
    pub source: Source,
}

/// The source of a buyer's money.
#[derive(Clone, Debug)]
pub enum Source {
    /// The buyer's wallet.
    Wallet {
        /// The wallet's balance.
        available: Amount,
    },
    /// A saved card. The money goes from outside straight into the hold.
    Card {
        card: Card,
        /// The money in all of the merchant's accounts.
        inside: Amount,
    },
}

/// Checks that a payment names an escrow once. `listed` are the escrows named before it.
///
/// # Errors
///
/// Names `escrowDetails.escrowId` if the escrow is among them.
pub fn check_not_listed(listed: &[Escrow], escrow: &Escrow) -> Result<(), Invalid> {
    if listed.iter().all(|earlier| earlier.id != escrow.id) {
        return Ok(());
    }
    let expected = "a list that names each escrow once";
    Err(Invalid::wrong(
        "escrowDetails.escrowId",
        expected,
        &escrow.id.to_string(),
    ))
}

/// Checks that the payment token of a request that names one escrow by its id is that
/// escrow's.
///
/// # Errors
///
/// Names both fields if the token is another escrow's.
pub fn check_token(listed: &[Escrow], token: &PaymentToken) -> Result<(), Invalid> {
    match listed {
        [escrow] if escrow.payment_token != *token => {
            let expected = format!(
                "the token of the escrow that escrowDetails.escrowId names, {}",
                escrow.payment_token.as_str()
            );
            let got = format!("{} with escrowId \"{}\"", quoted(token.as_str()), escrow.id);
            Err(Invalid::wrong("escrowDetails.paymentToken", expected, &got))
        }
        _ => Ok(()),
    }
}

/// Sorts the escrows of one payment as [`fund`] opens them: in the order of their offers.
pub fn sort_for_funding(escrows: &mut [Escrow]) {
    escrows.sort_by_key(|escrow| escrow.id.number());
}

impl Source {
    /// Checks that the source can pay.
    ///
    /// # Errors
    ///
    /// Refuses a wallet with too little money. For a card, refuses an amount that would
    /// bring the merchant's accounts above [`Amount::MAX`] together, and then a declined
    /// charge.
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

    /// Returns the details of the buyer's payment. A card payment names the card, since the
    /// money never was in the wallet. A wallet payment has no details.
    fn detail(&self, now: Timestamp) -> Option<Detail> {
        match self {
            Self::Wallet { .. } => None,
            Self::Card { card, .. } => {
                let card_id = card.id.to_string();
                Some(Detail::succeeded(now, Method::Card { card_id }))
            }
        }
    }

    /// Returns the account from which the hold is filled.
    fn account(&self, buyer: &CustomerId) -> Account {
        match self {
            Self::Wallet { .. } => Account::CustomerMain(buyer.clone()),
            Self::Card { .. } => Account::OutsideWorld,
        }
    }
}

/// Funds every escrow of one payment, or none. Returns the payment. `escrows` must not be empty.
///
/// # Errors
///
/// Checks each escrow in turn: that it awaits payment, that the buyer is not its seller,
/// and that none of its milestones pays the buyer. Then checks the offered amount against
/// the sum of the charges, and then the source of the money. A refusal leaves the escrows
/// unchanged.
pub fn fund(
    escrows: &mut [Escrow],
    buyer: &CustomerId,
    offer: PaymentOffer,
    mut booking: Booking<'_>,
) -> Result<(Entry, Effects), Refusal> {
    for escrow in &*escrows {
        escrow.check_payable_by(buyer)?;
    }
    let due = Amount::total(escrows.iter().map(Escrow::charge)).ok_or(Refusal::TooMuchMoney)?;
    if let Some(offered) = offer.amount.filter(|&offered| offered != due) {
        return Err(Refusal::AmountMismatch { due, offered });
    }
    offer.source.check(due)?;
    let wallet = Account::CustomerMain(buyer.clone());
    let transaction = booking.debit(wallet, TransactionType::Escrow, due);
    let paid = Entry {
        detail: offer.source.detail(booking.now),
        transaction: transaction.with_reference(offer.reference),
    };
    booking.effects.record_and_emit(paid.clone());
    let source = offer.source.account(buyer);
    for escrow in escrows {
        let payment = FundingPayment {
            id: paid.transaction.id,
            reference: paid.transaction.reference.clone(),
            amount: due,
        };
        escrow.open(buyer.clone(), source.clone(), payment, &mut booking);
    }
    Ok((paid, booking.effects))
}

impl Escrow {
    /// Checks that the escrow waits for a buyer. A link waits until it is sold out.
    pub fn check_open_to_buyers(&self) -> Result<(), Refusal> {
        if self.progress == Progress::AwaitingPayment && !self.is_sold_out() {
            Ok(())
        } else {
            Err(Refusal::EscrowNotPayable)
        }
    }

    /// Checks that this buyer can pay for the escrow now.
    ///
    /// # Errors
    ///
    /// Refuses an escrow that was paid for, then one that the buyer sells, then one with
    /// a milestone that pays the buyer. Refuses a link like an escrow that was paid for: only a
    /// sold-out link gets here, since each other one was replaced by an escrow of its own.
    fn check_payable_by(&self, buyer: &CustomerId) -> Result<(), Refusal> {
        if self.is_link {
            return Err(Refusal::EscrowNotPayable);
        }
        self.check_open_to_buyers()?;
        self.check_buyer(buyer)
    }

    /// Checks that this customer can be the buyer.
    ///
    /// # Errors
    ///
    /// Refuses the seller, then a customer whom a milestone pays.
    pub fn check_buyer(&self, buyer: &CustomerId) -> Result<(), Refusal> {
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
    fn open(&mut self, buyer: CustomerId, source: Account, payment: FundingPayment, booking: &mut Booking<'_>) {
        booking.effects.transfer(
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
                paid_at: booking.now,
            },
            dispute: None,
        };
        self.updated_at = booking.now;
        self.emit(EscrowEvent::Ongoing, &mut booking.effects);
    }
}
