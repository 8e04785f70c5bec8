//! Tests the API key and the `customer-id` header (contract sections 1.2, 1.3 and 9.3; design
//! section 6).

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::database::Outside;
use crate::helpers::{
    Answer, Deal, LIVE_KEY, TestApp, key_hash, spawn_app, spawn_app_with, spawn_live_app, standard_terms,
    two_milestones,
};

/// The key of a sandbox's default merchant.
const DEFAULT_KEY: &str = "sk_test_default";
const JSON: (&str, &str) = ("content-type", "application/json");

/// Returns every route that acts only for a customer, with a request that succeeds or fails
/// only because of the escrow.
fn customer_routes(deal: &Deal) -> Vec<(&'static str, String, Option<Value>)> {
    let Deal { id, token, milestones } = deal;
    vec![
        ("POST", "/v1/escrow/milestone/create".into(), Some(two_milestones())),
        (
            "PUT",
            format!("/v1/escrow/milestone/edit/{token}"),
            Some(two_milestones()),
        ),
        (
            "POST",
            format!("/v1/escrow/milestone/confirm/{id}/{}", milestones[0]),
            None,
        ),
        ("POST", format!("/v1/escrow/confirm-payment/{id}"), None),
        (
            "POST",
            "/v1/payment/escrow".into(),
            Some(json!({ "escrowDetails": { "escrowId": id } })),
        ),
        ("POST", "/v1/payment/topup".into(), Some(json!({ "amount": 1000 }))),
        ("GET", "/v1/wallet".into(), None),
        (
            "POST",
            "/v1/payment/create-intent".into(),
            Some(json!({ "amount": 1000, "transactionType": "deposit" })),
        ),
        ("GET", "/v1/payment/history".into(), None),
        (
            "POST",
            "/v1/payment/verify-account".into(),
            Some(json!({ "accountNumber": "0123456789", "bankCode": "058" })),
        ),
        ("GET", "/v1/cards".into(), None),
        ("GET", "/v1/whitelist-address".into(), None),
    ]
}

fn send(app: &TestApp, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
    let headers = [headers, &[JSON]].concat();
    let body = body.map(Value::to_string);
    app.send(method, path, &headers, body.as_deref().map(str::as_bytes))
}

/// Asserts that every route that acts for a customer refuses each of these headers.
#[track_caller]
fn every_customer_route_refuses(status: u16, message: &str, headers: &[&[(&str, &str)]]) {
    let app = spawn_app();
    let deal = app.offered();
    for (method, path, body) in customer_routes(&deal) {
        for headers in headers {
            app.refuses(status, message, |app| send(app, method, &path, headers, body.as_ref()));
        }
    }
}

/// On a route where the merchant may act for itself, a missing header means the merchant. A header
/// that does not name exactly one customer is refused.
#[test]
fn an_invalid_seller_is_refused_and_a_missing_one_is_the_merchant() {
    let app = spawn_app();
    let create = |headers: &[(&str, &str)]| send(&app, "POST", "/v1/escrow/create", headers, Some(&standard_terms()));
    let several = [("customer-id", "ada"), ("customer-id", "ben")];
    app.refuses(400, "customer-id must be sent once; got several different ones", |_| {
        create(&several)
    });
    app.refuses(404, "Customer not found", |_| create(&[("customer-id", "a b")]));
    assert_eq!(create(&[]).ok().data()["isSeller"], true);
    assert_eq!(app.count("customer"), 0);
}

#[test]
fn a_merchant_without_a_business_account_cannot_sell() {
    let app = spawn_app_with(|config| config.sandbox.is_business = false);
    app.wallet("ada").ok();
    for body in [standard_terms(), json!(5)] {
        app.refuses(401, "Merchant cannot create escrow for itself via API", |app| {
            send(app, "POST", "/v1/escrow/create", &[], Some(&body))
        });
    }
}

