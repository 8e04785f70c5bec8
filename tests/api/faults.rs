//! Tests the faults of `POST /sandbox/faults`, which make later requests fail on purpose.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app, spawn_live_app};

const MESSAGE: &str = "Fault requested by POST /sandbox/faults";

fn set(app: &TestApp, fault: &Value) -> Answer {
    app.as_merchant("POST", "/sandbox/faults", Some(fault))
}

fn faults(app: &TestApp) -> Value {
    let list = app.as_merchant("GET", "/sandbox/faults", None).ok();
    list.data().clone()
}

/// Sends a raw request of Ben's with these additional headers, and returns every byte that
/// arrives until the connection ends.
pub(crate) fn raw_reply(app: &TestApp, head: &str, headers: &str, body: &str) -> Vec<u8> {
    let mut stream = app.connect();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ben\r\n{headers}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // The connection may end with a close or with a reset.
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    bytes
}

#[test]
fn a_fault_is_set_listed_and_cleared() {
    let app = spawn_app();
    assert_eq!(faults(&app), json!([]));
    let fault = set(&app, &json!({ "times": 3, "status": 503 }));
    assert_eq!((fault.status, fault.message()), (201, "Fault set successfully"));
    let expected = json!({
        "id": 1, "route": null, "customerId": null, "status": 503, "delayMs": null, "inFlight": false,
        "cutAfterCommit": false, "times": 3, "remaining": 3, "probability": null, "seed": null,
    });
    assert_eq!(fault.data(), &expected);
    let cut = json!({
        "route": "/v1/escrow/milestone/confirm/*", "customerId": "ben", "delayMs": 5, "cutAfterCommit": true,
    });
    set(&app, &cut).ok();
    let second = &faults(&app)[1];
    assert_eq!(second["route"], "/v1/escrow/milestone/confirm/*");
    assert_eq!((&second["customerId"], &second["delayMs"]), (&json!("ben"), &json!(5)));
    assert_eq!((&second["cutAfterCommit"], &second["times"]), (&json!(true), &json!(1)));
    let cleared = app.as_merchant("DELETE", "/sandbox/faults", None).ok();
    assert_eq!(
        (cleared.message(), cleared.data()),
        ("Faults cleared successfully", &json!({ "cleared": 2 }))
    );
    assert_eq!(faults(&app), json!([]));
    app.wallet("ben").ok();
}

#[test]
fn exactly_the_requested_number_of_concurrent_requests_fail() {
    let app = spawn_app();
    let deal = app.offered();
    set(&app, &json!({ "times": 40, "status": 503 })).ok();
    let answers = app.run_concurrently(64, |app, _| app.pay_for("ben", &deal));
    let failed: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(failed.len(), 40);
    for answer in failed {
        assert_eq!((answer.message(), &answer.body["code"]), (MESSAGE, &json!("fault")));
        assert_eq!((&answer.body["status"], answer.data()), (&json!(503), &json!({})));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(answer.header("x-request-id").is_some());
    }
    let paid = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(paid, 1, "only one payment succeeds");
    assert_eq!(faults(&app), json!([]), "the fault is used up");
}

#[test]
fn a_status_fault_replies_before_any_check_of_the_request() {
    let app = spawn_app();
    let deal = app.offered();
    set(&app, &json!({ "times": 4, "status": 500 })).ok();
    app.refuses(500, MESSAGE, |app| app.pay_for("ben", &deal));
    // The fault comes before the checks of the header, the body and the route.
    app.refuses(500, MESSAGE, |app| app.send("GET", "/v1/wallet", &[], None));
    app.refuses(500, MESSAGE, |app| {
        app.json_text("POST", "/v1/payment/escrow", "ben", "{")
    });
    app.refuses(500, MESSAGE, |app| app.send("GET", "/v1/nothing", &[], None));
    app.pay_for("ben", &deal).ok();
    let retry_after = |status: u16| {
        set(&app, &json!({ "status": status })).ok();
        let answer = app.wallet("ben");
        assert_eq!(answer.status, status);
        // A 429 of the rate limit has neither.
        let has = ["\"data\"", "\"code\"", "\"docUrl\""].map(|key| answer.text.contains(key));
        assert_eq!(has, [status != 429; 3], "{answer:?}");
        answer.header("retry-after").map(str::to_owned)
    };
    let one_second = Some("1".to_owned());
    assert_eq!(
        [429, 503, 502, 418].map(retry_after),
        [one_second.clone(), one_second, None, None]
    );
}

