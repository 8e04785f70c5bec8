//! Receivers that answer 410 Gone, and receivers that get only some types of events.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::receiver::{Receiver, Reply, Request};
use crate::service::{Disk, Service};
use crate::waiting::until;

/// A retry schedule that is longer than a test.
const LONG_RETRIES: (&str, &str) = ("ESCROWD_WEBHOOKS_RETRY_SECONDS", "600,600");

fn set(service: &Service, setting: &Value) {
    service.send("", "", "PUT", "/sandbox/callback", setting);
}

/// Makes an escrow. Its second event waits for the first one.
fn offer(service: &Service) {
    let terms = json!({
        "amount": 200, "purpose": "Shop fit-out", "whoPays": "buyer",
        "milestones": [{ "title": "A", "amount": 100 }, { "title": "B", "amount": 100 }],
    });
    service.send("", "ada", "POST", "/v1/escrow/milestone/create", &terms);
}

/// Asserts that everything stays as it is: a change of the merchant's state and a move of
/// its clock make no request.
#[track_caller]
fn assert_silent(service: &Service, disk: &Disk, receiver: &Receiver) {
    let before = receiver.requests().len();
    service.funded("", 2);
    service.send("", "", "POST", "/sandbox/clock/advance", &json!({ "by": "1d" }));
    assert_eq!((receiver.requests().len(), disk.pending()), (before, 0));
}

/// Waits until the log has this text.
#[track_caller]
fn until_told(log: &Path, text: &str) {
    until(&format!("the log has {text}"), || {
        fs::read_to_string(log).unwrap().contains(text)
    });
}

#[test]
fn an_endpoint_that_is_gone_gets_no_more_events_until_it_is_set_again() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let log = disk.path("log.txt");
    let service = disk.serve_logging(&log, &[LONG_RETRIES]);
    set(&service, &json!({ "url": receiver.url() }));
    receiver.reply_with(|_| Reply::Status(410));
    offer(&service);
    until("the pending deliveries are discarded", || {
        !disk.attempts().is_empty() && disk.pending() == 0
    });
    assert_silent(&service, &disk, &receiver);
    until_told(&log, "410 Gone");
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("410 Gone")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    for part in [
        "merchant 1",
        &receiver.url(),
        "410 Gone",
        "PUT /sandbox/callback sets it again",
    ] {
        assert!(lines[0].contains(part), "{}", lines[0]);
    }
    drop(service);
    let service = disk.serve(&[LONG_RETRIES]);
    assert_silent(&service, &disk, &receiver);
    receiver.reply_with(|_| Reply::Status(200));
    assert_silent(&service, &disk, &receiver);
    set(&service, &json!({ "url": receiver.url() }));
    let known = disk.events().len();
    service.funded("", 2);
    disk.wait_for_deliveries();
    let later = disk.events().split_off(known);
    assert_eq!(receiver.taken().len(), later.len(), "only the later events are sent");
}

/// A first event waits behind a 503, and a second one meets the 410, which discards both.
#[test]
fn a_replay_since_an_endpoint_was_gone_sends_everything_that_it_missed() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let log = disk.path("log.txt");
    let service = disk.serve_logging(&log, &[LONG_RETRIES]);
    let top_up = |amount: u64| {
        service.send("", "ada", "POST", "/v1/payment/topup", &json!({ "amount": amount }));
    };
    let endpoint = || service.send("", "", "GET", "/sandbox/callback", &Value::Null);
    let before = service.send("", "", "PUT", "/sandbox/callback", &json!({ "url": receiver.url() }));
    assert_eq!(before["replaySince"], Value::Null, "nothing was missed");
    receiver.reply_with(|_| Reply::Status(503));
    offer(&service);
    until("the first attempt is recorded", || !disk.attempts().is_empty());
    receiver.reply_with(|_| Reply::Status(410));
    top_up(1000);
    until("the endpoint is gone", || endpoint()["goneAt"] != Value::Null);
    top_up(2000);
    let gone_at = endpoint()["goneAt"].clone();
    until_told(&log, gone_at.as_str().unwrap());
    receiver.reply_with(|_| Reply::Status(200));
    let set = service.send("", "", "PUT", "/sandbox/callback", &json!({ "url": receiver.url() }));
    assert_eq!((&set["goneAt"], &set["replaySince"]), (&Value::Null, &gone_at));
    service.send(
        "",
        "",
        "POST",
        "/sandbox/events/replay",
        &json!({ "since": set["replaySince"] }),
    );
    disk.wait_for_deliveries();
    let mut taken = receiver.taken();
    taken.sort();
    let all: Vec<String> = disk.events().into_iter().map(|event| event.id).collect();
    assert_eq!(all.len(), 4);
    assert_eq!(taken, all);
}

