//! Tests what web pages of other origins may do (CORS), and the methods HEAD and OPTIONS.

use serde_json::{Value, json};

use crate::contract::every_path;
use crate::helpers::{Answer, Deal, LIVE_KEY, TestApp, spawn_app, spawn_app_with, spawn_live_app, standard_terms};

const LOCAL_ORIGINS: [&str; 6] = [
    "http://localhost:3000",
    "http://localhost",
    "https://localhost:8443",
    "http://127.0.0.1:5173",
    "https://127.0.0.1",
    "http://[::1]:8080",
];
const FOREIGN_ORIGINS: [&str; 9] = [
    "http://evil.example",
    "null",
    "http://localhost.evil.example:3000",
    "http://127.0.0.1.evil.example",
    "http://localhost:80@evil.example",
    "http://127.0.0.2",
    "http://192.168.1.5:3000",
    "file://",
    "localhost:3000",
];
const ASKED: [(&str, &str); 2] = [
    ("access-control-request-method", "POST"),
    (
        "access-control-request-headers",
        "authorization,content-type,customer-id,idempotency-key",
    ),
];

fn preflight(app: &TestApp, path: &str, origin: &str) -> Answer {
    app.send_for_head("OPTIONS", path, &[&[("origin", origin)], &ASKED[..]].concat())
}

