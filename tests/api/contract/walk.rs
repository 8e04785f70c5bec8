//! Sends every request of the table, valid and invalid, and checks that each reply is the
//! contract's.

use std::collections::BTreeSet;

use escrowd::domain::mode::{Mode, Variant};
use escrowd::http;
use serde_json::{Value, json};

use super::matrix::{self, BodyRule, HeaderRule, Route};
use super::row::{Outcome, Request, Row};
use super::table;
use crate::helpers::{Answer, TestApp, form_of, new_customer, spawn_app, spawn_app_with, spawn_live_app};

pub(super) const BUSINESS_KEY: &str = "sk_live_business";
pub(super) const OTHER_KEY: &str = "sk_test_other";
const BLOCKED: &str = "Your account is disabled. Please contact support";

/// The service's routes that the contract does not have.
const OWN_ROUTES: [&str; 78] = [
    "POST /v1/checkout/session",
    "POST /notices/{provider}/{merchant}",
    "POST /operator/deals/{escrowId}/resolve",
    "GET /operator/deals/{escrowId}/ruling",
    "POST /operator/deals/{escrowId}/retract",
    "POST /v1/escrow/refund/{paymentToken}",
    "GET /operator/operators",
    "POST /operator/operators",
    "POST /operator/operators/{operatorId}/revoke",
    "GET /operator/merchants",
    "POST /operator/merchants",
    "GET /operator/merchant",
    "PUT /operator/merchant",
    "GET /operator/keys",
    "POST /operator/keys",
    "POST /operator/keys/{keyId}/rotate",
    "POST /operator/keys/{keyId}/revoke",
    "GET /operator/callback",
    "PUT /operator/callback",
    "POST /operator/callback/rotate-secret",
    "PUT /operator/notices/{provider}",
    "GET /operator/events",
    "POST /operator/events/replay",
    "GET /operator/events/{id}",
    "POST /operator/events/{id}/resend",
    "GET /operator/acts",
    "GET /operator/deposits",
    "POST /operator/deposits/expire",
    "GET /operator/receipts",
    "POST /operator/receipts",
    "GET /operator/receipts/{receiptId}",
    "POST /operator/receipts/{receiptId}/approve",
    "POST /operator/receipts/{receiptId}/reject",
    "POST /operator/receipts/{receiptId}/assign",
    "POST /operator/receipts/{receiptId}/reverse",
    "POST /operator/receipts/{receiptId}/retract",
    "GET /operator/payouts",
    "POST /operator/payouts",
    "GET /operator/payouts/{payoutId}",
    "POST /operator/payouts/{payoutId}/approve",
    "POST /operator/payouts/{payoutId}/reject",
    "POST /operator/payouts/{payoutId}/pay",
    "POST /operator/payouts/{payoutId}/return",
    "POST /operator/payouts/{payoutId}/reopen",
    "POST /operator/payouts/{payoutId}/retract",
    "GET /healthz",
    "GET /livez",
    "GET /readyz",
    "GET /openapi.json",
    "GET /files/{name}",
    "GET /operator/position",
    "POST /operator/position/reconcile",
    "GET /operator/customers/{customerId}/statement",
    "GET /operator/merchant/statement",
    "GET /operator/deals/{escrowId}/statement",
    "GET /operator/journal",
    "POST /operator/payouts/export",
    "POST /operator/payouts/results",
    "POST /sandbox/test-accounts/{accountNumber}/pay",
    "POST /sandbox/cards",
    "POST /sandbox/faults",
    "GET /sandbox/faults",
    "DELETE /sandbox/faults",
    "GET /sandbox/requests",
    "GET /sandbox/requests/{requestId}",
    "GET /sandbox/publishable-key",
    "GET /sandbox/clock",
    "POST /sandbox/clock/advance",
    "POST /sandbox/reset",
    "POST /sandbox/seed",
    "PUT /sandbox/balance",
    "GET /sandbox/callback",
    "PUT /sandbox/callback",
    "GET /sandbox/events",
    "GET /sandbox/events/stream",
    "POST /sandbox/events/replay",
    "GET /sandbox/events/{id}",
    "POST /sandbox/events/{id}/resend",
];

