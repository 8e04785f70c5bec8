//! Receivers that refuse some events: the later events of the escrow go on beside the
//! retries of the refused one. Other failures keep the order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use serde_json::{Value, json};

use crate::receiver::{Receiver, Reply, Request};
use crate::service::{Disk, Service};
use crate::waiting::until;

/// A retry schedule that is longer than a test. A retry happens when the clock is advanced.
const LONG_RETRIES: (&str, &str) = ("ESCROWD_WEBHOOKS_RETRY_SECONDS", "600,600");

fn name_of(request: &Request) -> String {
    request.event()["event"].as_str().unwrap().to_owned()
}

/// Returns the names of the events that the receiver took, sorted.
fn names_taken(receiver: &Receiver) -> Vec<String> {
    let taken = receiver.requests().into_iter().filter(Request::is_taken);
    let mut names: Vec<String> = taken.map(|request| name_of(&request)).collect();
    names.sort();
    names
}

/// Returns the number of requests with this event.
fn sent(receiver: &Receiver, name: &str) -> usize {
    receiver
        .requests()
        .iter()
        .filter(|request| name_of(request) == name)
        .count()
}

/// Starts a receiver that answers one event with a status that can be changed, and takes
/// every other event.
fn answering(name: &'static str, status: u16) -> (Receiver, Arc<AtomicU16>) {
    let (receiver, answer) = (Receiver::start(), Arc::new(AtomicU16::new(status)));
    let current = Arc::clone(&answer);
    receiver.reply_with(move |request| {
        let is_named = name_of(request).starts_with(name);
        Reply::Status(if is_named { current.load(Ordering::SeqCst) } else { 200 })
    });
    (receiver, answer)
}

fn offer(service: &Service) -> Value {
    let terms = json!({
        "amount": 200, "purpose": "Shop fit-out", "whoPays": "buyer",
        "milestones": [{ "title": "A", "amount": 100 }, { "title": "B", "amount": 100 }],
    });
    service.send("", "ada", "POST", "/v1/escrow/milestone/create", &terms)
}

fn advance(service: &Service, by: &str) {
    service.send("", "", "POST", "/sandbox/clock/advance", &json!({ "by": by }));
}

#[test]
fn a_refused_event_lets_the_later_events_of_its_escrow_go_on() {
    for status in [300, 307, 400, 401, 403, 404, 405, 418, 422, 451, 499] {
        let disk = Disk::new();
        let (receiver, answer) = answering("escrow.created", status);
        let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
        service.completed("", 2);
        until("everything but the refused event is taken", || {
            names_taken(&receiver).contains(&"escrow.completed".to_owned()) && disk.pending() == 1
        });
        assert_eq!(sent(&receiver, "escrow.created"), 1, "{status}");
        advance(&service, "10m");
        assert_eq!(sent(&receiver, "escrow.created"), 2, "{status}: it is tried again");
        answer.store(200, Ordering::SeqCst);
        advance(&service, "10m");
        assert_eq!((sent(&receiver, "escrow.created"), disk.pending()), (3, 0), "{status}");
    }
}

#[test]
fn a_failure_that_may_pass_keeps_the_order() {
    for status in [408, 409, 425, 429, 500, 502, 503, 599] {
        let disk = Disk::new();
        let (receiver, answer) = answering("escrow.created", status);
        let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
        offer(&service);
        until("the first attempt is recorded", || disk.attempts().len() == 1);
        advance(&service, "10m");
        assert_eq!(receiver.requests().len(), 2, "{status}: only the first event is tried");
        answer.store(200, Ordering::SeqCst);
        advance(&service, "10m");
        let names: Vec<String> = receiver.requests().iter().map(name_of).collect();
        let expected = ["escrow.created", "escrow.created", "escrow.created", "escrow.pending"];
        assert_eq!(names, expected, "{status}");
    }
}

#[test]
fn a_receiver_that_refuses_every_payment_event_gets_the_escrow_events() {
    let disk = Disk::new();
    for status in [400, 503] {
        let (receiver, _) = answering("payment.", status);
        let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
        service.completed("", 2);
        until("the escrow is completed", || {
            names_taken(&receiver).contains(&"escrow.completed".to_owned())
        });
    }
}

