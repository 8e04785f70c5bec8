//! The one way from a handler to a command and back to a reply.

use std::sync::Arc;

use serde::Serialize;

use crate::commands::idempotency::{self, IdempotentOutcome, IdempotentRequest};
use crate::commands::{self, Actor, PartyActor, Policy, customers, outbox};
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::ids::MerchantId;
use crate::domain::mode::Mode;
use crate::domain::party::Party;
use crate::domain::refusal::Refusal;
use crate::http::auth::{ActingCustomer, ActingParty, KeyHolder};
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::queries;
use crate::store::{self, Tx};
use crate::views::{ViewContext, ViewerRef};

impl AppState {
    /// Runs one command for an acting customer and renders what came of it, as they
    /// see it. A key's first command makes its merchant too, so that a refusal leaves
    /// neither.
    pub(super) async fn act<T, V>(
        &self,
        acting: &ActingCustomer,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<T, commands::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V> + Send + 'static,
    ) -> Result<Answer, ApiError>
    where
        T: Send + 'static,
        V: Serialize,
    {
        let customer = acting.customer.clone();
        let command = move |tx: &mut Tx<'_>, policy: &Policy, merchant| {
            Ok((merchant, command(tx, policy, &Actor { merchant, customer })?))
        };
        let looking = ViewerRef::Customer(&acting.customer);
        self.answer(&acting.key_holder, looking, command, render).await
    }

    /// The same for a customer or the merchant itself.
    pub(super) async fn act_as_party<T, V>(
        &self,
        acting: &ActingParty,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &PartyActor) -> Result<T, commands::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V> + Send + 'static,
    ) -> Result<Answer, ApiError>
    where
        T: Send + 'static,
        V: Serialize,
    {
        let party = acting.party.clone();
        let command = move |tx: &mut Tx<'_>, policy: &Policy, merchant| {
            Ok((merchant, command(tx, policy, &PartyActor { merchant, party })?))
        };
        let looking = ViewerRef::from(&acting.party);
        self.answer(&acting.key_holder, looking, command, render).await
    }

    /// The same for a merchant.
    pub(super) async fn act_as_merchant<T, V>(
        &self,
        key_holder: &KeyHolder,
        command: impl FnOnce(&mut Tx<'_>, &Policy, MerchantId) -> Result<T, commands::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V> + Send + 'static,
    ) -> Result<Answer, ApiError>
    where
        T: Send + 'static,
        V: Serialize,
    {
        let command = move |tx: &mut Tx<'_>, policy: &Policy, merchant| Ok((merchant, command(tx, policy, merchant)?));
        self.answer(key_holder, ViewerRef::Merchant, command, render).await
    }

    /// The same for a command after which the key is another merchant's: it answers
    /// whose, and that merchant keeps the reply for a request that comes again.
    pub(super) async fn answer<T, V>(
        &self,
        key_holder: &KeyHolder,
        looking: ViewerRef<'_>,
        command: impl FnOnce(&mut Tx<'_>, &Policy, MerchantId) -> Result<(MerchantId, T), commands::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V> + Send + 'static,
    ) -> Result<Answer, ApiError>
    where
        T: Send + 'static,
        V: Serialize,
    {
        if let Some(key) = key_holder.call.idempotency_key.clone()? {
            return self.answer_once(key, key_holder, looking, command, render).await;
        }
        let (_, outcome) = self.run_as_merchant(key_holder, command).await?;
        Ok(render(outcome, &self.viewing_of(looking)).into())
    }

    /// Runs the command unless it ran before under this key, and renders what came of it
    /// within its commit, to keep it. A refusal is kept too, and with it the merchant that
    /// a sandbox key's first command makes.
    ///
    /// The key is in flight until this is done or dropped. A command that still waits to
    /// be written then is found by the next one behind it.
    async fn answer_once<T, V>(
        &self,
        key: IdempotencyKey,
        key_holder: &KeyHolder,
        looking: ViewerRef<'_>,
        command: impl FnOnce(&mut Tx<'_>, &Policy, MerchantId) -> Result<(MerchantId, T), commands::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V> + Send + 'static,
    ) -> Result<Answer, ApiError>
    where
        T: Send + 'static,
        V: Serialize,
    {
        let flight = self.in_flight.begin(key_holder.key_hash, &key);
        let _flight = flight.ok_or(ApiError::IdempotencyKeyInFlight)?;
        let party = Party::from(looking.customer().cloned());
        let asked = key_holder.call.asked(party.customer());
        let request = IdempotentRequest { key, asked };
        let outcome = self.run_as_merchant(key_holder, move |tx, policy, merchant| {
            let render = |outcome: Result<T, Refusal>| {
                let viewing = ViewContext {
                    viewer: Some(ViewerRef::from(&party)),
                    ..policy.viewing()
                };
                let answer = outcome.map_or_else(Answer::from, |done| render(done, &viewing).into());
                answer.kept()
            };
            let command = |tx: &mut Tx<'_>| command(tx, policy, merchant);
            idempotency::once(tx, policy, merchant, &request, command, render)
        });
        match outcome.await? {
            IdempotentOutcome::Done(reply) => Ok(Answer::first(reply)),
            IdempotentOutcome::Replayed(reply) => Ok(Answer::replayed(reply)),
            IdempotentOutcome::KeyReused(difference) => Err(ApiError::IdempotencyKeyReused(difference)),
        }
    }

    /// Lets in the acting customer of a route that only reads, and answers the
    /// merchant to read from. One who is seen for the first time in a sandbox is
    /// registered by it.
    pub(super) async fn admitted(&self, acting: &ActingCustomer) -> Result<MerchantId, ApiError> {
        let acting = acting.clone();
        self.admit_party(&ActingParty {
            key_holder: acting.key_holder,
            party: Party::Customer(acting.customer),
        })
        .await
    }

    /// The same for a customer or the merchant itself.
    pub(super) async fn admit_party(&self, acting: &ActingParty) -> Result<MerchantId, ApiError> {
        if let Some(merchant) = acting.key_holder.known() {
            let Party::Customer(customer) = &acting.party else {
                return Ok(merchant);
            };
            if let Some(standing) = queries::customer_standing(&self.store, merchant, customer)? {
                standing.check_active()?;
                return Ok(merchant);
            }
        }
        let party = acting.party.clone();
        let merchant = self.run_as_merchant(&acting.key_holder, move |tx, policy, merchant| {
            customers::admit_party(tx, policy, &PartyActor { merchant, party }).map(|()| merchant)
        });
        Ok(merchant.await?)
    }

    /// The merchant of a key, made now if this is the key's first use.
    pub(super) async fn merchant_of(&self, key_holder: &KeyHolder) -> Result<MerchantId, ApiError> {
        match key_holder.known() {
            Some(merchant) => Ok(merchant),
            None => Ok(self
                .run_as_merchant(key_holder, |_tx, _policy, merchant| Ok::<_, store::Error>(merchant))
                .await?),
        }
    }

    /// Runs one command for a merchant, made now if this is its key's first use. In a
    /// sandbox it happens at the merchant's own time.
    async fn run_as_merchant<T, E>(
        &self,
        key_holder: &KeyHolder,
        command: impl FnOnce(&mut Tx<'_>, &Policy, MerchantId) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<store::Error> + Send + 'static,
    {
        let call = Arc::clone(&key_holder.call);
        let key_holder = key_holder.clone();
        let committed = self.write(move |tx, policy| {
            let merchant = key_holder.merchant(tx, policy.mode)?;
            if policy.mode == Mode::Sandbox {
                tx.use_clock_of(merchant)?;
            }
            let outcome = outbox::run(tx, policy, |tx| command(tx, policy, merchant))?;
            Ok::<_, E>((outcome, tx.take_write_summary()))
        });
        let (outcome, caused) = committed.await?;
        call.add_write_summary(caused);
        Ok(outcome)
    }
}
