//! The write-ahead log stays short: it starts anew again and again, whatever reads
//! do beside the writes.
//!
//! A checkpoint comes late when there is much to do, or a reader is in its way, and
//! the log is longer until the next. So nothing here looks at one moment: a test
//! goes on until the log has started anew often enough, and fails when the log is
//! far too long before that.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use escrowd::domain::ledger::Account;

use crate::helpers::{TestFile, Trade};

/// The fewest that the configuration allows.
const CHECKPOINT_PAGES: u32 = 100;
/// A page in the log, with its head.
const FRAME_BYTES: u64 = 2_048 + 24;
/// Hundreds of attempts at starting anew: far more than a busy disk makes of it,
/// and soon reached by a log that does not.
const LOG_BYTES_MAX: u64 = 200 * CHECKPOINT_PAGES as u64 * FRAME_BYTES;
/// How often the log must start anew.
const LOGS: u32 = 8;
/// Threads that read: on two cores, one of them on a connection of the pool.
const READING_THREADS: usize = 3;

fn file_with_short_logs() -> TestFile {
    let mut file = TestFile::new();
    file.settings.checkpoint_pages = CHECKPOINT_PAGES;
    file.settings.readers = 8;
    file
}

/// The log from outside.
struct Log(PathBuf);

impl Log {
    fn of(file: &TestFile) -> Self {
        Self(file.beside("-wal"))
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |metadata| metadata.len())
    }

    /// Where its header says how often it has started anew.
    fn number(&self) -> u32 {
        let mut header = [0; 16];
        File::open(&self.0).unwrap().read_exact(&mut header).unwrap();
        u32::from_be_bytes(*header.last_chunk().unwrap())
    }

    /// Tops up, and does this in between, until the log has started anew often
    /// enough. Fails when it is too long before that.
    fn starts_anew_while(&self, trade: &Trade, mut between: impl FnMut()) -> Result<(), String> {
        trade.top_up("ada", 100_000);
        let first = self.number();
        loop {
            let (logs, bytes) = (self.number() - first, self.bytes());
            if logs >= LOGS {
                return Ok(());
            }
            if bytes > LOG_BYTES_MAX {
                return Err(format!("the log started anew {logs} times and has {bytes} bytes"));
            }
            trade.top_up("ada", 100_000);
            between();
        }
    }
}

/// A read that keeps its moment for the next one lets go of it for a commit.
#[test]
fn reads_between_writes_leave_no_long_log() {
    let file = file_with_short_logs();
    let store = file.open();
    let log = Log::of(&file);
    let trade = Trade::of_key(&store, 1);
    let outcome = log.starts_anew_while(&trade, || {
        store
            .read(|snapshot| snapshot.balance(trade.merchant, &Account::OutsideWorld))
            .unwrap();
    });
    assert_eq!(outcome, Ok(()));
    store.close();
    assert_eq!(
        log.bytes(),
        0,
        "a connection for reading kept the log from being emptied"
    );
}

/// Each read ends only when another has begun, so that at every moment there is
/// one. Those that begin once the log is copied must read from the file alone: if
/// they took over a moment that was kept, the log would never be free.
#[test]
fn reads_that_never_pause_leave_no_long_log() {
    let file = file_with_short_logs();
    let store = file.open();
    let log = Log::of(&file);
    let trade = Trade::of_key(&store, 1);
    let (begun, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let read = || {
        store.read(|snapshot| {
            snapshot.balance(trade.merchant, &Account::OutsideWorld)?;
            let this = begun.fetch_add(1, Ordering::SeqCst) + 1;
            while begun.load(Ordering::SeqCst) == this && !stop.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_micros(10));
            }
            Ok(())
        })
    };
    let outcome = thread::scope(|scope| {
        for _ in 0..READING_THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    read().unwrap();
                }
            });
        }
        let outcome = log.starts_anew_while(&trade, || ());
        stop.store(true, Ordering::SeqCst);
        outcome
    });
    assert_eq!(outcome, Ok(()));
    let begun = begun.into_inner();
    assert!(begun > 1_000, "only {begun} reads");
}