fn live_app() -> TestApp {
    spawn_live_app(|_| {})
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

#[test]
fn a_customer_route_without_a_customer_is_refused() {
    every_customer_route_refuses(
        400,
        "customer-id header is required",
        &[
            &[],
            &[("customer-id", "")],
            &[("customer-id", "  ")],
            &[("customer-id", "\t")],
            &[("customer-id", ""), ("customer-id", "")],
            &[("customer", "ada")],
        ],
    );
}

#[test]
fn two_different_customers_in_one_request_are_refused() {
    every_customer_route_refuses(
        400,
        "customer-id must be sent once; got several different ones",
        &[
            &[("customer-id", "ada"), ("customer-id", "ben")],
            &[("customer-id", "ada"), ("customer-id", "")],
            &[("customer-id", "ada"), ("Customer-Id", "ADA")],
        ],
    );
}

#[test]
fn a_malformed_customer_id_is_not_found() {
    let long = "x".repeat(129);
    let huge = "x".repeat(8000);
    every_customer_route_refuses(
        404,
        "Customer not found",
        &[
            &[("customer-id", "a b")],
            &[("customer-id", "a\tb")],
            &[("customer-id", "'; DROP TABLE customer; --")],
            &[("customer-id", "adá")],
            &[("customer-id", &long)],
            &[("customer-id", &huge)],
        ],
    );
}

/// Ids of other systems.
const FOREIGN_IDS: [&str; 10] = [
    "auth0|66f1",
    "ada@shop.example",
    "user:1",
    "a/b",
    "../../etc/passwd",
    "%61da",
    "ada,ben",
    "\"ada\"",
    "a+b?c#d&e=f\\g",
    "~!$^*(){}[]<>;'`",
];

/// Returns the text with every character percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

#[test]
fn ids_of_other_systems_are_customers_everywhere() {
    let app = spawn_app();
    let longest = "x".repeat(128);
    for id in FOREIGN_IDS.into_iter().chain([longest.as_str()]) {
        let deal = Deal::of(&app.create_milestone_escrow(id, &two_milestones()).ok());
        app.pay_for("ben", &deal).ok();
        app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
        let path = encoded(id);
        let found = app.as_merchant("GET", &format!("/v1/customer/get/{path}"), None).ok();
        assert_eq!(found.text("customerId"), id);
        app.as_merchant("PUT", &format!("/v1/customer/block/{path}"), None).ok();
        app.as_merchant("PUT", &format!("/v1/customer/unblock/{path}"), None)
            .ok();
        let feed = app
            .as_merchant("GET", &format!("/v1/escrow/feeds?customerId={path}"), None)
            .ok();
        assert_eq!(feed.data()["data"].as_array().unwrap().len(), 1, "{id}");
        let events = app
            .as_merchant("GET", &format!("/sandbox/events?customerId={path}"), None)
            .ok();
        assert!(!events.data()["data"].as_array().unwrap().is_empty(), "{id}");
        let mut offer = two_milestones();
        offer["milestones"][0]["customerId"] = json!(id);
        app.create_milestone_escrow("ada", &offer).ok();
        let seed = json!({ "customers": [{ "id": format!("{}s", &id[..id.len() - 1]) }] });
        let headers = [("authorization", "Bearer sk_test_seeds"), JSON];
        app.send("POST", "/sandbox/seed", &headers, Some(seed.to_string().as_bytes()))
            .ok();
        app.send("POST", "/sandbox/reset", &headers, Some(b"{}")).ok();
        let requests = app.as_merchant("GET", "/sandbox/requests", None).ok();
        assert!(requests.text.contains(&json!(id).to_string()), "{id}");
    }
}

#[test]
fn the_refusal_of_a_malformed_customer_id_says_what_is_allowed() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let expected = "a customer id: 1 to 128 visible ASCII characters, without spaces";
    let long = "x".repeat(129);
    for id in ["a b", long.as_str()] {
        let shown: String = id.chars().take(80).collect::<String>() + if id.len() > 80 { "…" } else { "" };
        let header = app.refuses(404, "Customer not found", |app| app.wallet(id));
        let details = json!({ "field": "customer-id", "expected": expected, "got": shown });
        assert_eq!(header.body["details"], details);
        assert_eq!(header.body["code"], "customer_not_found");
        for (method, route, body) in [
            ("GET", "get", None),
            ("PUT", "update", Some(json!({ "firstname": "Ada" }))),
            ("PUT", "permissions", Some(json!({ "canBuy": true }))),
            ("PUT", "block", None),
            ("PUT", "unblock", None),
        ] {
            let path = format!("/v1/customer/{route}/{}", encoded(id));
            let answer = app.refuses(400, "Customer not found", |app| {
                app.as_merchant(method, &path, body.as_ref())
            });
            let details = json!({ "field": "customerId", "expected": expected, "got": shown });
            assert_eq!(answer.body["details"], details);
            assert_eq!(answer.body["code"], "no_such_customer");
        }
        let mut offer = two_milestones();
        offer["milestones"][0]["customerId"] = json!(id);
        let answer = app.create_milestone_escrow("ada", &offer);
        assert_eq!(answer.body["details"]["expected"], expected);
        for path in ["/v1/escrow/feeds", "/sandbox/events"] {
            let answer = app.as_merchant("GET", &format!("{path}?customerId={}", encoded(id)), None);
            assert_eq!(
                (answer.status, &answer.body["details"]["expected"]),
                (400, &json!(expected))
            );
        }
    }
}

