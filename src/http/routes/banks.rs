//! Routes that query a simulated bank or blockchain, or look up a customer by phone
//! (contract sections 4.3.5 to 4.3.8 and 4.3.10).

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::intents;
use crate::domain::customers::customer::Customer;
use crate::domain::invalid::Parsed;
use crate::domain::payments::bank::{AccountQuery, Bank, BankCodes};
use crate::domain::payments::whitelist::EvmAddress;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, RequestSpec};
use crate::http::routes::customers::country_of_merchant;
use crate::http::routes::shared_fields::{
    ACCOUNT_NUMBER, BANK_CODE, SHORT_TEXT, account_number, bank_code, short_text,
};
use crate::http::routes::whitelist::DepositWalletView;
use crate::http::state::AppState;

/// The refusals of [`list`].
pub(crate) const LIST_REFUSALS: Refusals = Refusals::by(Work::Reads).in_live(&[RefusalKind::FeatureNotEnabled]);

/// `GET /v1/payment/bank-list`.
pub(crate) async fn list(state: Data<AppState>, caller: Caller) -> Result<Reply<Vec<BankView>>, ApiError> {
    if let Some(merchant) = caller.merchant() {
        let policy = state.policy.load_full();
        let checked = state
            .store
            .read(move |snapshot| Ok(policy.check_bank(snapshot, merchant)))
            .await?;
        checked?;
    }
    let banks: Vec<BankView> = state.policy.load().bank_codes().banks().map(BankView::new).collect();
    Ok(Reply::ok("Banks fetched successfully", banks))
}

/// The request of [`verify_account`].
pub(crate) const ACCOUNT: RequestSpec =
    RequestSpec::of_body(&[&[ACCOUNT_NUMBER, BANK_CODE, FieldSpec::optional("bankName", SHORT_TEXT)]]);

/// The refusals of [`verify_account`].
pub(crate) const VERIFY_ACCOUNT_REFUSALS: Refusals = Refusals::NONE
    .in_sandbox(&[RefusalKind::AccountNotResolved])
    .in_live(&[RefusalKind::FeatureNotEnabled]);

/// `POST /v1/payment/verify-account`, as the customer.
pub(crate) async fn verify_account(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<AccountNameView>, ApiError> {
    let query = parse_account_query(&body, state.policy.load().bank_codes());
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

/// The refusals of [`verify_phone`].
pub(crate) const VERIFY_PHONE_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::PhoneUnknown]]).with(Work::Reads);

/// `GET /v1/payment/verify-phone/{phone}`. The phone may have any spelling.
pub(crate) async fn verify_phone(
    state: Data<AppState>,
    caller: Caller,
    phone: Path<String>,
) -> Result<Reply<PhoneView>, ApiError> {
    let merchant = caller.merchant().ok_or(Refusal::PhoneUnknown)?;
    let country = country_of_merchant(&state, &caller).await?;
    let found = state
        .store
        .read(move |snapshot| snapshot.customer_by_phone(merchant, &phone, country))
        .await?;
    let customer = found.ok_or(Refusal::PhoneUnknown)?;
    Ok(Reply::ok("Phone number verified", PhoneView::new(&customer)))
}

/// The refusals of [`deposit_wallet`].
pub(crate) const DEPOSIT_WALLET_REFUSALS: Refusals = Refusals::NONE.in_live(&[RefusalKind::FeatureNotEnabled]);

/// `GET /v1/payment/deposit/wallet`: a simulated address without a known private key.
pub(crate) async fn deposit_wallet(
    state: Data<AppState>,
    caller: Caller,
) -> Result<Reply<DepositWalletView>, ApiError> {
    state.policy.load().check_processor()?;
    let merchant = state.merchant_of(&caller).await?;
    Ok(Reply::ok(
        "Deposit wallet address retrieved successfully",
        DepositWalletView::new(&EvmAddress::of_merchant(merchant)),
    ))
}

/// The refusals of [`virtual_account`].
pub(crate) const VIRTUAL_ACCOUNT_REFUSALS: Refusals =
    Refusals::by(Work::Reads).of_http(&[ApiErrorKind::NoVirtualAccounts]);

/// `POST /v1/payment/virtual-account`: always 410.
pub(crate) async fn virtual_account(_caller: Caller) -> Result<Reply<AccountNameView>, ApiError> {
    Err(ApiError::NoVirtualAccounts)
}

/// Parses the request (contract section 4.3.6).
fn parse_account_query(body: &JsonBody, codes: BankCodes) -> Parsed<AccountQuery> {
    let fields = body.fields()?;
    Ok(AccountQuery {
        account_number: account_number(&fields.field("accountNumber"))?,
        bank_code: bank_code(&fields.field("bankCode"), codes)?,
        bank_name: fields.field("bankName").optional(short_text)?,
    })
}

/// The contract's Bank, and its code in the Central Bank's system.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BankView {
    name: &'static str,
    code: &'static str,
    cbn_code: Option<&'static str>,
}

impl BankView {
    const fn new(bank: &Bank) -> Self {
        Self {
            name: bank.name,
            code: bank.nip_code,
            cbn_code: bank.cbn_code,
        }
    }
}

/// The name on a bank account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountNameView {
    account_name: &'static str,
    account_number: String,
    bank_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bank_name: Option<String>,
}

/// The customer with a phone number.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PhoneView {
    name: String,
    phone: Option<String>,
}

impl PhoneView {
    /// Shows the customer with the phone number in its stored form, which may differ from
    /// the request's.
    pub(crate) fn new(customer: &Customer) -> Self {
        let phone = customer.profile.as_ref().and_then(|profile| profile.phone.as_ref());
        Self {
            name: customer.name(),
            phone: phone.map(ToString::to_string),
        }
    }
}

impl AccountNameView {
    /// Shows the requested account with its name.
    pub(crate) fn new(query: AccountQuery, account_name: &'static str) -> Self {
        Self {
            account_name,
            account_number: query.account_number,
            bank_code: query.bank_code,
            bank_name: query.bank_name,
        }
    }
}
