//! Receivers that fail, hang, stop and return, redirect, or send too long a response.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::deliveries::{assert_all_in_order, by_escrow};
use crate::ports::free_address;
use crate::receiver::{Receiver, Reply, Request};
use crate::service::{Disk, Event};
use crate::waiting::until;

/// A retry schedule of short pauses.
const SHORT_RETRIES: (&str, &str) = ("ESCROWD_WEBHOOKS_RETRY_SECONDS", "1,1,1");

/// A timeout of attempts that is longer than a test.
const LONG_TIMEOUT: (&str, &str) = ("ESCROWD_WEBHOOKS_TIMEOUT_SECONDS", "60");

/// Asserts that all attempts of an event had the same body and contract signature.
#[track_caller]
fn assert_same_bytes(requests: &[Request]) {
    let mut first: HashMap<&str, &Request> = HashMap::new();
    for request in requests {
        let before = first.entry(request.id()).or_insert(request);
        assert_eq!(before.body, request.body, "{}", request.id());
        assert_eq!(
            before.header("x-payluk-signature"),
            request.header("x-payluk-signature")
        );
    }
}

#[test]
fn a_receiver_that_fails_and_recovers_gets_everything_in_order() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    // Each event fails twice. Events of escrows and of payments arrive side by side.
    let counts: Mutex<HashMap<String, usize>> = Mutex::default();
    receiver.reply_with(move |request| {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(request.id().to_owned()).or_default();
        *count += 1;
        match count {
            1 => Reply::Status(500),
            2 => Reply::Raw(Vec::new()),
            _ => Reply::Status(204),
        }
    });
    let service = disk.serve_to(&receiver.url(), &[SHORT_RETRIES]);
    let deal = service.funded("sk_test_shop", 2);
    service.confirm("sk_test_shop", &deal, 0);
    disk.wait_for_deliveries();
    let requests = receiver.verified("sk_test_shop");
    assert_same_bytes(&requests);
    let events = disk.events();
    assert_all_in_order(&events, &receiver.taken());
    // The next event of an escrow is sent only after the one before it was taken.
    for ids in by_escrow(&events).values() {
        let position_of = |id: &str| ids.iter().position(|of_escrow| of_escrow == id);
        let sent: Vec<usize> = requests
            .iter()
            .filter_map(|request| position_of(request.id()))
            .collect();
        assert!(sent.is_sorted(), "{sent:?}");
    }
    let failed = disk
        .attempts()
        .into_iter()
        .filter(|attempt| attempt.status != Some(204))
        .count();
    // One that broke off on a connection that was used before was sent again at once, in the same attempt.
    assert!(requests.len() >= events.len() + failed, "{failed}");
    let numbers: Vec<i64> = disk.attempts().iter().map(|attempt| attempt.number).collect();
    assert!(numbers.contains(&2), "{numbers:?}");
}

#[test]
fn after_the_last_retry_of_an_event_the_next_event_is_sent() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|request| match request.event()["event"].as_str() {
        Some("escrow.created") => Reply::Status(418),
        _ => Reply::Status(200),
    });
    let service = disk.serve_to(&receiver.url(), &[SHORT_RETRIES]);
    service.funded("", 2);
    disk.wait_for_deliveries();
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
fn an_event_that_hangs_delays_no_other_escrow() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    // It never responds to the first event of an escrow.
    let is_first = AtomicBool::new(true);
    receiver.reply_with(move |request| {
        let is_of_escrow = request.event()["event"].as_str().unwrap().starts_with("escrow.");
        if is_of_escrow && is_first.swap(false, Ordering::SeqCst) {
            return Reply::Never;
        }
        Reply::Status(200)
    });
    let service = disk.serve_to(&receiver.url(), &[LONG_TIMEOUT]);
    service.funded("", 2);
    let hung = || receiver.requests().into_iter().find(|request| !request.is_taken());
    until("an event hangs", || hung().is_some());
    let hung = hung().unwrap().id().to_owned();
    (0..10).for_each(|_| drop(service.completed("", 2)));
    let by_escrow = by_escrow(&disk.events());
    let waiting = by_escrow.into_values().find(|ids| ids.contains(&hung)).unwrap();
    until("every event of the other escrows is taken", || {
        let taken = receiver.taken();
        let mut others = disk.events().into_iter().filter(|event| !waiting.contains(&event.id));
        others.all(|event| taken.contains(&event.id))
    });
    let of_waiting = receiver
        .requests()
        .into_iter()
        .filter(|request| waiting.contains(&request.id().to_owned()));
    assert_eq!(
        of_waiting.count(),
        1,
        "no later event of the escrow is sent before the event that hangs"
    );
}

#[test]
fn a_receiver_that_never_responds_delays_no_other_merchant_and_no_request() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|request| {
        let is_slow = request.is_signed_with("sk_test_slow");
        if is_slow { Reply::Never } else { Reply::Status(200) }
    });
    let service = disk.serve_to(&receiver.url(), &[LONG_TIMEOUT]);
    // More escrows than one merchant may have attempts in flight.
    (0..30).for_each(|_| drop(service.funded("sk_test_slow", 2)));
    receiver.wait_for_requests(4);
    (0..10).for_each(|_| drop(service.completed("sk_test_quick", 2)));
    let of_quick: Vec<Event> = disk.events().into_iter().filter(|event| event.merchant == 2).collect();
    assert!(of_quick.len() >= 10);
    until("the other merchant gets every event", || {
        let taken = receiver.taken();
        of_quick.iter().all(|event| taken.contains(&event.id))
    });
    assert_all_in_order(&of_quick, &receiver.taken());
    let hung = receiver.requests().into_iter().filter(|request| !request.is_taken());
    assert_eq!(
        hung.count(),
        4,
        "the bound on attempts in flight while its health is unknown"
    );
}