#[test]
fn a_customer_id_that_is_not_text_is_not_found() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for value in [&b"\xff\xfe"[..], b"ada\x80", b"\xc3"] {
        let request = [
            b"GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ",
            value,
            b"\r\n\r\n",
        ]
        .concat();
        app.refuses(404, "Customer not found", |app| app.exchange(&request));
    }
}

#[test]
fn the_same_customer_id_twice_is_one_customer() {
    let app = spawn_app();
    let twice = [("customer-id", "ada"), ("customer-id", " ada ")];
    app.send("GET", "/v1/wallet", &twice, None).ok();
    assert_eq!(app.count("customer"), 1);
    let longest = "x".repeat(128);
    app.wallet(&longest).ok();
}

#[test]
fn the_header_is_checked_before_the_body() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for body in ["", "{", "5", r#"{"amount":-1}"#] {
        for path in ["/v1/escrow/milestone/create", "/v1/payment/escrow", "/v1/payment/topup"] {
            app.refuses(400, "customer-id header is required", |app| {
                app.send("POST", path, &[JSON], Some(body.as_bytes()))
            });
            app.refuses(404, "Customer not found", |app| {
                app.json_text("POST", path, "a b", body)
            });
        }
    }
}

#[test]
fn a_refused_request_registers_no_customer() {
    let app = spawn_app();
    app.wallet("ada").ok();
    app.refuses(400, "amount is required", |app| app.top_up("stranger", Value::Null));
    app.refuses(400, "Escrow not found", |app| app.confirm_payment("stranger", "x"));
}

#[test]
fn a_refused_read_registers_no_customer_and_no_merchant() {
    let app = spawn_app_with(|config| config.sandbox.cards = false);
    let category = "000000000000000000000000";
    for (status, path) in [
        (401, "/v1/escrow/transactions".to_owned()),
        (400, "/v1/escrow/transactions?type=buy&page=0".to_owned()),
        (400, "/v1/payment/history?page=0".to_owned()),
        (400, "/v1/payment/history?fromDate=yesterday".to_owned()),
        (400, "/v1/escrow/dispute/get?page=0".to_owned()),
        (400, format!("/v1/escrow/dispute/get/{category}")),
        (400, "/v1/escrow/category/get?page=0".to_owned()),
        (400, format!("/v1/escrow/category/get/{category}")),
        (403, "/v1/cards".to_owned()),
        (400, "/v1/merchant/transactions?page=0".to_owned()),
        (404, format!("/operator/receipts/{category}")),
        (404, format!("/operator/payouts/{category}")),
        (400, format!("/operator/deals/{category}/ruling")),
        (400, format!("/operator/deals/{category}/statement")),
        (400, "/operator/customers/stranger/statement".to_owned()),
    ] {
        for key in ["sk_test_default", "sk_test_of_nobody_yet"] {
            let before = app.dump();
            let customer = if path.contains("merchant") || path.contains("operator") {
                ""
            } else {
                "stranger"
            };
            let answer = app.json_with_key(key, "GET", &path, customer, &Value::Null);
            assert_eq!(answer.status, status, "{key} {path}: {}", answer.text);
            assert_eq!(app.dump(), before, "{key} {path}");
        }
    }
    // The same customer is registered by the first read that is answered.
    app.json("GET", "/v1/payment/history", "stranger", &Value::Null).ok();
    assert_eq!(app.column("SELECT id FROM customer"), ["stranger"]);
}

