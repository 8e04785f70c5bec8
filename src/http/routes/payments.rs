//! Routes of payments and wallets (contract sections 4.3.1, 4.3.9, 4.5).

use actix_web::web::Data;

use crate::commands::payments;
use crate::domain::refusal::Refusal;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::state::AppState;
use crate::views::{MainBalanceView, TransactionView, WalletView};

/// `POST /v1/payment/escrow`, as the buyer.
pub(crate) async fn pay(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let request = drafts::payment(&body, &state);
    state
        .execute(
            &caller,
            move |tx, policy, actor| payments::fund(tx, policy, actor, request),
            move |payment, context| {
                Reply::ok(
                    "Payment intent verified successfully",
                    TransactionView::new(payment, context.currency),
                )
            },
        )
        .await
}

/// `POST /v1/payment/topup`, as the customer; sandbox mode only.
pub(crate) async fn top_up(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let amount = drafts::top_up(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| payments::top_up(tx, policy, actor, amount),
            move |main_balance, _context| {
                Reply::ok("Virtual account top up successful", MainBalanceView::new(main_balance))
            },
        )
        .await
}

/// `GET /v1/wallet`, as the customer. One who is seen for the first time gets
/// the wallet they will have from then on.
pub(crate) async fn wallet(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    let merchant = state.admit(&caller).await?;
    let wallet = state
        .store
        .read(|snapshot| snapshot.wallet(merchant, caller.customer()))?
        .ok_or(Refusal::CustomerNotFound)?;
    Ok(Reply::ok(
        "Wallet fetched successfully",
        WalletView::new(&wallet, &state.policy.currency),
    ))
}
