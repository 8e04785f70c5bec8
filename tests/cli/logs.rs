//! The log on stderr, as text and as JSON.

use std::fs;
use std::io::{self, BufRead as _, BufReader, PipeReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::helpers::{RunningServer, WorkFolder, get};
use crate::ports::free_address;
use crate::waiting::{until, until_ok, until_some};

/// Starts a server that logs every request into a file, with these settings.
pub(crate) fn serve_logging(work_folder: &WorkFolder, settings: &str) -> RunningServer {
    work_folder.write("config.toml", settings);
    let mut command = work_folder.server(&[]);
    command.env_remove("ESCROWD_LOG");
    command.stderr(fs::File::create(work_folder.path().join("log")).unwrap());
    RunningServer::start(command)
}

/// Waits until the log has a line with this text, and returns the line.
#[track_caller]
pub(crate) fn line_with(work_folder: &WorkFolder, text: &str) -> String {
    until_ok(&format!("the log has {text:?}"), || {
        let log = fs::read_to_string(work_folder.path().join("log")).unwrap();
        let line = log.lines().find(|line| line.contains(text)).map(str::to_owned);
        line.ok_or(log)
    })
}

const SECRET_KEY: &str = "sk_test_a_secret";

fn headers() -> [(&'static str, &'static str); 2] {
    [("authorization", "Bearer sk_test_a_secret"), ("customer-id", "ada")]
}

#[test]
fn a_line_of_json_has_every_fact_of_a_request() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "log_format = \"json\"\n");
    assert_eq!(get(&server.url("/v1/wallet?token=hidden"), &headers()).0, 200);
    assert_eq!(get(&server.url("/v1/wallet"), &headers()).0, 200);
    get(&server.url("/v1/none%0d%0a%1b%5b2J?token=hidden"), &[]);
    line_with(&work_folder, "/v1/none");
    let log = fs::read_to_string(work_folder.path().join("log")).unwrap();
    assert!(!log.contains(SECRET_KEY) && !log.contains("hidden"), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        for field in ["time", "level", "target", "message"] {
            assert!(line[field].is_string(), "{line}");
        }
    }
    let requests: Vec<&Value> = lines.iter().filter(|line| line["path"] == "/v1/wallet").collect();
    assert_eq!(requests.len(), 2, "{log}");
    for line in requests {
        assert_eq!(line["level"], "info");
        assert_eq!(line["target"], "escrowd::http::middleware");
        assert!(line["requestId"].as_str().unwrap().starts_with("req_"));
        assert_eq!((&line["method"], &line["status"]), (&"GET".into(), &200.into()));
        assert_eq!(
            (&line["customer"], &line["address"]),
            (&"ada".into(), &"127.0.0.1".into())
        );
        assert_eq!(line["merchant"], 1, "also of the request that made the merchant");
        assert!(line["durationMs"].as_f64().unwrap() > 0.0);
        assert_eq!(line.get("operator"), None);
    }
    let unknown = lines.iter().find(|line| line["status"] == 404).unwrap();
    assert_eq!(unknown["path"], "/v1/none%0d%0a%1b%5b2J");
    assert_eq!(unknown.get("merchant"), None);
}

#[test]
fn a_service_that_cannot_go_on_says_so_in_the_form_of_its_log() {
    let work_folder = WorkFolder::new();
    let mut server = serve_logging(&work_folder, "log_format = \"json\"\n");
    assert_eq!(get(&server.url("/v1/wallet"), &headers()).0, 200);
    fs::remove_file(work_folder.path().join("escrowd.db")).unwrap();
    let status = until_some("the service ends", || server.try_wait());
    assert_eq!(status.code(), Some(1));
    let log = fs::read_to_string(work_folder.path().join("log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    let message = last["message"].as_str().unwrap();
    assert!(message.contains("the database failed: "), "{log}");
    assert_eq!(last["level"], "error");
}

#[test]
fn a_line_of_text_has_the_same_facts() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "trusted_proxies = [\"127.0.0.1\"]\n");
    let headers = [headers().as_slice(), &[("x-forwarded-for", "192.0.2.7")]].concat();
    assert_eq!(get(&server.url("/v1/wallet?token=hidden"), &headers).0, 200);
    let line = line_with(&work_folder, "/v1/wallet");
    assert!(
        line.starts_with('[') && line.contains(" INFO  escrowd::http::middleware] req_"),
        "{line}"
    );
    assert!(line.contains(" GET \"/v1/wallet\" 200 "), "{line}");
    assert!(
        line.ends_with("us merchant=1 customer=\"ada\" address=192.0.2.7"),
        "{line}"
    );
    let log = fs::read_to_string(work_folder.path().join("log")).unwrap();
    assert!(!log.contains(SECRET_KEY) && !log.contains("hidden"), "{log}");
    assert!(!log.contains('\u{1b}'), "colours are for terminals");
}

