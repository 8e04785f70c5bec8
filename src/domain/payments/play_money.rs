//! The play money of a sandbox: top-ups, opening balances and balances that a test sets
//! (contract section 4.3.9).

use crate::domain::effects::{Booking, Effects};
use crate::domain::ids::CustomerId;
use crate::domain::invalid::Invalid;
use crate::domain::ledger::{self, Account, TransferKind};
use crate::domain::money::Amount;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::transaction::{Transaction, TransactionType};

/// The smallest top-up: 1,000 major units (contract section 4.3.9).
pub const TOP_UP_MIN: i64 = 100_000;
/// The largest top-up: 100,000 major units.
pub const TOP_UP_MAX: i64 = 10_000_000;

/// The pause between two top-ups of a customer with `strict`.
const TOP_UP_EVERY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Checks that the last top-up is 24 hours ago. This applies with `strict` only.
///
/// # Errors
///
/// Refuses a second top-up within 24 hours.
pub fn check_top_up_is_due(topped_up_at: Option<Timestamp>, now: Timestamp) -> Result<(), Refusal> {
    match topped_up_at {
        Some(before) if now.millis() - before.millis() < TOP_UP_EVERY_MILLIS => Err(Refusal::ToppedUpToday),
        _ => Ok(()),
    }
}

/// Adds test money to a customer's wallet. `inside` is the money in all of the merchant's
/// accounts.
///
/// # Errors
///
/// Checks the amount first and then the money in the merchant's accounts.
pub fn top_up(
    customer: &CustomerId,
    amount: Amount,
    inside: Amount,
    mut booking: Booking<'_>,
) -> Result<Effects, Refusal> {
    if !(TOP_UP_MIN..=TOP_UP_MAX).contains(&amount.minor()) {
        let expected = "a number from 1000 to 100000";
        return Err(Invalid::wrong("amount", expected, &amount.to_string()).into());
    }
    let deposit = enter(TransferKind::TopUp, customer, amount, inside, &mut booking)?;
    booking.effects.record_and_emit(deposit);
    Ok(booking.effects)
}

/// Gives a new sandbox customer the opening balance, if it is not zero. It is recorded in
/// the customer's history and emits no event, since the customer did not deposit it.
///
/// # Errors
///
/// Refuses an amount that would bring the merchant's accounts above [`Amount::MAX`]
/// together.
pub fn opening_balance(
    customer: &CustomerId,
    amount: Amount,
    inside: Amount,
    mut booking: Booking<'_>,
) -> Result<Effects, Refusal> {
    let deposit = enter(TransferKind::OpeningBalance, customer, amount, inside, &mut booking)?;
    booking.effects.record(deposit);
    Ok(booking.effects)
}

/// Brings the wallet of a sandbox customer from one balance to another. The difference is
/// recorded in the customer's history and emits no event, since the customer moved nothing.
///
/// # Errors
///
/// Refuses a balance that would bring the merchant's accounts above [`Amount::MAX`] together.
pub fn set_balance(
    customer: &CustomerId,
    from: Amount,
    to: Amount,
    inside: Amount,
    mut booking: Booking<'_>,
) -> Result<Effects, Refusal> {
    let kind = TransferKind::BalanceSet;
    if let Some(more) = to.checked_sub(from) {
        let deposit = enter(kind, customer, more, inside, &mut booking)?;
        booking.effects.record(deposit);
    } else if let Some(less) = from.checked_sub(to) {
        let wallet = Account::CustomerMain(customer.clone());
        let effects = &mut booking.effects;
        effects.transfer(kind, wallet.clone(), Account::OutsideWorld, less, None);
        let withdrawal = booking.debit(wallet, TransactionType::Withdrawal, less);
        booking.effects.record(withdrawal);
    }
    Ok(booking.effects)
}

/// Transfers money from outside into a wallet. Returns the transaction, which the caller
/// records.
fn enter(
    kind: TransferKind,
    customer: &CustomerId,
    amount: Amount,
    inside: Amount,
    booking: &mut Booking<'_>,
) -> Result<Transaction, Refusal> {
    if !ledger::may_enter(amount, inside) {
        return Err(Refusal::TooMuchMoney);
    }
    let wallet = Account::CustomerMain(customer.clone());
    let effects = &mut booking.effects;
    effects.transfer(kind, Account::OutsideWorld, wallet.clone(), amount, None);
    Ok(booking.credit(wallet, TransactionType::Deposit, amount))
}
