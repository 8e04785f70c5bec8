//! Routes of the merchants of a deployment and their settings.

use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::Policy;
use crate::commands::merchants::{self, MerchantRequest};
use crate::commands::operators::OperatorActor;
use crate::domain::address_range::AddressRange;
use crate::domain::customers::country::Country;
use crate::domain::fees::Rates;
use crate::domain::ids::MerchantId;
use crate::domain::invalid::Parsed;
use crate::domain::merchant::key::{MerchantKey, NewKey};
use crate::domain::merchant::publishable_key::PublishableKey;
use crate::domain::merchant::settings::{ALLOWED_ADDRESSES_MAX, Change, Merchant, SettingsChange, parse_name};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::time::Timestamp;
use crate::domain::transaction::DepositAccount;
use crate::entropy;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields};
use crate::http::query::{self, Query};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, ListMax, RequestSpec};
use crate::http::routes::operator::acting::{change_access, check_is_live};
use crate::http::routes::operator::keys::NewKeyView;
use crate::http::routes::shared_fields::text_up_to;
use crate::http::state::AppState;
use crate::store::Tx;
use crate::views::{AsText, PageView};

const SETTINGS: [FieldSpec; 5] = [
    FieldSpec::optional("isBusiness", Kind::Boolean),
    FieldSpec::optional("country", Kind::Country),
    FieldSpec::optional("commissionBps", Kind::Integer(0, Rates::TOGETHER_MAX_BPS as i64)).about("Basis points"),
    FieldSpec::optional("depositAccount", Kind::closed(&[&DEPOSIT_ACCOUNT])),
    FieldSpec::optional(
        "allowedAddresses",
        Kind::ListOfAtLeast(1, &Kind::Text, ListMax::Is(ALLOWED_ADDRESSES_MAX)),
    )
    .about("Addresses and ranges in CIDR notation. Null allows all; an empty list is refused"),
];
const DEPOSIT_ACCOUNT: [FieldSpec; 4] = [
    FieldSpec::required("bankName", Kind::TextUpTo(BANK_CHARS_MAX)),
    FieldSpec::optional("bankCode", Kind::TextUpTo(BANK_CHARS_MAX)),
    FieldSpec::required("accountNumber", Kind::TextUpTo(BANK_CHARS_MAX)),
    FieldSpec::required("accountName", Kind::TextUpTo(BANK_CHARS_MAX)),
];

/// The request of [`create`].
pub(super) const MERCHANT: RequestSpec = RequestSpec::of_body(&[
    &[FieldSpec::required("name", Kind::Pattern("^[A-Za-z][A-Za-z0-9._-]{0,63}$")).example("\"shop\"")],
    &SETTINGS,
]);
/// The request of [`change`].
pub(super) const CHANGE: RequestSpec = RequestSpec::of_body(&[&SETTINGS]);

/// The most characters in each text of a bank account.
const BANK_CHARS_MAX: usize = 100;

/// `GET /operator/merchants`: a page of the merchants that the operator may act for, oldest
/// first.
pub(super) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<MerchantView>>, ApiError> {
    check_is_live(&state)?;
    let page = query::page(&query.fields()?)?;
    let operator = caller.agent().operator;
    let read = state.store.read(move |snapshot| {
        let operator = operator.map(|id| snapshot.operator(id)).transpose()?;
        let only = operator
            .flatten()
            .map(|operator| operator.merchants)
            .unwrap_or_default();
        snapshot.merchants(&only, page)
    });
    Ok(Reply::ok(
        "Merchants fetched successfully",
        PageView::new(read.await?, MerchantView::new),
    ))
}

/// The refusals of [`create`].
pub(super) const CREATE_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::OperatorLimited, RefusalKind::MerchantNameTaken]])
        .only_live()
        .with(Work::Writes);

