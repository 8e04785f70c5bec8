//! Receivers that ask for a long pause or do not answer, and the ways to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::receiver::{Receiver, Reply};
use crate::service::{Disk, Service};
use crate::waiting::until;

/// Sends a request without a customer.
fn send(service: &Service, key: &str, method: &str, path: &str, body: &Value) -> Value {
    service.send(key, "", method, path, body)
}

/// Replies with 503 and asks for a pause of a day.
fn ask_for_a_day(receiver: &Receiver) {
    let reply = b"HTTP/1.1 503 Busy\r\nretry-after: 86400\r\ncontent-length: 0\r\n\r\n";
    receiver.reply_with(|_| Reply::Raw(reply.to_vec()));
}

fn set(service: &Service, key: &str, receiver: &Receiver) {
    let setting = json!({ "url": receiver.url() });
    send(service, key, "PUT", "/sandbox/callback", &setting);
}

/// Returns the ids of a merchant's events, oldest first.
fn ids(service: &Service, key: &str) -> Vec<String> {
    let inbox = send(service, key, "GET", "/sandbox/events?limit=50", &Value::Null);
    let events = inbox["data"].as_array().unwrap().iter().rev();
    events.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// The first of two events in the order of an escrow waits for a day, and the second behind it.
#[test]
fn a_pause_ends_with_a_resend_a_replay_or_a_setting_of_the_endpoint() {
    let disk = Disk::new();
    let service = disk.serve(&[]);
    for remedy in ["resend first", "resend second", "replay", "same URL", "other URL"] {
        let key = format!("sk_test_{}", remedy.replace(' ', "_"));
        let (receiver, other) = (Receiver::start(), Receiver::start());
        ask_for_a_day(&receiver);
        set(&service, &key, &receiver);
        let terms = json!({
            "amount": 200, "purpose": "Shop fit-out", "whoPays": "buyer",
            "milestones": [{ "title": "A", "amount": 100 }, { "title": "B", "amount": 100 }],
        });
        service.send(&key, "ada", "POST", "/v1/escrow/milestone/create", &terms);
        until("the receiver has asked for a pause", || !disk.pauses().is_empty());
        assert_eq!(disk.pauses(), [86_400_000], "{remedy}");
        receiver.reply_with(|_| Reply::Status(200));
        let events = ids(&service, &key);
        assert_eq!(events.len(), 2);
        let resend = |event: &str| {
            let path = format!("/sandbox/events/{event}/resend");
            send(&service, &key, "POST", &path, &Value::Null)
        };
        match remedy {
            "resend first" => assert_eq!(resend(&events[0])["delivery"]["status"], "pending"),
            "resend second" => assert_eq!(resend(&events[1])["delivery"]["status"], "pending"),
            "replay" => {
                let from = json!({ "from": events[0] });
                let replay = send(&service, &key, "POST", "/sandbox/events/replay", &from);
                assert_eq!(replay["events"], 2);
            }
            "same URL" => set(&service, &key, &receiver),
            _ => set(&service, &key, &other),
        }
        disk.wait_for_deliveries();
        let new = if remedy == "other URL" { &other } else { &receiver };
        assert_eq!(new.taken(), events, "{remedy}: once each, in their order");
    }
}

/// Tops a customer up as often, which makes as many events that wait for no other.
fn top_up(service: &Service, times: usize) {
    (0..times).for_each(|_| drop(service.send("", "ada", "POST", "/v1/payment/topup", &json!({ "amount": 1000 }))));
}

/// The attempts under way have all the room that the former endpoint had, and are the last ones of their
/// events.
#[test]
fn an_attempt_at_a_former_endpoint_neither_delays_nor_spends_an_event() {
    let (disk, former, new) = (Disk::new(), Receiver::start(), Receiver::start());
    let service = disk.serve(&[
        ("ESCROWD_WEBHOOKS_RETRY_SECONDS", ""),
        ("ESCROWD_WEBHOOKS_TIMEOUT_SECONDS", "60"),
    ]);
    former.reply_with(|_| Reply::Never);
    set(&service, "", &former);
    top_up(&service, 5);
    former.wait_for_requests(4);
    set(&service, "", &new);
    new.wait_for_requests(1);
    until("the other four are still under way", || disk.pending() == 4);
    drop(former);
    disk.wait_for_deliveries();
    let mut taken = new.taken();
    taken.sort();
    assert_eq!(taken, ids(&service, ""), "all of them");
}

#[test]
fn a_pause_that_a_former_endpoint_asks_for_is_not_heeded() {
    let (disk, former, new) = (Disk::new(), Receiver::start(), Receiver::start());
    let service = disk.serve(&[]);
    let is_replaced = Arc::new(AtomicBool::new(false));
    let may_answer = Arc::clone(&is_replaced);
    former.reply_with(move |_| {
        until("the endpoint is replaced", || may_answer.load(Ordering::SeqCst));
        let reply = b"HTTP/1.1 429 Busy\r\nretry-after: 86400\r\ncontent-length: 0\r\n\r\n";
        Reply::Raw(reply.to_vec())
    });
    set(&service, "", &former);
    top_up(&service, 1);
    // The request counts once it is answered.
    until("the attempt is under way", || former.has_connections());
    set(&service, "", &new);
    is_replaced.store(true, Ordering::SeqCst);
    disk.wait_for_deliveries();
    assert_eq!(new.taken(), ids(&service, ""));
}

/// A replay that sends an event again also sends the later ones of its escrow again, although they
/// are pending: the receiver gets them in their order.
#[test]
fn a_replay_of_delivered_and_pending_events_keeps_their_order() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve(&[]);
    let setting = json!({ "url": receiver.url(), "events": ["escrow.*"] });
    send(&service, "", "PUT", "/sandbox/callback", &setting);
    let deal = service.funded("", 2);
    disk.wait_for_deliveries();
    ask_for_a_day(&receiver);
    (0..2).for_each(|milestone| service.confirm("", &deal, milestone));
    until("the receiver has asked for a pause", || disk.pauses() == [86_400_000]);
    receiver.reply_with(|_| Reply::Status(200));
    let events = disk.events();
    let of_escrow: Vec<String> = events
        .iter()
        .filter(|event| event.name.starts_with("escrow."))
        .map(|event| event.id.clone())
        .collect();
    let before = receiver.taken().len();
    send(
        &service,
        "",
        "POST",
        "/sandbox/events/replay",
        &json!({ "from": of_escrow[0] }),
    );
    disk.wait_for_deliveries();
    let taken = receiver.taken().split_off(before);
    let of_escrow_taken: Vec<&String> = taken.iter().filter(|id| of_escrow.contains(id)).collect();
    let last = of_escrow.last().unwrap();
    assert_eq!(of_escrow_taken.first(), Some(&last), "the pending one comes first");
    assert_eq!(of_escrow_taken[1..], of_escrow.iter().collect::<Vec<_>>());
}

