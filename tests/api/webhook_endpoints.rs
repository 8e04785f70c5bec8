//! Tests setting the webhook endpoint, and resending and replaying events. No server listens at
//! the URL of these tests: `tests/webhooks` checks what an endpoint receives.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use escrowd::domain::events::webhook_endpoint::WebhookUrl;
use escrowd::domain::mode::Mode;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::cluster;
use crate::helpers::{Answer, TestApp, spawn_app, spawn_app_with};

const NO_ID: &str = "0123456789abcdef01234567";
/// A URL at which no server listens.
const UNREACHABLE: &str = "http://127.0.0.1:9/hook";

impl TestApp {
    fn webhook_endpoint(&self) -> Answer {
        self.as_merchant("GET", "/sandbox/callback", None)
    }

    fn set_webhook_endpoint(&self, url: &Value) -> Answer {
        self.as_merchant("PUT", "/sandbox/callback", Some(&json!({ "url": url })))
    }

    fn resend(&self, id: &str) -> Answer {
        self.as_merchant("POST", &format!("/sandbox/events/{id}/resend"), None)
    }

    fn replay(&self, body: &Value) -> Answer {
        self.as_merchant("POST", "/sandbox/events/replay", Some(body))
    }

    /// Returns the pending deliveries in order, each as the position of its event among all
    /// events.
    fn pending_deliveries(&self) -> Vec<String> {
        self.column(
            "SELECT (SELECT count(*) FROM event AS earlier WHERE earlier.id <= delivery.event_id) FROM delivery ORDER BY id",
        )
    }
}

#[test]
fn a_merchant_sets_its_webhook_endpoint() {
    let app = spawn_app();
    let view = |url: Value| {
        json!({
            "url": url,
            "events": null,
            "goneAt": null,
            "signingSecret": "sk_test_default",
            // printf sk_test_default | sha256sum | xxd -r -p | base64
            "standardWebhooksSecret": "whsec_SHEVtkn43W+FPJzcQHXW7QBQacIOpQ9VJHcRTb9RSAA=",
        })
    };
    let fetched = app.webhook_endpoint().ok();
    assert_eq!(fetched.message(), "Callback fetched successfully");
    assert_eq!(fetched.data().to_string(), view(Value::Null).to_string());
    let set = app.set_webhook_endpoint(&json!(UNREACHABLE)).ok();
    assert_eq!(set.message(), "Callback updated successfully");
    let after_setting = |url: Value| {
        let mut view = view(url);
        view["replaySince"] = Value::Null;
        view
    };
    assert_eq!(set.data(), &after_setting(json!(UNREACHABLE)));
    assert_eq!(app.webhook_endpoint().ok().data(), &view(json!(UNREACHABLE)));
    let unset = app.set_webhook_endpoint(&Value::Null).ok();
    assert_eq!(unset.data(), &after_setting(Value::Null));
    assert_eq!(app.webhook_endpoint().ok().data(), &view(Value::Null));
}

#[test]
fn each_key_has_its_own_signing_secret_and_url() {
    let app = spawn_app();
    app.set_webhook_endpoint(&json!(UNREACHABLE)).ok();
    let headers = [("authorization", "Bearer sk_test_other")];
    let other = app.send("GET", "/sandbox/callback", &headers, None).ok();
    assert_eq!(other.data()["signingSecret"], "sk_test_other");
    assert_eq!(other.data()["url"], Value::Null);
}

#[test]
fn the_configured_url_applies_until_the_merchant_sets_one() {
    let app = spawn_app_with(|config| {
        config.webhooks.callback_url = Some(WebhookUrl::parse(UNREACHABLE, Mode::Sandbox).unwrap());
    });
    assert_eq!(app.webhook_endpoint().ok().data()["url"], UNREACHABLE);
    app.offered();
    assert_eq!(app.pending_deliveries(), ["1", "2"]);
    app.set_webhook_endpoint(&Value::Null).ok();
    assert_eq!(app.webhook_endpoint().ok().data()["url"], Value::Null);
    app.top_up("ada", 1000).ok();
    let newest = app.inbox("?limit=1").ok();
    let delivery = &newest.data()["data"][0]["delivery"];
    assert_eq!(
        (&delivery["status"], &delivery["reason"]),
        (&json!("none"), &json!("no_endpoint"))
    );
}

