//! Tests malformed, oversized and slow requests: the service replies with an envelope and keeps
//! running (contract section 9.3, architecture section 7).

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::helpers::{Answer, TestApp, spawn_app, spawn_app_with, standard_terms, two_milestones};

/// Routes, each with the only method that its path accepts.
const ROUTES: [(&str, &str); 19] = [
    ("GET", "/healthz"),
    ("POST", "/v1/escrow/milestone/create"),
    ("PUT", "/v1/escrow/milestone/edit/PY_ABCDEFGH0000"),
    (
        "POST",
        "/v1/escrow/milestone/confirm/665f1b2c9a1e4d0012ab3c10/665f1b2c9a1e4d0012ab3c11",
    ),
    ("GET", "/v1/escrow/milestone/PY_ABCDEFGH0000"),
    ("POST", "/v1/escrow/create"),
    ("GET", "/v1/escrow/verify/PY_ABCDEFGH0000"),
    ("POST", "/v1/escrow/confirm-payment/665f1b2c9a1e4d0012ab3c10"),
    ("POST", "/v1/payment/escrow"),
    ("POST", "/v1/payment/topup"),
    ("GET", "/v1/wallet"),
    ("POST", "/v1/customer/create"),
    ("GET", "/v1/customers"),
    ("GET", "/v1/customer/get/ada"),
    ("PUT", "/v1/customer/update/ada"),
    ("PUT", "/v1/customer/permissions/ada"),
    ("PUT", "/v1/customer/block/ada"),
    ("PUT", "/v1/customer/unblock/ada"),
    ("GET", "/v1/countries"),
];

/// Routes that read JSON. The flag is true if the route also reads a form.
const BODY_ROUTES: [(&str, &str, bool); 5] = [
    ("POST", "/v1/escrow/milestone/create", false),
    ("PUT", "/v1/escrow/milestone/edit/PY_ABCDEFGH0000", false),
    ("POST", "/v1/escrow/create", true),
    ("POST", "/v1/payment/escrow", false),
    ("POST", "/v1/payment/topup", false),
];

/// Spawns a service in which the customer Ada exists. Otherwise the first request would register
/// her and so change the file.
fn spawn_app_with_ada() -> TestApp {
    let app = spawn_app();
    app.wallet("ada").ok();
    app
}

#[track_caller]
fn assert_healthy(app: &TestApp) {
    app.send("GET", "/healthz", &[], None).ok();
}

/// Returns a multipart form with these fields. A field with a file name is a file.
fn form(fields: &[(&str, Option<&str>, &str)]) -> Vec<u8> {
    let part = |(name, file, text): &(&str, Option<&str>, &str)| {
        let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
        format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n")
    };
    let parts: Vec<String> = fields.iter().map(part).collect();
    (parts.concat() + "--edge--\r\n").into_bytes()
}

fn send_form(app: &TestApp, body: &[u8]) -> Answer {
    let headers = [
        ("customer-id", "ada"),
        ("content-type", "multipart/form-data; boundary=edge"),
    ];
    app.send("POST", "/v1/escrow/create", &headers, Some(body))
}

const STANDARD: [(&str, Option<&str>, &str); 5] = [
    ("amount", None, "1234.56"),
    ("purpose", None, "A bicycle"),
    ("whoPays", None, "seller"),
    ("maxDelivery", None, "3"),
    ("deliveryTimeline", None, "days"),
];

#[test]
fn an_unknown_route_is_not_found() {
    let app = spawn_app_with_ada();
    for path in [
        "/v1",
        "/v1/",
        "/v1/wallet/",
        "/V1/wallet",
        "/v1/escrow",
        "/v1/escrow/verify",
        "/v1/escrow/verify/a/b",
        "/v1/escrow/milestone/confirm/a",
        "/v1/nothing",
        "/sandbox/nothing",
        "/favicon.ico",
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            app.refuses(404, &format!("There is no route {path}"), |app| {
                app.send(method, path, &[], None)
            });
        }
    }
}

#[test]
fn a_wrong_method_gets_the_allowed_method() {
    let app = spawn_app_with_ada();
    for (allowed, path) in ROUTES {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
            let is_other_route = method == "GET" && path.ends_with("/milestone/create");
            if method == allowed || is_other_route || method == "OPTIONS" {
                continue;
            }
            let answer = app.refuses(405, &format!("This route answers {allowed} only"), |app| {
                app.send(method, path, &[("customer-id", "ada")], None)
            });
            assert_eq!(answer.header("allow"), Some(allow(allowed).as_str()));
        }
    }
}

