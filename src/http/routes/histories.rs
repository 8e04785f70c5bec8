//! Routes of payment histories and of the merchant's own account (contract
//! sections 4.3.4 and 4.7).

use actix_web::web::Data;

use crate::domain::ids::MerchantId;
use crate::domain::ledger::Account;
use crate::domain::transaction::TransactionType::{
    self, Commission, Delivery, Deposit, Escrow, Transfer, WalletTransfer, Withdrawal,
};
use crate::http::auth::Caller;
use crate::http::drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::query::Query;
use crate::http::state::AppState;
use crate::views::{HistoryView, WalletView};

/// What a customer's history can be asked for, and a merchant's beside it.
const TYPES: [TransactionType; 7] = [
    Deposit,
    Withdrawal,
    Transfer,
    WalletTransfer,
    Escrow,
    Delivery,
    Commission,
];
const TYPES_OF_CUSTOMERS: usize = 6;

/// `GET /v1/payment/history`, as the customer.
pub(crate) async fn of_customer(state: Data<AppState>, caller: Caller, query: Query) -> Result<Reply, ApiError> {
    let merchant = state.admit(&caller).await?;
    let owner = Account::CustomerMain(caller.customer().clone());
    history(&state, merchant, &owner, &query, &TYPES[..TYPES_OF_CUSTOMERS])
}

/// `GET /v1/merchant/transactions`, as the merchant.
pub(crate) async fn of_merchant(state: Data<AppState>, caller: Caller, query: Query) -> Result<Reply, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
    history(&state, merchant, &Account::MerchantMain, &query, &TYPES)
}

/// `GET /v1/merchant/balance`, as the merchant.
pub(crate) async fn merchant_balance(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    let merchant = state.merchant_of(&caller).await?;
    let wallet = state.store.read(|snapshot| snapshot.merchant_wallet(merchant))?;
    Ok(Reply::ok(
        "Merchant balance fetched successfully",
        WalletView::new(&wallet, &state.policy.currency),
    ))
}

fn history(
    state: &AppState,
    merchant: MerchantId,
    owner: &Account,
    query: &Query,
    types: &[TransactionType],
) -> Result<Reply, ApiError> {
    let (filter, shape) = drafts::payments::history(&query.fields()?, types)?;
    let (payments, count) = state
        .store
        .read(|snapshot| snapshot.history(merchant, owner, &filter, shape))?;
    let history = shape.answer(payments, count)?;
    Ok(Reply::ok(
        "Transactions retrieved successfully",
        HistoryView::new(history, &state.policy.currency),
    ))
}
