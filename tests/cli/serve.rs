//! Starting and stopping the service.

use std::io::{Read, Write};
use std::process::{Child, Stdio};

use crate::helpers::{WorkFolder, get, stderr};
use crate::waiting::until_some;

#[test]
fn the_first_lines_say_where_what_and_what_to_try() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "first.db"]);
    let greeting = &server.greeting;
    assert!(
        greeting[0].starts_with("escrowd 0.1.0 listening on http://127.0.0.1:"),
        "{greeting:?}"
    );
    assert_eq!(greeting[1].trim(), "database  first.db");
    assert!(greeting[2].contains("sandbox"), "{greeting:?}");
    let to_try = greeting[3].trim().strip_prefix("try").unwrap().trim();
    let tried = std::process::Command::new("sh").args(["-c", to_try]).output().unwrap();
    assert!(
        String::from_utf8(tried.stdout)
            .unwrap()
            .contains("\"mainBalance\":1000000")
    );
    assert!(work_folder.path().join("first.db").exists());
}

/// The printed request is answered by every sandbox.
#[test]
fn the_request_to_try_works_in_every_sandbox() {
    for (listen, settings, strict) in [
        ("127.0.0.1:0", "", false),
        ("127.0.0.1:0", "", true),
        ("127.0.0.1:0", "sandbox.expose = true\n", false),
        ("0.0.0.0:0", "sandbox.expose = true\n", false),
        (
            "0.0.0.0:0",
            "sandbox.expose = true\npublic_url = \"https://escrow.example/api/\"\n",
            true,
        ),
    ] {
        let work_folder = WorkFolder::new();
        work_folder.write("config.toml", settings);
        let strictly: &[&str] = if strict { &["--strict"] } else { &[] };
        let mut command = work_folder.command(&[&["--listen", listen], strictly].concat());
        command.env("ESCROWD_LOG", "warn").stdout(std::process::Stdio::piped());
        let mut server = crate::helpers::RunningServer::start(command);
        assert!(server.address.starts_with("127.0.0.1:"), "{:?}", server.greeting);
        let to_try = server.greeting[3].trim().strip_prefix("try").unwrap().trim().to_owned();
        let tried = std::process::Command::new("sh").args(["-c", &to_try]).output().unwrap();
        let reply = String::from_utf8(tried.stdout).unwrap();
        assert!(reply.starts_with("{\"status\":200,"), "{to_try}: {reply}");
        server.signal("-TERM");
        let rest = server.rest_of_output();
        assert!(!rest.contains("http://0.0.0.0"), "{rest}");
        assert_eq!(
            rest.contains("public    https://escrow.example/api\n"),
            settings.contains("public_url")
        );
        assert_eq!(
            rest.contains("of every address of this machine"),
            listen.starts_with("0.0.0.0")
        );
    }
}

#[test]
fn sigterm_and_ctrl_c_stop_it_with_exit_code_0() {
    for signal in ["-TERM", "-INT"] {
        let work_folder = WorkFolder::new();
        let mut server = work_folder.serve(&["--database", "test.db"]);
        assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "{signal}");
        assert_eq!(server.rest_of_output(), "");
        let log = std::fs::metadata(work_folder.path().join("test.db-wal"));
        assert!(
            log.map_or(true, |log| log.len() == 0),
            "the log has moved into the file"
        );
        assert!(work_folder.run(&["check", "test.db"]).status.success());
    }
}

/// A process that a test waits for. Dropping it kills the process.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Returns true if a process handles SIGTERM by itself.
#[cfg(target_os = "linux")]
fn handles_sigterm(process: &Started) -> bool {
    const SIGTERM: u64 = 1 << (15 - 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & SIGTERM != 0
}

/// Each start gets the signal at the first instant at which the process handles it. A signal that
/// only the counter of second signals hears would stop nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_during_the_start_is_not_lost() {
    let work_folder = WorkFolder::new();
    for arguments in [
        &["--listen", "127.0.0.1:0", "--ephemeral"][..],
        &["demo", "--web", "--no-open"],
    ] {
        for _ in 0..10 {
            let mut command = work_folder.command(arguments);
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut process = Started(command.spawn().unwrap());
            while !handles_sigterm(&process) {
                std::hint::spin_loop();
            }
            let id = rustix::process::Pid::from_child(&process.0);
            rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
            let ended = until_some("the service ends", || process.0.try_wait().unwrap());
            assert_eq!(ended.code(), Some(0), "{arguments:?}");
        }
    }
}

#[test]
fn a_request_in_flight_is_answered_before_it_stops() {
    let work_folder = WorkFolder::new();
    let mut server = work_folder.serve(&["--database", "test.db"]);
    assert_eq!(get(&server.url("/v1/wallet"), &[("customer-id", "ada")]).0, 200);
    let body = "{\"amount\":1000}";
    let (first_half, second_half) = body.split_at(8);
    let mut connection = server.begin_deposit(body.len());
    connection.write_all(first_half.as_bytes()).unwrap();
    server.signal("-TERM");
    std::thread::sleep(std::time::Duration::from_millis(200));
    connection.write_all(second_half.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"mainBalance\":1001000"), "{answer}");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let second = work_folder.run(&["--database", "test.db", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(
        said.contains("test.db") && said.contains("process id") && said.contains("--database"),
        "{said}"
    );
    assert_eq!(get(&server.url("/healthz"), &[]).0, 200, "the first goes on");
}

#[test]
fn a_busy_address_is_named_with_the_remedy() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "one.db"]);
    let second = work_folder.run(&["--database", "two.db", "--listen", &server.address]);
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(said.contains(&server.address) && said.contains("--listen"), "{said}");
}

#[test]
fn a_wrong_setting_stops_the_start_and_is_named() {
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", "listen = \"127.0.0.1:0\"\nlistne = 1\n");
    let said = stderr(&work_folder.run(&[]));
    assert!(said.contains("line 2") && said.contains("listne"), "{said}");

    work_folder.write("config.toml", "listen = \"0.0.0.0:0\"\n");
    let said = stderr(&work_folder.run(&[]));
    assert!(said.contains("sandbox.expose"), "{said}");

    work_folder.write("config.toml", "");
    let output = work_folder
        .command(&[])
        .env("ESCROWD_LIMITS_MILESTONES_MAX", "0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("ESCROWD_LIMITS_MILESTONES_MAX"),
        "{}",
        stderr(&output)
    );

    let said = stderr(&work_folder.run(&["--config", "other.toml"]));
    assert!(said.contains("other.toml"), "{said}");
}

#[test]
fn acknowledged_writes_survive_kill_9() {
    let work_folder = WorkFolder::new();
    let ada = [("customer-id", "ada")];
    let mut server = work_folder.serve(&["--database", "test.db"]);
    let (_, before) = get(&server.url("/v1/wallet"), &ada);
    server.signal("-KILL");
    server.wait();

    let server = work_folder.serve(&["--database", "test.db"]);
    assert_eq!(get(&server.url("/v1/wallet"), &ada).1, before);
}

#[test]
fn a_second_signal_stops_it_at_once() {
    let work_folder = WorkFolder::new();
    let mut server = work_folder.serve(&["--database", "test.db"]);
    assert_eq!(get(&server.url("/healthz"), &[]).0, 200);
    let _stalled = server.begin_deposit(99);
    let started = std::time::Instant::now();
    assert_eq!(server.end_by_interrupts().code(), Some(130));
    assert!(
        started.elapsed().as_secs() < 9,
        "it waited for the body: {:?}",
        started.elapsed()
    );
    assert!(work_folder.run(&["check", "test.db"]).status.success());
}
