//! Intents: deposits, withdrawals and wallet transfers in two steps (contract sections
//! 4.3.2, 4.3.3, 5.9 and 6.4). Creating an intent moves no money. Settling it moves the
//! money, once. A withdrawal with a pay-out is the exception: `treasury::payout` moves its money
//! at creation, and settles it.

use crate::domain::customers::customer::Customer;
use crate::domain::decline::Decline;
use crate::domain::effects::{Booking, Effects};
use crate::domain::fees::WithdrawalFees;
use crate::domain::ids::{CustomerId, Reference};
use crate::domain::invalid::Invalid;
use crate::domain::ledger::{self, Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::payments::payment::Payment;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::{
    CreditType, Detail, Method, PaymentStatus, Transaction, TransactionType, WalletTarget,
};

/// The smallest amount of an intent: 100 major units (contract section 1.5).
pub const INTENT_MIN: i64 = 10_000;

/// The intent that a customer asks for. The server has already looked up the objects that
/// the request refers to.
#[derive(Clone, Debug)]
pub struct IntentOffer {
    pub reference: Option<Reference>,
    /// The amount without the fee.
    pub amount: Amount,
    pub method: Method,
}

/// The balances at the time of a settlement.
#[derive(Clone, Copy, Debug)]
pub struct Balances {
    /// The balance of the customer's wallet.
    pub available: Amount,
    /// The money in all of the merchant's accounts.
    pub inside: Amount,
}

/// The outcome that a bank, a card processor or a blockchain gives a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentOutcome {
    Success,
    Failed,
    /// Accepted and then returned.
    Reversed,
}

impl From<Result<(), Decline>> for IntentOutcome {
    /// A declined payment fails.
    fn from(taken: Result<(), Decline>) -> Self {
        match taken {
            Ok(()) => Self::Success,
            Err(_) => Self::Failed,
        }
    }
}

/// The sender of a wallet transfer, as the receiver sees them.
#[derive(Clone, Debug)]
pub struct Sender {
    pub phone: Option<String>,
    /// The sender's name, or their id if no name is known.
    pub name: String,
}

impl From<&Customer> for Sender {
    fn from(customer: &Customer) -> Self {
        let profile = customer.profile.as_ref();
        let phone = profile.and_then(|profile| profile.phone.as_ref());
        Self {
            phone: phone.map(ToString::to_string),
            name: customer.name(),
        }
    }
}

/// Checks that an amount is large enough for an intent.
///
/// # Errors
///
/// Names the field `amount` if it is below 100 major units.
pub fn check_amount(amount: Amount) -> Result<Amount, Invalid> {
    if amount.minor() < INTENT_MIN {
        let expected = "a number of 100 or more";
        return Err(Invalid::wrong("amount", expected, &amount.to_string()));
    }
    Ok(amount)
}

/// Checks that a buyer can pay what is due for a deal by a deposit.
///
/// # Errors
///
/// Names the field `paymentToken` of the deal, if less is due than the smallest amount of a deposit.
pub fn check_pays_by_transfer(due: Amount) -> Result<(), Invalid> {
    if due.minor() < INTENT_MIN {
        let expected = "of a deal for which 100 or more is due, the least of a bank transfer";
        return Err(Invalid::wrong("paymentToken", expected, &due.to_string()));
    }
    Ok(())
}

/// Creates a pending payment. It moves no money and emits no event. Its fee is fixed now.
///
/// # Errors
///
/// Refuses a withdrawal or a wallet transfer if the wallet does not hold the amount and
/// the fee.
pub fn create_intent(
    customer: &CustomerId,
    offer: IntentOffer,
    fees: &WithdrawalFees,
    available: Amount,
    mut booking: Booking<'_>,
) -> Result<(Payment, Effects), Refusal> {
    let transaction_type = offer.method.transaction_type();
    let wallet = Account::CustomerMain(customer.clone());
    let transaction = match transaction_type {
        TransactionType::Deposit => booking.credit(wallet, transaction_type, offer.amount),
        _ => booking.debit(wallet, transaction_type, offer.amount),
    };
    let transaction = transaction.with_reference(offer.reference);
    let fee = match transaction_type {
        TransactionType::Withdrawal => fees.of(offer.amount),
        _ => Amount::ZERO,
    };
    let detail = Detail::pending(fee, offer.method);
    if transaction.credit_type == CreditType::Debit {
        check_balance(&transaction, detail.fee, available)?;
    }
    booking.effects.record_with(transaction.clone(), detail.clone());
    let payment = Payment {
        transaction,
        detail: Some(detail),
        escrows: Vec::new(),
        vault: None,
        payees: Vec::new(),
    };
    Ok((payment, booking.effects))
}

