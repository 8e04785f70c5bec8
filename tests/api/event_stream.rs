//! The stream of a key's events: server-sent events over a socket that stays open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::helpers::{TestApp, spawn_app, spawn_app_with, spawn_live_app};
use crate::waiting::until;

/// A client of the stream.
pub(crate) struct Listener {
    reader: BufReader<TcpStream>,
}

/// A block of the stream: its fields and comments by name.
#[derive(Debug, Default)]
pub(crate) struct Block {
    id: String,
    event: String,
    data: Value,
    comments: Vec<String>,
}

impl Listener {
    /// Opens the stream with this query and these further header lines, and returns it with
    /// the first block, which is the position.
    #[track_caller]
    pub(crate) fn open(app: &TestApp, query: &str, headers: &str) -> (Self, Block) {
        let mut listener = Self::on(app, &format!("/sandbox/events/stream{query}"), headers);
        let first = listener.next().expect("the position");
        assert!(first.data.is_null() && first.id.len() == 24, "{first:?}");
        (listener, first)
    }

    /// Opens the stream at this path.
    #[track_caller]
    pub(crate) fn on(app: &TestApp, path: &str, headers: &str) -> Self {
        let mut stream = app.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Self { reader }
    }

    /// Returns the name of the next event of a stream without data.
    #[track_caller]
    pub(crate) fn next_name(&mut self) -> String {
        self.next().expect("the stream goes on").event
    }

    /// Returns true if the stream ends within a few blocks.
    pub(crate) fn ends(&mut self) -> bool {
        (0..4).any(|_| self.next().is_none())
    }

    /// Returns the next block, or `None` at the end of the stream. Skips the framing of
    /// chunks, which are lines of hex digits and empty lines between blocks.
    fn next(&mut self) -> Option<Block> {
        let mut block = Block::default();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap() == 0 || line == "0\r\n" {
                return None;
            }
            if line.ends_with("\r\n") {
                continue;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut block.id),
                Some(("event", name)) => name.clone_into(&mut block.event),
                Some(("data", data)) => block.data = serde_json::from_str(data).unwrap(),
                None if line == "data:" => {}
                Some(("", comment)) => block.comments.push(comment.to_owned()),
                Some(_) => panic!("{line:?}"),
                None => return Some(block),
            }
        }
    }

    /// Returns the next block that is an event.
    #[track_caller]
    fn next_event(&mut self) -> Block {
        loop {
            let block = self.next().expect("the stream ended");
            if !block.data.is_null() {
                return block;
            }
        }
    }
}

#[test]
fn events_arrive_as_they_happen_with_the_view_of_the_inbox() {
    let app = spawn_app();
    app.top_up("ada", 1000).ok();
    let (mut listener, position) = Listener::open(&app, "", "");
    assert_eq!(position.id[..16], app.all_events()[0]["id"].as_str().unwrap()[..16]);
    app.top_up("ada", 2000).ok();
    let event = listener.next_event();
    assert_eq!(event.event, "payment.deposit.success");
    assert_eq!(event.data["payload"]["data"]["amount"], 2000);
    assert_eq!(event.data, app.all_events()[1]);
    assert_eq!(event.data["id"], event.id);
}

/// HTTP/1.0 has no chunks: the reply ends with the connection.
#[test]
fn a_client_of_http_1_0_gets_the_lines_of_the_stream_alone() {
    let mut app = spawn_app_with(|config| config.sandbox.event_stream_heartbeat_seconds = 1);
    app.top_up("ada", 1000).ok();
    let mut streams = Vec::new();
    for (path, lines) in [
        ("/sandbox/events/stream", ""),
        ("/sandbox/events/stream", "connection: keep-alive\r\n"),
        ("/console/events/changes", ""),
    ] {
        let request = |method: &str| format!("{method} {path} HTTP/1.0\r\nhost: localhost\r\n{lines}\r\n");
        let head = app.exchange_for_text(request("HEAD").as_bytes());
        let mut stream = app.connect();
        stream.write_all(request("GET").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut of_get = String::new();
        while !of_get.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut of_get).unwrap() > 0, "{of_get}");
        }
        for head in [&head, &of_get] {
            assert!(head.starts_with("HTTP/1.0 200"), "{path}: {head}");
            assert!(!head.contains("keep-alive"), "{path}: {head}");
            assert!(!head.contains("transfer-encoding"), "{path}: {head}");
        }
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("id: ") || line == ": heartbeat\n", "{path}: {line:?}");
        streams.push(reader);
    }
    app.top_up("ada", 2000).ok();
    app.stop();
    for mut reader in streams {
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains('\r'), "{rest:?}");
    }
}