#[test]
fn a_url_that_cannot_be_a_webhook_endpoint_is_refused() {
    let app = spawn_app();
    app.set_webhook_endpoint(&json!(UNREACHABLE)).ok();
    let long = format!("http://127.0.0.1/{}", "x".repeat(2000));
    // It is stored as it is sent, with each of these as six characters.
    let grows = format!("http://127.0.0.1/?{}", "\u{fc}".repeat(900));
    for (url, expected) in [
        (json!("shop.example"), "url must be a web address"),
        (json!("ftp://shop.example/"), "url must be a web address"),
        (json!("http://"), "url must be a web address"),
        (json!(long), "url must be a web address"),
        (json!(grows), "url must be a web address"),
        (json!(17), "url must be a text"),
        (
            json!("http://me:pw@127.0.0.1/"),
            "url must be an address without a name and a password",
        ),
        (
            json!("http://127.0.0.1/#top"),
            "url must be an address without a fragment",
        ),
        (
            json!("http://169.254.169.254/"),
            "url must be an address that does not lead to 169.254.169.254",
        ),
    ] {
        let answer = app.set_webhook_endpoint(&url);
        assert_eq!(answer.status, 400, "{url}");
        assert!(answer.message().starts_with(expected), "{url}: {}", answer.message());
    }
    let nothing = app.as_merchant("PUT", "/sandbox/callback", Some(&json!({})));
    assert_eq!((nothing.status, nothing.message()), (400, "url is required"));
    assert_eq!(app.webhook_endpoint().ok().data()["url"], UNREACHABLE);
}

#[test]
fn an_event_is_sent_again_under_its_own_id() {
    let app = spawn_app();
    let id = app.event_of_new_offer();
    app.refuses(400, "No webhook URL is set", |app| app.resend(&id));
    app.refuses(400, "Event not found", |app| app.resend(NO_ID));
    app.set_webhook_endpoint(&json!(UNREACHABLE)).ok();
    assert_eq!(
        app.pending_deliveries(),
        [""; 0],
        "setting an endpoint does not queue earlier events"
    );
    let before = app.all_events();
    let again = app.resend(&id).ok();
    assert_eq!(again.message(), "Event queued successfully");
    assert_eq!(again.data()["delivery"]["status"], "pending");
    assert_eq!(again.data()["payload"], before[0]["payload"]);
    assert_eq!(app.pending_deliveries(), ["1"]);
    assert_eq!(app.all_events().len(), before.len(), "a resend creates no new event");
    let foreign = app.json_with_key(
        "sk_test_other",
        "POST",
        &format!("/sandbox/events/{id}/resend"),
        "",
        &json!({}),
    );
    assert_eq!((foreign.status, foreign.message()), (400, "Event not found"));
}

#[test]
fn a_replay_sends_all_events_from_a_point_oldest_first() {
    let app = spawn_app();
    app.offered();
    app.pass_seconds(60);
    app.top_up("ada", 1000).ok();
    app.top_up("ada", 2000).ok();
    let events = app.all_events();
    app.refuses(400, "No webhook URL is set", |app| {
        app.replay(&json!({ "from": events[0]["id"] }))
    });
    app.set_webhook_endpoint(&json!(UNREACHABLE)).ok();
    app.refuses(400, "Event not found", |app| app.replay(&json!({ "from": NO_ID })));
    app.refuses(
        400,
        "since must be a moment with its offset from UTC, such as 2026-06-22T10:15:00.000Z; got \"2026-06-22T10:15:00\"",
        |app| app.replay(&json!({ "since": "2026-06-22T10:15:00" })),
    );
    let second = app.replay(&json!({ "from": events[1]["id"] })).ok();
    assert_eq!(second.message(), "Events queued successfully");
    assert_eq!(second.data(), &json!({ "events": 3, "next": null }));
    assert_eq!(app.pending_deliveries(), ["2", "3", "4"]);
    let since = app.replay(&json!({ "since": events[2]["createdAt"] })).ok();
    assert_eq!(since.data(), &json!({ "events": 2, "next": null }));
    assert_eq!(app.pending_deliveries(), ["2", "3", "4"], "they are pending");
    // A client's zero time is before all of them.
    for (since, found) in [
        ("0001-01-01T00:00:00Z", 4),
        ("1969-12-31T23:59:59Z", 4),
        ("2999-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59.999Z", 0),
    ] {
        let replayed = app.replay(&json!({ "since": since })).ok();
        assert_eq!(replayed.data()["events"], found, "{since}");
    }
}

