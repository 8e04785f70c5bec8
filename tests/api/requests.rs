//! The request log: `GET /sandbox/requests`, and the effects of each request.

use serde_json::{Value, json};

use crate::faults::raw_reply;
use crate::helpers::{Answer, TestApp, spawn_app, spawn_app_with, two_milestones};
use crate::shapes::{ID, ISO, assert_shape};

fn show(app: &TestApp, answer: &Answer) -> Value {
    let id = answer.header("x-request-id").unwrap();
    shown(app, id).ok().data().clone()
}

fn shown(app: &TestApp, id: &str) -> Answer {
    app.as_merchant("GET", &format!("/sandbox/requests/{id}"), None)
}

fn list(app: &TestApp, query: &str) -> Value {
    let list = app.as_merchant("GET", &format!("/sandbox/requests{query}"), None).ok();
    list.data().clone()
}

fn shown_events(request: &Value) -> impl Iterator<Item = &Value> {
    request["events"].as_array().unwrap().iter()
}

/// Returns the paths of the requests on the first page, newest first.
fn paths(app: &TestApp) -> Vec<String> {
    let list = list(app, "");
    let rows = list["data"].as_array().unwrap();
    rows.iter()
        .map(|row| row["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_request_is_shown_with_its_reply_transfers_and_events() {
    let app = spawn_app();
    let deal = app.funded();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let path = format!("/v1/escrow/milestone/confirm/{}/{}?x=1", deal.id, deal.milestones[1]);
    let confirmed = app.send("POST", &path, &[("customer-id", "ben")], None).ok();
    let mut request = show(&app, &confirmed);
    assert_eq!(request["id"], confirmed.header("x-request-id").unwrap());
    assert_shape(&request["receivedAt"], ISO);
    assert!(request["durationMicros"].as_u64().unwrap() > 0);
    let reply: Value = serde_json::from_str(request["replyBody"].as_str().unwrap()).unwrap();
    assert_eq!(reply, confirmed.body);
    let keys: Vec<&String> = request.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "receivedAt",
            "method",
            "path",
            "customerId",
            "requestBody",
            "status",
            "replyBody",
            "durationMicros",
            "replayed",
            "fault",
            "transfers",
            "events",
        ]
    );
    for varying in ["id", "receivedAt", "durationMicros", "replyBody"] {
        request.as_object_mut().unwrap().remove(varying);
    }
    let escrow = &deal.id;
    let emitted = app.events();
    let names: Vec<&str> = shown_events(&request)
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["payment.escrow.success", "escrow.completed"]);
    assert_eq!(names, emitted[emitted.len() - 2..]);
    for event in shown_events(&request) {
        assert_shape(&event["id"], ID);
    }
    request.as_object_mut().unwrap().remove("events");
    assert_eq!(
        request,
        json!({
            "method": "POST", "path": path, "customerId": "ben", "requestBody": null, "status": 200,
            "replayed": false, "fault": null,
            "transfers": [
                { "number": 5, "kind": "RELEASE", "debit": "ben escrow", "credit": "ada main", "amount": 6000,
                  "escrowId": escrow },
                { "number": 6, "kind": "PLATFORM_FEE", "debit": "ben escrow", "credit": "platform fees",
                  "amount": 200, "escrowId": escrow },
            ],
        })
    );
}