#[test]
fn faults_affect_only_the_contracts_routes() {
    let app = spawn_app();
    set(&app, &json!({ "status": 503 })).ok();
    app.send("GET", "/healthz", &[], None).ok();
    app.save_card("ben", "4242424242424242").ok();
    app.as_merchant("GET", "/sandbox/requests", None).ok();
    assert_eq!(faults(&app)[0]["remaining"], 1);
    assert_eq!(app.wallet("ben").status, 503);
}

#[test]
fn a_fault_affects_only_its_route_and_customer() {
    let app = spawn_app();
    let (first, second) = (app.offered(), app.offered());
    set(
        &app,
        &json!({ "status": 503, "route": "POST /v1/payment/escrow", "customerId": "ben" }),
    )
    .ok();
    app.wallet("ben").ok();
    app.pay_for("cleo", &first).ok();
    assert_eq!(app.pay_for("ben", &second).status, 503);
    app.pay_for("ben", &second).ok();
    set(
        &app,
        &json!({ "status": 502, "route": "/v1/escrow/milestone/confirm/*" }),
    )
    .ok();
    assert_eq!(
        app.confirm_milestone("ben", &second.id, &second.milestones[0]).status,
        502
    );
    app.confirm_milestone("ben", &second.id, &second.milestones[0]).ok();
}

#[test]
fn a_fault_affects_only_the_key_that_set_it() {
    let app = spawn_app();
    let wallet = |key: &str| app.json_with_key(key, "GET", "/v1/wallet", "ada", &json!({})).status;
    app.json_with_key("sk_test_one", "POST", "/sandbox/faults", "", &json!({ "status": 503 }))
        .ok();
    assert_eq!((wallet("sk_test_two"), app.wallet("ada").status), (200, 200));
    assert_eq!((wallet("sk_test_one"), wallet("sk_test_one")), (503, 200));
}

#[test]
fn a_reset_clears_the_faults_of_its_key_and_no_others() {
    let app = spawn_app();
    let fault = json!({ "status": 503 });
    set(&app, &fault).ok();
    app.json_with_key("sk_test_other", "POST", "/sandbox/faults", "", &fault)
        .ok();
    app.as_merchant("POST", "/sandbox/reset", None).ok();
    assert_eq!(faults(&app), json!([]));
    app.wallet("ada").ok();
    let wallet_of_other = app.json_with_key("sk_test_other", "GET", "/v1/wallet", "ada", &json!({}));
    assert_eq!(wallet_of_other.status, 503);
}

#[test]
fn a_delay_comes_before_the_reply_or_before_the_status() {
    let app = spawn_app();
    for (fault, status) in [
        (json!({ "delayMs": 2000 }), 200),
        (json!({ "delayMs": 2000, "status": 504 }), 504),
    ] {
        set(&app, &fault).ok();
        let began = Instant::now();
        assert_eq!(app.wallet("ben").status, status);
        assert!(began.elapsed() >= Duration::from_secs(2), "{fault}");
        // A busy machine may delay one too.
        let is_fast = |_| {
            let began = Instant::now();
            app.wallet("ben").ok();
            began.elapsed() < Duration::from_secs(2)
        };
        assert!((0..3).any(is_fast), "the fault delays only the first request");
    }
}

#[test]
fn a_cut_connection_sends_no_byte_and_keeps_the_commit() {
    let app = spawn_app();
    let deal = app.offered();
    set(
        &app,
        &json!({ "cutAfterCommit": true, "route": "POST /v1/payment/escrow" }),
    )
    .ok();
    let body = json!({ "escrowDetails": { "escrowId": deal.id } }).to_string();
    assert_eq!(raw_reply(&app, "POST /v1/payment/escrow", "", &body), b"");
    let paid = app.verify(&deal.token).ok();
    assert_eq!(paid.text("status"), "ONGOING");
    assert_eq!(app.balances("ben"), (json!(989_800), json!(10_000)));
}

#[test]
fn a_cut_top_up_that_is_sent_again_happens_twice() {
    let app = spawn_app();
    app.wallet("ben").ok();
    set(&app, &json!({ "cutAfterCommit": true })).ok();
    let body = json!({ "amount": 5000 }).to_string();
    assert_eq!(raw_reply(&app, "POST /v1/payment/topup", "", &body), b"");
    app.top_up("ben", 5000).ok();
    assert_eq!(
        app.balances("ben").0,
        json!(1_010_000),
        "the top-up of 5,000 happened twice"
    );
}

#[test]
fn a_cut_top_up_that_is_sent_again_under_its_idempotency_key_happens_once() {
    let app = spawn_app();
    app.wallet("ben").ok();
    set(&app, &json!({ "cutAfterCommit": true })).ok();
    let body = json!({ "amount": 5000 }).to_string();
    let key = "idempotency-key: top-up-1\r\n";
    assert_eq!(raw_reply(&app, "POST /v1/payment/topup", key, &body), b"");
    let headers = [
        ("customer-id", "ben"),
        ("content-type", "application/json"),
        ("idempotency-key", "top-up-1"),
    ];
    let again = app
        .send("POST", "/v1/payment/topup", &headers, Some(body.as_bytes()))
        .ok();
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(app.balances("ben").0, json!(1_005_000));
}

