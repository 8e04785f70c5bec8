//! Tests a sandbox merchant's own clock and the rules that depend on it.

use std::time::{Duration, Instant};

use escrowd::clock::SystemClock;
use escrowd::domain::time::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::helpers::{
    Answer, Deal, LIVE_KEY, TestApp, day_in, new_customer, spawn_app, spawn_app_with, spawn_live_app,
};
use crate::helpers::{standard_terms, two_milestones};
use crate::waiting::until;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const KEY: &str = "sk_test_ahead";

/// Parses a time in the form of `createdAt` into milliseconds since 1970.
fn millis(text: &str) -> i64 {
    let at: jiff::Timestamp = text.parse().unwrap();
    at.as_millisecond()
}

/// Fetches a merchant's clock, or the default merchant's if `key` is `None`.
fn clock(app: &TestApp, key: Option<&str>) -> Answer {
    let bearer = key.map(|key| format!("Bearer {key}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    app.send("GET", "/sandbox/clock", &headers, None).ok()
}

/// Asserts that this time is `seconds` ahead of the default merchant's clock, which the test has
/// not moved. The tolerance is 5 seconds.
#[track_caller]
fn assert_ahead(app: &TestApp, text: &str, seconds: i64) {
    let now = millis(&clock(app, None).text("now"));
    let behind = now + seconds * 1000 - millis(text);
    assert!((0..5_000).contains(&behind), "{text} is {behind} ms before");
}

#[test]
fn a_clock_shows_how_far_it_was_moved() {
    let app = spawn_app();
    let first = clock(&app, Some(KEY));
    assert_eq!(first.message(), "Clock fetched successfully");
    assert_eq!(first.data()["offsetSeconds"], 0);
    assert_ahead(&app, &first.text("now"), 0);
    let advance = |by: Value| app.json_with_key(KEY, "POST", "/sandbox/clock/advance", "", &json!({ "by": by }));
    let moved = advance(json!("36h")).ok();
    assert_eq!(moved.message(), "Clock advanced successfully");
    assert_eq!(moved.data()["offsetSeconds"], 36 * HOUR);
    assert_ahead(&app, &moved.text("now"), 36 * HOUR);
    let mut ahead = 36 * HOUR;
    for (by, seconds) in [
        (json!("10m"), 600),
        (json!("3d"), 3 * DAY),
        (json!("1d12h"), 36 * HOUR),
        (json!("90s"), 90),
        (json!(3600), HOUR),
        (json!("3600"), HOUR),
        (json!(60.0), 60),
        (json!("3650d"), 3_650 * DAY),
    ] {
        ahead += seconds;
        assert_eq!(advance(by).ok().data()["offsetSeconds"], ahead);
    }
    assert_ahead(&app, &clock(&app, Some(KEY)).text("now"), ahead);
}

#[test]
fn an_invalid_span_does_not_move_the_clock() {
    let app = spawn_app();
    app.advance("1h").ok();
    let span =
        "by must be a span such as \"36h\", \"10m\", \"3d\", \"90s\" or \"1d12h\", or a whole number of seconds; got";
    let units = "by must be in days (d), hours (h), minutes (m) or seconds (s), such as \"3d\" or \"1d12h\"; got";
    let whole = "by must be in whole numbers, such as \"1h30m\" for an hour and a half; got";
    let forward = "by must be a span forward; time does not run backwards, POST /sandbox/reset starts over; got";
    let long = "by must be a span of at most \"3650d\" at once; got";
    for (by, message) in [
        (json!("tomorrow"), format!("{span} \"tomorrow\"")),
        (json!("1d12"), format!("{span} \"1d12\"")),
        (json!(true), format!("{span} true")),
        (json!({}), format!("{span} {{}}")),
        (json!("5w"), format!("{units} \"5w\"")),
        (json!("3D"), format!("{units} \"3D\"")),
        (json!(1.5), format!("{whole} 1.5")),
        (json!("1.5h"), format!("{whole} \"1.5h\"")),
        (json!(-60), format!("{forward} -60")),
        (json!("-3d"), format!("{forward} \"-3d\"")),
        (json!(0), "by must be a span of at least one second; got 0".to_owned()),
        (
            json!("0d"),
            "by must be a span of at least one second; got \"0d\"".to_owned(),
        ),
        (json!("3651d"), format!("{long} \"3651d\"")),
        (json!(u64::MAX), format!("{long} {}", u64::MAX)),
        (
            json!("99999999999999999999d"),
            format!("{long} \"99999999999999999999d\""),
        ),
        (Value::Null, "by is required".to_owned()),
        (json!(""), "by is required".to_owned()),
    ] {
        app.refuses(400, &message, |app| app.advance(by));
    }
    assert_eq!(clock(&app, None).data()["offsetSeconds"], HOUR);
}

#[test]
fn a_clock_stops_before_the_calendar_ends() {
    let app = spawn_app();
    for _ in 0..100 {
        app.advance("3650d").ok();
    }
    let message = "by must be at most 0 seconds: a clock is never more than 365000 days ahead, and POST /sandbox/reset begins with a \
         new one; got 1";
    app.refuses(400, message, |app| app.advance("1s"));
    let deal = app.funded();
    let confirmed = app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    assert!(confirmed.text("createdAt").as_str() > "3025", "{confirmed:?}");
}

#[test]
fn a_claim_becomes_due_by_the_merchants_clock() {
    let app = spawn_app();
    let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    app.pay_for("ben", &deal).ok();
    app.refuses(400, "Escrow cannot be claimed yet", |app| app.claim("ada", &deal.token));
    app.advance("95h").ok();
    app.refuses(400, "Escrow cannot be claimed yet", |app| app.claim("ada", &deal.token));
    app.advance("1h").ok();
    let claimed = app.claim("ada", &deal.token).ok();
    assert_eq!(claimed.text("status"), "CLAIMED");
    let completed_at: i64 = claimed.text("completedAt").parse().unwrap();
    let paid_at: i64 = claimed.text("paidAt").parse().unwrap();
    assert!(
        (4 * DAY..4 * DAY + 5).contains(&(completed_at - paid_at)),
        "{claimed:?}"
    );
}

#[test]
fn every_date_in_a_reply_is_by_the_merchants_clock() {
    let app = spawn_app();
    let ahead = 400 * DAY;
    let ask = |method: &str, path: &str, customer: &str, body: &Value| {
        app.json_with_key(KEY, method, path, customer, body).ok()
    };
    ask("POST", "/sandbox/clock/advance", "", &json!({ "by": ahead }));
    let assert_field_ahead = |answer: &Answer, field: &str| {
        let text = answer.text(field);
        let text = text.parse().map_or(text, |seconds: i64| {
            Timestamp::from_millis(seconds * 1000).unwrap().to_string()
        });
        assert_ahead(&app, &text, ahead);
    };
    let offered = ask("POST", "/v1/escrow/milestone/create", "ada", &two_milestones());
    assert_field_ahead(&offered, "createdAt");
    let payment = json!({ "escrowDetails": { "escrowId": offered.text("id") } });
    assert_field_ahead(&ask("POST", "/v1/payment/escrow", "ben", &payment), "createdAt");
    let path = format!("/v1/escrow/milestone/confirm/{}/", offered.text("id"));
    for milestone in Deal::of(&offered).milestones {
        let confirmed = ask("POST", &format!("{path}{milestone}"), "ben", &json!({}));
        assert_field_ahead(&confirmed, "updatedAt");
        assert_field_ahead(&confirmed, "paidAt");
    }
    assert_field_ahead(
        &ask(
            "GET",
            &format!("/v1/escrow/verify/{}", offered.text("paymentToken")),
            "",
            &json!({}),
        ),
        "completedAt",
    );
    assert_field_ahead(&ask("GET", "/v1/wallet", "ben", &json!({})), "updatedAt");
    let created = ask("POST", "/v1/customer/create", "", &new_customer());
    assert_field_ahead(&created, "createdAt");
    let dates = app.column("SELECT DISTINCT created_at FROM event WHERE merchant_id = 1 ORDER BY 1");
    for date in dates {
        let at = Timestamp::from_millis(date.parse().unwrap()).unwrap();
        assert_ahead(&app, &at.to_string(), ahead);
    }
}

/// The ids of all merchants share one order, so a clock that is far ahead must not advance
/// the ids of other merchants.
#[test]
fn ids_follow_the_ledger_time() {
    let app = spawn_app();
    app.advance("3650d").ok();
    let id = app.offered().id;
    let created_at = i64::from_str_radix(&id[..16], 16).unwrap() >> 15;
    let now = millis(&clock(&app, Some(KEY)).text("now"));
    assert!((now - 10_000..now + 10_000).contains(&created_at), "{created_at} {now}");
}

/// The same due date can be in one merchant's future and in another merchant's past.
#[test]
fn due_dates_are_checked_by_the_merchants_clock() {
    let app = spawn_app();
    let mut offer = two_milestones();
    let tomorrow = day_in(1);
    offer["milestones"][0]["dueDate"] = json!(tomorrow);
    app.create_milestone_escrow("ada", &offer).ok();
    app.advance("3d").ok();
    let late = app.create_milestone_escrow("ada", &offer);
    assert_eq!(late.status, 400, "{late:?}");
    let other = app.json_with_key(KEY, "POST", "/v1/escrow/milestone/create", "ada", &offer);
    assert_eq!(other.status, 201, "another merchant's clock has not moved");
}

#[test]
fn strict_mode_allows_one_top_up_a_day_by_the_merchants_clock() {
    let app = spawn_app_with(|config| {
        config.strict = true;
        config.limits.requests_per_minute = 1_000;
    });
    let ada = app.create_customer(&new_customer()).ok().text("customerId");
    let once_a_day = "You can only top up your account once a day";
    app.top_up(&ada, 1000).ok();
    app.advance("23h").ok();
    app.refuses(401, once_a_day, |app| app.top_up(&ada, 1000));
    app.advance("1h").ok();
    app.top_up(&ada, 1000).ok();
    app.refuses(401, once_a_day, |app| app.top_up(&ada, 1000));
}

#[test]
fn lists_by_date_include_escrows_from_before_the_clock_moved() {
    let app = spawn_app();
    let first = app.offered();
    app.advance("10d").ok();
    let second = app.offered();
    let listed = |query: &str| {
        let list = app.as_merchant("GET", &format!("/v1/escrow/feeds?{query}"), None).ok();
        let rows = list.data()["data"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listed(&format!("fromDate={}", day_in(0))),
        [second.id.clone(), first.id.clone()]
    );
    assert_eq!(listed(&format!("fromDate={}", day_in(9))), [second.id.as_str()]);
    assert_eq!(listed(&format!("toDate={}", day_in(9))), [first.id]);
    assert_eq!(listed(&format!("fromDate={}", day_in(12))), [""; 0]);
}

#[test]
fn a_restart_keeps_each_merchants_clock() {
    let mut app = spawn_app();
    app.json_with_key(KEY, "POST", "/sandbox/clock/advance", "", &json!({ "by": "30d" }))
        .ok();
    app.json_with_key(KEY, "GET", "/v1/wallet", "ada", &Value::Null).ok();
    app.stop();
    let database = app.database.clone();
    let next = spawn_app_with(|config| config.database = database);
    assert_eq!(clock(&next, Some(KEY)).data()["offsetSeconds"], 30 * DAY);
    assert_ahead(&next, &clock(&next, Some(KEY)).text("now"), 30 * DAY);
    let system = SystemClock.now().millis();
    for key in [None, Some("sk_test_newcomer")] {
        let shown = millis(&clock(&next, key).text("now"));
        assert!((system - shown).abs() < 5_000, "{key:?}");
    }
}

/// The service keeps the reply for the idempotency key's lifetime, counted from the merchant's
/// new time, however far the clock moved.
#[test]
fn an_advance_repeated_under_its_idempotency_key_moves_the_clock_once() {
    let app = spawn_app();
    let body = br#"{"by":"36h"}"#;
    let headers = [("content-type", "application/json"), ("idempotency-key", "move")];
    let advance = || app.send("POST", "/sandbox/clock/advance", &headers, Some(body)).ok();
    let first = advance();
    let again = advance();
    assert_eq!(
        (again.data(), again.header("idempotent-replayed")),
        (first.data(), Some("true"))
    );
    assert_eq!(clock(&app, None).data()["offsetSeconds"], 36 * HOUR);
    app.advance("24h").ok();
    assert_eq!(advance().data()["offsetSeconds"], 96 * HOUR);
}

/// No server listens at the webhook endpoint of this test, so the service retries each delivery
/// 60 seconds later. The second event has the same ordering key and waits for the first.
#[test]
fn an_advance_reports_how_many_deliveries_became_due() {
    let app = spawn_app();
    let webhook_endpoint = json!({ "url": "http://127.0.0.1:9/hook" });
    app.as_merchant("PUT", "/sandbox/callback", Some(&webhook_endpoint))
        .ok();
    app.offered();
    let attempts = || app.column("SELECT count(*) FROM delivery_attempt").remove(0);
    until("one attempt is made", || attempts() == "1");
    let due = |by: &str| app.advance(by).ok().data()["deliveries"].clone();
    assert_eq!((due("50s"), attempts()), (json!(0), "1".to_owned()));
    assert_eq!((due("10s"), attempts()), (json!(2), "2".to_owned()));
    assert_eq!((due("1s"), attempts()), (json!(0), "2".to_owned()));
}

#[test]
fn ten_years_pass_in_one_step() {
    let app = spawn_app();
    let deals: Vec<Deal> = (0..20).map(|_| app.funded()).collect();
    let started = Instant::now();
    app.advance("3650d").ok();
    let wallet = app.wallet("ben").ok();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(wallet.data()["escrowBalance"], 20 * 10_000);
    app.confirm_milestone("ben", &deals[0].id, &deals[0].milestones[0]).ok();
}

#[test]
fn a_customer_header_has_no_effect_on_a_clock() {
    let app = spawn_app();
    app.json("POST", "/sandbox/clock/advance", "ada", &json!({ "by": 60 }))
        .ok();
    let shown = app.send("GET", "/sandbox/clock", &[("customer-id", "a b")], None).ok();
    assert_eq!(shown.data()["offsetSeconds"], 60);
    assert_eq!(app.count("customer"), 0);
}

#[test]
fn live_mode_has_no_clock_routes() {
    let app = spawn_live_app(|_| {});
    let bearer = format!("Bearer {LIVE_KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for (method, path) in [
        ("GET", "/sandbox/clock"),
        ("POST", "/sandbox/clock/advance"),
        ("POST", "/sandbox/reset"),
    ] {
        let answer = app.send(method, path, &headers, Some(b"{\"by\":60}"));
        assert_eq!(answer.status, 404, "{answer:?}");
    }
}
