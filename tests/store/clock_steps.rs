//! A system's clock that is stepped, or stands still, while many commands write.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use escrowd::commands::{Error as CommandError, payments, standard_escrows};
use escrowd::domain::fees::WhoPays;
use escrowd::domain::ids::{IdSource, PaymentToken};
use escrowd::domain::mode::Mode;
use escrowd::domain::refusal::Refusal;
use escrowd::store::{Error, Store};

use crate::helpers::{START, TestDatabase, Trade, kobo, policy, wait_for};

const WRITERS: usize = 4;
/// The time that passes between two steps, and the number of steps of each clock.
const TICK_MILLIS: i64 = 50;
const TICKS: i64 = 60;
/// The time in which the commands of a step run.
const TICK_PAUSE: Duration = Duration::from_millis(2);
/// The time in which a command must be refused.
const REFUSAL_MAX: Duration = Duration::from_secs(20);
/// The difference that is no jump.
const TOLERANCE_MILLIS: i64 = 2_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const TEN_YEARS: i64 = 3_653 * DAY;
/// The delivery window of the escrow that the seller tries to claim.
const WINDOW: i64 = 7 * DAY;

/// The clock of the machine for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SystemClock {
    /// It goes, and is wrong by these milliseconds.
    WrongBy(i64),
    StandsStill,
}

use SystemClock::{StandsStill, WrongBy};

const CLOCKS: [SystemClock; 12] = [
    WrongBy(0),
    WrongBy(-HOUR),
    WrongBy(0),
    WrongBy(-DAY),
    StandsStill,
    WrongBy(0),
    StandsStill,
    WrongBy(0),
    WrongBy(TEN_YEARS),
    StandsStill,
    WrongBy(0),
    WrongBy(-DAY),
];

/// Tops up until the clocks are done, and counts the refusals.
fn top_up_until(stop: &AtomicBool, trade: &Trade, customer: &str, refused: &AtomicUsize) {
    let mut newest = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        let actor = trade.actor(customer);
        let written = wait_for(trade.store.write(move |tx| {
            payments::top_up(tx, &policy(), &actor, Ok(kobo(100_000)))?;
            Ok::<_, CommandError>((tx.ledger_time().millis(), tx.number()))
        }));
        match written {
            Ok((time, id)) => {
                assert!(
                    time >= newest.0 && id > newest.1,
                    "{time} and {id:x} follow {newest:x?}"
                );
                newest = (time, id);
            }
            Err(CommandError::Store(Error::ClockJumped { .. })) => {
                refused.fetch_add(1, Ordering::SeqCst);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Claims an escrow again and again. Returns the ledger time of the claim that succeeded.
fn claim_until(stop: &AtomicBool, trade: &Trade, token: &PaymentToken) -> Option<i64> {
    while !stop.load(Ordering::SeqCst) {
        let (seller, token) = (trade.actor("ada"), token.clone());
        let claimed = wait_for(trade.store.write(move |tx| {
            standard_escrows::claim(tx, &policy(), &seller, token)?;
            Ok::<_, CommandError>(tx.ledger_time().millis())
        }));
        match claimed {
            Ok(time) => return Some(time),
            Err(
                CommandError::Refused(Refusal::ClaimTooEarly { .. }) | CommandError::Store(Error::ClockJumped { .. }),
            ) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    None
}

/// Steps the clock, and checks how far ledger time goes on by each of [`CLOCKS`]. A clock that is refused
/// stays until a command was refused.
fn step_clocks(database: &TestDatabase, store: &Store, follows_all: bool, refused: &AtomicUsize) {
    for clock in CLOCKS {
        if let WrongBy(millis) = clock {
            database.clock.jump_to(database.clock.right() + millis);
        }
        let before = store.ledger_time().millis();
        for _ in 0..TICKS {
            match clock {
                WrongBy(_) => database.clock.pass(TICK_MILLIS),
                StandsStill => database.clock.stand_still(TICK_MILLIS),
            }
            thread::sleep(TICK_PAUSE);
        }
        let until = Instant::now() + REFUSAL_MAX;
        while clock == WrongBy(TEN_YEARS)
            && !follows_all
            && refused.load(Ordering::SeqCst) == 0
            && Instant::now() < until
        {
            thread::sleep(TICK_PAUSE);
        }
        let passed = store.ledger_time().millis() - before;
        if clock == WrongBy(TEN_YEARS) && follows_all {
            continue;
        }
        let off = passed - TICKS * TICK_MILLIS;
        assert!(off.abs() <= TOLERANCE_MILLIS, "{clock:?}: {passed} ms passed");
    }
}

/// Asserts that the times of a table never decrease in the order of its ids.
fn assert_in_order(database: &TestDatabase, table: &str) {
    let sql = format!("SELECT created_at FROM {table} ORDER BY id");
    let times = database.outside().numbers(&sql, &[]);
    assert!(times.len() > WRITERS, "{} rows in {table}", times.len());
    assert!(times.is_sorted(), "{table} goes back");
}

fn run(mode: Mode) {
    let mut database = TestDatabase::new();
    database.settings.mode = mode;
    let follows_all = mode == Mode::Sandbox;
    let store = database.open();
    let trade = Trade::of_key(&store, 1);
    let escrow = trade.offer_standard("ada", 100_000, WhoPays::Seller);
    trade.fund("ben", escrow.id);
    let (stop, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    let customers = ["cleo", "dayo", "efe", "femi"];
    thread::scope(|scope| {
        let writing: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (trade, stop, refused) = (&trade, &stop, &refused);
                scope.spawn(move || top_up_until(stop, trade, customers[writer], refused))
            })
            .collect();
        let claiming = scope.spawn(|| claim_until(&stop, &trade, &escrow.payment_token));
        let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            step_clocks(&database, &store, follows_all, &refused);
        }));
        stop.store(true, Ordering::SeqCst);
        let claimed = claiming.join().unwrap();
        for writer in writing {
            writer.join().unwrap();
        }
        if let Err(panic) = stepped {
            std::panic::resume_unwind(panic);
        }
        if follows_all {
            assert!(
                claimed.is_some_and(|time| time >= START + WINDOW),
                "claimed at {claimed:?}"
            );
        } else {
            assert_eq!(claimed, None, "a clock that is refused made something due");
        }
        let refused = refused.load(Ordering::SeqCst);
        assert_eq!(refused > 0, !follows_all, "{refused} refusals");
    });
    for table in ["transfer", "payment_transaction", "event"] {
        assert_in_order(&database, table);
    }
    store.close();
    // No receipt explains the money of top-ups, which a live service does not have.
    let mut findings = database.audit().findings;
    findings.retain(|finding| follows_all || !finding.problem.contains("account OUTSIDE_WORLD holds"));
    assert_eq!(findings, []);
}

#[test]
fn in_a_sandbox_clock_steps_under_load_keep_ledger_time_and_ids_in_order() {
    run(Mode::Sandbox);
}

#[test]
fn in_live_mode_clock_steps_under_load_release_nothing_early() {
    run(Mode::Live);
}
