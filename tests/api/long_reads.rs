//! Reads of lists that take long: they delay no other request, and are refused if they wait
//! too long.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster;
use crate::helpers::{TestApp, spawn_app, spawn_app_with};

const LISTENERS: usize = 8;
const EVENTS: u32 = 20_000;
const WALLETS: u32 = 20;
/// Far above the milliseconds that these wallets take. When lists were read on the threads
/// that serve requests, eight listeners could make each of them take two seconds.
const WALLETS_MAX: Duration = Duration::from_secs(10);

/// Adds copies of an event to the file.
fn add_events(app: &TestApp) {
    app.event_of_new_offer();
    let sql = format!(
        "WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < {EVENTS})
         INSERT INTO event (id, guard, merchant_id, name_id, escrow_id, transaction_id, created_at, data, dispatch, checksum)
         SELECT max + n, guard, merchant_id, name_id, escrow_id, transaction_id, created_at, data, dispatch,
             changed_checksum(checksum, 'id', id, max + n)
         FROM more, (SELECT *, (SELECT max(id) FROM event) AS max FROM event LIMIT 1);
         UPDATE merchant SET event_count = (SELECT count(*) FROM event WHERE merchant_id = merchant.id)"
    );
    app.sqlite().execute_batch(&sql).unwrap();
}

#[test]
fn eight_listeners_on_many_events_do_not_delay_another_merchants_wallet() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    add_events(&app);
    let listening = AtomicBool::new(true);
    let polls = AtomicUsize::new(0);
    let wallet = || {
        let headers = [("authorization", "Bearer sk_test_other"), ("customer-id", "ben")];
        app.send("GET", "/v1/wallet", &headers, None).ok();
    };
    wallet();
    thread::scope(|scope| {
        for _ in 0..LISTENERS {
            scope.spawn(|| {
                while listening.load(Ordering::Relaxed) {
                    let page = app.inbox("?limit=1&type=escrow.disputed").ok();
                    assert_eq!(page.data()["pagination"]["count"], 0);
                    polls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while polls.load(Ordering::Relaxed) < LISTENERS {
            thread::yield_now();
        }
        let began = Instant::now();
        for _ in 0..WALLETS {
            wallet();
        }
        let took = began.elapsed();
        listening.store(false, Ordering::Relaxed);
        assert!(took < WALLETS_MAX, "{WALLETS} wallets took {took:?}");
    });
}

#[test]
fn the_number_of_all_events_follows_what_is_recorded_and_removed() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    add_events(&app);
    let count = |query: &str| app.inbox(query).ok().data()["pagination"]["count"].clone();
    let rows = || app.column("SELECT count(*) FROM event")[0].parse::<usize>().unwrap();
    let (all, one_by_one) = (count("?limit=1"), count("?limit=1&after=000000000000000000000000"));
    assert_eq!((all, one_by_one), (rows().into(), rows().into()));
    let remove = "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT 7)";
    app.sqlite().execute_batch(remove).unwrap();
    app.offered();
    assert_eq!(count("?limit=1"), rows());
}

/// No list can be read in no time, so each waits too long.
#[test]
fn a_list_that_waits_too_long_is_refused_and_reads_of_single_rows_go_on() {
    if cluster::is_wanted() {
        // A deadline of no time would refuse short reads too.
        return;
    }
    let app = spawn_app_with(|config| config.storage.read_seconds_max = 0);
    app.wallet("ada").ok();
    let headers = [("customer-id", "ada")];
    for path in [
        "/sandbox/events",
        "/v1/escrow/feeds",
        "/v1/escrow/all-dispute",
        "/v1/customers",
        "/v1/merchant/transactions",
    ] {
        let refused = app.send("GET", path, &[], None);
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (503, &"busy".into()),
            "{path} {refused:?}"
        );
        assert_eq!(refused.message(), "Too many reads are waiting; try again shortly");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    for path in [
        "/v1/escrow/transactions?type=sales",
        "/v1/escrow/dispute/get",
        "/v1/escrow/category/get",
        "/v1/payment/history",
        "/v1/whitelist-address",
    ] {
        let refused = app.send("GET", path, &headers, None);
        assert_eq!(refused.status, 503, "{path} {refused:?}");
    }
    app.wallet("ada").ok();
}
