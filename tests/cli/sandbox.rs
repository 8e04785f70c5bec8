//! The subcommands trigger, listen, clock and reset, each with a running sandbox and
//! without one.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use serde_json::{Value, json};

use crate::helpers::{RunningServer, WorkFolder, get, stderr, stdout};
use crate::waiting::until_ok;

const EVENTS: [&str; 19] = [
    "escrow.created",
    "escrow.pending",
    "escrow.ongoing",
    "escrow.completed",
    "escrow.claimed",
    "escrow.disputed",
    "escrow.investigating",
    "escrow.refunded",
    "escrow.split",
    "payment.escrow.success",
    "payment.commission.success",
    "payment.delivery.success",
    "payment.deposit.success",
    "payment.deposit.failed",
    "payment.withdrawal.success",
    "payment.withdrawal.failed",
    "payment.withdrawal.reversed",
    "payment.wallet_transfer.success",
    "milestone.released",
];

/// Runs a subcommand against this server as this merchant.
fn run(work_folder: &WorkFolder, server: &RunningServer, key: &str, arguments: &[&str]) -> (bool, String) {
    let url = server.url("");
    let arguments = [arguments, &["--url", &url, "--key", key]].concat();
    let output = work_folder.run(&arguments);
    (output.status.success(), stdout(&output) + &stderr(&output))
}

/// Sets a webhook endpoint, which nobody serves, that has chosen an event.
fn choose(server: &RunningServer, key: &str, event: &str) {
    let body = json!({ "url": "http://127.0.0.1:9/hook", "events": [event] });
    ureq::put(server.url("/sandbox/callback"))
        .header("authorization", format!("Bearer {key}"))
        .content_type("application/json")
        .send(body.to_string())
        .unwrap();
}

/// Returns the names of the events in a merchant's inbox, newest first.
fn inbox(server: &RunningServer, key: &str) -> Vec<String> {
    let bearer = format!("Bearer {key}");
    let (_, body) = get(&server.url("/sandbox/events?limit=100"), &[("authorization", &bearer)]);
    let body: Value = serde_json::from_str(&body).unwrap();
    let events = body["data"]["data"].as_array().unwrap().iter();
    events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_event_can_be_triggered_and_its_id_is_printed() {
    let work_folder = WorkFolder::new();
    work_folder.write("config.toml", "[fees]\ncommission_bps = 50\n");
    let server = work_folder.serve(&["--database", "test.db"]);
    for event in EVENTS {
        let key = format!("sk_test_{event}");
        if event == "milestone.released" {
            let (is_done, said) = run(&work_folder, &server, &key, &["trigger", event]);
            assert!(!is_done && said.contains("PUT /sandbox/callback"), "{said}");
            choose(&server, &key, event);
        }
        let (is_done, said) = run(&work_folder, &server, &key, &["trigger", event]);
        assert!(is_done, "{event}: {said}");
        let id = said.lines().find_map(|line| line.trim().strip_prefix("event"));
        let id = id.unwrap_or_else(|| panic!("{event}: {said}")).trim();
        assert_eq!(id.len(), 24, "{said}");
        assert!(inbox(&server, &key).iter().any(|name| name == event), "{event}");
    }
    drop(server);
    let check = work_folder.run(&["check", "test.db"]);
    assert!(check.status.success(), "{}", stdout(&check));
}

#[test]
fn fields_can_be_set_and_unknown_ones_are_refused() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    for (event, set, key) in [
        ("escrow.split", "amount=2500.25", "sk_test_split"),
        ("escrow.ongoing", "purpose=A bicycle = two wheels", "sk_test_purpose"),
        ("payment.deposit.success", "amount=3000", "sk_test_deposit"),
    ] {
        let (is_done, said) = run(&work_folder, &server, key, &["trigger", event, "--set", set]);
        assert!(is_done, "{said}");
        let bearer = format!("Bearer {key}");
        let path = format!("/sandbox/events?type={event}");
        let (_, body) = get(&server.url(&path), &[("authorization", &bearer)]);
        let body: Value = serde_json::from_str(&body).unwrap();
        let (name, value) = set.split_once('=').unwrap();
        let found = &body["data"]["data"][0]["payload"]["data"][name];
        assert_eq!(found.as_str().map_or(found.to_string(), str::to_owned), value);
    }
    let unknown = ["trigger", "escrow.created", "--set", "colour=red"];
    let (is_done, said) = run(&work_folder, &server, "sk_test_a", &unknown);
    assert!(
        !is_done && said.contains("\"colour\"") && said.contains("amount, purpose"),
        "{said}"
    );
    assert_eq!(inbox(&server, "sk_test_a"), [""; 0]);
    let malformed = ["trigger", "escrow.created", "--set", "amount"];
    let (is_done, said) = run(&work_folder, &server, "sk_test_a", &malformed);
    assert!(!is_done && said.contains("amount=2500"), "{said}");
    let refused = ["trigger", "escrow.created", "--set", "amount=much"];
    let (is_done, said) = run(&work_folder, &server, "sk_test_a", &refused);
    assert!(!is_done && said.contains("amount must be a number"), "{said}");
}

