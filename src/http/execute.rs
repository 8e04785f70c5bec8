//! Runs a handler's command and renders its outcome as the reply, and admits the caller of a read.
//! Commands without a caller are not run here: the work that continues a command, the notices of
//! payment providers, and the notes on the use of keys go to the app state or the store directly.

use std::sync::Arc;

use futures_util::TryFutureExt;

use crate::commands::idempotency::{self, IdempotentOutcome, IdempotentRequest};
use crate::commands::{self, Policy, admission};
use crate::domain::escrow::deal::Deal;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::ids::{EscrowId, EscrowKey, MerchantId, PaymentToken};
use crate::domain::page::{Page, PageRequest};
use crate::domain::party::{Actor, Party};
use crate::domain::refusal::Refusal;
use crate::http::auth::Caller;
use crate::http::envelope::{Rendered, Reply};
use crate::http::error::ApiError;
use crate::http::query::ListWalk;
use crate::http::state::AppState;
use crate::store::{self, CommandError, Foreseen, Snapshot, Tx};
use crate::views::ViewContext;

/// A command of a route, without its type: what follows is compiled once and not for each
/// route.
type AnyCommand = Box<dyn FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<Outcome, commands::Error> + Send>;
/// The outcome of a command, which renders itself.
type Outcome = Box<dyn FnOnce(&ViewContext<'_>) -> Rendered + Send>;
/// A query of a route with its rendering, without its type.
type AnyQuery =
    Box<dyn FnOnce(&Snapshot<'_>, &ViewContext<'_>) -> Result<Result<Rendered, Refusal>, store::Error> + Send>;

/// Returns a command with its rendering, without its type.
fn any_command<T: Send + 'static>(
    command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<T, commands::Error> + Send + 'static,
    render: impl FnOnce(T, &ViewContext<'_>) -> Rendered + Send + 'static,
) -> AnyCommand {
    Box::new(move |tx, policy, actor| {
        let done = command(tx, policy, actor)?;
        let outcome: Outcome = Box::new(move |context| render(done, context));
        Ok(outcome)
    })
}

impl AppState {
    /// Runs a command for a caller, waits until its changes are durable, and renders its
    /// outcome for the caller. With an idempotency key the command runs once, and later
    /// requests get the first reply again.
    ///
    /// The first command of a sandbox key creates its merchant in the same transaction. If
    /// the command is refused, the merchant is not created either.
    pub(crate) fn execute<T: Send + 'static, V, const STATUS: u16>(
        &self,
        caller: &Caller,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<T, commands::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V, STATUS> + Send + 'static,
    ) -> impl Future<Output = Result<Reply<V, STATUS>, ApiError>> {
        self.execute_rendered(caller, command, |done, context| render(done, context).into())
            .map_ok(Reply::of)
    }

    /// Runs a command on this deal as [`AppState::execute`] does. Commands of a group read their deals
    /// together.
    pub(crate) fn execute_on_deal<T: Send + 'static, V, const STATUS: u16>(
        &self,
        caller: &Caller,
        deal: EscrowId,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<T, commands::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Reply<V, STATUS> + Send + 'static,
    ) -> impl Future<Output = Result<Reply<V, STATUS>, ApiError>> {
        let command = any_command(command, |done, context| render(done, context).into());
        self.execute_any(caller, Some(deal), command).map_ok(Reply::of)
    }

    /// Runs a command as [`AppState::execute`] does, for a route whose success is no envelope.
    pub(crate) fn execute_rendered<T: Send + 'static>(
        &self,
        caller: &Caller,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<T, commands::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Rendered + Send + 'static,
    ) -> impl Future<Output = Result<Rendered, ApiError>> {
        self.execute_any(caller, None, any_command(command, render))
    }

    async fn execute_any(
        &self,
        caller: &Caller,
        deal: Option<EscrowId>,
        command: AnyCommand,
    ) -> Result<Rendered, ApiError> {
        if let Some(key) = caller.request.idempotency_key.clone()? {
            return self.execute_once(key, caller, deal, command).await;
        }
        let outcome = self.run(caller, deal, command).await?;
        Ok(outcome(
            &self
                .policy
                .load()
                .view_context(caller.viewer(), caller.request.host.as_deref()),
        ))
    }

    /// Runs a command unless it ran before under this idempotency key.
    ///
    /// The reply is rendered and stored in the command's transaction. Links in it name the
    /// host of this first request, if that is well-formed: only the same key gets them again.
    /// A refusal is stored too unless the request is wrong by itself, and so is the merchant that the
    /// first command of a sandbox key creates.
    ///
    /// The idempotency key is in flight until this future completes or is dropped. If it is
    /// dropped while its command waits for the writer, a later request with the key queues
    /// behind that command and finds its stored reply.
    async fn execute_once(
        &self,
        key: IdempotencyKey,
        caller: &Caller,
        deal: Option<EscrowId>,
        command: AnyCommand,
    ) -> Result<Rendered, ApiError> {
        let flight = self.in_flight.begin(caller.key_hash, &key);
        let _flight = flight.ok_or(ApiError::IdempotencyKeyInFlight)?;
        let fingerprint = caller.request.fingerprint(caller.principal());
        let request = IdempotentRequest { key, fingerprint };
        let (viewer, context) = (caller.viewer().cloned(), Arc::clone(&caller.request));
        let outcome = self.run(caller, deal, move |tx, policy, actor| {
            let render = |outcome: Result<Outcome, Refusal>| {
                let context = policy.view_context(viewer.as_ref(), context.host.as_deref());
                outcome.map_or_else(Rendered::from, |done| done(&context)).into_stored()
            };
            idempotency::once(tx, policy, actor, &request, command, render)
        });
        match outcome.await? {
            IdempotentOutcome::First(reply) => Ok(Rendered::first(reply)),
            IdempotentOutcome::Replayed(reply) => Ok(Rendered::replayed(reply)),
            IdempotentOutcome::KeyReused(difference) => Err(ApiError::IdempotencyKeyReused(difference)),
        }
    }

    /// Checks that the caller may read, and returns the merchant to read from with the parsed request.
    /// In a sandbox the first read with a new key creates its merchant, and the first read for a new
    /// customer creates the customer. A refused request creates neither.
    pub(crate) async fn admit<T>(
        &self,
        caller: &Caller,
        request: Result<T, impl Into<Refusal>>,
    ) -> Result<(MerchantId, T), ApiError> {
        let request = request.map_err(Into::into);
        let merchant = match self.known_merchant(caller).await? {
            Some(merchant) => merchant,
            None => self.register(caller, request.as_ref().err().cloned()).await?,
        };
        Ok((merchant, request?))
    }

    /// Checks that the caller may read something of its own, and returns the merchant to read from. A
    /// new caller owns nothing yet: it gets the refusal, and is not created.
    pub(crate) async fn admit_owner(&self, caller: &Caller, refusal: Refusal) -> Result<MerchantId, ApiError> {
        match self.known_merchant(caller).await? {
            Some(merchant) => Ok(merchant),
            None => self.register(caller, Some(refusal)).await,
        }
    }

    /// Returns the merchant of a caller who may read. `None` if the merchant or the customer is new.
    async fn known_merchant(&self, caller: &Caller) -> Result<Option<MerchantId>, ApiError> {
        let (Some(merchant), Party::Customer(customer)) = (caller.merchant(), caller.party()) else {
            return Ok(caller.merchant());
        };
        let customer = customer.clone();
        let access = self
            .store
            .read(move |snapshot| snapshot.customer_access(merchant, &customer))
            .await?;
        let Some(access) = access else {
            return Ok(None);
        };
        access.check_active()?;
        Ok(Some(merchant))
    }

    /// Creates a new caller's merchant and customer, unless the request is refused.
    async fn register(&self, caller: &Caller, refusal: Option<Refusal>) -> Result<MerchantId, ApiError> {
        let register = move |tx: &mut Tx<'_>, policy: &Policy, actor: &Actor| {
            admission::admit_party(tx, policy, actor)?;
            match refusal {
                Some(refusal) => Err(commands::Error::from(refusal)),
                None => Ok(actor.merchant),
            }
        };
        self.run(caller, None, register).await
    }

    /// Returns the merchant of a caller. Creates it on the first use of a sandbox key.
    pub(crate) async fn merchant_of(&self, caller: &Caller) -> Result<MerchantId, ApiError> {
        match caller.merchant() {
            Some(merchant) => Ok(merchant),
            None => {
                self.run(caller, None, |_tx, _policy, actor| {
                    Ok::<_, store::Error>(actor.merchant)
                })
                .await
            }
        }
    }

    /// Reads a list and renders it as the caller sees it, both on a thread for long reads.
    /// An HTTP thread never waits for a long list, and no more lists are in memory than
    /// there are such threads, but for their rendered bodies.
    pub(crate) fn read_list<T, V>(
        &self,
        caller: &Caller,
        merchant: MerchantId,
        query: impl FnOnce(&Snapshot<'_>) -> Result<T, store::Error> + Send + 'static,
        render: impl FnOnce(T, &ViewContext<'_>) -> Result<Reply<V>, Refusal> + Send + 'static,
    ) -> impl Future<Output = Result<Reply<V>, ApiError>> {
        let read: AnyQuery =
            Box::new(move |snapshot, context| Ok(render(query(snapshot)?, context).map(Rendered::from)));
        self.read_any(caller, merchant, read).map_ok(Reply::of)
    }

    /// Reads a page of a list on a thread for long reads. A page that is part of a walk leaves out
    /// the rows that came after the walk's first page.
    pub(crate) async fn read_page<T: Send + 'static>(
        &self,
        merchant: MerchantId,
        walk: ListWalk,
        request: PageRequest,
        read: impl FnOnce(&Snapshot<'_>, PageRequest) -> Result<Page<T>, store::Error> + Send + 'static,
    ) -> Result<Page<T>, ApiError> {
        let request = walk.bounded(request);
        let read = move |snapshot: &Snapshot<'_>| read(snapshot, request);
        let page = self.store.read_long(merchant, read).await?;
        walk.note(&page);
        Ok(page)
    }

    async fn read_any(&self, caller: &Caller, merchant: MerchantId, read: AnyQuery) -> Result<Rendered, ApiError> {
        let policy = self.policy.load_full();
        let (viewer, context) = (caller.viewer().cloned(), Arc::clone(&caller.request));
        let read = move |snapshot: &Snapshot<'_>| {
            let context = policy.view_context(viewer.as_ref(), context.host.as_deref());
            read(snapshot, &context)
        };
        Ok(self.store.read_long(merchant, read).await??)
    }

    /// Returns the caller's deal with this payment token.
    pub(crate) async fn deal_of(&self, caller: &Caller, token: &str) -> Result<Deal, ApiError> {
        let merchant = caller.merchant().ok_or(Refusal::EscrowNotFound)?;
        let key = EscrowKey::Token(PaymentToken::named(token));
        let deal = self.store.read(move |snapshot| snapshot.deal(merchant, &key)).await?;
        Ok(deal.ok_or(Refusal::EscrowNotFound)?)
    }

    /// Runs a command for a caller whose key still opens the route when the command runs.
    pub(crate) async fn write_for<T: Send + 'static, E: Into<ApiError>>(
        &self,
        caller: &Caller,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Caller) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.write_on_deal(caller, None, command).await
    }

    async fn write_on_deal<T: Send + 'static, E: Into<ApiError>>(
        &self,
        caller: &Caller,
        deal: Option<EscrowId>,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Caller) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError> {
        let foreseen = deal.map(|deal| Foreseen {
            merchant: caller.merchant(),
            customer: caller.party().customer().cloned(),
            deal,
        });
        let (caller, keys) = (caller.clone(), Arc::clone(&self.api_keys));
        self.write_foreseen(foreseen, move |tx, policy| {
            caller.check_key(tx, &keys)?;
            command(tx, policy, &caller).map_err(Into::into)
        })
        .await
    }

    async fn run<T: Send + 'static, E: Into<ApiError> + CommandError>(
        &self,
        caller: &Caller,
        deal: Option<EscrowId>,
        command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ApiError> {
        let context = Arc::clone(&caller.request);
        let committed = self.write_on_deal(caller, deal, move |tx, policy, caller| {
            let actor = caller.act(tx, policy.mode)?;
            let outcome = command(tx, policy, &actor)?;
            Ok::<_, E>((outcome, tx.take_write_summary()))
        });
        let (outcome, summary) = committed.await?;
        context.add_write_summary(summary);
        Ok(outcome)
    }
}
