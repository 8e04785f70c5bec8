//! What a receiver gets that takes everything.

use std::collections::HashMap;

use serde_json::json;

use crate::receiver::{Receiver, Reply};
use crate::service::{Disk, Event, until};

/// Of each escrow, its events in the order they happened.
pub(crate) fn by_escrow(events: &[Event]) -> HashMap<i64, Vec<String>> {
    let mut lanes: HashMap<i64, Vec<String>> = HashMap::new();
    for event in events {
        if let Some(escrow) = event.escrow {
            lanes.entry(escrow).or_default().push(event.id.clone());
        }
    }
    lanes
}

/// Fails unless everything was taken, and of each escrow in the order it happened.
/// What came more than once counts when it came first.
#[track_caller]
pub(crate) fn assert_all_in_order(events: &[Event], taken: &[String]) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (at, id) in taken.iter().enumerate() {
        first.entry(id).or_insert(at);
    }
    let missing: Vec<&Event> = events
        .iter()
        .filter(|event| !first.contains_key(event.id.as_str()))
        .collect();
    assert!(missing.is_empty(), "never came: {missing:?}");
    for lane in by_escrow(events).values() {
        let came: Vec<usize> = lane.iter().map(|id| first[id.as_str()]).collect();
        assert!(came.is_sorted(), "{lane:?} came as {came:?}");
    }
}

#[test]
fn every_event_of_a_deal_arrives_signed_and_in_order() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve_to(&receiver.url(), &[]);
    service.completed("sk_test_shop", 3);
    disk.settles();
    let calls = receiver.verified("sk_test_shop");
    let events = disk.events();
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    for name in [
        "escrow.created",
        "escrow.ongoing",
        "payment.escrow.success",
        "escrow.completed",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!(calls.len(), events.len(), "each came once");
    assert_all_in_order(&events, &receiver.taken());
    for event in &events {
        let call = calls.iter().find(|call| call.id() == event.id).unwrap();
        assert_eq!(
            (call.body.as_str(), call.path.as_str()),
            (event.payload.as_str(), "/hook")
        );
        assert_eq!(call.event()["event"], event.name);
    }
    let attempts = disk.attempts();
    assert_eq!(attempts.len(), events.len());
    for attempt in attempts {
        assert_eq!((attempt.number, attempt.status, attempt.error), (1, Some(200), None));
        assert_eq!(
            (attempt.answer.as_deref(), attempt.url),
            (Some("thanks"), receiver.url())
        );
    }
}

#[test]
fn each_merchants_events_are_signed_with_its_own_key() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve_to(&receiver.url(), &[]);
    service.completed("", 2);
    disk.settles();
    let of_default = receiver.verified("sk_test_default").len();
    assert!(of_default > 0);
    service.completed("sk_test_other", 2);
    disk.settles();
    drop(service);
    let others = receiver.calls().split_off(of_default);
    let receiver_of_others = Receiver::start();
    assert!(!others.is_empty() && receiver_of_others.calls().is_empty());
    for call in others {
        call.verify("sk_test_other");
    }
}

#[test]
fn nothing_is_sent_where_no_url_is_set_and_events_are_kept() {
    let disk = Disk::new();
    let service = disk.serve(&[]);
    service.completed("", 2);
    assert!(!disk.events().is_empty());
    assert_eq!((disk.pending(), disk.attempts()), (0, Vec::new()));
}

#[test]
fn what_is_pending_is_dropped_when_the_url_goes() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|_| Reply::Status(503));
    let waits = [("ESCROWD_WEBHOOKS_RETRY_SECONDS", "600")];
    let service = disk.serve_to(&receiver.url(), &waits);
    service.completed("", 2);
    receiver.waits_for(1);
    assert!(disk.pending() > 0);
    service.stop();
    let before = receiver.calls().len();
    let service = disk.serve(&waits);
    disk.settles();
    service.completed("", 2);
    drop(service);
    assert_eq!((receiver.calls().len(), disk.pending()), (before, 0));
    assert!(!disk.attempts().is_empty(), "what was attempted stays known");
}

#[test]
fn a_merchant_that_wants_nothing_any_more_gets_nothing() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|_| Reply::Status(503));
    let service = disk.serve_to(&receiver.url(), &[]);
    service.funded("", 2);
    until("an attempt has failed", || !disk.attempts().is_empty());
    assert!(disk.pending() > 0);
    service.send("", "", "PUT", "/sandbox/callback", &json!({ "url": null }));
    assert_eq!(disk.pending(), 0);
    let before = receiver.calls().len();
    service.send("", "", "POST", "/sandbox/clock/advance", &json!({ "by": "1d" }));
    service.funded("", 2);
    assert_eq!((receiver.calls().len(), disk.pending()), (before, 0));
}

#[test]
fn a_burst_of_many_deals_arrives_whole() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve_to(&receiver.url(), &[]);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let service = &service;
            scope.spawn(move || {
                let key = format!("sk_test_{client}");
                (0..10).for_each(|_| drop(service.completed(&key, 10)));
            });
        }
    });
    disk.settles();
    assert_eq!(receiver.calls().len(), disk.events().len(), "each came once");
    assert_all_in_order(&disk.events(), &receiver.taken());
    assert!(disk.is_sound());
}
