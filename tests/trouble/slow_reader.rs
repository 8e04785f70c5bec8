//! A reader that keeps an old snapshot open. Writes continue, and after the reader closes
//! the write-ahead log becomes short again.

use std::fs;

use rusqlite::Connection;

use crate::client::{assert_topped_up, top_up};
use crate::helpers::WorkFolder;

/// The smallest number that the configuration allows.
const CHECKPOINT_PAGES: u64 = 100;
/// A page in the write-ahead log, with its frame header.
const FRAME_BYTES: u64 = 2_048 + 24;
/// The largest size the write-ahead log may keep. The writer sets it to four times the size
/// at which a checkpoint begins.
const LOG_BYTES_MAX: u64 = 4 * CHECKPOINT_PAGES * FRAME_BYTES;
/// The write-ahead log must be short again within this many writes after the reader closes.
/// A checkpoint runs beside the writes: it ends early on a fast disk, later on a busy one.
const TOP_UPS_MAX: u64 = 2_000;

#[test]
fn a_slow_reader_blocks_no_write_and_leaves_no_long_log() {
    let work_folder = WorkFolder::new();
    work_folder.write(
        "config.toml",
        &format!("[storage]\ncheckpoint_pages = {CHECKPOINT_PAGES}\n"),
    );
    let server = work_folder.serve(&["--database", "test.db"]);
    let url = server.url("");
    let log_bytes = || fs::metadata(work_folder.path().join("test.db-wal")).unwrap().len();
    let mut acknowledged = 0;
    let mut top_up_until = |enough: &dyn Fn(u64) -> bool| {
        let first = acknowledged;
        while !enough(acknowledged - first) {
            let (status, body) = top_up(&url);
            assert_eq!(status, 200, "{body}");
            acknowledged += 1;
        }
        acknowledged
    };

    let topped_up = top_up_until(&|times| times == 50);
    let reader = Connection::open(work_folder.path().join("test.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = |reader: &Connection| -> u64 {
        let sql = "SELECT count(*) FROM transfer WHERE kind = 'TOP_UP'";
        let count: i64 = reader.query_row(sql, [], |row| row.get(0)).unwrap();
        count.unsigned_abs()
    };
    assert_eq!(count(&reader), topped_up);

    let while_reading = top_up_until(&|_| log_bytes() > 3 * LOG_BYTES_MAX);
    assert_eq!(count(&reader), topped_up, "the reader sees its own snapshot");
    assert_topped_up(&url, while_reading);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&reader), while_reading);

    let after = top_up_until(&|times| log_bytes() <= LOG_BYTES_MAX || times == TOP_UPS_MAX);
    assert!(
        log_bytes() <= LOG_BYTES_MAX,
        "{} bytes are left of the log",
        log_bytes()
    );
    assert_topped_up(&url, after);
}
