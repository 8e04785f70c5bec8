//! Receivers that fail, hang, go away and come back, send elsewhere, or talk too much.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::deliveries::{assert_all_in_order, by_escrow};
use crate::receiver::{Call, Receiver, Reply};
use crate::service::{Disk, Event, until};

/// Retries soon, so that a test need not wait.
const SOON: (&str, &str) = ("ESCROWD_WEBHOOKS_RETRY_SECONDS", "1,1,1");

/// Attempts may take longer than a test does.
const LONG: (&str, &str) = ("ESCROWD_WEBHOOKS_TIMEOUT_SECONDS", "60");

/// Fails unless every attempt of an event was the same but for its timestamp and what
/// that signs.
#[track_caller]
fn assert_same_bytes(calls: &[Call]) {
    let mut first: HashMap<&str, &Call> = HashMap::new();
    for call in calls {
        let before = first.entry(call.id()).or_insert(call);
        assert_eq!(before.body, call.body, "{}", call.id());
        assert_eq!(before.header("x-payluk-signature"), call.header("x-payluk-signature"));
    }
}

#[test]
fn a_receiver_that_fails_and_recovers_gets_everything_in_order() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let asked = AtomicUsize::new(0);
    receiver.answers(move |_| match asked.fetch_add(1, Ordering::SeqCst) % 3 {
        0 => Reply::Status(500),
        1 => Reply::Raw(Vec::new()),
        _ => Reply::Status(204),
    });
    let service = disk.serve_to(&receiver.url(), &[SOON]);
    let deal = service.funded("sk_test_shop", 2);
    service.confirm("sk_test_shop", &deal, 0);
    disk.settles();
    let calls = receiver.verified("sk_test_shop");
    assert_same_bytes(&calls);
    let events = disk.events();
    assert_all_in_order(&events, &receiver.taken());
    // The next event of an escrow is sent only when the one before was taken.
    for lane in by_escrow(&events).values() {
        let of_lane = |id: &str| lane.iter().position(|of_lane| of_lane == id);
        let came: Vec<usize> = calls.iter().filter_map(|call| of_lane(call.id())).collect();
        assert!(came.is_sorted(), "{came:?}");
    }
    let failed = disk
        .attempts()
        .into_iter()
        .filter(|attempt| attempt.status != Some(204))
        .count();
    assert_eq!(calls.len(), events.len() + failed);
    let numbers: Vec<i64> = disk.attempts().iter().map(|attempt| attempt.number).collect();
    assert!(numbers.contains(&2), "{numbers:?}");
}

#[test]
fn an_event_is_given_up_after_the_last_retry_and_the_next_one_sent() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|call| match call.event()["event"].as_str() {
        Some("escrow.created") => Reply::Status(418),
        _ => Reply::Status(200),
    });
    let service = disk.serve_to(&receiver.url(), &[SOON]);
    service.funded("", 2);
    disk.settles();
    let events = disk.events();
    let created = events.iter().find(|event| event.name == "escrow.created").unwrap();
    let attempts = disk.attempts();
    let statuses = |id: &str| -> Vec<Option<u16>> {
        let of_event = attempts.iter().filter(|attempt| attempt.event == id);
        of_event.map(|attempt| attempt.status).collect()
    };
    assert_eq!(statuses(&created.id), [Some(418); 4]);
    for event in events.iter().filter(|event| event.id != created.id) {
        assert_eq!(statuses(&event.id), [Some(200)], "{}", event.name);
    }
}

#[test]
fn an_escrow_whose_event_hangs_holds_up_no_other() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    // It hangs on the first event that it hears of.
    let is_first = AtomicBool::new(true);
    receiver.answers(move |_| {
        let is_first = is_first.swap(false, Ordering::SeqCst);
        if is_first { Reply::Never } else { Reply::Status(200) }
    });
    let service = disk.serve_to(&receiver.url(), &[LONG]);
    service.funded("", 2);
    receiver.waits_for(1);
    let hung = receiver.calls()[0].id().to_owned();
    (0..10).for_each(|_| drop(service.completed("", 2)));
    let lanes = by_escrow(&disk.events());
    let waiting = lanes.into_values().find(|lane| lane.contains(&hung)).unwrap();
    until("everything else is taken", || {
        let taken = receiver.taken();
        let mut others = disk.events().into_iter().filter(|event| !waiting.contains(&event.id));
        others.all(|event| taken.contains(&event.id))
    });
    let of_waiting = receiver
        .calls()
        .into_iter()
        .filter(|call| waiting.contains(&call.id().to_owned()));
    assert_eq!(of_waiting.count(), 1, "nothing of the hung escrow overtakes");
}

