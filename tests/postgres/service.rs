//! The real binary on a PostgreSQL database.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use crate::waiting::until_some;
use serde_json::{Value, json};
use ureq::http::Request;
use ureq::{Agent, AsSendBody};

/// A file of evidence.
pub(crate) const PDF: &[u8] = b"%PDF-1.7 a receipt";

/// A running service, killed when dropped.
pub(crate) struct Service {
    process: Child,
    pub(crate) address: String,
    agent: Agent,
}

/// The status and the body of a reply.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(
            self.status == 200 || self.status == 201,
            "{} {}",
            self.status,
            self.body
        );
        self.body["data"].clone()
    }
}

impl Service {
    /// Starts a service and waits until it listens.
    pub(crate) fn start(url: &str) -> Self {
        Self::start_with(url, &[])
    }

    /// Starts a service with these environment variables.
    pub(crate) fn start_with(url: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_and_tell(url, environment, Stdio::inherit())
    }

    /// Starts a service whose errors go to `told`.
    pub(crate) fn start_and_tell(url: &str, environment: &[(&str, &str)], told: Stdio) -> Self {
        let mut command = escrowd();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--database", url])
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(told);
        let mut process = command.spawn().unwrap();
        let mut greeting = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut greeting)
            .unwrap();
        let Some((_, address)) = greeting.trim_end().rsplit_once("http://") else {
            panic!("the service did not start: {greeting:?} {:?}", process.wait());
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(40)))
            .build()
            .new_agent();
        Self {
            process,
            address: address.to_owned(),
            agent,
        }
    }

    /// Sends a request of the default merchant. An error leaves open if the service did the
    /// work.
    pub(crate) fn send(&self, method: &str, path: &str, customer: &str, body: &Value) -> Result<Answer, ureq::Error> {
        self.send_with_key(method, path, customer, "", body)
    }

    /// Sends a request with an idempotency key, unless that is empty.
    pub(crate) fn send_with_key(
        &self,
        method: &str,
        path: &str,
        customer: &str,
        key: &str,
        body: &Value,
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", "application/json");
        for (name, value) in [("customer-id", customer), ("idempotency-key", key)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.run(request.body(body).unwrap())
    }

    /// Sends a request with a bearer key.
    pub(crate) fn send_as(&self, key: &str, method: &str, path: &str, body: &Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {key}"));
        self.run(request.body(body.to_string()).unwrap()).unwrap()
    }

    fn run(&self, request: Request<impl AsSendBody>) -> Result<Answer, ureq::Error> {
        let mut reply = self.agent.run(request)?;
        let text = reply.body_mut().read_to_string()?;
        Ok(Answer {
            status: reply.status().as_u16(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        })
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str, customer: &str) -> Value {
        self.send("GET", path, customer, &Value::Null).unwrap().ok()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, customer: &str, body: &Value) -> Value {
        self.send("POST", path, customer, body).unwrap().ok()
    }

    /// Makes a deal in two stages that Ben has paid.
    #[track_caller]
    pub(crate) fn funded(&self) -> Value {
        let offer = json!({
            "amount": 300, "purpose": "Roof", "whoPays": "buyer",
            "milestones": [{ "title": "Frame", "amount": 100 }, { "title": "Tiles", "amount": 200 }],
        });
        let deal = self.post("/v1/escrow/milestone/create", "ada", &offer);
        let token = deal["paymentToken"].as_str().unwrap();
        self.post(
            "/v1/payment/escrow",
            "ben",
            &json!({ "escrowDetails": { "paymentToken": token } }),
        );
        deal
    }

    /// Disputes a deal, with [`PDF`] as evidence.
    pub(crate) fn dispute(&self, token: &str) -> Answer {
        let mut body = b"--form\r\ncontent-disposition: form-data; name=\"message\"\r\n\r\nIt leaks\r\n\
            --form\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n"
            .to_vec();
        body.extend_from_slice(PDF);
        body.extend_from_slice(b"\r\n--form--\r\n");
        let request = Request::builder()
            .method("POST")
            .uri(format!("http://{}/v1/escrow/submit-dispute/{token}", self.address))
            .header("content-type", "multipart/form-data; boundary=form")
            .header("customer-id", "ben");
        self.run(request.body(body).unwrap()).unwrap()
    }

    /// Kills the process while others use this handle.
    pub(crate) fn kill_now(&self) {
        self.signal("KILL");
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits until the process ends by itself, and returns what it has told.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let status = until_some("the service ends", || self.process.try_wait().unwrap());
        let mut told = String::new();
        let stderr = self.process.stderr.take();
        stderr.unwrap().read_to_string(&mut told).unwrap();
        (status, told)
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Returns the program, which logs errors only.
pub(crate) fn escrowd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_escrowd"));
    command.env("ESCROWD_LOG", "error");
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    escrowd().args(arguments).output().unwrap()
}

/// Returns what the program said, in its output and then in its messages.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Returns what the program says when it refuses these arguments.
#[track_caller]
pub(crate) fn refusal(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    said
}

/// Returns what the program says when it refuses to serve a database.
#[track_caller]
pub(crate) fn refusal_to_serve(url: &str) -> String {
    refusal(&["serve", "--listen", "127.0.0.1:0", "--database", url])
}

/// Fails unless the ledger is sound.
#[track_caller]
pub(crate) fn check(url: &str) {
    let output = run(&["check", url]);
    assert!(output.status.success(), "{}", said(&output));
}
