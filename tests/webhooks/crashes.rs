//! The service is killed or stopped in the middle of deliveries, and started again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::deliveries::assert_all_in_order;
use crate::receiver::{Call, Receiver, Reply};
use crate::service::Disk;

/// Fails unless every event came with the bytes and the id that stand in the file.
#[track_caller]
fn assert_as_stored(disk: &Disk, calls: &[Call]) {
    let events = disk.events();
    let payloads: HashMap<&str, &str> = events
        .iter()
        .map(|event| (event.id.as_str(), event.payload.as_str()))
        .collect();
    for call in calls {
        assert_eq!(payloads.get(call.id()), Some(&call.body.as_str()), "{}", call.id());
    }
}

#[test]
fn a_service_that_is_killed_again_and_again_loses_no_event_and_no_order() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let asked = AtomicUsize::new(0);
    receiver.answers(move |_| {
        // Now and then it takes its time, so that a kill finds attempts under way.
        if asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(5) {
            thread::sleep(Duration::from_millis(30));
        }
        Reply::Status(200)
    });
    for round in 1..=8 {
        let service = disk.serve_to(&receiver.url(), &[]);
        for _ in 0..5 {
            let deal = service.funded("sk_test_shop", 5);
            (0..5).for_each(|milestone| service.confirm("sk_test_shop", &deal, milestone));
        }
        thread::sleep(Duration::from_millis(7 * round));
        service.kill();
    }
    assert!(disk.pending() > 0, "the last kill left something to do");
    let service = disk.serve_to(&receiver.url(), &[]);
    disk.settles();
    drop(service);
    let calls = receiver.verified("sk_test_shop");
    assert_as_stored(&disk, &calls);
    assert_all_in_order(&disk.events(), &receiver.taken());
    assert!(disk.is_sound());
}

#[test]
fn a_restart_goes_on_counting_attempts() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|_| Reply::Status(500));
    let waits = [("ESCROWD_WEBHOOKS_RETRY_SECONDS", "3,1")];
    let service = disk.serve_to(&receiver.url(), &waits);
    service.funded("", 2);
    receiver.waits_for(1);
    service.stop();
    let before = disk.attempts();
    assert!(!before.is_empty());
    let service = disk.serve_to(&receiver.url(), &waits);
    disk.settles();
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
fn a_stop_waits_for_what_is_under_way() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|_| {
        thread::sleep(Duration::from_millis(500));
        Reply::Status(200)
    });
    let service = disk.serve_to(&receiver.url(), &[]);
    service.funded("", 2);
    receiver.waits_for(0);
    thread::sleep(Duration::from_millis(200));
    service.stop();
    let calls = receiver.calls();
    assert!(!calls.is_empty());
    assert_eq!(disk.attempts().len(), calls.len(), "each that came is recorded");
    assert!(disk.pending() > 0, "and nothing was begun after");
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|_| Reply::Never);
    let stops = ("ESCROWD_LIMITS_STOP_SECONDS_MAX", "1");
    let service = disk.serve_to(&receiver.url(), &[stops, ("ESCROWD_WEBHOOKS_TIMEOUT_SECONDS", "60")]);
    service.funded("", 2);
    receiver.waits_for(1);
    let began = std::time::Instant::now();
    service.stop();
    assert!(began.elapsed() < Duration::from_secs(30));
    receiver.answers(|_| Reply::Status(200));
    let service = disk.serve_to(&receiver.url(), &[]);
    disk.settles();
    drop(service);
    assert_all_in_order(&disk.events(), &receiver.taken());
}