/// Settles a pending payment. A payment that is settled already stays as it is.
///
/// # Errors
///
/// Refuses a debit if the wallet does not hold the amount and the fee, and a deposit if
/// the merchant's accounts would exceed [`Amount::MAX`] together. The payment then stays
/// pending.
pub fn settle(
    payment: &mut Payment,
    outcome: IntentOutcome,
    balances: Balances,
    sender: Sender,
    mut booking: Booking<'_>,
) -> Result<Effects, Refusal> {
    let pending = payment.detail.as_ref();
    let Some(detail) = pending.filter(|detail| detail.status == PaymentStatus::Pending) else {
        return Ok(booking.effects);
    };
    let moves = moves(&payment.transaction, detail, balances)?;
    let status = match outcome {
        IntentOutcome::Success => PaymentStatus::Success,
        IntentOutcome::Failed => PaymentStatus::Failed,
        IntentOutcome::Reversed => PaymentStatus::Reversed,
    };
    let (there, back): (&[Move], &[Move]) = match outcome {
        IntentOutcome::Success => (&moves, &[]),
        IntentOutcome::Failed => (&[], &[]),
        IntentOutcome::Reversed => (&moves, &moves),
    };
    let effects = &mut booking.effects;
    for Move { kind, from, to, amount } in there {
        effects.transfer(*kind, from.clone(), to.clone(), *amount, None);
    }
    for Move { kind, from, to, amount } in back.iter().rev() {
        effects.transfer(*kind, to.clone(), from.clone(), *amount, None);
    }
    payment.settle(status, booking.now, effects);
    if let (Some(Method::Wallet(target)), IntentOutcome::Success) = (payment.method(), outcome) {
        receive(&payment.transaction, target, sender, &mut booking);
    }
    Ok(booking.effects)
}

/// One movement of money of a successful payment.
struct Move {
    kind: TransferKind,
    from: Account,
    to: Account,
    amount: Amount,
}

/// Returns the movements of money of a payment that succeeds.
fn moves(transaction: &Transaction, detail: &Detail, balances: Balances) -> Result<Vec<Move>, Refusal> {
    let wallet = || transaction.owner.clone();
    let of_amount = |kind, from, to| Move {
        kind,
        from,
        to,
        amount: transaction.amount,
    };
    if transaction.credit_type == CreditType::Debit {
        check_balance(transaction, detail.fee, balances.available)?;
    } else if !ledger::may_enter(transaction.amount, balances.inside) {
        return Err(Refusal::TooMuchMoney);
    }
    Ok(match &detail.method {
        Method::TestAccount { .. } | Method::BankTransfer { .. } | Method::Card { .. } => {
            vec![of_amount(TransferKind::Deposit, Account::OutsideWorld, wallet())]
        }
        Method::Bank(_) | Method::Blockchain(_) => vec![
            of_amount(TransferKind::Withdrawal, wallet(), Account::OutsideWorld),
            Move {
                kind: TransferKind::WithdrawalFee,
                from: wallet(),
                to: Account::PlatformFees,
                amount: detail.fee,
            },
        ],
        Method::Wallet(target) => {
            let receiver = CustomerId::parse(&target.customer_id).ok_or(Refusal::PhoneUnknown)?;
            let to = Account::CustomerMain(receiver);
            vec![of_amount(TransferKind::WalletTransfer, wallet(), to)]
        }
    })
}

/// Records the receiver's side of a wallet transfer: a transaction with a reference of
/// its own, which names the sender.
fn receive(sent: &Transaction, target: &WalletTarget, sender: Sender, booking: &mut Booking<'_>) {
    let (Some(receiver), Some(sender_id)) = (CustomerId::parse(&target.customer_id), sent.owner.customer()) else {
        return;
    };
    let owner = Account::CustomerMain(receiver);
    let entry = booking.credit(owner, TransactionType::WalletTransfer, sent.amount);
    let from = Method::Wallet(WalletTarget {
        customer_id: sender_id.to_string(),
        phone: sender.phone,
        name: sender.name,
        narration: target.narration.clone(),
    });
    booking.effects.record_with(entry, Detail::succeeded(booking.now, from));
}