/// Ten thousand events lie between two payments, and the endpoint gets payments alone.
#[test]
fn a_replay_says_where_the_next_one_goes_on() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    let id = app.event_of_new_offer();
    app.top_up("ada", 1000).ok();
    let other = Connection::open(app.database_file()).unwrap();
    escrowd::store::add_functions(&other).unwrap();
    other
        .execute_batch(
            "WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 9997)
             INSERT INTO event (id, guard, merchant_id, name_id, escrow_id, transaction_id, created_at, data, checksum)
             SELECT (SELECT max(id) FROM event) + n, guard, merchant_id, name_id, escrow_id, transaction_id, created_at, data, 0
             FROM more, (SELECT * FROM event LIMIT 1);
             UPDATE merchant SET event_count = (SELECT count(*) FROM event WHERE merchant_id = merchant.id)",
        )
        .unwrap();
    app.pass_seconds(60);
    app.top_up("ada", 2000).ok();
    let newest = "SELECT printf('%016x%08x', id, guard) FROM event ORDER BY id DESC LIMIT 1";
    let newest: String = other.query_row(newest, [], |row| row.get(0)).unwrap();
    let setting = json!({ "url": UNREACHABLE, "events": ["payment.*"] });
    app.as_merchant("PUT", "/sandbox/callback", Some(&setting)).ok();
    let first = app.replay(&json!({ "from": id })).ok();
    let expected = |next: &Value| json!({ "events": 1, "next": next });
    let place = &first.data()["next"];
    assert_eq!(first.data(), &expected(place));
    let second = app.replay(&json!({ "from": place })).ok();
    assert_eq!((place, second.data()), (&json!(newest), &expected(&Value::Null)));
    other.execute_batch("DELETE FROM event WHERE checksum = 0").unwrap();
}

#[test]
fn a_replay_needs_a_starting_point() {
    let app = spawn_app();
    app.set_webhook_endpoint(&json!(UNREACHABLE)).ok();
    for (body, field) in [
        (json!({}), "from"),
        (json!({ "from": "x" }), "from"),
        (json!({ "from": 7 }), "from"),
        (json!({ "since": "yesterday" }), "since"),
        (json!({ "since": "2026-06-22" }), "since"),
        (json!({ "from": NO_ID, "since": "2026-06-22T10:15:00.000Z" }), "since"),
    ] {
        let answer = app.replay(&body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            answer.message().starts_with(&format!("{field} must be")),
            "{body}: {}",
            answer.message()
        );
    }
}

#[test]
fn the_inbox_says_why_an_event_is_pending() {
    let app = spawn_app();
    app.set_webhook_endpoint(&json!(UNREACHABLE)).ok();
    app.offered();
    let events = app.all_events();
    let waits: Vec<&Value> = events.iter().map(|event| &event["delivery"]["waitingFor"]).collect();
    let due = &events[0]["delivery"]["nextAttemptAt"];
    assert_eq!((&waits[0]["event"], &waits[0]["attemptAt"]), (&Value::Null, due));
    assert_eq!(
        waits[1],
        &json!({ "event": events[0]["id"], "attemptAt": null, "lastAnswer": null })
    );
    app.set_webhook_endpoint(&Value::Null).ok();
    assert_eq!(app.all_events()[0]["delivery"]["waitingFor"], Value::Null);
}