/// The first attempt fails after the resend was taken. Its retry would be refused as a repeat.
#[test]
fn a_resend_that_is_taken_ends_the_retries_of_an_attempt_under_way() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve(&[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "600")]);
    set(&service, "", &receiver);
    let (begun, may_fail) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (attempts, is_taken) = (Arc::clone(&begun), Arc::clone(&may_fail));
    receiver.reply_with(move |_| match attempts.fetch_add(1, Ordering::SeqCst) {
        0 => {
            until("the resend is taken", || is_taken.load(Ordering::SeqCst));
            Reply::Status(500)
        }
        _ => Reply::Status(200),
    });
    service.send("", "ada", "POST", "/v1/payment/topup", &json!({ "amount": 1000 }));
    let event = &ids(&service, "")[0];
    until("the first attempt is under way", || begun.load(Ordering::SeqCst) == 1);
    let resent = send(
        &service,
        "",
        "POST",
        &format!("/sandbox/events/{event}/resend"),
        &Value::Null,
    );
    assert_eq!(resent["delivery"]["status"], "pending");
    until("the resend is recorded", || disk.attempts().len() == 1);
    may_fail.store(true, Ordering::SeqCst);
    until("the first attempt is recorded", || disk.attempts().len() == 2);
    assert_eq!(disk.pending(), 0);
    let shown = send(&service, "", "GET", &format!("/sandbox/events/{event}"), &Value::Null);
    assert_eq!(shown["delivery"]["status"], "delivered");
}

/// The first resend is made beside the attempt under way. More of them would only be more repeats.
#[test]
fn resends_of_an_event_that_is_due_add_one_attempt() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve(&[]);
    set(&service, "", &receiver);
    let may_answer = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&may_answer);
    receiver.reply_with(move |_| {
        until("the event is resent", || answers.load(Ordering::SeqCst));
        Reply::Status(200)
    });
    top_up(&service, 1);
    let resend = format!("/sandbox/events/{}/resend", ids(&service, "")[0]);
    for _ in 0..3 {
        send(&service, "", "POST", &resend, &Value::Null);
    }
    assert_eq!(disk.pending(), 2);
    may_answer.store(true, Ordering::SeqCst);
    disk.wait_for_deliveries();
    assert!(receiver.requests().len() <= 2);
}
