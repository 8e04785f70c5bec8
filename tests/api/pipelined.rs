//! Requests that a client sends without waiting for the replies before (RFC 9112, 9.3.2): each reply
//! has the version, the body and the connection option that its own request asks for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::helpers::{TestApp, spawn_app};

/// One reply, as a client reads it that knows the method of its request.
#[derive(Debug)]
struct Reply {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Reply {
    fn read(reader: &mut BufReader<TcpStream>, method: &str) -> Self {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let text = line.trim_end();
            assert!(line.ends_with('\n'), "the reply ended early: {lines:?} {line:?}");
            if text.is_empty() {
                break;
            }
            lines.push(text.to_owned());
        }
        let mut reply = Self {
            line: lines.remove(0),
            headers: lines,
            body: Vec::new(),
        };
        assert!(reply.line.starts_with("HTTP/1."), "{reply:?}");
        if method != "HEAD" {
            let length = reply.header("content-length").unwrap().parse().unwrap();
            reply.body.resize(length, 0);
            reader.read_exact(&mut reply.body).unwrap();
        }
        reply
    }

    fn header(&self, name: &str) -> Option<&str> {
        let of_name = |line: &String| line.to_lowercase().starts_with(&format!("{name}: "));
        let line = self.headers.iter().find(|line| of_name(line))?;
        line.split_once(": ").map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Sends all requests at once, and returns a reply to each. Nothing else may come.
fn replies(app: &TestApp, requests: &[String]) -> Vec<Reply> {
    let mut stream = app.connect();
    stream.write_all(requests.concat().as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let replies = requests
        .iter()
        .map(|request| Reply::read(&mut reader, request.split(' ').next().unwrap()))
        .collect();
    reader.get_ref().shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    replies
}

fn request(method: &str, path: &str, version: &str, lines: &str, body: &str) -> String {
    format!("{method} {path} HTTP/{version}\r\nhost: localhost\r\ncustomer-id: ada\r\n{lines}\r\n{body}")
}

fn top_up(version: &str) -> String {
    let lines = "content-type: application/json\r\ncontent-length: 15\r\n";
    request("POST", "/v1/payment/topup", version, lines, "{\"amount\":1000}")
}

fn add_category(name: &str) -> String {
    let body = json!({ "name": name }).to_string();
    let lines = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let chunks = format!("{:x};part=1\r\n{body}\r\n0\r\nx-sum: 1\r\n\r\n", body.len());
    request("POST", "/v1/escrow/category/create", "1.1", lines, &chunks)
}

fn clock(method: &str, version: &str, lines: &str) -> String {
    request(method, "/sandbox/clock", version, lines, "")
}

#[test]
fn a_reply_has_a_body_unless_its_own_request_was_head() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let (post, head) = (top_up("1.1"), clock("HEAD", "1.1", ""));
    for requests in [
        vec![post.clone(), head.clone()],
        vec![head.clone(), post.clone()],
        vec![head.clone(), post.clone(), head, post],
    ] {
        for (reply, request) in replies(&app, &requests).iter().zip(&requests) {
            assert_eq!(reply.line, "HTTP/1.1 200 OK");
            if request.starts_with("POST") {
                assert_eq!(reply.json()["status"], 200);
            }
        }
    }
}

#[test]
fn a_reply_has_the_version_of_its_own_request() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let stays = "connection: keep-alive\r\n";
    let requests = [
        top_up("1.1"),
        clock("GET", "1.0", stays),
        top_up("1.1"),
        clock("GET", "1.0", ""),
    ];
    let lines: Vec<String> = replies(&app, &requests).into_iter().map(|reply| reply.line).collect();
    let expected = ["1.1", "1.0", "1.1", "1.0"].map(|version| format!("HTTP/{version} 200 OK"));
    assert_eq!(lines, expected);
}

#[test]
fn a_reply_closes_the_connection_if_its_own_request_asks_for_it() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let last = clock("GET", "1.1", "connection: close\r\n");
    let both = replies(&app, &[top_up("1.1"), last]);
    assert_eq!(
        (both[0].header("connection"), both[0].header("keep-alive")),
        (None, Some("timeout=75"))
    );
    assert_eq!(
        (both[1].header("connection"), both[1].header("keep-alive")),
        (Some("close"), None)
    );
}

