//! Bodies that cost the service more than their bytes: nested ones, endless ones, large ones, and
//! those that are slow to search.

use std::fmt::Write as _;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use crate::console::{Form, page, upload_with};
use crate::desk::{spawn_desk, spawn_desk_with};
use crate::helpers::{Answer, TestApp, form_of, spawn_app, spawn_app_with};

/// Every address that takes a form of a page, in a sandbox.
const FORMS: [&str; 13] = [
    "/login",
    "/console/call",
    "/console/example",
    "/console/merchant",
    "/console/upload?path=/v1/x&visitor=none",
    "/console/desk/batches",
    "/console/desk/batches/export",
    "/console/desk/reconciliation",
    "/demo/happy-deal",
    "/demo/happy-deal/x/1",
    "/checkout/x/pay",
    "/checkout/x/cards",
    "/checkout/x/transfer",
];

/// Returns the head of a form of which so many bytes are announced.
fn head_of_form(path: &str, bytes: usize) -> String {
    let kind = if path.starts_with("/console/upload") {
        "multipart/form-data; boundary=form"
    } else {
        "application/x-www-form-urlencoded"
    };
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\ncontent-type: {kind}\r\n\
         content-length: {bytes}\r\n\r\n"
    )
}

/// Asserts that a page refused a form and changed nothing.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert!(answer.text.contains(message), "{}", answer.text);
}

#[test]
fn lists_of_any_depth_around_a_data_url_stop_nothing() {
    let deep = |text: &str| format!("{}\"{text}\"{}", "[".repeat(32_000), "]".repeat(32_000));
    for app in [spawn_app(), spawn_desk()] {
        for text in [";base64,", "data:image/png;base64,AAAA"] {
            let body = format!("{{\"publicKey\":{}}}", deep(text));
            let answer = app.json_text("POST", "/v1/checkout/session", "", &body);
            assert_eq!(answer.status, 400, "{answer:?}");
        }
    }
}

#[test]
fn a_form_whose_fields_are_nested_deeply_is_refused() {
    let app = spawn_app();
    let form = Form::of(&page(&app, "/console/offer"), "Offer");
    for path in ["a.".repeat(109_999) + "a", "a.".repeat(100) + "a", "a[0]".repeat(100)] {
        let refused = form.clone().with(&format!("s:{path}"), "1").send(&app);
        assert_refused(&refused, 400, "The field s:a");
    }
}

#[test]
fn every_form_of_a_page_must_arrive_in_time() {
    let app = spawn_app_with(|config| config.limits.body_seconds_max = 1);
    app.wallet("ada").ok();
    thread::scope(|scope| {
        for path in FORMS {
            let app = &app;
            scope.spawn(move || {
                let began = Instant::now();
                let answer = app.exchange(head_of_form(path, 10).as_bytes());
                assert_refused(
                    &answer,
                    408,
                    "The form must arrive within 1 seconds. Nothing was changed.",
                );
                // The limit of other services is 10 seconds.
                assert!(began.elapsed() < Duration::from_secs(9), "{path}");
            });
        }
    });
}

#[test]
fn a_form_to_pay_in_live_mode_must_arrive_in_time() {
    let app = spawn_desk_with(|config| config.limits.body_seconds_max = 1);
    for path in ["/login", "/pay/PY_AAAAAAAAAAAA/transfer"] {
        let answer = app.exchange(head_of_form(path, 10).as_bytes());
        assert_refused(&answer, 408, "The form must arrive within 1 seconds.");
    }
}

#[test]
fn forms_that_never_arrive_keep_no_other_client_out() {
    let app = spawn_app_with(|config| config.limits.connections_max = 16);
    app.wallet("ada").ok();
    let held: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = app.connect();
            // The service may close it at once.
            drop(stream.write_all(head_of_form("/login", 10).as_bytes()));
            // Until its head was read, it makes room for the next one.
            thread::sleep(Duration::from_millis(20));
            stream
        })
        .collect();
    for _ in 0..20 {
        let began = Instant::now();
        let request = "GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\r\n";
        app.exchange(request.as_bytes()).ok();
        assert!(began.elapsed() < Duration::from_secs(9));
    }
    drop(held);
}

#[test]
fn large_forms_of_pages_count_as_memory_for_uploads() {
    let app = spawn_app_with(|config| config.limits.uploads_bytes_max = 300_000);
    app.wallet("ada").ok();
    let too_large =
        "This request alone takes more than 300000 bytes, the memory for all uploads (limits.uploads_bytes_max)";
    let statement = page(&app, "/console/desk/reconciliation");
    let mut lines = "date,amount,reference\n".to_owned();
    // Its 190 KB are 320 KB in a form.
    for line in 0..8_000 {
        writeln!(lines, "2026-06-22,10,FT-{line}").unwrap();
    }
    let form = Form::of(&statement, "Compare").with("statement", &lines);
    assert_refused(&form.send_to(&app, "/console/desk/reconciliation", &[]), 413, too_large);
    // These are 240 KB in a form, and 140 KB more as the body of the page's own request.
    let fewer: String = lines.split_inclusive('\n').take(6_500).collect();
    let form = Form::of(&statement, "Compare").with("statement", &fewer);
    assert_refused(&form.send_to(&app, "/console/desk/reconciliation", &[]), 413, too_large);
    let file = [("file", Some("a.png"), &vec![0; 310_000][..])];
    let address = "/console/upload?visitor=none&path=/v1/x";
    assert_refused(&upload_with(&app, address, &file, &[]), 413, too_large);
    // A refused form gives back what it took.
    let small = [("file", Some("a.png"), &vec![0; 150_000][..])];
    for _ in 0..4 {
        assert_refused(&upload_with(&app, address, &small, &[]), 404, "Refused");
    }
}

#[test]
fn a_boundary_longer_than_70_characters_is_refused() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let send = |app: &TestApp, boundary: &str, body: &[u8]| {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let headers = [("content-type", kind.as_str()), ("sec-fetch-site", "same-origin")];
        app.send("POST", "/console/upload?visitor=none&path=/v1/x", &headers, Some(body))
    };
    let began = Instant::now();
    let long = "a".repeat(100_000) + "b";
    let refused = send(&app, &long, &vec![b'a'; 5 << 20]);
    assert_refused(
        &refused,
        400,
        "The boundary of the form must have at most 70 characters",
    );
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let refused = send(&app, &"a".repeat(71), b"x");
    assert_refused(&refused, 400, "at most 70 characters");
    let longest = "a".repeat(70);
    let form = String::from_utf8(form_of(&[("message", None, b"x")])).unwrap();
    let taken = send(
        &app,
        &longest,
        form.replace("--form", &format!("--{longest}")).as_bytes(),
    );
    assert_refused(&taken, 404, "Refused");
}
