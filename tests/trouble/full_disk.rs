//! A full disk. The service refuses writes and answers reads, and accepts writes again once
//! there is room.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::client::{Start, assert_topped_up, skip, top_up, try_to_serve};
use crate::helpers::{WorkFolder, get, stderr, stdout};
use crate::released::{FILES, SCHEMAS, statements, statements_of};
use crate::small_disk::SmallDisk;

/// The longest wait for a line of the log.
const LOG_TIME_MAX: Duration = Duration::from_secs(5);
/// Far more top-ups than the disk has room for.
const ACKNOWLEDGED_MAX: u64 = 2_000;

/// Tops up from several clients at once until the server has refused each several times in
/// a row. Returns the number of acknowledged top-ups.
fn top_up_until_refused(url: &str) -> u64 {
    let client = || {
        let (mut acknowledged, mut refused_in_a_row) = (0, 0);
        while refused_in_a_row < 5 {
            let (status, body) = top_up(url);
            assert!(
                acknowledged < ACKNOWLEDGED_MAX,
                "the server accepts every write although the disk is full"
            );
            if status == 200 {
                (acknowledged, refused_in_a_row) = (acknowledged + 1, 0);
                continue;
            }
            assert_eq!(status, 503, "{body}");
            let names_the_cause = body.contains("\"storage_full\"") || body.contains("\"storage_failing\"");
            assert!(names_the_cause, "{body}");
            refused_in_a_row += 1;
        }
        acknowledged
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

#[test]
fn on_a_full_disk_the_service_refuses_only_writes_and_recovers_by_itself() {
    let work_folder = WorkFolder::new();
    let Some(disk) = SmallDisk::mount(work_folder.path(), "2m") else {
        skip("this user may not mount a small disk, also not by sudo");
        return;
    };
    let log_folder = WorkFolder::new();
    let log = log_folder.path().join("log");
    let mut server = work_folder.serve_with_log(&["--database", "test.db"], &log);
    let url = server.url("");
    assert_eq!(top_up(&url).0, 200);
    let mut acknowledged = 1;
    for _ in 0..3 {
        disk.fill();
        acknowledged += top_up_until_refused(&url);
        assert_topped_up(&url, acknowledged);
        let (health, body) = get(&server.url("/healthz"), &[]);
        assert_eq!(health, 503, "while writes are refused: {body}");
        let (ready, body) = get(&server.url("/readyz"), &[]);
        assert!(ready == 503 && body.contains("storage_full"), "{body}");
        let check = work_folder.run(&["check", "test.db"]);
        assert!(check.status.success(), "{}{}", stdout(&check), stderr(&check));

        disk.make_room();
        let (health, body) = get(&server.url("/healthz"), &[]);
        assert_eq!(health, 200, "it recovers without another write: {body}");
        let (status, body) = top_up(&url);
        assert_eq!(status, 200, "{body}");
        acknowledged += 1;
        assert_topped_up(&url, acknowledged);
    }
    let told = |line: &str| fs::read_to_string(&log).unwrap().matches(line).count();
    for line in [
        "test.db is full; writes are refused until there is room",
        "test.db has room again",
    ] {
        let begin = Instant::now();
        while told(line) < 3 && begin.elapsed() < LOG_TIME_MAX {
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(told(line), 3, "{line}:\n{}", fs::read_to_string(&log).unwrap());
    }

    // A server that stops without room for its last checkpoint keeps the write-ahead log.
    disk.fill();
    acknowledged += top_up_until_refused(&url);
    server.signal("-TERM");
    server.wait();
    disk.make_room();
    let server = work_folder.serve(&["--database", "test.db"]);
    assert_topped_up(&server.url(""), acknowledged);
    drop(server);
    let check = work_folder.run(&["check", "test.db"]);
    assert!(check.status.success(), "{}{}", stdout(&check), stderr(&check));
}

#[test]
fn a_backup_to_a_full_disk_leaves_nothing_there() {
    let work_folder = WorkFolder::new();
    let small = work_folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let Some(disk) = SmallDisk::mount(&small, "2m") else {
        skip("this user may not mount a small disk, also not by sudo");
        return;
    };
    let server = work_folder.serve(&["--database", "test.db"]);
    assert_eq!(top_up(&server.url("")).0, 200);
    disk.fill();
    let backup = work_folder.run(&["backup", "test.db", "small/copy.db"]);
    assert_eq!(backup.status.code(), Some(1));
    let said = stderr(&backup);
    assert!(said.contains("there is no room for small/copy.db"), "{said}");
    assert_eq!(names(&small), ["ballast"]);
    assert_topped_up(&server.url(""), 1);
    disk.make_room();
    let backup = work_folder.run(&["backup", "test.db", "small/copy.db"]);
    assert!(backup.status.success(), "{backup:?}");
}

/// Files of the first version, on disks with room for more and more: no copy fits, then the
/// copy only, then the migration in the log only, then all of it.
#[test]
fn a_migration_without_room_leaves_the_old_file_or_the_new_one() {
    let mut outcomes = Vec::new();
    for kib in (400..=640).step_by(30).chain([4_096]) {
        let work_folder = WorkFolder::new();
        let Some(_disk) = SmallDisk::mount(work_folder.path(), &format!("{kib}k")) else {
            skip("this user may not mount a small disk, also not by sudo");
            return;
        };
        let database = work_folder.path().join("test.db");
        FILES[1].write(&database);
        let log = WorkFolder::new();
        let mut command = work_folder.command(&["--listen", "127.0.0.1:0", "--database"]);
        command.arg(&database);
        let outcome = match try_to_serve(command, log.path()) {
            Start::Served { .. } => "migrated",
            Start::Refused { code, said } => {
                assert_eq!(code, Some(1), "{said}");
                assert!(said.contains("make room"), "{said}");
                let is_committed = said.contains("the migration itself is done");
                assert!(is_committed || said.contains("nothing was changed"), "{said}");
                // SQLite would move the log into the file, for which there is no room.
                let elsewhere = WorkFolder::new();
                let copy = elsewhere.path().join("test.db");
                fs::copy(&database, &copy).unwrap();
                if is_committed {
                    let log = work_folder.path().join("test.db-wal");
                    fs::copy(log, elsewhere.path().join("test.db-wal")).unwrap();
                }
                let connection = Connection::open(&copy).unwrap();
                let schema = SCHEMAS[usize::from(is_committed)];
                assert_eq!(statements(&connection), statements_of(schema), "{said}");
                let kept = work_folder.path().join("test.db.version-1").exists();
                match (is_committed, kept) {
                    (true, _) => "in the log",
                    (false, true) => "kept",
                    (false, false) => "nothing",
                }
            }
        };
        outcomes.push(outcome);
    }
    println!("{outcomes:?}");
    for outcome in ["nothing", "kept", "migrated"] {
        assert!(outcomes.contains(&outcome), "{outcome} is not among {outcomes:?}");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