#[test]
fn many_requests_in_one_write_are_answered_in_order() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let (names, requests): (Vec<String>, Vec<String>) = (0..20)
        .map(|number| match number % 3 {
            0 => (String::new(), clock("HEAD", "1.1", "")),
            _ => (format!("Shoes {number}"), add_category(&format!("Shoes {number}"))),
        })
        .unzip();
    for (reply, name) in replies(&app, &requests).iter().zip(&names) {
        assert!(reply.line.starts_with("HTTP/1.1 20"), "{reply:?}");
        if !name.is_empty() {
            assert_eq!(reply.json()["data"]["name"], **name);
        }
    }
    assert_eq!(app.count("category"), 13);
}

/// The service reads only so many bytes ahead of its replies, and the rest when it has sent them.
#[test]
fn more_requests_than_the_service_reads_ahead_are_all_answered() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let before = app.count("transfer");
    let requests = vec![top_up("1.1") + "\r\n"; 500];
    let stream = app.connect();
    let mut writer = stream.try_clone().unwrap();
    let all = requests.concat();
    let sending = thread::spawn(move || {
        writer.write_all(all.as_bytes()).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut reader = BufReader::new(stream);
    for _ in &requests {
        assert_eq!(Reply::read(&mut reader, "POST").json()["status"], 200);
    }
    sending.join().unwrap();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    assert_eq!(app.count("transfer"), before + 500);
}

#[test]
fn requests_behind_a_large_file_wait_until_the_client_has_taken_it() {
    let app = spawn_app();
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    picture.resize(5 << 20, 7);
    let parts: [(&str, Option<&str>, &[u8]); 2] = [("name", None, b"Shoes"), ("imageUrl", Some("a.png"), &picture)];
    let created = app.form("POST", "/v1/escrow/category/create", "ada", &parts).ok();
    let url = created.text("imageUrl");
    let file = request("GET", &url[url.find("/files/").unwrap()..], "1.1", "", "");
    let mut stream = app.connect();
    let requests = [&file, &clock("HEAD", "1.1", ""), &file, &top_up("1.1")];
    stream
        .write_all(requests.map(String::as_str).concat().as_bytes())
        .unwrap();
    // The service waits for the client with both files.
    thread::sleep(Duration::from_millis(300));
    let mut reader = BufReader::new(stream);
    for request in requests {
        let reply = Reply::read(&mut reader, request.split(' ').next().unwrap());
        assert_eq!(reply.line, "HTTP/1.1 200 OK");
        assert!(*request != file || reply.body == picture);
        thread::sleep(Duration::from_millis(300));
    }
    reader.get_mut().write_all(clock("GET", "1.1", "").as_bytes()).unwrap();
    assert_eq!(Reply::read(&mut reader, "GET").json()["status"], 200);
}

/// A reply may come before its request's body, which is left out.
#[test]
fn a_request_behind_a_refused_one_is_answered() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let lines = "authorization: Basic x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let head = request("POST", "/v1/payment/topup", "1.1", lines, "2\r\n{\"\r\n");
    let mut stream = app.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    assert!(Reply::read(&mut reader, "POST").line.starts_with("HTTP/1.1 401"));
    let rest = format!("3\r\na\":\r\n0\r\n\r\n{}{}", clock("HEAD", "1.1", ""), top_up("1.1"));
    stream.write_all(rest.as_bytes()).unwrap();
    assert_eq!(Reply::read(&mut reader, "HEAD").line, "HTTP/1.1 200 OK");
    assert_eq!(Reply::read(&mut reader, "POST").json()["status"], 200);
}

/// The next request would be a part of the trailer, where another program sees an end.
#[test]
fn a_line_feed_alone_ends_no_trailer() {
    let app = spawn_app();
    let before = app.wallet("ada").ok().data().clone();
    let whole = add_category("first");
    for wrong in [
        whole.replace("x-sum: 1\r\n\r\n", "x-sum: 1\n\n"),
        whole.replace("x-sum: 1\r\n\r\n", "\n"),
        whole.replace("x-sum: 1\r\n\r\n", "x-sum: 1\r\n\n"),
        whole.replace("x-sum: 1", "x-sum: \0"),
    ] {
        assert_ne!(wrong, whole);
        let mut stream = app.connect();
        stream.write_all([wrong, top_up("1.1")].concat().as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        assert_eq!(Reply::read(&mut reader, "POST").line, "HTTP/1.1 400 Bad Request");
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
    assert_eq!(*app.wallet("ada").data(), before);
    assert_eq!(replies(&app, &[whole])[0].line, "HTTP/1.1 201 Created");
}
