//! Random bytes for every parser: requests to the real program, configurations, and the first
//! pages and the write-ahead log of a database. None may panic, and no request may get a 500.
//! `FUZZ_SECONDS` sets the time for each parser, and `FUZZ_SEED` repeats a run.

use std::fmt::Write as _;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use escrowd::config::{Config, Flags};

use crate::client::top_up;
use crate::helpers::{RunningServer, WorkFolder, get, stderr, stdout};

/// Pieces that mean something to some parser.
const TOKENS: [&str; 38] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "-1",
    "0",
    "1e400",
    "-0.0",
    "9007199254740993",
    "9223372036854775808",
    "1.005",
    "\\u0000",
    "\\ud800",
    "\u{200b}",
    "\u{202e}",
    "%",
    "%00",
    "%ff",
    "%2f",
    "..",
    "&",
    "=",
    "[]",
    "[0]",
    ";",
    "\r\n",
    "--form",
    "--form--\r\n",
    "\"\"\"",
    "true",
    "PY_",
    "Bearer ",
    "undefined",
];

/// A request that the mutations begin with. The body is JSON unless it starts with `--form`.
struct Sample {
    method: &'static str,
    path: &'static str,
    body: &'static str,
}

const SAMPLES: [Sample; 12] = [
    Sample {
        method: "POST",
        path: "/v1/escrow/milestone/create",
        body: r#"{"amount":10000,"purpose":"Shop","whoPays":"buyer","milestones":[{"title":"a","amount":4000},{"title":"b","amount":6000}]}"#,
    },
    Sample {
        method: "POST",
        path: "/v1/escrow/create",
        body: r#"{"amount":1234.56,"purpose":"A bicycle","whoPays":"seller","maxDelivery":3,"deliveryTimeline":"days"}"#,
    },
    Sample {
        method: "POST",
        path: "/v1/escrow/create",
        body: "--form\r\ncontent-disposition: form-data; name=\"amount\"\r\n\r\n1000\r\n--form\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n\u{1}PNG\r\n--form--\r\n",
    },
    Sample {
        method: "POST",
        path: "/v1/payment/escrow",
        body: r#"{"reference":"r","escrowDetails":{"escrowId":["665f1b2c9a1e4d0012ab3c10"]}}"#,
    },
    Sample {
        method: "POST",
        path: "/v1/payment/create-intent",
        body: r#"{"amount":1000,"type":"withdrawal","bankCode":"058","accountNumber":"0123456789"}"#,
    },
    Sample {
        method: "POST",
        path: "/v1/customer/create",
        body: r#"{"firstname":"Ada","lastname":"Obi","email":"a@shop.example","phone":"08012345678"}"#,
    },
    Sample {
        method: "POST",
        path: "/sandbox/seed",
        body: r#"{"customers":[{"id":"ada","balance":10}],"escrows":[{"seller":"ada","buyer":"ben","amount":100,"purpose":"x","whoPays":"buyer","state":"OPENED"}]}"#,
    },
    Sample {
        method: "POST",
        path: "/sandbox/clock/advance",
        body: r#"{"by":"1d12h"}"#,
    },
    Sample {
        method: "PUT",
        path: "/sandbox/callback",
        body: r#"{"url":"http://127.0.0.1:9/hook","events":["escrow.*"]}"#,
    },
    Sample {
        method: "GET",
        path: "/v1/escrow/transactions?page=1&limit=10&status=PENDING&cursor=abc",
        body: "",
    },
    Sample {
        method: "GET",
        path: "/sandbox/events?limit=10&type=escrow.created&cursor=1",
        body: "",
    },
    Sample {
        method: "GET",
        path: "/v1/escrow/verify/PY_ABCDEFGH0000",
        body: "",
    },
];

/// The headers that the service reads, with values that it accepts.
const HEADERS: [(&str, &str); 6] = [
    ("customer-id", "ada"),
    ("authorization", "Bearer sk_test_fuzz"),
    ("idempotency-key", "order-1"),
    ("origin", "http://localhost:3000"),
    ("accept-encoding", "gzip"),
    ("host", "localhost"),
];

/// The time of a reply. An advanced clock waits up to 30 seconds for the attempts that it made due.
const REPLY_MAX: Duration = Duration::from_mins(1);

/// A stream of random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn from_environment() -> Self {
        let seed =
            std::env::var("FUZZ_SEED").map_or_else(|_| RandomState::new().hash_one(0), |seed| seed.parse().unwrap());
        println!("FUZZ_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    /// Changes a few places.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + 1 + self.below(16)).min(bytes.len());
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                2 => drop(bytes.drain(at..end.max(at))),
                3 => {
                    let copied = bytes[at..end.max(at)].to_vec();
                    let times = 1 + self.below(100);
                    bytes.splice(at..at, copied.repeat(times));
                }
                4 => bytes.truncate(at),
                _ => drop(bytes.splice(at..at, TOKENS[self.below(TOKENS.len())].bytes())),
            }
        }
    }
}

/// Runs a case again and again for the time of one parser, and returns the number of runs.
fn for_a_while(mut case: impl FnMut()) -> u64 {
    let seconds = std::env::var("FUZZ_SECONDS").map_or(1, |seconds| seconds.parse().unwrap());
    let (end, mut runs) = (Instant::now() + Duration::from_secs(seconds), 0);
    while Instant::now() < end {
        case();
        runs += 1;
    }
    runs
}

/// The part of a request that a test changes.
#[derive(Clone, Copy, Debug)]
enum Part {
    Body,
    /// The path and the query.
    Target,
    HeaderValue,
    /// Any byte, also those that frame the request.
    Any,
}

