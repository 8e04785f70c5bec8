//! Running a command as an operator.

use crate::commands::operators::OperatorActor;
use crate::commands::{self, Policy};
use crate::http::auth::Caller;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::store::Tx;

/// Runs a command for the merchant of an operator's request, and renders its outcome.
pub(super) async fn act<T: Send + 'static>(
    state: &AppState,
    caller: &Caller,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &OperatorActor) -> Result<T, commands::Error> + Send + 'static,
    render: impl FnOnce(T) -> Reply + Send + 'static,
) -> Result<Reply, ApiError> {
    let agent = caller.agent();
    state
        .execute(
            caller,
            move |tx, policy, actor| {
                let merchant = actor.merchant;
                command(tx, policy, &OperatorActor { merchant, agent })
            },
            move |outcome, _context| render(outcome),
        )
        .await
}
