//! Kills the service with `kill -9` at random instants while it migrates a file of the first
//! version (reliability R25). Each time the file is the old one or the new one and never
//! between, and the next start finishes the migration.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use escrowd::store::add_functions;
use rusqlite::Connection;

use crate::campaign::turn;
use crate::released::{FILES, SCHEMAS, statements, statements_of};
use crate::seed::{Random, number_from_environment};
use crate::server::{DATABASE, Disk};
use crate::waiting::until;

/// Customers that make the migration long enough to be met by most kills.
const CUSTOMERS: u32 = 8_000;

/// Writes a sandbox's file of version 1 with many customers.
fn write_large_file(path: &Path) {
    FILES[1].write(path);
    let connection = Connection::open(path).unwrap();
    add_functions(&connection).unwrap();
    let sql = format!(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {CUSTOMERS})
         INSERT INTO customer (merchant_id, id, wallet_id, wallet_guard, created_at)
         SELECT 1, printf('customer-%06d', n), 1000000000000000 + n, 0, 0 FROM number;
         INSERT INTO customer_profile (merchant_id, customer_id, firstname, lastname, email, country)
         SELECT 1, id, 'Ada', 'Obi', id || '@shop.example', 'NG' FROM customer WHERE id LIKE 'customer-%';
         INSERT INTO account (id, merchant_id, customer_id, purpose, balance, updated_at, transaction_count, checksum)
         SELECT number, 1, id, purpose, 0, 0, 0,
                row_checksum('id', number, 'merchant_id', 1, 'customer_id', id, 'purpose', purpose, 'balance', 0,
                             'updated_at', 0, 'transaction_count', 0)
         FROM (SELECT (SELECT max(id) FROM account) + row_number() OVER () AS number, id, purpose
               FROM customer JOIN (SELECT 'CUSTOMER_MAIN' AS purpose UNION ALL SELECT 'CUSTOMER_ESCROW')
               WHERE id LIKE 'customer-%');"
    );
    connection.execute_batch(&sql).unwrap();
}

/// A point of the start, as its files show it after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the copy of the old file was begun.
    Before,
    /// While the old file was copied.
    Copying,
    /// The copy was kept, and the migration not committed.
    Migrating,
    /// The file is the new one, perhaps in its log only.
    Migrated,
}

/// Finds out how far a killed start came, on a copy of what it left. Opening the files
/// themselves would finish what it began.
fn state_after_kill(disk: &Disk) -> At {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(DATABASE);
    fs::copy(disk.path(DATABASE), &copy).unwrap();
    let log = format!("{DATABASE}-wal");
    if disk.path(&log).exists() {
        fs::copy(disk.path(&log), folder.path().join(&log)).unwrap();
    }
    let connection = Connection::open(&copy).unwrap();
    let version: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))
        .unwrap() as usize;
    assert!([1, SCHEMAS.len()].contains(&version), "version {version}");
    assert_eq!(
        statements(&connection),
        statements_of(SCHEMAS[version - 1]),
        "the file is neither the old one nor the new one"
    );
    let count = |sql: &str| -> u32 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert!(count("SELECT count(*) FROM customer_profile") >= CUSTOMERS);
    assert_eq!(
        count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
        0
    );
    if version == SCHEMAS.len() {
        At::Migrated
    } else if disk.path(&format!("{DATABASE}.version-1")).exists() {
        At::Migrating
    } else if disk.path(&format!("{DATABASE}.version-1.partial")).exists() {
        At::Copying
    } else {
        At::Before
    }
}

/// Waits until the copy of the old file is kept.
fn wait_for_copy(disk: &Disk) {
    until("a copy is kept", || {
        disk.path(&format!("{DATABASE}.version-1")).exists()
    });
}

#[test]
fn a_killed_migration_leaves_the_old_file_or_the_new_one() {
    let _turn = turn();
    let kills = number_from_environment("MIGRATION_KILLS").unwrap_or(20);
    let mut random = Random::from_environment();
    let base = tempfile::tempdir().unwrap();
    let original = base.path().join(DATABASE);
    write_large_file(&original);
    let fresh = || {
        let disk = Disk::new();
        fs::copy(&original, disk.path(DATABASE)).unwrap();
        FILES[1].write_files(&disk.path(DATABASE));
        disk
    };

    let started = Instant::now();
    drop(fresh().serve(&[]));
    let whole_start = u64::try_from(started.elapsed().as_millis()).unwrap();
    let mut found = Vec::new();
    let has_missed = |found: &[At]| !found.contains(&At::Migrating) || !found.contains(&At::Migrated);
    for round in 0..10 * kills {
        if round >= kills && !has_missed(&found) {
            break;
        }
        let disk = fresh();
        let mut command = disk.service();
        let mut server = command.stdout(Stdio::null()).spawn().unwrap();
        // A start may take longer than the first one. Kills that have missed a state come later.
        let longest_start = whole_start * (1 + round / kills);
        // Every other kill waits for the migration itself, which is a part of the start.
        let instants = if round % 2 == 0 {
            0..longest_start
        } else {
            wait_for_copy(&disk);
            0..longest_start / 3
        };
        thread::sleep(Duration::from_millis(random.within(instants)));
        server.kill().unwrap();
        server.wait().unwrap();
        found.push(state_after_kill(&disk));

        drop(disk.serve(&[]));
        assert_eq!(disk.check(), None, "after a kill at {:?}", found.last());
        let kept = Connection::open(disk.path(&format!("{DATABASE}.version-1"))).unwrap();
        assert_eq!(statements(&kept), statements_of(SCHEMAS[0]), "the copy is whole");
        assert!(!disk.path(&format!("{DATABASE}.version-1-2")).exists());
    }
    let count = |at: At| found.iter().filter(|&&state| state == at).count();
    let [before, copying, migrating, migrated] = [At::Before, At::Copying, At::Migrating, At::Migrated].map(count);
    println!(
        "{} kills: {before} before, {copying} in the copy, {migrating} in the migration, {migrated} after it",
        found.len()
    );
    assert!(!has_missed(&found), "the kills missed the migration: {found:?}");
}
