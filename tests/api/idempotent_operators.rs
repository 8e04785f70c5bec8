//! An idempotency key belongs to the one who used it first: no operator gets the reply to another.

use serde_json::{Value, json};

use crate::desk::{ADA, BEN, CLEO, DAYO, receipt, spawn_desk};
use crate::helpers::{Answer, TestApp, spawn_app, standard_terms};

/// Sends a request with an idempotency key.
fn keyed(app: &TestApp, bearer: &str, path: &str, key: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {bearer}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("customer-id", "ada"),
        ("idempotency-key", key),
    ];
    let text = body.to_string();
    let headers = if body.is_null() {
        [headers[0], headers[3]].to_vec()
    } else {
        headers.to_vec()
    };
    app.send("POST", path, &headers, (!body.is_null()).then_some(text.as_bytes()))
}

#[track_caller]
fn assert_reused(app: &TestApp, first_use: &str, send: impl FnOnce(&TestApp) -> Answer) {
    let refused = app.refuses_code(422, "idempotency_key_reused", send);
    let message = format!("This Idempotency-Key was first used {first_use}; a new request needs a new key");
    assert_eq!(refused.message(), message);
    assert_eq!(refused.header("idempotent-replayed"), None);
}

#[test]
fn an_approver_does_not_get_the_refusal_of_another() {
    let app = spawn_desk();
    let recorded = app.by(ADA, "POST", "/receipts", &receipt(9_000, "in-1", &json!({})));
    let path = format!("/operator/receipts/{}/approve", recorded.ok().text("id"));
    let same = keyed(&app, ADA, &path, "k", &Value::Null);
    assert_eq!((same.status, same.body["code"].as_str()), (403, Some("same_person")));
    assert_reused(&app, "by another operator", |app| {
        keyed(app, DAYO, &path, "k", &Value::Null)
    });
    let again = keyed(&app, ADA, &path, "k", &Value::Null);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.text, same.text);
    keyed(&app, DAYO, &path, "k-2", &Value::Null).ok();
}

#[test]
fn a_cashier_does_not_get_the_receipt_of_another() {
    let app = spawn_desk();
    let body = receipt(1_000, "in-1", &json!({}));
    let first = keyed(&app, BEN, "/operator/receipts", "k", &body).ok();
    assert_eq!(first.status, 201);
    assert_reused(&app, "by another operator", |app| {
        keyed(app, CLEO, "/operator/receipts", "k", &body)
    });
    let again = keyed(&app, BEN, "/operator/receipts", "k", &body).ok();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

#[test]
fn another_query_is_named() {
    let app = spawn_app();
    let send = |path: &str, key: &str| keyed(&app, "sk_test_a", path, key, &standard_terms());
    send("/v1/escrow/create", "k").ok();
    send("/v1/escrow/create?a=b", "k-2").ok();
    for (path, key, first_use) in [
        ("/v1/escrow/create?a=b", "k", "for this route without a query"),
        ("/v1/escrow/create", "k-2", "for this route with the query a=b"),
        ("/v1/escrow/create?a=c", "k-2", "for this route with the query a=b"),
    ] {
        assert_reused(&app, first_use, |_| send(path, key));
    }
}
