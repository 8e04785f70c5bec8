//! The subcommands trigger, listen, clock and reset, each with a running sandbox and
//! without one.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use serde_json::Value;

use crate::helpers::{RunningServer, WorkFolder, get, stderr, stdout};

const EVENTS: [&str; 18] = [
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
];

/// Runs a subcommand against this server as this merchant.
fn run(work_folder: &WorkFolder, server: &RunningServer, key: &str, arguments: &[&str]) -> (bool, String) {
    let url = server.url("");
    let arguments = [arguments, &["--url", &url, "--key", key]].concat();
    let output = work_folder.run(&arguments);
    (output.status.success(), stdout(&output) + &stderr(&output))
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
fn strict_rules_do_not_keep_an_event_from_being_triggered() {
    let work_folder = WorkFolder::new();
    let server = work_folder.serve(&["--strict", "--database", "test.db"]);
    for event in ["escrow.claimed", "escrow.split", "payment.delivery.success"] {
        let (is_done, said) = run(&work_folder, &server, &format!("sk_test_{event}"), &["trigger", event]);
        assert!(is_done, "{said}");
    }
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

/// Answers one request with this inbox and returns the path that it asked for.
fn answer(mut stream: TcpStream, newest: &str) -> String {
    let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let path = head.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    head.find(String::is_empty).unwrap();
    let events = if path.ends_with("?limit=1") {
        format!(r#"[{{"id":"{newest}"}}]"#)
    } else {
        "[]".to_owned()
    };
    let body = format!(r#"{{"status":200,"message":"","data":{{"data":{events}}}}}"#);
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    path
}

/// A listener whose filter matches nothing asks for each new event once, and without a new
/// event only for the id of the newest.
#[test]
fn a_listener_asks_only_for_what_is_new() {
    let [a, b, c] = ["a", "b", "c"].map(|digit| digit.repeat(24));
    let newest = "/sandbox/events?limit=1";
    let after = |id: &str| format!("/sandbox/events?limit=100&after={id}&type=escrow");
    let script = [
        (&a, "/sandbox/clock".to_owned()),
        (&a, newest.to_owned()),
        (&a, after(&a)),
        (&a, newest.to_owned()),
        (&a, newest.to_owned()),
        (&b, newest.to_owned()),
        (&b, after(&a)),
        (&b, newest.to_owned()),
        (&c, newest.to_owned()),
        (&c, after(&b)),
    ];
    let sandbox = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", sandbox.local_addr().unwrap());
    let mut listening = WorkFolder::new()
        .command(&["listen", "--type", "escrow", "--url", &url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for (step, (newest, path)) in script.iter().enumerate() {
        let asked = answer(sandbox.accept().unwrap().0, newest);
        assert_eq!(asked, *path, "request {step}");
    }
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
        ("--customer", "", "letters"),
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
