//! Routes that ask a bank or a blockchain, as the sandbox plays them, or look up a
//! customer by phone (contract sections 4.3.5 to 4.3.8 and 4.3.10).

use actix_web::web::{Data, Path};

use crate::commands::intents;
use crate::domain::payments::bank::BANKS;
use crate::domain::payments::whitelist::EvmAddress;
use crate::domain::refusal::Refusal;
use crate::http::auth::{ActingCustomer, Viewer};
use crate::http::body::JsonBody;
use crate::http::drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::state::AppState;
use crate::queries;
use crate::views::{AccountNameView, BankView, DepositWalletView, PhoneView};

/// `GET /v1/payment/bank-list`.
pub(crate) async fn list(api: Data<AppState>, _viewer: Viewer) -> Result<Reply<Vec<BankView>>, ApiError> {
    api.policy.check_processor()?;
    let banks = BANKS.map(|(code, name)| BankView { name, code });
    Ok(Reply::ok("Banks fetched successfully", banks.into()))
}

/// `POST /v1/payment/verify-account`, as the customer.
pub(crate) async fn verify_account(
    api: Data<AppState>,
    acting: ActingCustomer,
    body: JsonBody,
) -> Result<Answer, ApiError> {
    let query = drafts::payments::account_query(&body);
    api.act(
        &acting,
        move |tx, policy, actor| intents::resolve_account(tx, policy, actor, query),
        move |(query, name), _viewing| {
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
    api: Data<AppState>,
    viewer: Viewer,
    phone: Path<String>,
) -> Result<Reply<PhoneView>, ApiError> {
    let merchant = viewer.key_holder.known().ok_or(Refusal::PhoneUnknown)?;
    let found = queries::customers::by_phone(&api.store, merchant, &phone)?;
    let customer = found.ok_or(Refusal::PhoneUnknown)?;
    Ok(Reply::ok("Phone number verified", PhoneView::new(&customer)))
}

/// `GET /v1/payment/deposit/wallet`: an address that nobody has a key to.
pub(crate) async fn deposit_wallet(api: Data<AppState>, viewer: Viewer) -> Result<Reply<DepositWalletView>, ApiError> {
    api.policy.check_processor()?;
    let merchant = api.merchant_of(&viewer.key_holder).await?;
    Ok(Reply::ok(
        "Deposit wallet address retrieved successfully",
        DepositWalletView::new(&EvmAddress::of_merchant(merchant)),
    ))
}

/// `POST /v1/payment/virtual-account`: gone for good.
pub(crate) async fn virtual_account(_acting: ActingCustomer) -> Result<Reply<()>, ApiError> {
    Err(ApiError::NoVirtualAccounts)
}