#[test]
fn a_trigger_can_have_a_merchant_of_its_own() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let url = server.url("");
    let arguments = ["trigger", "escrow.ongoing", "--own-merchant", "--url", &url];
    for variable in ["", "sk_test_of_variable"] {
        let mut command = work_folder.command(&arguments);
        if !variable.is_empty() {
            command.env("ESCROWD_KEY", variable);
        }
        let output = command.output().unwrap();
        let said = stdout(&output) + &stderr(&output);
        assert!(output.status.success(), "{said}");
        let key = said.lines().find_map(|line| line.trim().strip_prefix("key"));
        let key = key.unwrap_or_else(|| panic!("{said}")).trim().to_owned();
        assert!(inbox(&server, &key).contains(&"escrow.ongoing".to_owned()), "{said}");
    }
    assert!(inbox(&server, "sk_test_of_variable").is_empty());
    let (_, body) = get(&server.url("/sandbox/events"), &[]);
    assert!(body.contains("\"count\":0"), "{body}");
    let both = work_folder.run(&[
        "trigger",
        "escrow.ongoing",
        "--own-merchant",
        "--key",
        "k",
        "--url",
        &url,
    ]);
    assert_eq!(both.status.code(), Some(2), "{}", stderr(&both));
}

#[test]
fn strict_rules_do_not_keep_an_event_from_being_triggered() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--strict", "--database", "test.db"]);
    for event in ["escrow.claimed", "escrow.split", "payment.delivery.success"] {
        let (is_done, said) = run(&work_folder, &server, &format!("sk_test_{event}"), &["trigger", event]);
        assert!(is_done, "{said}");
    }
}

#[test]
fn a_command_above_the_rate_limit_waits_for_the_next_minute_once() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--strict", "--database", "test.db"]);
    let trigger = || run(&work_folder, &server, "sk_test_a", &["trigger", "escrow.created"]);
    // Each takes 5 requests of 10.
    for _ in 0..2 {
        let (is_done, said) = trigger();
        assert!(is_done && !said.contains("trying again"), "{said}");
    }
    let (is_done, _) = run(&work_folder, &server, "sk_test_a", &["clock", "advance", "57s"]);
    assert!(is_done);
    let (is_done, said) = trigger();
    assert!(is_done && said.contains("trying again in "), "{said}");
}

#[test]
fn a_command_that_stays_above_the_rate_limit_names_the_remedy() {
    let sandbox = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", sandbox.local_addr().unwrap());
    let refusing = thread::spawn(move || {
        let (stream, _) = sandbox.accept().unwrap();
        let clock = r#"{"status":200,"message":"","data":{}}"#;
        answer(stream, "application/json", clock);
        refuse_above_limit(&sandbox);
        refuse_above_limit(&sandbox);
    });
    let output = WorkFolder::new().run(&["trigger", "escrow.created", "--url", &url]);
    let said = stderr(&output);
    assert!(!output.status.success(), "{said}");
    assert_eq!(said.matches("trying again in 1 s").count(), 1, "{said}");
    assert!(said.contains("Too many request; try again in 1 s, or start"), "{said}");
    assert!(said.contains("ESCROWD_LIMITS_REQUESTS_PER_MINUTE=100000"), "{said}");
    refusing.join().unwrap();
}

/// Answers one request as the rate limit does.
fn refuse_above_limit(service: &TcpListener) {
    let (mut stream, _) = service.accept().unwrap();
    let head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    assert!(head.take_while(|line| !line.is_empty()).count() > 0);
    let body = r#"{"status":429,"message":"Too many request"}"#;
    let limit = "retry-after: 1\r\nratelimit: limit=10, remaining=0, reset=1";
    let head = format!("HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\n{limit}");
    write!(stream, "{head}\r\ncontent-type: application/json\r\n\r\n{body}").unwrap();
}

