//! A database whose write-ahead log is missing or belongs to another file, and a database
//! that two servers would share or that disappears under its server.

use std::fs;
use std::io::Read;

use crate::helpers::{RunningServer, WorkFolder, get, stderr, stdout};
use crate::waiting::{until_in_a_row, until_some};

const DATABASE: [&str; 2] = ["--database", "test.db"];

/// Makes customers appear, each with a transfer of its opening balance.
fn write(server: &RunningServer, customers: u32) {
    for customer in 0..customers {
        let customer = format!("customer-{customer}");
        assert_eq!(get(&server.url("/v1/wallet"), &[("customer-id", &customer)]).0, 200);
    }
}

/// Asserts that a check and a start both refuse the file with these words.
#[track_caller]
fn assert_refused(folder: &WorkFolder, words: &[&str]) {
    let check = folder.run(&["check", "test.db"]);
    let serve = folder.run(&["--listen", "127.0.0.1:0", "--database", "test.db"]);
    for output in [check, serve] {
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
    }
}

fn copy(from: &WorkFolder, to: &WorkFolder, names: &[&str]) {
    for name in names {
        fs::copy(from.path().join(name), to.path().join(name)).unwrap();
    }
}

/// Lets more and more customers appear and kills the server, until it has not moved its log into
/// the file. Returns the number of customers.
fn kill_in_use(folder: &WorkFolder, mut server: RunningServer) -> u32 {
    let mut customers = 20;
    loop {
        write(&server, customers);
        drop(server);
        if log_bytes(folder) > 0 {
            return customers;
        }
        customers += 20;
        server = folder.serve(&DATABASE);
    }
}

fn log_bytes(folder: &WorkFolder) -> u64 {
    fs::metadata(folder.path().join("test.db-wal")).unwrap().len()
}

/// Waits until the log has moved into the file. The mark is closed in a commit of its own, after the
/// log is empty for the first time.
#[track_caller]
fn wait_until_settled(folder: &WorkFolder) {
    until_in_a_row("the log has moved into the file", 100, || log_bytes(folder) == 0);
}

/// Waits for the end of a server that must stop by itself.
#[track_caller]
fn assert_ends(server: &mut RunningServer) -> Option<i32> {
    until_some("the server ends", || server.try_wait()).code()
}

#[test]
fn a_copy_of_a_running_file_is_refused_until_the_loss_is_accepted() {
    let folder = WorkFolder::new();
    let server = folder.serve(&DATABASE);
    let copied = WorkFolder::new();
    let mut customers = 0;
    loop {
        customers += 20;
        write(&server, customers);
        copy(&folder, &copied, &["test.db", "test.db-wal"]);
        if log_bytes(&copied) > 0 {
            break;
        }
    }
    fs::remove_file(copied.path().join("test.db-wal")).unwrap();
    assert_refused(&copied, &["is missing or empty", "transfer", "--accept-loss"]);

    let log = copied.path().join("log.txt");
    let accepted = copied.serve_with_log(&["--database", "test.db", "--accept-loss"], &log);
    assert_eq!(get(&accepted.url("/healthz"), &[]).0, 200);
    drop(accepted);
    let said = fs::read_to_string(log).unwrap();
    assert!(
        said.contains("accepted the loss") && said.contains("test.db-wal"),
        "{said}"
    );
}

/// PostgreSQL has no log beside a file. A start that took the option would seem to have accepted a loss.
#[test]
fn the_loss_of_a_log_is_not_accepted_for_postgresql() {
    let database = ["--database", "postgres://127.0.0.1:1/escrow", "--accept-loss"];
    let output = WorkFolder::new().run(&database);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("--accept-loss is for files"), "{said}");
}

