//! Paying for escrows and topping up wallets (contract sections 4.3.1, 4.3.9).

use sha2::{Digest, Sha256};

use crate::commands::customers::admit;
use crate::commands::{Error, Policy, cards, load_deal, outbox};
use crate::domain::escrow::deal::DealRef;
use crate::domain::escrow::{self, Escrow, PaymentOffer, Source};
use crate::domain::ids::{CardId, EscrowKey, IdSource, MerchantId, Reference};
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::party::Actor;
use crate::domain::payments::payment::{self, Payment};
use crate::domain::refusal::{Invalid, Parsed, Refusal};
use crate::store::Tx;

/// What a buyer sends to pay.
#[derive(Clone, Debug)]
pub struct PaymentRequest {
    /// The escrows to fund, one or more, none twice.
    pub escrows: Vec<EscrowKey>,
    /// What the buyer expects to pay, when they say.
    pub amount: Option<Amount>,
    /// The payment's name, when the buyer gives one.
    pub reference: Option<Reference>,
    /// Where the money comes from.
    pub gateway: Gateway,
}

/// Where the money of a payment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// The buyer's wallet.
    Wallet,
    /// A card they have saved.
    Card(CardId),
}

/// Pays for one escrow or several, all or none. The same request under the same
/// reference again gets the first payment again and moves nothing.
pub fn fund(
    tx: &mut Tx<'_>,
    policy: &Policy,
    actor: &Actor,
    request: Parsed<PaymentRequest>,
) -> Result<Payment, Error> {
    admit(tx, policy, actor)?.check_may_buy()?;
    let request = request?;
    let request_hash = request.hash();
    if let Some(first) = first_payment(tx, actor, request.reference.as_ref(), &request_hash)? {
        return Ok(first);
    }

    let mut escrows = load_each(tx, actor.merchant, &request.escrows)?;
    take_from_links(tx, policy, &mut escrows)?;
    let offer = PaymentOffer {
        reference: request.reference.unwrap_or_else(|| tx.reference()),
        amount: request.amount,
        source: source_of(tx, policy, actor, request.gateway)?,
    };
    let now = tx.now();
    let (transaction, effects) = escrow::fund(&mut escrows, actor.customer(), offer, tx, now)?;
    let deals: Vec<DealRef<'_>> = escrows.iter().map(DealRef::from).collect();
    outbox::apply(tx, policy, actor.merchant, &effects, &deals)?;
    for escrow in &escrows {
        tx.save_funding(escrow)?;
    }
    tx.insert_reference(actor.merchant, &transaction, &request_hash)?;
    let detail = effects.details.into_iter().next().map(|(_, detail)| detail);
    Ok(Payment {
        payees: tx.payees(escrows.iter().map(DealRef::from))?,
        transaction,
        detail,
        escrows,
        vault: None,
    })
}

/// What the acting customer got the first time they sent this request under this
/// reference; nothing when the reference is new or was left out.
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

/// The wallet as it is now, or the card. Refuses a card where cards are off, then
/// one for a customer of another country, then one that the customer has not saved.
fn source_of(tx: &Tx<'_>, policy: &Policy, actor: &Actor, gateway: Gateway) -> Result<Source, Error> {
    match gateway {
        Gateway::Wallet => Ok(Source::Wallet {
            available: tx.balance(actor.merchant, &actor.wallet())?,
        }),
        Gateway::Card(id) => Ok(Source::Card {
            card: cards::usable(tx, policy, actor, id)?,
            inside: tx.balance(actor.merchant, &Account::OutsideWorld)?,
        }),
    }
}

/// Adds play money to the acting customer's wallet and answers what is in it.
pub fn top_up(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, amount: Parsed<Amount>) -> Result<Amount, Error> {
    if policy.mode != Mode::Sandbox {
        return Err(Refusal::SandboxOnly.into());
    }
    admit(tx, policy, actor)?;
    let amount = amount?;
    let now = tx.now();
    if policy.strict {
        payment::check_top_up_is_due(tx.topped_up_at(actor.merchant, actor.customer())?, now)?;
        tx.save_top_up(actor.merchant, actor.customer())?;
    }
    let inside = tx.balance(actor.merchant, &Account::OutsideWorld)?;
    let effects = payment::top_up(actor.customer(), amount, inside, tx, now)?;
    outbox::apply(tx, policy, actor.merchant, &effects, &[])?;
    Ok(tx.balance(actor.merchant, &actor.wallet())?)
}

/// Loads the escrows of a payment. Refuses, in the order they were named, the
/// first that does not exist, is another merchant's, or was named before; answers
/// them in the order they were offered.
fn load_each(tx: &Tx<'_>, merchant: MerchantId, keys: &[EscrowKey]) -> Result<Vec<Escrow>, Error> {
    let mut escrows: Vec<Escrow> = Vec::with_capacity(keys.len());
    for key in keys {
        let deal = load_deal(tx, merchant, key, Refusal::EscrowOfAnotherMerchant)?;
        let escrow = deal.escrow_or(Refusal::EscrowNotPayable)?;
        if escrows.iter().any(|earlier| earlier.id == escrow.id) {
            let expected = "a list that names each escrow once";
            return Err(Invalid::wrong("escrowDetails.escrowId", expected, &escrow.id.to_string()).into());
        }
        escrows.push(escrow);
    }
    escrows.sort_by_key(|escrow| escrow.id.number());
    Ok(escrows)
}

/// Puts in the place of each link the escrow that its next buyer pays for, in the order
/// of ids, which is how a replay finds them too. A link that is sold out stays, to be
/// refused in its turn.
fn take_from_links(tx: &mut Tx<'_>, policy: &Policy, escrows: &mut [Escrow]) -> Result<(), Error> {
    let now = tx.now();
    for escrow in escrows.iter_mut() {
        if let Some((taken, effects)) = escrow.take_from_link(tx, now) {
            tx.save_link(escrow)?;
            tx.insert_escrow(&taken)?;
            outbox::apply(tx, policy, taken.merchant, &effects, &[DealRef::from(&taken)])?;
            *escrow = taken;
        }
    }
    escrows.sort_by_key(|escrow| escrow.id.number());
    Ok(())
}

impl PaymentRequest {
    /// Tells one request under a reference from another.
    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let amount = self.amount.map_or(-1, Amount::minor);
        hash.update(amount.to_be_bytes());
        for key in &self.escrows {
            match key {
                EscrowKey::Id(id) => hash.update(id.to_string()),
                EscrowKey::Token(token) => hash.update(token.as_str()),
            }
            hash.update([0]);
        }
        if let Gateway::Card(card) = self.gateway {
            hash.update(card.to_string());
        }
        hash.finalize().into()
    }
}
