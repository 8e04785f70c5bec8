//! A database file without its write-ahead log, or with the log of another state of it:
//! the store refuses it and names the log. A file with its own log is recovered silently.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use escrowd::store::{Error, OpenError, Store, audit};

use crate::helpers::{
    TestFile, Trade, beside, copied, copied_in_use, copy, log_bytes, outcome_of, wait_for, wait_until_settled, write,
};

fn top_up(trade: &Trade, times: u64) {
    for _ in 0..times {
        trade.top_up("ada", 100_000);
    }
}

/// Tops up, and returns the number of transfers in the file.
#[track_caller]
fn count_after(file: &TestFile, trade: &Trade, times: u64) -> u64 {
    let before = transfers(file);
    top_up(trade, times);
    let after = transfers(file);
    assert!(after >= before + times);
    after
}

/// Asserts that both the store and the audit refuse the file with these words.
#[track_caller]
fn both_refuse(file: &TestFile, words: &[&str]) {
    let log = file.beside("-wal");
    let before = fs::read(&file.path).unwrap();
    let by_audit = audit(&file.path.clone().into(), &mut |_, _| {})
        .unwrap_err()
        .to_string();
    let by_store = file.refusal();
    assert_eq!(by_audit, by_store);
    for word in words
        .iter()
        .chain(&[file.path.to_str().unwrap(), log.to_str().unwrap(), "--accept-loss"])
    {
        assert!(by_store.contains(word), "{word:?} is not in {by_store:?}");
    }
    assert!(!by_store.contains("damaged"), "{by_store}");
    assert_eq!(fs::read(&file.path).unwrap(), before, "the refusal changed the file");
    assert!(!file.beside("-shm").exists());
}

#[track_caller]
fn transfers(file: &TestFile) -> u64 {
    let audit = file.audit();
    assert_eq!(audit.findings, []);
    audit.transfers
}

/// Opens and closes the store, and returns the number of transfers that it found.
#[track_caller]
fn transfers_after_start(file: &TestFile) -> u64 {
    let store = file.open();
    store.close();
    drop(store);
    transfers(file)
}

#[test]
fn an_idle_store_moves_its_log_into_the_file_within_a_second() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    copied_in_use(&file, &trade);
    let topped_up = count_after(&file, &trade, 30);
    wait_until_settled(&file);
    // The file alone is whole, until the next commit.
    let alone = copied(&file, &[""]);
    assert_eq!(transfers(&alone), topped_up);
    assert_eq!(transfers_after_start(&alone), topped_up);
    for _ in 0..3 {
        let in_use = copied_in_use(&file, &trade);
        both_refuse(&copied(&in_use, &[""]), &["missing"]);
        wait_until_settled(&file);
    }
    // A refused command, and one that changes nothing, write nothing.
    let before = fs::read(&file.path).unwrap();
    let refused: Result<(), Error> = wait_for(store.write(|_| Err(Error::Corrupt("refused".to_owned()))));
    assert!(refused.is_err());
    write(&store, |_| Ok::<_, Error>(()));
    assert_eq!(log_bytes(&file), 0);
    assert!(fs::read(&file.path).unwrap() == before);
}

#[test]
fn a_copy_of_a_running_file_without_its_log_is_refused() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    top_up(&trade, 30);
    let in_use = copied_in_use(&file, &trade);
    both_refuse(&copied(&in_use, &[""]), &["missing", "commit", "transfer"]);
}

#[test]
fn the_first_commit_of_a_fresh_file_cannot_be_lost_unnoticed() {
    let file = TestFile::new();
    let store = file.open();
    copied(&file, &[""]).assert_sound();
    Trade::of_key(&store, 1);
    let in_use = copied(&file, &["", "-wal"]);
    // On a busy machine the store may already be idle again.
    if log_bytes(&in_use) > 0 {
        both_refuse(&copied(&in_use, &[""]), &["missing"]);
    }
}

