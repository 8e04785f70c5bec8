//! The real program on a machine whose clock is set wrong, and right again. A library that
//! is loaded under it stands for that clock (`wrong_clock.c`).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use crate::helpers::{RunningServer, WorkFolder, get, stdout};

const KEY: &str = "sk_live_the_only_one";
const BEARER: &str = "Bearer sk_live_the_only_one";
const DAY: i64 = 86_400;

/// A folder with a live database, and the clock of its machine.
struct Machine {
    folder: WorkFolder,
    wrong_by: File,
    customers: u32,
}

/// An answer: its status, body, and `Retry-After` header.
type Answer = (u16, String, Option<String>);

impl Machine {
    fn new() -> Self {
        let folder = WorkFolder::new();
        let hash = hex::encode(Sha256::digest(KEY));
        let config = format!("mode = \"live\"\n[[merchant]]\nname = \"shop\"\nkey_sha256 = [\"{hash}\"]\n");
        folder.write("config.toml", &config);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/trouble/wrong_clock.c");
        let output = Command::new("cc")
            .args(["-std=gnu11", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(folder.path().join("wrong_clock.so"))
            .arg(source)
            .output()
            .expect("a C compiler named cc");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let wrong_by = File::create(folder.path().join("wrong_by")).unwrap();
        let machine = Self {
            folder,
            wrong_by,
            customers: 0,
        };
        machine.set_clock_wrong_by(0);
        machine
    }

    fn set_clock_wrong_by(&self, seconds: i64) {
        self.wrong_by.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log.txt")
    }

    fn serve(&self, arguments: &[&str]) -> RunningServer {
        let mut command = self.folder.server(&[&["--database", "test.db"], arguments].concat());
        command
            .env("LD_PRELOAD", self.folder.path().join("wrong_clock.so"))
            .env("WRONG_CLOCK", self.folder.path().join("wrong_by"))
            .stderr(Stdio::from(File::create(self.log()).unwrap()));
        RunningServer::start(command)
    }

    /// Creates a customer.
    fn write(&mut self, server: &RunningServer) -> Answer {
        self.customers += 1;
        let number = self.customers;
        let body = format!(
            "{{\"firstname\":\"Ada\",\"lastname\":\"Obi\",\"email\":\"a{number}@shop.example\",\
             \"phone\":\"0801234{number:04}\"}}"
        );
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut answer = agent
            .post(server.url("/v1/customer/create"))
            .header("authorization", BEARER)
            .header("content-type", "application/json")
            .send(body)
            .unwrap();
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after.map(|text| text.to_str().unwrap().to_owned());
        let body = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), body, retry_after)
    }

    #[track_caller]
    fn assert_writes(&mut self, server: &RunningServer) {
        let (status, body, _) = self.write(server);
        assert!(status < 300, "{status} {body}");
        assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
    }

    #[track_caller]
    fn assert_refuses_writes(&mut self, server: &RunningServer) {
        let (status, body, retry_after) = self.write(server);
        assert_eq!((status, retry_after.as_deref()), (503, Some("30")), "{body}");
        assert!(body.contains("\"code\":\"clock_jumped\""), "{body}");
        let (status, body) = get(&server.url("/healthz"), &[]);
        assert!(
            status == 503 && body.contains("\"code\":\"clock_jumped\""),
            "{status} {body}"
        );
        let (status, body) = get(&server.url("/v1/escrow/feeds"), &[("authorization", BEARER)]);
        assert_eq!(status, 200, "{body}");
    }

    /// Waits for these words in the log, and asserts that they occur once.
    #[track_caller]
    fn assert_told(&self, words: &str) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            let said = fs::read_to_string(self.log()).unwrap();
            if said.contains(words) {
                assert_eq!(said.matches(words).count(), 1, "{said}");
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{words:?} is not in {}", fs::read_to_string(self.log()).unwrap());
    }

    /// Returns the ledger time of the newest commit, in seconds.
    fn ledger_seconds(&self) -> i64 {
        let path = self.folder.path().join("test.db");
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let millis: i64 = connection
            .query_row("SELECT ledger_time FROM file_mark", [], |row| row.get(0))
            .unwrap();
        millis / 1_000
    }

    fn stop(server: &mut RunningServer) {
        server.signal("-TERM");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_clock_that_is_set_wrong_and_right_again_stops_nothing_for_good() {
    let mut machine = Machine::new();
    let mut server = machine.serve(&[]);
    machine.assert_writes(&server);
    let right = machine.ledger_seconds();

    // A jump is told although there is no request.
    machine.set_clock_wrong_by(400 * DAY);
    machine.assert_told("jumped ahead by 400 days");
    machine.assert_refuses_writes(&server);
    machine.set_clock_wrong_by(0);
    machine.assert_told("is right again");
    machine.assert_writes(&server);
    machine.assert_told("jumped ahead by 400 days");

    // A day is within the bound. Afterwards, time goes on from there.
    machine.set_clock_wrong_by(DAY);
    machine.assert_told("jumped ahead by 24 hours");
    machine.assert_writes(&server);
    machine.set_clock_wrong_by(0);
    machine.assert_told("was set back by 24 hours");
    thread::sleep(Duration::from_secs(2));
    machine.assert_writes(&server);
    let after = machine.ledger_seconds() - right;
    assert!((DAY + 2..DAY + 120).contains(&after), "{after} s");
    Machine::stop(&mut server);
    let check = machine.folder.run(&["check", "test.db"]);
    assert!(
        stdout(&check).contains("note: the newest commit is of"),
        "{}",
        stdout(&check)
    );

    let mut server = machine.serve(&[]);
    machine.assert_told("hours before the newest row");
    thread::sleep(Duration::from_secs(2));
    machine.assert_writes(&server);
    let later = machine.ledger_seconds() - right;
    assert!((after + 2..after + 120).contains(&later), "{after} s to {later} s");
    Machine::stop(&mut server);
}

#[test]
fn a_start_far_ahead_of_the_newest_row_waits_for_a_confirmation() {
    let mut machine = Machine::new();
    let mut server = machine.serve(&[]);
    machine.assert_writes(&server);
    let right = machine.ledger_seconds();
    Machine::stop(&mut server);

    machine.set_clock_wrong_by(400 * DAY);
    let mut server = machine.serve(&[]);
    machine.assert_told("restart once with `escrowd serve --accept-clock`");
    machine.assert_refuses_writes(&server);
    machine.set_clock_wrong_by(DAY);
    machine.assert_told("is within storage.clock_jump_hours_max again");
    machine.assert_writes(&server);
    Machine::stop(&mut server);

    machine.set_clock_wrong_by(400 * DAY);
    let mut server = machine.serve(&["--accept-clock"]);
    machine.assert_told("the clock is accepted");
    machine.assert_writes(&server);
    let ahead = machine.ledger_seconds() - right;
    assert!((400 * DAY..401 * DAY).contains(&ahead), "{ahead} s");
    Machine::stop(&mut server);
}
