//! A reader that keeps one snapshot for long, as an export does, and a listener on the stream
//! of events, while clients write at a steady rate. Writes stay quick, and after the reader
//! ends the write-ahead log becomes short again.
//!
//! `LONG_READ_SECONDS=600` reads for that long, on a server with the default configuration.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::client::assert_topped_up;
use crate::helpers::{RunningServer, WorkFolder};

const CLIENTS: u32 = 4;
/// The writes of all clients in a second, if the machine is quick enough.
const WRITES_PER_SECOND: u32 = 500;
/// The bytes of a page in the log, with its frame header.
const FRAME_BYTES: u64 = 2_048 + 24;
/// The log must be longer than it may stay within this time after the read was to end.
const FULL_LOG_MAX: Duration = Duration::from_mins(2);
/// The log must be short again within this time after the reader ends.
const SHORT_AGAIN_MAX: Duration = Duration::from_mins(1);

/// The size of a run, and its bounds.
struct Size {
    seconds: u64,
    config: String,
    /// The largest size that the log may keep: four times that at which a checkpoint begins.
    log_bytes_max: u64,
    p99_max: Duration,
}

impl Size {
    fn from_environment() -> Self {
        if let Ok(seconds) = env::var("LONG_READ_SECONDS") {
            return Self {
                seconds: seconds.parse().unwrap(),
                config: String::new(),
                log_bytes_max: 64 * 1024 * 1024,
                p99_max: Duration::from_millis(250),
            };
        }
        // The smallest log that the configuration allows, so that a short run fills it. The
        // gate tests a build without optimizations, beside other tests.
        Self {
            seconds: 2,
            config: "[storage]\ncheckpoint_pages = 100\n".to_owned(),
            log_bytes_max: 4 * 100 * FRAME_BYTES,
            p99_max: Duration::from_secs(5),
        }
    }
}

/// Tops up at this client's share of the rate until it is told to stop. Returns how long each
/// request took.
fn write_until(stop: &AtomicBool, server: &RunningServer) -> Vec<Duration> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let pause = Duration::from_secs(1) * CLIENTS / WRITES_PER_SECOND;
    let mut next = Instant::now();
    let mut took = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        next = (next + pause).max(begun);
        let mut answer = agent
            .post(server.url("/v1/payment/topup"))
            .header("customer-id", "ada")
            .header("content-type", "application/json")
            .send("{\"amount\":1000}")
            .unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        took.push(begun.elapsed());
        assert_eq!(answer.status().as_u16(), 200, "{body}");
    }
    took
}

/// Reads the stream of events until it is told to stop. Returns the number of events.
fn listen_until(stop: &AtomicBool, server: &RunningServer) -> usize {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let request = format!(
        "GET /sandbox/events/stream HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n",
        server.address
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut events, mut part) = (0, vec![0; 64 * 1024]);
    while !stop.load(Ordering::SeqCst) {
        match stream.read(&mut part) {
            Ok(0) => panic!("the stream ended after {events} events"),
            Ok(length) => events += String::from_utf8_lossy(&part[..length]).matches("\ndata:").count(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    events
}

#[test]
fn a_long_reader_leaves_writes_quick_and_the_log_short() {
    let size = Size::from_environment();
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", &size.config);
    let server = work_folder.serve(&["--database", "test.db"]);
    let log_bytes = || fs::metadata(work_folder.path().join("test.db-wal")).unwrap().len();
    let stop = AtomicBool::new(false);
    let (mut took, events, longest_log, short_after) = thread::scope(|scope| {
        let writing: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| write_until(&stop, &server)))
            .collect();
        let listening = scope.spawn(|| listen_until(&stop, &server));
        while !work_folder.path().join("test.db-wal").exists() {
            thread::sleep(Duration::from_millis(10));
        }
        let reader = Connection::open(work_folder.path().join("test.db")).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        let count = || -> i64 {
            let sql = "SELECT count(*) FROM transfer";
            reader.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        let begun = (Instant::now(), count());
        // Long enough, and until the reader is sure to hold the log back.
        let is_over = |elapsed: Duration| {
            let is_long = elapsed.as_secs() >= size.seconds && log_bytes() > size.log_bytes_max;
            is_long || elapsed > Duration::from_secs(size.seconds) + FULL_LOG_MAX
        };
        while !is_over(begun.0.elapsed()) {
            assert_eq!(count(), begun.1, "the reader does not see its own snapshot");
            thread::sleep(Duration::from_millis(100));
            if writing.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        let longest_log = log_bytes();
        reader.execute_batch("COMMIT").unwrap();
        let ended = Instant::now();
        while log_bytes() > size.log_bytes_max && ended.elapsed() < SHORT_AGAIN_MAX {
            thread::sleep(Duration::from_millis(20));
        }
        let short_after = (log_bytes() <= size.log_bytes_max).then(|| ended.elapsed());
        stop.store(true, Ordering::SeqCst);
        let took: Vec<Duration> = writing.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (took, listening.join().unwrap(), longest_log, short_after)
    });
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "{} writes, median {:?}, p99 {p99:?}, longest {:?}; {events} events heard; the log had {longest_log} bytes, and was short \
         again after {short_after:?}",
        took.len(),
        took[took.len() / 2],
        took[took.len() - 1]
    );
    assert!(longest_log > size.log_bytes_max, "the reader did not hold the log back");
    assert!(
        short_after.is_some(),
        "the log has {} bytes {SHORT_AGAIN_MAX:?} after the reader ended",
        log_bytes()
    );
    assert!(p99 <= size.p99_max, "p99 of the writes is {p99:?}");
    assert!(events > 0, "the listener heard nothing");
    assert_topped_up(&server.url(""), took.len() as u64);
}
