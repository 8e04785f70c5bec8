//! The reset of a sandbox merchant.

use std::thread;

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app, spawn_app_with, two_milestones};
use crate::waiting::until;

const KEY: &str = "sk_test_suite";

fn ask(app: &TestApp, method: &str, path: &str, customer: &str, body: &Value) -> Answer {
    app.json_with_key(KEY, method, path, customer, body)
}

/// Creates a deal of this key, paid for.
fn funded(app: &TestApp) -> Deal {
    let deal = Deal::of(&ask(app, "POST", "/v1/escrow/milestone/create", "ada", &two_milestones()).ok());
    let payment = json!({ "reference": "order-1", "escrowDetails": { "escrowId": deal.id } });
    ask(app, "POST", "/v1/payment/escrow", "ben", &payment).ok();
    deal
}

#[test]
fn a_reset_clears_all_state_of_a_merchant() {
    let app = spawn_app();
    let deal = funded(&app);
    ask(&app, "POST", "/sandbox/clock/advance", "", &json!({ "by": "30d" })).ok();
    let reset = app.reset(KEY).ok();
    assert_eq!(reset.message(), "Sandbox reset successfully");
    assert_eq!(*reset.data(), json!({ "merchantId": 2 }));

    let clock = ask(&app, "GET", "/sandbox/clock", "", &Value::Null).ok();
    assert_eq!(clock.data()["offsetSeconds"], 0);
    let customers = ask(&app, "GET", "/v1/customers", "", &Value::Null).ok();
    assert_eq!(customers.data()["pagination"]["count"], 0);
    let wallet = ask(&app, "GET", "/v1/wallet", "ben", &Value::Null).ok();
    assert_eq!(wallet.data()["mainBalance"], 1_000_000);
    assert_eq!(wallet.data()["escrowBalance"], 0);
    let earned = ask(&app, "GET", "/v1/merchant/balance", "", &Value::Null).ok();
    assert_eq!(earned.data()["mainBalance"], 0);
    let again = funded(&app);
    assert_ne!(
        (again.id, again.token),
        (deal.id, deal.token),
        "the reference is still in use"
    );
}

#[test]
fn objects_from_before_a_reset_are_not_found() {
    let app = spawn_app();
    let deal = funded(&app);
    app.reset(KEY).ok();
    let unknown = |method: &str, path: &str, customer: &str, body: &Value| {
        let answer = ask(&app, method, path, customer, body);
        (answer.status, answer.message().to_owned())
    };
    let not_found = (400, "Escrow not found".to_owned());
    let token = &deal.token;
    let confirm = format!("/v1/escrow/milestone/confirm/{}/{}", deal.id, deal.milestones[0]);
    let fee = json!({ "additionalFee": 1 });
    for by in [json!({ "escrowId": deal.id }), json!({ "paymentToken": token })] {
        let payment = json!({ "escrowDetails": by });
        assert_eq!(unknown("POST", "/v1/payment/escrow", "cleo", &payment), not_found);
    }
    for (method, path, customer) in [
        ("GET", format!("/v1/escrow/verify/{token}"), "ben"),
        ("POST", confirm, "ben"),
        ("PUT", format!("/v1/escrow/additional-fee/{token}"), ""),
    ] {
        assert_eq!(unknown(method, &path, customer, &fee), not_found, "{method} {path}");
    }
    let vault = unknown("POST", &format!("/v1/escrow/vault/cancel/{token}"), "", &Value::Null);
    assert!(!vault.1.contains("another merchant"), "{vault:?}");
    let customer = unknown("GET", "/v1/customer/get/ada", "", &Value::Null);
    assert_eq!(customer, (400, "Customer not found".to_owned()));
    let verified = unknown("POST", "/v1/payment/verify", "ben", &json!({ "reference": "order-1" }));
    assert!(verified.0 >= 400, "{verified:?}");
}

#[test]
fn a_reset_affects_one_merchant() {
    let app = spawn_app();
    let other = app.funded();
    let before = app.verify(&other.token).ok().body;
    funded(&app);
    app.reset(KEY).ok();
    assert_eq!(app.verify(&other.token).ok().body, before);
    app.confirm_milestone("ben", &other.id, &other.milestones[0]).ok();
}

#[test]
fn a_reset_of_an_unused_key_creates_its_merchant() {
    let app = spawn_app();
    assert_eq!(*app.reset(KEY).ok().data(), json!({ "merchantId": 1 }));
    assert_eq!(app.count("merchant"), 1);
    assert_eq!(*app.reset(KEY).ok().data(), json!({ "merchantId": 2 }));
    funded(&app);
    let owners = app.column("SELECT DISTINCT merchant_id FROM escrow");
    assert_eq!(owners, ["2"]);
}

