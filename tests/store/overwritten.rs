//! A database file, or its log, that another program overwrites or cuts off while the store runs:
//! the store stops acknowledging. Nothing that a service or SQLite itself does looks like that.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use escrowd::domain::ids::MerchantId;
use escrowd::store::{Error, Store};

use crate::helpers::{TestFile, Trade, log_bytes, name_merchant, wait_for, wait_until_settled};
use crate::waiting::until;
use crate::writer::{Gate, are_named, send};

fn top_up(trade: &Trade, times: u64) {
    for _ in 0..times {
        trade.top_up("ada", 100_000);
    }
}

fn cut_off(path: &Path, bytes: u64) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(bytes)
        .unwrap();
}

fn write(store: &Store, name: &'static str) -> Result<(), Error> {
    wait_for(store.write(name_merchant(name))).map(drop)
}

#[track_caller]
fn assert_gone(store: &Store, words: &str) {
    let refused = write(store, "late").unwrap_err();
    assert!(
        matches!(&refused, Error::FileGone(said) if said.contains(words)),
        "{refused}"
    );
    until("the store is not ready", || wait_for(store.check_ready()).is_err());
}

#[test]
fn a_file_that_an_older_copy_overwrites_takes_no_more_writes() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    top_up(&trade, 5);
    wait_until_settled(&file);
    let copy = fs::read(&file.path).unwrap();
    top_up(&trade, 50);
    wait_until_settled(&file);
    write(&store, "in time").unwrap();
    // As `cp` does: the file stays the same one.
    fs::write(&file.path, copy).unwrap();
    assert_gone(&store, "was overwritten or cut off");
}

#[test]
fn a_file_that_is_cut_off_takes_no_more_writes() {
    for part in [0, 2] {
        let file = TestFile::new();
        let store = file.open();
        top_up(&Trade::of_key(&store, 1), 50);
        wait_until_settled(&file);
        let bytes = fs::metadata(&file.path).unwrap().len();
        cut_off(&file.path, bytes * part / 4 / 2_048 * 2_048);
        assert_gone(&store, "was overwritten or cut off");
    }
}

#[test]
fn a_log_that_is_cut_off_takes_no_more_writes() {
    for keeps_header in [0, 1] {
        let file = TestFile::new();
        let store = file.open();
        let trade = Trade::of_key(&store, 1);
        // As long as it reads, the log is not emptied.
        let reading = file.sqlite();
        reading.execute_batch("BEGIN; SELECT count(*) FROM merchant").unwrap();
        top_up(&trade, 1);
        let before = log_bytes(&file);
        assert!(before > 0);
        cut_off(&file.beside("-wal"), (before - 1) * keeps_header);
        assert_gone(&store, "-wal was cut off");
    }
}

#[test]
fn a_read_that_finds_damage_ends_the_writes() {
    let file = TestFile::new();
    let store = file.open();
    top_up(&Trade::of_key(&store, 1), 50);
    wait_until_settled(&file);
    // All but the header and the mark.
    let bytes = fs::metadata(&file.path).unwrap().len();
    let garbage = vec![0xa5; usize::try_from(bytes).unwrap() - 4_096];
    let damaged = OpenOptions::new().write(true).open(&file.path).unwrap();
    damaged.write_all_at(&garbage, 4_096).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while wait_for(store.read(|snapshot| snapshot.merchant_named("nobody"))).is_ok() {
        assert!(Instant::now() < until, "the damage is not read");
        thread::sleep(Duration::from_millis(10));
    }
    let refused = write(&store, "late").unwrap_err();
    assert!(matches!(refused, Error::LedgerBroken(_)), "{refused}");
    assert!(matches!(wait_for(store.check_ready()), Err(Error::LedgerBroken(_))));
}

