//! Paying for escrows and topping up wallets (contract sections 4.3.1, 4.3.9).

use sha2::{Digest, Sha256};

use super::customers::admit;
use super::{Actor, Error, Policy};
use crate::domain::escrow::{self, Escrow, PaymentOffer};
use crate::domain::ids::{EscrowKey, IdSource, MerchantId, Reference};
use crate::domain::ledger::Account;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::payment::{self, Transaction};
use crate::domain::refusal::{Invalid, Refusal, Sent};
use crate::store::Tx;

/// What a buyer sends to pay from their wallet.
#[derive(Clone, Debug)]
pub struct PaymentRequest {
    /// The escrows to fund, one or more, none twice.
    pub escrows: Vec<EscrowKey>,
    /// What the buyer expects to pay, when they say.
    pub amount: Option<Amount>,
    /// The payment's name, when the buyer gives one.
    pub reference: Option<Reference>,
}

/// A payment and what it funded, in the order the escrows were offered.
#[derive(Clone, Debug)]
pub struct Payment {
    /// The buyer's transaction.
    pub transaction: Transaction,
    /// The escrows it funded.
    pub escrows: Vec<Escrow>,
}

/// Pays for one escrow or several, all or none. The same request under the same
/// reference again gets the first payment again and moves nothing.
pub fn fund(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, request: Sent<PaymentRequest>) -> Result<Payment, Error> {
    admit(tx, policy, actor)?.check_may_buy()?;
    let request = request?;
    let wallet = Account::CustomerMain(actor.customer.clone());
    let request_hash = request.hash();
    if let Some(reference) = &request.reference
        && let Some(used) = tx.used_reference(actor.merchant, reference)?
    {
        let first = tx.transaction_of(actor.merchant, &used, &wallet)?;
        let transaction = first
            .filter(|_| used.request_hash == request_hash)
            .ok_or(Refusal::DuplicateReference)?;
        let escrows = tx.escrows_of_payment(transaction.id)?;
        return Ok(Payment { transaction, escrows });
    }

    let mut escrows = load_each(tx, actor.merchant, &request.escrows)?;
    let offer = PaymentOffer {
        reference: request.reference.unwrap_or_else(|| tx.reference()),
        amount: request.amount,
        available: tx.balance(actor.merchant, &wallet)?,
    };
    let now = tx.now();
    let (transaction, settlement) = escrow::fund(&mut escrows, &actor.customer, offer, tx, now)?;
    tx.post(actor.merchant, &settlement)?;
    for escrow in &escrows {
        tx.save_funding(escrow)?;
    }
    tx.insert_reference(actor.merchant, &transaction, &request_hash)?;
    Ok(Payment { transaction, escrows })
}

/// Adds play money to the acting customer's wallet and answers what is in it.
pub fn top_up(tx: &mut Tx<'_>, policy: &Policy, actor: &Actor, amount: Sent<Amount>) -> Result<Amount, Error> {
    if policy.mode != Mode::Sandbox {
        return Err(Refusal::SandboxOnly.into());
    }
    admit(tx, policy, actor)?;
    let inside = tx.balance(actor.merchant, &Account::OutsideWorld)?;
    let now = tx.now();
    let settlement = payment::top_up(&actor.customer, amount?, inside, tx, now)?;
    tx.post(actor.merchant, &settlement)?;
    Ok(tx.balance(actor.merchant, &Account::CustomerMain(actor.customer.clone()))?)
}

/// Loads the escrows of a payment. Refuses, in the order they were named, the
/// first that does not exist, is another merchant's, or was named before; answers
/// them in the order they were offered, which is how a replay finds them too.
fn load_each(tx: &Tx<'_>, merchant: MerchantId, keys: &[EscrowKey]) -> Result<Vec<Escrow>, Error> {
    let mut escrows: Vec<Escrow> = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(deal) = tx.deal(merchant, key)? else {
            let is_foreign = tx.is_anyones_deal(key)?;
            return Err(if is_foreign {
                Refusal::EscrowOfAnotherMerchant
            } else {
                Refusal::EscrowNotFound
            }
            .into());
        };
        let escrow = deal.escrow_or(Refusal::EscrowNotPayable)?;
        if escrows.iter().any(|earlier| earlier.id == escrow.id) {
            let expected = "a list that names each escrow once";
            return Err(Invalid::wrong("escrowDetails.escrowId", expected, &escrow.id.to_string()).into());
        }
        escrows.push(escrow);
    }
    escrows.sort_by_key(|escrow| escrow.id);
    Ok(escrows)
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
        hash.finalize().into()
    }
}