#[test]
fn an_endpoint_chooses_events() {
    let app = spawn_app();
    let put = |body: Value| app.as_merchant("PUT", "/sandbox/callback", Some(&body));
    let set = put(json!({ "url": UNREACHABLE, "events": ["escrow.created", "payment.*", "escrow.created"] })).ok();
    assert_eq!(set.data()["events"], json!(["escrow.created", "payment.*"]));
    assert_eq!(app.webhook_endpoint().ok().data()["events"], set.data()["events"]);
    app.offered();
    let events = app.all_events();
    assert_eq!(app.pending_deliveries(), ["1"]);
    assert_eq!(events[0]["delivery"]["reason"], Value::Null);
    assert_eq!(
        (&events[1]["delivery"]["status"], &events[1]["delivery"]["reason"]),
        (&json!("none"), &json!("not_chosen"))
    );
    for (body, expected) in [
        (
            json!({ "url": UNREACHABLE, "events": ["escrow.*", "escrow.finished"] }),
            "events[1] must be the name of an event",
        ),
        (
            json!({ "url": "" }),
            "url must be a URL, or null to send no events; got \"\"",
        ),
        (json!({ "url": "  " }), "url must be"),
        (
            json!({ "url": UNREACHABLE, "events": ["escrow"] }),
            "events[0] must be the name of an event",
        ),
        (
            json!({ "url": UNREACHABLE, "events": [17] }),
            "events[0] must be a text",
        ),
        (json!({ "url": UNREACHABLE, "events": [""] }), "events[0] must be"),
        (
            json!({ "url": UNREACHABLE, "events": [] }),
            "events must be a list with at least one event",
        ),
        (
            json!({ "url": UNREACHABLE, "events": "escrow.*" }),
            "events must be a list",
        ),
        (
            json!({ "url": UNREACHABLE, "event": ["escrow.*"] }),
            "event must be one of the fields url, events",
        ),
        (
            json!({ "url": null, "events": ["escrow.*"] }),
            "events must be left out where url is null",
        ),
    ] {
        let answer = put(body.clone());
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.message().starts_with(expected), "{body}: {}", answer.message());
        assert_eq!(
            app.webhook_endpoint().ok().data()["events"],
            set.data()["events"],
            "a refusal changes nothing"
        );
    }
    let unknown = put(json!({ "url": UNREACHABLE, "events": ["escrow.finished"] }));
    for name in [
        "escrow.created",
        "escrow.split",
        "payment.escrow.success",
        "payment.withdrawal.reversed",
    ] {
        assert!(unknown.message().contains(name), "{}", unknown.message());
    }
    assert_eq!(
        app.set_webhook_endpoint(&json!(UNREACHABLE)).ok().data()["events"],
        Value::Null
    );
    app.top_up("ada", 1000).ok();
    assert_eq!(
        app.all_events()[2]["delivery"]["reason"],
        Value::Null,
        "all events are sent again"
    );
}

/// Starts a server that answers every request with 410, and returns its URL.
pub(crate) fn gone_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // One read takes at least the head; the reply does not depend on the rest.
            drop(stream.read(&mut [0; 16 * 1024]));
            let reply = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            drop(stream.write_all(reply));
        }
    });
    url
}

impl TestApp {
    /// Sets an endpoint that answers 410, and waits until an event has found it gone.
    pub(crate) fn set_gone_endpoint(&self) {
        self.set_webhook_endpoint(&json!(gone_endpoint())).ok();
        self.offered();
        for _ in 0..500 {
            if self.webhook_endpoint().ok().data()["goneAt"] != Value::Null {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the endpoint is not gone");
    }
}

#[test]
fn the_inbox_and_the_endpoint_say_that_it_is_gone() {
    let app = spawn_app();
    app.set_gone_endpoint();
    app.top_up("ada", 1000).ok();
    let events = app.all_events();
    let delivery = |at: usize| &events[at]["delivery"];
    assert_eq!(
        (&delivery(0)["status"], &delivery(0)["attempts"][0]["status"]),
        (&json!("failed"), &json!(410))
    );
    assert_eq!(
        (&delivery(1)["status"], &delivery(1)["reason"]),
        (&json!("none"), &json!("discarded"))
    );
    assert_eq!(
        (&delivery(2)["status"], &delivery(2)["reason"]),
        (&json!("none"), &json!("endpoint_gone"))
    );
    let refusal = "The webhook endpoint answered 410 Gone and gets no events; PUT /operator/callback, or in a sandbox PUT /sandbox/callback, sets it again";
    app.refuses(400, refusal, |app| app.resend(events[0]["id"].as_str().unwrap()));
    app.refuses(400, refusal, |app| app.replay(&json!({ "from": events[0]["id"] })));
    let set = app.set_webhook_endpoint(&json!(UNREACHABLE)).ok();
    assert_eq!(set.data()["goneAt"], Value::Null);
    let since = &set.data()["replaySince"];
    assert_eq!(since, &events[0]["createdAt"], "the oldest event that was not sent");
    app.replay(&json!({ "since": since })).ok();
    assert_eq!(app.pending_deliveries(), ["1", "2", "3"]);
}