#[test]
fn a_new_key_hears_its_first_event_and_a_reset_ends_nothing() {
    let app = spawn_app();
    let key = "Authorization: Bearer sk_test_new\r\n";
    let (mut listener, _) = Listener::open(&app, "", key);
    let top_up = |amount: u32| {
        let body = json!({ "amount": amount });
        app.json_with_key("sk_test_new", "POST", "/v1/payment/topup", "ada", &body)
            .ok();
    };
    top_up(1000);
    assert_eq!(listener.next_event().data["payload"]["data"]["amount"], 1000);
    app.reset("sk_test_new").ok();
    app.top_up("ada", 5000).ok();
    top_up(2000);
    assert_eq!(listener.next_event().data["payload"]["data"]["amount"], 2000);
}

#[test]
fn a_client_goes_on_behind_the_last_event_it_had() {
    let app = spawn_app();
    for amount in 1..=120 {
        app.top_up("ada", 1000 + amount).ok();
    }
    let amounts = |listener: &mut Listener, count: usize| -> Vec<i64> {
        let mut next = || {
            listener.next_event().data["payload"]["data"]["amount"]
                .as_i64()
                .unwrap()
                - 1000
        };
        (0..count).map(|_| next()).collect()
    };
    let (mut all, _) = Listener::open(&app, &format!("?after={}", "0".repeat(24)), "");
    assert_eq!(amounts(&mut all, 70), (1..=70).collect::<Vec<_>>());
    let last = all.next_event().id;
    drop(all);
    let resume = format!("Last-Event-ID: {last}\r\n");
    // The header of a client that reconnects counts more than the query of its first request.
    let (mut rest, position) = Listener::open(&app, &format!("?after={}", "0".repeat(24)), &resume);
    assert_eq!(position.id, last);
    assert_eq!(amounts(&mut rest, 49), (72..=120).collect::<Vec<_>>());
    app.offered();
    assert_eq!(rest.next_event().event, "escrow.created");
    let (_new, position) = Listener::open(&app, "", "");
    let inbox = app.send("GET", "/sandbox/events?limit=1", &[], None);
    assert_eq!(inbox.data()["data"][0]["id"], position.id.as_str());
}

#[test]
fn a_filter_lets_its_events_pass_alone() {
    let app = spawn_app();
    let deal = app.offered();
    let query = format!("?type=escrow.ongoing&escrowId={}", deal.id);
    let (mut listener, _) = Listener::open(&app, &query, "");
    app.top_up("ben", 100_000).ok();
    app.funded();
    app.pay_for("ben", &deal).ok();
    let event = listener.next_event();
    assert_eq!(
        (event.event.as_str(), &event.data["escrowId"]),
        ("escrow.ongoing", &json!(deal.id))
    );
}

#[test]
fn a_quiet_stream_sends_heartbeats() {
    let app = spawn_app_with(|config| config.sandbox.event_stream_heartbeat_seconds = 1);
    let began = Instant::now();
    let (mut listener, _) = Listener::open(&app, "", "");
    for _ in 0..2 {
        assert_eq!(listener.next().unwrap().comments, ["heartbeat"]);
    }
    assert!(began.elapsed() >= Duration::from_millis(1_500));
}

#[test]
fn a_stream_outlives_the_pause_between_requests() {
    let app = spawn_app_with(|config| {
        config.limits.keep_alive_seconds = 1;
        config.sandbox.event_stream_heartbeat_seconds = 1;
    });
    let (mut listener, _) = Listener::open(&app, "", "");
    for _ in 0..3 {
        assert_eq!(listener.next().unwrap().comments, ["heartbeat"]);
    }
    app.top_up("ada", 1000).ok();
    listener.next_event();
}

