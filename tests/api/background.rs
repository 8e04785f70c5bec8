//! Work in the background that panics: the metrics count it, and the work goes on.

use rusqlite::Connection;
use serde_json::json;

use crate::cluster;
use crate::helpers::{SERVICE_THREAD, TestApp, spawn_app_that_panics_on, spawn_app_with};
use crate::intents::withdrawal;
use crate::metrics::{scrape, value, with_metrics};
use crate::waiting::until;

/// Checks that one task has panicked once, and no other has.
#[track_caller]
fn assert_panicked(app: &TestApp, panicked: &str) {
    let text = scrape(app);
    for task in [
        "backups",
        "ledger_check",
        "peers",
        "retention",
        "settlements",
        "webhooks",
    ] {
        let sample = format!("escrowd_background_panics_total{{task=\"{task}\"}}");
        let expected = if task == panicked { "1" } else { "0" };
        assert_eq!(value(&text, &sample).to_string(), expected, "{task}");
    }
}

#[test]
fn webhooks_go_on_after_a_panic() {
    let app = spawn_app_with(with_metrics);
    let url = json!({ "url": "http://127.0.0.1:9/none" });
    app.as_merchant("PUT", "/sandbox/callback", Some(&url)).ok();
    app.plan_panic_on("webhooks");
    app.offered();
    until("the deliverer panics", || app.has_panicked());
    until("an attempt is made", || {
        value(&scrape(&app), "escrowd_webhook_attempts_total{outcome=\"failed\"}") >= 1.0
    });
    assert_panicked(&app, "webhooks");
}

#[test]
fn settlements_go_on_after_a_panic() {
    let app = spawn_app_with(with_metrics);
    app.top_up("ada", 5000).ok();
    app.create_intent("ada", &withdrawal("w-1", 1000, "0000000003")).ok();
    app.verify_payment("ada", "w-1").ok();
    app.plan_panic_on(SERVICE_THREAD);
    until("the settlements panic", || app.has_panicked());
    app.pass_seconds(3_601);
    until("the withdrawal is settled", || app.count("slow_withdrawal") == 0);
    assert_panicked(&app, "settlements");
}

/// Retention looks for expired idempotency records at once after its start.
#[test]
fn retention_goes_on_after_a_panic() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let mut app = spawn_app_with(|_| {});
    let headers = [
        ("customer-id", "ada"),
        ("content-type", "application/json"),
        ("idempotency-key", "top up once"),
    ];
    app.send("POST", "/v1/payment/topup", &headers, Some(br#"{"amount":1000}"#))
        .ok();
    app.stop();
    let file = Connection::open(app.database_file()).unwrap();
    file.execute_batch("UPDATE merchant SET clock_offset_millis = 864000000, clock_moved_at = created_at")
        .unwrap();
    drop(file);
    let app = spawn_app_that_panics_on(SERVICE_THREAD, |config| {
        config.database.clone_from(&app.database);
        with_metrics(config);
    });
    until("retention panics", || app.has_panicked());
    assert_eq!(app.count("idempotency_record"), 1, "the test is void");
    until("the record is removed", || app.count("idempotency_record") == 0);
    assert_panicked(&app, "retention");
}

#[test]
fn backups_go_on_after_a_panic() {
    if cluster::is_wanted() {
        // There are no backups of a server.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let app = spawn_app_that_panics_on("backups", |config| {
        with_metrics(config);
        config.backups.folder = Some(folder.path().join("backups"));
    });
    until("the thread of backups panics", || app.has_panicked());
    until("a backup is made", || {
        value(&scrape(&app), "escrowd_backup_last_success_timestamp_seconds") > 0.0
    });
    assert_panicked(&app, "backups");
}
