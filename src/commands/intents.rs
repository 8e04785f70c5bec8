//! Deposits, withdrawals and wallet transfers: an intent, then its verification
//! (contract sections 4.3.2 and 4.3.3).

use crate::commands::admission::admit;
use crate::commands::payments::first_payment;
use crate::commands::{Error, Policy, cards, deposits, outbox, payouts, receipts};
use crate::domain::customers::customer::CustomerAccess;
use crate::domain::decline;
use crate::domain::escrow;
use crate::domain::escrow::deal::Deal;
use crate::domain::ids::{CardId, EscrowId, EscrowKey, IdSource, MerchantId, Reference};
use crate::domain::invalid::Parsed;
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::party::{Actor, Party};
use crate::domain::payments::bank::{AccountQuery, SLOW_SECONDS};
use crate::domain::payments::intent::{self, Balances, IntentOffer, IntentOutcome, Sender};
use crate::domain::payments::payment::Payment;
use crate::domain::payments::request::{IntentKind, IntentRequest};
use crate::domain::payments::whitelist::EvmAddress;
use crate::domain::refusal::Refusal;
use crate::domain::transaction::{BlockchainTarget, Method, PaymentStatus, TransactionType, WalletTarget};
use crate::domain::treasury::receipt;
use crate::store::Tx;

/// The most withdrawals that one command settles beside its own work.
pub const SETTLED_MAX: usize = 100;

/// Creates an intent. A withdrawal takes its amount and fee out of the wallet, unless a strict
/// sandbox does so later; other intents move no money. A repeated request under the same reference
/// returns the first intent in its present state.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<IntentRequest>,
) -> Result<Payment, Error> {
    let access = admit(tx, policy, actor)?;
    let request = request?;
    let request_hash = request.fingerprint();
    if let Some(first) = first_payment(tx, actor, request.reference.as_ref(), &request_hash)? {
        return Ok(first);
    }
    Reference::check_choice(request.reference.as_ref())?;
    let offer = IntentOffer {
        method: method_of(tx, policy, actor, access, request.kind)?,
        reference: request.reference,
        amount: request.amount,
    };
    let available = tx.balance(actor.merchant, &actor.wallet())?;
    let fees = &policy.withdrawal_fees;
    let (payment, mut effects) = intent::create_intent(actor.customer(), offer, fees, available, tx.booking())?;
    let is_withdrawal = payment.transaction.transaction_type == TransactionType::Withdrawal;
    let payout = if is_withdrawal && policy.holds_withdrawals() {
        Some(payouts::request_for_withdrawal(tx, &payment, available, &mut effects)?)
    } else {
        None
    };
    outbox::apply(tx, policy, actor.merchant, &effects, &[])?;
    if let Some(payout) = payout {
        tx.insert_payout(actor.merchant, &payout, Some(payment.transaction.id))?;
    }
    if let Some(Method::TestAccount { account_number, .. }) = payment.method() {
        tx.insert_test_account(actor.merchant, account_number, payment.transaction.id)?;
    }
    tx.insert_request(actor.merchant, &payment.transaction, &request_hash)?;
    Ok(payment)
}

/// Creates an intent as [`create`] does, for a checkout. If the customer has announced a bank
/// transfer of the same amount for the same deal and terms to the merchant's present account, which may
/// have been in another checkout at the same moment, returns that one: only the first of two transfers would pay for the deal.
pub fn create_of_checkout(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<IntentRequest>,
) -> Result<Payment, Error> {
    if let Ok(request) = &request
        && let IntentKind::Deposit { card: None, escrows } = &request.kind
        && let [deal] = escrows.as_slice()
        && let Party::Customer(customer) = &actor.party
        && let Some(Deal::Escrow(deal)) = tx.deal(actor.merchant, &EscrowKey::Id(EscrowId::named(deal)))?
        && let Some(account) = policy.known_deposit_account(tx, actor.merchant)?
        && let Some(announced) = tx.pending_transfer(actor.merchant, customer, &deal, request.amount, &account)?
    {
        admit(tx, policy, actor)?.check_may_buy()?;
        return Ok(announced);
    }
    create(tx, policy, actor, request)
}

/// Settles a pending intent of the customer, and returns it. A deposit through a test
/// account stays pending until [`pay_test_account`] settles it, and in live mode a deposit or
/// a withdrawal until an operator has recorded the movement at the bank. Returns a settled
/// intent, or a payment that is not an intent, unchanged.
pub fn verify(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, reference: Parsed<Reference>) -> Result<Payment, Error> {
    let access = admit(tx, policy, actor)?;
    let used = tx.used_reference(actor.merchant, &reference?)?;
    let used = used.ok_or(Refusal::PaymentNotFound)?;
    let payment = tx.payment_of(actor.merchant, &used, &actor.wallet())?;
    let payment = payment.ok_or(Refusal::PaymentNotFound)?;
    if payment.status() != PaymentStatus::Pending {
        return Ok(payment);
    }
    if payment.transaction.transaction_type == TransactionType::Withdrawal {
        access.check_may_withdraw()?;
    }
    if policy.mode == Mode::Sandbox
        && let Some(Method::Bank(account)) = payment.method()
        && account.is_slow()
        && tx
            .slow_withdrawal_due(actor.merchant, payment.transaction.id)?
            .is_none_or(|due| tx.now() < due)
    {
        return wait_for_bank(tx, actor.merchant, payment);
    }
    match outcome_of(tx, policy, actor, &payment)? {
        Some(outcome) => settle(tx, policy, actor.merchant, payment, outcome),
        None => Ok(payment),
    }
}

