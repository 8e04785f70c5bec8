//! The one door that commands go through: what they told is written down for
//! subscribers in the commit of the change it tells of.

use super::{Policy, callbacks};
use crate::domain::ids::IdSource;
use crate::domain::settlement::Event;
use crate::store::{self, NewEvent, Told, Tx};
use crate::wire::{self, Subject, ToldPayment};

/// Runs a command and, when it succeeds, writes down what it told, in order. The store
/// refuses a command that told something and did not come this way.
pub fn run<T, E: From<store::Error>>(
    tx: &mut Tx<'_>,
    policy: &Policy,
    command: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let outcome = command(tx)?;
    for told in tx.take_told() {
        record(tx, policy, told)?;
    }
    Ok(outcome)
}

fn record(tx: &mut Tx<'_>, policy: &Policy, told: Told) -> Result<(), store::Error> {
    let Told { merchant, event } = told;
    let name = event.name();
    let (subject, escrow, transaction) = match event {
        Event::Escrow(_, deal) => {
            let id = deal.id();
            (Subject::Deal(deal), Some(id), None)
        }
        Event::Payment(payment) => {
            let deals = tx.paid_deals(&payment.transaction)?;
            let escrow = match deals.as_slice() {
                [only] => Some(only.id),
                _ => None,
            };
            let id = payment.transaction.id;
            let customer_id = match payment.transaction.owner.customer() {
                Some(customer) => customer.to_string(),
                None => tx.merchant_wallet_id(merchant)?.to_string(),
            };
            let told = ToldPayment {
                payment: *payment,
                customer_id,
                deals,
                merchant,
            };
            (Subject::Payment(Box::new(told)), escrow, Some(id))
        }
    };
    let payload = wire::payload(&name, subject, tx.now(), &policy.viewing(), policy.mode);
    let id = tx.event_id();
    tx.insert_event(&NewEvent {
        id,
        merchant,
        name: &name,
        escrow,
        transaction,
        payload: &payload,
    })?;
    if callbacks::is_set(tx, policy, merchant)? {
        tx.insert_delivery(merchant, id, escrow, tx.now())?;
    }
    Ok(())
}