#[test]
fn events_are_recorded_for_an_endpoint_that_is_gone_as_it_chose_them() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve(&[LONG_RETRIES]);
    let setting = json!({ "url": receiver.url(), "events": ["escrow.completed", "milestone.released"] });
    set(&service, &setting);
    receiver.reply_with(|_| Reply::Status(410));
    service.completed("", 2);
    let endpoint = || service.send("", "", "GET", "/sandbox/callback", &Value::Null);
    until("the endpoint is gone", || endpoint()["goneAt"] != Value::Null);
    let known = disk.events().len();
    service.completed("", 2);
    let inbox = service.send("", "", "GET", "/sandbox/events?limit=50", &Value::Null);
    let reasons = |name: &str| -> Vec<String> {
        let events = inbox["data"].as_array().unwrap().iter();
        let later = events.rev().skip(known).filter(|event| event["type"] == name);
        later
            .map(|event| event["delivery"]["reason"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(reasons("milestone.released"), ["endpoint_gone"; 2]);
    assert_eq!(reasons("escrow.completed"), ["endpoint_gone"]);
    assert_eq!(reasons("escrow.created"), ["not_chosen"]);
}

#[test]
fn a_configured_endpoint_is_set_again_by_a_restart() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Status(410));
    let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
    offer(&service);
    until("the pending deliveries are discarded", || {
        !disk.attempts().is_empty() && disk.pending() == 0
    });
    assert_silent(&service, &disk, &receiver);
    service.stop();
    receiver.reply_with(|_| Reply::Status(200));
    let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
    service.funded("", 2);
    until("the new events are taken", || {
        receiver.taken().len() >= 4 && disk.pending() == 0
    });
}

#[test]
fn one_merchants_gone_endpoint_ends_no_other_merchants_deliveries() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|request| {
        Reply::Status(if request.is_signed_with("sk_test_gone") {
            410
        } else {
            200
        })
    });
    let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
    service.completed("sk_test_gone", 2);
    service.completed("sk_test_here", 2);
    disk.wait_for_deliveries();
    let of_other = disk.events().into_iter().filter(|event| event.merchant == 2).count();
    assert_eq!(receiver.taken().len(), of_other);
}

#[test]
fn a_late_410_of_an_earlier_endpoint_does_not_end_the_new_one() {
    let (disk, old, new) = (Disk::new(), Receiver::start(), Receiver::start());
    let is_set = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let wait = std::sync::Arc::clone(&is_set);
    old.reply_with(move |_| {
        until("the new endpoint is set", || {
            wait.load(std::sync::atomic::Ordering::SeqCst)
        });
        Reply::Status(410)
    });
    let service = disk.serve(&[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "1,1")]);
    set(&service, &json!({ "url": old.url() }));
    service.send("", "ada", "POST", "/v1/payment/topup", &json!({ "amount": 1000 }));
    // The receiver keeps a request only after it has replied.
    until("the attempt is under way", || old.has_connections());
    set(&service, &json!({ "url": new.url() }));
    is_set.store(true, std::sync::atomic::Ordering::SeqCst);
    disk.wait_for_deliveries();
    assert_eq!(
        (old.requests().len(), new.taken().len()),
        (1, 1),
        "the retry goes to the new endpoint"
    );
    service.funded("", 2);
    disk.wait_for_deliveries();
    assert_eq!(new.taken().len(), disk.events().len());
}