#[test]
fn cut_refusals_and_cut_reads_send_no_byte_either() {
    let app = spawn_app();
    set(&app, &json!({ "cutAfterCommit": true, "times": 3 })).ok();
    assert_eq!(raw_reply(&app, "POST /v1/payment/topup", "", "{"), b"");
    assert_eq!(raw_reply(&app, "GET /v1/wallet", "", ""), b"");
    assert_eq!(raw_reply(&app, "GET /v1/nothing", "", ""), b"");
    assert_eq!(faults(&app), json!([]));
}

#[test]
fn an_invalid_fault_is_refused_with_the_wrong_field() {
    let app = spawn_app();
    let refused = |body: Value, message: &str| {
        let refusal = app.refuses(400, message, |app| set(app, &body));
        assert_eq!(refusal.body["code"], "invalid_request");
    };
    refused(
        json!({ "times": 3 }),
        "status must be sent, or else delayMs, inFlight or cutAfterCommit; got nothing",
    );
    refused(
        json!({ "status": 200 }),
        "status must be a whole number from 400 to 599; got 200",
    );
    refused(
        json!({ "status": 503, "tmies": 3 }),
        "tmies must be one of the fields times, probability, seed, status, route, customerId, delayMs, inFlight, cutAfterCommit; got \"tmies\"",
    );
    refused(
        json!({ "status": 503, "seed": 7 }),
        "seed must be sent with probability only, since it decides nothing without it; got 7",
    );
    refused(
        json!({ "status": 503, "route": "POST /v1/payments/escrow" }),
        "route must be a route of the service, such as \"POST /v1/payment/escrow\" or \
         \"/v1/escrow/milestone/confirm/*\"; got \"POST /v1/payments/escrow\"",
    );
    for _ in 0..100 {
        set(&app, &json!({ "status": 503 })).ok();
    }
    let message = "At most 100 faults can be set at once; DELETE /sandbox/faults clears them";
    let refusal = app.refuses(400, message, |app| set(app, &json!({ "status": 503 })));
    assert_eq!(refusal.body["code"], "too_many_faults");
}

#[test]
fn live_mode_has_no_fault_and_request_log_routes() {
    let app = spawn_live_app(|_| {});
    let bearer = format!("Bearer {LIVE_KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for (method, path) in [
        ("POST", "/sandbox/faults"),
        ("GET", "/sandbox/faults"),
        ("DELETE", "/sandbox/faults"),
        ("GET", "/sandbox/requests"),
        ("GET", "/sandbox/requests/req_1"),
    ] {
        let answer = app.send(method, path, &headers, Some(br#"{"status":503}"#));
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (404, &json!("route_not_found")),
            "{path}"
        );
    }
}

#[test]
fn a_conflict_on_demand_is_the_one_of_a_key_in_flight() {
    let app = spawn_app();
    let fault = json!({ "inFlight": true, "route": "POST /v1/payment/topup" });
    let set = app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
    assert_eq!(
        (&set.data()["inFlight"], &set.data()["status"]),
        (&json!(true), &Value::Null)
    );
    let send = || {
        let headers = [
            ("idempotency-key", "k"),
            ("customer-id", "ada"),
            ("content-type", "application/json"),
        ];
        app.send("POST", "/v1/payment/topup", &headers, Some(br#"{"amount":1000}"#))
    };
    let refused = send();
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (409, &json!("idempotency_key_in_flight"))
    );
    let done = send();
    assert_eq!(
        (done.status, done.header("idempotent-replayed")),
        (200, None),
        "{done:?}"
    );
}

#[test]
fn a_random_fault_hits_the_same_requests_for_the_same_seed() {
    let app = spawn_app();
    let statuses = |seed: u32| -> Vec<u16> {
        app.as_merchant("DELETE", "/sandbox/faults", None).ok();
        let fault = json!({ "status": 503, "probability": 0.3, "seed": seed });
        let set = app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
        assert_eq!(
            (&set.data()["probability"], &set.data()["seed"]),
            (&json!(0.3), &json!(seed))
        );
        assert_eq!(set.data()["times"], 1_000);
        (0..60).map(|_| app.wallet("ada").status).collect()
    };
    let first = statuses(7);
    let hits = first.iter().filter(|&&status| status == 503).count();
    assert!((5..40).contains(&hits), "{hits}");
    assert_eq!(statuses(7), first);
    assert_ne!(statuses(8), first);
}