#[test]
fn a_first_command_shows_the_opening_balance_that_came_with_it() {
    let app = spawn_app();
    let topped_up = show(&app, &app.top_up("ada", 1000).ok());
    assert_eq!(
        topped_up["transfers"],
        json!([
            { "number": 1, "kind": "OPENING_BALANCE", "debit": "outside world", "credit": "ada main",
              "amount": 1_000_000, "escrowId": null },
            { "number": 2, "kind": "TOP_UP", "debit": "outside world", "credit": "ada main",
              "amount": 1000, "escrowId": null },
        ])
    );
    assert_eq!(topped_up["requestBody"], r#"{"amount":1000}"#);
}

#[test]
fn a_refusal_is_shown_without_transfers_and_events() {
    let app = spawn_app();
    let deal = app.funded();
    let refused = app.pay_for("ben", &deal);
    let request = show(&app, &refused);
    assert_eq!((&request["status"], &request["transfers"]), (&json!(400), &json!([])));
    assert_eq!(request["events"], json!([]));
    assert!(
        request["replyBody"]
            .as_str()
            .unwrap()
            .contains("Escrow is not in a valid state")
    );
    let no_json = app.json_text("POST", "/v1/payment/topup", "ben", "{\"amount\":");
    assert_eq!(show(&app, &no_json)["requestBody"], "{\"amount\":");
    let no_header = app.send("GET", "/v1/wallet", &[], None);
    assert_eq!(show(&app, &no_header)["status"], 400);
}

#[test]
fn a_form_is_shown_without_its_files_and_every_request_without_its_key() {
    let app = spawn_app();
    let parts: [(&str, Option<&str>, &[u8]); 3] = [
        ("purpose", None, b"A bicycle"),
        ("amount", None, b"x"),
        ("images", Some("bicycle.png"), b"not a picture"),
    ];
    let sent = app.form("POST", "/v1/escrow/create", "ada", &parts);
    let expected = "purpose: A bicycle\namount: x\nimages: a file of 13 bytes\n";
    assert_eq!(show(&app, &sent)["requestBody"], expected);
    let secret = "sk_test_secret_of_mine";
    let topped_up = app.json_with_key(secret, "POST", "/v1/payment/topup", "ada", &json!({ "amount": 1000 }));
    let bearer = format!("Bearer {secret}");
    let path = format!("/sandbox/requests/{}", topped_up.header("x-request-id").unwrap());
    let shown = app.send("GET", &path, &[("authorization", &bearer)], None).ok();
    assert!(!shown.body.to_string().contains(secret));
}

#[test]
fn only_the_first_request_under_an_idempotency_key_shows_effects() {
    let app = spawn_app();
    app.wallet("ben").ok();
    let keyed = |customer: &str, path: &str, body: &str| {
        let headers = [
            ("customer-id", customer),
            ("content-type", "application/json"),
            ("idempotency-key", path),
        ];
        app.send("POST", path, &headers, Some(body.as_bytes()))
    };
    let top_up = |_| show(&app, &keyed("ben", "/v1/payment/topup", r#"{"amount":5000}"#));
    let [first, again] = [0, 1].map(top_up);
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(first["transfers"].as_array().unwrap().len(), 1);
    assert_eq!((&again["transfers"], &again["events"]), (&json!([]), &json!([])));
    assert_eq!(first["replyBody"], again["replyBody"]);
    // The record keeps the refusal. The opening balance before it was rolled back, and
    // another request's transfer now has its number.
    let unknown = r#"{"escrowDetails":{"escrowId":"0123456789abcdef01234567"}}"#;
    let refused = keyed("zoe", "/v1/payment/escrow", unknown);
    app.wallet("cleo").ok();
    let refused = show(&app, &refused);
    assert_eq!((&refused["status"], &refused["transfers"]), (&json!(400), &json!([])));
}

#[test]
fn the_effect_of_a_fault_is_shown() {
    let app = spawn_app();
    let fault = json!({ "status": 503, "delayMs": 1 });
    app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
    let faulted = show(&app, &app.top_up("ben", 1000));
    assert_eq!((&faulted["status"], &faulted["transfers"]), (&json!(503), &json!([])));
    assert_eq!(faulted["customerId"], "ben");
    assert_eq!(
        faulted["fault"],
        json!({ "status": 503, "delayMs": 1, "inFlight": false, "cutAfterCommit": false })
    );

    let fault = json!({ "cutAfterCommit": true });
    app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
    let body = r#"{"amount":2000}"#;
    assert_eq!(raw_reply(&app, "POST /v1/payment/topup", "", body), b"");
    let newest = &list(&app, "?limit=1")["data"][0];
    let cut = shown(&app, newest["id"].as_str().unwrap()).ok();
    assert_eq!(cut.data()["fault"]["cutAfterCommit"], true);
    assert_eq!(
        cut.data()["status"],
        200,
        "the log shows the reply that the client did not get"
    );
    assert_eq!(cut.data()["transfers"][1]["amount"], 2000);
}

#[test]
fn requests_are_listed_newest_first_and_reading_the_log_adds_no_entry() {
    let app = spawn_app();
    app.wallet("ada").ok();
    app.create_milestone_escrow("ada", &two_milestones()).ok();
    app.send("GET", "/healthz", &[], None).ok();
    app.send("GET", "/v1/nothing", &[], None);
    app.save_card("ada", "4242424242424242").ok();
    let expected = ["/sandbox/cards", "/v1/escrow/milestone/create", "/v1/wallet"];
    assert_eq!(paths(&app), expected);
    assert_eq!(paths(&app), expected, "reading the log added an entry");
    let second = list(&app, "?page=2&limit=2");
    assert_eq!(second["data"].as_array().unwrap().len(), 1);
    let row = second["data"][0].as_object().unwrap();
    let keys: Vec<&String> = row.keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "receivedAt",
            "method",
            "path",
            "customerId",
            "status",
            "durationMicros",
            "replayed"
        ]
    );
    assert_eq!(second["pagination"]["count"], 3);
    assert_eq!(second["pagination"]["isLastPage"], true);
    app.refuses(400, "limit must be a whole number from 1 to 100; got 101", |app| {
        app.as_merchant("GET", "/sandbox/requests?limit=101", None)
    });
}

#[test]
fn requests_of_another_key_are_hidden() {
    let app = spawn_app();
    let of_one = app.json_with_key("sk_test_one", "GET", "/v1/wallet", "ada", &json!({}));
    let message = "Request not found; the last 10000 requests of all keys together are kept";
    for id in [of_one.header("x-request-id").unwrap(), "req_0", "%00"] {
        let unknown = app.refuses(404, message, |app| shown(app, id));
        assert_eq!(unknown.body["code"], "request_not_found");
    }
    assert_eq!(paths(&app), Vec::<String>::new());
}

#[test]
fn a_request_without_a_valid_key_is_not_logged() {
    let app = spawn_app_with(|config| config.sandbox.requests_kept = 1);
    let kept = app.wallet("ada").ok();
    app.refuses(403, "Unauthorized Access", |app| {
        app.json_with_key("sk_live_by_mistake", "GET", "/v1/wallet", "ada", &json!({}))
    });
    app.send("GET", "/v1/wallet", &[("authorization", "no key")], None);
    app.send("GET", "/v1/nothing", &[], None);
    app.send("GET", "/healthz", &[], None).ok();
    assert_eq!(
        show(&app, &kept)["path"],
        "/v1/wallet",
        "the oldest request was removed"
    );
}

#[test]
fn the_log_survives_a_reset() {
    let app = spawn_app();
    let topped_up = app.top_up("ada", 1000).ok();
    let before = show(&app, &topped_up);
    app.as_merchant("POST", "/sandbox/reset", None).ok();
    assert_eq!(show(&app, &topped_up), before);
    assert_eq!(before["transfers"].as_array().unwrap().len(), 2);
    assert_eq!(paths(&app)[0], "/sandbox/reset");
}

#[test]
fn the_oldest_requests_are_removed() {
    let app = spawn_app_with(|config| config.sandbox.requests_kept = 3);
    let ids: Vec<String> = (0..5)
        .map(|_| app.wallet("ada").ok().header("x-request-id").unwrap().to_owned())
        .collect();
    let message = "Request not found; the last 3 requests of all keys together are kept";
    app.refuses(404, message, |app| shown(app, &ids[1]));
    assert_eq!(shown(&app, &ids[2]).status, 200);
    assert_eq!(paths(&app).len(), 3);
}
