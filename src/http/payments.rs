//! Routes of payments and wallets (contract sections 4.3.1, 4.3.9, 4.5).

use actix_web::web::Data;

use super::api::Api;
use super::auth::ActingCustomer;
use super::body::JsonBody;
use super::drafts;
use super::envelope::{ApiError, Reply};
use crate::commands::payments;
use crate::domain::refusal::Refusal;
use crate::queries;
use crate::wire::{MainBalanceView, TransactionView, WalletView};

/// `POST /v1/payment/escrow`, as the buyer.
pub(super) async fn pay(
    api: Data<Api>,
    acting: ActingCustomer,
    body: JsonBody,
) -> Result<Reply<TransactionView>, ApiError> {
    let request = drafts::payment(&body, &api);
    let payment = api
        .act(&acting, move |tx, policy, actor| {
            payments::fund(tx, policy, actor, request)
        })
        .await?;
    let view = TransactionView::new(payment, &api.currency);
    Ok(Reply::ok("Payment intent verified successfully", view))
}

/// `POST /v1/payment/topup`, as the customer; sandbox mode only.
pub(super) async fn top_up(
    api: Data<Api>,
    acting: ActingCustomer,
    body: JsonBody,
) -> Result<Reply<MainBalanceView>, ApiError> {
    let amount = drafts::top_up(&body);
    let main_balance = api
        .act(&acting, move |tx, policy, actor| {
            payments::top_up(tx, policy, actor, amount)
        })
        .await?;
    Ok(Reply::ok(
        "Virtual account top up successful",
        MainBalanceView::new(main_balance),
    ))
}

/// `GET /v1/wallet`, as the customer. One who is seen for the first time gets
/// the wallet they will have from then on.
pub(super) async fn wallet(api: Data<Api>, acting: ActingCustomer) -> Result<Reply<WalletView>, ApiError> {
    let merchant = api.admitted(&acting).await?;
    let wallet = queries::wallet(&api.store, merchant, &acting.customer)?.ok_or(Refusal::CustomerNotFound)?;
    Ok(Reply::ok(
        "Wallet fetched successfully",
        WalletView::new(&wallet, &api.currency),
    ))
}
