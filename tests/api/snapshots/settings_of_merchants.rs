//! The routes with which operators keep merchants, keys and webhook endpoints.

use serde_json::{Value, json};

use super::assert_snapshot;
use crate::cluster;
use crate::helpers::{Answer, LIVE_KEY, TestApp, go_live, new_customer, spawn_recorded_app, standard_terms};

/// Sends a request of an operator.
fn ask(app: &TestApp, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    app.json_with_key(key, method, &format!("/operator/{path}"), "", body)
}

#[test]
fn merchants_and_keys_are_kept_word_for_word() {
    if cluster::is_wanted() {
        // It looks into a file.
        return;
    }
    let app = spawn_recorded_app(go_live);
    let (ada, cleo) = (
        app.insert_operator("Ada", "admin"),
        app.insert_operator("Cleo", "cashier"),
    );
    app.unrecorded(|_| {
        let seller = app.json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &new_customer());
        let seller = seller.ok().text("customerId");
        app.json_with_key(LIVE_KEY, "POST", "/v1/escrow/create", &seller, &standard_terms())
            .ok()
    });
    show_settings(&app, &ada, &cleo);
    show_keys(&app, &ada);
    show_endpoint(&app, &ada);
    show_merchants(&app, &ada);
    app.note("Probes");
    app.send("GET", "/livez", &[], None);
    app.send("GET", "/readyz", &[], None);
    let sandbox = spawn_recorded_app(|_| {});
    sandbox.note("A sandbox has none of it");
    for (method, path, body) in [
        ("GET", "merchants", Value::Null),
        ("POST", "merchants", json!({ "name": "bakery" })),
        ("GET", "merchant", Value::Null),
        ("PUT", "merchant", json!({})),
        ("GET", "keys", Value::Null),
        ("POST", "keys", json!({})),
        ("POST", "keys/0123456789abcdef01234567/rotate", json!({})),
        (
            "POST",
            "keys/0123456789abcdef01234567/revoke",
            json!({ "reason": "lost" }),
        ),
        ("GET", "callback", Value::Null),
        ("PUT", "callback", json!({ "url": null })),
        ("POST", "callback/rotate-secret", json!({})),
        ("PUT", "notices/paystack", json!({ "secret": null })),
    ] {
        ask(&sandbox, "sk_test_1", method, path, &body);
    }
    assert_snapshot("live_settings", &[&app, &sandbox]);
}

fn show_settings(app: &TestApp, ada: &str, cleo: &str) {
    app.note("Settings of a merchant");
    ask(app, ada, "GET", "merchant", &Value::Null);
    let account = json!({ "bankName": "First Bank", "accountNumber": "2031234567", "accountName": "Shop Ltd" });
    ask(
        app,
        ada,
        "PUT",
        "merchant",
        &json!({
            "isBusiness": false, "country": "KE", "commissionBps": 50, "depositAccount": account,
            "allowedAddresses": ["127.0.0.0/8", "2001:db8::7"],
        }),
    );
    ask(
        app,
        ada,
        "PUT",
        "merchant",
        &json!({ "country": null, "commissionBps": null }),
    );
    for wrong in [
        json!({ "commissionBps": 4801 }),
        json!({ "commissionBps": 5001 }),
        json!({ "commissionBps": 1.5 }),
        json!({ "isBusiness": "yes" }),
        json!({ "allowedAddresses": ["192.0.2.7/24"] }),
        json!({ "allowedAddresses": ["shop.example"] }),
        json!({ "allowedAddresses": "192.0.2.7" }),
        json!({ "depositAccount": { "bankName": "First Bank" } }),
        json!({ "name": "other" }),
    ] {
        ask(app, ada, "PUT", "merchant", &wrong);
    }
    ask(app, cleo, "PUT", "merchant", &json!({ "commissionBps": 0 }));
}