fn check_balance(transaction: &Transaction, fee: Amount, available: Amount) -> Result<(), Refusal> {
    let needed = transaction.amount.checked_add(fee).ok_or(Refusal::TooMuchMoney)?;
    if available < needed {
        return Err(Refusal::InsufficientBalance { needed, available });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::IdSource;
    use crate::domain::time::Timestamp;
    use crate::domain::transaction::BankAccount;

    #[derive(Default)]
    struct SequentialIds(i64);

    impl IdSource for SequentialIds {
        fn number(&mut self) -> i64 {
            self.0 += 1024;
            self.0
        }

        fn random(&mut self) -> u128 {
            u128::from(self.number().unsigned_abs())
        }
    }

    fn kobo(minor: i64) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000).unwrap()
    }

    fn bank() -> Method {
        Method::Bank(BankAccount {
            bank_code: "058".to_owned(),
            account_number: "0123456789".to_owned(),
            account_name: "Ada".to_owned(),
            bank_name: "Bank".to_owned(),
            narration: None,
        })
    }

    fn to_ben() -> Method {
        Method::Wallet(WalletTarget {
            customer_id: "ben".to_owned(),
            phone: None,
            name: "Ben".to_owned(),
            narration: None,
        })
    }

    fn card() -> Method {
        Method::Card {
            card_id: "c".to_owned(),
        }
    }

    fn intent(method: Method, available: i64) -> Result<(Payment, Effects), Refusal> {
        let offer = IntentOffer {
            reference: Reference::parse("R"),
            amount: kobo(1_000_000),
            method,
        };
        let fees = WithdrawalFees::parse("10000").unwrap();
        let ada = CustomerId::parse("ada").unwrap();
        create_intent(
            &ada,
            offer,
            &fees,
            kobo(available),
            Booking::new(&mut SequentialIds::default(), at(1)),
        )
    }

    fn settled(payment: &mut Payment, outcome: IntentOutcome, available: i64) -> Result<Effects, Refusal> {
        let balances = Balances {
            available: kobo(available),
            inside: kobo(available),
        };
        let sender = Sender {
            phone: None,
            name: "Ada".to_owned(),
        };
        let ids = &mut SequentialIds(1 << 20);
        settle(payment, outcome, balances, sender, Booking::new(ids, at(2)))
    }

    /// Returns the change of an account, in minor units.
    fn moved(effects: &Effects, account: &Account) -> i64 {
        let of = |side: &Account, amount: Amount| if side == account { amount.minor() } else { 0 };
        let transfers = effects.transfers.iter();
        transfers
            .map(|transfer| of(&transfer.credit, transfer.amount) - of(&transfer.debit, transfer.amount))
            .sum()
    }

    #[test]
    fn creating_an_intent_moves_no_money_and_emits_no_event() {
        for (method, fee) in [(bank(), 10_000), (to_ben(), 0), (card(), 0)] {
            let (payment, effects) = intent(method, 1_010_000).unwrap();
            assert_eq!((payment.status(), payment.fee()), (PaymentStatus::Pending, kobo(fee)));
            assert_eq!((effects.transfers.len(), effects.events.len()), (0, 0));
            let [entry] = effects.entries.as_slice() else {
                panic!("{effects:?}")
            };
            assert_eq!(
                (&entry.transaction, &entry.detail),
                (&payment.transaction, &payment.detail)
            );
        }
    }

    #[test]
    fn a_debit_needs_the_amount_and_the_fee_and_a_deposit_needs_neither() {
        let short = |needed, available| Refusal::InsufficientBalance {
            needed: kobo(needed),
            available: kobo(available),
        };
        assert_eq!(intent(bank(), 1_009_999).unwrap_err(), short(1_010_000, 1_009_999));
        assert_eq!(intent(to_ben(), 999_999).unwrap_err(), short(1_000_000, 999_999));
        assert!(intent(to_ben(), 1_000_000).is_ok());
        assert!(intent(card(), 0).is_ok());
    }

    #[test]
    fn each_outcome_moves_its_money_once() {
        let wallet = Account::CustomerMain(CustomerId::parse("ada").unwrap());
        for (method, outcome, change, status) in [
            (bank(), IntentOutcome::Success, -1_010_000, PaymentStatus::Success),
            (bank(), IntentOutcome::Failed, 0, PaymentStatus::Failed),
            (bank(), IntentOutcome::Reversed, 0, PaymentStatus::Reversed),
            (card(), IntentOutcome::Success, 1_000_000, PaymentStatus::Success),
            (card(), IntentOutcome::Failed, 0, PaymentStatus::Failed),
            (to_ben(), IntentOutcome::Success, -1_000_000, PaymentStatus::Success),
        ] {
            let (mut payment, _) = intent(method, 2_000_000).unwrap();
            let effects = settled(&mut payment, outcome, 2_000_000).unwrap();
            assert_eq!((payment.status(), payment.updated_at()), (status, at(2)));
            assert_eq!(moved(&effects, &wallet), change, "{payment:?}");
            // A second settlement has no effect.
            let again = settled(&mut payment, IntentOutcome::Success, 2_000_000).unwrap();
            assert_eq!((again, payment.status()), (Effects::default(), status));
        }
    }

    #[test]
    fn a_refused_settlement_leaves_the_payment_pending() {
        for (method, available) in [(bank(), 1_009_999), (to_ben(), 999_999), (card(), Amount::MAX.minor())] {
            let (mut payment, _) = intent(method, 2_000_000).unwrap();
            assert!(settled(&mut payment, IntentOutcome::Success, available).is_err());
            assert_eq!(payment.status(), PaymentStatus::Pending);
        }
    }

    #[test]
    fn an_intent_is_over_100_or_more() {
        assert!(check_amount(kobo(9_999)).is_err());
        assert_eq!(check_amount(kobo(10_000)), Ok(kobo(10_000)));
    }
}
