//! A live service on a machine whose clock is set wrong while it runs.

use serde_json::{Value, json};

use crate::helpers::{Answer, LIVE_KEY, TestApp, new_customer, spawn_app, spawn_live_app};

const DAY: i64 = 86_400;

fn send(app: &TestApp, method: &str, path: &str, customer: &str, body: &Value) -> Answer {
    app.json_with_key(LIVE_KEY, method, path, customer, body)
}

fn create_category(app: &TestApp, customer: &str, name: &str) -> Answer {
    send(
        app,
        "POST",
        "/v1/escrow/category/create",
        customer,
        &json!({ "name": name }),
    )
}

#[test]
fn writes_are_refused_while_the_clock_is_wrong_and_reads_go_on() {
    let app = spawn_live_app(|_| {});
    let created = send(&app, "POST", "/v1/customer/create", "", &new_customer()).ok();
    let ada = created.text("customerId");

    app.set_clock_wrong_by(400 * DAY);
    for refused in [
        create_category(&app, &ada, "Toys"),
        send(&app, "POST", "/v1/customer/create", "", &new_customer()),
        send(&app, "PUT", &format!("/v1/customer/block/{ada}"), "", &json!({})),
        app.send("GET", "/healthz", &[], None),
    ] {
        assert_eq!(refused.status, 503, "{refused:?}");
        assert_eq!(refused.body["code"], "clock_jumped");
        assert_eq!(refused.header("retry-after"), Some("30"));
        assert!(
            refused.message().contains("storage.clock_jump_hours_max"),
            "{refused:?}"
        );
    }
    send(&app, "GET", "/v1/wallet", &ada, &json!({})).ok();
    send(&app, "GET", "/v1/escrow/feeds", "", &json!({})).ok();

    app.set_clock_wrong_by(0);
    app.send("GET", "/healthz", &[], None).ok();
    create_category(&app, &ada, "Toys").ok();
    // Time that has really passed is no jump.
    app.pass_seconds(400 * DAY);
    create_category(&app, &ada, "Books").ok();
}

#[test]
fn a_sandbox_follows_its_clock_and_goes_on_from_the_latest_time() {
    let app = spawn_app();
    app.set_clock_wrong_by(400 * DAY);
    app.top_up("ada", 1000).ok();
    let now = |app: &TestApp| {
        let clock = app.as_merchant("GET", "/sandbox/clock", None).ok();
        let now: jiff::Timestamp = clock.text("now").parse().unwrap();
        now.as_second()
    };
    let ahead = now(&app);
    app.set_clock_wrong_by(0);
    app.pass_seconds(3_600);
    let passed = now(&app) - ahead;
    assert!((3_600..3_660).contains(&passed), "{passed} s");
}