#[test]
fn a_killed_file_without_its_log_is_refused_and_with_it_recovered() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    top_up(&trade, 30);
    let killed = copied_in_use(&file, &trade);
    let topped_up = transfers(&copied(&killed, &["", "-wal"]));
    let other = copied(&killed, &["", "-wal"]);
    fs::write(other.beside("-wal"), "").unwrap();
    both_refuse(&other, &["missing", "empty"]);
    fs::remove_file(other.beside("-wal")).unwrap();
    both_refuse(&other, &["missing"]);
    assert_eq!(transfers(&killed), topped_up);
    assert_eq!(transfers_after_start(&killed), topped_up);
    // Killed again after each further step.
    for _ in 0..3 {
        let store = killed.open();
        let trade = Trade::of_key(&store, 2);
        top_up(&trade, 10);
        let again = copied_in_use(&killed, &trade);
        let topped_up = transfers(&copied(&again, &["", "-wal"]));
        assert!(topped_up > 10);
        assert_eq!(transfers_after_start(&again), topped_up);
    }
}

#[test]
fn a_file_killed_while_idle_is_recovered_with_its_empty_log() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    let topped_up = count_after(&file, &trade, 30);
    wait_until_settled(&file);
    let killed = copied(&file, &["", "-wal"]);
    assert_eq!(transfers_after_start(&killed), topped_up);
}

#[test]
fn a_closed_file_is_whole_without_a_log() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    let topped_up = count_after(&file, &trade, 30);
    store.close();
    drop((trade, store));
    let alone = copied(&file, &[""]);
    assert_eq!(transfers(&alone), topped_up);
    assert!(
        !alone.beside("-wal").exists() && !alone.beside("-shm").exists(),
        "the audit left files behind"
    );
    assert_eq!(transfers_after_start(&alone), topped_up);
}

#[test]
fn a_restored_copy_beside_a_newer_log_is_not_called_damaged() {
    let file = TestFile::new();
    let store = file.open();
    top_up(&Trade::of_key(&store, 1), 10);
    store.close();
    drop(store);
    let backup = copied(&file, &[""]);
    let backed_up = transfers(&backup);
    for restarts in 0..3 {
        for _ in 0..restarts {
            drop(file.open());
        }
        let store = file.open();
        let trade = Trade::of_key(&store, 1);
        top_up(&trade, 10);
        // Since the start the log has begun anew, so it does not continue the backup.
        wait_until_settled(&file);
        top_up(&trade, 10);
        let mut restored = copied(&backup, &[""]);
        copy(&copied_in_use(&file, &trade), &restored, &["-wal"]);
        both_refuse(&restored, &["does not belong", "move the log away"]);
        let log = fs::read(restored.beside("-wal")).unwrap();

        restored.settings.accept_loss = true;
        assert_eq!(transfers_after_start(&restored), backed_up);
        assert!(fs::read(restored.beside("-wal.aside-1")).unwrap() == log);
    }
}

/// Two copies of one file that both went on count the same commits.
#[test]
fn the_log_of_a_twin_is_not_taken_for_the_files_own() {
    let file = TestFile::new();
    drop(file.open());
    let twin = copied(&file, &[""]);
    let (store, store_of_twin) = (file.open(), twin.open());
    top_up(&Trade::of_key(&store, 1), 3);
    let trade_of_twin = Trade::of_key(&store_of_twin, 1);
    top_up(&trade_of_twin, 3);
    let mixed = copied(&file, &[""]);
    copy(&copied_in_use(&twin, &trade_of_twin), &mixed, &["-wal"]);
    both_refuse(&mixed, &["does not belong"]);
}

#[test]
fn an_older_log_beside_a_newer_file_is_refused() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    top_up(&trade, 10);
    let older = copied_in_use(&file, &trade);
    wait_until_settled(&file);
    top_up(&trade, 10);
    wait_until_settled(&file);
    let mixed = copied(&file, &[""]);
    copy(&older, &mixed, &["-wal"]);
    both_refuse(&mixed, &["does not belong"]);
}

