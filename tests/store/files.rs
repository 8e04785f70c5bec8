//! Creating, opening and refusing database files. A refused file is left untouched.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use escrowd::domain::mode::Mode;
use escrowd::store::{Error, OpenError, backup};
use rusqlite::Connection;

use crate::helpers::{
    TestFile, Trade, beside, copied_in_use, history, is_named, name_merchant, outcome_of, wait_for, write,
};

/// Returns every file in a folder with its bytes, except the lock.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .filter(|(name, _)| Path::new(name).extension().is_none_or(|extension| extension != "lock"))
        .collect()
}

/// Asserts that the store refuses the file with these words and leaves its folder
/// unchanged.
#[track_caller]
fn refuses(file: &TestFile, words: &[&str]) {
    let folder = file.path.parent().unwrap();
    let before = contents(folder);
    let refusal = file.refusal();
    for word in words.iter().chain(&[file.path.to_str().unwrap()]) {
        assert!(refusal.contains(word), "{word:?} is not in {refusal:?}");
    }
    assert_eq!(contents(folder), before, "the refusal touched the folder");
}

/// Creates a sound, closed file with a history.
fn used_file() -> TestFile {
    let file = TestFile::new();
    let store = file.open();
    history(&store, &file.clock);
    store.close();
    file
}

/// Creates a file in the state after a killed process: the last commits are in the
/// write-ahead log.
fn killed_file() -> TestFile {
    let running = TestFile::new();
    let store = running.open();
    history(&store, &running.clock);
    copied_in_use(&running, &Trade::of_key(&store, 1))
}

#[test]
fn a_missing_file_is_created() {
    let file = TestFile::new();
    let store = file.open();
    write(&store, name_merchant("ada"));
    store.close();
    file.assert_sound();
}

#[test]
fn an_empty_file_becomes_a_database() {
    let file = TestFile::new();
    fs::write(&file.path, "").unwrap();
    let store = file.open();
    write(&store, name_merchant("ada"));
    store.close();
    file.assert_sound();
}

#[test]
fn a_half_created_file_of_a_crash_is_replaced() {
    let file = TestFile::new();
    fs::write(file.beside(".new"), "half a da").unwrap();
    fs::write(file.beside(".new-journal"), "half a journal").unwrap();
    let store = file.open();
    write(&store, name_merchant("ada"));
    store.close();
    assert!(!file.beside(".new").exists());
    assert!(!file.beside(".new-journal").exists());
    file.assert_sound();
}

#[test]
fn a_file_opened_again_is_as_it_was() {
    let file = TestFile::new();
    let store = file.open();
    write(&store, name_merchant("ada"));
    store.close();
    drop(store);
    let store = file.open();
    assert!(is_named(&store, "ada"));
    assert!(!is_named(&store, "ben"));
}

