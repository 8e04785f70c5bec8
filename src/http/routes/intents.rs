//! Routes of deposits, withdrawals and wallet transfers (contract sections 4.3.2
//! and 4.3.3), and the sandbox's way to pay a test account.

use actix_web::web::{Data, Path};

use crate::commands::intents;
use crate::http::auth::{ActingCustomer, Viewer};
use crate::http::body::{JsonBody, OptionalJsonBody};
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::views::TransactionView;

const VERIFIED: &str = "Payment intent verified successfully";

/// `POST /v1/payment/create-intent`, as the customer.
pub(crate) async fn create(api: Data<AppState>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
    let request = drafts::payments::intent(&body, &api);
    api.act(
        &acting,
        move |tx, policy, actor| intents::create(tx, policy, actor, request),
        move |payment, viewing| {
            Reply::ok(
                "Payment intent created successfully",
                TransactionView::new(payment, viewing.currency),
            )
        },
    )
    .await
}

/// `POST /v1/payment/verify`, as the customer.
pub(crate) async fn verify(api: Data<AppState>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
    let reference = drafts::payments::verification(&body);
    api.act(
        &acting,
        move |tx, policy, actor| intents::verify(tx, policy, actor, reference),
        move |payment, viewing| Reply::ok(VERIFIED, TransactionView::new(payment, viewing.currency)),
    )
    .await
}

/// `POST /sandbox/test-accounts/{accountNumber}/pay`: plays the bank transfer that a
/// deposit waits for.
pub(crate) async fn pay_test_account(
    api: Data<AppState>,
    viewer: Viewer,
    account_number: Path<String>,
    body: OptionalJsonBody,
) -> Result<Answer, ApiError> {
    let amount = drafts::payments::test_payment(&body.0);
    api.act_as_merchant(
        &viewer.key_holder,
        move |tx, _policy, merchant| intents::pay_test_account(tx, merchant, &account_number, amount),
        |payment, viewing| {
            Reply::ok(
                "Test account paid successfully",
                TransactionView::new(payment, viewing.currency),
            )
        },
    )
    .await
}
