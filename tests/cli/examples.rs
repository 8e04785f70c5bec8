//! Runs the complete suites of docs/testing.md and the programs in examples/, each against
//! its own sandbox. A test is skipped if the runtime of its language is not installed. CI
//! must have Node and pytest.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::helpers::{RunningServer, WorkFolder};

const TESTING: &str = include_str!("../../docs/testing.md");

/// The output of every first deal, after the line with its payment token.
const FIRST_DEAL: &str = "\
paid 10200
confirmed Frame: the deal is ONGOING
confirmed Finish: the deal is COMPLETED
Ada earned 10000
";

/// Returns the only code block in this language.
fn block(language: &str) -> String {
    let opening = format!("```{language}\n");
    let mut blocks = TESTING.split(&opening).skip(1);
    let block = blocks.next().and_then(|rest| rest.split("```").next());
    assert!(
        blocks.next().is_none(),
        "docs/testing.md has more than one block of {language}"
    );
    block
        .unwrap_or_else(|| panic!("docs/testing.md has no block of {language}"))
        .to_owned()
}

/// Returns the path of a file in examples/.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Returns the first of these commands that is installed. Each comes with the arguments
/// that print its version.
fn installed<'a>(candidates: &[(&'a [&'a str], &str)]) -> Option<&'a [&'a str]> {
    let is_installed = |(command, version): &&(&[&str], &str)| {
        let output = Command::new(command[0]).args(&command[1..]).arg(version).output();
        output.is_ok_and(|output| output.status.success())
    };
    candidates.iter().find(is_installed).map(|(command, _)| *command)
}

/// Returns the same, and fails in CI if none is installed.
fn required<'a>(candidates: &[(&'a [&'a str], &str)]) -> Option<&'a [&'a str]> {
    let found = installed(candidates);
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "CI runs the suites and examples, and none of {candidates:?} is installed"
    );
    found
}

fn node() -> Option<&'static [&'static str]> {
    required(&[(&["node"], "--version")])
}

fn python() -> Option<&'static [&'static str]> {
    required(&[(&["python3"], "--version")])
}

/// Runs a program beside a sandbox to its end, and returns its output.
fn run(command: &[&str], file: &Path, folder: &WorkFolder, server: &RunningServer) -> String {
    let output = Command::new(command[0])
        .args(&command[1..])
        .arg(file)
        .current_dir(folder.path())
        .env("ESCROWD_URL", server.url(""))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{printed}");
    printed
}

/// Runs a suite of docs/testing.md and asserts that its output contains `passed`.
fn assert_passes(language: &str, file: &str, command: &[&str], passed: &str) {
    let folder = WorkFolder::new();
    folder.write(file, &block(language));
    let server = folder.serve(&["--ephemeral"]);
    let printed = run(command, Path::new(file), &folder, &server);
    assert!(printed.contains(passed), "{printed}");
}

#[test]
fn the_suite_for_node_passes_as_printed() {
    if let Some(node) = node() {
        let command = [node, &["--test", "--test-reporter=tap"]].concat();
        assert_passes("js", "escrow.test.mjs", &command, "# pass 3");
    }
}

#[test]
fn the_suite_for_pytest_passes_as_printed() {
    let candidates: [(&[&str], &str); 3] = [
        (&["python3", "-m", "pytest"], "--version"),
        (&["pytest-3"], "--version"),
        (&["pytest"], "--version"),
    ];
    if let Some(pytest) = required(&candidates) {
        assert_passes("python", "test_escrow.py", pytest, "3 passed");
    }
}

/// Runs a first deal and asserts its output, which is the same in every language.
fn assert_deals(command: Option<&[&str]>, file: &str) {
    let Some(command) = command else { return };
    let folder = WorkFolder::new();
    let server = folder.serve(&["--ephemeral"]);
    let printed = run(command, &example(file), &folder, &server);
    let (offered, rest) = printed.split_once('\n').unwrap();
    assert!(
        offered.starts_with("offered PY_") && offered.ends_with(": 10000 and a fee of 200"),
        "{printed}"
    );
    assert_eq!(rest, FIRST_DEAL);
}

#[test]
fn the_first_deal_in_node_is_paid_out() {
    assert_deals(node(), "first_deal.mjs");
}

#[test]
fn the_first_deal_in_python_is_paid_out() {
    assert_deals(python(), "first_deal.py");
}

#[test]
fn the_first_deal_in_go_is_paid_out() {
    let go = installed(&[(&["go"], "version")]);
    let run = go.map(|go| [go, &["run"]].concat());
    assert_deals(run.as_deref(), "first_deal.go");
}

#[test]
fn the_first_deal_in_the_shell_is_paid_out() {
    let shell = required(&[(&["curl"], "--version")]);
    assert_deals(shell.map(|_| &["sh"][..]), "first_deal.sh");
}

/// A webhook receiver of examples/. Dropping it kills the process.
struct Receiver {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    url: String,
}

impl Receiver {
    /// Starts the receiver on a free port.
    fn start(command: &[&str], file: &str) -> Self {
        let mut process = Command::new(command[0])
            .args(&command[1..])
            .arg(example(file))
            .env("PORT", "0")
            .env_remove("SIGNING_KEY")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut receiver = Self {
            output: BufReader::new(process.stdout.take().unwrap()),
            process,
            url: String::new(),
        };
        let listening = receiver.line();
        listening
            .strip_prefix("listening on ")
            .unwrap()
            .clone_into(&mut receiver.url);
        receiver
    }

    /// Returns the next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// Sends JSON with curl and returns the status of the reply.
fn send(method: &str, url: &str, header: &str, json: &str) -> String {
    let output = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, url])
        .args(["-H", header, "--json", json])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that a receiver accepts a genuine event and refuses a forged one.
fn assert_verifies(command: Option<&[&str]>, file: &str) {
    let (Some(command), Some(_)) = (command, required(&[(&["curl"], "--version")])) else {
        return;
    };
    let folder = WorkFolder::new();
    let server = folder.serve(&["--ephemeral"]);
    let mut receiver = Receiver::start(command, file);
    let forged = send(
        "POST",
        &receiver.url,
        "x-payluk-signature: 00",
        r#"{"event":"escrow.completed"}"#,
    );
    assert_eq!(forged, "401");
    let endpoint = format!(r#"{{"url":"{}"}}"#, receiver.url);
    let callback = server.url("/sandbox/callback");
    assert_eq!(send("PUT", &callback, "customer-id: ada", &endpoint), "200");
    let top_up = server.url("/v1/payment/topup");
    assert_eq!(send("POST", &top_up, "customer-id: ada", r#"{"amount":1000}"#), "200");
    let printed = receiver.line();
    assert!(
        printed.starts_with("payment.deposit.success ") && printed.ends_with(" success"),
        "{printed}"
    );
}

#[test]
fn the_receiver_in_node_verifies_signatures() {
    assert_verifies(node(), "webhook_receiver.mjs");
}

#[test]
fn the_receiver_in_python_verifies_signatures() {
    assert_verifies(python(), "webhook_receiver.py");
}
