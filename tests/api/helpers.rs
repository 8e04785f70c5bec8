//! Starts a server for one test, with a method for each route.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use escrowd::app::{App, AppError, Stopper};
use escrowd::clock::SystemClock;
use escrowd::config::{Config, Storage};
use escrowd::domain::events::event;
use escrowd::domain::ids::{Entropy, Reference, TransactionId};
use escrowd::domain::mode::Mode;
use escrowd::domain::money::Amount;
use escrowd::domain::time::{Clock, Timestamp};
use escrowd::entropy::SystemEntropy;
use escrowd::store::{OpenError, Place, Synchronous};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::cluster::folder_in_memory;
use crate::database::{self, Engine};
use crate::described::Document;
use crate::live_merchants::{Merchant, TestConfig};
use crate::snapshots::transcript::{Request, Transcript};

/// The document that explains every refusal.
const ERRORS: &str = include_str!("../../docs/errors.md");

/// A running service. Dropping it stops the service and audits its ledger, so that
/// every test also checks the ledger's invariants.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    /// The address of the metrics, if the test has set one.
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) database: Place,
    agent: ureq::Agent,
    described: &'static Document,
    clock: MovedClock,
    /// The requests and replies of a recorded service.
    transcript: Option<Transcript>,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

/// A clock that the test moves forward. It starts from the system's clock or, if
/// `stands_at_millis` is set, from that fixed time.
#[derive(Clone, Default)]
struct MovedClock {
    stands_at_millis: Option<i64>,
    /// The time that the test has let pass.
    ahead_millis: Arc<AtomicI64>,
    /// The milliseconds by which the test has set the clock ahead, although it has not passed.
    wrong_by: Arc<AtomicI64>,
    /// The start of the name of the thread whose next look at the clock panics.
    panics_on: Arc<Mutex<Option<&'static str>>>,
    /// The number of ids up to the one that panics instead. 0 if none does.
    ids_to_panic: Arc<AtomicU64>,
}

/// The service's source of ids, which panics if the test has planned it. The writer asks for
/// numbers within commands only.
struct PanickingEntropy {
    system: SystemEntropy,
    ids_to_panic: Arc<AtomicU64>,
}

impl Entropy for PanickingEntropy {
    fn number(&mut self, now: Timestamp) -> i64 {
        let count_down = |ids: u64| ids.checked_sub(1);
        let before = self
            .ids_to_panic
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, count_down);
        assert_ne!(before, Ok(1), "planned by the test");
        self.system.number(now)
    }

    fn start_after(&mut self, number: i64) {
        self.system.start_after(number);
    }

    fn newest(&self) -> i64 {
        self.system.newest()
    }

    fn random(&mut self) -> u128 {
        self.system.random()
    }
}

impl MovedClock {
    /// Panics if the test has planned it for this thread.
    fn panic_if_planned(&self) {
        let thread = thread::current();
        let is_planned = |name: &mut &str| thread.name().unwrap_or_default().starts_with(*name);
        let planned = self.panics_on.lock().unwrap().take_if(is_planned);
        assert!(planned.is_none(), "planned by the test");
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        self.panic_if_planned();
        let start = self.stands_at_millis.unwrap_or_else(|| SystemClock.now().millis());
        let ahead = self.ahead_millis.load(Ordering::SeqCst) + self.wrong_by.load(Ordering::SeqCst);
        Timestamp::from_millis(start + ahead).unwrap()
    }

    fn elapsed(&self) -> Duration {
        let start = self
            .stands_at_millis
            .map_or_else(|| SystemClock.elapsed(), |_| Duration::ZERO);
        start + Duration::from_millis(self.ahead_millis.load(Ordering::SeqCst).try_into().unwrap())
    }
}

/// The time at which a recorded service starts: 2031-03-04T05:06:07.008Z. It lies in
/// the future, so that no test depends on the day.
pub(crate) const RECORDED_FROM_MILLIS: i64 = 1_930_367_167_008;
/// The milliseconds by which the clock moves with each recorded request, so that no two
/// requests have the same time.
const RECORDED_STEP_MILLIS: i64 = 1_001;

/// The name of the thread on which a service does its work in the background, except what has a
/// thread of its own.
pub(crate) const SERVICE_THREAD: &str = "service";

