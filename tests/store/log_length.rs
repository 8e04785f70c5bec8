//! The write-ahead log stays short: it restarts again and again, also with reads beside
//! the writes.
//!
//! A checkpoint is late when the machine is busy or a reader is in its way, and then the
//! log is longer until the next one. So no test here looks at one moment. Each goes on
//! until the log has restarted often enough, and fails if the log grows far too long
//! before.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use escrowd::domain::ledger::Account;

use crate::helpers::{TestFile, Trade};

/// The fewest pages that the configuration allows.
const CHECKPOINT_PAGES: u32 = 100;
/// The bytes of a page in the log, with its header.
const FRAME_BYTES: u64 = 2_048 + 24;
/// Hundreds of missed restarts: far more than a busy disk causes, and soon reached by a
/// log that never restarts.
const LOG_BYTES_MAX: u64 = 200 * CHECKPOINT_PAGES as u64 * FRAME_BYTES;
/// The number of restarts that a test waits for.
const LOGS: u32 = 8;
/// Reading threads; on two cores, one of them uses a connection of the pool.
const READING_THREADS: usize = 3;

fn file_with_short_logs() -> TestFile {
    let mut file = TestFile::new();
    file.settings.checkpoint_pages = CHECKPOINT_PAGES;
    file.settings.readers = 8;
    file
}

/// The log, as its file shows it.
struct Log(PathBuf);

impl Log {
    fn of(file: &TestFile) -> Self {
        Self(file.beside("-wal"))
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |metadata| metadata.len())
    }

    /// The position of the number of restarts in its header.
    fn number(&self) -> u32 {
        let mut header = [0; 16];
        File::open(&self.0).unwrap().read_exact(&mut header).unwrap();
        u32::from_be_bytes(*header.last_chunk().unwrap())
    }

    /// Tops up and calls `between` after each, until the log has restarted often enough.
    /// Fails if the log grows too long before.
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

/// A connection that keeps its snapshot between reads closes it for a commit.
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

/// Each read ends only when another has begun, so there is always one. Reads that begin
/// after a checkpoint must use the file alone: with a kept snapshot, the log would never
/// be free.
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