/// A second attempt would use up another hit of the fault.
#[test]
fn a_429_that_a_fault_asks_for_is_no_rate_limit() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--strict", "--database", "test.db"]);
    let fault = ureq::post(server.url("/sandbox/faults")).header("content-type", "application/json");
    let fault = fault.header("authorization", "Bearer sk_test_a");
    let planned = fault
        .send(r#"{"route":"POST /v1/escrow/create","times":1,"status":429}"#)
        .unwrap();
    assert!(planned.status().is_success());
    let trigger = || run(&work_folder, &server, "sk_test_a", &["trigger", "escrow.created"]);
    let (is_done, said) = trigger();
    assert!(
        !is_done && said.contains("returned 429: Fault requested by POST /sandbox/faults\n"),
        "{said}"
    );
    let (is_done, said) = trigger();
    assert!(is_done && !said.contains("trying again"), "{said}");
}

/// A change of a live service is not sent again by itself.
#[test]
fn a_command_of_an_operator_says_when_the_rate_limit_takes_it() {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", service.local_addr().unwrap());
    let refusing = thread::spawn(move || refuse_above_limit(&service));
    let folder = WorkFolder::new();
    let mut command = folder.command(&["key", "list", "shop", "--url", &url]);
    let output = command.env("ESCROWD_KEY", "op_live_1").output().unwrap();
    let said = stderr(&output);
    assert!(
        said.contains("Too many request (status 429); try again in 1 s"),
        "{said}"
    );
    refusing.join().unwrap();
}

#[test]
fn a_commission_that_nobody_takes_is_said_to_be_missing() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let (is_done, said) = run(
        &work_folder,
        &server,
        "sk_test_a",
        &["trigger", "payment.commission.success"],
    );
    assert!(!is_done && said.contains("ESCROWD_FEES_COMMISSION_BPS=50"), "{said}");
}

#[test]
fn the_clock_is_shown_and_moved_and_a_reset_puts_it_back() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let clock = |arguments: &[&str]| {
        let (is_done, said) = run(&work_folder, &server, "sk_test_a", arguments);
        assert!(is_done, "{said}");
        said.trim()
            .parse::<jiff::Timestamp>()
            .unwrap_or_else(|_| panic!("{said}"))
    };
    let before = clock(&["clock"]);
    let after = clock(&["clock", "advance", "3d"]);
    assert!(after.as_second() - before.as_second() >= 3 * 86_400);
    assert!(clock(&["clock", "advance", "3600"]).as_second() - after.as_second() >= 3_600);

    let (is_done, said) = run(&work_folder, &server, "sk_test_a", &["reset"]);
    assert!(is_done && said.contains("fresh merchant"), "{said}");
    assert!(clock(&["clock"]) < after);

    let url = server.url("");
    let before_the_word = work_folder.run(&["clock", "--url", &url, "advance", "1h"]);
    assert!(before_the_word.status.success(), "{}", stderr(&before_the_word));
    let (is_done, said) = run(&work_folder, &server, "sk_test_a", &["clock", "advance", "-1d"]);
    assert!(!is_done && said.contains("time does not run backwards"), "{said}");
    let (is_done, said) = run(&work_folder, &server, "a b", &["clock"]);
    assert!(
        !is_done && said.contains("printable ASCII characters without spaces"),
        "{said}"
    );
    let (is_done, said) = run(&work_folder, &server, "sk_test_a", &["clock", "advance", "soon"]);
    assert!(
        !is_done && said.contains("by must be") && said.contains("soon"),
        "{said}"
    );
}