#[test]
fn the_default_merchant_can_be_reset_too() {
    let app = spawn_app();
    let deal = app.funded();
    app.as_merchant("POST", "/sandbox/reset", None).ok();
    app.refuses(400, "Escrow not found", |app| app.verify(&deal.token));
    assert_eq!(app.balances("ben"), (json!(1_000_000), json!(0)));
}

#[test]
fn a_reset_refuses_fields_and_ignores_a_customer_header() {
    let app = spawn_app();
    let message = "anything must be left out, since this route reads no fields here; got \"anything\"";
    app.refuses(400, message, |app| {
        app.json("POST", "/sandbox/reset", "ada", &json!({ "anything": 1 }))
    });
    app.json("POST", "/sandbox/reset", "a b", &json!({})).ok();
    assert_eq!(app.count("customer"), 0);
}

/// Each connection stays with one worker, and each worker has its own api key cache.
/// A body to a route without fields is read all the same, before the route acts.
#[test]
fn a_body_that_cannot_be_read_is_refused_where_none_is_needed() {
    let app = spawn_app();
    let deal = funded(&app);
    let refund = format!("/v1/escrow/refund/{}", deal.token);
    for path in ["/sandbox/reset", &refund] {
        for (body, expected) in [
            ("{", "the body must be valid JSON"),
            ("garbage", "the body must be valid JSON"),
            ("[1]", "the body must be a JSON object"),
            ("{\"a\":1,\"a\":2}", "a must be sent once"),
        ] {
            let before = app.dump();
            let refused = app.json_text("POST", path, "ben", body);
            assert_eq!(refused.status, 400, "{path} {body}");
            assert!(refused.message().starts_with(expected), "{}", refused.message());
            assert_eq!(app.dump(), before);
        }
    }
    for body in ["{}", "null", "", " "] {
        app.json_text("POST", "/sandbox/reset", "", body).ok();
    }
}

#[test]
fn every_worker_uses_the_new_merchant_once_a_reset_is_answered() {
    const CONNECTIONS: usize = 32;
    let app = spawn_app();
    let request = format!(
        "GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\ncustomer-id: ben\r\n\r\n"
    );
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| app.connect()).collect();
    let wallet_ids = || -> Vec<String> {
        let ids = connections.iter().map(|mut connection| {
            std::io::Write::write_all(&mut connection, request.as_bytes()).unwrap();
            Answer::read_from(connection).ok().text("id")
        });
        ids.collect()
    };
    let mut seen = Vec::new();
    for round in 0..20 {
        let ids = wallet_ids();
        let first = ids[0].clone();
        assert!(ids.iter().all(|id| *id == first), "round {round}: {ids:?}");
        assert!(
            !seen.contains(&first),
            "round {round}: {first} belongs to the merchant before the reset"
        );
        seen.push(first);
        app.reset(KEY).ok();
    }
}

/// A key lookup during the reset must not put the old merchant into the cache.
#[test]
fn a_reset_during_requests_is_final() {
    let app = spawn_app();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    ask(&app, "GET", "/v1/wallet", "ben", &Value::Null).ok();
                }
            });
        }
        for round in 0..50 {
            let merchant = app.reset(KEY).ok().data()["merchantId"].to_string();
            for _ in 0..4 {
                let wallet = ask(&app, "GET", "/v1/wallet", "ben", &Value::Null).ok().text("id");
                let number = i64::from_str_radix(&wallet[..16], 16).unwrap();
                let owner = app.column(&format!("SELECT merchant_id FROM customer WHERE wallet_id = {number}"));
                assert_eq!(owner, [merchant.as_str()], "round {round}");
            }
        }
    });
}

#[test]
fn concurrent_resets_leave_one_merchant() {
    let app = spawn_app();
    funded(&app);
    let merchants = app.run_concurrently(16, |app, _| app.reset(KEY).ok().data()["merchantId"].as_i64().unwrap());
    let newest = merchants.iter().max().unwrap().to_string();
    assert_eq!(app.column("SELECT merchant_id FROM merchant_key"), [newest.as_str()]);
    funded(&app);
    assert_eq!(
        app.column("SELECT merchant_id FROM escrow ORDER BY id DESC LIMIT 1"),
        [newest]
    );
}

