//! One customer with one wallet, and the outcome of a server's start.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::helpers::get;

/// A refusal to start takes milliseconds. The limit allows for a busy machine.
const REFUSAL_MAX: Duration = Duration::from_secs(10);

/// The opening balance of a sandbox customer, in naira.
pub(crate) const OPENING_BALANCE: u64 = 1_000_000;

/// Tells that this machine cannot run a test. CI must be able to run all of them.
#[track_caller]
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI must run this test, but {reason}");
    println!("skipped: {reason}");
}

/// Adds 1,000 naira to ada's wallet and returns the status and the body.
pub(crate) fn top_up(url: &str) -> (u16, String) {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut answer = agent
        .post(format!("{url}/v1/payment/topup"))
        .header("customer-id", "ada")
        .header("content-type", "application/json")
        .send("{\"amount\":1000}")
        .unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// Asserts that the server can read ada's wallet and that it holds this many top-ups.
#[track_caller]
pub(crate) fn assert_topped_up(url: &str, times: u64) {
    let (status, body) = get(&format!("{url}/v1/wallet"), &[("customer-id", "ada")]);
    assert_eq!(status, 200, "{body}");
    let balance = OPENING_BALANCE + 1_000 * times;
    assert!(
        body.contains(&format!("\"mainBalance\":{balance}")),
        "{balance}: {body}"
    );
}

/// The outcome of a start.
pub(crate) enum Start {
    /// The server answered at this address, and the test stopped it.
    Served { answered: u16, log: String },
    /// The server ended by itself.
    Refused { code: Option<i32>, said: String },
}

/// Starts a server, reads a wallet if the server is ready, and stops it.
#[track_caller]
pub(crate) fn try_to_serve(mut command: Command, folder: &Path) -> Start {
    let (out, err) = (folder.join("out.txt"), folder.join("err.txt"));
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::from(File::create(&out).unwrap()))
        .stderr(Stdio::from(File::create(&err).unwrap()))
        .spawn()
        .unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Start::Refused {
                code: status.code(),
                said: fs::read_to_string(&err).unwrap(),
            };
        }
        let greeting = fs::read_to_string(&out).unwrap();
        if let Some(address) = greeting.lines().next().and_then(|line| line.split("http://").nth(1))
            && greeting.lines().count() >= 4
        {
            let (answered, _) = get(&format!("http://{address}/v1/wallet"), &[("customer-id", "ada")]);
            child.kill().unwrap();
            child.wait().unwrap();
            let log = fs::read_to_string(&err).unwrap();
            return Start::Served { answered, log };
        }
        if started.elapsed() > REFUSAL_MAX {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("neither served nor refused within {REFUSAL_MAX:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that the start failed with exit code 1 and a message that names the path and the
/// remedy.
#[track_caller]
pub(crate) fn assert_refused(start: &Start, path: &Path, remedy: &str) {
    let Start::Refused { code, said } = start else {
        panic!("the server started; it should have refused the file");
    };
    assert_eq!(*code, Some(1), "{said}");
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    assert!(said.contains(remedy), "{remedy:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
}
