//! The one door that commands go through: what they told is written down for
//! subscribers in the commit of the change it tells of.

use crate::commands::{Policy, webhook_endpoints};
use crate::domain::effects::Event;
use crate::domain::ids::IdSource;
use crate::store::{self, NewEvent, Tx, UnrecordedEvent};
use crate::views::{self, PaymentSubject, Subject};

/// Runs a command and, when it succeeds, writes down what it told, in order. The store
/// refuses a command that told something and did not come this way.
pub fn run<T, E: From<store::Error>>(
    tx: &mut Tx<'_>,
    policy: &Policy,
    command: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let outcome = command(tx)?;
    for told in tx.take_unrecorded_events() {
        record(tx, policy, told)?;
    }
    Ok(outcome)
}

fn record(tx: &mut Tx<'_>, policy: &Policy, told: UnrecordedEvent) -> Result<(), store::Error> {
    let UnrecordedEvent { merchant, event } = told;
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
            let told = PaymentSubject {
                payment: *payment,
                customer_id,
                deals,
                merchant,
            };
            (Subject::Payment(Box::new(told)), escrow, Some(id))
        }
    };
    let payload = views::payload(&name, subject, tx.now(), &policy.viewing(), policy.mode);
    let id = tx.event_id();
    tx.insert_event(&NewEvent {
        id,
        merchant,
        name: &name,
        escrow,
        transaction,
        payload: &payload,
    })?;
    if webhook_endpoints::is_set(tx, policy, merchant)? {
        tx.insert_delivery(merchant, id, escrow, tx.now())?;
    }
    Ok(())
}
