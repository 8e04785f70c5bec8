//! Paying for escrows and topping up wallets (contract sections 4.3.1, 4.3.9).

use crate::commands::admission::admit;
use crate::commands::deals::load_deal;
use crate::commands::{Error, Policy, cards, outbox};
use crate::domain::escrow::deal::DealRef;
use crate::domain::escrow::{self, Escrow, PaymentOffer, Source};
use crate::domain::ids::{EscrowKey, MerchantId, Reference};
use crate::domain::invalid::Parsed;
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::party::Actor;
use crate::domain::payments::payment::Payment;
use crate::domain::payments::play_money;
use crate::domain::payments::request::{Gateway, PaymentRequest};
use crate::domain::refusal::Refusal;
use crate::domain::transaction::Entry;
use crate::store::Tx;

/// Pays for one or several escrows. If it cannot pay for all of them, it pays for none. A
/// repeated request under the same reference returns the first payment and moves nothing.
pub fn fund(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<PaymentRequest>,
) -> Result<Payment, Error> {
    fund_with(tx, policy, actor, request, None)
}

/// Pays for escrows as [`fund`] does, with no more of the wallet's money than `wallet_max`, if
/// it is given.
pub(super) fn fund_with(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<PaymentRequest>,
    wallet_max: Option<Amount>,
) -> Result<Payment, Error> {
    let access = admit(tx, policy, actor)?;
    let request = match request {
        Ok(request) => request,
        Err(invalid) => {
            access.check_may_buy()?;
            return Err(invalid.into());
        }
    };
    let request_hash = request.fingerprint();
    if let Some(first) = first_payment(tx, actor, request.reference.as_ref(), &request_hash)? {
        return Ok(first);
    }
    access.check_may_buy()?;
    Reference::check_choice(request.reference.as_ref())?;

    let mut escrows = load_each(tx, actor.merchant, &request.escrows)?;
    if let Some(token) = &request.token {
        escrow::check_token(&escrows, token)?;
    }
    take_from_links(tx, policy, &mut escrows)?;
    let offer = PaymentOffer {
        reference: request.reference,
        amount: request.amount,
        source: source_of(tx, policy, actor, request.gateway, wallet_max)?,
    };
    let (Entry { transaction, detail }, effects) = escrow::fund(&mut escrows, actor.customer(), offer, tx.booking())?;
    let deals: Vec<DealRef<'_>> = escrows.iter().map(DealRef::from).collect();
    outbox::apply(tx, policy, actor.merchant, &effects, &deals)?;
    for escrow in &escrows {
        tx.save_funding(escrow)?;
    }
    tx.insert_request(actor.merchant, &transaction, &request_hash)?;
    Ok(Payment {
        payees: tx.payees(escrows.iter().map(DealRef::from))?,
        transaction,
        detail,
        escrows,
        vault: None,
    })
}

/// Returns the customer's first payment under this reference, or `None` if the reference is
/// new or absent.
///
/// # Errors
///
/// Refuses a reference that another request has used.
pub(super) fn first_payment(
    tx: &Tx<'_>,
    actor: &Actor,
    reference: Option<&Reference>,
    request_hash: &[u8; 32],
) -> Result<Option<Payment>, Error> {
    let Some(reference) = reference else {
        return Ok(None);
    };
    let Some(used) = tx.used_reference(actor.merchant, reference)? else {
        return Ok(None);
    };
    if used.request_hash != *request_hash {
        return Err(Refusal::DuplicateReference.into());
    }
    let first = tx.payment_of(actor.merchant, &used, &actor.wallet())?;
    Ok(Some(first.ok_or(Refusal::DuplicateReference)?))
}

/// Returns the source of a payment: the wallet with its balance, or a card that the customer
/// may pay with.
fn source_of(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    gateway: Gateway,
    wallet_max: Option<Amount>,
) -> Result<Source, Error> {
    match gateway {
        Gateway::Wallet => {
            let balance = tx.balance(actor.merchant, &actor.wallet())?;
            let available = wallet_max.map_or(balance, |max| balance.min(max));
            Ok(Source::Wallet { available })
        }
        Gateway::Card(id) => Ok(Source::Card {
            card: cards::usable(tx, policy, actor, id)?,
            inside: tx.balance(actor.merchant, &Account::OutsideWorld)?,
        }),
    }
}

/// Adds play money to the customer's wallet, and returns the wallet's balance.
pub fn top_up(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, amount: Parsed<Amount>) -> Result<Amount, Error> {
    if policy.mode != Mode::Sandbox {
        return Err(Refusal::SandboxOnly.into());
    }
    admit(tx, policy, actor)?;
    let amount = amount?;
    if policy.is_strict {
        play_money::check_top_up_is_due(tx.topped_up_at(actor.merchant, actor.customer())?, tx.now())?;
        tx.save_top_up(actor.merchant, actor.customer())?;
    }
    let inside = tx.balance(actor.merchant, &Account::OutsideWorld)?;
    let effects = play_money::top_up(actor.customer(), amount, inside, tx.booking())?;
    outbox::apply(tx, policy, actor.merchant, &effects, &[])?;
    Ok(tx.balance(actor.merchant, &actor.wallet())?)
}

/// Returns the escrows of a payment in funding order.
///
/// # Errors
///
/// Refuses the first key, in the order of the request, whose escrow does not exist,
/// belongs to another merchant, is a vault, or is named twice.
fn load_each(tx: &Tx<'_>, merchant: MerchantId, keys: &[EscrowKey]) -> Result<Vec<Escrow>, Error> {
    let mut escrows = Vec::with_capacity(keys.len());
    for key in keys {
        let deal = load_deal(tx, merchant, key, Refusal::EscrowOfAnotherMerchant)?;
        let escrow = deal.escrow_or(Refusal::EscrowNotPayable)?;
        escrow::check_not_listed(&escrows, &escrow)?;
        escrows.push(escrow);
    }
    escrow::sort_for_funding(&mut escrows);
    Ok(escrows)
}

/// Replaces each link by a new escrow for this buyer. Keeps a link that is sold out, which
/// funding then refuses. Sorts the escrows into funding order again, which is the order in
/// which a repeated request reads them back.
fn take_from_links(tx: &mut Tx<'_>, policy: &Policy, escrows: &mut [Escrow]) -> Result<(), Error> {
    for escrow in escrows.iter_mut() {
        if let Some((taken, effects)) = escrow.take_from_link(tx.booking()) {
            tx.save_link(escrow)?;
            tx.insert_escrow(&taken)?;
            outbox::apply_of(tx, policy, &taken, &effects)?;
            *escrow = taken;
        }
    }
    escrow::sort_for_funding(escrows);
    Ok(())
}
