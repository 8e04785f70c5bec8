//! The routes that tell if the service runs and takes requests (`/livez`, `/readyz`).

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::cluster;
use crate::helpers::{TestApp, spawn_app, spawn_app_with, spawn_live_app};

fn status(app: &TestApp, path: &str) -> u16 {
    app.send("GET", path, &[], None).status
}

#[test]
fn a_service_is_alive_and_ready_without_a_key_in_both_modes() {
    for app in [
        spawn_app(),
        spawn_app_with(|config| config.strict = true),
        spawn_live_app(|_| {}),
    ] {
        for path in ["/livez", "/readyz"] {
            let answer = app.send("GET", path, &[], None).ok();
            assert_eq!(*answer.data(), json!({}));
            assert_eq!(app.send_for_head("HEAD", path, &[]).status, 200);
            assert_eq!(app.send("POST", path, &[], None).status, 405);
            assert_eq!(status(&app, &format!("{path}?verbose=1")), 400, "an unknown field");
        }
    }
}

#[test]
fn readiness_writes_nothing() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let commits = || app.column("SELECT commits FROM file_mark");
    let before = commits();
    for _ in 0..20 {
        app.send("GET", "/readyz", &[], None).ok();
    }
    assert_eq!(commits(), before);
}

/// Another program that holds the file keeps the writer waiting for seconds.
#[test]
fn readiness_does_not_wait_for_the_writer() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    app.wallet("ada").ok();
    let outside = app.sqlite();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| app.top_up("ada", 1000));
        thread::sleep(Duration::from_millis(300));
        assert_eq!(status(&app, "/readyz"), 200);
        assert_eq!(status(&app, "/livez"), 200);
        assert!(!waits.is_finished(), "the writer no longer waits");
        outside.execute_batch("ROLLBACK").unwrap();
        waits.join().unwrap().ok();
    });
}

#[test]
fn a_wrong_clock_makes_a_live_service_unready_and_not_dead() {
    let app = spawn_live_app(|_| {});
    app.set_clock_wrong_by(30 * 86_400);
    let answer = app.send("GET", "/readyz", &[], None);
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("clock_jumped")));
    assert_eq!(status(&app, "/livez"), 200);
    app.set_clock_wrong_by(0);
    assert_eq!(status(&app, "/readyz"), 200);
}
