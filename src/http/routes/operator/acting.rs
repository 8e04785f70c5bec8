//! Running a command as an operator, and the routes that only live mode has.

use crate::commands::operators::OperatorActor;
use crate::commands::{self, Policy};
use crate::domain::mode::Mode;
use crate::domain::refusal::Refusal;
use crate::http::auth::Caller;
use crate::http::envelope::{Rendered, Reply};
use crate::http::error::ApiError;
use crate::http::own_task::in_own_task;
use crate::http::state::AppState;
use crate::store::Tx;

/// The message of a command that moves nothing until a second operator repeats it.
pub(super) const ASKED: &str = "Request recorded; this amount needs a second operator to make the same request";

/// Runs a command for the merchant of an operator's request, and renders its outcome.
pub(super) async fn act<T: Send + 'static, V, const STATUS: u16>(
    state: &AppState,
    caller: &Caller,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &OperatorActor) -> Result<T, commands::Error> + Send + 'static,
    render: impl FnOnce(T) -> Reply<V, STATUS> + Send + 'static,
) -> Result<Reply<V, STATUS>, ApiError> {
    let reply = act_rendered(state, caller, command, |outcome| render(outcome).into());
    reply.await.map(Reply::of)
}

/// Runs a command as [`act`] does, for a route whose success is no envelope.
pub(super) async fn act_rendered<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &OperatorActor) -> Result<T, commands::Error> + Send + 'static,
    render: impl FnOnce(T) -> Rendered + Send + 'static,
) -> Result<Rendered, ApiError> {
    let agent = caller.agent();
    state
        .execute_rendered(
            caller,
            move |tx, policy, actor| {
                let merchant = actor.merchant;
                command(tx, policy, &OperatorActor { merchant, agent })
            },
            move |outcome, _context| render(outcome),
        )
        .await
}

/// Runs a command for the merchant of an operator's request. Nothing is kept for an
/// idempotency key, since replies about keys and secrets show them once and must not be stored.
///
/// # Errors
///
/// Refuses a sandbox.
pub(super) async fn write_as_operator<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &OperatorActor) -> Result<T, commands::Error> + Send + 'static,
) -> Result<T, ApiError> {
    check_is_live(state)?;
    let (agent, merchant) = (caller.agent(), state.merchant_of(caller).await?);
    let command = move |tx: &mut Tx<'_>, policy: &Policy, _caller: &Caller| {
        tx.act_for(merchant)?;
        command(tx, policy, &OperatorActor { merchant, agent })
    };
    state.write_for(caller, command).await
}

/// Runs a command as [`write_as_operator`] does, and then makes the workers forget what keys give
/// access to. Both happen in a task of their own: a client that disconnects must not leave a key
/// open that its request has ended.
pub(super) async fn change_access<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &OperatorActor) -> Result<T, commands::Error> + Send + 'static,
) -> Result<T, ApiError> {
    let (state, caller) = (state.clone(), caller.clone());
    in_own_task(async move {
        let outcome = write_as_operator(&state, &caller, command).await;
        state.api_keys.invalidate_all();
        outcome
    })
    .await
}

/// Refuses a sandbox, in which every key is a merchant and its owner acts alone.
pub(super) fn check_is_live(state: &AppState) -> Result<(), Refusal> {
    match state.policy.load().mode {
        Mode::Live => Ok(()),
        Mode::Sandbox => Err(Refusal::LiveOnly),
    }
}