#[test]
fn a_body_that_is_not_a_json_object_is_refused() {
    let app = spawn_app_with_ada();
    for (method, path, _) in BODY_ROUTES {
        for (body, message) in [
            ("", "the body must be valid JSON; got nothing"),
            (" \n", "the body must be valid JSON; got nothing"),
            ("null", "the body must be a JSON object; got null"),
            ("5", "the body must be a JSON object; got 5"),
            ("\"x\"", "the body must be a JSON object; got \"x\""),
            ("[]", "the body must be a JSON object; got []"),
            (
                "{",
                "the body must be valid JSON; got JSON that ends too early, at line 1 column 1",
            ),
            (
                "{\"amount\":}",
                "the body must be valid JSON; got no JSON value at line 1 column 11",
            ),
            (
                "{\"amount\":1,}",
                "the body must be valid JSON; got trailing comma at line 1 column 13",
            ),
            (
                "{'amount':1}",
                "the body must be valid JSON; got a field without a name in double quotation marks at line 1 column 2",
            ),
            (
                "{\"note\":\"a\nb\"}",
                "the body must be valid JSON; got an unescaped control character in a text, such as a line break, at line \
                 1 column 10",
            ),
            (
                "{} {}",
                "the body must be valid JSON; got trailing characters at line 1 column 4",
            ),
            (
                "\u{feff}\u{feff}{}",
                "the body must be valid JSON; got no JSON value at line 1 column 1",
            ),
        ] {
            app.refuses(400, message, |app| app.json_text(method, path, "ada", body));
        }
    }
}

#[test]
fn a_body_that_is_not_utf8_is_refused() {
    let app = spawn_app_with_ada();
    let headers = [("customer-id", "ada"), ("content-type", "application/json")];
    for (method, path, _) in BODY_ROUTES {
        for body in [
            &b"\xff\xfe{}"[..],
            b"{\"purpose\":\"\xc3\"}",
            b"{\"amount\":1}\x80",
            b"\xed\xa0\x80",
        ] {
            app.refuses(400, "The body cannot be read: it is not UTF-8 text", |app| {
                app.send(method, path, &headers, Some(body))
            });
        }
    }
}

#[test]
fn nesting_of_any_depth_is_read_or_refused() {
    let app = spawn_app_with(|config| config.limits.body_bytes_max = 1_048_576);
    app.wallet("ada").ok();
    for (method, path, _) in BODY_ROUTES {
        for open in ["[", "{\"a\":"] {
            let deep = open.repeat(100_000);
            let answer = app.json_text(method, path, "ada", &deep);
            assert!(answer.message().starts_with("the body must be "), "{answer:?}");
            app.refuses(400, answer.message(), |app| app.json_text(method, path, "ada", &deep));
        }
        let examples = if path.ends_with("topup") {
            "1000 or 1099.95"
        } else if path.contains("/milestone/") {
            "1500"
        } else {
            "1500 or 99.95"
        };
        let message = format!("amount must be a number, such as {examples}; got {}…", "[".repeat(80));
        for bottom in ["", "\";base64,\""] {
            let deep = format!("{{\"amount\":{}{bottom}{}}}", "[".repeat(100_000), "]".repeat(100_000));
            app.refuses(400, &message, |app| app.json_text(method, path, "ada", &deep));
        }
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut offer = two_milestones()
        .to_string()
        .replacen('{', &format!("{{\"extra\":{deep},"), 1);
    app.json_text("POST", "/v1/escrow/milestone/create", "ada", &offer).ok();
    offer = format!("{{\"amount\":1,\"purpose\":\"x\",\"whoPays\":\"buyer\",\"milestones\":{deep}}}");
    let message = format!("milestones[0] must be an object; got {}…", "[".repeat(80));
    app.refuses(400, &message, |app| {
        app.json_text("POST", "/v1/escrow/milestone/create", "ada", &offer)
    });
}

#[test]
fn a_body_of_another_type_is_refused() {
    let app = spawn_app_with_ada();
    for (method, path, reads_forms) in BODY_ROUTES {
        let mut types = vec![
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/xml",
            "json",
            "",
            "a;b/c",
        ];
        let expected = if reads_forms {
            "application/json or multipart/form-data"
        } else {
            types.push("multipart/form-data; boundary=edge");
            "application/json"
        };
        let message = format!("Send the body as {expected}, and say so in the content-type header");
        app.refuses(415, &message, |app| {
            app.send(method, path, &[("customer-id", "ada")], Some(b"{}"))
        });
        for content_type in types {
            let headers = [("customer-id", "ada"), ("content-type", content_type)];
            app.refuses(415, &message, |app| app.send(method, path, &headers, Some(b"{}")));
        }
    }
}

#[test]
fn the_json_content_type_may_have_a_charset_and_any_case() {
    let app = spawn_app();
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let headers = [("customer-id", "ada"), ("content-type", content_type)];
        app.send("POST", "/v1/payment/topup", &headers, Some(b" {\"amount\" : 1000 }\n"))
            .ok();
    }
}