fn show_keys(app: &TestApp, ada: &str) {
    app.note("Keys");
    let made = ask(
        app,
        ada,
        "POST",
        "keys",
        &json!({ "scope": "business", "label": "till" }),
    );
    let id = made.text("id");
    ask(app, ada, "POST", "keys", &json!({ "scope": "all" }));
    let rotated = ask(
        app,
        ada,
        "POST",
        &format!("keys/{id}/rotate"),
        &json!({ "overlapHours": 2 }),
    );
    ask(
        app,
        ada,
        "POST",
        &format!("keys/{id}/rotate"),
        &json!({ "overlapHours": 2161 }),
    );
    ask(
        app,
        ada,
        "POST",
        &format!("keys/{id}/revoke"),
        &json!({ "reason": "lost" }),
    );
    ask(
        app,
        ada,
        "POST",
        &format!("keys/{id}/revoke"),
        &json!({ "reason": "lost" }),
    );
    ask(app, ada, "POST", &format!("keys/{id}/rotate"), &json!({}));
    ask(
        app,
        ada,
        "POST",
        &format!("keys/{}/rotate", rotated.text("id")),
        &json!({ "overlapHours": 0 }),
    );
    ask(app, ada, "POST", "keys/0123456789abcdef01234567/rotate", &json!({}));
    ask(app, ada, "POST", "keys/nothing/revoke", &json!({}));
    ask(app, ada, "GET", "keys", &Value::Null);
}

fn show_endpoint(app: &TestApp, ada: &str) {
    app.note("The webhook endpoint");
    ask(app, ada, "GET", "callback", &Value::Null);
    ask(app, ada, "POST", "callback/rotate-secret", &json!({}));
    for url in [
        "http://shop.example/",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
    ] {
        ask(app, ada, "PUT", "callback", &json!({ "url": url }));
    }
    ask(app, ada, "PUT", "callback", &json!({}));
    ask(
        app,
        ada,
        "PUT",
        "callback",
        &json!({ "url": "https://shop.example/hook", "events": ["escrow.finished"] }),
    );
    ask(
        app,
        ada,
        "PUT",
        "callback",
        &json!({ "url": "https://shop.example/hook", "events": ["escrow.*"] }),
    );
    ask(
        app,
        ada,
        "PUT",
        "callback",
        &json!({ "url": "https://shop.example/other" }),
    );
    ask(
        app,
        ada,
        "POST",
        "callback/rotate-secret",
        &json!({ "overlapHours": 12 }),
    );
    ask(app, ada, "GET", "callback", &Value::Null);
    ask(app, ada, "PUT", "callback", &json!({ "url": null }));
    app.note("The secrets of providers");
    for secret in [json!("sk_live_of_paystack"), json!("short"), Value::Null] {
        ask(app, ada, "PUT", "notices/paystack", &json!({ "secret": secret }));
    }
    ask(app, ada, "PUT", "notices/other", &json!({ "secret": null }));
    app.note("Events");
    let events = ask(app, ada, "GET", "events?limit=1", &Value::Null);
    let id = events.data()["data"][0]["id"].as_str().unwrap().to_owned();
    ask(app, ada, "GET", &format!("events/{id}"), &Value::Null);
    ask(app, ada, "GET", "events/0123456789abcdef01234567", &Value::Null);
    ask(app, ada, "POST", &format!("events/{id}/resend"), &Value::Null);
    let since = json!({ "since": "2031-03-04T00:00:00.000Z" });
    ask(app, ada, "POST", "events/replay", &since);
    // Nothing listens there, and the replies are made before an attempt.
    app.unrecorded(|app| ask(app, ada, "PUT", "callback", &json!({ "url": "https://localhost:9/" })).ok());
    ask(app, ada, "POST", &format!("events/{id}/resend"), &Value::Null);
    ask(app, ada, "POST", "events/replay", &since);
}

fn show_merchants(app: &TestApp, ada: &str) {
    app.note("Merchants");
    ask(
        app,
        ada,
        "POST",
        "merchants",
        &json!({ "name": "bakery", "commissionBps": 25 }),
    );
    ask(app, ada, "POST", "merchants", &json!({ "name": "bakery" }));
    ask(app, ada, "POST", "merchants", &json!({ "name": "2nd" }));
    ask(app, ada, "GET", "merchants", &Value::Null);
    app.note("An admin of one merchant");
    let limited = json!({ "name": "Dayo", "role": "admin", "merchantIds": [2] });
    let dayo = app.unrecorded(|app| ask(app, ada, "POST", "operators", &limited).ok().text("key"));
    app.unrecorded(|app| {
        // The first use of the key is saved beside a request.
        while app.column("SELECT count(*) FROM operator WHERE name = 'Dayo' AND last_used_at IS NULL") == ["1"] {
            ask(app, &dayo, "GET", "merchants", &Value::Null);
        }
    });
    ask(app, &dayo, "GET", "merchants", &Value::Null);
    ask(app, &dayo, "POST", "merchants", &json!({ "name": "stall" }));
    ask(app, &dayo, "GET", "acts?limit=2", &Value::Null);
}