/// The reply to one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// The body's text, exactly as the service sent it.
    pub(crate) text: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn data(&self) -> &Value {
        &self.body["data"]
    }

    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Checks that a refusal with a code names the place where the document explains the code.
    /// Takes the address out of the body, so that tests can compare the rest.
    fn check_doc_url(&mut self) {
        let Value::Object(fields) = &mut self.body else {
            return;
        };
        let doc_url = fields.remove("docUrl");
        let code = fields.get("code").and_then(Value::as_str);
        assert_eq!(doc_url.is_some(), code.is_some(), "{}", self.text);
        if let (Some(Value::String(doc_url)), Some(code)) = (doc_url, code) {
            let (page, fragment) = doc_url.split_once('#').unwrap();
            assert!(page.starts_with("http") && page.ends_with("/docs/errors"), "{doc_url}");
            assert_eq!(fragment, code);
            assert!(ERRORS.contains(&format!("| `{code}` |")), "docs/errors.md lacks {code}");
        }
    }

    /// Returns true if the body is a CSV file, which has no envelope.
    pub(crate) fn is_csv(&self) -> bool {
        self.header("content-type") == Some("text/csv; charset=utf-8")
    }

    /// Returns true for a file, a page or a redirection, which have no envelope.
    fn is_text(&self) -> bool {
        let content_type = self.header("content-type");
        self.status == 303 || content_type.is_some_and(|content_type| content_type.starts_with("text/"))
    }

    /// Returns the answer after asserting that it is a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status < 300, "{self:?}");
        assert_eq!(self.body["status"], self.status);
        self
    }

    /// Reads the next reply from a connection.
    pub(crate) fn read_from(stream: &TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no reply: {line:?}"));
        let status = status.parse().unwrap();
        let mut headers = Vec::new();
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Self {
            status,
            body: Value::Null,
            text: String::new(),
            headers,
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        answer.text = String::from_utf8(body).unwrap();
        answer.body = serde_json::from_str(&answer.text).unwrap_or_default();
        answer.check_doc_url();
        answer
    }

    #[track_caller]
    pub(crate) fn text(&self, key: &str) -> String {
        self.data()[key].as_str().unwrap().to_owned()
    }
}

/// The ids of one escrow.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) milestones: Vec<String>,
}

impl Deal {
    pub(crate) fn of(answer: &Answer) -> Self {
        let milestones = answer.data()["milestones"].as_array().unwrap();
        Self {
            id: answer.text("id"),
            token: answer.text("paymentToken"),
            milestones: milestones
                .iter()
                .map(|milestone| milestone["id"].as_str().unwrap().to_owned())
                .collect(),
        }
    }
}

/// Returns the day that is this many days ahead, as YYYY-MM-DD.
pub(crate) fn day_in(days: i64) -> String {
    let at = SystemClock.now().millis_later(days * 86_400_000);
    at.to_string()[..10].to_owned()
}

pub(crate) fn spawn_app() -> TestApp {
    spawn_app_with(|_| {})
}

/// Spawns a service whose settings differ from the defaults.
pub(crate) fn spawn_app_with(change: impl FnOnce(&mut TestConfig)) -> TestApp {
    spawn_app_with_clock(MovedClock::default(), change)
}

/// Spawns a service whose requests and replies are recorded for a snapshot. Its clock moves
/// by [`RECORDED_STEP_MILLIS`] with each request and not otherwise.
pub(crate) fn spawn_recorded_app(change: impl FnOnce(&mut TestConfig)) -> TestApp {
    let clock = MovedClock {
        stands_at_millis: Some(RECORDED_FROM_MILLIS),
        ..MovedClock::default()
    };
    let mut app = spawn_app_with_clock(clock, |config| {
        // Snapshots take thousands of writes, and none needs to survive a power failure.
        config.storage.synchronous = Synchronous::Normal;
        change(config);
    });
    app.transcript = Some(Transcript::of(app.address));
    app
}

/// Spawns a service that panics when a thread whose name starts like this looks at the clock for the
/// first time.
pub(crate) fn spawn_app_that_panics_on(thread: &'static str, change: impl FnOnce(&mut TestConfig)) -> TestApp {
    let clock = MovedClock::default();
    *clock.panics_on.lock().unwrap() = Some(thread);
    spawn_app_with_clock(clock, change)
}

