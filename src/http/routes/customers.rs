//! Routes of a merchant's customers, and of countries (contract sections 4.4 and
//! 4.12). The merchant acts; a `customer-id` header has no effect (design section 5).

use actix_web::web::{Data, Path};

use crate::commands::{self, Policy, customers};
use crate::domain::customers::country::Country;
use crate::domain::customers::customer::Customer;
use crate::domain::ids::{CustomerId, MerchantId};
use crate::domain::page::Page;
use crate::domain::refusal::{LookedFor, Refusal};
use crate::http::auth::Viewer;
use crate::http::body::JsonBody;
use crate::http::drafts::customers::{self as drafts, CustomersWanted};
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::query::Query;
use crate::http::state::AppState;
use crate::queries;
use crate::queries::customers::CustomerKey;
use crate::store::Tx;
use crate::views::{CountryView, CustomerView, PageView};

/// `POST /v1/customer/create`.
pub(crate) async fn create(api: Data<AppState>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
    let draft = drafts::new(&body);
    change(
        &api,
        &caller,
        move |tx, policy, merchant| customers::create(tx, policy, merchant, draft),
        |view| Reply::created("Customer created successfully", view),
    )
    .await
}

/// `GET /v1/customers`: a page, or the one with an email address or a phone.
pub(crate) async fn list(
    api: Data<AppState>,
    caller: Viewer,
    query: Query,
) -> Result<Reply<PageView<CustomerView>>, ApiError> {
    let wanted = drafts::wanted(&query.fields().map_err(Refusal::from)?)?;
    let merchant = caller.key_holder.known();
    let page = match (wanted, merchant) {
        (CustomersWanted::Page(request), Some(merchant)) => queries::customers::page(&api.store, merchant, request)?,
        (CustomersWanted::Page(request), None) => Page::empty(request),
        (CustomersWanted::One(key), _) => {
            let found = match merchant {
                Some(merchant) => queries::customers::by_key(&api.store, merchant, &key)?,
                None => None,
            };
            Page::of_one(found.ok_or_else(|| Refusal::NoCustomerWith(what(&key)))?)
        }
    };
    let country = country(&api, &caller);
    let page = PageView::new(page, |customer| CustomerView::new(customer, country));
    Ok(Reply::ok("Customers fetched successfully", page))
}

/// `GET /v1/customer/get/{customerId}`.
pub(crate) async fn get(
    api: Data<AppState>,
    caller: Viewer,
    customer: Path<String>,
) -> Result<Reply<CustomerView>, ApiError> {
    let found = match (caller.key_holder.known(), CustomerId::parse(&customer)) {
        (Some(merchant), Some(customer)) => queries::customers::by_id(&api.store, merchant, &customer)?,
        _ => None,
    };
    let customer = found.ok_or(Refusal::NoSuchCustomer)?;
    let view = CustomerView::new(customer, country(&api, &caller));
    Ok(Reply::ok("Customer fetched successfully", view))
}

/// `PUT /v1/customer/update/{customerId}`.
pub(crate) async fn update(
    api: Data<AppState>,
    caller: Viewer,
    customer: Path<String>,
    body: JsonBody,
) -> Result<Answer, ApiError> {
    let draft = drafts::update(&body);
    let customer = CustomerId::parse(&customer);
    change(
        &api,
        &caller,
        move |tx, policy, merchant| customers::update(tx, policy, merchant, customer, draft),
        |view| Reply::ok("Customer updated successfully", view),
    )
    .await
}

/// `PUT /v1/customer/permissions/{customerId}`.
pub(crate) async fn update_permissions(
    api: Data<AppState>,
    caller: Viewer,
    customer: Path<String>,
    body: JsonBody,
) -> Result<Answer, ApiError> {
    let update = drafts::permissions(&body);
    let customer = CustomerId::parse(&customer);
    change(
        &api,
        &caller,
        move |tx, _policy, merchant| customers::update_permissions(tx, merchant, customer, update),
        |view| Reply::ok("Customer permissions updated successfully", view),
    )
    .await
}

/// `PUT /v1/customer/block/{customerId}`.
pub(crate) async fn block(api: Data<AppState>, caller: Viewer, customer: Path<String>) -> Result<Answer, ApiError> {
    let customer = CustomerId::parse(&customer);
    change(
        &api,
        &caller,
        move |tx, _policy, merchant| customers::block(tx, merchant, customer),
        |view| Reply::ok("Customer status updated successfully", view),
    )
    .await
}

/// `PUT /v1/customer/unblock/{customerId}`.
pub(crate) async fn unblock(api: Data<AppState>, caller: Viewer, customer: Path<String>) -> Result<Answer, ApiError> {
    let customer = CustomerId::parse(&customer);
    change(
        &api,
        &caller,
        move |tx, _policy, merchant| customers::unblock(tx, merchant, customer),
        |view| Reply::ok("Customer status updated successfully", view),
    )
    .await
}

/// `GET /v1/countries`.
pub(crate) async fn countries(_caller: Viewer) -> Result<Reply<Vec<CountryView>>, ApiError> {
    Ok(Reply::ok("Countries fetched successfully", CountryView::all()))
}

/// Runs a command of the merchant's that leaves a customer as the view shows.
async fn change(
    api: &AppState,
    caller: &Viewer,
    command: impl FnOnce(&mut Tx<'_>, &Policy, MerchantId) -> Result<Customer, commands::Error> + Send + 'static,
    render: impl FnOnce(CustomerView) -> Reply<CustomerView> + Send + 'static,
) -> Result<Answer, ApiError> {
    let command = move |tx: &mut Tx<'_>, policy: &Policy, merchant| {
        let customer = command(tx, policy, merchant)?;
        Ok(CustomerView::new(customer, policy.merchant(merchant).country))
    };
    api.act_as_merchant(&caller.key_holder, command, |view, _viewing| render(view))
        .await
}

/// Where the caller's customers are unless somebody says otherwise.
fn country(api: &AppState, caller: &Viewer) -> Country {
    let settings = match caller.key_holder.known() {
        Some(merchant) => api.policy.merchant(merchant),
        None => &api.policy.merchant_default,
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
