//! A system's clock that is wrong for a while: ledger time goes on, and in live mode a jump
//! beyond the bound is refused until the clock is right or confirmed.

use std::time::Duration;

use escrowd::domain::mode::Mode;
use escrowd::store::{Error, Store};

use crate::helpers::{START, TestDatabase, Trade, is_named, name_merchant, wait_for, write};
use crate::waiting::until;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn live() -> TestDatabase {
    let mut database = TestDatabase::new();
    database.settings.mode = Mode::Live;
    database.settings.clock_jump_max = Duration::from_hours(72);
    database
}

fn marked_at(database: &TestDatabase) -> i64 {
    database.outside().number("SELECT ledger_time FROM file_mark", &[])
}

/// Writes a row, and returns the ledger time of that.
#[track_caller]
fn written_at(store: &Store) -> i64 {
    write(store, |tx| {
        tx.insert_merchant(None, None)?;
        Ok::<_, Error>(tx.ledger_time().millis())
    })
}

#[track_caller]
fn assert_refused(store: &Store) {
    let refused = wait_for(store.write(name_merchant("refused")));
    assert!(matches!(refused, Err(Error::ClockJumped { .. })), "{refused:?}");
    let healthy = wait_for(store.check_health());
    assert!(matches!(healthy, Err(Error::ClockJumped { .. })), "{healthy:?}");
    assert!(!is_named(store, "refused"), "a refused write changed something");
}

/// The clock is ahead by 400 days for one write of any kind, and then right again.
#[test]
fn time_goes_on_after_a_clock_that_was_ahead_for_one_write() {
    let writes: [fn(&Store); 3] = [
        |store| {
            written_at(store);
        },
        |store| Trade::of_key(store, 1).top_up("ada", 100_000),
        |store| drop(Trade::of_key(store, 1).offer_milestones("ada", &[400_000, 600_000])),
    ];
    for (case, one_write) in writes.into_iter().enumerate() {
        let database = TestDatabase::new();
        let store = database.open();
        database.clock.pass(HOUR);
        assert_eq!(written_at(&store), START + HOUR);
        database.clock.jump_to(START + HOUR + 400 * DAY);
        one_write(&store);
        let ahead = START + HOUR + 400 * DAY;
        assert_eq!(store.ledger_time().millis(), ahead, "a sandbox follows");

        database.clock.jump_to(START + HOUR);
        for minutes in 1..5 {
            database.clock.pass(60_000);
            assert_eq!(written_at(&store), ahead + minutes * 60_000, "case {case}");
        }
        store.close();
        drop(store);
        // The time of the stop is unknown.
        database.clock.pass(DAY);
        let store = database.open();
        let at_start = ahead + 4 * 60_000;
        for minutes in 1..5 {
            database.clock.pass(60_000);
            assert_eq!(
                written_at(&store),
                at_start + minutes * 60_000,
                "case {case} after a restart"
            );
        }
        store.close();
        drop(store);
        // When the clock has caught up, ledger time follows it again.
        database.clock.pass(401 * DAY);
        let store = database.open();
        assert_eq!(written_at(&store), START + HOUR + 402 * DAY + 8 * 60_000, "case {case}");
        store.close();
    }
}

#[test]
fn a_jump_beyond_the_bound_is_refused_until_the_clock_is_right() {
    let database = live();
    let store = database.open();
    assert_eq!(written_at(&store), START);
    for wrong_by in [400 * DAY, 3 * DAY + 1, 7_000 * DAY] {
        database.clock.pass(1_000);
        let right = database.clock.right();
        database.clock.jump_to(right + wrong_by);
        assert_refused(&store);
        database.clock.pass(5_000);
        assert_refused(&store);
        // Nothing falls due by the wrong clock, and time does not stand still.
        assert_eq!(store.ledger_time().millis(), right + 5_000);
        database.clock.jump_to(right + 5_000);
        wait_for(store.check_health()).unwrap();
        database.clock.pass(1_000);
        assert_eq!(written_at(&store), right + 6_000);
    }
    // The wrong clock has left no trace.
    store.close();
    drop(store);
    let store = database.open();
    assert_eq!(written_at(&store), database.clock.right());
}

#[test]
fn a_jump_within_the_bound_is_followed_and_jumps_add_up() {
    let database = live();
    let store = database.open();
    for days in 1..=3 {
        database.clock.jump_to(START + days * DAY);
        assert_eq!(written_at(&store), START + days * DAY);
    }
    database.clock.jump_to(START + 3 * DAY + HOUR);
    assert_refused(&store);
    database.clock.jump_to(START);
    database.clock.pass(1_000);
    assert_eq!(written_at(&store), START + 3 * DAY + 1_000);
}

#[test]
fn a_start_far_ahead_of_the_newest_row_needs_a_confirmation_in_live_mode() {
    let mut database = live();
    let store = database.open();
    assert_eq!(written_at(&store), START);
    store.close();
    drop(store);

    database.clock.jump_to(START + 73 * HOUR);
    let store = database.open();
    assert_refused(&store);
    // The configuration is applied, at a time that the bound allows.
    let configured = wait_for(store.configure(|tx| {
        tx.insert_merchant(Some("configured"), None)?;
        Ok::<_, Error>(tx.ledger_time().millis())
    }));
    assert_eq!(configured.unwrap(), START);
    assert_refused(&store);
    store.close();
    drop(store);
    let store = database.open();
    assert_refused(&store);
    store.close();
    drop(store);

    database.settings.accept_clock = true;
    let store = database.open();
    assert_eq!(written_at(&store), START + 73 * HOUR);
    // The flag is for the start and not for later jumps.
    database.clock.jump_to(START + 500 * DAY);
    assert_refused(&store);
    store.close();
    drop(store);

    // A stop within the bound, and a clock that is set right while the service runs.
    database.settings.accept_clock = false;
    database.clock.jump_to(START + 140 * HOUR);
    let store = database.open();
    assert_eq!(written_at(&store), START + 140 * HOUR);
    store.close();
    drop(store);
    database.clock.jump_to(START + 900 * DAY);
    let store = database.open();
    assert_refused(&store);
    database.clock.jump_to(START + 150 * HOUR);
    assert_eq!(written_at(&store), START + 150 * HOUR);
}

/// Each start counts from the time in the database and not from its own.
#[test]
fn a_service_that_is_started_often_keeps_its_time_in_the_database() {
    let database = live();
    let store = database.open();
    assert_eq!(written_at(&store), START);
    store.close();
    drop(store);
    database.clock.pass(5 * HOUR);
    let store = database.open();
    store.close();
    drop(store);
    database.clock.pass(5 * HOUR);
    let _store = database.open();
    until("the mark has the time", || marked_at(&database) == START + 10 * HOUR);
}

#[test]
fn a_sandbox_file_may_lie_for_months() {
    let database = TestDatabase::new();
    let store = database.open();
    assert_eq!(written_at(&store), START);
    store.close();
    drop(store);
    database.clock.jump_to(START + 200 * DAY);
    let store = database.open();
    assert_eq!(written_at(&store), START + 200 * DAY);
}

/// A service that runs without a write is not one that was stopped.
#[test]
fn a_quiet_service_keeps_its_time_in_the_database() {
    let database = live();
    let store = database.open();
    assert_eq!(written_at(&store), START);
    for day in 1..=5 {
        database.clock.pass(DAY);
        until("the mark has the day", || marked_at(&database) == START + day * DAY);
    }
    store.close();
    drop(store);
    database.clock.pass(DAY);
    let store = database.open();
    assert_eq!(written_at(&store), START + 6 * DAY);
}
