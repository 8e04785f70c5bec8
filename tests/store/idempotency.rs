//! Idempotency records in the database.

use escrowd::domain::idempotency::{IdempotencyKey, IdempotencyRecord, Principal, RequestFingerprint, StoredReply};
use escrowd::domain::ids::{CustomerId, MerchantId, OperatorId};
use escrowd::domain::sandbox::clock_offset::ClockOffset;
use escrowd::domain::time::Timestamp;
use escrowd::store::Store;

use crate::helpers::{START, TestDatabase, Trade, read, write};

const HOUR: i64 = 3_600_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

/// Returns a record for a merchant's key, saved at this time of its clock.
fn record(body: &str, created_at: i64) -> IdempotencyRecord {
    IdempotencyRecord {
        fingerprint: RequestFingerprint {
            route: "POST /v1/payment/escrow?x=é".to_owned(),
            principal: Principal::Merchant,
            body_hash: [7; 32],
        },
        reply: StoredReply {
            status: 400,
            body: body.to_owned(),
        },
        created_at: at(created_at),
    }
}

fn keep(store: &Store, merchant: MerchantId, name: &str, record: &IdempotencyRecord) {
    let (key, record) = (key(name), record.clone());
    write(store, move |tx| tx.save_idempotency_record(merchant, &key, &record));
}

fn kept(store: &Store, merchant: MerchantId, name: &str) -> Option<IdempotencyRecord> {
    let key = key(name);
    read(store, move |snapshot| snapshot.idempotency_record(merchant, &key))
}

#[test]
fn a_record_is_read_back_and_replaced_by_a_later_one() {
    let database = TestDatabase::new();
    let store = database.open();
    let [ours, others] = [1, 2].map(|key| Trade::of_key(&store, key).merchant);
    let first = record("{\"a\": 1}", START);
    keep(&store, ours, "order 1", &first);
    assert_eq!(kept(&store, ours, "order 1"), Some(first));
    assert_eq!(kept(&store, ours, "order 2"), None);
    assert_eq!(kept(&store, others, "order 1"), None);
    let mut second = record("{}", START + HOUR);
    for principal in [
        Principal::Operator(OperatorId::new(7, 9)),
        Principal::Customer(CustomerId::parse("operator").unwrap()),
    ] {
        second.fingerprint.principal = principal;
        keep(&store, ours, "order 1", &second);
        assert_eq!(kept(&store, ours, "order 1").as_ref(), Some(&second));
    }
}

#[test]
fn records_expire_by_their_merchants_clock_in_bounded_batches() {
    let database = TestDatabase::new();
    let store = database.open();
    let [behind, ahead] = [1, 2].map(|key| Trade::of_key(&store, key).merchant);
    for name in ["a", "b", "c"] {
        keep(&store, behind, name, &record(name, START));
        keep(&store, ahead, name, &record(name, START));
    }
    write(&store, move |tx| {
        tx.save_clock(ahead, ClockOffset::from_millis(HOUR).unwrap())
    });
    let expired = |ledger_time, records_max| {
        read(&store, move |snapshot| {
            snapshot.expired_idempotency_records(at(ledger_time), HOUR / 1000, records_max)
        })
    };
    assert_eq!(expired(START - 1, 10).len(), 0);
    assert_eq!(expired(START, 10).len(), 3);
    assert_eq!(expired(START, 2).len(), 2);
    assert_eq!(expired(START + HOUR, 10).len(), 6);

    let found = expired(START, 10);
    // A request uses the key again after the record was found expired.
    keep(&store, ahead, "b", &record("again", START + HOUR));
    write(&store, move |tx| tx.delete_idempotency_records(&found));
    let left = |merchant| ["a", "b", "c"].map(|name| kept(&store, merchant, name).is_some());
    assert_eq!((left(behind), left(ahead)), ([true; 3], [false, true, false]));
}
