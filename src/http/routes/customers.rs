//! Routes of a merchant's customers, and of countries (contract sections 4.4 and
//! 4.12). They act for the merchant, and a `customer-id` header has no effect (contract
//! section 8).

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::{self, Policy, customers};
use crate::domain::customers::country::Country;
use crate::domain::customers::customer::{Customer, CustomerKey, Permissions, PermissionsUpdate};
use crate::domain::customers::phone::{self, Phone};
use crate::domain::customers::placeholder;
use crate::domain::customers::profile::{self, Email, Profile, ProfileRequest, ProfileUpdateRequest};
use crate::domain::ids::CustomerId;
use crate::domain::invalid::Parsed;
use crate::domain::page::{LIMIT_DEFAULT, Page, PageRequest};
use crate::domain::party::Actor;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::time::Timestamp;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::{CreatedReply, Reply};
use crate::http::error::ApiError;
use crate::http::fields::{self, Field, Fields};
use crate::http::query::{self, Query};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec};
use crate::http::state::AppState;
use crate::store::Snapshot;
use crate::store::Tx;
use crate::views::{AsText, PageView};

/// A first or a last name.
const NAME: Kind = Kind::TextUpTo(profile::NAME_CHARS_MAX);

/// The request of [`create`].
pub(crate) const PROFILE: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::required("firstname", NAME).example("\"Ada\""),
    FieldSpec::required("lastname", NAME).example("\"Obi\""),
    FieldSpec::required("email", Kind::Email),
    FieldSpec::required("phone", Kind::Text)
        .about("In the national or the international spelling")
        .example("\"08030000001\""),
    FieldSpec::optional("countryId", Kind::Country),
    FieldSpec::optional("bvn", Kind::Text),
]]);
/// The request of [`update`].
pub(crate) const PROFILE_UPDATE: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::optional("firstname", NAME),
    FieldSpec::optional("lastname", NAME),
    FieldSpec::optional("email", Kind::Email).example("\"ada@shop.example\""),
]]);
/// The request of [`update_permissions`].
pub(crate) const PERMISSIONS: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::optional("canWithdraw", Kind::Boolean),
    FieldSpec::optional("canBuy", Kind::Boolean).example("true"),
    FieldSpec::optional("canSell", Kind::Boolean),
]]);
/// The query of [`list`].
pub(crate) const LIST: RequestSpec = RequestSpec::of_query(&[
    &[
        FieldSpec::optional("email", Kind::Text),
        FieldSpec::optional("phone", Kind::Text),
        FieldSpec::optional("limit", Kind::Integer(1, CUSTOMERS_PER_PAGE_MAX as i64)),
    ],
    &query::PAGE_START,
]);

/// The refusals of [`create`].
pub(crate) const CREATE_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::EmailExists, RefusalKind::PhoneExists]]);

/// `POST /v1/customer/create`.
pub(crate) async fn create(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<CreatedReply<CustomerView>, ApiError> {
    let request = parse_profile(&body);
    change(
        &state,
        &caller,
        move |tx, policy, actor| customers::create(tx, policy, actor.merchant, request),
        |view| Reply::created("Customer created successfully", view),
    )
    .await
}

/// The refusals of [`list`].
pub(crate) const LIST_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::NoCustomerWith, RefusalKind::TooManyCustomersAsked]]).with(Work::ReadsLong);

/// `GET /v1/customers`: a page of customers, or the customer with an email address or phone.
pub(crate) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<CustomerView>>, ApiError> {
    let request = parse_customers_query(&query.fields().map_err(Refusal::from)?)?;
    let merchant = caller.merchant();
    let country = country_of_merchant(&state, &caller).await?;
    let page = match (request, merchant) {
        (CustomersRequest::Page(request), Some(merchant)) => {
            state
                .read_page(merchant, query.walk(), request, move |snapshot, request| {
                    snapshot.customers(merchant, request)
                })
                .await?
        }
        (CustomersRequest::Page(request), None) => Page::empty(request),
        (CustomersRequest::One(key), _) => {
            let fields = key.into_str();
            let found = match merchant {
                Some(merchant) => {
                    let find = move |snapshot: &Snapshot<'_>| snapshot.customer_by_key(merchant, &key, country);
                    state.store.read(find).await?
                }
                None => None,
            };
            Page::of_one(found.ok_or(Refusal::NoCustomerWith { fields })?)
        }
    };
    let page = PageView::new(page, |customer| CustomerView::new(customer, country));
    Ok(Reply::ok("Customers fetched successfully", page))
}

