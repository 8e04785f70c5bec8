//! Clients whose sending ends, or cannot go on, before the handler of their request waits for its
//! body. The reply is the one that they get when the handler waits already.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;

use serde_json::json;

use crate::helpers::{Answer, TestApp, spawn_app};

/// Chunked bodies that are malformed at their last byte.
const MALFORMED: [&str; 9] = [
    "x",
    "f\n",
    "f;a\u{1}",
    "f \u{b}",
    "fffffffffffffffff",
    "2\r\n{}x",
    "2\r\n{}\rx",
    "2\r\n{}\r\n0\r\n\n",
    "2\r\n{}\r\n0\r\nx-sum: \0",
];

/// Makes the service wait before it looks at the next request.
fn delay(app: &TestApp) {
    app.as_merchant("POST", "/sandbox/faults", Some(&json!({ "delayMs": 50 })))
        .ok();
}

fn request(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n{headers}\r\n{body}")
}

/// Returns the reply, after asserting that the service closes the connection behind it.
#[track_caller]
fn last_answer(mut stream: TcpStream) -> Answer {
    let answer = Answer::read_from(&stream);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    answer
}

#[test]
fn a_malformed_body_is_named() {
    let app = spawn_app();
    let before = app.wallet("ada").ok().data().clone();
    let next = request(
        "POST /v1/payment/topup",
        "content-type: application/json\r\n",
        "{\"amount\":5}",
    );
    for (line, content_type) in [
        ("POST /v1/payment/topup", "application/json"),
        ("POST /v1/escrow/category/create", "multipart/form-data; boundary=edge"),
    ] {
        let headers = format!("content-type: {content_type}\r\ntransfer-encoding: chunked\r\n");
        for (body, is_delayed) in MALFORMED.iter().flat_map(|body| [(body, false), (body, true)]) {
            if is_delayed {
                delay(&app);
            }
            let mut stream = app.connect();
            let bytes = request(line, &headers, body) + &next;
            stream.write_all(bytes.as_bytes()).unwrap();
            let answer = last_answer(stream);
            let message = "The body cannot be read: its chunks do not have the form of transfer-encoding: chunked";
            let case = format!("{line} {body:?}, delayed: {is_delayed}");
            assert_eq!((answer.status, answer.message()), (400, message), "{case}");
            assert_eq!(answer.body["code"], "body_unreadable", "{case}");
            assert_eq!(answer.header("connection"), Some("close"), "{case}");
        }
    }
    assert_eq!(*app.wallet("ada").data(), before);
}

#[test]
fn a_malformed_body_that_no_route_reads_ends_only_the_connection() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for body in MALFORMED {
        delay(&app);
        let mut stream = app.connect();
        let bytes = request("GET /v1/wallet", "transfer-encoding: chunked\r\n", body);
        stream.write_all(bytes.as_bytes()).unwrap();
        let answer = last_answer(stream).ok();
        assert_eq!(answer.header("connection"), Some("close"), "{body:?}");
    }
}

/// The HTTP server decodes a long body only as far as its handler takes it, so the end of the client's
/// sending can come before it has decoded all.
#[test]
fn a_client_may_end_its_sending_behind_a_long_body() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let part = |name: &str| format!("--edge\r\ncontent-disposition: form-data; {name}\r\n\r\n");
    let (name, file) = (part("name=\"name\""), part("name=\"imageUrl\"; filename=\"a.png\""));
    let lengths = [20, 60, 100, 130, 160, 200, 300, 1_000].map(|thousands| thousands * 1_000);
    for length in lengths {
        let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
        picture.resize(length, 7);
        let begin = format!("{name}Shoes {length}\r\n{file}");
        let body = [begin.as_bytes(), &picture, b"\r\n--edge--\r\n"].concat();
        let headers = format!(
            "content-type: multipart/form-data; boundary=edge\r\ncontent-length: {}\r\n",
            body.len()
        );
        delay(&app);
        let mut stream = app.connect();
        let mut sender = stream.try_clone().unwrap();
        let head = request("POST /v1/escrow/category/create", &headers, "");
        let sending = thread::spawn(move || {
            sender.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let answer = Answer::read_from(&stream);
        assert_eq!(answer.status, 201, "{length} bytes: {}", answer.text);
        sending.join().unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(app.count("category"), lengths.len());
}