#[test]
fn a_key_has_so_many_streams() {
    let app = spawn_app_with(|config| config.sandbox.event_streams_per_key_max = 2);
    let (first, _) = Listener::open(&app, "", "");
    let (_second, _) = Listener::open(&app, "", "");
    let refused = app.send("GET", "/sandbox/events/stream", &[], None);
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (400, &json!("too_many_streams"))
    );
    assert!(refused.message().contains("At most 2 streams"), "{}", refused.message());
    Listener::open(&app, "", "Authorization: Bearer sk_test_other\r\n");
    first.reader.get_ref().shutdown(Shutdown::Both).unwrap();
    // The service sees the end of the connection when it looks for events next.
    until("the place of the first is free", || {
        app.send_for_head("HEAD", "/sandbox/events/stream", &[]).status == 200
    });
    Listener::open(&app, "", "");
}

#[test]
fn a_stop_ends_the_stream() {
    let mut app = spawn_app();
    let (mut listener, _) = Listener::open(&app, "", "");
    let began = Instant::now();
    app.stop();
    // A stop that waits for a client does so for 10 seconds.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    while let Some(block) = listener.next() {
        assert!(block.data.is_null(), "{block:?}");
    }
}

#[test]
fn unknown_stream_parameters_are_refused() {
    let app = spawn_app();
    let get = |query: &str, headers: &[(&str, &str)]| {
        let answer = app.send("GET", &format!("/sandbox/events/stream{query}"), headers, None);
        assert_eq!(answer.status, 400, "{query}");
        answer.message().to_owned()
    };
    assert!(get("", &[("last-event-id", "x")]).starts_with("Last-Event-ID must be the id of an event"));
    assert!(get("?type=bogus", &[]).starts_with("type must be"));
    assert!(get("?after=1", &[]).starts_with("after must be"));
    // An id from long after now, and one whose number is negative.
    for id in [format!("7{}", "f".repeat(23)), "f".repeat(24)] {
        let message = get("", &[("last-event-id", &id)]);
        assert!(message.starts_with("Last-Event-ID must be the id of an event that there is or was"));
        for path in ["/sandbox/events/stream", "/sandbox/events"] {
            let answer = app.send("GET", &format!("{path}?after={id}"), &[], None);
            assert_eq!(answer.status, 400, "{path} {id}");
            assert!(
                answer
                    .message()
                    .starts_with("after must be the id of an event that there is or was")
            );
        }
    }
    assert!(get("?page=2", &[]).starts_with("page must be one of the fields type, "));
    let live = spawn_live_app(|_| {});
    assert_eq!(live.send("GET", "/sandbox/events/stream", &[], None).status, 404);
}

#[test]
fn head_gets_the_headers_of_a_stream_and_opens_none() {
    let app = spawn_app_with(|config| config.sandbox.event_streams_per_key_max = 1);
    let began = Instant::now();
    let (mut listener, _) = Listener::open(&app, "", "");
    for path in [
        "/sandbox/events/stream",
        "/console/events/changes",
        "/console/requests/changes",
    ] {
        for _ in 0..4 {
            let head = app.send_for_head("HEAD", path, &[]);
            assert_eq!(head.status, 200, "{path}");
            assert_eq!(
                head.header("content-type"),
                Some("text/event-stream; charset=utf-8"),
                "{path}"
            );
            assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{path}");
        }
    }
    // The connection goes on after it.
    let both = "HEAD /sandbox/events/stream HTTP/1.1\r\nhost: localhost\r\n\r\n\
                GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let replies = app.exchange_for_text(both.as_bytes());
    assert_eq!(replies.matches("HTTP/1.1 200").count(), 2, "{replies}");
    assert!(began.elapsed() < Duration::from_secs(8), "a reply to HEAD did not end");
    let wrong = app.send_for_head("HEAD", "/sandbox/events/stream?after=x", &[]);
    assert_eq!(wrong.status, 400);
    app.top_up("ada", 1_000).ok();
    assert_eq!(listener.next_event().event, "payment.deposit.success");
}

#[test]
fn head_of_a_download_ends() {
    let app = spawn_app();
    app.funded();
    for path in [
        "/operator/journal",
        "/operator/merchant/statement",
        "/openapi.json",
        "/console/deals",
    ] {
        let head = app.send_for_head("HEAD", path, &[]);
        assert_eq!(head.status, 200, "{path}");
        let length = head.header("content-length").unwrap().to_owned();
        assert_eq!(
            app.send_for_head("GET", path, &[]).header("content-length"),
            Some(length.as_str()),
            "{path}"
        );
    }
}
