//! Routes that ask a bank or a blockchain, as the sandbox plays them, or look up a
//! customer by phone (contract sections 4.3.5 to 4.3.8 and 4.3.10).

use actix_web::web::{Data, Path};

use crate::commands::intents;
use crate::domain::payments::bank::BANKS;
use crate::domain::payments::whitelist::EvmAddress;
use crate::domain::refusal::Refusal;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::state::AppState;
use crate::views::{AccountNameView, BankView, DepositWalletView, PhoneView};

/// `GET /v1/payment/bank-list`.
pub(crate) async fn list(state: Data<AppState>, _caller: Caller) -> Result<Reply, ApiError> {
    state.policy.check_processor()?;
    let banks = BANKS.map(|(code, name)| BankView { name, code });
    Ok(Reply::ok("Banks fetched successfully", Vec::from(banks)))
}

/// `POST /v1/payment/verify-account`, as the customer.
pub(crate) async fn verify_account(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let query = drafts::payments::account_query(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| intents::resolve_account(tx, policy, actor, query),
            move |(query, name), _context| {
                Reply::ok(
                    "Account details retrieved successfully",
                    AccountNameView::new(query, name),
                )
            },
        )
        .await
}

/// `GET /v1/payment/verify-phone/{phone}`, in any spelling.
pub(crate) async fn verify_phone(
    state: Data<AppState>,
    caller: Caller,
    phone: Path<String>,
) -> Result<Reply, ApiError> {
    let merchant = caller.merchant().ok_or(Refusal::PhoneUnknown)?;
    let found = state
        .store
        .read(|snapshot| snapshot.customer_by_phone(merchant, &phone))?;
    let customer = found.ok_or(Refusal::PhoneUnknown)?;
    Ok(Reply::ok("Phone number verified", PhoneView::new(&customer)))
}

/// `GET /v1/payment/deposit/wallet`: an address that nobody has a key to.
pub(crate) async fn deposit_wallet(state: Data<AppState>, caller: Caller) -> Result<Reply, ApiError> {
    state.policy.check_processor()?;
    let merchant = state.merchant_of(&caller).await?;
    Ok(Reply::ok(
        "Deposit wallet address retrieved successfully",
        DepositWalletView::new(&EvmAddress::of_merchant(merchant)),
    ))
}

/// `POST /v1/payment/virtual-account`: gone for good.
pub(crate) async fn virtual_account(_caller: Caller) -> Result<Reply, ApiError> {
    Err(ApiError::NoVirtualAccounts)
}
