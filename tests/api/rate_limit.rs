//! The rate limit of each key (contract section 1.10 and section 9.3, rows 64 to 67).

use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app, spawn_app_with, spawn_live_app};
use escrowd::domain::address_range::AddressRange;
use serde_json::json;

fn strict_app() -> TestApp {
    spawn_app_with(|config| config.strict = true)
}

fn limited_app(requests_per_minute: u32) -> TestApp {
    spawn_app_with(|config| config.limits.requests_per_minute = requests_per_minute)
}

fn with_key(app: &TestApp, key: &str, path: &str) -> Answer {
    app.send("GET", path, &[("authorization", &format!("Bearer {key}"))], None)
}

/// Returns `limit`, `remaining` and `reset` of a reply.
#[track_caller]
fn rate(answer: &Answer) -> (u64, u64, u64) {
    let header = answer
        .header("ratelimit")
        .unwrap_or_else(|| panic!("no rate: {answer:?}"));
    let numbers: Vec<u64> = header
        .split(", ")
        .zip(["limit=", "remaining=", "reset="])
        .map(|(part, name)| part.strip_prefix(name).unwrap().parse().unwrap())
        .collect();
    (numbers[0], numbers[1], numbers[2])
}

#[track_caller]
fn assert_exceeded(answer: &Answer) {
    assert_eq!(answer.status, 429);
    assert_eq!(
        answer.body.to_string(),
        r#"{"status":429,"message":"Too many request"}"#
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let (_, remaining, reset) = rate(answer);
    assert_eq!(remaining, 0);
    assert_eq!(answer.header("retry-after"), Some(reset.to_string().as_str()));
}

#[test]
fn strict_mode_allows_ten_requests_a_minute() {
    let app = strict_app();
    for used in 1..=10 {
        let answer = with_key(&app, "sk_test_a", "/v1/countries").ok();
        assert_eq!(answer.header("ratelimit-policy"), Some("10;w=60"));
        let (limit, remaining, reset) = rate(&answer);
        assert_eq!((limit, remaining), (10, 10 - used));
        assert!((1..=60).contains(&reset), "{reset}");
    }
    for _ in 0..3 {
        let answer = with_key(&app, "sk_test_a", "/v1/countries");
        assert_exceeded(&answer);
        assert_eq!(answer.header("ratelimit-policy"), Some("10;w=60"));
    }
    let another = with_key(&app, "sk_test_b", "/v1/countries").ok();
    assert_eq!(rate(&another).1, 9, "keys share a limit");
    let without_a_key = app.as_merchant("GET", "/v1/countries", None).ok();
    assert_eq!(
        rate(&without_a_key).1,
        9,
        "requests without a key share the limit of another key"
    );
}

#[test]
fn moving_a_merchants_clock_starts_a_new_minute() {
    let app = strict_app();
    let ask = || app.as_merchant("GET", "/v1/countries", None);
    for _ in 0..10 {
        ask().ok();
    }
    assert_exceeded(&ask());
    app.advance("30s").ok();
    assert_exceeded(&ask());
    let moved = app.advance("30s").ok();
    assert_eq!(
        moved.header("ratelimit"),
        None,
        "the sandbox's own routes are not limited"
    );
    assert_eq!(rate(&ask().ok()).1, 9);
}

#[test]
fn without_strict_mode_there_is_no_limit_and_no_header() {
    let app = spawn_app();
    for _ in 0..30 {
        let answer = app.as_merchant("GET", "/v1/countries", None).ok();
        assert_eq!(answer.header("ratelimit"), None);
        assert_eq!(answer.header("ratelimit-policy"), None);
    }
}

#[test]
fn refused_requests_count_once_the_key_is_known() {
    let app = limited_app(6);
    let key = ("authorization", "Bearer sk_test_a");
    let json_body = ("content-type", "application/json");
    for (expected, remaining, answer) in [
        (400, 5, app.send("GET", "/v1/wallet", &[key], None)),
        (
            404,
            4,
            app.send("GET", "/v1/wallet", &[key, ("customer-id", "a b")], None),
        ),
        (400, 3, app.send("GET", "/v1/escrow/verify/PY_NOBODY", &[key], None)),
        (415, 2, app.send("POST", "/v1/customer/create", &[key], Some(b"{}"))),
        (
            400,
            1,
            app.send("POST", "/v1/customer/create", &[key, json_body], Some(b"{")),
        ),
        (400, 0, app.send("GET", "/v1/customers?page=0", &[key], None)),
    ] {
        assert_eq!((answer.status, rate(&answer).1), (expected, remaining), "{answer:?}");
    }
    // The service checks the rate before the header and the body, and a refused request
    // changes nothing.
    let before = app.dump();
    assert_exceeded(&app.send("GET", "/v1/wallet", &[key], None));
    assert_exceeded(&app.send("GET", "/v1/wallet", &[key, ("customer-id", "ada")], None));
    assert_exceeded(&app.send("POST", "/v1/customer/create", &[key], Some(b"{}")));
    assert_eq!(app.dump(), before);
}

#[test]
fn requests_without_a_known_key_are_not_counted() {
    let app = limited_app(1);
    for authorization in ["", "Bearer", "Bearer sk_live_1"] {
        let headers = [("authorization", authorization)];
        for _ in 0..3 {
            let answer = app.send("GET", "/v1/countries", &headers, None);
            assert!(matches!(answer.status, 401 | 403), "{answer:?}");
            assert_eq!(answer.header("ratelimit"), None);
        }
    }
    for _ in 0..3 {
        let health = app.send("GET", "/healthz", &[], None).ok();
        assert_eq!(health.header("ratelimit"), None);
    }
}

#[test]
fn requests_at_once_are_counted_over_all_workers() {
    let app = limited_app(10);
    let answers = app.run_concurrently(40, |app, _| with_key(app, "sk_test_a", "/v1/countries"));
    let mut remaining: Vec<u64> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|ok| rate(ok).1)
        .collect();
    remaining.sort_unstable();
    assert_eq!(remaining, (0..10).collect::<Vec<u64>>());
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 30);
}

