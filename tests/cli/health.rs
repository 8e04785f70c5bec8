//! `escrowd health`, and the messages to a service manager.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use crate::helpers::{RunningServer, WorkFolder, stderr, stdout};
use crate::ports::free_address;

#[test]
fn health_tells_a_service_that_serves_from_none() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--ephemeral"]);
    let url = server.url("");
    let healthy = work_folder.run(&["health", "--url", &url]);
    assert_eq!(healthy.status.code(), Some(0), "{}", stderr(&healthy));
    assert_eq!(stdout(&healthy), format!("the service at {url} can serve\n"));

    let configured = work_folder
        .command(&["health"])
        .env("ESCROWD_LISTEN", &server.address)
        .output();
    assert_eq!(
        stdout(&configured.unwrap()),
        stdout(&healthy),
        "the configuration has the address"
    );

    let none = format!("http://{}", free_address());
    let gone = work_folder.run(&["health", "--url", &none]);
    assert_eq!((gone.status.code(), stdout(&gone)), (Some(1), String::new()));
    assert_eq!(stderr(&gone).lines().count(), 1, "{}", stderr(&gone));
}

/// The variable is set for all commands of a container, and the file was typed for this one.
#[test]
fn health_asks_the_service_of_the_file_that_was_typed() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--ephemeral"]);
    work_folder.write("other.toml", &format!("listen = \"{}\"\n", server.address));
    let health = ["health", "--config", "other.toml"];
    let asked = work_folder
        .command(&health)
        .env("ESCROWD_URL", "http://127.0.0.1:1")
        .output()
        .unwrap();
    let told = format!("the service at {} can serve\n", server.url(""));
    assert_eq!(stdout(&asked), told, "{}", stderr(&asked));

    let refused = work_folder.run(&[&health[..], &["--url", &server.url("")]].concat());
    assert_eq!((refused.status.code(), stdout(&refused)), (Some(2), String::new()));
    let said = stderr(&refused);
    assert!(said.contains("cannot be used with"), "{said}");
}

/// The container's configuration may be a file that its health check does not name.
#[test]
fn health_needs_only_the_variables_of_the_image() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--ephemeral"]);
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let variables = include_str!("../../Dockerfile")
        .lines()
        .filter_map(|line| line.strip_prefix("ENV ESCROWD_"))
        .flat_map(|line| line.split(" ESCROWD_"))
        .map(|variable| variable.split_once('=').unwrap())
        .map(|(name, value)| (format!("ESCROWD_{name}"), value.replace("8080", port)));
    let asked = work_folder.command(&["health"]).envs(variables).output().unwrap();
    assert_eq!(asked.status.code(), Some(0), "{}", stderr(&asked));
}

#[test]
fn health_says_why_the_service_cannot_serve() {
    let work_folder = WorkFolder::new();
    for (reply, said) in [
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 36\r\n\r\n{\"message\":\"The disk is full\",\"d\":1}",
            "cannot serve: 503 The disk is full",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "not JSON: \"hello\"",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let read = connection.read(&mut [0; 4096]).unwrap();
            assert!(read > 0);
            connection.write_all(reply.as_bytes()).unwrap();
        });
        let asked = work_folder.run(&["health", "--url", &url]);
        answering.join().unwrap();
        assert_eq!(asked.status.code(), Some(1));
        assert!(stderr(&asked).contains(said), "{}", stderr(&asked));
    }
}

#[test]
fn health_asks_for_the_url_where_the_port_is_not_configured() {
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", "listen = \"127.0.0.1:0\"\n");
    let asked = work_folder.run(&["health"]);
    assert_eq!(asked.status.code(), Some(1));
    assert!(stderr(&asked).contains("--url"), "{}", stderr(&asked));
}

/// Returns the next message to the service manager.
fn received(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 512];
    let length = manager.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn a_service_manager_hears_of_the_start_and_of_the_stop() {
    let work_folder = WorkFolder::new();
    let socket = work_folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = work_folder.server(&["--ephemeral"]);
    let mut server = RunningServer::start({
        command.env("NOTIFY_SOCKET", &socket);
        command
    });
    let started = received(&manager);
    assert_eq!(
        started,
        format!("READY=1\nSTATUS=listening on http://{}\n", server.address)
    );
    server.signal("-TERM");
    assert!(received(&manager).starts_with("STOPPING=1\n"));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_service_starts_although_the_manager_cannot_be_told() {
    let work_folder = WorkFolder::new();
    let mut command = work_folder.server(&["--ephemeral"]);
    command.env("NOTIFY_SOCKET", "/nonexistent/notify");
    let server = RunningServer::start(command);
    assert_eq!(crate::helpers::get(&server.url("/healthz"), &[]).0, 200);
}
