//! Snapshots of every route's replies to mistakes that a client can make on all routes: wrong ids,
//! states, keys, headers, methods and bodies.

use escrowd::domain::money::Amount;
use serde_json::{Value, json};

use super::matrix::{BodyRule, HeaderRule, Route};
use super::row::{Request, Row};
use super::sandbox;
use super::walk::{self, BUSINESS_KEY, Change, OTHER_KEY, register_customers, request_with_empty_body, send};
use crate::helpers::{LIVE_KEY, TestApp, form_of, go_live, new_customer, spawn_recorded_app};
use crate::snapshots::assert_snapshot;

/// Returns every route of the contract and of the sandbox with its row.
pub(super) fn every_row() -> Vec<(Route, Row)> {
    walk::every_row().into_iter().chain(sandbox::every_row()).collect()
}

/// Spawns a recorded sandbox in which two merchants have the customers Ada, Ben and Dan.
pub(super) fn recorded_sandbox() -> TestApp {
    let app = spawn_recorded_app(|config| {
        config.sandbox.opening_balance_minor = Amount::from_minor(100_000_000_000).unwrap();
    });
    app.unrecorded(register_customers);
    app
}

/// Sends a request and records its reply on one line.
fn show(app: &TestApp, label: &str, route: &Route, request: &Request, change: Change<'_>) {
    let answer = app.unrecorded(|app| send(app, route, request, change));
    app.transcript().line(label, &answer);
}

#[test]
fn wrong_states_and_wrong_ids_are_refused_word_for_word() {
    let app = recorded_sandbox();
    for (route, row) in every_row() {
        app.transcript().note(row.name);
        let right = || app.unrecorded(row.right);
        let request = right();
        show(&app, "as it should be", &route, &request, Change::default());
        show(&app, "the same again", &route, &request, Change::default());
        for (make, _) in &row.refusals {
            let request = app.unrecorded(make);
            show(&app, "in another state", &route, &request, Change::default());
        }
        let request = right();
        if route.path.contains('{') {
            let unknown = route.path_with_unknown_ids();
            let malformed = route.path_with(&vec!["..%2Fx"; route.path.matches('{').count()]);
            for (label, path) in [("an unknown id", &unknown), ("a malformed id", &malformed)] {
                let change = Change {
                    path: Some(path),
                    ..Change::default()
                };
                show(&app, label, &route, &request, change);
            }
        }
        if route.path.contains('{') && route.body != BodyRule::None {
            let unknown = route.path_with_unknown_ids();
            let empty = Change {
                body: Some(b"{}"),
                ..Change::default()
            };
            let change = Change {
                path: Some(&unknown),
                ..empty
            };
            show(&app, "an unknown id and no fields", &route, &request, change);
            let change = Change {
                customer: request.customer.as_ref().map(|_| "dan"),
                ..empty
            };
            show(&app, "another customer and no fields", &route, &request, change);
            for (make, _) in &row.refusals {
                let request = app.unrecorded(make);
                show(&app, "in another state and no fields", &route, &request, empty);
            }
        }
        if route.path.contains('{') || row.foreign.is_some() {
            let change = Change {
                key: Some(OTHER_KEY),
                ..Change::default()
            };
            show(&app, "another merchant", &route, &request, change);
        }
        if row.stranger.is_some() {
            let change = Change {
                customer: Some("dan"),
                ..Change::default()
            };
            show(&app, "another customer", &route, &request, change);
        }
    }
    assert_snapshot("states_and_ids", &[&app]);
}