/// A client that retries the reset must not lose its later work.
#[test]
fn a_reset_repeated_under_its_idempotency_key_is_done_once() {
    let app = spawn_app();
    ask(&app, "POST", "/sandbox/clock/advance", "", &json!({ "by": "30d" })).ok();
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "start")];
    let reset = || app.send("POST", "/sandbox/reset", &headers, None).ok();
    let first = reset();
    let deal = funded(&app);
    ask(
        &app,
        "POST",
        "/sandbox/faults",
        "",
        &json!({ "status": 503, "route": "GET /v1/customers" }),
    )
    .ok();
    let again = reset();
    assert_eq!(
        (again.data(), again.header("idempotent-replayed")),
        (first.data(), Some("true"))
    );
    ask(
        &app,
        "GET",
        &format!("/v1/escrow/verify/{}", deal.token),
        "",
        &Value::Null,
    )
    .ok();
    assert_eq!(ask(&app, "GET", "/v1/customers", "", &Value::Null).status, 503);
    // The record's lifetime follows the clock of the new merchant.
    ask(&app, "POST", "/sandbox/clock/advance", "", &json!({ "by": "25h" })).ok();
    assert_ne!(reset().data(), first.data());
}

/// A request that comes during the reset is refused as in flight. One that read the key
/// before the reset finds its record.
#[test]
fn concurrent_resets_under_one_idempotency_key_are_done_once() {
    let app = spawn_app();
    for round in 0..20 {
        let key = format!("once-{round}");
        let bearer = format!("Bearer {KEY}");
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key.as_str())];
        let answers = app.run_concurrently(16, |app, _| app.send("POST", "/sandbox/reset", &headers, None));
        let done: Vec<_> = answers.iter().filter(|answer| answer.status != 409).collect();
        let first: Vec<_> = done
            .iter()
            .filter(|answer| answer.header("idempotent-replayed").is_none())
            .collect();
        assert_eq!(first.len(), 1, "round {round}");
        assert!(
            done.iter().all(|answer| answer.data() == first[0].data()),
            "round {round}"
        );
    }
}

/// The events of these tests go to a port on which no server listens.
#[test]
fn a_reset_drops_pending_deliveries() {
    let app = spawn_app();
    let callback = json!({ "url": "http://127.0.0.1:9/hook" });
    ask(&app, "PUT", "/sandbox/callback", "", &callback).ok();
    funded(&app);
    assert!(app.count("delivery") > 0);
    app.reset(KEY).ok();
    assert_eq!(app.count("delivery"), 0);
    let anew = ask(&app, "GET", "/sandbox/callback", "", &Value::Null).ok();
    assert_eq!(
        (&anew.data()["url"], &anew.data()["signingSecret"]),
        (&Value::Null, &json!(KEY))
    );
    let events = ask(&app, "GET", "/sandbox/events", "", &Value::Null).ok();
    assert_eq!(events.data()["pagination"]["count"], 0);
    funded(&app);
    assert_eq!(app.count("delivery"), 0, "the new merchant has no webhook endpoint");
}

#[test]
fn faults_end_with_a_reset() {
    let app = spawn_app();
    ask(
        &app,
        "POST",
        "/sandbox/faults",
        "",
        &json!({ "status": 503, "times": 9 }),
    )
    .ok();
    assert_eq!(ask(&app, "GET", "/v1/customers", "", &Value::Null).status, 503);
    app.reset(KEY).ok();
    ask(&app, "GET", "/v1/customers", "", &Value::Null).ok();
}

#[test]
fn a_reset_survives_a_restart() {
    let mut app = spawn_app();
    let deal = funded(&app);
    app.reset(KEY).ok();
    app.stop();
    let database = app.database.clone();
    let next = spawn_app_with(|config| config.database = database);
    let answer = ask(
        &next,
        "GET",
        &format!("/v1/escrow/verify/{}", deal.token),
        "",
        &Value::Null,
    );
    assert_eq!((answer.status, answer.message()), (400, "Escrow not found"));
}

#[test]
fn a_reset_leaves_the_rows_for_later() {
    let app = spawn_app();
    for _ in 0..20 {
        ask(&app, "POST", "/v1/escrow/milestone/create", "ada", &two_milestones()).ok();
    }
    let rows = || app.column("SELECT count(*) FROM escrow");
    assert_eq!(rows(), ["20"]);
    app.reset(KEY).ok();
    assert_eq!(rows(), ["20"]);
}

/// The service removes the rows by itself, and other merchants notice nothing.
#[test]
fn a_merchant_from_before_a_reset_does_not_stay_in_the_file() {
    let app = spawn_app_with(|config| config.sandbox.reset_kept_seconds = 1);
    let other = app.funded();
    let before = app.verify(&other.token).ok().body;
    let transfers = app.count("transfer");
    for _ in 0..3 {
        funded(&app);
        app.reset(KEY).ok();
    }
    until("two merchants are left", || app.count("merchant") <= 2);
    assert_eq!(app.count("transfer"), transfers);
    assert_eq!(app.verify(&other.token).ok().body, before);
    funded(&app);
}