/// Returns each route of the matrix, and then those that escrowd adds, with its row.
pub(super) fn every_row() -> Vec<(Route, Row)> {
    let mut rows = table::rows();
    let take = |route: Route| {
        let found = rows.iter().position(|row| row.name == route.name());
        (
            route,
            rows.remove(found.unwrap_or_else(|| panic!("{} is not in the table", route.name()))),
        )
    };
    let routes = matrix::routes().into_iter().chain(matrix::added_routes());
    let table = routes.map(take).collect();
    let left: Vec<&str> = rows.iter().map(|row| row.name).collect();
    assert!(left.is_empty(), "not in the matrix: {left:?}");
    table
}

/// Spawns a service in which two merchants each have the customers Ada, Ben and Dan.
fn spawn_app_with_customers() -> TestApp {
    let app = spawn_app();
    register_customers(&app);
    app
}

/// Registers the customers Ada, Ben and Dan for two merchants.
pub(super) fn register_customers(app: &TestApp) {
    for customer in ["ada", "ben", "dan"] {
        app.wallet(customer).ok();
        app.json_with_key(OTHER_KEY, "GET", "/v1/wallet", customer, &Value::Null)
            .ok();
    }
}

/// The difference between a request and the valid one.
#[derive(Clone, Copy, Default)]
pub(super) struct Change<'a> {
    pub(super) key: Option<&'a str>,
    /// `Some("")` for no header at all.
    pub(super) customer: Option<&'a str>,
    pub(super) path: Option<&'a str>,
    pub(super) content_type: Option<&'a str>,
    pub(super) body: Option<&'a [u8]>,
}

pub(super) fn send(app: &TestApp, route: &Route, request: &Request, change: Change<'_>) -> Answer {
    let ids: Vec<&str> = request.ids.iter().map(String::as_str).collect();
    let path = change.path.map_or_else(|| route.path_with(&ids), str::to_owned) + request.query;
    let bearer = change.key.map(|key| format!("Bearer {key}"));
    let customer = change
        .customer
        .or(request.customer.as_deref())
        .filter(|id| !id.is_empty());
    let body = request.body.as_ref().map(Value::to_string);
    let body = change.body.or(body.as_deref().map(str::as_bytes));
    let content_type = change.content_type.unwrap_or("application/json");
    let mut headers = Vec::new();
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    headers.extend(customer.map(|id| ("customer-id", id)));
    headers.extend(body.map(|_| ("content-type", content_type)));
    app.send(route.method, &path, &headers, body)
}

#[track_caller]
fn assert_outcome(name: &str, answer: &Answer, (status, message): Outcome) {
    assert_eq!(
        (answer.status, answer.message()),
        (status, message),
        "{name}: {answer:?}"
    );
    assert_eq!(answer.body["status"], json!(status), "{name}");
    let keys: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(keys[..3], ["status", "message", "data"], "{name}");
}

/// Asserts that the service refuses the request with this change, and that the request changed
/// nothing in the file.
#[track_caller]
fn assert_refused(app: &TestApp, route: &Route, request: &Request, change: Change<'_>, outcome: Outcome) {
    let before = app.dump();
    assert_outcome(&route.name(), &send(app, route, request, change), outcome);
    assert_eq!(app.dump(), before, "{}: a refusal changed the file", route.name());
}

#[test]
fn the_matrix_has_55_routes() {
    let routes = matrix::routes();
    assert_eq!(routes.len(), 55);
    let names: BTreeSet<String> = routes.iter().map(Route::name).collect();
    assert_eq!(names.len(), 55);
}

