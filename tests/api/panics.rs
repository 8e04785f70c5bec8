//! A panic in a handler: its request gets a 500 in the envelope, and everything else goes on.

use serde_json::json;

use crate::helpers::spawn_app;

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
        assert_eq!((answer.status, answer.body["code"].as_str()), (500, Some("internal")));
        assert_eq!(answer.body["status"], 500);
        assert_eq!(answer.body["data"], json!({}));
        assert!(answer.header("x-request-id").is_some());
        assert!(!answer.text.contains("planned by the test"), "{}", answer.text);
        assert_eq!(app.dump(), before, "the panic changed the file");

        app.as_merchant("GET", "/sandbox/clock", None).ok();
        app.top_up("ada", 1000).ok();
        assert_eq!(app.balances("ada").0, json!(1_001_000 + 1000 * round));
    }
    app.send("GET", "/healthz", &[], None).ok();
}