#[test]
fn the_log_of_another_program_is_refused() {
    let file = TestFile::new();
    drop(file.open());
    let other = TestFile::new();
    let connection = other.sqlite();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE photo (id INTEGER PRIMARY KEY);")
        .unwrap();
    let mixed = copied(&file, &[""]);
    copy(&other, &mixed, &["-wal"]);
    both_refuse(&mixed, &["does not belong", "another program"]);
}

/// SQLite copies a consistent state, which needs no log. Each copy goes on by itself, and
/// can be copied again.
#[test]
fn a_copy_that_sqlite_makes_of_a_running_file_is_whole() {
    let file = TestFile::new();
    let mut sources = vec![file];
    for _ in 0..3 {
        let source = sources.last().unwrap();
        let store = source.open();
        let topped_up = count_after(source, &Trade::of_key(&store, 1), 5);
        let backup = TestFile::new();
        source
            .sqlite()
            .execute("VACUUM INTO ?1", [backup.path.to_str().unwrap()])
            .unwrap();
        assert_eq!(transfers(&backup), topped_up);
        assert_eq!(transfers_after_start(&backup), topped_up);
        // Copied as a file while its service runs, it needs its log again.
        let store_of_backup = backup.open();
        let in_use = copied_in_use(&backup, &Trade::of_key(&store_of_backup, 2));
        both_refuse(&copied(&in_use, &[""]), &["missing"]);
        store_of_backup.close();
        drop(store_of_backup);
        store.close();
        drop(store);
        sources.push(TestFile::copy_of(source));
    }
}

/// SQLite moves the log into the file and removes it. An operator may look at a file so.
#[test]
fn a_killed_file_that_another_program_has_recovered_is_whole() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    for times in [0, 30] {
        top_up(&trade, times);
        let killed = copied_in_use(&file, &trade);
        let expected = transfers(&copied(&killed, &["", "-wal"]));
        let read: i64 = killed
            .sqlite()
            .query_row("SELECT count(*) FROM transfer", [], |row| row.get(0))
            .unwrap();
        assert_eq!(read.unsigned_abs(), expected);
        assert!(!killed.beside("-wal").exists());
        assert_eq!(transfers_after_start(&killed), expected);
    }
}

/// While another program reads an older state, commits go on, and the file is marked as
/// soon as it ends.
#[test]
fn a_long_read_of_another_program_delays_the_mark_and_no_commit() {
    let file = TestFile::new();
    let store = file.open();
    let reader = file.sqlite();
    reader.execute_batch("BEGIN; SELECT count(*) FROM transfer").unwrap();
    let trade = Trade::of_key(&store, 1);
    top_up(&trade, 5);
    reader.execute_batch("COMMIT").unwrap();
    thread::sleep(Duration::from_secs(3));
    let in_use = copied_in_use(&file, &trade);
    both_refuse(&copied(&in_use, &[""]), &["missing"]);
}

/// The log of an idle store reaches the file although a reader of the newest state keeps
/// the log from being emptied. The next commit must mark the file open again.
#[test]
fn a_reader_of_an_idle_file_hides_no_later_loss() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    let reader = file.sqlite();
    reader.execute_batch("BEGIN; SELECT count(*) FROM transfer").unwrap();
    thread::sleep(Duration::from_millis(500));
    reader.execute_batch("COMMIT").unwrap();
    let in_use = copied_in_use(&file, &trade);
    both_refuse(&copied(&in_use, &[""]), &["missing"]);
}

#[test]
fn accepting_a_loss_changes_nothing_for_a_whole_file() {
    let mut file = TestFile::new();
    file.settings.accept_loss = true;
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    top_up(&trade, 10);
    let mut killed = copied_in_use(&file, &trade);
    let topped_up = transfers(&copied(&killed, &["", "-wal"]));
    killed.settings.accept_loss = true;
    assert_eq!(transfers_after_start(&killed), topped_up);
    assert!(!killed.beside("-wal.aside-1").exists());
}

