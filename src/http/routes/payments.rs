//! Routes of payments and wallets (contract sections 4.3.1, 4.3.9, 4.5).

use actix_web::web::Data;

use crate::commands::payments;
use crate::domain::refusal::Refusal;
use crate::http::auth::ActingCustomer;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::queries;
use crate::views::{MainBalanceView, TransactionView, WalletView};

/// `POST /v1/payment/escrow`, as the buyer.
pub(crate) async fn pay(api: Data<AppState>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
    let request = drafts::payment(&body, &api);
    api.act(
        &acting,
        move |tx, policy, actor| payments::fund(tx, policy, actor, request),
        move |payment, viewing| {
            Reply::ok(
                "Payment intent verified successfully",
                TransactionView::new(payment, viewing.currency),
            )
        },
    )
    .await
}

/// `POST /v1/payment/topup`, as the customer; sandbox mode only.
pub(crate) async fn top_up(api: Data<AppState>, acting: ActingCustomer, body: JsonBody) -> Result<Answer, ApiError> {
    let amount = drafts::top_up(&body);
    api.act(
        &acting,
        move |tx, policy, actor| payments::top_up(tx, policy, actor, amount),
        move |main_balance, _viewing| {
            Reply::ok("Virtual account top up successful", MainBalanceView::new(main_balance))
        },
    )
    .await
}

/// `GET /v1/wallet`, as the customer. One who is seen for the first time gets
/// the wallet they will have from then on.
pub(crate) async fn wallet(api: Data<AppState>, acting: ActingCustomer) -> Result<Reply<WalletView>, ApiError> {
    let merchant = api.admitted(&acting).await?;
    let wallet = queries::wallet(&api.store, merchant, &acting.customer)?.ok_or(Refusal::CustomerNotFound)?;
    Ok(Reply::ok(
        "Wallet fetched successfully",
        WalletView::new(&wallet, &api.policy.currency),
    ))
}