/// The refusals of [`get`].
pub(crate) const GET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::NoSuchCustomer]]).with(Work::Reads);

/// `GET /v1/customer/get/{customerId}`.
pub(crate) async fn get(
    state: Data<AppState>,
    caller: Caller,
    customer: Path<String>,
) -> Result<Reply<CustomerView>, ApiError> {
    let customer = in_path(&customer).map_err(Refusal::NoSuchCustomerId)?;
    let found = match caller.merchant() {
        Some(merchant) => {
            let read = state.store.read(move |snapshot| snapshot.customer(merchant, &customer));
            read.await?
        }
        None => None,
    };
    let customer = found.ok_or(Refusal::NoSuchCustomer)?;
    let view = CustomerView::new(customer, country_of_merchant(&state, &caller).await?);
    Ok(Reply::ok("Customer fetched successfully", view))
}

/// The refusals of [`update`].
pub(crate) const UPDATE_REFUSALS: Refusals = Refusals::of(&[&[
    RefusalKind::NothingToUpdate,
    RefusalKind::NoSuchCustomer,
    RefusalKind::EmailTaken,
]]);

/// `PUT /v1/customer/update/{customerId}`.
pub(crate) async fn update(
    state: Data<AppState>,
    caller: Caller,
    customer: Path<String>,
    body: JsonBody,
) -> Result<Reply<CustomerView>, ApiError> {
    let request = parse_profile_update(&body);
    let customer = in_path(&customer);
    change(
        &state,
        &caller,
        move |tx, policy, actor| customers::update(tx, policy, actor.merchant, customer, request),
        |view| Reply::ok("Customer updated successfully", view),
    )
    .await
}

/// The refusals of [`update_permissions`].
pub(crate) const UPDATE_PERMISSIONS_REFUSALS: Refusals =
    Refusals::of(&[&[RefusalKind::NoPermissionNamed, RefusalKind::NoSuchCustomer]]);

/// `PUT /v1/customer/permissions/{customerId}`.
pub(crate) async fn update_permissions(
    state: Data<AppState>,
    caller: Caller,
    customer: Path<String>,
    body: JsonBody,
) -> Result<Reply<CustomerView>, ApiError> {
    let update = parse_permissions(&body);
    let customer = in_path(&customer);
    change(
        &state,
        &caller,
        move |tx, _policy, actor| customers::update_permissions(tx, actor.merchant, customer, update),
        |view| Reply::ok("Customer permissions updated successfully", view),
    )
    .await
}

/// The refusals of [`block`].
pub(crate) const BLOCK_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::NoSuchCustomer]]);

/// `PUT /v1/customer/block/{customerId}`.
pub(crate) async fn block(
    state: Data<AppState>,
    caller: Caller,
    customer: Path<String>,
) -> Result<Reply<CustomerView>, ApiError> {
    let customer = in_path(&customer);
    change(
        &state,
        &caller,
        move |tx, _policy, actor| customers::block(tx, actor.merchant, customer),
        |view| Reply::ok("Customer status updated successfully", view),
    )
    .await
}

/// The refusals of [`unblock`].
pub(crate) const UNBLOCK_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::NoSuchCustomer]]);

/// `PUT /v1/customer/unblock/{customerId}`.
pub(crate) async fn unblock(
    state: Data<AppState>,
    caller: Caller,
    customer: Path<String>,
) -> Result<Reply<CustomerView>, ApiError> {
    let customer = in_path(&customer);
    change(
        &state,
        &caller,
        move |tx, _policy, actor| customers::unblock(tx, actor.merchant, customer),
        |view| Reply::ok("Customer status updated successfully", view),
    )
    .await
}

