//! `Tx::attempt`: a part of a command that may fail alone.

use escrowd::commands::{Error as CommandError, payments};
use escrowd::domain::refusal::Refusal;
use escrowd::domain::sandbox::clock_offset::ClockOffset;
use escrowd::store::{Error, Tx};

use crate::helpers::{TestDatabase, TestFile, Trade, is_named, kobo, name_merchant, policy, wait_for, write};

/// Inserts a merchant and fails.
fn failing(tx: &mut Tx<'_>) -> Result<(), Error> {
    name_merchant("within")(tx)?;
    Err(Error::Corrupt("refused".to_owned()))
}

#[test]
fn a_part_that_fails_is_undone_alone() {
    let file = TestDatabase::new();
    let store = file.open();
    let refused = write(&store, |tx| {
        name_merchant("before")(tx)?;
        let outcome = tx.attempt(failing)?;
        name_merchant("after")(tx)?;
        Ok::<_, Error>(outcome.is_err())
    });
    assert!(refused);
    let names = ["before", "within", "after"];
    assert_eq!(names.map(|name| is_named(&store, name)), [true, false, true]);
}

#[test]
fn a_part_that_succeeds_is_committed_or_undone_with_its_command() {
    let file = TestDatabase::new();
    let store = file.open();
    write(&store, |tx| tx.attempt(name_merchant("kept"))?);
    let refused = wait_for(store.write(|tx| {
        tx.attempt(name_merchant("lost"))??;
        failing(tx)
    }));
    assert!(matches!(refused, Err(Error::Corrupt(_))));
    assert_eq!(["kept", "lost"].map(|name| is_named(&store, name)), [true, false]);
}

#[test]
fn a_part_that_fails_keeps_the_acting_merchant() {
    let file = TestDatabase::new();
    let store = file.open();
    let [first, second] = [1, 2].map(|key| Trade::of_key(&store, key).merchant);
    write(&store, move |tx| {
        let ahead = ClockOffset::from_millis(1_000).unwrap();
        tx.save_clock(second, ahead)
    });
    let [before, after] = write(&store, move |tx| {
        tx.act_for(first)?;
        let before = tx.now();
        let attempt = tx.attempt(|tx| {
            tx.act_for(second)?;
            failing(tx)
        });
        assert!(attempt?.is_err());
        Ok::<_, Error>([before, tx.now()])
    });
    assert_eq!(after, before);
}

#[test]
fn events_of_a_part_that_fails_are_not_recorded() {
    let file = TestDatabase::new();
    let store = file.open();
    let ada = Trade::of_key(&store, 1).actor("ada");
    for (fails, events) in [(true, 0), (false, 1)] {
        let ada = ada.clone();
        write(&store, move |tx| {
            let attempt = tx.attempt(|tx| {
                payments::top_up(tx, &policy(), &ada, Ok(kobo(100_000)))?;
                if fails {
                    Err(CommandError::from(Refusal::AccessDenied))
                } else {
                    Ok(())
                }
            });
            assert_eq!(attempt?.is_err(), fails);
            Ok::<_, CommandError>(())
        });
        let emitted = file.outside().number("SELECT count(*) FROM event", &[]);
        assert_eq!(emitted, events);
    }
}

/// PostgreSQL rolls back no more than a savepoint. After SQLite has rolled back the whole group,
/// the command must end: each further write would be a commit of its own.
#[test]
fn when_the_group_is_lost_the_command_ends() {
    let file = TestFile::new();
    let store = file.open();
    file.sqlite()
        .execute_batch(
            "CREATE TRIGGER give_up AFTER INSERT ON merchant WHEN new.name = 'within'
             BEGIN SELECT RAISE(ROLLBACK, 'given up'); END;",
        )
        .unwrap();
    for overlooks in [false, true] {
        let ended = wait_for(store.write(move |tx| {
            let attempt = tx.attempt(|tx| match name_merchant("within")(tx) {
                Err(_) if overlooks => Ok(()),
                outcome => outcome.map(drop),
            });
            drop(attempt?);
            name_merchant("after")(tx).map(drop)
        }));
        let is_expected = match ended {
            Err(Error::Abandoned) => overlooks,
            Err(Error::Sqlite(_)) => !overlooks,
            _ => false,
        };
        assert!(is_expected, "{ended:?}");
    }
    assert!(!is_named(&store, "after"));
}

#[test]
fn a_part_that_panics_fails_its_command() {
    let file = TestDatabase::new();
    let store = file.open();
    let panicked = wait_for(store.write(|tx| {
        name_merchant("before")(tx)?;
        tx.attempt(|tx| -> Result<(), Error> {
            name_merchant("within")(tx)?;
            panic!("planned by the test")
        })?
    }));
    assert!(matches!(panicked, Err(Error::Panicked)));
    assert_eq!(["before", "within"].map(|name| is_named(&store, name)), [false; 2]);
}