/// Begins the wait for the bank of a slow withdrawal, unless it has begun. The withdrawal
/// stays pending, and its time is that of the first verification.
fn wait_for_bank(tx: &mut Tx<'_>, merchant: MerchantId, payment: Payment) -> Result<Payment, Error> {
    let id = payment.transaction.id;
    if tx.slow_withdrawal_due(merchant, id)?.is_none() {
        tx.save_slow_withdrawal(merchant, id, tx.now().seconds_later(SLOW_SECONDS))?;
    }
    Ok(payment)
}

/// Settles the withdrawals of `merchant`, the merchant that the command acts for, whose bank
/// has taken its time, at most [`SETTLED_MAX`] of them. One that the wallet does not cover, or whose
/// owner may not withdraw now, waits as long again. Returns the number of withdrawals that were due.
pub fn settle_due(tx: &mut Tx<'_>, policy: &Policy, merchant: MerchantId) -> Result<usize, Error> {
    let due = tx.due_withdrawals(merchant, tx.now(), SETTLED_MAX)?;
    for &id in &due {
        let Some(payment) = tx.payment(id)? else {
            continue;
        };
        let outcome = match payment.method() {
            Some(Method::Bank(account)) => account.outcome(payment.transaction.amount),
            _ => IntentOutcome::Failed,
        };
        let is_settled = if tx.owner_problem(merchant, &payment.transaction.owner)?.is_some() {
            false
        } else {
            match settle(tx, policy, merchant, payment, outcome) {
                Ok(_) => true,
                Err(Error::Refused(Refusal::InsufficientBalance { .. })) => false,
                Err(error) => return Err(error),
            }
        };
        if !is_settled {
            tx.save_slow_withdrawal(merchant, id, tx.now().seconds_later(SLOW_SECONDS))?;
        }
    }
    Ok(due.len())
}

/// Pays the test account of a deposit in the sandbox, which settles the deposit. The deposit
/// fails if the sandbox declines its amount. A second payment after a success moves nothing.
///
/// # Errors
///
/// Refuses an account number without a deposit, an `amount` that is not the deposit's, and a
/// deposit that failed or was reversed: the money could not come in.
pub fn pay_test_account(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    account_number: &str,
    amount: Parsed<Option<Amount>>,
) -> Result<Payment, Error> {
    let amount = amount?;
    let payment = tx.payment_at_test_account(merchant, account_number)?;
    let payment = payment.ok_or(Refusal::TestAccountNotFound)?;
    let due = payment.transaction.amount;
    if let Some(offered) = amount.filter(|&offered| offered != due) {
        return Err(Refusal::AmountMismatch { due, offered }.into());
    }
    if payment.status() != PaymentStatus::Success {
        receipt::check_pending(&payment, "paid")?;
    }
    settle(tx, policy, merchant, payment, decline::check_amount(due).into())
}

/// Returns the simulated name of the holder of a bank account.
pub fn resolve_account(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    query: Parsed<AccountQuery>,
) -> Result<(AccountQuery, &'static str), Error> {
    admit(tx, policy, actor)?;
    let query = query?;
    policy.check_processor()?;
    let name = query.holder_name()?;
    Ok((query, name))
}

