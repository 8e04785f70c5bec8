//! Deposits, withdrawals and wallet transfers: an intent, then its verification
//! (contract sections 4.3.2 and 4.3.3).

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::commands::customers::admit;
use crate::commands::payments::first_payment;
use crate::commands::{Error, Policy, cards, outbox};
use crate::domain::customers::customer::CustomerAccess;
use crate::domain::decline;
use crate::domain::ids::{CardId, IdSource, MerchantId, Reference};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::party::Actor;
use crate::domain::payments::bank::AccountQuery;
use crate::domain::payments::intent::{self, Balances, IntentOffer, IntentOutcome, Sender};
use crate::domain::payments::payment::Payment;
use crate::domain::payments::whitelist::EvmAddress;
use crate::domain::refusal::{Parsed, Refusal};
use crate::domain::transaction::{BankAccount, BlockchainTarget, Method, PaymentStatus, TransactionType, WalletTarget};
use crate::store::Tx;

/// What a customer sends to deposit, withdraw or transfer.
#[derive(Clone, Debug)]
pub struct IntentRequest {
    /// How much, before the fee.
    pub amount: Amount,
    /// The payment's name, when the customer gives one.
    pub reference: Option<Reference>,
    /// What for.
    pub draft: IntentKind,
}

/// What a customer wants to do, as they named it.
#[derive(Clone, Debug, Serialize)]
pub enum IntentKind {
    /// Put money in, from a saved card or, without one, through a test account.
    Deposit {
        /// The card's id as it was sent.
        card: Option<String>,
    },
    /// Take money out, to a bank account.
    BankWithdrawal(BankAccount),
    /// Take money out, to an address on a blockchain.
    CryptoWithdrawal(CryptoWithdrawalRequest),
    /// Send money to another customer.
    WalletTransfer(WalletTransferRequest),
}

/// Where a crypto withdrawal is to go.
#[derive(Clone, Debug, Serialize)]
pub struct CryptoWithdrawalRequest {
    /// The address.
    pub to_address: String,
    /// The token's own address, when one is named.
    pub token_address: Option<String>,
}

/// Who is to receive a wallet transfer.
#[derive(Clone, Debug, Serialize)]
pub struct WalletTransferRequest {
    /// Their phone, in any spelling.
    pub phone: String,
    /// Their name.
    pub name: String,
    /// What they are told.
    pub narration: Option<String>,
}

/// Notes what the acting customer wants to do; nothing moves. The same request
/// under the same reference again is answered with the same intent as it stands.
pub fn create(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<IntentRequest>,
) -> Result<Payment, Error> {
    let access = admit(tx, policy, actor)?;
    let request = request?;
    let request_hash = request.hash();
    if let Some(first) = first_payment(tx, actor, request.reference.as_ref(), &request_hash)? {
        return Ok(first);
    }
    let offer = IntentOffer {
        method: method_of(tx, policy, actor, access, request.draft)?,
        reference: request.reference.unwrap_or_else(|| tx.reference()),
        amount: request.amount,
    };
    let available = tx.balance(actor.merchant, &actor.wallet())?;
    let now = tx.now();
    let (payment, effects) = intent::intend(actor.customer(), offer, &policy.withdrawal_fees, available, tx, now)?;
    outbox::apply(tx, policy, actor.merchant, &effects, &[])?;
    if let Some(Method::TestAccount { account_number }) = payment.method() {
        tx.insert_test_account(actor.merchant, account_number, payment.transaction.id)?;
    }
    tx.insert_reference(actor.merchant, &payment.transaction, &request_hash)?;
    Ok(payment)
}

/// Settles one of the acting customer's intents, once; any later time it is
/// answered as it stands. A deposit through a test account stays pending until the
/// account is paid. Any other payment of theirs is answered as it is.
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
    match outcome_of(tx, policy, actor, &payment)? {
        Some(outcome) => settle(tx, policy, actor.merchant, payment, outcome),
        None => Ok(payment),
    }
}

