//! The real program on a machine whose clock is set wrong, and right again. A library that
//! is loaded under it stands for that clock (`wrong_clock.c`).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::rt::System;
use escrowd::app;
use escrowd::config::Config;
use escrowd::domain::merchant::key::{KeyScope, MerchantKey, NewKey};
use escrowd::domain::mode::Mode;
use escrowd::store::Tx;
use rusqlite::{Connection, OpenFlags};

use crate::helpers::{RunningServer, WorkFolder, get, stdout};

const KEY: &str = "sk_live_the_only_one";
const BEARER: &str = "Bearer sk_live_the_only_one";
const DAY: i64 = 86_400;

/// The clients that write at once, and the time in which they do.
const CLIENTS: usize = 4;
const LOAD: Duration = Duration::from_secs(1);
/// The pause in which an idle server must not be busy, and the processor's time that it may
/// use. A loop without a pause would use all of it.
const IDLE: Duration = Duration::from_secs(2);
const IDLE_USE_MAX: Duration = Duration::from_millis(700);

/// Creates a live database with the merchant of [`KEY`].
fn insert_merchant(database: PathBuf) {
    let config = Config {
        mode: Mode::Live,
        database: database.into(),
        ..Config::default()
    };
    let store = app::open_store(&config).unwrap();
    let insert = |tx: &mut Tx<'_>| {
        let merchant = tx.insert_merchant(Some("shop"), None)?;
        let key = MerchantKey::new(NewKey::of(KEY), KeyScope::SuperAdmin, None, tx.ledger_time());
        tx.insert_merchant_key(merchant, &key)
    };
    System::new().block_on(store.write(insert)).unwrap();
    store.close();
}

/// A folder with a live database, and the clock of its machine.
struct Machine {
    folder: WorkFolder,
    wrong_by: File,
    customers: AtomicU32,
}

/// An answer: its status, body, and `Retry-After` header.
type Answer = (u16, String, Option<String>);

impl Machine {
    fn new() -> Self {
        let folder = WorkFolder::new();
        folder.write("config.toml", "mode = \"live\"\n");
        insert_merchant(folder.path().join("test.db"));
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
            customers: AtomicU32::new(1),
        };
        machine.set_clock_wrong_by(0);
        machine
    }

    fn set_clock_wrong_by(&self, seconds: i64) {
        let setting = [seconds.to_ne_bytes(), 0_i64.to_ne_bytes()].concat();
        self.wrong_by.write_all_at(&setting, 0).unwrap();
    }

    /// Lets the clock stand still at the present second.
    fn stop_clock(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.wrong_by.write_all_at(&now.to_ne_bytes(), 8).unwrap();
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
    fn write(&self, server: &RunningServer) -> Answer {
        let number = self.customers.fetch_add(1, Ordering::SeqCst);
        let body = format!(
            "{{\"firstname\":\"Ada\",\"lastname\":\"Obi\",\"email\":\"a{number}@shop.example\",\
             \"phone\":\"0803{number:07}\"}}"
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
    fn assert_writes(&self, server: &RunningServer) {
        let (status, body, _) = self.write(server);
        assert!(status < 300, "{status} {body}");
        assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
    }

    #[track_caller]
    fn assert_refuses_writes(&self, server: &RunningServer) {
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

    /// Writes from several clients at once for a while, and at least until there are more answers
    /// than clients. Returns the statuses of the answers.
    fn load(&self, server: &RunningServer) -> Vec<u16> {
        let ends = Instant::now() + LOAD;
        let answers = AtomicUsize::new(0);
        let client = || {
            let mut statuses = Vec::new();
            while Instant::now() < ends || answers.load(Ordering::SeqCst) <= CLIENTS {
                statuses.push(self.write(server).0);
                answers.fetch_add(1, Ordering::SeqCst);
            }
            statuses
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            let statuses = clients.into_iter().flat_map(|client| client.join().unwrap());
            statuses.collect()
        })
    }

    /// Returns the times of all customers in the order of their numbers.
    fn times_in_order(&self) -> Vec<i64> {
        let path = self.folder.path().join("test.db");
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut statement = connection
            .prepare("SELECT created_at FROM customer ORDER BY wallet_id")
            .unwrap();
        let times = statement.query_map([], |row| row.get(0)).unwrap();
        times.map(Result::unwrap).collect()
    }

    fn stop(server: &mut RunningServer) {
        server.signal("-TERM");
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_clock_that_is_set_wrong_and_right_again_stops_nothing_for_good() {
    let machine = Machine::new();
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
    let machine = Machine::new();
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

/// Returns the time of a processor that the server has used.
fn processor_time(server: &RunningServer) -> Duration {
    let text = fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // The 14th and 15th fields of the line, in hundredths of a second.
    let hundredths: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(hundredths * 10)
}

#[test]
fn clock_steps_under_load_keep_time_and_ids_in_order_and_no_thread_busy() {
    let machine = Machine::new();
    let mut server = machine.serve(&[]);
    machine.assert_writes(&server);
    let mut ledger_seconds = machine.ledger_seconds();
    let steps = [Some(-3_600), Some(0), Some(-DAY), Some(3_653 * DAY), None, Some(0)];
    for step in steps {
        match step {
            Some(seconds) => machine.set_clock_wrong_by(seconds),
            None => machine.stop_clock(),
        }
        let statuses = machine.load(&server);
        let expected = if step == Some(3_653 * DAY) { 503 } else { 200 };
        let is_expected = |&status: &u16| status == expected || (expected == 200 && status == 201);
        assert!(
            statuses.len() > CLIENTS && statuses.iter().all(is_expected),
            "{step:?}: {statuses:?}"
        );

        let used = processor_time(&server);
        thread::sleep(IDLE);
        let used = processor_time(&server).saturating_sub(used);
        assert!(
            used < IDLE_USE_MAX,
            "{step:?}: an idle server used {used:?} of {IDLE:?}"
        );

        let after = machine.ledger_seconds();
        let passed = after - ledger_seconds;
        assert!((0..60).contains(&passed), "{step:?}: {passed} s of ledger time");
        ledger_seconds = after;
    }
    machine.assert_writes(&server);
    Machine::stop(&mut server);
    let times = machine.times_in_order();
    assert!(times.is_sorted(), "times that go back: {times:?}");
    let check = machine.folder.run(&["check", "test.db"]);
    assert!(check.status.success(), "{}", stdout(&check));
}