/// Returns the payment method of an intent. Looks up the card, the whitelisted address or
/// the receiver that the customer named.
///
/// # Errors
///
/// Refuses, in this order: a method that is not available, a missing permission, an
/// object that does not exist.
fn method_of(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    access: CustomerAccess,
    kind: IntentKind,
) -> Result<Method, Error> {
    match kind {
        IntentKind::Deposit { card: None, escrows } => {
            if !escrows.is_empty() {
                access.check_may_buy()?;
            }
            let mut named = Vec::with_capacity(escrows.len());
            for id in &escrows {
                let escrow = deposits::load_named_escrow(tx, actor.merchant, id)?;
                escrow.check_open_to_buyers()?;
                escrow.check_buyer(actor.customer())?;
                named.push(escrow);
            }
            let terms_hash = (!named.is_empty()).then(|| escrow::terms_hash(&named));
            Ok(match policy.mode {
                Mode::Sandbox => Method::TestAccount {
                    account_number: unused_account_number(tx, actor.merchant)?,
                    escrow_ids: escrows,
                    terms_hash,
                },
                Mode::Live => Method::BankTransfer {
                    account: Some(policy.deposit_account(tx, actor.merchant)?),
                    escrow_ids: escrows,
                    terms_hash,
                },
            })
        }
        IntentKind::Deposit { card: Some(card), .. } => {
            let card = cards::usable(tx, policy, actor, CardId::named(&card))?;
            Ok(Method::Card {
                card_id: card.id.to_string(),
            })
        }
        IntentKind::BankWithdrawal(account) => {
            policy.check_bank(tx, actor.merchant)?;
            access.check_may_withdraw()?;
            Ok(Method::Bank(account))
        }
        IntentKind::CryptoWithdrawal(withdrawal) => {
            policy.check_processor()?;
            access.check_may_withdraw()?;
            check_whitelisted(tx, actor, &withdrawal.to_address)?;
            Ok(Method::Blockchain(BlockchainTarget {
                from_address: EvmAddress::of_merchant(actor.merchant).as_str().to_owned(),
                to_address: withdrawal.to_address,
                token_address: withdrawal.token_address,
            }))
        }
        IntentKind::WalletTransfer(transfer) => {
            let country = policy.settings_in_force(tx, actor.merchant)?.country;
            let found = tx.customer_by_phone(actor.merchant, &transfer.phone, country)?;
            let receiver = found.ok_or(Refusal::PhoneUnknown)?.id;
            if receiver == *actor.customer() {
                return Err(Refusal::SenderIsReceiver.into());
            }
            Ok(Method::Wallet(WalletTarget {
                customer_id: receiver.to_string(),
                phone: Some(transfer.phone),
                name: transfer.name,
                narration: transfer.narration,
            }))
        }
    }
}

fn unused_account_number(tx: &mut Tx<'_>, merchant: MerchantId) -> Result<String, Error> {
    loop {
        let number = tx.test_account_number();
        if tx.payment_at_test_account(merchant, &number)?.is_none() {
            return Ok(number);
        }
    }
}

fn check_whitelisted(tx: &Tx<'_>, actor: &Actor, to_address: &str) -> Result<(), Error> {
    let listed = tx.whitelist(actor.merchant, actor.customer())?;
    let is_target = |known: &str| known.eq_ignore_ascii_case(to_address);
    if listed.iter().any(|address| is_target(address.wallet_address.as_str())) {
        Ok(())
    } else {
        Err(Refusal::AddressNotWhitelisted.into())
    }
}

/// Returns the simulated outcome of a pending payment, or `None` for one that waits for money
/// at a bank.
fn outcome_of(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    payment: &Payment,
) -> Result<Option<IntentOutcome>, Error> {
    let Some(method) = payment.method() else {
        return Ok(None);
    };
    let amount = payment.transaction.amount;
    Ok(match method {
        Method::TestAccount { .. } | Method::BankTransfer { .. } => None,
        Method::Card { card_id } => Some(match cards::usable(tx, policy, actor, CardId::named(card_id)) {
            Ok(card) => card.kind.charge(amount).into(),
            Err(Error::Refused(Refusal::CardNotFound)) => IntentOutcome::Failed,
            Err(error) => return Err(error),
        }),
        // Operators pay it, and record the outcome.
        Method::Bank(_) if policy.mode == Mode::Live => None,
        Method::Bank(account) => Some(account.outcome(amount)),
        Method::Blockchain(target) => {
            check_whitelisted(tx, actor, &target.to_address)?;
            Some(decline::check_amount(amount).into())
        }
        Method::Wallet(_) => Some(IntentOutcome::Success),
    })
}

fn settle(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    mut payment: Payment,
    outcome: IntentOutcome,
) -> Result<Payment, Error> {
    if payment.status() != PaymentStatus::Pending {
        return Ok(payment);
    }
    if payment.transaction.transaction_type == TransactionType::Withdrawal
        && let Some(stored) = tx.payout_of_withdrawal(payment.transaction.id)?
    {
        tx.delete_slow_withdrawal(merchant, payment.transaction.id)?;
        return payouts::settle_by_bank(tx, policy, merchant, stored, payment, outcome);
    }
    let owner = payment.transaction.owner.clone();
    let balances = Balances {
        available: tx.balance(merchant, &owner)?,
        inside: tx.balance(merchant, &Account::OutsideWorld)?,
    };
    let customer = match owner.customer() {
        Some(customer) => tx.customer(merchant, customer)?,
        None => None,
    };
    let sender = Sender::from(&customer.ok_or(Refusal::CustomerNotFound)?);
    let effects = intent::settle(&mut payment, outcome, balances, sender, tx.booking())?;
    outbox::apply(tx, policy, merchant, &effects, &[])?;
    tx.save_settled(&payment)?;
    tx.delete_slow_withdrawal(merchant, payment.transaction.id)?;
    if payment.status() == PaymentStatus::Success {
        // The wallet keeps the money if the escrows cannot be funded.
        drop(receipts::fund_escrows_of(tx, policy, merchant, &payment)?);
    }
    Ok(payment)
}