/// `GET /v1/countries`.
pub(crate) async fn countries(_caller: Caller) -> Result<Reply<Vec<CountryView>>, ApiError> {
    Ok(Reply::ok("Countries fetched successfully", CountryView::all()))
}

/// Parses the id in a path.
fn in_path(id: &str) -> Parsed<CustomerId> {
    fields::customer_id("customerId", id)
}

/// Executes a command that changes one customer, and renders that customer.
async fn change<const STATUS: u16>(
    state: &AppState,
    caller: &Caller,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<Customer, commands::Error> + Send + 'static,
    render: impl FnOnce(CustomerView) -> Reply<CustomerView, STATUS> + Send + 'static,
) -> Result<Reply<CustomerView, STATUS>, ApiError> {
    let command = move |tx: &mut Tx<'_>, policy: &Policy, actor: &Actor| {
        let customer = command(tx, policy, actor)?;
        Ok(CustomerView::new(
            customer,
            policy.settings_in_force(tx, actor.merchant)?.country,
        ))
    };
    state.execute(caller, command, |view, _context| render(view)).await
}

/// Returns the country that the caller's merchant has for customers without one of their own.
pub(super) async fn country_of_merchant(state: &AppState, caller: &Caller) -> Result<Country, ApiError> {
    let own = match caller.merchant() {
        Some(merchant) => {
            let read = state.store.read(move |snapshot| snapshot.merchant_settings(merchant));
            read.await?
        }
        None => None,
    };
    let own = own.map(|merchant| merchant.own).unwrap_or_default();
    Ok(state.policy.load().merchant_settings_default.of(&own).country)
}

/// The most customers on one page.
const CUSTOMERS_PER_PAGE_MAX: u32 = 50;

/// The customers that a merchant asks for.
#[derive(Debug)]
enum CustomersRequest {
    /// A page of all of them.
    Page(PageRequest),
    /// The customer with this email address or phone.
    One(CustomerKey),
}

/// Parses the request (contract section 4.4.1).
fn parse_profile(body: &JsonBody) -> Parsed<ProfileRequest> {
    let fields = body.fields()?;
    let firstname = profile::name("firstname", fields.field("firstname").text()?)?;
    let lastname = profile::name("lastname", fields.field("lastname").text()?)?;
    let email = fields.field("email").email()?;
    let phone = fields.field("phone").text()?;
    phone::check_characters(&phone)?;
    Ok(ProfileRequest {
        firstname,
        lastname,
        email,
        phone,
        country: fields.field("countryId").optional(Field::country)?,
        bvn: fields.field("bvn").optional(Field::text)?,
    })
}

/// Parses the request (contract section 4.4.4).
fn parse_profile_update(body: &JsonBody) -> Parsed<ProfileUpdateRequest> {
    let fields = body.fields()?;
    let name = |field: &str| {
        let text = fields.field(field).optional_text()?;
        text.map(|text| profile::name(field, text)).transpose()
    };
    Ok(ProfileUpdateRequest {
        firstname: name("firstname")?,
        lastname: name("lastname")?,
        email: fields.field("email").optional(Field::email)?,
    })
}

/// Parses the request (contract section 4.4.5).
fn parse_permissions(body: &JsonBody) -> Parsed<PermissionsUpdate> {
    let fields = body.fields()?;
    Ok(PermissionsUpdate {
        can_withdraw: fields.field("canWithdraw").optional(Field::boolean)?,
        can_buy: fields.field("canBuy").optional(Field::boolean)?,
        can_sell: fields.field("canSell").optional(Field::boolean)?,
    })
}