#[test]
fn the_customer_header_is_read_word_for_word() {
    let app = recorded_sandbox();
    let strict = spawn_recorded_app(|config| {
        config.strict = true;
        config.limits.requests_per_minute = 1_000_000;
    });
    let foreign = strict.unrecorded(|strict| {
        let created = strict.json_with_key(OTHER_KEY, "POST", "/v1/customer/create", "", &new_customer());
        created.ok().text("customerId")
    });
    strict.transcript().note("With strict rules");
    for (route, row) in every_row() {
        app.transcript().note(row.name);
        for customer in ["", "a b", "a%20b"] {
            let request = app.unrecorded(row.right);
            let change = Change {
                customer: Some(customer),
                ..Change::default()
            };
            show(&app, &format!("customer-id {customer:?}"), &route, &request, change);
        }
        let request = app.unrecorded(row.right);
        let change = Change {
            customer: Some("ben"),
            ..Change::default()
        };
        if request.customer.is_none() {
            show(&app, "customer-id \"ben\"", &route, &request, change);
        }
        if let Some(customer) = &request.customer {
            app.unrecorded(|app| app.block(customer).ok());
            show(&app, "a blocked customer", &route, &request, Change::default());
            app.unrecorded(|app| app.unblock(customer).ok());
        }
        if !matches!(route.header, HeaderRule::Required | HeaderRule::Optional) {
            continue;
        }
        let path = route.path_with_unknown_ids();
        for customer in ["nobody", &foreign] {
            let change = Change {
                customer: Some(customer),
                path: Some(&path),
                ..Change::default()
            };
            let label = format!("{} as {customer}", route.name());
            show(&strict, &label, &route, &request_with_empty_body(), change);
        }
    }
    assert_snapshot("customer_header", &[&app, &strict]);
}

#[test]
fn keys_are_read_word_for_word() {
    let sandbox = recorded_sandbox();
    let live = spawn_recorded_app(|config| {
        go_live(config);
        config.merchant[0].business_key = Some(BUSINESS_KEY);
    });
    for (app, keys) in [
        (&sandbox, &["sk_live_unknown"][..]),
        (&live, &["sk_live_unknown", "sk_test_unknown", BUSINESS_KEY, LIVE_KEY]),
    ] {
        for (route, _) in every_row() {
            app.transcript().note(&route.name());
            let path = route.path_with_unknown_ids();
            let with_key = |key| Change {
                key,
                path: Some(&path),
                body: Some(b"{"),
                ..Change::default()
            };
            let empty_request = request_with_empty_body();
            if std::ptr::eq(app, &raw const live) {
                show(app, "no key", &route, &empty_request, with_key(None));
            }
            for key in keys {
                show(app, key, &route, &empty_request, with_key(Some(key)));
            }
        }
    }
    assert_snapshot("keys", &[&sandbox, &live]);
}

#[test]
fn bodies_that_cannot_be_read_are_refused_word_for_word() {
    let app = recorded_sandbox();
    let too_large = vec![b' '; 65_537];
    for (route, row) in every_row() {
        if route.body == BodyRule::None {
            continue;
        }
        app.transcript().note(row.name);
        let request = app.unrecorded(row.right);
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=form",
            "multipart/form-data",
        ] {
            let change = Change {
                content_type: Some(content_type),
                ..Change::default()
            };
            show(&app, content_type, &route, &request, change);
        }
        for (label, body) in [
            ("nothing", &b""[..]),
            ("{", b"{"),
            ("[]", b"[]"),
            ("null", b"null"),
            ("5", b"5"),
            ("{\"a\":1,}", b"{\"a\":1,}"),
            ("{} {}", b"{} {}"),
            ("a field twice", b"{\"amount\":1,\"amount\":2}"),
            ("no UTF-8", b"\xff"),
            ("65537 bytes", &too_large),
        ] {
            let change = Change {
                body: Some(body),
                ..Change::default()
            };
            show(&app, label, &route, &request, change);
        }
        if route.body == BodyRule::Form {
            show_forms(&app, &route, &request);
        }
    }
    assert_snapshot("unreadable_bodies", &[&app]);
}

