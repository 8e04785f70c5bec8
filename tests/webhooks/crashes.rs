//! The service is killed or stopped during deliveries, and started again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::deliveries::assert_all_in_order;
use crate::receiver::{Receiver, Reply, Request};
use crate::service::Disk;
use crate::waiting::until;

/// Asserts that every request had the id and the payload of a stored event.
#[track_caller]
fn assert_as_stored(disk: &Disk, requests: &[Request]) {
    let events = disk.events();
    let payloads: HashMap<&str, &str> = events
        .iter()
        .map(|event| (event.id.as_str(), event.payload.as_str()))
        .collect();
    for request in requests {
        assert_eq!(
            payloads.get(request.id()),
            Some(&request.body.as_str()),
            "{}",
            request.id()
        );
    }
}

#[test]
fn a_service_that_is_killed_repeatedly_loses_no_event_and_keeps_their_order() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let count = AtomicUsize::new(0);
    let is_last = Arc::new(AtomicBool::new(false));
    let all_hang = Arc::clone(&is_last);
    receiver.reply_with(move |_| {
        // After the last kill, deliveries are pending.
        if all_hang.load(Ordering::SeqCst) {
            return Reply::Never;
        }
        // Every fifth response is slow, so that a kill finds attempts in flight.
        if count.fetch_add(1, Ordering::SeqCst).is_multiple_of(5) {
            thread::sleep(Duration::from_millis(30));
        }
        Reply::Status(200)
    });
    for round in 1..=8 {
        is_last.store(round == 8, Ordering::SeqCst);
        let service = disk.serve_to(&receiver.url(), &[("ESCROWD_WEBHOOKS_TIMEOUT_SECONDS", "60")]);
        for _ in 0..5 {
            let deal = service.funded("sk_test_shop", 5);
            (0..5).for_each(|milestone| service.confirm("sk_test_shop", &deal, milestone));
        }
        thread::sleep(Duration::from_millis(7 * round));
        service.kill();
    }
    assert!(disk.pending() > 0, "deliveries are pending after the last kill");
    is_last.store(false, Ordering::SeqCst);
    let service = disk.serve_to(&receiver.url(), &[]);
    disk.wait_for_deliveries();
    drop(service);
    let requests = receiver.verified("sk_test_shop");
    assert_as_stored(&disk, &requests);
    assert_all_in_order(&disk.events(), &receiver.taken());
    assert!(disk.passes_check());
}

#[test]
fn a_restart_goes_on_counting_attempts() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Status(500));
    let schedule = [("ESCROWD_WEBHOOKS_RETRY_SECONDS", "3,1")];
    let service = disk.serve_to(&receiver.url(), &schedule);
    service.funded("", 2);
    receiver.wait_for_requests(1);
    service.stop();
    let before = disk.attempts();
    assert!(!before.is_empty());
    let service = disk.serve_to(&receiver.url(), &schedule);
    disk.wait_for_deliveries();
    drop(service);
    let attempts = disk.attempts();
    for event in disk.events() {
        let numbers: Vec<i64> = attempts
            .iter()
            .filter(|attempt| attempt.event == event.id)
            .map(|attempt| attempt.number)
            .collect();
        assert_eq!(numbers, [1, 2, 3], "{}: one attempt and two retries in all", event.name);
    }
    assert_eq!(receiver.verified("sk_test_default").len(), attempts.len());
}

#[test]
fn a_stop_waits_for_attempts_in_flight() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| {
        thread::sleep(Duration::from_secs(2));
        Reply::Status(200)
    });
    let service = disk.serve_to(&receiver.url(), &[]);
    service.funded("", 2);
    until("an attempt is under way", || receiver.has_connections());
    service.stop();
    let requests = receiver.requests();
    assert!(!requests.is_empty());
    assert_eq!(
        disk.attempts().len(),
        requests.len(),
        "each request that arrived is recorded"
    );
    assert!(disk.pending() > 0, "no attempt was started after the stop");
}

#[test]
fn a_stop_does_not_wait_longer_than_its_limit() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Never);
    let stop_limit = ("ESCROWD_LIMITS_STOP_SECONDS_MAX", "1");
    let service = disk.serve_to(
        &receiver.url(),
        &[stop_limit, ("ESCROWD_WEBHOOKS_TIMEOUT_SECONDS", "60")],
    );
    service.funded("", 2);
    receiver.wait_for_requests(1);
    let started = std::time::Instant::now();
    service.stop();
    assert!(started.elapsed() < Duration::from_secs(30));
    receiver.reply_with(|_| Reply::Status(200));
    let service = disk.serve_to(&receiver.url(), &[]);
    disk.wait_for_deliveries();
    drop(service);
    assert_all_in_order(&disk.events(), &receiver.taken());
}