fn spawn_app_with_clock(clock: MovedClock, change: impl FnOnce(&mut TestConfig)) -> TestApp {
    // Other tests lose the power of a disk; these have some thousand databases.
    let folder = folder_in_memory();
    let defaults = Config::default();
    let mut config = TestConfig::of(Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        database: database::new_place(Engine::wanted(), folder.path()),
        storage: Storage {
            // Each connection parses the schema.
            readers: 2,
            long_readers: 2,
            ..defaults.storage
        },
        ..defaults
    });
    change(&mut config);
    let database = config.database.clone();
    let described = Document::of_rules(config.mode, config.strict);
    let service_clock = clock.clone();
    let (started, has_started) = mpsc::channel();
    let thread = thread::Builder::new().name(SERVICE_THREAD.to_owned());
    let thread = thread.spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = start_when_free(&config, &service_clock).await;
            config.insert_merchants(&app.store()).await;
            started
                .send((app.address(), app.metrics_address(), app.stopper()))
                .unwrap();
            app.run().await.unwrap();
        });
    });
    let (address, metrics_address, stopper) = has_started.recv().unwrap();
    TestApp {
        address,
        metrics_address,
        database,
        agent: agent(),
        described,
        clock,
        transcript: None,
        stopper,
        thread: Some(thread.unwrap()),
        _folder: folder,
    }
}

/// Returns a client with connections of its own.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .new_agent()
}

/// Starts a service and retries for 10 seconds while its database file is in use. A test may
/// restart a service on the same file while the last worker of the old one is still exiting.
async fn start_when_free(config: &Config, clock: &MovedClock) -> App {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let entropy = PanickingEntropy {
            system: SystemEntropy::new(),
            ids_to_panic: Arc::clone(&clock.ids_to_panic),
        };
        match App::start_by(config, Box::new(clock.clone()), Box::new(entropy)).await {
            Err(AppError::Open(OpenError::InUse { .. })) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome.unwrap(),
        }
    }
}

/// The key of a live service's only merchant.
pub(crate) const LIVE_KEY: &str = "sk_live_the_only_one";

/// Spawns a service in live mode with one merchant, whose key is [`LIVE_KEY`], and then
/// applies `change` to its settings.
pub(crate) fn spawn_live_app(change: impl FnOnce(&mut TestConfig)) -> TestApp {
    spawn_app_with(|config| {
        go_live(config);
        change(config);
    })
}

/// Sets live mode, with one merchant whose key is [`LIVE_KEY`].
pub(crate) fn go_live(config: &mut TestConfig) {
    // Some tests send many unknown keys.
    config.limits.unknown_keys_per_minute = 0;
    config.mode = Mode::Live;
    config.merchant = vec![Merchant::new("shop", LIVE_KEY)];
}