#[test]
fn a_hard_link_is_the_same_file() {
    let file = TestFile::new();
    let _store = file.open();
    let mut linked = TestFile::new();
    let link = file.path.with_file_name("linked.db");
    linked.settings.place = link.clone().into();
    fs::hard_link(&file.path, &link).unwrap();
    let refusal = linked.try_open().unwrap_err();
    assert!(matches!(refusal, OpenError::InUse { .. }), "{refusal}");
    assert!(!beside(&link, "-wal").exists());
}

#[test]
fn a_removed_lock_file_lets_no_second_store_in() {
    let file = TestFile::new();
    let _store = file.open();
    fs::remove_file(file.beside(".lock")).unwrap();
    let refusal = file.try_open().unwrap_err();
    assert!(matches!(refusal, OpenError::InUse { .. }), "{refusal}");
}

#[test]
fn a_schema_of_another_build_is_refused() {
    for change in [
        "ALTER TABLE escrow ADD COLUMN colour TEXT",
        "DROP TRIGGER transfer_is_never_deleted",
    ] {
        let file = TestFile::new();
        drop(file.open());
        file.sqlite().execute_batch(change).unwrap();
        let before = names_beside(&file.path);
        let refusal = file.try_open().unwrap_err();
        assert!(matches!(refusal, OpenError::OtherSchema { .. }), "{change}: {refusal}");
        assert!(refusal.to_string().contains("another build"), "{refusal}");
        assert_eq!(names_beside(&file.path), before);
    }
}

#[test]
fn an_index_that_an_operator_added_is_no_other_schema() {
    let file = TestFile::new();
    drop(file.open());
    file.sqlite()
        .execute_batch("CREATE INDEX report ON escrow (state)")
        .unwrap();
    drop(file.open());
}

fn names_beside(path: &Path) -> Vec<(String, u32)> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(Result::unwrap);
    let mut names: Vec<_> = entries
        .map(|entry| {
            let mode = entry.metadata().unwrap().permissions().mode();
            (entry.file_name().into_string().unwrap(), mode)
        })
        .collect();
    names.sort();
    names
}

