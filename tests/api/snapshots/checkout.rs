//! The route that begins a checkout, and the publishable key.

use serde_json::{Value, json};

use super::assert_snapshot;
use crate::helpers::{TestApp, go_live, spawn_recorded_app};

#[test]
fn a_checkout_is_begun_word_for_word() {
    let app = spawn_recorded_app(|_| {});
    app.note("The publishable key");
    app.as_merchant("GET", "/sandbox/publishable-key", None);
    app.json_with_key("sk_test_1", "GET", "/sandbox/publishable-key", "", &Value::Null);
    app.json_with_key("pk_test_default", "GET", "/v1/wallet", "ada", &Value::Null);
    app.note("A session");
    let deal = app.unrecorded(TestApp::offered);
    let begin = |body: Value| {
        let headers = [("content-type", "application/json"), ("origin", "https://shop.example")];
        app.send(
            "POST",
            "/v1/checkout/session",
            &headers,
            Some(body.to_string().as_bytes()),
        )
    };
    begin(json!({
        "publicKey": "pk_test_default", "paymentToken": deal.token, "reference": "order-1",
        "redirectUrl": "https://shop.example/thanks", "customerId": "ben",
    }));
    begin(json!({ "publicKey": "pk_test_default", "paymentToken": [deal.token, deal.token] }));
    begin(json!({ "publicKey": "pk_test_default", "paymentToken": "PY_ZZZZZZZZ0000" }));
    begin(json!({ "publicKey": "pk_test_default", "paymentToken": deal.token, "redirectUrl": "javascript:alert(1)" }));
    begin(json!({ "publicKey": "pk_test_unknown", "paymentToken": deal.token }));
    begin(json!({ "publicKey": "pk_live_unknown", "paymentToken": deal.token }));
    begin(json!({ "publicKey": "sk_test_1", "paymentToken": deal.token }));
    let live = spawn_recorded_app(go_live);
    live.note("Live");
    let body = json!({ "publicKey": "pk_test_default", "paymentToken": "PY_ZZZZZZZZ0000" });
    live.send(
        "POST",
        "/v1/checkout/session",
        &[("content-type", "application/json")],
        Some(body.to_string().as_bytes()),
    );
    assert_snapshot("checkout", &[&app]);
    assert_snapshot("live_checkout", &[&live]);
}