/// Contract section 4.4.2: a search by email address or phone finds one customer, and paging
/// has no effect.
fn parse_customers_query(fields: &Fields<'_>) -> Result<CustomersRequest, Refusal> {
    let email = fields.field("email").optional(Field::text)?;
    let phone = fields.field("phone").optional(Field::text)?;
    let key = match (email, phone) {
        (Some(email), Some(phone)) => Some(CustomerKey::EmailAndPhone(email, phone)),
        (Some(email), None) => Some(CustomerKey::Email(email)),
        (None, Some(phone)) => Some(CustomerKey::Phone(phone)),
        (None, None) => None,
    };
    if let Some(key) = key {
        return Ok(CustomersRequest::One(key));
    }
    let limit = limit(&fields.field("limit"))?;
    Ok(CustomersRequest::Page(query::page_of(fields, limit)?))
}

fn limit(field: &Field<'_>) -> Result<u32, Refusal> {
    let Some(rows) = field.optional(Field::clamped_integer)? else {
        return Ok(LIMIT_DEFAULT);
    };
    match u32::try_from(rows) {
        Ok(rows @ 1..=CUSTOMERS_PER_PAGE_MAX) => Ok(rows),
        _ if rows < 1 => {
            let expected = format!("a whole number from 1 to {CUSTOMERS_PER_PAGE_MAX}");
            Err(field.must_be(expected).into())
        }
        _ => Err(Refusal::TooManyCustomersAsked),
    }
}

/// The contract's Customer. Every field is sent.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerView {
    customer_id: AsText<CustomerId>,
    firstname: String,
    lastname: String,
    email: AsText<Email>,
    phone: AsText<Phone>,
    bvn: Option<String>,
    #[schemars(extend("enum" = ["active", "blocked"]))]
    status: &'static str,
    blocked_reason: Option<String>,
    blocked_at: Option<String>,
    created_at: AsText<Timestamp>,
    dob: Option<()>,
    permissions: PermissionsView,
    #[schemars(extend("pattern" = "^[0-9a-f]{24}$"))]
    country_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PermissionsView {
    can_withdraw: bool,
    can_buy: bool,
    can_sell: bool,
}

/// The contract's Country.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CountryView {
    #[schemars(extend("pattern" = "^[0-9a-f]{24}$"))]
    id: String,
    name: String,
    code: String,
}

impl CustomerView {
    /// Shows a customer. A customer without a country is shown with the merchant's, and one
    /// without a name with the id and a placeholder, and so is one without contact data: clients
    /// search these fields without a look at null.
    fn new(customer: Customer, merchant_country: Country) -> Self {
        let country = customer.country(merchant_country);
        let Permissions {
            can_withdraw,
            can_buy,
            can_sell,
        } = customer.permissions;
        let profile = customer.profile.unwrap_or_else(|| Profile::unknown(country));
        // Contact data that no customer has.
        let attempt = placeholder::ATTEMPTS;
        Self {
            firstname: profile.firstname.unwrap_or_else(|| customer.id.to_string()),
            lastname: profile.lastname.unwrap_or_else(|| placeholder::LASTNAME.to_owned()),
            email: AsText(
                profile
                    .email
                    .unwrap_or_else(|| placeholder::email(&customer.id, attempt)),
            ),
            phone: AsText(
                profile
                    .phone
                    .unwrap_or_else(|| placeholder::phone(&customer.id, attempt, country)),
            ),
            bvn: profile.bvn,
            customer_id: AsText(customer.id),
            status: if customer.block.is_some() { "blocked" } else { "active" },
            blocked_at: customer.block.as_ref().map(|block| block.at.long_text()),
            blocked_reason: customer.block.map(|block| block.reason),
            created_at: AsText(customer.created_at),
            dob: None,
            permissions: PermissionsView {
                can_withdraw,
                can_buy,
                can_sell,
            },
            country_id: country.id(),
        }
    }
}

impl CountryView {
    /// Shows every country of the contract.
    fn all() -> Vec<Self> {
        let view = |country: Country| Self {
            id: country.id(),
            name: country.name().to_owned(),
            code: country.code().to_owned(),
        };
        Country::OF_CONTRACT.map(view).into()
    }
}
