//! A part of a command that may fail alone.

use escrowd::store::{Error, Tx};

use crate::helpers::{TestFile, Trade, is_named, wait_for, write};

/// Leaves a trace and fails.
fn failing(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.insert_merchant(Some("within"))?;
    Err(Error::Corrupt("refused".to_owned()))
}

#[test]
fn a_part_that_fails_is_undone_alone() {
    let file = TestFile::new();
    let store = file.open();
    let refused = write(&store, |tx| {
        tx.insert_merchant(Some("before"))?;
        let outcome = tx.attempt(failing)?;
        tx.insert_merchant(Some("after"))?;
        Ok::<_, Error>(outcome.is_err())
    });
    assert!(refused);
    let names = ["before", "within", "after"];
    assert_eq!(names.map(|name| is_named(&store, name)), [true, false, true]);
}

#[test]
fn a_part_that_succeeds_stands_and_falls_with_its_command() {
    let file = TestFile::new();
    let store = file.open();
    let name = |name| move |tx: &mut Tx<'_>| tx.insert_merchant(Some(name));
    write(&store, move |tx| tx.attempt(name("kept"))?);
    let refused = wait_for(store.write(move |tx| {
        tx.attempt(name("lost"))??;
        failing(tx)
    }));
    assert!(matches!(refused, Err(Error::Corrupt(_))));
    assert_eq!(["kept", "lost"].map(|name| is_named(&store, name)), [true, false]);
}

#[test]
fn a_part_that_fails_leaves_the_merchant_that_was_attended() {
    let file = TestFile::new();
    let store = file.open();
    let [first, second] = [1, 2].map(|key| Trade::of_key(&store, key).merchant);
    write(&store, move |tx| {
        let ahead = escrowd::domain::merchant_clock::ClockOffset::from_millis(1_000).unwrap();
        tx.save_clock(second, ahead)
    });
    let [before, after] = write(&store, move |tx| {
        tx.attend(first)?;
        let before = tx.now();
        let attempt = tx.attempt(|tx| {
            tx.attend(second)?;
            failing(tx)
        });
        assert!(attempt?.is_err());
        Ok::<_, Error>([before, tx.now()])
    });
    assert_eq!(after, before);
}

/// When SQLite has given up the whole group there is nothing left to go on in: what was
/// written then would be a commit of its own.
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
            let attempt = tx.attempt(|tx| match tx.insert_merchant(Some("within")) {
                Err(_) if overlooks => Ok(()),
                outcome => outcome.map(drop),
            });
            drop(attempt?);
            tx.insert_merchant(Some("after")).map(drop)
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
fn a_part_that_panics_takes_its_command_with_it() {
    let file = TestFile::new();
    let store = file.open();
    let panicked = wait_for(store.write(|tx| {
        tx.insert_merchant(Some("before"))?;
        tx.attempt(|tx| -> Result<(), Error> {
            tx.insert_merchant(Some("within"))?;
            panic!("planned by the test")
        })?
    }));
    assert!(matches!(panicked, Err(Error::Panicked)));
    assert_eq!(["before", "within"].map(|name| is_named(&store, name)), [false; 2]);
}