#[test]
fn a_compressed_body_is_refused_with_its_encoding() {
    let app = spawn_app_with_ada();
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
    for (method, path, reads_forms) in BODY_ROUTES {
        for (sent, named) in [
            ("gzip", "gzip"),
            ("br", "br"),
            ("GZIP", "GZIP"),
            ("identity, zstd", "zstd"),
        ] {
            let message =
                format!("The body is encoded as {named}; send it as it is, without a content-encoding header");
            let mut types = vec!["application/json"];
            types.extend(reads_forms.then_some("multipart/form-data; boundary=edge"));
            for content_type in types {
                let headers = [
                    ("customer-id", "ada"),
                    ("content-type", content_type),
                    ("content-encoding", sent),
                ];
                let answer = app.refuses(415, &message, |app| app.send(method, path, &headers, Some(gzip)));
                assert_eq!(answer.body["code"], "unsupported_media_type");
            }
        }
    }
    for encoding in ["identity", "Identity", ""] {
        let headers = [
            ("customer-id", "ada"),
            ("content-type", "application/json"),
            ("content-encoding", encoding),
        ];
        app.send("POST", "/v1/payment/topup", &headers, Some(b"{\"amount\":1000}"));
    }
}

#[test]
fn a_byte_order_mark_is_ignored() {
    let app = spawn_app();
    app.json_text("POST", "/v1/payment/topup", "ada", "\u{feff}{\"amount\":1000}")
        .ok();
    let mut fields = STANDARD;
    fields[0].2 = "\u{feff}1234.56";
    send_form(&app, &form(&fields)).ok();
}

#[test]
fn a_truncated_body_is_named() {
    let app = spawn_app_with_ada();
    let head = "POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
        content-type: application/json\r\n";
    let half_closed = |request: &str| {
        let mut stream = app.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        Answer::read_from(&stream)
    };
    let message = "The body cannot be read: it ended early; its content-length or its last chunk says that more should \
                   come";
    for request in [
        format!("{head}content-length: 16\r\n\r\n{{\"amount\":1000}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\nf\r\n{{\"amount\":1000}}\r\n"),
    ] {
        let answer = half_closed(&request);
        assert_eq!((answer.status, answer.message()), (400, message));
        assert_eq!(answer.body["code"], "body_unreadable");
    }
    let cut_off = &form(&STANDARD)[..200];
    app.refuses(
        400,
        "The body cannot be read: the form ends before its last boundary",
        |app| send_form(app, cut_off),
    );
}