#[test]
fn a_read_accepts_every_customer_id_and_recognises_the_seller() {
    let app = spawn_app();
    let deal = app.offered();
    let verify = format!("/v1/escrow/verify/{}", deal.token);
    let list = format!("/v1/escrow/milestone/{}", deal.token);
    let before = app.dump();
    let long = "x".repeat(65);
    for (headers, is_seller) in [
        (&[][..], false),
        (&[("customer-id", "ada")], true),
        (&[("customer-id", "ada"), ("customer-id", "ada")], true),
        (&[("customer-id", "ben")], false),
        (&[("customer-id", "nobody-yet")], false),
        (&[("customer-id", "")], false),
        (&[("customer-id", "a b'; --")], false),
        (&[("customer-id", "adá")], false),
        (&[("customer-id", &long)], false),
        (&[("customer-id", "ada"), ("customer-id", "ben")], false),
    ] {
        let seen = app.send("GET", &verify, headers, None).ok();
        assert_eq!(seen.data()["isSeller"], is_seller, "{headers:?}");
        app.send("GET", &list, headers, None).ok();
    }
    assert_eq!(app.dump(), before, "a read changed the file");
}

#[test]
fn a_local_program_without_a_key_is_the_default_merchant() {
    let app = spawn_app();
    let deal = app.offered();
    for headers in [
        &[("origin", "http://localhost:3000")][..],
        &[("origin", "http://127.0.0.1")],
        &[("origin", "https://[::1]:8443")],
        &[("host", "localhost:8080")],
        &[("host", "[::1]")],
        &[("host", "127.0.0.1")],
    ] {
        let seen = app.send("GET", &format!("/v1/escrow/verify/{}", deal.token), headers, None);
        assert_eq!(seen.status, 200, "{headers:?}: {seen:?}");
    }
    assert_eq!(app.count("merchant"), 1);
}

/// The documents name the key that signs the default merchant's webhooks, so clients send it.
#[test]
fn the_key_of_the_default_merchant_may_be_sent_or_left_out() {
    let of_default = |app: &TestApp| app.as_merchant("GET", "/sandbox/publishable-key", None).ok();
    for is_key_first in [true, false] {
        let app = spawn_app();
        let balance = json!({ "customerId": "ben", "balance": 7 });
        let top_up = || {
            app.json_with_key(DEFAULT_KEY, "PUT", "/sandbox/balance", "", &balance)
                .ok()
        };
        if is_key_first {
            top_up();
        }
        assert_eq!(of_default(&app).data()["publishableKey"], "pk_test_default");
        app.wallet("ada").ok();
        top_up();
        assert_eq!(app.balances("ben").0, 7, "the key first: {is_key_first}");
        assert_eq!(app.count("merchant"), 1);
        app.reset(DEFAULT_KEY).ok();
        assert_eq!(app.customers("").ok().data()["pagination"]["count"], 0);
        let requests = |key: &str| {
            let answer = app.json_with_key(key, "GET", "/sandbox/requests?limit=1", "", &Value::Null);
            answer.ok().data()["pagination"]["count"].as_i64().unwrap()
        };
        assert!(requests(DEFAULT_KEY) > 4);
    }
}

/// A former version gave the key a merchant of its own if it came first, and the requests without
/// a key then found its publishable key taken.
#[test]
fn a_file_in_which_the_default_key_is_another_one_is_mended() {
    let mut app = spawn_app();
    let deal = app.offered();
    app.stop();
    let outside = Outside::of(&app.database);
    let former = outside.literal_of_bytes(&hex::encode(key_hash(DEFAULT_KEY)));
    let changed = outside.execute(&format!("UPDATE merchant_key SET key_hash = {former}"), &[]);
    assert_eq!(changed, Ok(1));
    drop(outside);
    let database = app.database.clone();
    let next = spawn_app_with(|config| config.database = database);
    next.verify(&deal.token).ok();
    next.reset(DEFAULT_KEY).ok();
    next.as_merchant("POST", "/sandbox/reset", None).ok();
    next.wallet("ada").ok();
    assert_eq!(next.count("merchant_key"), 1);
}

