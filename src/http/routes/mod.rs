//! The route table: every route of the service, one line each.

mod balances;
mod banks;
mod cards;
mod categories;
pub(crate) mod checkout;
mod clocks;
mod customers;
mod disputes;
mod event_stream;
mod events;
mod faults;
mod files;
mod histories;
mod intents;
pub(crate) mod milestone_escrows;
mod notices;
mod operator;
mod payments;
mod publishable_key;
mod registry;
mod requests;
mod resets;
pub(super) mod seeds;
mod shared_fields;
mod standard_escrows;
mod vaults;
mod webhook_endpoint;
mod whitelist;

use std::sync::{Arc, LazyLock};

use actix_web::dev::Url;
use actix_web::http::{Method, Uri};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use crate::commands::Policy;
use crate::domain::mode::{Mode, Variant};
use crate::http::answer::{Raw, RawKind};
use crate::http::api_document::Built;
use crate::http::envelope::{NoData, Reply};
use crate::http::error::ApiError;
use crate::http::media_type::JSON;
use crate::http::openapi::{self, DescribedRoute};
use crate::http::query;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{RequestSpec, Rules};
use crate::http::route::{Access, ActsAs, RouteFacts};
use crate::http::routes::registry::{ADDED, CHECKOUT, DELETE, GET, NOTICE, OPEN, POST, PUT, Routes};
use crate::http::state::{AppState, Limits};
use crate::store;

/// Registers every route of this variant. A strict server has no routes under `/v1` but those of
/// the contract.
pub(crate) fn configure(config: &mut ServiceConfig, variant: Variant) {
    table(variant).serve(config);
    config.default_service(web::to(unknown_route));
}

/// Returns the method and the path of every route of this variant, in the order of the table.
pub fn routes(variant: Variant) -> Vec<(String, &'static str)> {
    let operations = table(variant).operations();
    operations
        .map(|(path, operation)| (operation.method.to_string(), path))
        .collect()
}

/// Returns the facts of the route of live mode that this method and path, without its query,
/// lead to.
pub(super) fn facts_of_live(method: &Method, path: &str) -> Option<RouteFacts> {
    static ROUTES: LazyLock<Vec<FactsOfPath>> = LazyLock::new(|| facts_of_all(Mode::Live));
    find_facts(&ROUTES, method, path)
}

/// Returns the media type of the route's success if it is no envelope, such as that of a file or a
/// stream. `uri` is the path of a request with its query.
pub(crate) fn media_type_of(method: &Method, uri: &Uri) -> Option<&'static str> {
    static ROUTES: LazyLock<Vec<FactsOfPath>> = LazyLock::new(|| facts_of_all(Mode::Sandbox));
    let method = if *method == Method::HEAD { &GET } else { method };
    // The server finds the route by the path without its escapes too.
    find_facts(&ROUTES, method, Url::new(uri.clone()).path())?.media_type
}