/// `POST /operator/merchants`: creates a merchant with a key for every route. The reply is the
/// only place that ever shows the key, so it is not kept for an idempotency key.
pub(super) async fn create(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<NewMerchantView>, ApiError> {
    check_is_live(&state)?;
    let request = parse_merchant(&body);
    let (agent, key) = (caller.agent(), entropy::live_key());
    let new = NewKey::of(&key);
    let create =
        move |tx: &mut Tx<'_>, policy: &Policy, _: &Caller| merchants::create(tx, policy, &agent, request, new);
    let (merchant, stored) = state.write_for(&caller, create).await?;
    let view = NewMerchantView::new(merchant, stored, key);
    Ok(Reply::created("Merchant created successfully", view))
}

/// `GET /operator/merchant`.
pub(super) async fn get(state: Data<AppState>, caller: Caller) -> Result<Reply<MerchantView>, ApiError> {
    check_is_live(&state)?;
    let merchant = state.merchant_of(&caller).await?;
    let found = state
        .store
        .read(move |snapshot| snapshot.merchant_settings(merchant))
        .await?;
    let merchant = found.ok_or(Refusal::MerchantNotFound)?;
    Ok(Reply::ok("Merchant fetched successfully", MerchantView::new(merchant)))
}

/// `PUT /operator/merchant`: changes the settings that the body names. Null stands for the
/// deployment's.
pub(super) async fn change(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<MerchantView>, ApiError> {
    let change = body.fields().and_then(|fields| parse_settings(&fields));
    let command =
        move |tx: &mut Tx<'_>, policy: &Policy, actor: &OperatorActor| merchants::change(tx, policy, actor, change);
    let merchant = change_access(&state, &caller, command).await?;
    Ok(Reply::ok("Merchant updated successfully", MerchantView::new(merchant)))
}

fn parse_merchant(body: &JsonBody) -> Parsed<MerchantRequest> {
    let fields = body.fields()?;
    Ok(MerchantRequest {
        name: parse_name(fields.field("name").text()?)?,
        settings: parse_settings(&fields)?,
    })
}

fn parse_settings(fields: &Fields<'_>) -> Parsed<SettingsChange> {
    fields.check_not_empty(
        "allowedAddresses",
        "a list with at least one address or range, or null for all addresses",
    )?;
    Ok(SettingsChange {
        is_business: change_of(fields, "isBusiness", Field::boolean)?,
        country: change_of(fields, "country", country)?,
        commission_bps: change_of(fields, "commissionBps", commission)?,
        deposit_account: change_of(fields, "depositAccount", deposit_account)?,
        allowed_addresses: change_of(fields, "allowedAddresses", address_ranges)?,
    })
}

fn change_of<'a, T>(fields: &Fields<'a>, name: &str, read: impl FnOnce(&Field<'a>) -> Parsed<T>) -> Parsed<Change<T>> {
    fields.check_not_empty(name, "sent with a value, or as null for that of the configuration")?;
    if fields.has(name) {
        Ok(Change::Set(fields.field(name).optional(read)?))
    } else {
        Ok(Change::Keep)
    }
}

fn country(field: &Field<'_>) -> Parsed<Country> {
    field.country()
}

fn commission(field: &Field<'_>) -> Parsed<u16> {
    let expected = format!("a whole number of basis points from 0 to {}", Rates::TOGETHER_MAX_BPS);
    let bps = u16::try_from(field.integer()?).ok();
    bps.filter(|&bps| bps <= Rates::TOGETHER_MAX_BPS)
        .ok_or_else(|| field.must_be(expected))
}

fn deposit_account(field: &Field<'_>) -> Parsed<DepositAccount> {
    let fields = field.object()?;
    fields.check_known(&[&DEPOSIT_ACCOUNT])?;
    let line = |name| text_up_to(&fields.field(name), BANK_CHARS_MAX);
    Ok(DepositAccount {
        bank_name: line("bankName")?,
        bank_code: fields
            .field("bankCode")
            .optional(|code| text_up_to(code, BANK_CHARS_MAX))?,
        account_number: line("accountNumber")?,
        account_name: line("accountName")?,
    })
}

fn address_ranges(field: &Field<'_>) -> Parsed<Vec<AddressRange>> {
    let elements = field.list()?;
    if elements.len() > ALLOWED_ADDRESSES_MAX {
        return Err(field.must_be(format!(
            "a list of at most {ALLOWED_ADDRESSES_MAX} addresses and ranges"
        )));
    }
    let range = |element: &Field<'_>| {
        AddressRange::parse(&element.text()?).map_err(|problem| element.must_be(problem.to_string()))
    };
    elements.iter().map(range).collect()
}

/// A merchant and its own settings. Null stands for the deployment's.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MerchantView {
    id: i64,
    name: Option<String>,
    is_business: Option<bool>,
    country: Option<String>,
    /// Its part of the fee, in basis points.
    commission_bps: Option<u16>,
    deposit_account: Option<DepositAccountView>,
    /// The addresses and ranges that may use its keys. Null for all.
    allowed_addresses: Option<Vec<AsText<AddressRange>>>,
    /// The key that names it in its web pages.
    publishable_key: Option<AsText<PublishableKey>>,
    created_at: AsText<Timestamp>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "MerchantDepositAccount")]
struct DepositAccountView {
    bank_name: String,
    bank_code: Option<String>,
    account_number: String,
    account_name: String,
}

/// A new merchant with its first key, which is shown once.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NewMerchantView {
    #[serde(flatten)]
    merchant: MerchantView,
    key: NewKeyView,
}

impl NewMerchantView {
    fn new(merchant: Merchant, stored: MerchantKey, key: String) -> Self {
        Self {
            merchant: MerchantView::new(merchant),
            key: NewKeyView::new(stored, key),
        }
    }
}

impl MerchantView {
    fn new(merchant: Merchant) -> Self {
        let MerchantId(id) = merchant.id;
        let addresses: Vec<_> = merchant.allowed_addresses.into_iter().map(AsText).collect();
        let addresses = Some(addresses).filter(|addresses| !addresses.is_empty());
        Self {
            id,
            name: merchant.name,
            is_business: merchant.own.is_business,
            country: merchant.own.country.map(|country| country.code().to_owned()),
            commission_bps: merchant.own.commission_bps,
            deposit_account: merchant.deposit_account.map(|account| DepositAccountView {
                bank_name: account.bank_name,
                bank_code: account.bank_code,
                account_number: account.account_number,
                account_name: account.account_name,
            }),
            allowed_addresses: addresses,
            publishable_key: merchant.publishable_key.map(AsText),
            created_at: AsText(merchant.created_at),
        }
    }
}
