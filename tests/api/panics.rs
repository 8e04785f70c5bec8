//! A panic in a handler or in a command: its request gets a 500 in the envelope, and
//! everything else goes on.

use serde_json::json;

use crate::helpers::{Answer, TestApp, spawn_app, standard_terms, two_milestones};

/// Rounds of requests at once, and the requests of a round.
const ROUNDS: usize = 10;
const REQUESTS: usize = 16;

fn assert_internal(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.body["code"].as_str()),
        (500, Some("internal")),
        "{answer:?}"
    );
    assert_eq!(answer.body["status"], 500);
    assert_eq!(answer.body["data"], json!({}));
    assert!(answer.header("x-request-id").is_some());
    assert!(!answer.text.contains("planned by the test"), "{}", answer.text);
}

#[test]
fn a_panic_in_a_handler_is_a_500_and_the_next_requests_work() {
    let app = spawn_app();
    app.top_up("ada", 1000).ok();
    for round in 1..=20 {
        let before = app.dump();
        // The handler asks the service's clock, which panics once.
        app.plan_panic_on("actix-rt");
        let answer = app.as_merchant("GET", "/sandbox/clock", None);
        assert!(app.has_panicked(), "the test is void: {answer:?}");
        assert_internal(&answer);
        assert_eq!(app.dump(), before, "the panic changed the file");

        app.as_merchant("GET", "/sandbox/clock", None).ok();
        app.top_up("ada", 1000).ok();
        assert_eq!(app.balances("ada").0, json!(1_001_000 + 1000 * round));
    }
    app.send("GET", "/healthz", &[], None).ok();
}

#[test]
fn a_panic_in_a_command_is_a_500_that_changes_nothing_and_the_next_writes_work() {
    let app = spawn_app();
    for customer in ["ada", "ben"] {
        app.top_up(customer, 1000).ok();
    }
    let deal = app.offered();
    let pays = |app: &TestApp| app.pay_for("ben", &deal);
    let writes: [&dyn Fn(&TestApp) -> Answer; 5] = [
        &|app| app.top_up("ada", 1000),
        &|app| app.create_milestone_escrow("ada", &two_milestones()),
        &|app| app.create_escrow("ada", &standard_terms()),
        &pays,
        // The first command of a customer registers the customer too.
        &|app| app.top_up("newcomer", 1000),
    ];
    for (number, write) in writes.into_iter().enumerate() {
        // The later ids are made after a part of the changes.
        let panics = (1..).take_while(|&id| {
            let before = app.dump();
            app.plan_panic_at_id(id);
            let answer = write(&app);
            if !app.has_command_panicked() {
                app.plan_panic_at_id(0);
                answer.ok();
                return false;
            }
            assert_internal(&answer);
            assert_eq!(
                app.dump(),
                before,
                "the panic at id {id} of write {number} changed the file"
            );
            app.send("GET", "/healthz", &[], None).ok();
            true
        });
        assert!(panics.count() >= 2, "write {number} makes too few ids");
    }
    assert_eq!(app.balances("ada").0, json!(1_002_000));
}

/// No reply is recorded under the idempotency key of a request that panicked.
#[test]
fn a_request_that_panicked_can_be_sent_again_with_its_idempotency_key() {
    let app = spawn_app();
    app.top_up("ada", 1000).ok();
    let headers = [
        ("customer-id", "ada"),
        ("content-type", "application/json"),
        ("idempotency-key", "top up once"),
    ];
    let send = || app.send("POST", "/v1/payment/topup", &headers, Some(br#"{"amount":1000}"#));
    app.plan_panic_at_id(2);
    assert_internal(&send());
    let first = send().ok();
    assert_eq!(send().text, first.text);
    assert_eq!(app.balances("ada").0, json!(1_002_000));
}

/// The commands of one group share a commit, which holds all of them but those that panicked.
#[test]
fn a_panic_in_a_command_fails_no_other_request() {
    let app = spawn_app();
    app.top_up("ada", 1000).ok();
    for _ in 0..ROUNDS {
        app.plan_panic_at_id(2);
        let answers = app.run_concurrently(REQUESTS, |app, _| app.top_up("ada", 1000));
        let (failed, done): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status != 200);
        assert_eq!((failed.len(), done.len()), (1, REQUESTS - 1), "{failed:?}");
        assert_internal(&failed[0]);
    }
    let done = ROUNDS * (REQUESTS - 1);
    assert_eq!(app.balances("ada").0, json!(1_001_000 + 1000 * done));
}