/// Each merchant whose endpoint takes events may have many attempts in flight. Together they leave
/// room for a merchant whose endpoint has not been tried.
#[test]
fn many_healthy_merchants_that_respond_late_delay_no_new_merchant() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    let keys: Vec<String> = (0..12).map(|number| format!("sk_test_late{number}")).collect();
    let late = keys.clone();
    let counts: Mutex<HashMap<usize, usize>> = Mutex::default();
    receiver.reply_with(move |request| {
        let Some(merchant) = late.iter().position(|key| request.is_signed_with(key)) else {
            return Reply::Status(200);
        };
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(merchant).or_default();
        *count += 1;
        // The fourth attempt makes the endpoint healthy while three others are in flight.
        if *count == 4 { Reply::Status(200) } else { Reply::Never }
    });
    let service = disk.serve_to(&receiver.url(), &[LONG_TIMEOUT]);
    for key in &keys {
        (0..18).for_each(|_| drop(service.funded(key, 2)));
    }
    receiver.wait_for_requests(12 * 17);
    service.funded("sk_test_new", 2);
    let of_new: Vec<Event> = disk.events().into_iter().filter(|event| event.merchant == 13).collect();
    until("the new merchant gets every event", || {
        let taken = receiver.taken();
        of_new.iter().all(|event| taken.contains(&event.id))
    });
    assert!(!of_new.is_empty());
    let ended = disk.attempts().into_iter().filter(|attempt| attempt.error.is_some());
    assert_eq!(ended.count(), 0, "no late attempt had to end first");
}

#[test]
fn an_attempt_without_a_response_fails_after_the_timeout() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Never);
    let variables = [
        ("ESCROWD_WEBHOOKS_TIMEOUT_SECONDS", "1"),
        ("ESCROWD_WEBHOOKS_RETRY_SECONDS", ""),
    ];
    let service = disk.serve_to(&receiver.url(), &variables);
    service.funded("", 2);
    disk.wait_for_deliveries();
    let attempts = disk.attempts();
    assert_eq!(attempts.len(), disk.events().len());
    for attempt in attempts {
        assert_eq!(attempt.error.as_deref(), Some("no answer within 1 seconds"));
    }
}

#[test]
fn a_receiver_that_stops_and_returns_gets_the_events_it_missed() {
    let address = free_address();
    let (disk, receiver) = (Disk::new(), Receiver::start_at(address));
    let service = disk.serve_to(
        &receiver.url(),
        &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "1,1,1,1,1,1,1,1")],
    );
    service.funded("", 2);
    disk.wait_for_deliveries();
    let before = receiver.taken();
    drop(receiver);
    let deal = service.funded("", 2);
    service.confirm("", &deal, 0);
    until("an attempt finds no receiver", || {
        disk.attempts().iter().any(|attempt| attempt.error.is_some())
    });
    let refused = disk.attempts().into_iter().find_map(|attempt| attempt.error).unwrap();
    assert!(refused.contains("no connection: Connection refused"), "{refused}");
    let receiver = Receiver::start_at(address);
    disk.wait_for_deliveries();
    receiver.verified("sk_test_default");
    assert_all_in_order(&disk.events(), &[before, receiver.taken()].concat());
}

#[test]
fn a_redirect_is_not_followed() {
    let (disk, receiver, elsewhere) = (Disk::new(), Receiver::start(), Receiver::start());
    let target = elsewhere.url();
    receiver.reply_with(move |_| {
        let redirect = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        Reply::Raw(redirect.into_bytes())
    });
    let service = disk.serve_to(&receiver.url(), &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "")]);
    service.funded("", 2);
    disk.wait_for_deliveries();
    assert!(disk.attempts().iter().all(|attempt| attempt.status == Some(307)));
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn only_the_first_256_bytes_of_a_response_are_kept() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| {
        let mut response = b"HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n".to_vec();
        response.extend("\u{e9}".repeat(524_288).bytes());
        Reply::Raw(response)
    });
    let service = disk.serve_to(&receiver.url(), &[]);
    service.funded("", 2);
    disk.wait_for_deliveries();
    for attempt in disk.attempts() {
        assert_eq!(attempt.status, Some(200));
        assert_eq!(attempt.answer.as_deref(), Some("\u{e9}".repeat(128).as_str()));
    }
}

#[test]
fn a_response_that_is_not_http_is_a_failure() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Raw(b"220 smtp.example ESMTP\r\n".to_vec()));
    let service = disk.serve_to(&receiver.url(), &[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "")]);
    service.funded("", 2);
    disk.wait_for_deliveries();
    for attempt in disk.attempts() {
        let error = attempt.error.unwrap();
        assert!(error.starts_with("no answer: "), "{error}");
    }
}
