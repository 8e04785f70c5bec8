//! Retries follow the merchant's clock. When the clock is advanced, the attempts that fall
//! due are made before the call returns.

use serde_json::json;

use crate::receiver::{Receiver, Reply};
use crate::service::Disk;
use crate::waiting::until;

#[test]
fn advancing_the_clock_makes_the_retries_that_fall_due() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Status(500));
    let service = disk.serve_to(&receiver.url(), &[]);
    let deal = service.send(
        "",
        "ada",
        "POST",
        "/v1/escrow/milestone/create",
        &json!({
            "amount": 200, "purpose": "Shop fit-out", "whoPays": "buyer",
            "milestones": [{ "title": "A", "amount": 100 }, { "title": "B", "amount": 100 }],
        }),
    );
    // Both events of a new escrow have one ordering key: the second waits for the first.
    receiver.wait_for_requests(1);
    let numbers = || disk.attempts().iter().map(|attempt| attempt.number).collect::<Vec<_>>();
    until("the first attempt is recorded", || numbers() == [1]);
    let advance = |by: &str| {
        service.send("", "", "POST", "/sandbox/clock/advance", &json!({ "by": by }));
        numbers()
    };
    assert_eq!(advance("50s"), [1], "not due yet");
    assert_eq!(advance("10s"), [1, 2]);
    assert_eq!(advance("290s"), [1, 2], "not due yet");
    assert_eq!(
        advance("10s"),
        [1, 2, 3],
        "the pause counts from the due time of the attempt before"
    );
    receiver.reply_with(|_| Reply::Status(200));
    assert_eq!(
        advance("25m"),
        [1, 2, 3, 4, 1],
        "the last retry of the first event, and then the second event"
    );
    assert_eq!(disk.pending(), 0);

    receiver.reply_with(|_| Reply::Status(500));
    let payment = json!({ "escrowDetails": { "escrowId": deal["id"] } });
    service.send("", "ben", "POST", "/v1/payment/escrow", &payment);
    let events = disk.events().len();
    advance("1d");
    assert_eq!(disk.pending(), 0, "a day later every retry has been made");
    assert_eq!(disk.attempts().len(), 5 + 4 * (events - 2));
}

#[test]
fn advancing_a_clock_makes_no_retries_of_other_merchants() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Status(500));
    let service = disk.serve_to(&receiver.url(), &[]);
    service.funded("sk_test_a", 2);
    service.funded("sk_test_b", 2);
    service.send(
        "sk_test_a",
        "",
        "POST",
        "/sandbox/clock/advance",
        &json!({ "by": "1d" }),
    );
    let merchants: std::collections::HashMap<String, i64> = disk
        .events()
        .into_iter()
        .map(|event| (event.id, event.merchant))
        .collect();
    let is_retried = |merchant: i64| {
        let attempts = disk.attempts();
        attempts
            .iter()
            .any(|attempt| merchants[&attempt.event] == merchant && attempt.number > 1)
    };
    assert!(is_retried(1) && !is_retried(2));
}

#[test]
fn a_clock_can_be_advanced_without_pending_deliveries() {
    let disk = Disk::new();
    let service = disk.serve(&[]);
    service.completed("sk_test_shop", 2);
    let offsets = ["sk_test_shop", "sk_test_newcomer", "sk_test_newcomer", ""].map(|key| {
        let clock = service.send(key, "", "POST", "/sandbox/clock/advance", &json!({ "by": "1d" }));
        assert_eq!(clock["deliveries"], 0, "{key}: {clock}");
        clock["offsetSeconds"].clone()
    });
    assert_eq!(offsets, [86_400, 86_400, 2 * 86_400, 86_400]);
    assert!(disk.attempts().is_empty());
}

/// The endpoint gets no event of the seed, which would make the deliverer look at the others.
#[test]
fn a_seed_that_moves_the_clock_makes_the_retries_that_fall_due() {
    let (disk, receiver) = (Disk::new(), Receiver::start());
    receiver.reply_with(|_| Reply::Status(503));
    let service = disk.serve(&[("ESCROWD_WEBHOOKS_RETRY_SECONDS", "600")]);
    let setting = json!({ "url": receiver.url(), "events": ["payment.deposit.*"] });
    service.send("", "", "PUT", "/sandbox/callback", &setting);
    service.send("", "ada", "POST", "/v1/payment/topup", &json!({ "amount": 1000 }));
    until("the first attempt is recorded", || disk.attempts().len() == 1);
    receiver.reply_with(|_| Reply::Status(200));
    let seed = json!({
        "customers": [{ "id": "ada" }, { "id": "ben", "balance": 50_000 }],
        "escrows": [{ "seller": "ada", "buyer": "ben", "amount": 1000, "status": "CLAIMED" }],
    });
    service.send("", "", "POST", "/sandbox/seed", &seed);
    disk.wait_for_deliveries();
    assert_eq!(receiver.taken().len(), 1);
}
