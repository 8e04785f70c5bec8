//! The write-ahead log stays short: it restarts regularly, also with reads beside the
//! writes.
//!
//! On a busy machine, or while a reader blocks it, a checkpoint is late. The log is then
//! longer until the next one. So a test does not check the length at one moment. It runs
//! until the log has restarted often enough, and fails if the log grows far too long
//! before.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use escrowd::domain::ledger::Account;

use crate::helpers::{TestFile, Trade, read};

/// The smallest number of pages that the configuration allows.
const CHECKPOINT_PAGES: u32 = 100;
/// The bytes of a page in the log, with its frame header.
const FRAME_BYTES: u64 = 2_048 + 24;
/// The length after hundreds of missed restarts: far more than a busy disk causes, and soon
/// reached by a log that never restarts.
const LOG_BYTES_MAX: u64 = 200 * CHECKPOINT_PAGES as u64 * FRAME_BYTES;
/// The number of restarts that a test waits for.
const LOGS: u32 = 8;
/// The number of reading threads. On two cores, one of them uses a connection of the pool.
const READING_THREADS: usize = 3;

fn file_with_short_logs() -> TestFile {
    let mut file = TestFile::new();
    file.settings.checkpoint_pages = CHECKPOINT_PAGES;
    file.settings.readers = 8;
    file
}

/// The write-ahead log, read from its file.
struct Log(PathBuf);

impl Log {
    fn of(file: &TestFile) -> Self {
        Self(file.beside("-wal"))
    }

    fn bytes(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |metadata| metadata.len())
    }

    /// Returns the number of restarts, which the log's header counts.
    fn number(&self) -> u32 {
        let mut header = [0; 16];
        File::open(&self.0).unwrap().read_exact(&mut header).unwrap();
        u32::from_be_bytes(*header.last_chunk().unwrap())
    }

    /// Tops up and calls `between` after each, until the log has restarted often enough.
    /// Fails if the log grows too long before.
    fn restarts_while(&self, trade: &Trade, mut between: impl FnMut()) -> Result<(), String> {
        trade.top_up("ada", 100_000);
        let first = self.number();
        loop {
            let (logs, bytes) = (self.number() - first, self.bytes());
            if logs >= LOGS {
                return Ok(());
            }
            if bytes > LOG_BYTES_MAX {
                return Err(format!("the log restarted {logs} times and has {bytes} bytes"));
            }
            trade.top_up("ada", 100_000);
            between();
        }
    }
}

/// A connection that keeps its snapshot between reads must close it for a commit.
#[test]
fn reads_between_writes_leave_no_long_log() {
    let file = file_with_short_logs();
    let store = file.open();
    let log = Log::of(&file);
    let trade = Trade::of_key(&store, 1);
    let merchant = trade.merchant;
    let outcome = log.restarts_while(&trade, || {
        read(&store, move |snapshot| {
            snapshot.balance(merchant, &Account::OutsideWorld)
        });
    });
    assert_eq!(outcome, Ok(()));
    store.close();
    assert_eq!(
        log.bytes(),
        0,
        "a connection for reading kept the log from being emptied"
    );
}

/// Each read ends only after the next has begun, so there is always an open read. A read
/// that begins after a checkpoint must use the database file alone. If it kept an old
/// snapshot, the log could never restart.
#[test]
fn reads_that_never_pause_leave_no_long_log() {
    let file = file_with_short_logs();
    let store = file.open();
    let log = Log::of(&file);
    let trade = Trade::of_key(&store, 1);
    let merchant = trade.merchant;
    let until = Instant::now() + Duration::from_secs(30);
    let (begun, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let read_on = || {
        let (begun, stop) = (Arc::clone(&begun), Arc::clone(&stop));
        read(&store, move |snapshot| {
            snapshot.balance(merchant, &Account::OutsideWorld)?;
            let this = begun.fetch_add(1, Ordering::SeqCst) + 1;
            while begun.load(Ordering::SeqCst) == this && !stop.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_micros(10));
            }
            Ok(())
        });
    };
    let outcome = thread::scope(|scope| {
        for _ in 0..READING_THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    read_on();
                }
            });
        }
        let mut outcome = log.restarts_while(&trade, || ());
        // On a busy machine the reads may be few until then.
        while outcome.is_ok() && begun.load(Ordering::SeqCst) <= 1_000 && Instant::now() < until {
            outcome = log.restarts_while(&trade, || ());
        }
        stop.store(true, Ordering::SeqCst);
        outcome
    });
    assert_eq!(outcome, Ok(()));
    let begun = begun.load(Ordering::SeqCst);
    assert!(begun > 1_000, "only {begun} reads");
}
