//! Deliveries to a receiver that takes every event.

use std::collections::HashMap;

use serde_json::json;

use crate::receiver::{Receiver, Reply};
use crate::service::{Disk, Event};
use crate::waiting::until;

/// Returns the ids of the `escrow.*` events of each escrow, in the order of the events.
pub(crate) fn by_escrow(events: &[Event]) -> HashMap<i64, Vec<String>> {
    let mut by_escrow: HashMap<i64, Vec<String>> = HashMap::new();
    for event in events {
        if let Some(escrow) = event.escrow.filter(|_| event.name.starts_with("escrow.")) {
            by_escrow.entry(escrow).or_default().push(event.id.clone());
        }
    }
    by_escrow
}

/// Asserts that every event was taken, and the `escrow.*` events of each escrow in order. An event
/// that arrived more than once counts at its first arrival.
#[track_caller]
pub(crate) fn assert_all_in_order(events: &[Event], taken: &[String]) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (position, id) in taken.iter().enumerate() {
        first.entry(id).or_insert(position);
    }
    let missing: Vec<&Event> = events
        .iter()
        .filter(|event| !first.contains_key(event.id.as_str()))
        .collect();
    assert!(missing.is_empty(), "not delivered: {missing:?}");
    for ids in by_escrow(events).values() {
        let arrivals: Vec<usize> = ids.iter().map(|id| first[id.as_str()]).collect();
        assert!(arrivals.is_sorted(), "{ids:?} arrived in the order {arrivals:?}");
    }
}

#[test]
fn every_event_of_a_deal_arrives_signed_and_in_order() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve_to(&receiver.url(), &[]);
    service.completed("sk_test_shop", 3);
    disk.wait_for_deliveries();
    let requests = receiver.verified("sk_test_shop");
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
    assert_eq!(requests.len(), events.len(), "each event arrived once");
    assert_all_in_order(&events, &receiver.taken());
    for event in &events {
        let request = requests.iter().find(|request| request.id() == event.id).unwrap();
        assert_eq!(
            (request.body.as_str(), request.path.as_str()),
            (event.payload.as_str(), "/hook")
        );
        assert_eq!(request.event()["event"], event.name);
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
    disk.wait_for_deliveries();
    let of_default = receiver.verified("sk_test_default").len();
    assert!(of_default > 0);
    service.completed("sk_test_other", 2);
    disk.wait_for_deliveries();
    drop(service);
    let others = receiver.requests().split_off(of_default);
    assert!(!others.is_empty());
    for request in others {
        request.verify("sk_test_other");
    }
}

#[test]
fn events_of_a_merchant_without_a_url_are_kept_and_not_sent() {
    let disk = Disk::new();
    let service = disk.serve(&[]);
    service.completed("", 2);
    assert!(!disk.events().is_empty());
    assert_eq!((disk.pending(), disk.attempts()), (0, Vec::new()));
}

#[test]
fn pending_deliveries_are_deleted_when_the_configured_url_is_removed() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Status(503));
    let schedule = [("ESCROWD_WEBHOOKS_RETRY_SECONDS", "600")];
    let service = disk.serve_to(&receiver.url(), &schedule);
    service.completed("", 2);
    receiver.wait_for_requests(1);
    assert!(disk.pending() > 0);
    service.stop();
    let before = receiver.requests().len();
    let service = disk.serve(&schedule);
    disk.wait_for_deliveries();
    service.completed("", 2);
    drop(service);
    assert_eq!((receiver.requests().len(), disk.pending()), (before, 0));
    assert!(!disk.attempts().is_empty(), "the attempts are kept");
}

#[test]
fn a_merchant_that_removes_its_url_gets_no_more_events() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Status(503));
    let service = disk.serve_to(&receiver.url(), &[]);
    service.funded("", 2);
    // The events of the escrow wait for its first one.
    let events = disk.events();
    let others = events.iter().filter(|event| !event.name.starts_with("escrow."));
    let due = 1 + others.count();
    until("the attempts that are due have failed", || disk.attempts().len() == due);
    assert!(disk.pending() > 0);
    service.send("", "", "PUT", "/sandbox/callback", &json!({ "url": null }));
    assert_eq!(disk.pending(), 0);
    let before = receiver.requests().len();
    service.send("", "", "POST", "/sandbox/clock/advance", &json!({ "by": "1d" }));
    service.funded("", 2);
    assert_eq!((receiver.requests().len(), disk.pending()), (before, 0));
}

#[test]
fn every_event_of_a_burst_of_deals_arrives_once() {
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
    disk.wait_for_deliveries();
    assert_eq!(
        receiver.requests().len(),
        disk.events().len(),
        "each event arrived once"
    );
    assert_all_in_order(&disk.events(), &receiver.taken());
    assert!(disk.passes_check());
}