#[test]
fn after_close_the_log_is_in_the_file() {
    let file = TestFile::new();
    let store = file.open();
    let history = history(&store, &file.clock);
    store.close();
    let log = fs::metadata(file.beside("-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0);

    // The file is complete without the log.
    let alone = TestFile::copy_of(&file);
    let state: String = alone
        .sqlite()
        .query_row(
            "SELECT state FROM escrow WHERE id = ?1",
            [history.closed.number()],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(state, "CLOSED");
    alone.assert_sound();
}

#[test]
fn commits_of_a_killed_process_are_recovered() {
    let killed = killed_file();
    let before = killed.audit();
    let store = killed.open();
    assert_eq!(killed.audit().transfers, before.transfers);
    assert!(before.transfers > 20);
    store.close();
    killed.assert_sound();
}

#[test]
fn a_link_to_the_file_is_the_same_file() {
    let file = TestFile::new();
    let _store = file.open();
    let mut linked = TestFile::new();
    std::os::unix::fs::symlink(&file.path, &linked.path).unwrap();
    let refusal = linked.try_open().unwrap_err();
    assert!(matches!(refusal, OpenError::InUse { .. }), "{refusal}");

    let nowhere = linked.path.with_file_name("nowhere.db");
    linked.settings.place = nowhere.clone().into();
    std::os::unix::fs::symlink(linked.path.with_file_name("gone.db"), &nowhere).unwrap();
    let refusal = linked.refusal();
    assert!(
        refusal.contains("nowhere.db") && refusal.contains("does not exist"),
        "{refusal}"
    );
    let is_link = fs::symlink_metadata(&nowhere).unwrap().is_symlink();
    assert!(is_link, "the store replaced the link");
}

#[test]
fn only_the_owner_reads_a_fresh_file() {
    use std::os::unix::fs::PermissionsExt;
    let file = TestFile::new();
    let _store = file.open();
    let mode = fs::metadata(&file.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_refusal_of_a_second_server_names_the_first() {
    let file = TestFile::new();
    let store = file.open();
    let folder = file.path.parent().unwrap();
    let before = contents(folder);
    let refusal = file.try_open().unwrap_err();
    assert!(matches!(refusal, OpenError::InUse { .. }));
    let refusal = refusal.to_string();
    let holder = format!("process id {}", std::process::id());
    for words in [file.path.to_str().unwrap(), &holder, "choose another file"] {
        assert!(refusal.contains(words), "{words:?} is not in {refusal:?}");
    }
    assert_eq!(contents(folder), before);
    write(&store, name_merchant("ada"));
}

#[test]
fn the_lock_is_free_again_when_its_holder_is_gone() {
    let file = TestFile::new();
    drop(file.open());
    let store = file.open();
    store.close();
    drop(store);
    file.open();
}

#[test]
fn a_lock_file_whose_process_was_killed_is_free() {
    let file = TestFile::new();
    fs::write(file.beside(".lock"), "the escrowd server with process id 1\n").unwrap();
    let store = file.open();
    let holder = file.refusal();
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    assert!(!holder.contains("process id 1;"), "{holder}");
    store.close();
}

#[test]
fn the_lock_is_held_until_the_last_command_has_run() {
    let file = TestFile::new();
    let store = file.open();
    let (started, has_started) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = store.clone();
        let abandoned = tokio::spawn(async move {
            store
                .write(move |tx| {
                    started.send(()).unwrap();
                    released.recv().unwrap();
                    tx.insert_merchant(Some("late"), None)
                })
                .await
        });
        tokio::task::yield_now().await;
        abandoned.abort();
    });
    drop(runtime);
    has_started.recv().unwrap();
    let dropping = thread::spawn(move || drop(store));
    thread::sleep(Duration::from_millis(50));

    assert!(
        matches!(file.try_open(), Err(OpenError::InUse { .. })),
        "two writers on one file"
    );
    release.send(()).unwrap();
    dropping.join().unwrap();
    assert!(is_named(&file.open(), "late"));
}

#[test]
fn a_text_file_is_refused() {
    for text in ["milk, bread", &"a shopping list ".repeat(100)] {
        let file = TestFile::new();
        fs::write(&file.path, text).unwrap();
        refuses(&file, &["not an escrowd file", "left untouched", "choose another file"]);
    }
}

#[test]
fn the_database_of_another_program_is_refused() {
    for application_id in [0, 0x4553_4353] {
        let file = TestFile::new();
        let other = file.sqlite();
        other.pragma_update(None, "application_id", application_id).unwrap();
        other
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE photo (id INTEGER PRIMARY KEY);")
            .unwrap();
        drop(other);
        refuses(
            &file,
            &["not an escrowd file", "another program", "choose another file"],
        );
    }
}

#[test]
fn the_database_of_another_program_is_left_alone_with_its_log() {
    let file = TestFile::new();
    let other = file.sqlite();
    other
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE photo (id INTEGER PRIMARY KEY);")
        .unwrap();
    refuses(&file, &["not an escrowd file", "choose another file"]);
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let file = used_file();
    file.sqlite().pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(
        file.try_open(),
        Err(OpenError::TooNew { found: 3, known: 2, .. })
    ));
    refuses(&file, &["schema version 3", "newer escrowd", "left untouched"]);
}

#[test]
fn a_folder_is_refused_with_the_name_of_a_file_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = TestFile::new();
    file.settings.place = folder.path().to_owned().into();
    let error = file.refusal();
    let expected = format!(
        "it is a folder; name a file in it, such as {}/escrowd.db",
        folder.path().display()
    );
    assert!(error.ends_with(&expected), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_of_another_mode_or_currency_is_refused() {
    let mut file = used_file();
    file.settings.mode = Mode::Live;
    refuses(
        &file,
        &["sandbox mode in NGN", "live mode in NGN", "choose another file"],
    );
    file.settings.mode = Mode::Sandbox;
    file.settings.currency = "USD".to_owned();
    refuses(
        &file,
        &["sandbox mode in NGN", "sandbox mode in USD", "choose another file"],
    );
    file.settings.currency = "NGN".to_owned();
    file.open();
}

#[test]
fn a_file_without_its_instance_row_is_refused() {
    let file = used_file();
    file.sqlite().execute("DELETE FROM instance", []).unwrap();
    refuses(&file, &["not an escrowd file", "choose another file"]);
}

#[test]
fn a_truncated_file_is_refused_without_a_panic() {
    let file = used_file();
    let bytes = fs::read(&file.path).unwrap();
    for length in [1, 99, 100, 2_000, 5_000, bytes.len() - 1_000] {
        fs::write(&file.path, &bytes[..length]).unwrap();
        // There must be no panic. SQLite detects the loss of only some pages.
        if let Err(refusal) = file.try_open() {
            let refusal = refusal.to_string();
            assert!(refusal.contains(file.path.to_str().unwrap()), "{length}: {refusal}");
        } else {
            assert!(length > 2_000, "a file cut to {length} bytes was opened");
        }
    }
}

#[test]
fn a_log_whose_database_is_gone_is_not_mixed_into_a_fresh_one() {
    for is_empty in [false, true] {
        let killed = killed_file();
        if is_empty {
            fs::write(&killed.path, "").unwrap();
        } else {
            fs::remove_file(&killed.path).unwrap();
        }
        refuses(&killed, &["-wal", "restore"]);
    }
}

#[test]
fn a_fresh_file_does_not_hide_an_interrupted_restore() {
    let file = TestFile::new();
    fs::write(file.beside(".partial"), "the copy").unwrap();
    refuses(&file, &["a restore was interrupted", ".partial", "`escrowd restore`"]);
    fs::remove_file(file.beside(".partial")).unwrap();
    file.open();
}

#[test]
fn a_copy_under_way_is_not_called_an_interrupted_restore() {
    let file = TestFile::new();
    file.open().close();
    let mut copy = TestFile::new();
    copy.settings.place = beside(&file.path, ".copy").into();
    let mut refusals = Vec::new();
    let mut start = |_| {
        refusals.push(copy.refusal());
        ControlFlow::Continue(())
    };
    backup(&file.path, &beside(&file.path, ".copy"), &mut start).unwrap();
    let refusal = refusals.first().unwrap();
    assert!(
        refusal.contains("a copy to this name is under way") && refusal.contains("wait for its end"),
        "{refusal}"
    );
    copy.open();
}

#[test]
fn a_name_that_is_taken_during_a_copy_is_told_as_one_that_was_taken_before() {
    let file = TestFile::new();
    file.open().close();
    let to = beside(&file.path, ".copy");
    let mut take = |_| {
        fs::write(&to, "of another program").unwrap();
        ControlFlow::Continue(())
    };
    let refusal = backup(&file.path, &to, &mut take).unwrap_err().to_string();
    assert!(
        refusal.contains(".copy exists already; choose another name"),
        "{refusal}"
    );
    assert_eq!(fs::read(&to).unwrap(), b"of another program");
}

#[test]
fn a_missing_folder_is_named() {
    let mut file = TestFile::new();
    let missing = file.path.parent().unwrap().join("missing/test.db");
    file.settings.place = missing.clone().into();
    let refusal = file.refusal();
    assert!(refusal.contains(missing.to_str().unwrap()), "{refusal}");
    assert!(refusal.contains("folder exists"), "{refusal}");
    assert!(!missing.parent().unwrap().exists());
}

#[test]
fn a_folder_in_place_of_the_file_is_refused() {
    let file = TestFile::new();
    fs::create_dir(&file.path).unwrap();
    let refusal = file.refusal();
    assert!(refusal.contains(file.path.to_str().unwrap()), "{refusal}");
}

#[test]
fn a_backup_taken_while_the_store_runs_is_whole() {
    let file = TestFile::new();
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    trade.top_up("ada", 100_000);
    let copy = beside(&file.path, ".backup");
    file.sqlite()
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    trade.top_up("ada", 100_000);
    let audit = escrowd::store::audit(&copy.clone().into(), &mut |_, _| {}).unwrap();
    assert_eq!(audit.findings, []);
    assert_eq!(audit.transfers, 2);
}

/// The environment variable that names the database file to a test's child process.
const CHILD: &str = "ESCROWD_TEST_CHILD";

/// Runs a test of this program in a child process, under a shell that has set a limit.
#[track_caller]
fn run_limited(shell: &[&str], script: &str, test: &str, path: &Path) {
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .args(["sh", "-ec", &format!("{script}\nexec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, path)
        .output()
        .unwrap();
    let heard = [output.stderr, output.stdout].concat();
    let heard = String::from_utf8_lossy(&heard);
    assert!(output.status.success(), "{heard}");
    assert!(heard.contains("1 passed"), "{heard}");
}

/// Returns the file that the parent process chose, if this is a child process.
fn as_child() -> Option<TestFile> {
    let path = std::env::var_os(CHILD)?;
    let mut file = TestFile::new();
    file.path = path.into();
    file.settings.place = file.path.clone().into();
    Some(file)
}

#[test]
fn a_write_error_is_never_answered_with_success() {
    if let Some(file) = as_child() {
        let (store, writer_ended) = file.try_open().unwrap();
        let mut acknowledged = 0_u64;
        let failure = loop {
            match wait_for(store.write(move |tx| tx.insert_merchant(None, None))) {
                Ok(_) => acknowledged += 1,
                Err(failure) => break failure,
            }
            assert!(acknowledged < 10_000, "the limit was never met");
        };
        assert!(matches!(failure, Error::OutcomeUnknown(_)), "{failure:?}");
        let ended = wait_for(outcome_of(writer_ended));
        assert!(matches!(ended, Err(Error::OutcomeUnknown(_))), "{ended:?}");
        let later = wait_for(store.write(|tx| tx.insert_merchant(None, None)));
        assert!(matches!(later, Err(Error::Stopped)), "{later:?}");
        fs::write(beside(&file.path, ".acknowledged"), acknowledged.to_string()).unwrap();
        return;
    }
    let file = TestFile::new();
    // In the child no file may grow past 512 blocks of 512 bytes. A write beyond that
    // returns an error and raises no signal. The write-ahead log reaches the limit first.
    run_limited(
        &["env"],
        "trap '' XFSZ; ulimit -f 512",
        "files::a_write_error_is_never_answered_with_success",
        &file.path,
    );
    let acknowledged: u64 = fs::read_to_string(file.beside(".acknowledged"))
        .unwrap()
        .parse()
        .unwrap();
    let store = file.open();
    store.close();
    let audit = file.audit();
    assert_eq!(audit.findings, []);
    assert_eq!(audit.merchants, acknowledged);
}

#[test]
fn a_full_disk_refuses_writes_and_recovers_without_a_restart() {
    if let Some(file) = as_child() {
        full_disk(&file);
        return;
    }
    // A mount namespace of its own: as this user or, where that is forbidden, by sudo.
    let ways: [&[&str]; 2] = [&["unshare", "-rm"], &["sudo", "-nE", "unshare", "-m"]];
    let is_allowed = |way: &&&[&str]| {
        let output = Command::new(way[0]).args(&way[1..]).arg("true").output();
        output.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(is_allowed) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must run this test, but this user may not mount a small disk, also not by sudo"
        );
        eprintln!("skipped: this user may not mount a small disk");
        return;
    };
    let file = TestFile::new();
    let folder = file.path.parent().unwrap().to_str().unwrap();
    run_limited(
        way,
        &format!("mount -t tmpfs -o size=1m tmpfs '{folder}'"),
        "files::a_full_disk_refuses_writes_and_recovers_without_a_restart",
        &file.path,
    );
}

fn full_disk(file: &TestFile) {
    let store = file.open();
    let trade = Trade::of_key(&store, 1);
    trade.top_up("ada", 100_000);
    let merchants = || file.audit().merchants;
    // Another file fills the disk.
    let ballast = beside(&file.path, ".ballast");
    let fill_disk = || {
        for size in [65_536, 4_096] {
            let mut grown = fs::read(&ballast).unwrap_or_default();
            loop {
                let fits = grown.len();
                grown.resize(fits + size, 1);
                if fs::write(&ballast, &grown).is_err() {
                    grown.truncate(fits);
                    fs::write(&ballast, &grown).unwrap();
                    break;
                }
            }
        }
    };
    for _ in 0..3 {
        fill_disk();
        let mut acknowledged = merchants();
        let failure = loop {
            match wait_for(store.write(|tx| tx.insert_merchant(None, None))) {
                Ok(_) => acknowledged += 1,
                Err(failure) => break failure,
            }
        };
        assert!(matches!(failure, Error::StorageFull), "{failure:?}");
        assert_eq!(merchants(), acknowledged, "a reader sees only whole commands");
        fs::remove_file(&ballast).unwrap();
        write(&store, |tx| tx.insert_merchant(None, None));
        assert_eq!(merchants(), acknowledged + 1);
    }
    store.close();
    file.assert_sound();
    let connection = Connection::open(&file.path).unwrap();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}