#[test]
fn a_receiver_that_never_answers_holds_up_no_other_merchant_and_no_request() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|call| {
        let is_slow = call.is_signed_with("sk_test_slow");
        if is_slow { Reply::Never } else { Reply::Status(200) }
    });
    let service = disk.serve_to(&receiver.url(), &[LONG]);
    // More escrows than attempts that may be under way for one merchant.
    (0..30).for_each(|_| drop(service.funded("sk_test_slow", 2)));
    receiver.waits_for(4);
    (0..10).for_each(|_| drop(service.completed("sk_test_quick", 2)));
    let of_quick: Vec<Event> = disk.events().into_iter().filter(|event| event.merchant == 2).collect();
    assert!(of_quick.len() >= 10);
    until("the other merchant gets everything", || {
        let taken = receiver.taken();
        of_quick.iter().all(|event| taken.contains(&event.id))
    });
    assert_all_in_order(&of_quick, &receiver.taken());
    let hung = receiver.calls().into_iter().filter(|call| !call.is_taken());
    assert_eq!(
        hung.count(),
        4,
        "as many as may be under way while nothing is known of it"
    );
}

#[test]
fn an_answer_must_come_in_time() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|_| Reply::Never);
    let variables = [
        ("ESCROWD_WEBHOOKS_TIMEOUT_SECONDS", "1"),
        ("ESCROWD_WEBHOOKS_RETRY_SECONDS", ""),
    ];
    let service = disk.serve_to(&receiver.url(), &variables);
    service.funded("", 2);
    disk.settles();
    let attempts = disk.attempts();
    assert_eq!(attempts.len(), disk.events().len());
    for attempt in attempts {
        assert_eq!(attempt.error.as_deref(), Some("no answer within 1 seconds"));
    }
}

#[test]
fn a_receiver_that_goes_and_comes_back_gets_what_it_missed() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let service = disk.serve_to(
        &receiver.url(),
        &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "1,1,1,1,1,1,1,1")],
    );
    service.funded("", 2);
    disk.settles();
    let (address, before) = (receiver.address, receiver.taken());
    drop(receiver);
    let deal = service.funded("", 2);
    service.confirm("", &deal, 0);
    until("an attempt finds nobody", || {
        disk.attempts().iter().any(|attempt| attempt.error.is_some())
    });
    let refused = disk.attempts().into_iter().find_map(|attempt| attempt.error).unwrap();
    assert!(refused.contains("no connection: Connection refused"), "{refused}");
    let receiver = Receiver::start_at(address);
    disk.settles();
    receiver.verified("sk_test_default");
    assert_all_in_order(&disk.events(), &[before, receiver.taken()].concat());
}

#[test]
fn a_redirect_is_not_followed() {
    let (disk, receiver, elsewhere) = (Disk::new(), Receiver::start(), Receiver::start());
    let target = elsewhere.url();
    receiver.answers(move |_| {
        let redirect = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        Reply::Raw(redirect.into_bytes())
    });
    let service = disk.serve_to(&receiver.url(), &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "")]);
    service.funded("", 2);
    disk.settles();
    assert!(disk.attempts().iter().all(|attempt| attempt.status == Some(307)));
    assert_eq!(elsewhere.calls().len(), 0);
}

#[test]
fn of_an_answer_without_end_only_the_beginning_is_kept() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n".to_vec();
        answer.extend("\u{e9}".repeat(524_288).bytes());
        Reply::Raw(answer)
    });
    let service = disk.serve_to(&receiver.url(), &[]);
    service.funded("", 2);
    disk.settles();
    for attempt in disk.attempts() {
        assert_eq!(attempt.status, Some(200));
        assert_eq!(attempt.answer.as_deref(), Some("\u{e9}".repeat(128).as_str()));
    }
}

#[test]
fn what_is_no_http_is_a_failure() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.answers(|_| Reply::Raw(b"220 smtp.example ESMTP\r\n".to_vec()));
    let service = disk.serve_to(&receiver.url(), &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "")]);
    service.funded("", 2);
    disk.settles();
    for attempt in disk.attempts() {
        let error = attempt.error.unwrap();
        assert!(error.starts_with("no answer: "), "{error}");
    }
}