/// Sandbox: pays the test account of a deposit, which settles it. The bank of the
/// sandbox declines some amounts: the deposit has then failed. An amount that is
/// sent must be the deposit's. Paying again moves nothing.
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
    settle(tx, policy, merchant, payment, decline::check_amount(due).into())
}

/// Whose a bank account is, as the sandbox plays it.
pub fn resolve_account(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    query: Parsed<AccountQuery>,
) -> Result<(AccountQuery, &'static str), Error> {
    admit(tx, policy, actor)?;
    let query = query?;
    policy.check_processor()?;
    let name = query.answer()?;
    Ok((query, name))
}

/// How the money will go, with what the customer named looked up. Refuses what this
/// service cannot do here, then what the customer may not, then what does not exist.
fn method_of(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    access: CustomerAccess,
    draft: IntentKind,
) -> Result<Method, Error> {
    match draft {
        IntentKind::Deposit { card: None } => {
            policy.check_processor()?;
            let account_number = unused_account_number(tx, actor.merchant)?;
            Ok(Method::TestAccount { account_number })
        }
        IntentKind::Deposit { card: Some(card) } => {
            let card = cards::usable(tx, policy, actor, CardId::named(&card))?;
            Ok(Method::Card {
                card_id: card.id.to_string(),
            })
        }
        IntentKind::BankWithdrawal(account) => {
            policy.check_processor()?;
            access.check_may_withdraw()?;
            Ok(Method::Bank(account))
        }
        IntentKind::CryptoWithdrawal(draft) => {
            policy.check_processor()?;
            access.check_may_withdraw()?;
            check_whitelisted(tx, actor, &draft.to_address)?;
            Ok(Method::Blockchain(BlockchainTarget {
                from_address: EvmAddress::of_merchant(actor.merchant).as_str().to_owned(),
                to_address: draft.to_address,
                token_address: draft.token_address,
            }))
        }
        IntentKind::WalletTransfer(draft) => {
            let found = tx.customer_by_phone(actor.merchant, &draft.phone)?;
            let receiver = found.ok_or(Refusal::PhoneUnknown)?.id;
            if receiver == *actor.customer() {
                return Err(Refusal::SenderIsReceiver.into());
            }
            Ok(Method::Wallet(WalletTarget {
                customer_id: receiver.to_string(),
                phone: Some(draft.phone),
                name: draft.name,
                narration: draft.narration,
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

/// What the world outside does with a pending payment now; nothing when it still
/// waits for somebody to pay.
fn outcome_of(tx: &Tx<'_>, policy: &Policy, actor: &Actor, payment: &Payment) -> Result<Option<IntentOutcome>, Error> {
    let Some(method) = payment.method() else {
        return Ok(None);
    };
    let amount = payment.transaction.amount;
    Ok(match method {
        Method::TestAccount { .. } => None,
        Method::Card { card_id } => Some(match cards::usable(tx, policy, actor, CardId::named(card_id)) {
            Ok(card) => card.kind.charge(amount).into(),
            Err(Error::Refused(Refusal::CardNotFound)) => IntentOutcome::Failed,
            Err(error) => return Err(error),
        }),
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
    let now = tx.now();
    let effects = intent::settle(&mut payment, outcome, balances, sender, tx, now)?;
    outbox::apply(tx, policy, merchant, &effects, &[])?;
    tx.save_settled(&payment)?;
    Ok(payment)
}

impl IntentRequest {
    /// Tells one request under a reference from another, and from a payment for
    /// escrows.
    fn hash(&self) -> [u8; 32] {
        let draft = serde_json::to_vec(&self.draft).expect("a draft is made of what JSON can say");
        let mut hash = Sha256::new();
        hash.update("intent");
        hash.update(self.amount.minor().to_be_bytes());
        hash.update(draft);
        hash.finalize().into()
    }
}