fn request(random: &mut Random, part: Part) -> Vec<u8> {
    let sample = &SAMPLES[random.below(SAMPLES.len())];
    let mut target = sample.path.as_bytes().to_vec();
    let mut body = sample.body.as_bytes().to_vec();
    let wrong_header = random.below(HEADERS.len());
    match part {
        Part::Body => random.mutate(&mut body),
        Part::Target => {
            let mut tail = target.split_off(1);
            random.mutate(&mut tail);
            tail.retain(|byte| !b" \r\n".contains(byte));
            target.extend(tail);
        }
        Part::HeaderValue | Part::Any => {}
    }
    let mut bytes = format!("{} ", sample.method).into_bytes();
    bytes.extend(target);
    bytes.extend_from_slice(b" HTTP/1.1\r\nconnection: close\r\n");
    for (index, (name, value)) in HEADERS.iter().enumerate() {
        let mut value = value.as_bytes().to_vec();
        if index == wrong_header && matches!(part, Part::HeaderValue) {
            random.mutate(&mut value);
            value.retain(|byte| !b"\r\n".contains(byte));
        } else if *name == "idempotency-key" {
            continue;
        }
        bytes.extend_from_slice(format!("{name}: ").as_bytes());
        bytes.extend(value);
        bytes.extend_from_slice(b"\r\n");
    }
    let mut rest = String::new();
    if !sample.body.is_empty() {
        let is_form = sample.body.starts_with("--form");
        let form = "multipart/form-data; boundary=form";
        let content_type = if is_form { form } else { "application/json" };
        write!(
            rest,
            "content-type: {content_type}\r\ncontent-length: {}\r\n",
            body.len()
        )
        .unwrap();
    }
    bytes.extend_from_slice(format!("{rest}\r\n").as_bytes());
    bytes.extend(body);
    if matches!(part, Part::Any) {
        random.mutate(&mut bytes);
    }
    bytes
}

/// Sends the bytes and nothing more, and returns the reply's status if there is one.
fn status_of(server: &RunningServer, bytes: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(REPLY_MAX)).unwrap();
    // The service may refuse the request before it has read all of it.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(Shutdown::Write));
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}

#[test]
fn no_bytes_in_a_request_cause_a_500_or_a_panic() {
    let mut random = Random::from_environment();
    let folder = WorkFolder::new();
    // A changed callback may name an address that does not answer, and an advanced clock waits for it.
    folder.write("config.toml", "[webhooks]\ntimeout_seconds = 1\n");
    let log = folder.path().join("log.txt");
    let mut server = folder.serve_with_log(&["--database", "test.db"], &log);
    for part in [Part::Body, Part::Target, Part::HeaderValue, Part::Any] {
        let mut answers = 0;
        let runs = for_a_while(|| {
            let bytes = request(&mut random, part);
            let status = status_of(&server, &bytes);
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            assert_ne!(status, Some(500), "{}", text());
            if !matches!(part, Part::Any) {
                assert!(status.is_some(), "no reply to {}", text());
            }
            answers += u64::from(status.is_some());
        });
        println!("{part:?}: {runs} requests, {answers} replies");
        assert!(answers > 0, "{part:?}");
    }
    assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    let said = fs::read_to_string(log).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    let check = folder.run(&["check", "test.db"]);
    assert!(check.status.success(), "{}{}", stdout(&check), stderr(&check));
}

#[test]
fn no_bytes_in_a_configuration_cause_a_panic() {
    let mut random = Random::from_environment();
    let folder = WorkFolder::new();
    let path = folder.path().join("config.toml");
    let sound = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml")).unwrap();
    let flags = Flags {
        config: Some(path.clone()),
        ..Flags::default()
    };
    let mut accepted = 0;
    let runs = for_a_while(|| {
        let mut bytes = sound.clone();
        random.mutate(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        accepted += u64::from(Config::load(&flags, []).is_ok());
    });
    println!("{runs} configurations, of which {accepted} were accepted");
    assert!(runs > 0);
}

#[test]
fn no_bytes_in_a_database_or_its_log_cause_a_panic() {
    let mut random = Random::from_environment();
    let folder = WorkFolder::new();
    let server = folder.serve(&["--database", "test.db"]);
    for _ in 0..20 {
        assert_eq!(top_up(&server.url("")).0, 200);
    }
    // Killed at once, so that the log is needed.
    drop(server);
    let names = ["test.db", "test.db-wal"];
    let sound = names.map(|name| fs::read(folder.path().join(name)).unwrap_or_default());
    let copy = WorkFolder::new();
    let path = copy.path().join("test.db");
    let mut refused = 0;
    let runs = for_a_while(|| {
        let mut bytes = sound.clone();
        let which = random.below(2);
        // Headers and the first pages decide most.
        let at = random.below(bytes[which].len().min(8_192) + 1);
        let mut tail = bytes[which].split_off(at);
        random.mutate(&mut tail);
        bytes[which].extend(tail);
        drop(fs::remove_file(copy.path().join("test.db-shm")));
        for (name, bytes) in names.iter().zip(&bytes) {
            fs::write(copy.path().join(name), bytes).unwrap();
        }
        let audit = escrowd::store::audit(&path.clone().into(), &mut |_, _| {});
        refused += u64::from(audit.map_or(true, |audit| audit.findings_total > 0));
    });
    println!("{runs} databases, of which {refused} were refused");
    assert!(runs > 0);
}