/// Anybody can send the header, so the log has one line of it.
#[test]
fn a_proxy_that_is_not_listed_is_warned_of_once() {
    let work_folder = WorkFolder::new();
    let server = serve_logging(&work_folder, "mode = \"live\"\n");
    get(&server.url("/livez"), &[]);
    let told = "127.0.0.1 sent the header x-forwarded-for and is not in trusted_proxies";
    for _ in 0..2 {
        get(&server.url("/livez"), &[("x-forwarded-for", "192.0.2.7")]);
    }
    let line = line_with(&work_folder, told);
    assert!(line.contains("WARN"), "{line}");
    drop(server);
    let log = fs::read_to_string(work_folder.path().join("log")).unwrap();
    assert_eq!(log.matches(told).count(), 1, "{log}");
}

#[test]
fn a_wrong_format_is_refused_with_the_right_ones() {
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", "log_format = \"xml\"\n");
    let output = work_folder.run(&[]);
    let said = crate::helpers::stderr(&output);
    assert!(
        said.contains("expected `text` or `json`") && said.contains("line 1"),
        "{said}"
    );
}

/// The requests whose lines are more than a pipe and the queue of the log hold.
const REQUESTS: usize = 12_000;

/// Starts a server whose log goes into a pipe, and lets it log more than the pipe takes.
fn serve_into_full_pipe(work_folder: &WorkFolder) -> (RunningServer, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    work_folder.write("config.toml", "log_format = \"json\"\n");
    let mut command = work_folder.server(&[]);
    command.env_remove("ESCROWD_LOG").stderr(writer);
    let server = RunningServer::start(command);
    let mut connection = TcpStream::connect(&server.address).unwrap();
    let request = format!("GET /v1/none HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    let last = format!(
        "GET /v1/none HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.address
    );
    let mut sending = connection.try_clone().unwrap();
    let sent = thread::spawn(move || sending.write_all((request.repeat(REQUESTS - 1) + &last).as_bytes()));
    let mut replies = String::new();
    connection.read_to_string(&mut replies).unwrap();
    sent.join().unwrap().unwrap();
    assert_eq!(replies.matches("HTTP/1.1 404").count(), REQUESTS);
    (server, reader)
}

/// The text behind the number of lines that the log lost.
const LOST: &str = " lines of the log are lost";

#[test]
fn a_log_that_nothing_reads_stops_no_request_and_tells_how_much_it_lost() {
    let work_folder = WorkFolder::new();
    let (mut server, reader) = serve_into_full_pipe(&work_folder);
    let (tell, told) = channel();
    let reading = thread::spawn(move || {
        let mut lines: Vec<Value> = Vec::new();
        for line in BufReader::new(reader).lines() {
            let line = line.unwrap();
            lines.push(serde_json::from_str(&line).unwrap());
            if line.contains(LOST) {
                tell.send(()).unwrap();
            }
        }
        lines
    });
    told.recv_timeout(Duration::from_secs(20)).unwrap();
    server.signal("-TERM");
    assert!(server.wait().success());
    let lines = reading.join().unwrap();
    assert_eq!(lines.last().unwrap()["message"], "stopped");
    let written = lines.iter().filter(|line| line["status"] == 404).count();
    let lost = lines.iter().filter_map(|line| {
        let (lost, _) = line["message"].as_str()?.split_once(LOST)?;
        lost.parse::<usize>().ok()
    });
    let lost: usize = lost.sum();
    assert!(lost > 0 && written > 0, "{written} written, {lost} lost");
    assert_eq!(written + lost, REQUESTS);
}

#[test]
fn a_log_that_nothing_reads_keeps_no_stop() {
    let work_folder = WorkFolder::new();
    let (mut server, _reader) = serve_into_full_pipe(&work_folder);
    server.signal("-TERM");
    let status = until_some("the service ends", || server.try_wait());
    assert!(status.success(), "{status}");
}

#[test]
fn a_greeting_that_nothing_reads_keeps_no_start() {
    let work_folder = WorkFolder::new();
    let (_reader, writer) = io::pipe().unwrap();
    let mut full = writer.try_clone().unwrap();
    let filling = thread::spawn(move || drop(full.write_all(&vec![b' '; 1 << 20])));
    let address = free_address();
    let mut command = work_folder.command(&["--listen", &address.to_string()]);
    let mut server = command.env("ESCROWD_LOG", "warn").stdout(writer).spawn().unwrap();
    until("the service starts", || TcpStream::connect(address).is_ok());
    assert_eq!(get(&format!("http://{address}/livez"), &[]).0, 200);
    assert!(!filling.is_finished(), "the pipe is full");
    server.kill().unwrap();
    server.wait().unwrap();
}
