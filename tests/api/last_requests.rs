//! The last request of a connection: one that comes behind it is never carried out, also if it came
//! in the same segment (RFC 9112, 9.6).

use std::io::{Read, Write};

use serde_json::json;

use crate::helpers::{TestApp, spawn_app, standard_terms, two_milestones};

/// Routes that add a row to a table each time, with their bodies.
fn adding_routes() -> [(&'static str, &'static str, String); 4] {
    [
        ("/v1/escrow/create", "escrow", standard_terms().to_string()),
        ("/v1/escrow/milestone/create", "escrow", two_milestones().to_string()),
        (
            "/v1/escrow/category/create",
            "category",
            json!({ "name": "Bikes" }).to_string(),
        ),
        ("/v1/payment/topup", "transfer", json!({ "amount": 1_000 }).to_string()),
    ]
}

fn post(version: &str, path: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/{version}\r\nhost: localhost\r\ncustomer-id: ada\r\n{lines}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Sends all bytes at once, and returns what comes back until the server closes the connection.
fn reply_to(app: &TestApp, bytes: &str) -> String {
    let mut stream = app.connect();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

/// The status lines of the replies, which may follow each other without a line break.
fn statuses(reply: &str) -> Vec<&str> {
    let replies = reply.match_indices("HTTP/1.");
    replies.map(|(start, _)| &reply[start + 9..start + 12]).collect()
}

#[test]
fn a_request_behind_one_that_closes_the_connection_has_no_effect() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for (path, table, body) in adding_routes() {
        for (version, lines) in [
            ("1.1", "connection: close\r\n"),
            ("1.1", "Connection: CLOSE\r\n"),
            ("1.1", "connection: keep-alive, x-trace ,\tClose\r\n"),
            ("1.1", "connection: keep-alive\r\nconnection: close\r\n"),
            ("1.1", "connection: close\r\nconnection: keep-alive\r\n"),
            ("1.0", ""),
            ("1.0", "connection: upgrade\r\n"),
        ] {
            let before = app.count(table);
            let first = post(version, path, lines, &body);
            // The one behind it neither asks to close nor cares.
            let both = first + &post("1.1", path, "", &body) + &post("1.1", path, "connection: keep-alive\r\n", &body);
            let reply = reply_to(&app, &both);
            assert_eq!(app.count(table), before + 1, "{path} {version} {lines:?}: {reply}");
            let statuses = statuses(&reply);
            assert!(statuses[0].starts_with('2'), "{reply}");
            assert!(statuses[1..].iter().all(|status| *status == "400"), "{reply}");
            assert!(!reply.contains("keep-alive"), "{reply}");
        }
    }
}

#[test]
fn requests_of_a_connection_that_stays_open_are_all_carried_out() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for (path, table, body) in adding_routes() {
        for (version, lines) in [
            ("1.1", ""),
            ("1.1", "connection: keep-alive\r\n"),
            ("1.1", "connection: x-closed\r\n"),
            ("1.0", "connection: keep-alive\r\n"),
        ] {
            let before = app.count(table);
            let both =
                post(version, path, lines, &body) + &post(version, path, "connection: keep-alive, close\r\n", &body);
            let reply = reply_to(&app, &both);
            assert_eq!(app.count(table), before + 2, "{path} {version} {lines:?}: {reply}");
        }
    }
}

/// The last request may be one that changes nothing, that is refused, or that no route takes; the
/// one behind it may be of any route.
#[test]
fn no_request_behind_the_last_one_is_carried_out_whatever_the_last_one_is() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let close = "host: localhost\r\ncustomer-id: ada\r\nconnection: close\r\n\r\n";
    for last in [
        format!("GET /v1/wallet HTTP/1.1\r\n{close}"),
        format!("HEAD /v1/wallet HTTP/1.1\r\n{close}"),
        format!("GET /nothing HTTP/1.1\r\n{close}"),
        format!("DELETE /v1/wallet HTTP/1.1\r\n{close}"),
        format!("GET /docs HTTP/1.1\r\n{close}"),
        post("1.1", "/v1/payment/topup", "connection: close\r\n", "{"),
        // Refused before its body, which the client has sent all the same.
        post(
            "1.1",
            "/v1/payment/topup",
            "expect: 100-continue\r\ncontent-encoding: gzip\r\n",
            "{}",
        ),
    ] {
        let before = app.dump();
        let offer = post("1.1", "/v1/escrow/create", "", &standard_terms().to_string());
        let form = "method=POST&path=/v1/payment/topup&customer=ada&n:amount=1000";
        let of_page = format!(
            "POST /console/call HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        let reply = reply_to(&app, &(last.clone() + &offer + &of_page));
        assert_eq!(app.dump(), before, "{last}: {reply}");
    }
}

/// A fault waits for a request that is carried out.
#[test]
fn a_request_behind_the_last_one_uses_up_no_fault() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let fault = json!({ "route": "POST /v1/payment/topup", "status": 503, "times": 1 });
    app.json("POST", "/sandbox/faults", "", &fault).ok();
    let last = "GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\nconnection: close\r\n\r\n".to_owned();
    let late = post("1.1", "/v1/payment/topup", "", "{\"amount\":1000}");
    let reply = reply_to(&app, &(last + &late));
    assert_eq!(statuses(&reply), ["200"], "{reply}");
    assert_eq!(app.top_up("ada", 1_000).status, 503);
}