#[test]
fn a_body_that_is_announced_to_be_too_long_is_refused_at_once() {
    let app = spawn_app_with_ada();
    let limit = 65_536;
    let form_limit = limit + 5 * 5_242_880;
    for (path, content_type, limit) in [
        ("/v1/escrow/create", "application/json", limit),
        ("/v1/escrow/create", "multipart/form-data; boundary=edge", form_limit),
        ("/sandbox/seed", "application/json", 1_048_576),
        ("/v1/sandbox/seed", "application/json", 1_048_576),
        ("//sandbox/seed", "application/json", 1_048_576),
    ] {
        let head = |expect: &str, length: usize| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
                 content-type: {content_type}\r\n{expect}content-length: {length}\r\n\r\n"
            )
        };
        let message = format!("The body must be at most {limit} bytes");
        for expect in ["expect: 100-continue\r\n", "Expect: 100-Continue\r\n", ""] {
            let answer = app.refuses(413, &message, |app| {
                let started = Instant::now();
                let answer = app.exchange(head(expect, limit + 1).as_bytes());
                // A service that waits for the body does so for 10 seconds.
                assert!(started.elapsed() < Duration::from_secs(8));
                answer
            });
            assert_eq!(answer.body["code"], "body_too_large");
        }
        let mut stream = app.connect();
        stream
            .write_all(head("expect: 100-continue\r\n", limit + 1).as_bytes())
            .unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let reply = String::from_utf8(reply).unwrap();
        assert!(
            reply.starts_with("HTTP/1.1 413 ") && reply.contains("connection: close"),
            "{reply}"
        );
        assert_eq!(reply.matches("HTTP/1.1").count(), 1);
    }
    let body = b"{\"amount\":1000}";
    let mut stream = app.connect();
    let head = "POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
        content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 15\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body).unwrap();
    Answer::read_from(&stream).ok();
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let app = spawn_app_with_ada();
    let message = "The body must be at most 65536 bytes";
    for (method, path, _) in BODY_ROUTES {
        let body = "x".repeat(65_537);
        app.refuses(413, message, |app| app.json_text(method, path, "ada", &body));

        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\ncontent-type: application/json\r\n"
        );
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n10001\r\n{body}\r\n0\r\n\r\n");
        app.refuses(413, message, |app| app.exchange(chunked.as_bytes()));
        let announced = format!("{head}content-length: 9999999999\r\n\r\n{body}");
        app.refuses(413, message, |app| app.exchange(announced.as_bytes()));
    }
    let padding = " ".repeat(65_536 - "{\"amount\":1000}".len());
    app.json_text(
        "POST",
        "/v1/payment/topup",
        "ada",
        &format!("{{\"amount\":1000}}{padding}"),
    )
    .ok();
}

#[test]
fn a_form_over_the_limit_is_refused() {
    let app = spawn_app_with_ada();
    let big = "x".repeat(65_537);
    let half = "x".repeat(40_000);
    for fields in [
        &[("purpose", None, big.as_str())][..],
        &[("a", None, &half), ("b", None, &half)],
    ] {
        app.refuses(413, "The body must be at most 65536 bytes", |app| {
            send_form(app, &form(fields))
        });
    }
}

