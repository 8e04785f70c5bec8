//! `escrowd demo --web`.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::helpers::{WorkFolder, get, stderr};
use crate::ports::free_address;
use crate::waiting::until;

/// A demo in its own process. Dropping it kills the process.
struct Demo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl Demo {
    /// Starts the demo and waits for its address.
    fn start(work_folder: &WorkFolder, arguments: &[&str], variables: &[(&str, &Path)]) -> Self {
        let mut command = work_folder.command(&[&["demo", "--web"], arguments].concat());
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command.envs(variables.iter().copied()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        while !url.contains("http://") {
            url.clear();
            assert!(
                stdout.read_line(&mut url).unwrap() > 0,
                "the demo ended without an address"
            );
        }
        let url = url.trim().to_owned();
        Self { child, stdout, url }
    }

    /// Returns the next line that has this text.
    fn line_with(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "no line has {text:?}");
        }
        line
    }

    /// Sends a signal, and returns the exit status and the rest of the output.
    fn end_by(&mut self, signal: &str) -> (ExitStatus, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the database file that a process has open.
fn database_of(child: &Child) -> std::path::PathBuf {
    let files = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let mut files = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    files.find(|file| file.ends_with("escrowd.db")).unwrap()
}

#[test]
fn the_stories_are_served_until_a_signal_and_nothing_is_left() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let work_folder = WorkFolder::new();
        let mut demo = Demo::start(&work_folder, &["--no-open"], &[]);
        let (status, page) = get(&demo.url, &[]);
        assert_eq!(status, 200);
        assert!(page.contains("/demo/happy-deal"), "{page}");
        let database = database_of(&demo.child);
        assert!(database.exists());
        let (status, rest) = demo.end_by(signal);
        assert_eq!(status.code(), Some(0), "{signal}: {rest}");
        assert!(
            rest.contains("database is removed") && !rest.contains("browser"),
            "{rest}"
        );
        assert!(!database.parent().unwrap().exists(), "{}", database.display());
        assert_eq!(std::fs::read_dir(work_folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_port_is_chosen_and_a_port_in_use_is_named() {
    let address = free_address();
    let (taken, port) = (TcpListener::bind(address).unwrap(), address.port().to_string());
    let work_folder = WorkFolder::new();
    let refused = work_folder.run(&["demo", "--web", "--no-open", "--port", &port]);
    assert_eq!(refused.status.code(), Some(1));
    let message = stderr(&refused);
    assert!(
        message.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{message}"
    );
    assert!(message.contains("--port"), "{message}");
    drop(taken);
    // A child process that another test is starting has a copy of it for an instant.
    until("the port is free", || TcpStream::connect(address).is_err());
    let demo = Demo::start(&work_folder, &["--no-open", "--port", &port], &[]);
    assert_eq!(demo.url, format!("http://127.0.0.1:{port}/demo"));
}

#[test]
fn a_browser_is_opened_where_there_is_one() {
    let work_folder = WorkFolder::new();
    let mut demo = Demo::start(&work_folder, &[], &[]);
    demo.line_with("since there is no display");
    assert_eq!(get(&demo.url, &[]).0, 200);

    // With a display, but without a program that opens browsers.
    let nothing = work_folder.path().join("bin");
    std::fs::create_dir(&nothing).unwrap();
    let display = ("DISPLAY", Path::new(":0"));
    let mut demo = Demo::start(&work_folder, &[], &[("PATH", &nothing), display]);
    demo.line_with("No browser was opened: ");
    assert_eq!(get(&demo.url, &[]).0, 200);

    let opener = nothing.join("xdg-open");
    let asked = work_folder.path().join("asked");
    let script = format!(
        "#!/bin/sh\necho \"$@\" > {0}.new\nexec /bin/mv {0}.new {0}\n",
        asked.display()
    );
    std::fs::write(&opener, script).unwrap();
    std::fs::set_permissions(&opener, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let demo = Demo::start(&work_folder, &[], &[("PATH", &nothing), display]);
    for _ in 0..200 {
        if asked.exists() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(std::fs::read_to_string(&asked).unwrap().trim(), demo.url);
}

#[test]
fn options_of_the_stories_need_them() {
    for arguments in [
        &["demo", "--port", "8080"][..],
        &["demo", "--no-open"],
        &["demo", "--web", "--full"],
        &["demo", "--web", "--port", "70000"],
    ] {
        let refused = WorkFolder::new().run(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&refused).contains("--"), "{arguments:?}");
    }
}

#[test]
fn the_demo_ends_cleanly_although_its_output_is_closed() {
    let work_folder = WorkFolder::new();
    let mut command = work_folder.command(&["demo", "--web", "--no-open"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("Ctrl-C") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0);
    }
    drop(stdout);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