/// Returns the key's SHA-256 hash.
pub(crate) fn key_hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Returns the amount of this many minor units.
pub(crate) fn kobo(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

/// Returns the body that creates a customer.
pub(crate) fn new_customer() -> Value {
    json!({ "firstname": "Ada", "lastname": "Obi", "email": "ada@shop.example", "phone": "08012345678" })
}

/// Returns terms with two milestones of 4,000 and 6,000.
pub(crate) fn two_milestones() -> Value {
    json!({
        "amount": 10000,
        "purpose": "Shop fit-out",
        "whoPays": "buyer",
        "milestones": [{ "title": "Frame", "amount": 4000 }, { "title": "Finish", "amount": 6000 }],
    })
}

/// Returns terms of a standard escrow of 1,234.56 whose seller pays the fee (contract Ex 2).
pub(crate) fn standard_terms() -> Value {
    json!({
        "amount": 1234.56,
        "purpose": "A bicycle",
        "whoPays": "seller",
        "maxDelivery": 3,
        "deliveryTimeline": "days",
    })
}

/// Returns the body as text, with exactly the characters of `raw` as the value of one
/// field, given by its JSON pointer. An empty `raw` removes the field.
pub(crate) fn with_field(mut body: Value, pointer: &str, raw: &str) -> String {
    const MARK: &str = "the field under test";
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    match key.parse::<usize>() {
        Ok(index) => parent[index] = json!(MARK),
        Err(_) if raw.is_empty() => drop(parent.as_object_mut().unwrap().remove(key)),
        Err(_) => parent[key] = json!(MARK),
    }
    body.to_string().replace(&format!("\"{MARK}\""), raw)
}

/// Returns the body of a multipart form with the boundary `form`. Each part is a field name, an
/// optional file name and the content.
pub(crate) fn form_of(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, file_name, content) in parts {
        let file_name = file_name.map_or(String::new(), |name| format!("; filename=\"{name}\""));
        let head = format!("--form\r\ncontent-disposition: form-data; name=\"{field}\"{file_name}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--form--\r\n");
    body
}

impl TestApp {
    /// Sends a request.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        self.step();
        let request_headers = headers;
        let uri = format!("http://{}{path}", self.address);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        }
        .unwrap();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let text = response.body_mut().read_to_string().unwrap();
        let mut answer = Answer {
            status: response.status().as_u16(),
            body: Value::Null,
            text,
            headers,
        };
        if !answer.is_text() {
            let text = &answer.text;
            answer.body = serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"));
            answer.check_doc_url();
        }
        self.described.check(method, path, body, &answer);
        if let Some(transcript) = &self.transcript {
            let request = Request {
                line: format!("{method} {path}"),
                headers: request_headers,
                body,
            };
            transcript.add(&request, &answer);
        }
        answer
    }

    /// Moves the clock of a recorded service by one step.
    fn step(&self) {
        if self.transcript.is_some() {
            self.clock
                .ahead_millis
                .fetch_add(RECORDED_STEP_MILLIS, Ordering::SeqCst);
        }
    }

    /// Returns the transcript of a recorded service.
    pub(crate) fn transcript(&self) -> &Transcript {
        self.transcript.as_ref().expect("spawned by spawn_recorded_app")
    }

    /// Runs requests without recording them in the transcript.
    pub(crate) fn unrecorded<T>(&self, run: impl FnOnce(&Self) -> T) -> T {
        let pause = self.transcript.as_ref().map(Transcript::pause);
        let outcome = run(self);
        drop(pause);
        outcome
    }

    /// Sends a request with a JSON body for a customer.
    pub(crate) fn json(&self, method: &str, path: &str, customer: &str, body: &Value) -> Answer {
        self.json_text(method, path, customer, &body.to_string())
    }

    /// Sends a request for a customer with a body that need not be valid JSON.
    pub(crate) fn json_text(&self, method: &str, path: &str, customer: &str, body: &str) -> Answer {
        let headers = [("customer-id", customer), ("content-type", "application/json")];
        self.send(method, path, &headers, Some(body.as_bytes()))
    }

    /// Sends a multipart form for a customer, or for the merchant if `customer` is empty. The
    /// parts are those of [`form_of`].
    pub(crate) fn form(
        &self,
        method: &str,
        path: &str,
        customer: &str,
        parts: &[(&str, Option<&str>, &[u8])],
    ) -> Answer {
        let body = form_of(parts);
        let form = ("content-type", "multipart/form-data; boundary=form");
        let headers = [form, ("customer-id", customer)];
        let headers = if customer.is_empty() { &headers[..1] } else { &headers };
        self.send(method, path, headers, Some(&body))
    }

    /// Fetches a file and returns the reply's status, headers and body.
    pub(crate) fn file(&self, path: &str) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let mut response = self.agent.get(format!("http://{}{path}", self.address)).call().unwrap();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let headers = headers.collect();
        (
            response.status().as_u16(),
            headers,
            response.body_mut().read_to_vec().unwrap(),
        )
    }

    /// Returns the paths of all files in the database's blob folder, relative to the folder.
    pub(crate) fn stored_files(&self) -> Vec<String> {
        let Some(database) = self.database.path() else {
            return self.column("SELECT name FROM file ORDER BY name");
        };
        let root = PathBuf::from(format!("{}-files", database.display()));
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// Opens a connection to the service, for requests that an HTTP client cannot send.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Sends a request whose reply may have no body, over a connection of its own.
    pub(crate) fn send_for_head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        let reply = self.exchange_for_text(format!("{request}\r\n").as_bytes());
        let (head, _) = reply.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        Answer {
            status: status.parse().unwrap(),
            body: Value::Null,
            text: String::new(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
        }
    }

    /// Sends these bytes over a new connection, and returns all that the service sends until it
    /// closes the connection.
    pub(crate) fn exchange_for_text(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// Sends these bytes over a new connection and reads the first reply.
    pub(crate) fn exchange(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        self.step();
        stream.write_all(request).unwrap();
        let answer = Answer::read_from(&stream);
        if let Some(transcript) = &self.transcript {
            let end = request.windows(2).position(|bytes| bytes == b"\r\n").unwrap();
            let line = String::from_utf8_lossy(&request[..end]);
            let request = Request {
                line: line.trim_end_matches(" HTTP/1.1").to_owned(),
                headers: &[],
                body: Some(&request[end + 2..]),
            };
            transcript.add(&request, &answer);
        }
        answer
    }

    /// Sends a request of the merchant, without a `customer-id` header.
    pub(crate) fn as_merchant(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let text = body.map(Value::to_string);
        let json = [("content-type", "application/json")];
        let headers = if text.is_some() { &json[..] } else { &[] };
        self.send(method, path, headers, text.as_deref().map(str::as_bytes))
    }

    pub(crate) fn create_customer(&self, body: &Value) -> Answer {
        self.as_merchant("POST", "/v1/customer/create", Some(body))
    }

    pub(crate) fn customer(&self, id: &str) -> Answer {
        self.as_merchant("GET", &format!("/v1/customer/get/{id}"), None)
    }

    pub(crate) fn customers(&self, query: &str) -> Answer {
        self.as_merchant("GET", &format!("/v1/customers{query}"), None)
    }

    pub(crate) fn update_customer(&self, id: &str, body: &Value) -> Answer {
        self.as_merchant("PUT", &format!("/v1/customer/update/{id}"), Some(body))
    }

    pub(crate) fn permit(&self, id: &str, body: &Value) -> Answer {
        self.as_merchant("PUT", &format!("/v1/customer/permissions/{id}"), Some(body))
    }

    pub(crate) fn block(&self, id: &str) -> Answer {
        self.as_merchant("PUT", &format!("/v1/customer/block/{id}"), None)
    }

    pub(crate) fn unblock(&self, id: &str) -> Answer {
        self.as_merchant("PUT", &format!("/v1/customer/unblock/{id}"), None)
    }

    pub(crate) fn create_milestone_escrow(&self, seller: &str, body: &Value) -> Answer {
        self.json("POST", "/v1/escrow/milestone/create", seller, body)
    }

    pub(crate) fn edit_milestone_escrow(&self, seller: &str, token: &str, body: &Value) -> Answer {
        self.json("PUT", &format!("/v1/escrow/milestone/edit/{token}"), seller, body)
    }

    pub(crate) fn milestones(&self, token: &str) -> Answer {
        self.send("GET", &format!("/v1/escrow/milestone/{token}"), &[], None)
    }

    pub(crate) fn confirm_milestone(&self, buyer: &str, escrow: &str, milestone: &str) -> Answer {
        let path = format!("/v1/escrow/milestone/confirm/{escrow}/{milestone}");
        self.send("POST", &path, &[("customer-id", buyer)], None)
    }

    pub(crate) fn create_escrow(&self, seller: &str, body: &Value) -> Answer {
        self.json("POST", "/v1/escrow/create", seller, body)
    }

    /// Sends a request for a customer, or for the merchant if `party` is empty.
    fn party(&self, method: &str, path: &str, party: &str, body: Option<&Value>) -> Answer {
        let headers = [("content-type", "application/json"), ("customer-id", party)];
        let headers = if party.is_empty() { &headers[..1] } else { &headers };
        let body = body.map(Value::to_string);
        self.send(method, path, headers, body.as_deref().map(str::as_bytes))
    }

    /// Creates a category of this party and returns its id.
    #[track_caller]
    pub(crate) fn category_of(&self, party: &str) -> String {
        let body = json!({ "name": "Bicycles" });
        let created = self.party("POST", "/v1/escrow/category/create", party, Some(&body));
        created.ok().text("id")
    }

    pub(crate) fn edit_escrow(&self, seller: &str, token: &str, body: &Value) -> Answer {
        self.party("PUT", &format!("/v1/escrow/edit/{token}"), seller, Some(body))
    }

    pub(crate) fn set_additional_fee(&self, token: &str, body: &Value) -> Answer {
        self.party("PUT", &format!("/v1/escrow/additional-fee/{token}"), "", Some(body))
    }

    pub(crate) fn delete_escrow(&self, seller: &str, token: &str) -> Answer {
        self.party("DELETE", &format!("/v1/escrow/delete/{token}"), seller, None)
    }

    pub(crate) fn claim(&self, seller: &str, token: &str) -> Answer {
        self.party("GET", &format!("/v1/escrow/claim-funds/{token}"), seller, None)
    }

    pub(crate) fn refund(&self, seller: &str, token: &str) -> Answer {
        self.party("POST", &format!("/v1/escrow/refund/{token}"), seller, None)
    }

    pub(crate) fn convert(&self, seller: &str, token: &str, body: &Value) -> Answer {
        let path = format!("/v1/escrow/milestone/convert/{token}");
        self.party("PUT", &path, seller, Some(body))
    }

    /// Lists a party's escrows. The query has no leading question mark.
    pub(crate) fn escrows(&self, party: &str, query: &str) -> Answer {
        self.party("GET", &format!("/v1/escrow/transactions?{query}"), party, None)
    }

    /// Moves the service's clock forward by this many seconds.
    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.clock.ahead_millis.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Sets the service's clock to this many seconds after the right time, although no time
    /// passes.
    pub(crate) fn set_clock_wrong_by(&self, seconds: i64) {
        self.clock.wrong_by.store(seconds * 1000, Ordering::SeqCst);
    }

    /// Makes the next look at the clock panic, on a thread whose name starts like this.
    pub(crate) fn plan_panic_on(&self, thread: &'static str) {
        *self.clock.panics_on.lock().unwrap() = Some(thread);
    }

    /// Returns true if the planned panic has happened.
    pub(crate) fn has_panicked(&self) -> bool {
        self.clock.panics_on.lock().unwrap().is_none()
    }

    /// Makes the next commands panic when they make an id for the `id`th time, counted from 1.
    /// The command then holds the writer. With 0, none panics.
    pub(crate) fn plan_panic_at_id(&self, id: u64) {
        self.clock.ids_to_panic.store(id, Ordering::SeqCst);
    }

    /// Returns true if the planned panic of a command has happened.
    pub(crate) fn has_command_panicked(&self) -> bool {
        self.clock.ids_to_panic.load(Ordering::SeqCst) == 0
    }

    /// Advances the default merchant's sandbox clock.
    pub(crate) fn advance(&self, by: impl Into<Value>) -> Answer {
        self.as_merchant("POST", "/sandbox/clock/advance", Some(&json!({ "by": by.into() })))
    }

    /// Resets this key's sandbox merchant, which removes all its data.
    pub(crate) fn reset(&self, key: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        self.send("POST", "/sandbox/reset", &[("authorization", &bearer)], None)
    }

    pub(crate) fn verify(&self, token: &str) -> Answer {
        self.send("GET", &format!("/v1/escrow/verify/{token}"), &[], None)
    }

    pub(crate) fn confirm_payment(&self, buyer: &str, escrow: &str) -> Answer {
        let path = format!("/v1/escrow/confirm-payment/{escrow}");
        self.send("POST", &path, &[("customer-id", buyer)], None)
    }

    pub(crate) fn pay(&self, buyer: &str, body: &Value) -> Answer {
        self.json("POST", "/v1/payment/escrow", buyer, body)
    }

    pub(crate) fn pay_for(&self, buyer: &str, deal: &Deal) -> Answer {
        self.pay(buyer, &json!({ "escrowDetails": { "escrowId": deal.id } }))
    }

    pub(crate) fn top_up(&self, customer: &str, amount: impl Into<Value>) -> Answer {
        self.json(
            "POST",
            "/v1/payment/topup",
            customer,
            &json!({ "amount": amount.into() }),
        )
    }

    pub(crate) fn create_intent(&self, customer: &str, body: &Value) -> Answer {
        self.json("POST", "/v1/payment/create-intent", customer, body)
    }

    pub(crate) fn verify_payment(&self, customer: &str, reference: &str) -> Answer {
        let body = json!({ "reference": reference });
        self.json("POST", "/v1/payment/verify", customer, &body)
    }

    /// Lists a customer's payment history, filtered by a query such as `?type=escrow`.
    pub(crate) fn history(&self, customer: &str, query: &str) -> Answer {
        let path = format!("/v1/payment/history{query}");
        self.send("GET", &path, &[("customer-id", customer)], None)
    }

    pub(crate) fn save_card(&self, customer: &str, number: &str) -> Answer {
        self.json("POST", "/sandbox/cards", customer, &json!({ "number": number }))
    }

    /// Creates a customer with this name and phone, tops up the wallet by `major` and returns
    /// the customer's id.
    #[track_caller]
    pub(crate) fn customer_with(&self, firstname: &str, phone: &str, major: i64) -> String {
        let body = json!({
            "firstname": firstname,
            "lastname": "Obi",
            "email": format!("{firstname}@shop.example"),
            "phone": phone,
        });
        let headers = [("content-type", "application/json")];
        let created = self.send(
            "POST",
            "/v1/customer/create",
            &headers,
            Some(body.to_string().as_bytes()),
        );
        let id = created.ok().text("customerId");
        if major > 0 {
            self.top_up(&id, major).ok();
        }
        id
    }

    /// Returns the names of all events, oldest first.
    pub(crate) fn events(&self) -> Vec<String> {
        self.column("SELECT name FROM event JOIN event_name ON event_name.id = name_id ORDER BY event.id")
    }

    /// Returns the payloads of all events, oldest first.
    pub(crate) fn payloads(&self) -> Vec<String> {
        let connection = self.sqlite();
        let sql = "SELECT name, unpack(coalesce(data, lag(data) OVER (ORDER BY event.id))), created_at
                   FROM event JOIN event_name ON event_name.id = name_id ORDER BY event.id";
        let mut statement = connection.prepare(sql).unwrap();
        let payloads = statement.query_map([], |row| {
            let (name, data): (String, String) = (row.get(0)?, row.get(1)?);
            let created_at = Timestamp::from_millis(row.get(2)?).unwrap();
            Ok(event::payload(&name, &data, created_at))
        });
        payloads.unwrap().map(Result::unwrap).collect()
    }

    /// Returns every transfer without an escrow, except top-ups and opening balances, in order
    /// and in the form of [`TestApp::escrow_transfers`].
    pub(crate) fn other_transfers(&self) -> Vec<String> {
        self.column(
            "SELECT kind || ' ' || lower(debit.purpose) || coalesce(':' || debit.customer_id, '')
                    || ' -> ' || lower(credit.purpose) || coalesce(':' || credit.customer_id, '') || ' ' || amount
             FROM transfer
             JOIN account AS debit ON debit.id = debit_account_id
             JOIN account AS credit ON credit.id = credit_account_id
             WHERE escrow_id IS NULL AND kind NOT IN ('TOP_UP', 'OPENING_BALANCE') ORDER BY transfer.id",
        )
    }

    pub(crate) fn wallet(&self, customer: &str) -> Answer {
        self.send("GET", "/v1/wallet", &[("customer-id", customer)], None)
    }

    /// Returns a customer's main and escrow balance, as JSON numbers in major units.
    #[track_caller]
    pub(crate) fn balances(&self, customer: &str) -> (Value, Value) {
        let wallet = self.wallet(customer).ok();
        (
            wallet.data()["mainBalance"].clone(),
            wallet.data()["escrowBalance"].clone(),
        )
    }

    /// Creates Ada's offer with two milestones, which no buyer has paid.
    #[track_caller]
    pub(crate) fn offered(&self) -> Deal {
        Deal::of(&self.create_milestone_escrow("ada", &two_milestones()).ok())
    }

    /// Creates Ada's offer with two milestones and pays for it as Ben.
    #[track_caller]
    pub(crate) fn funded(&self) -> Deal {
        let deal = self.offered();
        self.pay_for("ben", &deal).ok();
        deal
    }

    /// Returns every row of every table as text, without what health checks, commits themselves and the
    /// uses of keys write.
    pub(crate) fn dump(&self) -> String {
        database::dump(&self.database)
    }

    /// Returns the number of rows in a table.
    pub(crate) fn count(&self, table: &str) -> usize {
        let counts = self.column(&format!("SELECT count(*) FROM {table}"));
        counts[0].parse().unwrap()
    }

    /// Asserts that the service refuses the request with this status and message in the
    /// envelope, and that the request changed nothing in the file.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, message: &str, request: impl FnOnce(&Self) -> Answer) -> Answer {
        let before = self.dump();
        let answer = request(self);
        assert_eq!((answer.status, answer.message()), (status, message), "{answer:?}");
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.body["data"], json!({}));
        assert!(answer.body["code"].is_string());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("x-request-id").is_some());
        assert_eq!(self.dump(), before, "a refusal changed the file");
        answer
    }

    /// Stops the service as SIGTERM does, and waits until it has stopped.
    pub(crate) fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A service that finds a connection open looks again after a second. This is the time
            // in which it sees that those of the old client have closed.
            self.agent = agent();
            thread::sleep(Duration::from_millis(10));
            actix_web::rt::System::new().block_on(self.stopper.stop());
            assert!(thread.join().is_ok(), "the service panicked");
        }
    }

    /// Sends a request with the given API key. It has a JSON body unless `body` is null, and a
    /// `customer-id` header unless `customer` is empty.
    pub(crate) fn json_with_key(&self, key: &str, method: &str, path: &str, customer: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {key}");
        let body = Some(body).filter(|body| !body.is_null()).map(Value::to_string);
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(Some(("customer-id", customer)).filter(|_| !customer.is_empty()));
        headers.extend(body.as_ref().map(|_| ("content-type", "application/json")));
        self.send(method, path, &headers, body.as_deref().map(str::as_bytes))
    }

    /// Returns the path of the database file.
    pub(crate) fn database_file(&self) -> &Path {
        self.database.path().expect("a test on a file")
    }

    /// Opens the file to change rows in it. The service's readers see a change of another
    /// program only after the service's next commit.
    pub(crate) fn sqlite(&self) -> Connection {
        let connection = Connection::open(self.database_file()).unwrap();
        escrowd::store::add_functions(&connection).unwrap();
        connection
    }

    /// Returns the reference of each transaction that a condition selects, oldest first.
    pub(crate) fn references(&self, condition: &str) -> Vec<String> {
        let sql = format!("SELECT id, guard, reference FROM payment_transaction WHERE {condition} ORDER BY id");
        let references = database::rows(&self.database, &sql).into_iter().map(|row| {
            let [id, guard, stored] = row.try_into().unwrap();
            let number = |text: Option<String>| text.unwrap().parse().unwrap();
            let id = TransactionId::new(number(id), u32::try_from(number(guard)).unwrap());
            Reference::from_stored(stored.as_deref(), id).as_str().to_owned()
        });
        references.collect()
    }

    /// Returns the first column of a query's rows, as text.
    pub(crate) fn column(&self, sql: &str) -> Vec<String> {
        database::column(&self.database, sql)
    }

    /// Waits up to 10 seconds for two events of this name, and returns the merchants of all in their
    /// order.
    pub(crate) fn merchants_of_two(&self, event: &str) -> Vec<String> {
        let sql = format!(
            "SELECT merchant_id FROM event JOIN event_name ON event_name.id = name_id
             WHERE name = '{event}' ORDER BY event.id"
        );
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let found = self.column(&sql);
            if found.len() >= 2 || Instant::now() >= until {
                return found;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns every transfer of an escrow, in order, as `KIND from -> to amount` with the amount
    /// in minor units. An account appears as its purpose, followed by `:` and the customer if
    /// it belongs to one.
    pub(crate) fn escrow_transfers(&self) -> Vec<String> {
        self.column(
            "SELECT kind || ' ' || lower(debit.purpose) || coalesce(':' || debit.customer_id, '')
                    || ' -> ' || lower(credit.purpose) || coalesce(':' || credit.customer_id, '') || ' ' || amount
             FROM transfer
             JOIN account AS debit ON debit.id = debit_account_id
             JOIN account AS credit ON credit.id = credit_account_id
             WHERE escrow_id IS NOT NULL ORDER BY transfer.id",
        )
    }

    /// Returns the sum of all balances in the file, in minor units, without the outside world's.
    pub(crate) fn money(&self) -> i64 {
        let sums = self.column("SELECT coalesce(sum(balance), 0) FROM account WHERE purpose <> 'OUTSIDE_WORLD'");
        sums[0].parse().unwrap()
    }

    /// Runs one request on each of `threads` threads at the same moment, and returns their
    /// results.
    pub(crate) fn run_concurrently<T: Send>(
        &self,
        threads: usize,
        request: impl Fn(&Self, usize) -> T + Sync,
    ) -> Vec<T> {
        let gate = Barrier::new(threads);
        thread::scope(|scope| {
            let run = |index| {
                let (gate, request) = (&gate, &request);
                scope.spawn(move || {
                    gate.wait();
                    request(self, index)
                })
            };
            let running: Vec<_> = (0..threads).map(run).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        // Another service may have gone on with the database of one that was stopped.
        let is_last = self.thread.is_some() || self.database.path().is_some();
        self.stop();
        if !is_last {
            return;
        }
        let audit = escrowd::store::audit(&self.database, &mut |_, _| {}).unwrap();
        assert_eq!(audit.findings, []);
        database::remove(&self.database);
    }
}