#[test]
fn events_are_listened_to_as_they_happen() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--database", "test.db"]);
    let (is_done, _) = run(&work_folder, &server, "sk_test_a", &["trigger", "escrow.created"]);
    assert!(is_done);

    let url = server.url("");
    let mut listening = work_folder
        .command(&["listen", "--type", "escrow", "--url", &url, "--key", "sk_test_a"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut notes = BufReader::new(listening.stderr.take().unwrap()).lines();
    let opening = notes.next().unwrap().unwrap();
    assert!(opening.contains("Ctrl-C"), "{opening}");
    let (is_done, _) = run(&work_folder, &server, "sk_test_a", &["trigger", "escrow.ongoing"]);
    assert!(is_done);

    let shown: Vec<String> = BufReader::new(listening.stdout.take().unwrap())
        .lines()
        .take(3)
        .map(Result::unwrap)
        .collect();
    for (line, name) in shown.iter().zip(["escrow.created", "escrow.pending", "escrow.ongoing"]) {
        assert!(line.contains(name) && line.contains("escrowId"), "{shown:#?}");
    }
    drop(server);
    let away = notes.next().unwrap().unwrap();
    assert!(away.contains("waiting for it to come back"), "{away}");
    listening.kill().unwrap();
    listening.wait().unwrap();
}

/// Answers one request with this text, and returns its path and its `Last-Event-ID`.
fn answer(mut stream: TcpStream, content_type: &str, body: &str) -> (String, Option<String>) {
    let head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let head: Vec<String> = head.take_while(|line| !line.is_empty()).collect();
    let path = head[0].split(' ').nth(1).unwrap().to_owned();
    let last = head.iter().find_map(|line| line.strip_prefix("last-event-id: "));
    let reply = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {content_type}\r\n\r\n{body}");
    stream.write_all(reply.as_bytes()).unwrap();
    (path, last.map(str::to_owned))
}

/// A listener whose stream ends goes on behind the last event, or the position, that it had.
#[test]
fn a_listener_goes_on_where_its_stream_ended() {
    let [a, b] = ["a", "b"].map(|digit| digit.repeat(24));
    let sandbox = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", sandbox.local_addr().unwrap());
    let mut listening = WorkFolder::new()
        .command(&["listen", "--type", "escrow", "--json", "--url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A listener that ended connects no more, and the test must not wait for it.
    sandbox.set_nonblocking(true).unwrap();
    let accept = || {
        let (stream, _) = until_ok("the listener connects", || sandbox.accept());
        stream.set_nonblocking(false).unwrap();
        stream
    };
    let clock = r#"{"status":200,"message":"","data":{}}"#;
    assert_eq!(answer(accept(), "application/json", clock).0, "/sandbox/clock");
    let path = "/sandbox/events/stream?type=escrow".to_owned();
    let stream = "text/event-stream";
    assert_eq!(
        answer(accept(), stream, &format!("id: {a}\n\n: heartbeat\n\n")),
        (path.clone(), None)
    );
    let event = format!("id: {b}\nevent: escrow.created\ndata: {{\"payload\":{{\"event\":1}}}}\n\n");
    assert_eq!(answer(accept(), stream, &event), (path.clone(), Some(a)));
    assert_eq!(answer(accept(), stream, ""), (path, Some(b)));
    let mut shown = String::new();
    BufReader::new(listening.stdout.take().unwrap())
        .read_line(&mut shown)
        .unwrap();
    assert_eq!(shown, "{\"event\":1}\n");
    listening.kill().unwrap();
    listening.wait().unwrap();
}

#[test]
fn a_filter_that_nothing_can_match_is_refused_at_once() {
    let work_folder = WorkFolder::new();
    for (option, value, right) in [
        ("--type", "bogus", "escrow.completed"),
        ("--type", "escrow.complete", "payment.deposit.success"),
        ("--type", "", "escrow.completed"),
        ("--escrow", "x", "24 lower-case hex characters"),
        ("--escrow", "0123456789ABCDEF01234567", "24 lower-case hex characters"),
        ("--customer", "", "visible ASCII"),
    ] {
        let output = work_folder.run(&["listen", option, value, "--url", "http://127.0.0.1:9"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{option} {value}: {said}");
        assert!(said.contains(option) && said.contains(right), "{said}");
    }
}

#[test]
fn without_a_sandbox_each_says_what_to_do() {
    let work_folder = WorkFolder::new();
    let nowhere = ["--url", "http://127.0.0.1:9"];
    for arguments in [
        &["trigger", "escrow.created"][..],
        &["listen"],
        &["clock"],
        &["clock", "advance", "3d"],
        &["reset"],
    ] {
        let output = work_folder.run(&[arguments, &nowhere].concat());
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(
            said.contains("no escrowd answers at http://127.0.0.1:9") && said.contains("--url"),
            "{said}"
        );
    }
    let server = work_folder.serve(&["--database", "test.db"]);
    let mut command = work_folder.command(&["clock", "--url", &server.url("")]);
    let output = command.env("http_proxy", "http://127.0.0.1:9").output().unwrap();
    assert!(output.status.success(), "a proxy is not asked: {}", stderr(&output));
    // Without --url it is the service that the configuration of the folder describes.
    work_folder.write("config.toml", &format!("listen = \"{}\"\n", server.address));
    let output = work_folder.run(&["clock"]);
    assert!(output.status.success(), "{}", stderr(&output));
    for arguments in [
        &["merchant", "list"][..],
        &["operator", "list", "--url", &server.url("")],
    ] {
        let output = work_folder.run(arguments);
        let said = stderr(&output);
        assert!(
            said.contains("is a sandbox, which has no operators"),
            "{arguments:?}: {said}"
        );
    }
    work_folder.write("config.toml", "");
    let output = work_folder.run(&["trigger", "escrow.finished"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("escrow.completed"), "{}", stderr(&output));
    let output = work_folder.run(&["clock", "--url", "127.0.0.1:8080"]);
    assert!(
        stderr(&output).contains("must start with http://"),
        "{}",
        stderr(&output)
    );
}
