//! Routes of deposits, withdrawals and wallet transfers (contract sections 4.3.2
//! and 4.3.3), and the sandbox's way to pay a test account.

use actix_web::web::{Data, Path};

use crate::commands::intents;
use crate::http::auth::Caller;
use crate::http::body::{JsonBody, OptionalJsonBody};
use crate::http::drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::state::AppState;
use crate::views::TransactionView;

const VERIFIED: &str = "Payment intent verified successfully";

/// `POST /v1/payment/create-intent`, as the customer.
pub(crate) async fn create(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let request = drafts::payments::intent(&body, &state);
    state
        .execute(
            &caller,
            move |tx, policy, actor| intents::create(tx, policy, actor, request),
            move |payment, context| {
                Reply::ok(
                    "Payment intent created successfully",
                    TransactionView::new(payment, context.currency),
                )
            },
        )
        .await
}

/// `POST /v1/payment/verify`, as the customer.
pub(crate) async fn verify(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let reference = drafts::payments::verification(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| intents::verify(tx, policy, actor, reference),
            move |payment, context| Reply::ok(VERIFIED, TransactionView::new(payment, context.currency)),
        )
        .await
}

/// `POST /sandbox/test-accounts/{accountNumber}/pay`: plays the bank transfer that a
/// deposit waits for.
pub(crate) async fn pay_test_account(
    state: Data<AppState>,
    caller: Caller,
    account_number: Path<String>,
    body: OptionalJsonBody,
) -> Result<Reply, ApiError> {
    let amount = drafts::payments::test_payment(&body.0);
    state
        .execute(
            &caller,
            move |tx, policy, actor| intents::pay_test_account(tx, policy, actor.merchant, &account_number, amount),
            |payment, context| {
                Reply::ok(
                    "Test account paid successfully",
                    TransactionView::new(payment, context.currency),
                )
            },
        )
        .await
}