#[test]
fn refused_events_are_tried_again_after_a_restart() {
    let disk = Disk::new();
    let (receiver, answer) = answering("escrow.", 404);
    let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
    offer(&service);
    until("both events are refused", || disk.attempts().len() == 2);
    service.stop();
    let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
    let deal = offer(&service);
    until("the events of the new escrow are refused too", || {
        disk.attempts().len() == 4
    });
    answer.store(200, Ordering::SeqCst);
    let payment = json!({ "escrowDetails": { "escrowId": deal["id"] } });
    service.send("", "ben", "POST", "/v1/payment/escrow", &payment);
    until("a later event of the escrow is taken at once", || {
        names_taken(&receiver).contains(&"escrow.ongoing".to_owned())
    });
    advance(&service, "10m");
    assert_eq!(disk.pending(), 0);
    assert_eq!(sent(&receiver, "escrow.created"), 4);
}

#[test]
fn a_refused_event_that_is_resent_and_taken_is_not_tried_again() {
    let disk = Disk::new();
    let (receiver, answer) = answering("escrow.created", 400);
    let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
    offer(&service);
    until("the later event is taken", || {
        names_taken(&receiver) == ["escrow.pending"] && disk.attempts().len() == 2
    });
    let created = disk.events().remove(0);
    let resend = format!("/sandbox/events/{}/resend", created.id);
    service.send("", "", "POST", &resend, &Value::Null);
    until("the resent event is refused", || disk.attempts().len() == 3);
    answer.store(200, Ordering::SeqCst);
    service.send("", "", "POST", &resend, &Value::Null);
    until("the resent event is taken", || disk.attempts().len() == 4);
    assert_eq!(disk.pending(), 0, "the retries of the refused one have ended");
    advance(&service, "1h");
    assert_eq!(sent(&receiver, "escrow.created"), 3);
}

/// Returns the pause in milliseconds after an answer with this status and this
/// `Retry-After` header.
fn pause_after(status: u16, retry_after: &str) -> i64 {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let head = format!("HTTP/1.1 {status} Later\r\nretry-after: {retry_after}\r\ncontent-length: 0\r\n\r\n");
    receiver.reply_with(move |_| Reply::Raw(head.clone().into_bytes()));
    let service = disk.serve_to(&receiver.url(), &[LONG_RETRIES]);
    service.send("", "ada", "POST", "/v1/payment/topup", &json!({ "amount": 1000 }));
    until("the attempt is recorded", || disk.attempts().len() == 1);
    disk.pauses()[0]
}

#[test]
fn retry_after_postpones_the_next_attempt() {
    for status in [301, 400, 429, 503] {
        assert_eq!(pause_after(status, "3600"), 3_600_000, "{status}");
    }
    for (header, seconds) in [
        ("5", 600),
        ("soon", 600),
        ("-3600", 600),
        ("99999999999999999999", 86_400),
    ] {
        assert_eq!(pause_after(503, header), seconds * 1000, "{header}");
    }
    let now = std::time::SystemTime::now();
    let in_two_hours = httpdate::fmt_http_date(now + std::time::Duration::from_hours(2));
    let pause = pause_after(503, &in_two_hours);
    assert!((7_150_000..=7_201_000).contains(&pause), "{pause}");
    let an_hour_ago = httpdate::fmt_http_date(now - std::time::Duration::from_hours(1));
    assert_eq!(pause_after(503, &an_hour_ago), 600_000);
}

/// A receiver that was repaired wants the events that it missed, and no other once more.
#[test]
fn a_replay_of_failures_leaves_the_delivered_events_out() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let is_broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&is_broken);
    receiver.reply_with(move |request| {
        let is_refused = name_of(request).starts_with("payment.") && breaks.load(Ordering::SeqCst);
        Reply::Status(if is_refused { 400 } else { 204 })
    });
    let service = disk.serve_to(&receiver.url(), &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "1")]);
    service.completed("", 2);
    disk.wait_for_deliveries();
    let events = disk.events();
    let failed = events.iter().filter(|event| event.name.starts_with("payment.")).count();
    assert!(failed > 0 && failed < events.len());
    is_broken.store(false, Ordering::SeqCst);
    let before = receiver.requests().len();
    let replay = |status: &str| {
        let body = json!({ "from": events[0].id, "status": status });
        service.try_send("", "", "POST", "/sandbox/events/replay", &body)
    };
    assert_eq!(replay("failed").1["data"]["events"], failed);
    disk.wait_for_deliveries();
    let again = &receiver.requests()[before..];
    assert_eq!(again.len(), failed);
    let is_payment = |request: &Request| name_of(request).starts_with("payment.");
    assert!(again.iter().all(is_payment));
    assert_eq!(
        replay("failed").1["data"]["events"],
        0,
        "they have been delivered since"
    );
    assert_eq!(replay("delivered").1["data"]["events"], events.len());
    let (status, _) = replay("broken");
    assert_eq!(status, 400);
}