#[test]
fn a_web_page_is_not_the_default_merchant() {
    let app = spawn_app();
    let deal = app.offered();
    let routes = [customer_routes(&deal), viewer_routes(&deal)].concat();
    for headers in [
        &[("origin", "http://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://localhost.evil.example")],
        &[("origin", "http://127.0.0.1.evil.example:8080")],
        &[("origin", "http://localhost"), ("origin", "http://evil.example")],
        &[("origin", "x//localhost")],
    ] {
        let headers = [headers, &[("customer-id", "ada")]].concat();
        for (method, path, body) in &routes {
            app.refuses(401, "No token provided", |app| {
                send(app, method, path, &headers, body.as_ref())
            });
        }
    }
}

/// A web page can make its own host name resolve to 127.0.0.1. Its requests then have that name
/// in the `host` header, and the service refuses them.
#[test]
fn a_request_to_another_host_name_is_refused_unless_the_sandbox_is_exposed() {
    let message = "This sandbox answers to localhost only; set sandbox.expose to let it answer to other names";
    let app = spawn_app();
    let exposed = spawn_app_with(|config| config.sandbox.expose = true);
    for host in ["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example"] {
        for key in [None, Some(("authorization", "Bearer sk_test_shop"))] {
            let headers: Vec<_> = [("host", host), ("customer-id", "ada")]
                .into_iter()
                .chain(key)
                .collect();
            app.refuses(403, message, |app| app.send("GET", "/v1/wallet", &headers, None));
            let explained = format!("\"docUrl\":\"http://{}/docs/errors#foreign_host\"", app.address);
            let refused = app.send("GET", "/v1/wallet", &headers, None).text;
            assert!(refused.contains(&explained), "{refused}");
            let is_accepted = exposed.send("GET", "/v1/wallet", &headers, None).status == 200;
            assert_eq!(is_accepted, key.is_some(), "{host} {key:?}");
        }
    }
    for host in [
        "localhost",
        "localhost:80",
        "LocalHost",
        "localhost.",
        "localhost.:80",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:8080",
    ] {
        app.send("GET", "/v1/wallet", &[("host", host), ("customer-id", "ada")], None)
            .ok();
    }
    // A target with a host counts before the header.
    for (target, status) in [("http://evil.example", 403), ("http://localhost", 200)] {
        let mut connection = TcpStream::connect(app.address).unwrap();
        let request = format!(
            "GET {target}/v1/wallet HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\nconnection: close\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        connection.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{target}: {reply}");
    }
}

#[test]
fn two_keys_at_once_are_refused() {
    let app = spawn_app();
    let headers = [
        ("authorization", "Bearer sk_test_a"),
        ("authorization", "Bearer sk_test_b"),
        ("customer-id", "ada"),
    ];
    app.refuses(
        400,
        "authorization must be sent once; got several different ones",
        |app| app.send("GET", "/v1/wallet", &headers, None),
    );
}

fn viewer_routes(deal: &Deal) -> Vec<(&'static str, String, Option<Value>)> {
    vec![
        ("GET", format!("/v1/escrow/verify/{}", deal.token), None),
        ("GET", format!("/v1/escrow/milestone/{}", deal.token), None),
    ]
}

#[test]
fn an_authorization_without_a_key_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    let routes = [customer_routes(&deal), viewer_routes(&deal)].concat();
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer   ",
        "sk_test_shop",
        "Basic sk_test_shop",
        "Bearer:sk_test_shop",
        "Token sk_test_shop",
    ] {
        let headers = [("authorization", authorization), ("customer-id", "ada")];
        for (method, path, body) in &routes {
            app.refuses(401, "No token provided", |app| {
                send(app, method, path, &headers, body.as_ref())
            });
        }
    }
}

#[test]
fn a_key_that_is_not_text_counts_as_missing() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let request =
        b"GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\nauthorization: Bearer \xff\r\n\r\n";
    app.refuses(401, "No token provided", |app| app.exchange(request));
}

#[test]
fn a_live_key_is_refused_in_sandbox_mode() {
    let app = spawn_app();
    let deal = app.offered();
    let routes = [customer_routes(&deal), viewer_routes(&deal)].concat();
    for key in ["sk_live_1", "sk_live_", "op_live_1"] {
        let authorization = bearer(key);
        let headers = [("authorization", authorization.as_str()), ("customer-id", "ada")];
        for (method, path, body) in &routes {
            app.refuses(403, "Unauthorized Access", |app| {
                send(app, method, path, &headers, body.as_ref())
            });
        }
    }
}