/// A closed file with one merchant, in which the page of the secrets of notices is overwritten.
fn file_with_damaged_secrets() -> TestFile {
    let file = TestFile::new();
    let store = file.open();
    top_up(&Trade::of_key(&store, 1), 1);
    store.close();
    drop(store);
    let number_of = |sql: &str| -> u64 {
        let number: i64 = file.sqlite().query_row(sql, [], |row| row.get(0)).unwrap();
        number.try_into().unwrap()
    };
    let root = number_of("SELECT rootpage FROM sqlite_schema WHERE name = 'notice_secret'");
    let bytes = number_of("PRAGMA page_size");
    let garbage = vec![0xa5; usize::try_from(bytes).unwrap()];
    let damaged = OpenOptions::new().write(true).open(&file.path).unwrap();
    damaged.write_all_at(&garbage, (root - 1) * bytes).unwrap();
    file
}

/// The changes before it in its group, and the commands that wait behind it, could rest on the
/// damage.
#[tokio::test]
async fn a_command_that_finds_damage_ends_the_writes() {
    let file = thread::spawn(file_with_damaged_secrets).join().unwrap();
    let store = file.open();
    let gate = Gate::block(&store).await;
    let before = send(&store, name_merchant("before")).await;
    let found = send(&store, |tx| tx.notice_secret(MerchantId(1), "paystack")).await;
    let behind = send(&store, name_merchant("behind")).await;
    let released = gate.release().await.unwrap_err();
    let found = found.await.unwrap();
    assert!(matches!(found, Err(Error::Sqlite(_))), "{found:?} {released:?}");
    for refused in [
        released,
        before.await.unwrap().unwrap_err(),
        behind.await.unwrap().unwrap_err(),
    ] {
        assert!(matches!(refused, Error::LedgerBroken(_)), "{refused}");
    }
    assert_eq!(are_named(&store, ["before", "behind"]).await, [false, false]);
    let late = store.write(name_merchant("late")).await.unwrap_err();
    assert!(matches!(late, Error::LedgerBroken(_)), "{late}");
    assert!(matches!(store.check_ready().await, Err(Error::LedgerBroken(_))));
}

/// Short logs that restart and are cut by SQLite itself, another program that empties them, and
/// pages that are given back.
#[test]
fn nothing_that_sqlite_does_looks_like_that() {
    let mut file = TestFile::new();
    file.settings.checkpoint_pages = 100;
    file.settings.vacuum_free_bytes_min = Some(1);
    let store = file.open();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 1..4 {
            let trade = Trade::of_key(&store, number);
            let is_done = &is_done;
            scope.spawn(move || {
                while !is_done.load(Ordering::Relaxed) {
                    top_up(&trade, 10);
                    if number == 3 {
                        thread::sleep(Duration::from_millis(150));
                    }
                }
            });
        }
        let other = file.sqlite();
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            for mode in ["TRUNCATE", "PASSIVE", "RESTART"] {
                drop(other.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())));
            }
            thread::sleep(Duration::from_millis(3));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    for _ in 0..3 {
        wait_until_settled(&file);
        write(
            &store,
            Box::leak(format!("merchant {}", log_bytes(&file)).into_boxed_str()),
        )
        .ok();
        drop(
            file.sqlite()
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())),
        );
    }
    assert!(wait_for(store.check_ready()).is_ok());
    file.assert_sound();
}

/// The lock is no file of another program, and others cannot hold it.
#[test]
fn a_file_of_another_program_is_not_taken_for_the_lock() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let file = TestFile::new();
    fs::write(file.beside(".lock"), "# This file is generated by Cargo.\n").unwrap();
    let refusal = file.try_open().unwrap_err().to_string();
    assert!(refusal.contains("is not a lock of escrowd"), "{refusal}");
    assert!(fs::read_to_string(file.beside(".lock")).unwrap().starts_with("# This"));
    fs::remove_file(file.beside(".lock")).unwrap();
    let important = file.path.with_file_name("important");
    fs::write(&important, "").unwrap();
    symlink(&important, file.beside(".lock")).unwrap();
    assert!(file.try_open().is_err());
    assert_eq!(fs::read_to_string(&important).unwrap(), "");
    fs::remove_file(file.beside(".lock")).unwrap();
    drop(file.open());
    drop(file.open());
    assert_eq!(
        fs::metadata(file.beside(".lock")).unwrap().permissions().mode() & 0o777,
        0o600
    );
}
