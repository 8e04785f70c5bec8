//! Flips of single bits in the ledger of a file that the real program then serves. `SERVED_FLIPS`
//! sets their number.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use crate::client::top_up;
use crate::helpers::{WorkFolder, get};

/// The check of a short ledger takes milliseconds. The limit allows for a busy machine.
const FOUND_WITHIN: Duration = Duration::from_secs(10);
/// The widest distance of a value of a row from the row's hash, which stands last.
const ROW_BYTES: usize = 32;

/// Returns all values of the ledger's rows. `None` if SQLite cannot read them.
fn ledger(path: &Path) -> Option<Vec<Value>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let mut rows = connection.prepare("SELECT * FROM transfer NOT INDEXED").ok()?;
    let columns = rows.column_count();
    let mut rows = rows.query([]).ok()?;
    let mut values = Vec::new();
    while let Some(row) = rows.next().ok()? {
        for column in 0..columns {
            values.push(row.get(column).ok()?);
        }
    }
    Some(values)
}

/// Returns true if SQLite by itself sees that the file is damaged.
fn is_seen_by_sqlite(path: &Path) -> bool {
    let check = || -> rusqlite::Result<String> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))
    };
    check().map_or(true, |said| said != "ok")
}

/// Serves the file, and returns true if the server refuses it or tells within the limit that
/// it is damaged. Panics if the server does.
fn is_seen_by_the_service(folder: &WorkFolder, log: &Path, is_sound: bool) -> bool {
    let out = folder.path().join("out.txt");
    let mut child = folder
        .command(&["--listen", "127.0.0.1:0", "--database", "test.db"])
        .env("ESCROWD_LOG", "info")
        .stdout(Stdio::from(File::create(&out).unwrap()))
        .stderr(Stdio::from(File::create(log).unwrap()))
        .spawn()
        .unwrap();
    let started = Instant::now();
    let is_seen = loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(1), "{}", fs::read_to_string(log).unwrap());
            break true;
        }
        let said = fs::read_to_string(log).unwrap();
        if said.contains("the ledger is broken") || said.contains("the ledger cannot be read") {
            break true;
        }
        if said.contains("checked the ledger") || started.elapsed() > FOUND_WITHIN {
            break false;
        }
        thread::sleep(Duration::from_millis(5));
    };
    // Reads of a damaged file are answered or refused, and never end the service.
    let greeting = fs::read_to_string(&out).unwrap();
    if let Some(url) = greeting.lines().next().and_then(|line| line.split("http://").nth(1))
        && child.try_wait().unwrap().is_none()
    {
        for path in ["/v1/wallet", "/v1/payment/history"] {
            let (status, body) = get(&format!("http://{url}{path}"), &[("customer-id", "ada")]);
            assert!([200, 500, 503].contains(&status), "{path}: {status} {body}");
            assert!(status == 200 || !is_sound, "{body}");
        }
        assert!(child.try_wait().unwrap().is_none(), "a read ended the service");
    }
    drop(child.kill());
    child.wait().unwrap();
    let said = fs::read_to_string(log).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    is_seen
}

#[test]
fn a_server_tells_of_a_flipped_bit_in_its_ledger() {
    let flips: usize = std::env::var("SERVED_FLIPS").map_or(20, |flips| flips.parse().unwrap());
    let folder = WorkFolder::new();
    let path = folder.path().join("test.db");
    let log = folder.path().join("log.txt");
    let mut server = folder.serve(&["--database", "test.db"]);
    for _ in 0..20 {
        assert_eq!(top_up(&server.url("")).0, 200);
    }
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    let sound = fs::read(&path).unwrap();
    let before = ledger(&path).unwrap();
    // The control: without a flip, nothing is told.
    assert!(!is_seen_by_the_service(&folder, &log, true));

    let hashes: Vec<usize> = before
        .iter()
        .filter_map(|value| match value {
            Value::Blob(hash) => sound.windows(hash.len()).position(|bytes| bytes == hash),
            _ => None,
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(0x2545_f491_4f6c_dd1d);
    let (mut changing, mut seen, mut seen_by_sqlite) = (0_usize, 0_usize, 0_usize);
    let mut missed = Vec::new();
    while changing < flips {
        let hash = hashes[random.usize(..hashes.len())];
        let (at, bit) = (random.usize(hash - ROW_BYTES..hash + 32), random.u8(..8));
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << bit;
        for suffix in ["-wal", "-shm"] {
            drop(fs::remove_file(folder.path().join(format!("test.db{suffix}"))));
        }
        fs::write(&path, &bytes).unwrap();
        if ledger(&path).as_ref() == Some(&before) {
            continue;
        }
        changing += 1;
        seen_by_sqlite += usize::from(is_seen_by_sqlite(&path));
        if is_seen_by_the_service(&folder, &log, false) {
            seen += 1;
        } else {
            missed.push((at, bit));
        }
    }
    println!("{seen} of {changing} flips were told; SQLite sees {seen_by_sqlite}; missed: {missed:?}");
    assert!(seen * 100 >= changing * 99, "{seen} of {changing}; missed: {missed:?}");
    // The control: without the chain of hashes, the figure is out of reach.
    assert!(seen_by_sqlite * 2 < changing, "{seen_by_sqlite} of {changing}");
}