#[test]
fn the_scheme_may_be_written_in_any_case() {
    let app = spawn_app();
    for authorization in ["Bearer sk_test_a", "bearer sk_test_a", "BEARER  sk_test_a "] {
        let headers = [("authorization", authorization), ("customer-id", "ada")];
        app.send("GET", "/v1/wallet", &headers, None).ok();
    }
    assert_eq!(app.count("merchant"), 1);
}

#[test]
fn two_keys_are_two_separate_merchants() {
    let app = spawn_app();
    let with_key = |key: &str, customer: &str, method: &str, path: &str, body: Option<&Value>| {
        let authorization = bearer(key);
        let headers = [("authorization", authorization.as_str()), ("customer-id", customer)];
        send(&app, method, path, &headers, body)
    };
    let created = with_key(
        "sk_test_a",
        "ada",
        "POST",
        "/v1/escrow/milestone/create",
        Some(&two_milestones()),
    )
    .ok();
    let deal = Deal::of(&created);
    with_key("sk_test_b", "ada", "GET", "/v1/wallet", None).ok();

    for (method, path, body) in [
        ("GET", format!("/v1/escrow/verify/{}", deal.token), None),
        ("GET", format!("/v1/escrow/milestone/{}", deal.token), None),
        (
            "PUT",
            format!("/v1/escrow/milestone/edit/{}", deal.token),
            Some(two_milestones()),
        ),
        (
            "POST",
            format!("/v1/escrow/milestone/confirm/{}/{}", deal.id, deal.milestones[0]),
            None,
        ),
        ("POST", format!("/v1/escrow/confirm-payment/{}", deal.id), None),
    ] {
        for customer in ["ada", "ben"] {
            app.refuses(400, "Escrow not found", |_| {
                with_key("sk_test_b", customer, method, &path, body.as_ref())
            });
        }
    }
    for details in [json!({ "escrowId": deal.id }), json!({ "paymentToken": deal.token })] {
        let payment = json!({ "escrowDetails": details });
        app.refuses(400, "You can only buy to your merchant's escrow", |_| {
            with_key("sk_test_b", "ben", "POST", "/v1/payment/escrow", Some(&payment))
        });
    }
}

#[test]
fn customers_of_the_same_name_have_a_wallet_with_each_merchant() {
    let app = spawn_app();
    let balance = |key: &str| {
        let authorization = bearer(key);
        let headers = [("authorization", authorization.as_str()), ("customer-id", "ada")];
        let wallet = app.send("GET", "/v1/wallet", &headers, None).ok();
        (wallet.text("id"), wallet.data()["mainBalance"].clone())
    };
    let (wallet_a, _) = balance("sk_test_a");
    let (wallet_b, before) = balance("sk_test_b");
    assert_ne!(wallet_a, wallet_b);
    let headers = [("authorization", "Bearer sk_test_a"), ("customer-id", "ada")];
    send(
        &app,
        "POST",
        "/v1/payment/topup",
        &headers,
        Some(&json!({ "amount": 5000 })),
    )
    .ok();
    assert_eq!(balance("sk_test_a").1, 1_005_000);
    assert_eq!(balance("sk_test_b"), (wallet_b, before));
}

#[test]
fn a_reference_used_by_one_merchant_is_free_for_another() {
    let app = spawn_app();
    for key in ["sk_test_a", "sk_test_b"] {
        let authorization = bearer(key);
        let send = |customer: &str, path: &str, body: &Value| {
            let headers = [("authorization", authorization.as_str()), ("customer-id", customer)];
            send(&app, "POST", path, &headers, Some(body)).ok()
        };
        let deal = Deal::of(&send("ada", "/v1/escrow/milestone/create", &two_milestones()));
        let payment = json!({ "reference": "order-1", "escrowDetails": { "escrowId": deal.id } });
        assert_eq!(send("ben", "/v1/payment/escrow", &payment).text("reference"), "order-1");
    }
}

