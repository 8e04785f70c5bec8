//! Runs the real binary in a folder of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::Duration;

use crate::waiting::until_some;
use tempfile::TempDir;

/// A working folder for the program.
pub(crate) struct WorkFolder(TempDir);

impl WorkFolder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Returns the program with these arguments, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_escrowd"));
        command.args(arguments).current_dir(self.path());
        command
    }

    /// Runs the program and waits for its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts a server on a free port.
    pub(crate) fn serve(&self, arguments: &[&str]) -> RunningServer {
        RunningServer::start(self.server(arguments))
    }

    /// Returns the command that starts a server on a free port.
    pub(crate) fn server(&self, arguments: &[&str]) -> Command {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = self.command(&arguments);
        command.env("ESCROWD_LOG", "warn").stdout(Stdio::piped());
        command
    }

    /// Starts a server on a free port, whose log goes into a file.
    pub(crate) fn serve_with_log(&self, arguments: &[&str], log: &Path) -> RunningServer {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = self.command(&arguments);
        command.env("ESCROWD_LOG", "warn").stdout(Stdio::piped());
        command.stderr(std::fs::File::create(log).unwrap());
        RunningServer::start(command)
    }
}

/// A server in its own process. Dropping it kills the process.
pub(crate) struct RunningServer {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) greeting: Vec<String>,
    pub(crate) address: String,
}

impl RunningServer {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let greeting: Vec<String> = (0..4)
            .map(|_| {
                let mut line = String::new();
                stdout.read_line(&mut line).unwrap();
                line.trim_end().to_owned()
            })
            .collect();
        let address = greeting[0]
            .rsplit_once("http://")
            .expect("the first line says where")
            .1
            .to_owned();
        Self {
            child,
            stdout,
            greeting,
            address,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Sends SIGINT until the server has ended. Two that come at once may count as one.
    pub(crate) fn end_by_interrupts(&mut self) -> ExitStatus {
        until_some("the server ends", || {
            self.signal("-INT");
            thread::sleep(Duration::from_millis(200));
            self.try_wait()
        })
    }

    /// Begins a deposit with a body of this length, and returns when the server waits for the body.
    pub(crate) fn begin_deposit(&self, length: usize) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let head = format!(
            "POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
             content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).unwrap();
        let mut go_on = [0; 25];
        connection.read_exact(&mut go_on).unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        connection
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Returns the exit status if the process has ended.
    pub(crate) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn rest_of_output(&mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Sends a GET request with these headers and returns the status and the body.
pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut request = agent.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = request.call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}
