//! What every handler is given.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::auth::{ActingCustomer, ActingParty, KeyHolder, Viewer};
use super::envelope::ApiError;
use super::keyring::Keyring;
use super::views::{Looking, Viewing};
use crate::commands::{Actor, PartyActor, Policy};
use crate::domain::deal::Deal;
use crate::domain::ids::{CustomerId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::queries;
use crate::store::{self, Store, Tx};

/// Bounds on requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_bytes_max: usize,
    /// Longest wait for a whole body, in seconds.
    pub body_seconds_max: u64,
    /// Most escrows in one payment.
    pub escrows_per_payment_max: usize,
}

/// The service behind the routes. Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where everything is kept.
    pub store: Store,
    /// Which key belongs to whom.
    pub keyring: Arc<Keyring>,
    /// What the operator has decided.
    pub policy: Arc<Policy>,
    /// The currency of every amount.
    pub currency: Arc<str>,
    /// Bounds on requests.
    pub limits: Limits,
    /// Whether only programs on this machine are meant to reach it: a sandbox that
    /// is not exposed.
    pub is_for_this_machine_only: bool,
    /// Where files are served from, up to the slash before their name; set when the
    /// address is known.
    pub files_url: Arc<OnceLock<String>>,
    /// Set when the service is about to stop: replies then close their connection.
    pub stopping: Arc<AtomicBool>,
}

impl Api {
    /// Runs one command with the operator's policy.
    pub(crate) async fn write<T, E>(
        &self,
        command: impl FnOnce(&mut Tx<'_>, &Policy) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
    {
        let policy = Arc::clone(&self.policy);
        self.store.write(move |tx| command(tx, &policy)).await
    }

    /// Runs one command for an acting customer. A key's first command makes its
    /// merchant too, so that a refusal leaves neither.
    pub(crate) async fn act<T, E>(
        &self,
        acting: &ActingCustomer,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
    {
        let ActingCustomer { key_holder, customer } = acting.clone();
        self.act_as_merchant(key_holder, move |tx, policy, merchant| {
            command(tx, policy, &Actor { merchant, customer })
        })
        .await
    }

    /// Runs one command for a customer or the merchant itself.
    pub(crate) async fn act_as_party<T, E>(
        &self,
        acting: &ActingParty,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &PartyActor) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
    {
        let ActingParty { key_holder, party } = acting.clone();
        self.act_as_merchant(key_holder, move |tx, policy, merchant| {
            command(tx, policy, &PartyActor { merchant, party })
        })
        .await
    }

    /// Runs one command for a merchant, made now if this is its key's first use.
    pub(crate) async fn act_as_merchant<T, E>(
        &self,
        key_holder: KeyHolder,
        command: impl FnOnce(&mut Tx<'_>, &Policy, MerchantId) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
    {
        self.write(move |tx, policy| {
            let merchant = key_holder.merchant(tx)?;
            command(tx, policy, merchant)
        })
        .await
    }

    /// Lets in whoever reads what belongs to an account, and answers the merchant, if
    /// there is one already. A customer nobody has seen has nothing to read, so a
    /// sandbox registers none by it.
    pub(crate) fn reading_party(&self, acting: &ActingParty) -> Result<Option<MerchantId>, ApiError> {
        let merchant = acting.key_holder.known();
        if let Some(customer) = acting.party.customer() {
            let is_known = match merchant {
                Some(merchant) => queries::has_customer(&self.store, merchant, customer)?,
                None => false,
            };
            if !is_known {
                self.policy.admission.of_unknown()?;
            }
        }
        Ok(merchant)
    }

    /// The deal of this token, if the caller may see it.
    pub(crate) fn deal_for(&self, viewer: &Viewer, token: &str) -> Result<Deal, ApiError> {
        self.deal_of(viewer.key_holder, token)
    }

    /// The deal of this token, if it is the merchant's.
    pub(crate) fn deal_of(&self, key_holder: KeyHolder, token: &str) -> Result<Deal, ApiError> {
        let merchant = key_holder.known().ok_or(Refusal::EscrowNotFound)?;
        let key = EscrowKey::Token(PaymentToken::named(token));
        let deal = queries::deal(&self.store, merchant, &key)?;
        Ok(deal.ok_or(Refusal::EscrowNotFound)?)
    }

    /// What views need to know, for a customer who looks.
    pub(crate) fn viewing<'a>(&'a self, customer: Option<&'a CustomerId>) -> Viewing<'a> {
        Viewing {
            viewer: customer.map(Looking::Customer),
            currency: &self.currency,
            files_url: self.files_url.get().map_or("", String::as_str),
        }
    }

    /// What views need to know, for a customer or the merchant itself.
    pub(crate) fn viewing_as<'a>(&'a self, party: &'a Party) -> Viewing<'a> {
        Viewing {
            viewer: Some(party.customer().map_or(Looking::Merchant, Looking::Customer)),
            ..self.viewing(None)
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