#[test]
fn live_mode_needs_a_known_key_even_from_localhost() {
    let app = live_app();
    let deal = Deal {
        id: "665f1b2c9a1e4d0012ab3c10".to_owned(),
        token: "PY_ABCDEFGH0000".to_owned(),
        milestones: vec!["665f1b2c9a1e4d0012ab3c11".to_owned()],
    };
    let other_case = bearer(&LIVE_KEY.to_uppercase());
    for (method, path, body) in [customer_routes(&deal), viewer_routes(&deal)].concat() {
        let ada = ("customer-id", "ada");
        app.refuses(401, "No token provided", |app| {
            send(app, method, &path, &[ada], body.as_ref())
        });
        for authorization in ["Bearer sk_live_other", "Bearer sk_test_a", "Bearer x", &other_case] {
            let headers = [("authorization", authorization), ada];
            app.refuses(403, "Unauthorized Access", |app| {
                send(app, method, &path, &headers, body.as_ref())
            });
        }
    }
}

#[test]
fn live_mode_registers_no_customer_on_first_use() {
    let app = live_app();
    let deal = Deal {
        id: "665f1b2c9a1e4d0012ab3c10".to_owned(),
        token: "PY_ABCDEFGH0000".to_owned(),
        milestones: vec!["665f1b2c9a1e4d0012ab3c11".to_owned()],
    };
    let authorization = bearer(LIVE_KEY);
    let headers = [("authorization", authorization.as_str()), ("customer-id", "ada")];
    for (method, path, body) in customer_routes(&deal) {
        if path.ends_with("/topup") {
            continue;
        }
        app.refuses(404, "Customer not found", |app| {
            send(app, method, &path, &headers, body.as_ref())
        });
        if body.is_some() {
            let wrong = json!({ "amount": -1 });
            app.refuses(404, "Customer not found", |app| {
                send(app, method, &path, &headers, Some(&wrong))
            });
            app.refuses(404, "Customer not found", |app| {
                app.send(method, &path, &[&headers[..], &[JSON]].concat(), Some(b"{"))
            });
        }
    }
    for (method, path, _) in viewer_routes(&deal) {
        app.refuses(400, "Escrow not found", |app| send(app, method, &path, &headers, None));
    }
}

#[test]
fn live_mode_has_no_top_up() {
    let app = live_app();
    let authorization = bearer(LIVE_KEY);
    let headers = [("authorization", authorization.as_str()), ("customer-id", "ada")];
    for body in [json!({ "amount": 1000 }), json!({ "amount": -1 }), json!(5)] {
        app.refuses(403, "This route is only available on staging environment", |app| {
            send(app, "POST", "/v1/payment/topup", &headers, Some(&body))
        });
    }
}

#[test]
fn a_refused_request_creates_no_merchant_for_a_new_key() {
    let app = spawn_app();
    let deal = app.offered();
    let routes = customer_routes(&deal);
    let new_key = ("authorization", "Bearer sk_test_new");
    for (method, path, body) in &routes {
        app.refuses(400, "customer-id header is required", |app| {
            send(app, method, path, &[new_key], body.as_ref())
        });
        app.refuses(404, "Customer not found", |app| {
            send(app, method, path, &[new_key, ("customer-id", "a b")], body.as_ref())
        });
    }
    for content_type in ["text/plain", "application/json"] {
        app.refuses(400, "customer-id header is required", |app| {
            app.send(
                "POST",
                "/v1/payment/topup",
                &[new_key, ("content-type", content_type)],
                Some(b"{"),
            )
        });
    }
}

#[test]
fn the_first_successful_request_creates_the_merchant_of_a_new_key() {
    let app = spawn_app();
    let deal = app.offered();
    let new_key = ("authorization", "Bearer sk_test_new");
    let top_up = |amount: &str| {
        let headers = [new_key, ("customer-id", "ada"), ("content-type", "application/json")];
        let body = format!("{{\"amount\":{amount}}}");
        app.send("POST", "/v1/payment/topup", &headers, Some(body.as_bytes()))
    };
    app.refuses(400, "amount must be a number from 1000 to 100000; got 1", |_| {
        top_up("1")
    });
    for path in ["verify", "milestone"] {
        app.refuses(400, "Escrow not found", |app| {
            app.send("GET", &format!("/v1/escrow/{path}/{}", deal.token), &[new_key], None)
        });
    }
    let merchants = app.count("merchant");
    top_up("1000").ok();
    assert_eq!(app.count("merchant"), merchants + 1);
}