fn vary(answer: &Answer) -> Vec<&str> {
    let values = answer.headers.iter().filter(|(name, _)| name == "vary");
    values.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_page_on_this_machine_may_call_every_route() {
    let app = spawn_app();
    for origin in LOCAL_ORIGINS {
        for path in every_path() {
            let answer = preflight(&app, &path, origin);
            assert_eq!(answer.status, 204, "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let methods = answer.header("access-control-allow-methods").unwrap();
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
                assert!(methods.contains(method), "{methods}");
            }
            let headers = answer.header("access-control-allow-headers").unwrap();
            for header in ["authorization", "customer-id", "idempotency-key", "content-type"] {
                assert!(headers.contains(header), "{headers}");
            }
            assert!(vary(&answer).contains(&"Origin"), "{answer:?}");
        }
        let wallet = app.send("GET", "/v1/wallet", &[("origin", origin), ("customer-id", "ada")], None);
        assert_eq!(wallet.clone().ok().header("access-control-allow-origin"), Some(origin));
        let exposed = wallet.header("access-control-expose-headers").unwrap();
        for header in [
            "x-request-id",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "idempotent-replayed",
        ] {
            assert!(exposed.split(", ").any(|name| name == header), "{exposed}");
        }
        assert_eq!(vary(&wallet), ["Origin"]);
    }
    // A refusal is readable too, also one without a route.
    for (path, status) in [("/v1/wallet", 400), ("/v1/nothing", 404), ("/v1/escrow/create", 405)] {
        let refused = app.send("GET", path, &[("origin", "http://localhost:3000")], None);
        assert_eq!(refused.status, status);
        assert_eq!(
            refused.header("access-control-allow-origin"),
            Some("http://localhost:3000")
        );
    }
}

#[test]
fn a_page_of_another_origin_gets_no_permission() {
    let app = spawn_app();
    let deal = app.offered();
    for origin in FOREIGN_ORIGINS {
        for path in every_path() {
            let answer = preflight(&app, &path, origin);
            for (name, _) in &answer.headers {
                assert!(!name.starts_with("access-control-"), "{origin} {path}: {answer:?}");
            }
            assert_eq!(vary(&answer), ["Origin"]);
        }
        let key = ("authorization", "Bearer sk_test_shop");
        let wallet = app.send(
            "GET",
            "/v1/wallet",
            &[("origin", origin), key, ("customer-id", "ada")],
            None,
        );
        assert_eq!(wallet.ok().header("access-control-allow-origin"), None);
        // A simple request needs no preflight, and is refused for want of a key.
        let headers = [
            ("origin", origin),
            ("content-type", "text/plain"),
            ("customer-id", "ada"),
        ];
        app.refuses(401, "No token provided", |app| {
            app.send("POST", "/v1/payment/topup", &headers, Some(br#"{"amount":1000}"#))
        });
    }
    for path in [
        format!("/v1/escrow/claim-funds/{}", deal.token),
        "/v1/merchant/balance".to_owned(),
    ] {
        // A link or a picture on a page sends no origin.
        app.refuses(401, "No token provided", |app| {
            app.send(
                "GET",
                &path,
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
                None,
            )
        });
    }
    for site in ["none", "same-origin"] {
        app.send("GET", "/v1/merchant/balance", &[("sec-fetch-site", site)], None)
            .ok();
    }
    // Two origins are none, and a rebound name is not this machine.
    let two = [("origin", "http://localhost"), ("origin", "http://evil.example")];
    assert_eq!(
        app.send("GET", "/v1/countries", &two, None)
            .header("access-control-allow-origin"),
        None
    );
    let rebound = [("origin", "http://evil.example:8080"), ("host", "evil.example:8080")];
    assert_eq!(app.send("GET", "/v1/countries", &rebound, None).status, 403);
}

#[test]
fn listed_origins_are_allowed_in_any_mode_and_need_a_key() {
    let list = |config: &mut crate::live_merchants::TestConfig| {
        config.allowed_origins = vec!["https://shop.example".to_owned()];
    };
    let (sandbox, live) = (spawn_app_with(list), spawn_live_app(list));
    for app in [&sandbox, &live] {
        let answer = preflight(app, "/v1/wallet", "https://shop.example");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("https://shop.example")
        );
        for origin in [
            "https://shop.example:8443",
            "http://shop.example",
            "https://a.shop.example",
        ] {
            assert_eq!(
                preflight(app, "/v1/wallet", origin).header("access-control-allow-origin"),
                None
            );
        }
        app.refuses(401, "No token provided", |app| {
            app.send("GET", "/v1/customers", &[("origin", "https://shop.example")], None)
        });
    }
    for origin in LOCAL_ORIGINS {
        assert_eq!(
            preflight(&live, "/v1/wallet", origin).header("access-control-allow-origin"),
            None
        );
    }
    // Without a list, live mode says nothing of origins at all.
    let plain = spawn_live_app(|_| {});
    let bearer = format!("Bearer {LIVE_KEY}");
    let headers = [("origin", "http://localhost:3000"), ("authorization", bearer.as_str())];
    let answer = plain.send("GET", "/v1/customers", &headers, None).ok();
    assert!(vary(&answer).is_empty() && answer.header("access-control-allow-origin").is_none());
}

#[test]
fn a_preflight_meets_no_fault_and_no_rate_limit() {
    let app = spawn_app_with(|config| config.limits.requests_per_minute = 5);
    let fault = json!({ "status": 503, "times": 1 });
    app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
    for _ in 0..10 {
        assert_eq!(preflight(&app, "/v1/countries", "http://localhost:3000").status, 204);
        assert_eq!(app.send_for_head("OPTIONS", "/v1/countries", &[]).status, 204);
    }
    let origin = ("origin", "http://localhost:3000");
    let faulty = app.send("GET", "/v1/countries", &[origin], None);
    assert_eq!(
        (faulty.status, faulty.header("access-control-allow-origin")),
        (503, Some(origin.1))
    );
    app.send("GET", "/v1/countries", &[origin], None).ok();
}

#[test]
fn options_names_the_methods_of_every_route() {
    let app = spawn_app();
    let before = app.dump();
    for path in every_path() {
        let answer = app.send_for_head("OPTIONS", &path, &[]);
        assert_eq!(answer.status, 204, "{path}");
        let allow = answer.header("allow").unwrap();
        let refused = app.send("PATCH", &path, &[], None);
        assert_eq!((refused.status, refused.header("allow")), (405, Some(allow)), "{path}");
        assert!(allow.ends_with("OPTIONS"), "{path}: {allow}");
        let answers_head = allow.contains("GET") && !path.contains("/claim-funds/");
        assert_eq!(allow.contains("HEAD"), answers_head, "{path}: {allow}");
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let app = spawn_app();
    let form: &[(&str, Option<&str>, &[u8])] = &[
        ("amount", None, b"1500"),
        ("purpose", None, b"A lamp"),
        ("whoPays", None, b"buyer"),
        ("imageUrl", Some("a.png"), b"\x89PNG\r\n\x1a\n a drawing"),
    ];
    let created = app.form("POST", "/v1/escrow/create", "ada", form).ok();
    let url = created.data()["imageUrl"][0].as_str().unwrap().to_owned();
    let file = url
        .split_once("/files/")
        .map(|(_, name)| format!("/files/{name}"))
        .unwrap();
    let verify = format!("/v1/escrow/verify/{}", created.text("paymentToken"));
    for path in [
        "/healthz",
        "/v1/wallet",
        "/v1/countries",
        "/v1/nothing",
        "/sandbox/clock",
        "/sandbox/events",
        &verify,
        &file,
    ] {
        let sent = |method: &str| {
            let request =
                format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\nconnection: close\r\n\r\n");
            let reply = app.exchange_for_text(request.as_bytes());
            let (head, body) = reply.split_once("\r\n\r\n").unwrap();
            let changing = ["date: ", "x-request-id: "];
            let mut head: Vec<String> = head
                .lines()
                .filter(|line| !changing.iter().any(|name| line.starts_with(name)))
                .map(str::to_owned)
                .collect();
            head.sort();
            (head, body.to_owned())
        };
        let (get, body) = sent("GET");
        let (head, nothing) = sent("HEAD");
        assert!(!body.is_empty() && nothing.is_empty(), "{path}: {nothing}");
        if path != "/sandbox/clock" {
            assert_eq!(head, get, "{path}");
        }
        assert!(
            head.iter().any(|line| line.starts_with("content-length: ")),
            "{path}: {head:?}"
        );
    }
}

#[test]
fn head_claims_nothing() {
    let app = spawn_app();
    let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    app.pay_for("ben", &deal).ok();
    app.advance("30d").ok();
    let before = app.dump();
    let path = format!("/v1/escrow/claim-funds/{}", deal.token);
    let refused = app.send_for_head("HEAD", &path, &[("customer-id", "ada")]);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, OPTIONS")));
    assert_eq!(app.dump(), before);
    let claimed: Value = app.claim("ada", &deal.token).ok().data().clone();
    assert_eq!(claimed["status"], "CLAIMED");
}
