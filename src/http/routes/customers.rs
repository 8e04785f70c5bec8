//! Routes of a merchant's customers, and of countries (contract sections 4.4 and
//! 4.12). The merchant acts; a `customer-id` header has no effect (design section 5).

use actix_web::web::{Data, Path};

use crate::commands::{self, Policy, customers};
use crate::domain::customers::country::Country;
use crate::domain::customers::customer::Customer;
use crate::domain::customers::customer::CustomerKey;
use crate::domain::ids::CustomerId;
use crate::domain::page::Page;
use crate::domain::party::Actor;
use crate::domain::refusal::{LookedFor, Refusal};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts::customers::{self as drafts, CustomersWanted};
use crate::http::envelope::{ApiError, Reply};
use crate::http::query::Query;
use crate::http::state::AppState;
use crate::store::Tx;
use crate::views::{CountryView, CustomerView, PageView};

/// `POST /v1/customer/create`.
pub(crate) async fn create(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let draft = drafts::new(&body);
    change(
        &state,
        &caller,
        move |tx, policy, actor| customers::create(tx, policy, actor.merchant, draft),
        |view| Reply::created("Customer created successfully", view),
    )
    .await
}

/// `GET /v1/customers`: a page, or the one with an email address or a phone.
pub(crate) async fn list(state: Data<AppState>, caller: Caller, query: Query) -> Result<Reply, ApiError> {
    let wanted = drafts::wanted(&query.fields().map_err(Refusal::from)?)?;
    let merchant = caller.merchant();
    let page = match (wanted, merchant) {
        (CustomersWanted::Page(request), Some(merchant)) => {
            state.store.read(|snapshot| snapshot.customers(merchant, request))?
        }
        (CustomersWanted::Page(request), None) => Page::empty(request),
        (CustomersWanted::One(key), _) => {
            let found = match merchant {
                Some(merchant) => state.store.read(|snapshot| snapshot.customer_by_key(merchant, &key))?,
                None => None,
            };
            Page::of_one(found.ok_or_else(|| Refusal::NoCustomerWith(what(&key)))?)
        }
    };
    let country = country(&state, &caller);
    let page = PageView::new(page, |customer| CustomerView::new(customer, country));
    Ok(Reply::ok("Customers fetched successfully", page))
}

/// `GET /v1/customer/get/{customerId}`.
pub(crate) async fn get(state: Data<AppState>, caller: Caller, customer: Path<String>) -> Result<Reply, ApiError> {
    let found = match (caller.merchant(), CustomerId::parse(&customer)) {
        (Some(merchant), Some(customer)) => state.store.read(|snapshot| snapshot.customer(merchant, &customer))?,
        _ => None,
    };
    let customer = found.ok_or(Refusal::NoSuchCustomer)?;
    let view = CustomerView::new(customer, country(&state, &caller));
    Ok(Reply::ok("Customer fetched successfully", view))
}

/// `PUT /v1/customer/update/{customerId}`.
pub(crate) async fn update(
    state: Data<AppState>,
    caller: Caller,
    customer: Path<String>,
    body: JsonBody,
) -> Result<Reply, ApiError> {
    let draft = drafts::update(&body);
    let customer = CustomerId::parse(&customer);
    change(
        &state,
        &caller,
        move |tx, policy, actor| customers::update(tx, policy, actor.merchant, customer, draft),
        |view| Reply::ok("Customer updated successfully", view),
    )
    .await
}

/// `PUT /v1/customer/permissions/{customerId}`.
pub(crate) async fn update_permissions(
    state: Data<AppState>,
    caller: Caller,
    customer: Path<String>,
    body: JsonBody,
) -> Result<Reply, ApiError> {
    let update = drafts::permissions(&body);
    let customer = CustomerId::parse(&customer);
    change(
        &state,
        &caller,
        move |tx, _policy, actor| customers::update_permissions(tx, actor.merchant, customer, update),
        |view| Reply::ok("Customer permissions updated successfully", view),
    )
    .await
}

/// `PUT /v1/customer/block/{customerId}`.
pub(crate) async fn block(state: Data<AppState>, caller: Caller, customer: Path<String>) -> Result<Reply, ApiError> {
    let customer = CustomerId::parse(&customer);
    change(
        &state,
        &caller,
        move |tx, _policy, actor| customers::block(tx, actor.merchant, customer),
        |view| Reply::ok("Customer status updated successfully", view),
    )
    .await
}

/// `PUT /v1/customer/unblock/{customerId}`.
pub(crate) async fn unblock(state: Data<AppState>, caller: Caller, customer: Path<String>) -> Result<Reply, ApiError> {
    let customer = CustomerId::parse(&customer);
    change(
        &state,
        &caller,
        move |tx, _policy, actor| customers::unblock(tx, actor.merchant, customer),
        |view| Reply::ok("Customer status updated successfully", view),
    )
    .await
}

/// `GET /v1/countries`.
pub(crate) async fn countries(_caller: Caller) -> Result<Reply, ApiError> {
    Ok(Reply::ok("Countries fetched successfully", CountryView::all()))
}

/// Runs a command of the merchant's that leaves a customer as the view shows.
async fn change(
    state: &AppState,
    caller: &Caller,
    command: impl FnOnce(&mut Tx<'_>, &Policy, &Actor) -> Result<Customer, commands::Error> + Send + 'static,
    render: impl FnOnce(CustomerView) -> Reply + Send + 'static,
) -> Result<Reply, ApiError> {
    let command = move |tx: &mut Tx<'_>, policy: &Policy, actor: &Actor| {
        let customer = command(tx, policy, actor)?;
        Ok(CustomerView::new(customer, policy.merchant(actor.merchant).country))
    };
    state.execute(caller, command, |view, _context| render(view)).await
}

/// Where the caller's customers are unless somebody says otherwise.
fn country(state: &AppState, caller: &Caller) -> Country {
    let settings = match caller.merchant() {
        Some(merchant) => state.policy.merchant(merchant),
        None => &state.policy.merchant_default,
    };
    settings.country
}

const fn what(key: &CustomerKey) -> LookedFor {
    match key {
        CustomerKey::Email(_) => LookedFor::Email,
        CustomerKey::Phone(_) => LookedFor::Phone,
        CustomerKey::EmailAndPhone(..) => LookedFor::EmailAndPhone,
    }
}