/// A start that took the options would seem to have accepted something.
#[test]
fn options_that_would_accept_nothing_are_refused() {
    let folder = WorkFolder::new();
    let for_kept = "--accept-loss is for a database that was kept";
    let for_live = "--accept-clock is for mode \"live\"";
    for (arguments, told) in [
        (&["--ephemeral", "--accept-loss"][..], for_kept),
        (&["--ephemeral", "--accept-clock"], for_live),
        (&["--database", "test.db", "--accept-clock"], for_live),
    ] {
        let output = folder.run(&[&["--listen", "192.0.2.1:1"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The clock of a live database that lay for long is confirmed by one start, however short, also if
/// no client writes meanwhile. Commands on the file take no such option.
#[test]
fn an_accepted_clock_stays_accepted() {
    let folder = WorkFolder::new();
    folder.write("config.toml", "mode = \"live\"\n");
    let make = |name: &str| folder.run(&["operator", "create", name, "--role", "admin"]);
    assert!(make("Ada").status.success());
    let file = rusqlite::Connection::open(folder.path().join("escrowd.db")).unwrap();
    let age = "UPDATE file_mark SET ledger_time = ledger_time - 5 * 86400000";
    file.execute(age, []).unwrap();
    drop(file);
    let refused = make("Ben");
    assert!(stderr(&refused).contains("--accept-clock"), "{refused:?}");

    let mut accepted = folder.serve(&["--accept-clock"]);
    accepted.signal("-TERM");
    assert_eq!(accepted.wait().code(), Some(0));
    let accepted = make("Ben");
    assert!(accepted.status.success(), "{accepted:?}");
    let server = folder.serve(&[]);
    assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
}

/// A start that took the setting would seem to make backups.
#[test]
fn a_folder_for_backups_is_not_accepted_for_postgresql() {
    let folder = WorkFolder::new();
    folder.write("config.toml", "[backups]\nfolder = \"backups\"\n");
    let database = ["--database", "postgres://127.0.0.1:1/escrow"];
    for arguments in [&["serve"][..], &["config"]] {
        let output = folder.run(&[arguments, &database].concat());
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(
            said.contains("backups.folder is for files") && said.contains("pg_basebackup"),
            "{said}"
        );
    }
}

/// The file alone says what it was made for, also if its last commits are lost or a newer version made it.
#[test]
fn a_database_of_another_mode_is_not_replaced_although_its_log_is_lost() {
    let folder = WorkFolder::new();
    drop(folder.serve(&["--database", "sandbox.db"]));
    folder.write("live.toml", "mode = \"live\"\n");
    let live = ["--config", "live.toml", "--database", "test.db"];
    let mut server = folder.serve(&live);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    let file = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
    let assert_kept = |words: &str| {
        let check = folder.run(&["check", "test.db"]);
        assert!(stderr(&check).contains(words), "{check:?}");
        for arguments in [
            &["restore", "sandbox.db", "test.db", "--replace"][..],
            &["snapshot", "load", "sandbox.db", "--database", "test.db", "--replace"],
        ] {
            let refused = folder.run(arguments);
            let said = stderr(&refused);
            assert!(said.contains("test.db was made for live mode"), "{refused:?}");
            assert_eq!(refused.status.code(), Some(1));
        }
        assert!(!folder.path().join("test.db.replaced-1").exists());
    };
    file.execute("UPDATE file_mark SET is_open = 1", []).unwrap();
    file.pragma_update(None, "wal_checkpoint", "truncate").unwrap();
    drop(file);
    for log in ["test.db-wal", "test.db-shm"] {
        drop(fs::remove_file(folder.path().join(log)));
    }
    assert_kept("is missing or empty");

    // A newer version can have made it.
    let bytes = fs::read(folder.path().join("test.db")).unwrap();
    let mut newer = bytes.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(folder.path().join("test.db"), newer).unwrap();
    assert_kept("version 99");
}

#[test]
fn a_killed_server_needs_its_log_and_starts_with_it() {
    let folder = WorkFolder::new();
    let customers = kill_in_use(&folder, folder.serve(&DATABASE));
    let without = WorkFolder::new();
    copy(&folder, &without, &["test.db"]);
    assert_refused(&without, &["is missing or empty"]);

    let mut server = folder.serve(&DATABASE);
    write(&server, 1);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    let check = folder.run(&["check", "test.db"]);
    let transfers = format!("transfers {customers},");
    assert!(stdout(&check).contains(&transfers), "{}", stdout(&check));

    // After a clean stop, the file alone is whole.
    let copied = WorkFolder::new();
    copy(&folder, &copied, &["test.db"]);
    let check = copied.run(&["check", "test.db"]);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
    assert!(
        !copied.path().join("test.db-wal").exists(),
        "the check left a file behind"
    );
    write(&copied.serve(&DATABASE), 20);
}

#[test]
fn a_restored_file_beside_a_newer_log_is_refused_and_not_called_damaged() {
    let folder = WorkFolder::new();
    let mut server = folder.serve(&DATABASE);
    write(&server, 5);
    server.signal("-TERM");
    server.wait();
    let backup = WorkFolder::new();
    copy(&folder, &backup, &["test.db"]);
    let server = folder.serve(&DATABASE);
    write(&server, 10);
    wait_until_settled(&folder);
    kill_in_use(&folder, server);
    copy(&folder, &backup, &["test.db-wal"]);
    assert_refused(&backup, &["test.db-wal does not belong to", "move the log away"]);
    fs::remove_file(backup.path().join("test.db-wal")).unwrap();
    let check = backup.run(&["check", "test.db"]);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
}

#[test]
fn a_second_server_is_refused_on_a_hard_link_and_without_the_lock_file() {
    let folder = WorkFolder::new();
    let server = folder.serve(&DATABASE);
    write(&server, 1);
    fs::hard_link(folder.path().join("test.db"), folder.path().join("link.db")).unwrap();
    fs::remove_file(folder.path().join("test.db.lock")).unwrap();
    for database in ["link.db", "test.db"] {
        let second = folder.run(&["--listen", "127.0.0.1:0", "--database", database]);
        assert_eq!(second.status.code(), Some(1));
        assert!(stderr(&second).contains("in use"), "{}", stderr(&second));
    }
    assert!(!folder.path().join("link.db-wal").exists());
    write(&server, 2);
}

/// The log of an idle service is empty, as a new database is.
#[test]
fn a_file_beside_a_database_is_taken_for_no_database() {
    let folder = WorkFolder::new();
    let mut server = folder.serve(&DATABASE);
    write(&server, 1);
    wait_until_settled(&folder);
    for suffix in ["-wal", "-shm", "-journal", ".lock", ".partial"] {
        let name = format!("test.db{suffix}");
        let second = folder.run(&["--listen", "127.0.0.1:0", "--database", &name]);
        assert_eq!(second.status.code(), Some(1), "{name}");
        assert!(
            stderr(&second).contains("it belongs to the database"),
            "{}",
            stderr(&second)
        );
    }
    write(&server, 2);
    server.signal("-TERM");
    assert!(server.wait().success());
}

#[test]
fn a_server_whose_file_is_removed_stops_acknowledging_and_ends() {
    let folder = WorkFolder::new();
    let log = folder.path().join("log.txt");
    let mut server = folder.serve_with_log(&DATABASE, &log);
    write(&server, 1);
    fs::remove_file(folder.path().join("test.db")).unwrap();
    let code = assert_ends(&mut server);
    assert_eq!(code, Some(1));
    let said = fs::read_to_string(log).unwrap();
    assert!(said.contains("test.db was removed"), "{said}");
    assert_eq!(said.matches("writer stopped").count(), 1, "{said}");
}

#[test]
fn a_signal_that_reloads_other_servers_does_not_end_this_one() {
    let folder = WorkFolder::new();
    let log = folder.path().join("log.txt");
    let server = folder.serve_with_log(&DATABASE, &log);
    for (signal, told) in [
        ("HUP", "the configuration has not changed"),
        ("USR1", "does nothing"),
        ("USR2", "does nothing"),
    ] {
        server.signal(&format!("-{signal}"));
        let line = until_some("a signal is told", || {
            let said = fs::read_to_string(&log).unwrap();
            let line = said.lines().find(|line| line.contains(&format!("SIG{signal}")));
            line.map(str::to_owned)
        });
        assert!(line.contains(told), "{line}");
        assert_eq!(get(&server.url("/healthz"), &[]).0, 200, "{signal}");
    }
}

#[test]
fn a_failed_bind_leaves_no_database_behind() {
    let folder = WorkFolder::new();
    let server = folder.serve(&["--database", "one.db"]);
    let second = folder.run(&["--database", "two.db", "--listen", &server.address]);
    assert_eq!(second.status.code(), Some(1));
    let entries = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
    let of_second: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("two"))
        .collect();
    assert_eq!(of_second, [""; 0]);
}

/// A probe that asks often must not wear out the disk.
#[test]
fn a_health_check_does_not_write() {
    let folder = WorkFolder::new();
    let server = folder.serve(&DATABASE);
    write(&server, 1);
    wait_until_settled(&folder);
    let content = || {
        let mut bytes = Vec::new();
        for name in ["test.db", "test.db-wal"] {
            fs::File::open(folder.path().join(name))
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
        }
        bytes
    };
    let before = content();
    for _ in 0..20 {
        assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
    }
    assert!(content() == before, "a health check wrote to the disk");
}