/// Records the replies to malformed forms.
fn show_forms(app: &TestApp, route: &Route, request: &Request) {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a drawing";
    let mut large = b"\xff\xd8\xff\xe0".to_vec();
    large.resize(5_242_884, b'x');
    let too_large = vec![b'x'; 65_537];
    let twice = form_of(&[("name", None, b"x"), ("name", None, b"y")]);
    let field = if route.path.contains("dispute") {
        "file"
    } else {
        "imageUrl"
    };
    let files = |content: &[u8], count| {
        let part = (field, Some("photo.png"), content);
        form_of(&vec![part; count])
    };
    for (label, form) in [
        ("a form: a field twice", twice),
        ("a form: no UTF-8", form_of(&[("name", None, b"\xff")])),
        ("a form: a part too large", form_of(&[("name", None, &too_large)])),
        ("a form: no boundary in it", b"x".to_vec()),
        (
            "a form: broken off",
            b"--form\r\ncontent-disposition: form-data; name=\"name\"\r\n\r\nx".to_vec(),
        ),
        ("a form: a file too large", files(&large, 1)),
        ("a form: six files", files(PNG, 6)),
        ("a form: two files", files(PNG, 2)),
        ("a form: an empty file", files(b"", 1)),
        ("a form: no picture", files(b"MZ a program", 1)),
    ] {
        let change = Change {
            content_type: Some("multipart/form-data; boundary=form"),
            body: Some(&form),
            ..Change::default()
        };
        show(app, label, route, request, change);
    }
}

#[test]
fn other_methods_are_refused_word_for_word() {
    let app = recorded_sandbox();
    for (route, row) in every_row() {
        let path = route.path_with_unknown_ids();
        let answer = app.unrecorded(|app| app.send("PATCH", &path, &[], None));
        app.transcript().line(row.name, &answer);
    }
    assert_snapshot("other_methods", &[&app]);
}

#[test]
fn idempotency_keys_are_honoured_word_for_word() {
    let app = recorded_sandbox();
    let rows = || {
        every_row()
            .into_iter()
            .filter(|(route, _)| route.method != "GET" || route.path.contains("claim-funds"))
    };
    for (number, (route, row)) in rows().enumerate() {
        app.transcript().note(row.name);
        let request = app.unrecorded(row.right);
        let key = format!("key-{number}");
        let ask = |label: &str, key: &str, body: Option<&Value>| {
            let ids: Vec<&str> = request.ids.iter().map(String::as_str).collect();
            let path = route.path_with(&ids);
            let body = body.map(Value::to_string);
            let mut headers = vec![("idempotency-key", key)];
            headers.extend(request.customer.as_deref().map(|customer| ("customer-id", customer)));
            headers.extend(body.as_ref().map(|_| ("content-type", "application/json")));
            let answer =
                app.unrecorded(|app| app.send(route.method, &path, &headers, body.as_deref().map(str::as_bytes)));
            app.transcript().line(label, &answer);
        };
        ask("the first time", &key, request.body.as_ref());
        ask("a retry", &key, request.body.as_ref());
        ask("another body", &key, Some(&json!({ "other": true })));
        ask("a key that is none", &"k".repeat(300), request.body.as_ref());
    }
    app.transcript().note("A key of another route and of another customer");
    let top_up = |customer: &str| {
        let headers = [
            ("idempotency-key", "once"),
            ("customer-id", customer),
            ("content-type", "application/json"),
        ];
        app.send("POST", "/v1/payment/topup", &headers, Some(b"{\"amount\":1000}"));
    };
    top_up("ada");
    top_up("ada");
    top_up("ben");
    let headers = [("idempotency-key", "once"), ("customer-id", "ada")];
    app.send("POST", "/v1/payment/virtual-account", &headers, None);
    app.send("DELETE", "/v1/card/0123456789abcdef01234567", &headers, None);
    app.transcript().note("A refusal is replayed too");
    let headers = [
        ("idempotency-key", "refused"),
        ("customer-id", "ada"),
        ("content-type", "application/json"),
    ];
    for _ in 0..2 {
        app.send("POST", "/v1/payment/topup", &headers, Some(b"{\"amount\":-1}"));
    }
    assert_snapshot("idempotency", &[&app]);
}