#[test]
fn an_endpoint_gets_the_events_it_has_chosen() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve(&[]);
    set(
        &service,
        &json!({ "url": receiver.url(), "events": ["escrow.*", "payment.deposit.success"] }),
    );
    service.send("", "ada", "POST", "/v1/payment/topup", &json!({ "amount": 1000 }));
    service.completed("", 2);
    disk.wait_for_deliveries();
    let names = |requests: &[Request]| -> Vec<String> {
        let name = |request: &Request| request.event()["event"].as_str().unwrap().to_owned();
        requests.iter().map(name).collect()
    };
    let is_chosen = |name: &str| name.starts_with("escrow.") || name == "payment.deposit.success";
    let events = disk.events();
    let chosen = events.iter().filter(|event| is_chosen(&event.name)).count();
    assert!(chosen < events.len());
    let sent = names(&receiver.requests());
    assert!(
        sent.len() == chosen && sent.iter().all(|name| is_chosen(name)),
        "{sent:?}"
    );
    let all = service.send(
        "",
        "",
        "POST",
        "/sandbox/events/replay",
        &json!({ "from": events[0].id }),
    );
    assert_eq!(all["events"], chosen, "a replay leaves the other types out");
    disk.wait_for_deliveries();
    assert_eq!(receiver.requests().len(), 2 * chosen);
    let other = events.iter().find(|event| !is_chosen(&event.name)).unwrap();
    service.send(
        "",
        "",
        "POST",
        &format!("/sandbox/events/{}/resend", other.id),
        &Value::Null,
    );
    disk.wait_for_deliveries();
    assert_eq!(
        names(&receiver.requests()).last(),
        Some(&other.name),
        "a resend names its event"
    );
}

/// An event of escrowd's own comes to the endpoint that names it and is recorded for no other.
#[test]
fn a_released_milestone_is_told_to_the_endpoint_that_chose_it() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve(&[]);
    let released = || {
        let all = disk.events();
        all.iter().filter(|event| event.name == "milestone.released").count()
    };
    for events in [&json!(null), &json!(["*"]), &json!(["escrow.*", "payment.*"])] {
        set(&service, &json!({ "url": receiver.url(), "events": events }));
        service.completed("", 2);
        assert_eq!(released(), 0, "{events}");
    }
    disk.wait_for_deliveries();
    let before = receiver.requests().len();
    set(
        &service,
        &json!({ "url": receiver.url(), "events": ["escrow.*", "milestone.released"] }),
    );
    let deal = service.completed("", 2);
    disk.wait_for_deliveries();
    assert_eq!(released(), 2);
    let requests = receiver.requests();
    let events: Vec<Value> = requests[before..].iter().map(Request::event).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = [
        "escrow.created",
        "escrow.pending",
        "escrow.ongoing",
        "milestone.released",
        "milestone.released",
        "escrow.completed",
    ];
    assert_eq!(names, expected, "in the order of the escrow");
    let data = &events[3]["data"];
    assert_eq!(
        (&data["id"], &data["milestoneId"]),
        (&deal["id"], &deal["milestones"][0]["id"])
    );
    assert_eq!(data["milestones"][0]["status"], "RELEASED");
}

/// One command discards a thousand deliveries. The attempts under way hang meanwhile, so that no
/// outcome makes the deliverer look at the rest.
#[test]
fn an_endpoint_that_was_turned_off_gets_nothing_from_before() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Never);
    let service = disk.serve(&[LONG_RETRIES]);
    set(&service, &json!({ "url": receiver.url() }));
    for amount in [1000, 2000] {
        let escrows = vec![json!({ "seller": "ada", "amount": amount }); 1000];
        let seed = json!({ "customers": [{ "id": "ada" }], "escrows": escrows });
        service.send("", "", "POST", "/sandbox/seed", &seed);
    }
    assert!(disk.pending() > 3_000);
    set(&service, &json!({ "url": null }));
    receiver.reply_with(|_| Reply::Status(200));
    set(&service, &json!({ "url": receiver.url() }));
    assert_eq!(disk.pending(), 0, "they are discarded before the endpoint is on");
    assert_eq!(receiver.taken().len(), 0);
}