/// The facts of a method of a path.
type FactsOfPath = (Method, &'static str, RouteFacts);

/// Returns the facts of every route of this mode, in the order of the table.
fn facts_of_all(mode: Mode) -> Vec<FactsOfPath> {
    let operations = table(Variant::lenient(mode)).operations();
    operations
        .map(|(path, operation)| (operation.method, path, operation.facts))
        .collect()
}

/// Returns the facts of the first route that this method and path, without its query, lead to.
fn find_facts(routes: &[FactsOfPath], method: &Method, path: &str) -> Option<RouteFacts> {
    let is_match = |pattern: &str| {
        let mut segments = pattern.split('/').zip(path.split('/'));
        let is_same =
            |(wanted, segment): (&str, &str)| wanted == segment || (wanted.starts_with('{') && !segment.is_empty());
        pattern.split('/').count() == path.split('/').count() && segments.all(is_same)
    };
    let mut routes = routes.iter();
    let found = routes.find(|(known, pattern, _)| known == method && is_match(pattern))?;
    Some(found.2)
}

/// Returns the OpenAPI document of a server with this policy and these limits.
pub fn openapi_document(policy: &Policy, limits: &Limits) -> Value {
    let rules = &Rules {
        variant: policy.variant(),
        terms: &policy.terms_limits,
        currency: &policy.currency,
        participants_max: policy.participants_max,
        escrows_per_payment_max: limits.escrows_per_payment_max,
        files_per_request_max: limits.files_per_request_max,
    };
    let operations = table(rules.variant).operations();
    let routes = operations.map(|(path, operation)| DescribedRoute {
        method: operation.method.to_string(),
        path,
        facts: operation.facts,
        success: operation.success,
    });
    openapi::document(rules, &routes.collect::<Vec<_>>())
}

/// Returns the OpenAPI document of this server.
pub(crate) fn api_document(state: &AppState) -> Arc<Built> {
    let policy = state.policy.load_full();
    state
        .api_document
        .of(&policy, |policy| openapi_document(policy, &state.limits))
}

/// Returns the route table. It has the routes under `/sandbox` in sandbox mode only, and the
/// routes that escrowd adds under `/v1` unless the server is strict.
///
/// The server tries the routes in this order. The most frequent routes come first, and a
/// literal path comes before a path with a placeholder.
#[rustfmt::skip] // Keeps each route on one line.
fn table(variant: Variant) -> Routes {
    use Access::{Business, SuperAdmin};
    use ActsAs::{Customer, Key, Merchant, MerchantAccount, Party, Viewer};

    let mut table = Routes::default();
    table.contract(GET, "/v1/escrow/verify/{paymentToken}", Viewer, Business, standard_escrows::verify).refusing(standard_escrows::VERIFY_REFUSALS);
    table.contract(POST, "/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}", Customer, Business, milestone_escrows::confirm).refusing(milestone_escrows::CONFIRM_REFUSALS);

    table.add(GET, "/healthz", OPEN, health).refusing(Refusals::by(Work::Writes));
    table.add(GET, "/livez", OPEN, live);
    table.add(GET, "/readyz", OPEN, ready).refusing(Refusals::by(Work::Writes));
    table.add(GET, openapi::PATH, OPEN, describe);
    table.add(GET, "/files/{name}", OPEN, files::serve).refusing(files::SERVE_REFUSALS);
    table.add(POST, "/notices/{provider}/{merchant}", NOTICE, notices::take).reading(RequestSpec::FOREIGN).refusing(notices::TAKE_REFUSALS);

    table.contract(POST, "/v1/escrow/milestone/create", Customer, Business, milestone_escrows::create).reading(milestone_escrows::OFFER).refusing(milestone_escrows::CREATE_REFUSALS);
    table.contract(PUT, "/v1/escrow/milestone/edit/{paymentToken}", Customer, Business, milestone_escrows::edit).reading(milestone_escrows::OFFER).refusing(milestone_escrows::EDIT_REFUSALS);
    table.contract(PUT, "/v1/escrow/milestone/convert/{paymentToken}", Customer, Business, milestone_escrows::convert).reading(milestone_escrows::CONVERSION).refusing(milestone_escrows::CONVERT_REFUSALS);
    table.contract(GET, "/v1/escrow/milestone/{paymentToken}", Viewer, Business, milestone_escrows::list).refusing(milestone_escrows::LIST_REFUSALS);

    table.contract(POST, "/v1/escrow/create", Party, Business, standard_escrows::create).reading(standard_escrows::OFFER).refusing(standard_escrows::CREATE_REFUSALS);
    table.contract(PUT, "/v1/escrow/edit/{paymentToken}", Party, Business, standard_escrows::edit).reading(standard_escrows::OFFER).refusing(standard_escrows::EDIT_REFUSALS);
    table.contract(PUT, "/v1/escrow/additional-fee/{paymentToken}", Merchant, SuperAdmin, standard_escrows::set_additional_fee).reading(standard_escrows::ADDITIONAL_FEE).refusing(standard_escrows::SET_ADDITIONAL_FEE_REFUSALS);
    table.contract(DELETE, "/v1/escrow/delete/{paymentToken}", Party, Business, standard_escrows::delete).refusing(standard_escrows::DELETE_REFUSALS);
    table.contract_writing_get("/v1/escrow/claim-funds/{paymentToken}", Party, Business, standard_escrows::claim).refusing(standard_escrows::CLAIM_REFUSALS);
    if !variant.is_strict {
        table.add(POST, "/v1/escrow/refund/{paymentToken}", ADDED, standard_escrows::refund).refusing(standard_escrows::REFUND_REFUSALS);
    }
    table.contract(GET, "/v1/escrow/transactions", Party, Business, standard_escrows::list).reading(standard_escrows::LIST).refusing(standard_escrows::LIST_REFUSALS);
    table.contract(POST, "/v1/escrow/confirm-payment/{escrowId}", Customer, SuperAdmin, standard_escrows::confirm_payment).refusing(standard_escrows::CONFIRM_PAYMENT_REFUSALS);

    table.contract(POST, "/v1/escrow/submit-dispute/{paymentToken}", Customer, SuperAdmin, disputes::submit).reading(disputes::STATEMENT).refusing(disputes::SUBMIT_REFUSALS);
    table.contract(GET, "/v1/escrow/dispute/get", Customer, SuperAdmin, disputes::list_own).reading(disputes::OWN_DISPUTES);
    table.contract(GET, "/v1/escrow/dispute/get/{escrowId}", Customer, SuperAdmin, disputes::get).refusing(disputes::GET_REFUSALS);
    table.contract(GET, "/v1/escrow/all-dispute", Merchant, SuperAdmin, disputes::list_all).reading(disputes::ALL_DISPUTES).refusing(Refusals::by(Work::ReadsLong));
    table.contract(GET, "/v1/escrow/feeds", Merchant, SuperAdmin, disputes::feed).reading(disputes::FEED).refusing(Refusals::by(Work::ReadsLong));
    table.contract(POST, "/v1/escrow/dispute/resolve/{escrowId}", Merchant, SuperAdmin, disputes::resolve).reading(disputes::RULING).refusing(disputes::RESOLVE_REFUSALS);

    table.contract(POST, "/v1/payment/escrow", Customer, SuperAdmin, payments::pay).reading(payments::PAYMENT).refusing(payments::PAY_REFUSALS);
    table.contract(POST, "/v1/payment/topup", Customer, SuperAdmin, payments::top_up).reading(payments::TOP_UP).refusing(payments::TOP_UP_REFUSALS);
    table.contract(GET, "/v1/wallet", Customer, SuperAdmin, payments::wallet);
    table.add(POST, checkout::PATH, CHECKOUT, checkout::create).reading(checkout::SESSION).refusing(checkout::CREATE_REFUSALS);

    table.contract(POST, "/v1/customer/create", Key, SuperAdmin, customers::create).reading(customers::PROFILE).refusing(customers::CREATE_REFUSALS);
    table.contract(GET, "/v1/customers", Key, SuperAdmin, customers::list).reading(customers::LIST).refusing(customers::LIST_REFUSALS);
    table.contract(GET, "/v1/customer/get/{customerId}", Key, SuperAdmin, customers::get).refusing(customers::GET_REFUSALS);
    table.contract(PUT, "/v1/customer/update/{customerId}", Key, SuperAdmin, customers::update).reading(customers::PROFILE_UPDATE).refusing(customers::UPDATE_REFUSALS);
    table.contract(PUT, "/v1/customer/permissions/{customerId}", Key, SuperAdmin, customers::update_permissions).reading(customers::PERMISSIONS).refusing(customers::UPDATE_PERMISSIONS_REFUSALS);
    table.contract(PUT, "/v1/customer/block/{customerId}", Key, SuperAdmin, customers::block).refusing(customers::BLOCK_REFUSALS);
    table.contract(PUT, "/v1/customer/unblock/{customerId}", Key, SuperAdmin, customers::unblock).refusing(customers::UNBLOCK_REFUSALS);
    table.contract(GET, "/v1/countries", Key, SuperAdmin, customers::countries).refusing(Refusals::by(Work::Reads));

    table.contract(POST, "/v1/payment/create-intent", Customer, SuperAdmin, intents::create).reading(intents::INTENT).refusing(intents::CREATE_REFUSALS);
    table.contract(POST, "/v1/payment/verify", Customer, SuperAdmin, intents::verify).reading(intents::VERIFICATION).refusing(intents::VERIFY_REFUSALS);
    table.contract(GET, "/v1/payment/history", Customer, SuperAdmin, histories::of_customer).reading(histories::OF_CUSTOMER).refusing(histories::OF_CUSTOMER_REFUSALS);
    table.contract(GET, "/v1/payment/bank-list", Key, SuperAdmin, banks::list).refusing(banks::LIST_REFUSALS);
    table.contract(POST, "/v1/payment/verify-account", Customer, SuperAdmin, banks::verify_account).reading(banks::ACCOUNT).refusing(banks::VERIFY_ACCOUNT_REFUSALS);
    table.contract(GET, "/v1/payment/verify-phone/{phone}", Key, SuperAdmin, banks::verify_phone).refusing(banks::VERIFY_PHONE_REFUSALS);
    table.contract(GET, "/v1/payment/deposit/wallet", Key, SuperAdmin, banks::deposit_wallet).refusing(banks::DEPOSIT_WALLET_REFUSALS);
    table.contract(POST, "/v1/payment/virtual-account", Customer, SuperAdmin, banks::virtual_account).refusing(banks::VIRTUAL_ACCOUNT_REFUSALS);

    table.contract(GET, "/v1/merchant/balance", MerchantAccount, SuperAdmin, histories::merchant_balance);
    table.contract(GET, "/v1/merchant/transactions", MerchantAccount, SuperAdmin, histories::of_merchant).reading(histories::OF_MERCHANT).refusing(histories::OF_MERCHANT_REFUSALS);

    table.contract(GET, "/v1/cards", Customer, SuperAdmin, cards::list).refusing(cards::LIST_REFUSALS);
    table.contract(DELETE, "/v1/card/{cardId}", Customer, SuperAdmin, cards::remove).refusing(cards::REMOVE_REFUSALS);

    table.contract(GET, "/v1/whitelist-address", Customer, SuperAdmin, whitelist::list).refusing(whitelist::LIST_REFUSALS);
    table.contract(POST, "/v1/whitelist-address", Customer, SuperAdmin, whitelist::add).reading(whitelist::ADDRESS).refusing(whitelist::ADD_REFUSALS);
    table.contract(DELETE, "/v1/whitelist-address/{addressId}", Customer, SuperAdmin, whitelist::remove).refusing(whitelist::REMOVE_REFUSALS);

    table.contract(POST, "/v1/escrow/vault/create", Merchant, SuperAdmin, vaults::create).reading(vaults::VAULT).refusing(vaults::CREATE_REFUSALS);
    table.contract(POST, "/v1/escrow/vault/winner/{paymentToken}", Merchant, SuperAdmin, vaults::declare_winner).reading(vaults::WINNER).refusing(vaults::DECLARE_WINNER_REFUSALS);
    table.contract(POST, "/v1/escrow/vault/cancel/{paymentToken}", Merchant, SuperAdmin, vaults::cancel).refusing(vaults::CANCEL_REFUSALS);
    table.contract(GET, "/v1/escrow/vault/{paymentToken}", Merchant, SuperAdmin, vaults::get).refusing(vaults::GET_REFUSALS);

    table.contract(POST, "/v1/escrow/category/create", Party, Business, categories::create).reading(categories::CATEGORY).refusing(categories::CREATE_REFUSALS);
    table.contract(PUT, "/v1/escrow/category/edit/{categoryId}", Party, Business, categories::edit).reading(categories::CATEGORY_EDIT).refusing(categories::EDIT_REFUSALS);
    table.contract(GET, "/v1/escrow/category/get", Party, Business, categories::list).reading(query::PAGE_ALONE);
    table.contract(GET, "/v1/escrow/category/get/{categoryId}", Party, Business, categories::get).refusing(categories::GET_REFUSALS);
    table.contract(PUT, "/v1/escrow/category/position/{categoryId}", Party, Business, categories::move_to).reading(categories::POSITION).refusing(categories::MOVE_TO_REFUSALS);
    table.contract(DELETE, "/v1/escrow/category/delete/{categoryId}", Party, Business, categories::delete).refusing(categories::DELETE_REFUSALS);

    operator::add_routes(&mut table);

    if variant.mode == Mode::Sandbox {
        table.sandbox(POST, "/sandbox/test-accounts/{accountNumber}/pay", Key, intents::pay_test_account).reading(intents::TEST_PAYMENT).refusing(intents::PAY_TEST_ACCOUNT_REFUSALS);
        table.sandbox(POST, "/sandbox/cards", Customer, cards::save).reading(cards::CARD).refusing(cards::SAVE_REFUSALS);
        table.sandbox(POST, "/sandbox/faults", Key, faults::set).reading(faults::FAULT).refusing(faults::SET_REFUSALS);
        table.sandbox(GET, "/sandbox/faults", Key, faults::list).refusing(Refusals::by(Work::Reads));
        table.sandbox(DELETE, "/sandbox/faults", Key, faults::clear);
        table.sandbox(GET, "/sandbox/requests", Key, requests::list).reading(query::PAGE_ALONE).refusing(Refusals::by(Work::Reads));
        table.sandbox(GET, "/sandbox/requests/{requestId}", Key, requests::get).refusing(requests::GET_REFUSALS);
        table.sandbox(GET, "/sandbox/clock", Key, clocks::get);
        table.sandbox(POST, "/sandbox/clock/advance", Key, clocks::advance).reading(clocks::ADVANCE);
        table.sandbox(GET, "/sandbox/publishable-key", Key, publishable_key::get);
        table.sandbox(POST, "/sandbox/reset", Key, resets::reset);
        table.sandbox(POST, seeds::PATH, Key, seeds::load).reading(seeds::SEED).refusing(seeds::LOAD_REFUSALS);
        table.sandbox(PUT, "/sandbox/balance", Key, balances::set).reading(balances::BALANCE).refusing(balances::SET_REFUSALS);

        table.sandbox(GET, "/sandbox/callback", Key, webhook_endpoint::get);
        table.sandbox(PUT, "/sandbox/callback", Key, webhook_endpoint::set).reading(webhook_endpoint::SETTING);
        table.sandbox(GET, "/sandbox/events", Key, events::list).reading(events::LIST).refusing(Refusals::by(Work::ReadsLong));
        table.sandbox(POST, "/sandbox/events/replay", Key, events::replay).reading(events::REPLAY).refusing(events::REPLAY_REFUSALS);
        table.sandbox(GET, "/sandbox/events/stream", Key, event_stream::open).reading(event_stream::STREAM).refusing(event_stream::OPEN_REFUSALS);
        table.sandbox(GET, "/sandbox/events/{id}", Key, events::get).refusing(events::GET_REFUSALS);
        table.sandbox(POST, "/sandbox/events/{id}/resend", Key, events::resend).refusing(events::RESEND_REFUSALS);
    }

    table
}

/// `GET /healthz`: 200 if the writer answers, its last commit has reached the disk, and a
/// read has succeeded.
async fn health(state: Data<AppState>) -> Result<Reply<NoData>, ApiError> {
    state.store.check_health().await?;
    state.store.read(|_snapshot| Ok(())).await?;
    Ok(Reply::ok("The service can serve", NoData {}))
}

/// `GET /livez`: 200 as long as the process answers HTTP.
async fn live() -> Reply<NoData> {
    Reply::ok("The service is running", NoData {})
}

/// `GET /readyz`: 200 if the service would take requests, as far as it knows without a write
/// and without waiting for the writer.
async fn ready(state: Data<AppState>) -> Result<Reply<NoData>, ApiError> {
    if state.connections.is_stopping() {
        return Err(store::Error::Stopped.into());
    }
    state.store.check_ready().await?;
    Ok(Reply::ok("The service takes requests", NoData {}))
}

/// The API document.
struct Document;

impl RawKind for Document {
    const MEDIA_TYPE: &'static str = JSON;
}

/// `GET /openapi.json`: the document of the routes of this server.
async fn describe(state: Data<AppState>) -> Raw<Document> {
    let json = api_document(&state).json.clone();
    HttpResponse::Ok().content_type(JSON).body(json).into()
}

async fn unknown_route(request: HttpRequest) -> Result<Reply<NoData>, ApiError> {
    Err(ApiError::RouteNotFound {
        path: request.path().to_owned(),
    })
}