/// Writes until the store refuses, which it must do within a few seconds, and returns the
/// number of successes.
#[track_caller]
fn write_until_gone(store: &Store, words: &[&str]) -> u64 {
    let started = Instant::now();
    for acknowledged in 0.. {
        match wait_for(store.write(|tx| tx.insert_merchant(None, None))) {
            Ok(_) => assert!(started.elapsed() < Duration::from_secs(20), "the store goes on"),
            Err(Error::FileGone(problem)) => {
                for word in words {
                    assert!(problem.contains(word), "{word:?} is not in {problem:?}");
                }
                return acknowledged;
            }
            Err(other) => panic!("{other:?}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
    unreachable!()
}

#[test]
fn a_removed_or_replaced_file_stops_the_store() {
    type Change = fn(&TestFile);
    let changes: [(&str, Change); 4] = [
        ("removed", |file| fs::remove_file(&file.path).unwrap()),
        ("removed", |file| fs::rename(&file.path, file.beside(".moved")).unwrap()),
        ("replaced", |file| {
            fs::copy(&file.path, file.beside(".copy")).unwrap();
            fs::rename(file.beside(".copy"), &file.path).unwrap();
        }),
        ("removed", |file| {
            fs::remove_dir_all(file.path.parent().unwrap()).unwrap();
        }),
    ];
    for (word, change) in changes {
        let file = TestFile::new();
        let (store, ended) = file.try_open().unwrap();
        change(&file);
        write_until_gone(&store, &[word, file.path.to_str().unwrap(), "restore a backup"]);
        let outcome = wait_for(outcome_of(ended));
        assert!(matches!(outcome, Err(Error::FileGone(_))), "{outcome:?}");
        let later = wait_for(store.write(|tx| tx.insert_merchant(None, None)));
        assert!(matches!(later, Err(Error::FileGone(_))), "{later:?}");
        let health = wait_for(store.check_health());
        assert!(matches!(health, Err(Error::FileGone(_))), "{health:?}");
    }
}

#[test]
fn an_idle_store_notices_that_its_file_is_gone() {
    let file = TestFile::new();
    let (_store, ended) = file.try_open().unwrap();
    fs::remove_file(&file.path).unwrap();
    let outcome = wait_for(outcome_of(ended));
    assert!(matches!(outcome, Err(Error::FileGone(_))), "{outcome:?}");
}

/// The questions come more often than the writer looks at its files, and none of them ends its pause.
#[test]
fn a_store_that_is_asked_for_its_health_all_the_time_moves_its_log_and_notices_that_its_file_is_gone() {
    let file = TestFile::new();
    let (store, _ended) = file.try_open().unwrap();
    write(&store, |tx| tx.insert_merchant(None, None));
    let started = Instant::now();
    let ask = || {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "the questions keep the writer from its work"
        );
        thread::sleep(Duration::from_millis(50));
        wait_for(store.check_health())
    };
    while log_bytes(&file) > 0 {
        ask().unwrap();
    }
    fs::remove_file(&file.path).unwrap();
    let gone = loop {
        if let Err(error) = ask() {
            break error;
        }
    };
    assert!(matches!(gone, Error::FileGone(_)), "{gone:?}");
}

/// The store still has the log open and copies it into the file before it stops.
#[test]
fn a_removed_log_stops_the_store_and_loses_nothing() {
    let lose_log = |_| {
        let file = TestFile::new();
        let (store, ended) = file.try_open().unwrap();
        fs::remove_file(file.beside("-wal")).unwrap();
        let acknowledged = write_until_gone(&store, &["-wal", "removed"]);
        assert!(wait_for(outcome_of(ended)).is_err());
        (file, acknowledged)
    };
    // A store that sees the loss before its first command acknowledges none.
    let mut lost = (0..5).map(lose_log);
    let (file, acknowledged) = lost.find(|(_, acknowledged)| *acknowledged > 0).unwrap();
    let alone = copied(&file, &[""]);
    let store = alone.open();
    store.close();
    drop(store);
    assert_eq!(alone.audit().merchants, acknowledged);
}

/// Without the index the locks of SQLite are gone, and another program would write into the log at
/// the same place as the store.
#[test]
fn a_removed_or_replaced_index_of_the_log_stops_the_store_before_it_writes_on() {
    for is_replaced in [false, true] {
        let file = TestFile::new();
        let (store, ended) = file.try_open().unwrap();
        write(&store, |tx| tx.insert_merchant(None, None));
        let index = file.beside("-shm");
        if is_replaced {
            fs::copy(&index, file.beside(".index")).unwrap();
            fs::rename(file.beside(".index"), &index).unwrap();
        } else {
            fs::remove_file(&index).unwrap();
        }
        let words = ["-shm", if is_replaced { "replaced" } else { "removed" }, "start again"];
        assert_eq!(write_until_gone(&store, &words), 0);
        assert!(wait_for(outcome_of(ended)).is_err());
        drop(store);
        // This process still has the index that was removed, and would open it again.
        let alone = copied(&file, &["", "-wal"]);
        let store = alone.open();
        store.close();
        drop(store);
        let audit = alone.audit();
        assert_eq!((audit.findings, audit.merchants), (vec![], 1));
    }
}

#[test]
fn an_idle_store_notices_that_the_index_of_its_log_is_gone() {
    let file = TestFile::new();
    let (_store, ended) = file.try_open().unwrap();
    fs::remove_file(file.beside("-shm")).unwrap();
    let outcome = wait_for(outcome_of(ended));
    assert!(matches!(outcome, Err(Error::FileGone(_))), "{outcome:?}");
}

#[test]
fn a_health_check_writes_nothing_to_the_disk() {
    let file = TestFile::new();
    let store = file.open();
    write(&store, |tx| tx.insert_merchant(None, None));
    wait_until_settled(&file);
    for _ in 0..100 {
        wait_for(store.check_health()).unwrap();
    }
    assert_eq!(log_bytes(&file), 0);
    store.close();
    let health = wait_for(store.check_health());
    assert!(matches!(health, Err(Error::Stopped)), "{health:?}");
}
