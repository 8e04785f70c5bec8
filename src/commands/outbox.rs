//! Applies the effects of a command: posts its transfers and history entries, and writes its
//! events, with the data of their payloads and pending deliveries, into the outbox.

use crate::commands::{Policy, webhook_endpoints};
use crate::domain::customers::customer::Customer;
use crate::domain::effects::{Effects, Event};
use crate::domain::escrow::deal::DealRef;
use crate::domain::events::choice;
use crate::domain::events::delivery::Dispatch;
use crate::domain::events::event::ordering_key;
use crate::domain::ids::{EscrowId, IdSource, MerchantId, TransactionId};
use crate::domain::payments::payment::PaidDeal;
use crate::domain::transaction::{Entry, Transaction, TransactionType};
use crate::store::{Error, NewEvent, Tx};
use crate::views::{self, PaymentSubject, Subject};

/// Applies the effects of a change of one deal, as [`apply`] does.
pub(super) fn apply_of<'a>(
    tx: &mut Tx<'_>,
    policy: &Policy,
    deal: impl Into<DealRef<'a>>,
    effects: &Effects,
) -> Result<(), Error> {
    let deal = deal.into();
    apply(tx, policy, deal.merchant(), effects, &[deal])
}

/// Posts the effects and records their events in order. `deals` are the deals that the
/// effects name, in the state in which the command saves them.
///
/// # Panics
///
/// Panics when the effects name a deal that is not among `deals`.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    policy: &Policy,
    merchant: MerchantId,
    effects: &Effects,
    deals: &[DealRef<'_>],
) -> Result<(), Error> {
    let has_payment = effects.events.iter().any(|event| matches!(event, Event::Payment(_)));
    tx.ask_for_accounts_of(merchant, effects)?;
    let payees = if has_payment {
        tx.payees(deals.iter().copied())?
    } else {
        Vec::new()
    };
    tx.post(merchant, effects)?;
    let outbox = Outbox {
        policy,
        merchant,
        deals,
        payees,
    };
    for event in &effects.events {
        outbox.record(tx, event)?;
    }
    Ok(())
}

/// The data that the events of one command share.
struct Outbox<'a> {
    policy: &'a Policy,
    merchant: MerchantId,
    deals: &'a [DealRef<'a>],
    /// The payees of the deals, if there is an event of a payment.
    payees: Vec<Customer>,
}

impl<'a> Outbox<'a> {
    fn record(&self, tx: &mut Tx<'_>, event: &Event) -> Result<(), Error> {
        match event {
            Event::Escrow(_, id) => {
                let deal = self.deal(*id);
                self.insert(tx, event, Subject::Deal(deal), Some(*id), None)
            }
            Event::MilestoneReleased(id, milestone) => {
                let (deal, milestone) = (self.deal(*id), *milestone);
                self.insert(tx, event, Subject::Milestone { deal, milestone }, Some(*id), None)
            }
            Event::Payment(payment) => {
                let subject = self.payment_subject(tx, payment)?;
                let escrow = match subject.deals.as_slice() {
                    [only] => Some(only.id),
                    _ => None,
                };
                let transaction = payment.transaction.id;
                self.insert(tx, event, Subject::Payment(subject), escrow, Some(transaction))
            }
        }
    }

    fn insert(
        &self,
        tx: &mut Tx<'_>,
        event: &Event,
        subject: Subject<'_>,
        escrow: Option<EscrowId>,
        transaction: Option<TransactionId>,
    ) -> Result<(), Error> {
        let name = event.name();
        let dispatch = webhook_endpoints::dispatch(tx, self.policy, self.merchant, &name)?;
        // Clients of the contract do not know this event, so it is recorded only for an endpoint that
        // has chosen it.
        if choice::is_own(&name) && matches!(dispatch, Dispatch::NoEndpoint | Dispatch::NotChosen) {
            return Ok(());
        }
        let data = views::event_data(subject, &self.policy.view_context(None, None), self.policy.mode);
        let id = tx.event_id();
        tx.insert_event(&NewEvent {
            id,
            merchant: self.merchant,
            name: &name,
            escrow,
            transaction,
            data: &data,
            dispatch,
        })?;
        if dispatch == Dispatch::Queued {
            tx.insert_delivery(self.merchant, id, ordering_key(&name, escrow))?;
        }
        Ok(())
    }

    fn payment_subject<'e>(&self, tx: &mut Tx<'_>, payment: &'e Entry) -> Result<PaymentSubject<'e>, Error> {
        let transaction = &payment.transaction;
        Ok(PaymentSubject {
            payment,
            customer_id: match transaction.owner.customer() {
                Some(customer) => customer.to_string(),
                None => tx.merchant(self.merchant)?.wallet_id.to_string(),
            },
            deals: self.paid_deals(transaction),
            merchant: self.merchant,
        })
    }

    /// Returns the deals that a transaction paid for, or the deal that it belongs to.
    fn paid_deals(&self, transaction: &Transaction) -> Vec<PaidDeal> {
        let only;
        let deals = match (transaction.escrow, transaction.transaction_type) {
            (Some(id), _) => {
                only = [self.deal(id)];
                &only[..]
            }
            (None, TransactionType::Escrow) => self.deals,
            (None, _) => return Vec::new(),
        };
        deals.iter().map(|&deal| PaidDeal::new(deal, &self.payees)).collect()
    }

    fn deal(&self, id: EscrowId) -> DealRef<'a> {
        let found = self.deals.iter().find(|deal| deal.id() == id);
        *found.expect("a command names the deals that its effects are about")
    }
}
