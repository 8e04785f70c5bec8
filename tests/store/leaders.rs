//! Several stores on one PostgreSQL database: which one does the work in the background, and what
//! one that refuses writes means for the others.

use std::thread;
use std::time::Duration;

use escrowd::domain::mode::Mode;
use escrowd::store::{Error, Store};

use crate::cluster;
use crate::database::Engine;
use crate::helpers::{START, TestClock, TestDatabase, Trade, name_merchant, wait_for};
use crate::waiting::until;

const DAY: i64 = 86_400_000;

/// Opens another store on the database, on a machine with this clock.
fn open_beside(database: &TestDatabase, clock: &TestClock) -> Store {
    let (clock, entropy) = (Box::new(clock.clone()), Box::new(database.entropy.clone()));
    Store::open(&database.settings, clock, entropy).unwrap().0
}

fn leads(store: &Store) -> bool {
    *store.leadership().borrow()
}

#[test]
fn a_leader_whose_clock_is_refused_leaves_the_work_to_another_process() {
    if !cluster::is_installed() {
        return;
    }
    let mut database = TestDatabase::on(Engine::Postgres);
    database.settings.mode = Mode::Live;
    let clocks = [TestClock::new(), TestClock::new()];
    let first = open_beside(&database, &clocks[0]);
    until("the first leads", || leads(&first));
    let second = open_beside(&database, &clocks[1]);
    clocks[0].jump_to(START + 400 * DAY);
    until("the second leads", || leads(&second));
    assert!(!leads(&first), "both lead");
    clocks[1].jump_to(START + 400 * DAY);
    until("the second leads no more", || !leads(&second));
    // None leads while each refuses writes.
    thread::sleep(Duration::from_secs(2));
    assert!(!leads(&first) && !leads(&second));
    clocks[0].jump_to(START);
    until("the first leads", || leads(&first));
}

/// The one that starts finds the damage, by its check of all transfers.
#[test]
fn damage_that_one_process_finds_ends_the_writes_of_all() {
    if !cluster::is_installed() {
        return;
    }
    let database = TestDatabase::on(Engine::Postgres);
    let first = database.open();
    Trade::of_key(&first, 1).top_up("ada", 100_000);
    until("the first leads", || leads(&first));
    let outside = database.outside();
    outside.allow_damage();
    let damage = "UPDATE account SET balance = balance + 7 WHERE purpose = 'CUSTOMER_MAIN'";
    assert_eq!(outside.execute(damage, &[]), Ok(1));
    let second = database.open();
    for store in [&second, &first] {
        until("the damage is known", || {
            matches!(wait_for(store.check_ready()), Err(Error::LedgerBroken(_)))
        });
        let refused = wait_for(store.write(name_merchant("refused")));
        assert!(matches!(refused, Err(Error::LedgerBroken(_))), "{refused:?}");
    }
    until("the first leads no more", || !leads(&first));
    assert!(!leads(&second), "a process that refuses writes leads");
    // When all that have found it are gone, a process on the mended ledger may write. The first has
    // heard of it, unless the check of its own start came so late that it found the damage too.
    second.close();
    if !matches!(wait_for(first.check_ready()), Err(Error::LedgerBroken(how)) if how.starts_with("another process")) {
        first.close();
    }
    let mend = "UPDATE account SET balance = balance - 7 WHERE purpose = 'CUSTOMER_MAIN'";
    assert_eq!(outside.execute(mend, &[]), Ok(1));
    let third = database.open();
    thread::sleep(Duration::from_secs(2));
    wait_for(third.write(name_merchant("mended"))).unwrap();
}