#[test]
fn a_form_of_many_empty_fields_is_refused() {
    let app = spawn_app_with_ada();
    let names: Vec<String> = (0..2000).map(|index| format!("f{index}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), None, "")).collect();
    app.refuses(413, "The body must be at most 65536 bytes", |app| {
        send_form(app, &form(&fields))
    });
}

#[test]
fn a_body_that_does_not_arrive_in_time_is_refused() {
    let app = spawn_app_with(|config| config.limits.body_seconds_max = 1);
    app.wallet("ada").ok();
    let head = "POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n";
    let stalled = format!("{head}content-type: application/json\r\ncontent-length: 15\r\n\r\n{{\"amount\"");
    let stalled_chunks =
        format!("{head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{{\"a\r\n");
    let form = "POST /v1/escrow/create HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
        content-type: multipart/form-data; boundary=edge\r\ncontent-length: 100\r\n\r\n--edge\r\n";
    for request in [&stalled, &stalled_chunks, form] {
        let started = Instant::now();
        let answer = app.refuses(408, "The body must arrive within 1 seconds", |app| {
            app.exchange(request.as_bytes())
        });
        // The limit of other services is 10 seconds.
        assert!(started.elapsed() < Duration::from_secs(9));
        assert_eq!(answer.body["code"], "body_too_slow");
    }
}

#[test]
fn a_body_that_arrives_in_single_bytes_gets_no_more_time() {
    let app = spawn_app_with(|config| config.limits.body_seconds_max = 1);
    app.wallet("ada").ok();
    let head = b"POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
        content-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    app.refuses(408, "The body must arrive within 1 seconds", |app| {
        let mut stream = app.connect();
        stream.write_all(head).unwrap();
        for _ in 0..6 {
            // The service may have closed the connection.
            drop(stream.write_all(b" "));
            thread::sleep(Duration::from_millis(250));
        }
        Answer::read_from(&stream)
    });
}

#[test]
fn an_incomplete_body_changes_nothing() {
    let app = spawn_app_with_ada();
    let before = app.dump();
    let mut stream = app.connect();
    stream
        .write_all(
            b"POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
              content-type: application/json\r\ncontent-length: 16\r\n\r\n{\"amount\":1000}",
        )
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    assert!(!reply.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&reply));
    assert_eq!(app.dump(), before);
    assert_healthy(&app);
}

#[test]
fn every_reply_has_a_different_request_id() {
    let app = spawn_app();
    let answers = [
        app.send("GET", "/healthz", &[], None),
        app.send("GET", "/healthz", &[], None),
        app.create_escrow("ada", &standard_terms()),
        app.create_escrow("ada", &json!({})),
        app.send("GET", "/v1/nothing", &[], None),
        app.send("DELETE", "/v1/wallet", &[], None),
        app.send("GET", "/v1/wallet", &[("authorization", "Basic x")], None),
    ];
    let mut ids: Vec<&str> = answers
        .iter()
        .map(|answer| answer.header("x-request-id").unwrap())
        .collect();
    assert!(ids.iter().all(|id| id.starts_with("req_")));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len());
}

#[test]
fn a_percent_encoded_path_names_the_same_escrow() {
    let app = spawn_app();
    let deal = app.offered();
    let encoded = deal.token.replacen("PY_", "%50%59%5F", 1);
    app.send("GET", &format!("/v1/escrow/verify/{encoded}"), &[], None).ok();
    app.send("GET", "/v1/w%61llet", &[("customer-id", "ada")], None).ok();
}

#[test]
fn a_malformed_id_in_a_path_is_an_escrow_not_found() {
    let app = spawn_app_with_ada();
    let long = "A".repeat(8192);
    for part in [
        "x",
        "%00",
        "a%00b",
        "%FF%FE",
        "%C3%A9",
        "%2F..%2F..%2Fetc%2Fpasswd",
        "%27%20OR%201=1--",
        "%25",
        "%",
        "%zz",
        "..;",
        "~",
        &long,
    ] {
        for (method, path) in [
            ("GET", format!("/v1/escrow/verify/{part}")),
            ("GET", format!("/v1/escrow/milestone/{part}")),
            ("POST", format!("/v1/escrow/confirm-payment/{part}")),
            ("POST", format!("/v1/escrow/milestone/confirm/{part}/{part}")),
        ] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\ncontent-length: 0\r\n\r\n");
            app.refuses(400, "Escrow not found", |app| app.exchange(request.as_bytes()));
        }
        let edit = format!("/v1/escrow/milestone/edit/{part}");
        let body = two_milestones().to_string();
        let request = format!(
            "PUT {edit} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        app.refuses(400, "Escrow not found", |app| app.exchange(request.as_bytes()));
    }
}

#[test]
fn the_refusal_of_an_unknown_route_shortens_its_path() {
    let app = spawn_app_with_ada();
    let path = format!("/{}", "a".repeat(8192));
    let answer = app.refuses(404, &format!("There is no route {}…", &path[..80]), |app| {
        app.send("GET", &path, &[], None)
    });
    assert!(answer.body.to_string().len() < 400);
}

#[test]
fn an_unexpected_query_is_ignored() {
    let app = spawn_app();
    let deal = app.offered();
    app.send(
        "GET",
        &format!("/v1/escrow/verify/{}?a=1&a=%ff&&=", deal.token),
        &[],
        None,
    )
    .ok();
}

#[test]
fn a_request_that_is_not_http_ends_only_its_connection() {
    let app = spawn_app_with_ada();
    let before = app.dump();
    let endless = [b"GET / HTTP/1.1\r\nx: ", vec![b'a'; 300_000].as_slice()].concat();
    let many = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x-a: b\r\n".repeat(500));
    for garbage in [
        &b"\r\n\r\n\r\n"[..],
        b"garbage\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/wallet\x00 HTTP/1.1\r\n\r\n",
        b"GET /v1/wallet HTTP/1.1\r\ncustomer-id: a\x00b\r\n\r\n",
        b"GET /v1/wallet HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /v1/payment/topup HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/payment/topup HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/payment/topup HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &endless,
        many.as_bytes(),
    ] {
        let mut stream = app.connect();
        let _sent = stream.write_all(garbage);
        let _closed = stream.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        let _broken = stream.read_to_end(&mut reply);
        assert!(
            reply.is_empty() || reply.starts_with(b"HTTP/1.1 4"),
            "{:?}: {}",
            String::from_utf8_lossy(&garbage[..garbage.len().min(60)]),
            String::from_utf8_lossy(&reply)
        );
        assert_healthy(&app);
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn slow_headers_do_not_delay_other_clients() {
    let app = spawn_app_with_ada();
    let mut slow: Vec<_> = (0..20).map(|_| app.connect()).collect();
    for byte in b"GET /healthz" {
        for stream in &mut slow {
            stream.write_all(&[*byte]).unwrap();
        }
        assert_healthy(&app);
    }
    drop(slow);
    assert_healthy(&app);
}

#[test]
fn requests_on_one_connection_are_answered_in_order() {
    let app = spawn_app_with_ada();
    let mut stream = app.connect();
    for _ in 0..3 {
        stream
            .write_all(b"GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\r\n")
            .unwrap();
        assert_eq!(Answer::read_from(&stream).ok().message(), "Wallet fetched successfully");
    }
}

#[test]
fn a_form_is_read_by_the_rules_of_json() {
    let app = spawn_app();
    let optional = [
        ("description", None, "Blue,\r\nwith a bell"),
        ("totalQuantity", None, "1"),
        ("categoryId", None, ""),
        ("junk", None, "ignored"),
    ];
    let created = send_form(&app, &form(&[&STANDARD[..], &optional].concat())).ok();
    assert_eq!((created.status, created.message()), (201, "Created successfully"));
    assert_eq!(created.data()["amount"], 1234.56);
    assert_eq!(created.data()["fee"], 24.69);
    assert_eq!(created.data()["purpose"], "A bicycle");
    assert_eq!(created.data()["description"], "Blue,\r\nwith a bell");
    assert_eq!(created.data()["maxDelivery"], 3);
    assert_eq!(created.data()["deliveryTimeline"], "days");
}

#[test]
fn a_form_with_a_field_that_is_wrong_is_refused() {
    let app = spawn_app_with_ada();
    for (name, text, message) in [
        ("amount", "", "amount is required"),
        ("amount", " 5", "amount must be a number, such as 1500 or 99.95; got  5"),
        (
            "amount",
            "five",
            "amount must be a number, such as 1500 or 99.95; got five",
        ),
        ("amount", "1e", "amount must be a number, such as 1500 or 99.95; got 1e"),
        (
            "amount",
            "1,000",
            "amount must be a number, such as 1500 or 99.95; got 1,000",
        ),
        ("amount", "-5", "amount must be a number of 1 or more; got -5"),
        ("amount", "0", "amount must be at least 1; got 0"),
        (
            "amount",
            "5.001",
            "amount must be a number with at most two decimals; got 5.001",
        ),
        ("purpose", " ", "purpose is required"),
        (
            "purpose",
            "two\nlines",
            "purpose must be a text without line breaks, control characters or bidirectional formatting characters; got \"two\\nlines\"",
        ),
        (
            "whoPays",
            "Buyer",
            "whoPays must be \"buyer\" or \"seller\" or \"both\"; got Buyer",
        ),
        ("maxDelivery", "1.5", "maxDelivery must be a whole number; got 1.5"),
        (
            "maxDelivery",
            "366",
            "maxDelivery must be a whole number from 1 to 365; got 366",
        ),
        (
            "deliveryTimeline",
            "weeks",
            "deliveryTimeline must be \"minutes\" or \"hours\" or \"days\"; got weeks",
        ),
        ("totalQuantity", "two", "totalQuantity must be a whole number; got two"),
        (
            "totalQuantity",
            "0",
            "totalQuantity must be a whole number from 1 to 1000000; got 0",
        ),
        (
            "categoryId",
            "x",
            "categoryId must be the id of a category of the seller or of the merchant; got x",
        ),
    ] {
        let mut fields: Vec<_> = STANDARD.into_iter().filter(|(field, ..)| *field != name).collect();
        fields.push((name, None, text));
        app.refuses(400, message, |app| send_form(app, &form(&fields)));
    }
    for missing in ["amount", "purpose", "whoPays"] {
        let fields: Vec<_> = STANDARD.into_iter().filter(|(field, ..)| *field != missing).collect();
        app.refuses(400, &format!("{missing} is required"), |app| {
            send_form(app, &form(&fields))
        });
    }
}

#[test]
fn form_text_that_looks_like_json_stays_text() {
    let app = spawn_app();
    for text in ["null", "\"\"", "true", "{}"] {
        let mut fields: Vec<_> = STANDARD.into_iter().filter(|(field, ..)| *field != "purpose").collect();
        fields.push(("purpose", None, text));
        assert_eq!(send_form(&app, &form(&fields)).ok().data()["purpose"], text);
    }
}

#[test]
fn a_form_field_sent_twice_is_refused() {
    let app = spawn_app_with_ada();
    let fields = [&STANDARD[..], &[("amount", None, "1234.56")]].concat();
    app.refuses(400, "amount must be sent once; got it twice", |app| {
        send_form(app, &form(&fields))
    });
}

#[test]
fn a_malformed_form_is_refused() {
    let app = spawn_app_with_ada();
    let whole = form(&STANDARD);
    let not_text = [&whole[..whole.len() - 12], b"\xff", &whole[whole.len() - 12..]].concat();
    app.refuses(
        400,
        "The body cannot be read: deliveryTimeline is not UTF-8 text; a part with a file needs a filename",
        |app| send_form(app, &not_text),
    );
    let incomplete = "The body cannot be read: the form ends before its last boundary";
    let nameless = "The body cannot be read: a part has no content-disposition: form-data header";
    for (body, message) in [
        (&whole[..whole.len() - 10], incomplete),
        (b"", incomplete),
        (b"--edge", incomplete),
        (b"garbage", incomplete),
        (b"--edge\r\n\r\n\r\n--edge--\r\n", nameless),
    ] {
        app.refuses(400, message, |app| send_form(app, body));
    }
    for content_type in ["multipart/form-data", "multipart/form-data; boundary="] {
        let headers = [("customer-id", "ada"), ("content-type", content_type)];
        let message = "The body cannot be read: its content-type header names no boundary";
        app.refuses(400, message, |app| {
            app.send("POST", "/v1/escrow/create", &headers, Some(&whole))
        });
    }
}

#[test]
fn the_refusal_of_a_long_field_name_shortens_it() {
    let app = spawn_app_with_ada();
    let name = "n".repeat(30_000);
    let body = format!("{{\"{name}\":1,\"{name}\":1}}");
    let message = format!("{}… must be sent once; got it twice", &name[..80]);
    for (method, path, _) in BODY_ROUTES {
        app.refuses(400, &message, |app| app.json_text(method, path, "ada", &body));
    }
    app.refuses(400, &message, |app| {
        send_form(app, &form(&[(&name, None, ""), (&name, None, "")]))
    });
}

#[test]
fn a_body_of_80_000_fields_is_read_within_15_seconds() {
    let app = spawn_app_with(|config| config.limits.body_bytes_max = 1_048_576);
    app.wallet("ada").ok();
    let fields: Vec<String> = (0..80_000).map(|index| format!("\"{index}\":1")).collect();
    let body = format!("{{{}}}", fields.join(","));
    let started = Instant::now();
    app.refuses(400, "amount is required", |app| {
        app.json_text("POST", "/v1/payment/topup", "ada", &body)
    });
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

/// Returns the `Allow` header of a path with this method only.
fn allow(method: &str) -> String {
    let head = if method == "GET" { "HEAD, " } else { "" };
    format!("{method}, {head}OPTIONS")
}

#[test]
fn a_head_request_is_answered_without_a_body() {
    let app = spawn_app_with_ada();
    for (method, path) in ROUTES.into_iter().filter(|(method, _)| *method != "GET") {
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let reply = app.exchange_for_text(request.as_bytes());
        assert!(reply.starts_with("HTTP/1.1 405 "), "{reply}");
        assert!(reply.contains(&format!("allow: {}\r\n", allow(method))), "{reply}");
        assert!(
            reply.contains("x-request-id: req_") && reply.ends_with("\r\n\r\n"),
            "{reply}"
        );
    }
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let app = spawn_app_with_ada();
    let mut stream = app.connect();
    let head = b"POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
        content-type: application/json\r\ncontent-length: 15\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head).unwrap();
    assert_eq!(Answer::read_from(&stream).status, 100);
    stream.write_all(b"{\"amount\":1000}").unwrap();
    assert_eq!(Answer::read_from(&stream).ok().data()["mainBalance"], 1_001_000);
}