#[test]
fn a_request_from_a_foreign_address_counts_and_has_the_headers() {
    let app = spawn_live_app(|config| {
        config.merchant[0].allowed_addresses = vec![AddressRange::parse("192.0.2.7").unwrap()];
        config.limits.requests_per_minute = 2;
    });
    for remaining in [1, 0, 0] {
        let answer = with_key(&app, LIVE_KEY, "/v1/countries");
        assert_eq!((answer.status, answer.message()), (403, "Unauthorized IP address"));
        assert_eq!(rate(&answer).1, remaining);
    }
}

/// The service checks the scope of a key after its rate.
#[test]
fn a_request_outside_the_scope_of_its_key_counts() {
    let app = spawn_live_app(|config| {
        config.merchant[0].business_key = Some("sk_live_business");
        config.limits.requests_per_minute = 1;
    });
    let denied = with_key(&app, "sk_live_business", "/v1/countries");
    assert_eq!(
        (denied.status, denied.message(), rate(&denied).1),
        (401, "Access denied", 0)
    );
    assert_exceeded(&with_key(&app, "sk_live_business", "/v1/countries"));
    with_key(&app, LIVE_KEY, "/v1/countries").ok();
}

#[test]
fn a_seed_that_moves_the_clock_ends_the_minute() {
    let app = limited_app(1);
    let count = || app.send("GET", "/v1/countries", &[], None);
    count().ok();
    assert_exceeded(&count());
    let seed = |status: &str| {
        let seed = json!({
            "customers": [{ "id": "ada" }, { "id": "ben", "balance": 50_000 }],
            "escrows": [{ "seller": "ada", "buyer": "ben", "amount": 1000, "status": status }],
        });
        app.as_merchant("POST", "/sandbox/seed", Some(&seed)).ok();
    };
    seed("ONGOING");
    assert_exceeded(&count());
    seed("CLAIMED");
    assert_eq!(rate(&count().ok()).1, 0);
}
