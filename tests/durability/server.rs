//! Runs the real binary on a file that outlives it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::Connection;

/// The signal SIGKILL, and the exit code with which the shim ends a server at a power
/// failure.
const KILLED: i32 = 9;
const POWER_FAILED: i32 = 137;

pub(crate) const DATABASE: &str = "test.db";

/// A folder with one database file.
pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Copies the database and its write-ahead log. No server may run on them.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        for name in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
            if self.path(&name).exists() {
                fs::copy(self.path(&name), copy.path(&name)).unwrap();
            }
        }
        copy
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn serve(&self, environment: &[(String, String)]) -> Server {
        let started = Instant::now();
        let mut command = self.service();
        command.envs(environment.iter().cloned()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut greeting = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut greeting)
            .unwrap();
        let Some((_, address)) = greeting.trim_end().rsplit_once("http://") else {
            panic!("the server did not start: {greeting:?} {:?}", process.wait());
        };
        let mut server = Server {
            process,
            address: address.to_owned(),
            ready_after: Duration::ZERO,
        };
        let health = server.connect().get("/healthz", "").unwrap();
        assert_eq!(health.status, 200, "{health:?}");
        server.ready_after = started.elapsed();
        server
    }

    /// Returns the command that starts a server.
    pub(crate) fn service(&self) -> Command {
        let mut command = self.command();
        command
            .args(["--listen", "127.0.0.1:0", "--database", DATABASE])
            .env("ESCROWD_LOG", "error");
        command
    }

    /// Returns the output of `escrowd check` if it finds a fault.
    pub(crate) fn check(&self) -> Option<String> {
        let output = self.command().args(["check", DATABASE]).output().unwrap();
        let said = || String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned();
        (!output.status.success()).then(said)
    }

    /// Returns the program, which works in this folder.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_escrowd"));
        command.current_dir(self.0.path());
        command
    }
}

/// A server in its own process; killed when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    /// Time from the start of the process to the first reply of `/healthz`.
    pub(crate) ready_after: Duration,
}

impl Server {
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address).unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        assert_eq!(self.process.wait().unwrap().signal(), Some(KILLED));
    }

    /// Makes the power fail under a server that runs on the shim.
    pub(crate) fn fail_power(&mut self) {
        self.signal_the_shim();
        assert_eq!(self.process.wait().unwrap().code(), Some(POWER_FAILED));
    }

    pub(crate) fn signal_the_shim(&self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-USR2", &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Makes the disk fail under a server that runs on the shim, and waits until the server ends by
    /// itself with exit code 1.
    pub(crate) fn fail_disk(&mut self) {
        self.signal_the_shim();
        self.wait_for_end();
    }

    /// Waits until the server ends by itself with exit code 1.
    pub(crate) fn wait_for_end(&mut self) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert_eq!(status.code(), Some(1));
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        panic!("the server still runs although its disk has failed");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
