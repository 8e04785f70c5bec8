//! The real binary on a database file that outlives it, and the rows of that file.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::waiting::until;
use escrowd::domain::events::event;
use escrowd::domain::time::Timestamp;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const DATABASE: &str = "test.db";

/// A folder with one database file.
pub(crate) struct Disk(TempDir);

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its id on the wire.
    pub(crate) id: String,
    pub(crate) name: String,
    /// The number of its escrow.
    pub(crate) escrow: Option<i64>,
    pub(crate) merchant: i64,
    pub(crate) payload: String,
}

/// A stored attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredAttempt {
    pub(crate) event: String,
    pub(crate) number: i64,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) answer: Option<String>,
    pub(crate) url: String,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts a server with these variables and waits until it listens.
    pub(crate) fn serve(&self, variables: &[(&str, &str)]) -> Service {
        self.serve_with(Stdio::inherit(), &[&[("ESCROWD_LOG", "error")], variables].concat())
    }

    /// Starts a server that writes its log, with warnings, to this file.
    pub(crate) fn serve_logging(&self, log: &Path, variables: &[(&str, &str)]) -> Service {
        let log = File::create(log).unwrap();
        self.serve_with(log.into(), &[&[("ESCROWD_LOG", "warn")], variables].concat())
    }

    fn serve_with(&self, stderr: Stdio, variables: &[(&str, &str)]) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_escrowd"));
        command
            .current_dir(self.0.path())
            .args(["--listen", "127.0.0.1:0", "--database", DATABASE])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut process = command.spawn().unwrap();
        let mut greeting = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut greeting).unwrap();
        let Some((_, address)) = greeting.trim_end().rsplit_once("http://") else {
            panic!("the server did not start: {greeting:?} {:?}", process.wait());
        };
        Service {
            address: address.to_owned(),
            process,
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .new_agent(),
        }
    }

    /// Starts a server that sends every merchant's events to this URL.
    pub(crate) fn serve_to(&self, url: &str, variables: &[(&str, &str)]) -> Service {
        let variables = [&[("ESCROWD_WEBHOOKS_CALLBACK_URL", url)], variables].concat();
        self.serve(&variables)
    }

    fn open(&self) -> Connection {
        let connection = Connection::open_with_flags(self.path(DATABASE), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        escrowd::store::add_functions(&connection).unwrap();
        connection
    }

    fn rows<T>(&self, sql: &str, read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let connection = self.open();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], read).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Returns every event, oldest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.rows(
            "SELECT printf('%016x%08x', event.id, guard), name, escrow_id, merchant_id, unpack(coalesce(data, lag(data) OVER (ORDER BY event.id))), created_at
             FROM event JOIN event_name ON event_name.id = name_id ORDER BY event.id",
            |row| {
                let (name, data): (String, String) = (row.get(1)?, row.get(4)?);
                let created_at = Timestamp::from_millis(row.get(5)?).unwrap();
                Ok(Event {
                    id: row.get(0)?,
                    escrow: row.get(2)?,
                    merchant: row.get(3)?,
                    payload: event::payload(&name, &data, created_at),
                    name,
                })
            },
        )
    }

    /// Returns every attempt, ordered by event and number.
    pub(crate) fn attempts(&self) -> Vec<StoredAttempt> {
        self.rows(
            "SELECT printf('%016x%08x', event_id, guard), number, status, error, answer, url
             FROM delivery_attempt JOIN event ON event.id = event_id ORDER BY event_id, number",
            |row| {
                Ok(StoredAttempt {
                    event: row.get(0)?,
                    number: row.get(1)?,
                    status: row.get(2)?,
                    error: row.get(3)?,
                    answer: row.get(4)?,
                    url: row.get(5)?,
                })
            },
        )
    }

    /// Returns the time in milliseconds between the only attempt of each event and the next
    /// attempt.
    pub(crate) fn pauses(&self) -> Vec<i64> {
        self.rows(
            "SELECT due_at - attempted_at FROM delivery JOIN delivery_attempt USING (event_id) ORDER BY event_id",
            |row| row.get(0),
        )
    }

    /// Returns the number of pending deliveries.
    pub(crate) fn pending(&self) -> i64 {
        self.rows("SELECT count(*) FROM delivery", |row| row.get(0))[0]
    }

    /// Waits until no delivery is pending.
    pub(crate) fn wait_for_deliveries(&self) {
        until("no delivery is pending", || self.pending() == 0);
    }

    /// Returns true if `escrowd check` finds no violation.
    pub(crate) fn passes_check(&self) -> bool {
        let mut check = Command::new(env!("CARGO_BIN_EXE_escrowd"));
        let output = check
            .current_dir(self.0.path())
            .args(["check", DATABASE])
            .output()
            .unwrap();
        output.status.success()
    }
}

/// A server in its own process. It is killed when dropped.
pub(crate) struct Service {
    pub(crate) address: String,
    process: Child,
    agent: ureq::Agent,
}

impl Service {
    /// Sends a request with this key, which must succeed, and returns the `data` of the reply.
    #[track_caller]
    pub(crate) fn send(&self, key: &str, customer: &str, method: &str, path: &str, body: &Value) -> Value {
        let (status, reply) = self.try_send(key, customer, method, path, body);
        assert!(status < 300, "{method} {path}: {reply}");
        reply["data"].clone()
    }

    pub(crate) fn try_send(&self, key: &str, customer: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", "application/json");
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if !customer.is_empty() {
            request = request.header("customer-id", customer);
        }
        let mut response = self.agent.run(request.body(body.to_string()).unwrap()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap())
    }

    /// Offers and funds a milestone escrow with this many milestones.
    #[track_caller]
    pub(crate) fn funded(&self, key: &str, milestones: usize) -> Value {
        let milestone = |number: usize| json!({ "title": format!("Stage {number}"), "amount": 100 });
        let terms = json!({
            "amount": 100 * milestones,
            "purpose": "Shop fit-out",
            "whoPays": "buyer",
            "milestones": (0..milestones).map(milestone).collect::<Vec<_>>(),
        });
        let deal = self.send(key, "ada", "POST", "/v1/escrow/milestone/create", &terms);
        let payment = json!({ "escrowDetails": { "escrowId": deal["id"] } });
        self.send(key, "ben", "POST", "/v1/payment/escrow", &payment);
        deal
    }

    /// Releases a milestone.
    #[track_caller]
    pub(crate) fn confirm(&self, key: &str, deal: &Value, milestone: usize) {
        self.send(key, "ben", "POST", &Self::confirmation(deal, milestone), &Value::Null);
    }

    /// Returns the path that releases a milestone.
    pub(crate) fn confirmation(deal: &Value, milestone: usize) -> String {
        let id = |of: &Value| of["id"].as_str().unwrap().to_owned();
        let milestone = id(&deal["milestones"][milestone]);
        format!("/v1/escrow/milestone/confirm/{}/{milestone}", id(deal))
    }

    /// Offers and funds a milestone escrow, and releases every milestone.
    #[track_caller]
    pub(crate) fn completed(&self, key: &str, milestones: usize) -> Value {
        let deal = self.funded(key, milestones);
        (0..milestones).for_each(|milestone| self.confirm(key, &deal, milestone));
        deal
    }

    /// Kills the server, as a crash would.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends SIGTERM, and waits until the server has stopped.
    pub(crate) fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