#[test]
fn the_service_has_exactly_the_contracts_routes_and_its_own() {
    let of = |mode, is_strict| -> BTreeSet<String> {
        let routes = http::routes(Variant { mode, is_strict });
        routes.iter().map(|(method, path)| format!("{method} {path}")).collect()
    };
    let contract: BTreeSet<String> = matrix::routes().iter().map(Route::name).collect();
    let mut own_routes: BTreeSet<String> = OWN_ROUTES.map(str::to_owned).into();
    let sandbox: BTreeSet<String> = contract.union(&own_routes).cloned().collect();
    assert_eq!(of(Mode::Sandbox, false), sandbox);
    let added: BTreeSet<String> = matrix::added_routes().iter().map(Route::name).collect();
    assert_eq!(of(Mode::Sandbox, true), &sandbox - &added);
    own_routes.retain(|name| !name.contains("/sandbox/"));
    let live = contract.union(&own_routes).cloned().collect();
    assert_eq!(of(Mode::Live, false), live);
    assert_eq!(of(Mode::Live, true), &live - &added);
}

#[test]
fn the_right_request_is_answered_as_the_contract_says() {
    let app = spawn_app_with_customers();
    for (route, row) in every_row() {
        let request = (row.right)(&app);
        let answer = send(&app, &route, &request, Change::default());
        assert_outcome(row.name, &answer, row.success);
        let again = send(&app, &route, &request, Change::default());
        assert_outcome(row.name, &again, row.again.unwrap_or(row.success));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

/// Sends the valid requests as multipart forms to the routes that accept forms.
#[test]
fn forms_are_read_where_the_contract_has_them() {
    let app = spawn_app_with_customers();
    let mut forms = 0;
    for (route, row) in every_row()
        .into_iter()
        .filter(|(route, _)| route.body == BodyRule::Form)
    {
        let request = (row.right)(&app);
        let fields = request.body.as_ref().unwrap().as_object().unwrap();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let fields: Vec<(&str, String)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect();
        let parts: Vec<(&str, Option<&str>, &[u8])> = fields
            .iter()
            .map(|(name, text)| (*name, None, text.as_bytes()))
            .collect();
        let form = form_of(&parts);
        let change = Change {
            content_type: Some("multipart/form-data; boundary=form"),
            body: Some(&form),
            ..Change::default()
        };
        assert_outcome(row.name, &send(&app, &route, &request, change), row.success);
        forms += 1;
    }
    assert_eq!(forms, 6);
}

#[test]
fn wrong_states_and_wrong_requests_are_refused() {
    let app = spawn_app_with_customers();
    for (route, row) in every_row() {
        if let Some(again) = row.again {
            let request = (row.right)(&app);
            assert_outcome(row.name, &send(&app, &route, &request, Change::default()), row.success);
            assert_refused(&app, &route, &request, Change::default(), again);
        }
        for (make, outcome) in &row.refusals {
            let request = make(&app);
            assert_refused(&app, &route, &request, Change::default(), *outcome);
        }
    }
}

#[test]
fn unknown_and_foreign_ids_are_refused() {
    let app = spawn_app_with_customers();
    for (route, row) in every_row() {
        let request = (row.right)(&app);
        let has_ids = route.path.contains('{');
        assert_eq!(
            has_ids,
            row.unknown.is_some(),
            "{} must have an outcome for unknown ids",
            row.name
        );
        if let Some(outcome) = row.unknown {
            let path = route.path_with_unknown_ids();
            let change = Change {
                path: Some(&path),
                ..Change::default()
            };
            assert_refused(&app, &route, &request, change, outcome);
            let malformed = route.path_with(&vec!["..%2Fx"; route.path.matches('{').count()]);
            let change = Change {
                path: Some(&malformed),
                ..Change::default()
            };
            assert_refused(&app, &route, &request, change, outcome);
            assert!(
                row.foreign.is_some(),
                "{} must have an outcome for another merchant's key",
                row.name
            );
        }
        if let Some(outcome) = row.foreign {
            let change = Change {
                key: Some(OTHER_KEY),
                ..Change::default()
            };
            assert_refused(&app, &route, &request, change, outcome);
        }
        let has_owner = has_ids && request.customer.is_some();
        assert!(
            !has_owner || row.stranger.is_some(),
            "{} must have an outcome for a stranger",
            row.name
        );
        if let Some(outcome) = row.stranger {
            let change = Change {
                customer: Some("dan"),
                ..Change::default()
            };
            assert_refused(&app, &route, &request, change, outcome);
        }
        assert_outcome(row.name, &send(&app, &route, &request, Change::default()), row.success);
    }
}

#[test]
fn the_customer_header_is_required_optional_forbidden_or_ignored() {
    let app = spawn_app_with_customers();
    for (route, row) in every_row() {
        let request = (row.right)(&app);
        let without = Change {
            customer: Some(""),
            ..Change::default()
        };
        let with = |customer| Change {
            customer: Some(customer),
            ..Change::default()
        };
        match route.header {
            HeaderRule::Required => {
                assert_refused(&app, &route, &request, without, (400, "customer-id header is required"));
            }
            HeaderRule::Optional => {
                let outcome = row
                    .unnamed
                    .unwrap_or_else(|| panic!("{} must have an outcome for the merchant", row.name));
                if outcome.0 < 300 {
                    assert_outcome(row.name, &send(&app, &route, &request, without), outcome);
                } else {
                    assert_refused(&app, &route, &request, without, outcome);
                }
            }
            HeaderRule::Forbidden => {
                for customer in ["ada", "nobody", "a b"] {
                    let message = "customer-id is not allowed in request header";
                    assert_refused(&app, &route, &request, with(customer), (400, message));
                }
            }
            HeaderRule::Ignored => {
                let answer = send(&app, &route, &request, with("a b"));
                assert_outcome(row.name, &answer, row.success);
            }
        }
        assert!(
            row.unnamed.is_none() || route.header == HeaderRule::Optional,
            "{}",
            row.name
        );
    }
}

#[test]
fn a_customer_who_may_not_act_is_refused() {
    let sandbox = spawn_app_with_customers();
    let strict = spawn_app_with(|config| {
        config.strict = true;
        config.limits.requests_per_minute = 1_000_000;
    });
    let foreign = strict
        .json_with_key(OTHER_KEY, "POST", "/v1/customer/create", "", &new_customer())
        .ok()
        .text("customerId");
    for (route, row) in every_row() {
        let acts_for_customers = matches!(route.header, HeaderRule::Required | HeaderRule::Optional);
        let always_refuses = row.success.0 == 410;
        if !acts_for_customers || always_refuses {
            continue;
        }
        let empty_request = request_with_empty_body();
        let path = route.path_with_unknown_ids();
        let in_strict = [
            ("nobody", (404, "Customer not found")),
            ("a b", (404, "Customer not found")),
            (foreign.as_str(), (404, "Customer not found")),
        ];
        for (customer, outcome) in in_strict.into_iter().filter(|_| !route.is_added()) {
            let change = Change {
                customer: Some(customer),
                path: Some(&path),
                ..Change::default()
            };
            assert_refused(&strict, &route, &empty_request, change, outcome);
        }
        let request = (row.right)(&sandbox);
        let customer = request.customer.clone().unwrap();
        sandbox.block(&customer).ok();
        assert_refused(&sandbox, &route, &request, Change::default(), (401, BLOCKED));
        sandbox.unblock(&customer).ok();
    }
}

/// Returns a request without a customer and with an empty JSON object as its body.
pub(super) fn request_with_empty_body() -> Request {
    Request {
        customer: None,
        ids: Vec::new(),
        query: "",
        body: Some(json!({})),
    }
}

#[test]
fn a_key_without_access_to_a_route_is_refused() {
    let app = spawn_live_app(|config| config.merchant[0].business_key = Some(BUSINESS_KEY));
    for (route, _) in every_row() {
        let path = route.path_with_unknown_ids();
        // The service checks the key before it reads the header and the body.
        for customer in ["", "nobody"] {
            let change = |key| Change {
                key,
                customer: Some(customer),
                path: Some(&path),
                body: Some(b"{"),
                ..Change::default()
            };
            let empty_request = request_with_empty_body();
            assert_refused(&app, &route, &empty_request, change(None), (401, "No token provided"));
            for key in ["sk_live_unknown", "sk_test_unknown"] {
                assert_refused(
                    &app,
                    &route,
                    &empty_request,
                    change(Some(key)),
                    (403, "Unauthorized Access"),
                );
            }
            if route.needs_super_admin {
                assert_refused(
                    &app,
                    &route,
                    &empty_request,
                    change(Some(BUSINESS_KEY)),
                    (401, "Access denied"),
                );
            } else {
                let answer = send(&app, &route, &empty_request, change(Some(BUSINESS_KEY)));
                assert_ne!(answer.message(), "Access denied", "{}", route.name());
            }
        }
    }
}

#[test]
fn a_body_of_another_type_or_shape_is_refused() {
    let app = spawn_app_with_customers();
    let form = form_of(&[("name", None, b"x")]);
    for (route, row) in every_row()
        .into_iter()
        .filter(|(route, _)| route.body != BodyRule::None)
    {
        let request = (row.right)(&app);
        let expected = match route.body {
            BodyRule::Form => "application/json or multipart/form-data",
            BodyRule::None | BodyRule::Json | BodyRule::Optional => "application/json",
        };
        let message = format!("Send the body as {expected}, and say so in the content-type header");
        let mut others = vec!["text/plain", "application/x-www-form-urlencoded"];
        if route.body == BodyRule::Json {
            others.push("multipart/form-data; boundary=form");
        }
        for content_type in others {
            let change = Change {
                content_type: Some(content_type),
                ..Change::default()
            };
            let answer = app.refuses(415, &message, |app| send(app, &route, &request, change));
            assert_eq!(answer.body["code"], "unsupported_media_type", "{}", row.name);
        }
        for body in [b"{".as_slice(), b"", b"[]", b"null", b"\xff"] {
            let change = Change {
                body: Some(body),
                ..Change::default()
            };
            let before = app.dump();
            let answer = send(&app, &route, &request, change);
            assert_eq!(answer.status, 400, "{}: {answer:?}", row.name);
            let message = answer.message().to_lowercase();
            assert!(message.starts_with("the body "), "{}: {message}", row.name);
            assert_eq!(app.dump(), before, "{}", row.name);
        }
        if route.body == BodyRule::Form {
            let change = Change {
                content_type: Some("multipart/form-data; boundary=form"),
                body: Some(&form),
                ..Change::default()
            };
            assert_ne!(send(&app, &route, &request, change).status, 415, "{}", row.name);
        }
    }
}

#[test]
fn a_wrong_method_gets_the_allowed_methods() {
    let app = spawn_app();
    for (route, _) in every_row() {
        let answer = app.send("PATCH", &route.path_with_unknown_ids(), &[], None);
        assert_eq!(answer.status, 405, "{}: {answer:?}", route.name());
        assert!(
            answer.header("allow").unwrap().contains(route.method),
            "{}",
            route.name()
        );
    }
}

/// The rate limit counts every route together (contract section 1.10).
#[test]
fn every_route_sends_the_rate_limit_headers() {
    let app = spawn_app_with(|config| config.limits.requests_per_minute = 1000);
    for (number, (route, _)) in every_row().into_iter().enumerate() {
        let path = route.path_with_unknown_ids();
        let change = Change {
            path: Some(&path),
            ..Change::default()
        };
        let answer = send(&app, &route, &request_with_empty_body(), change);
        assert_eq!(answer.header("ratelimit-policy"), Some("1000;w=60"), "{}", route.name());
        let remaining = format!("remaining={}", 999 - number);
        let limit_header = answer.header("ratelimit").unwrap();
        assert!(limit_header.contains(&remaining), "{}: {limit_header}", route.name());
    }
}
