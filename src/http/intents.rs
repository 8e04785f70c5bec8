//! Routes of deposits, withdrawals and wallet transfers (contract sections 4.3.2
//! and 4.3.3), and the sandbox's way to pay a test account.

use actix_web::web::{Data, Path};

use super::api::Api;
use super::auth::{ActingCustomer, Viewer};
use super::body::{JsonBody, OptionalJsonBody};
use super::drafts;
use super::envelope::{Answer, ApiError, Reply};
use crate::commands::intents;
use crate::wire::TransactionView;

const VERIFIED: &str = "Payment intent verified successfully";

/// `POST /v1/payment/create-intent`, as the customer.
pub(super) async fn create(api: Data<Api>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
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
pub(super) async fn verify(api: Data<Api>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
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
pub(super) async fn pay_test_account(
    api: Data<Api>,
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
