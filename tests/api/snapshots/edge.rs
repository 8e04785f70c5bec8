//! Malformed requests, limits, files, and failures of the service.

use std::thread;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::assert_snapshot;
use crate::cluster;
use crate::helpers::{TestApp, form_of, spawn_recorded_app};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a drawing";

#[test]
fn keys_and_names_are_read_word_for_word() {
    let app = spawn_recorded_app(|_| {});
    app.note("Unknown routes and methods");
    for path in ["/v1", "/v1/wallet/", "/v1/nothing", "/sandbox/nothing"] {
        app.send("GET", path, &[], None);
    }
    app.send("GET", &format!("/{}", "x".repeat(200)), &[], None);
    app.send("DELETE", "/healthz", &[], None);
    app.send("POST", "/v1/whitelist-address/0123456789abcdef01234567", &[], None);
    app.send("PATCH", "/sandbox/faults", &[], None);
    app.note("Keys");
    for authorization in [
        "",
        "Bearer",
        "Bearer  ",
        "Basic YTpi",
        "Bearer a b",
        "sk_test_a",
        "Bearer sk_live_a",
        "bearer sk_test_a",
    ] {
        app.send("GET", "/v1/countries?x", &[("authorization", authorization)], None);
    }
    let two = [
        ("authorization", "Bearer sk_test_a"),
        ("authorization", "Bearer sk_test_b"),
    ];
    app.send("GET", "/v1/merchant/balance", &two, None);
    app.note("Customers");
    app.send(
        "GET",
        "/v1/wallet",
        &[("customer-id", "ada"), ("customer-id", "ben")],
        None,
    );
    app.send(
        "GET",
        "/v1/wallet",
        &[("customer-id", "ada"), ("customer-id", "ada")],
        None,
    );
    app.send("GET", "/v1/wallet", &[("customer-id", "")], None);
    app.send("GET", "/v1/wallet", &[("customer-id", &"a".repeat(65))], None);
    app.note("Web pages and other names");
    app.send(
        "GET",
        "/v1/wallet",
        &[("origin", "http://evil.example"), ("customer-id", "ada")],
        None,
    );
    app.send(
        "GET",
        "/v1/wallet",
        &[("host", "evil.example"), ("customer-id", "ada")],
        None,
    );
    app.send(
        "GET",
        "/v1/wallet",
        &[("webhook-id", "x"), ("customer-id", "ada")],
        None,
    );
    app.note("Queries");
    for query in ["?page=1&page=2", "?page=%FF", "?=1", "?page", "?limit=x&page=y"] {
        app.as_merchant("GET", &format!("/v1/escrow/feeds{query}"), None);
    }
    app.note("Idempotency keys");
    let top_up = b"{\"amount\":1000}";
    for key in ["", " ", "a b", &"k".repeat(255), &"k".repeat(256)] {
        let headers = [
            ("idempotency-key", key),
            ("customer-id", "ada"),
            ("content-type", "application/json"),
        ];
        app.send("POST", "/v1/payment/topup", &headers, Some(top_up));
    }
    let two = [
        ("idempotency-key", "a"),
        ("idempotency-key", "b"),
        ("customer-id", "ada"),
        ("content-type", "application/json"),
    ];
    app.send("POST", "/v1/payment/topup", &two, Some(top_up));
    app.note("Headers that are not text");
    app.exchange(b"GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer \xff\r\n\r\n");
    app.exchange(b"GET /v1/wallet HTTP/1.1\r\nhost: localhost\r\ncustomer-id: \xff\r\n\r\n");
    assert_snapshot("keys_and_names", &[&app]);
}

#[test]
fn files_are_served_word_for_word() {
    let app = spawn_recorded_app(|config| config.limits.uploads_bytes_max = 4_096);
    app.note("Pictures and a document");
    let mut path = String::new();
    for (name, bytes) in [
        ("a.png", PNG),
        ("a.jpg", b"\xff\xd8\xff\xe0 a photograph"),
        ("a.gif", b"GIF89a a short film"),
        ("a.webp", b"RIFF\x20\0\0\0WEBPVP8 a photograph"),
    ] {
        let category = [("name", None, &b"Boats"[..]), ("imageUrl", Some(name), bytes)];
        let created = app.form("POST", "/v1/escrow/category/create", "ada", &category);
        let url = created.text("imageUrl");
        path = url.strip_prefix(&format!("http://{}", app.address)).unwrap().to_owned();
        app.recorded_file(&path);
    }
    let deal = app.unrecorded(|app| {
        let deal = app.standard_with(&json!({}));
        app.pay_for("ben", &deal).ok();
        deal
    });
    let parts = [
        ("message", None, &b"It leaks"[..]),
        ("file", Some("a.pdf"), b"%PDF-1.7 a paper"),
    ];
    let disputed = app.form(
        "POST",
        &format!("/v1/escrow/submit-dispute/{}", deal.token),
        "ben",
        &parts,
    );
    let url = disputed.data()["dispute"][0]["proofUrl"].as_str().unwrap();
    app.recorded_file(url.strip_prefix(&format!("http://{}", app.address)).unwrap());
    app.note("Unknown names");
    for path in [
        "/files/x",
        "/files/0123456789abcdef0123456789abcdef.png",
        &path.replace(".webp", ".png"),
    ] {
        app.send("GET", path, &[], None);
    }
    app.send("POST", &path, &[], None);
    app.note("Too little memory for uploads");
    let large = [PNG, &[0; 4_000]].concat();
    let form = form_of(&[
        ("name", None, b"Boats"),
        ("imageUrl", Some("a.png"), &large),
        ("other", Some("b.png"), &large),
    ]);
    let headers = [
        ("customer-id", "ada"),
        ("content-type", "multipart/form-data; boundary=form"),
    ];
    app.send("POST", "/v1/escrow/category/create", &headers, Some(&form));
    assert_snapshot("files", &[&app]);
}

#[test]
fn rates_are_told_of_word_for_word() {
    let strict = spawn_recorded_app(|config| config.strict = true);
    for _ in 0..11 {
        strict.as_merchant("GET", "/v1/payment/deposit/wallet", None);
    }
    strict.as_merchant("GET", "/v1/nothing", None);
    strict.as_merchant("GET", "/sandbox/clock", None);
    strict.advance("1m");
    strict.send("GET", "/v1/wallet", &[], None);
    assert_snapshot("rate_limit", &[&strict]);
}

#[test]
fn a_body_that_comes_too_slowly_is_refused_word_for_word() {
    let app = spawn_recorded_app(|config| config.limits.body_seconds_max = 1);
    app.exchange(
        b"POST /v1/payment/topup HTTP/1.1\r\nhost: localhost\r\ncustomer-id: ada\r\n\
          content-type: application/json\r\ncontent-length: 15\r\n\r\n{\"amount\"",
    );
    assert_snapshot("slow_body", &[&app]);
}

#[test]
fn faults_are_told_of_word_for_word() {
    let app = spawn_recorded_app(|_| {});
    for status in [400, 404, 418, 429, 500, 502, 503] {
        app.unrecorded(|app| {
            app.as_merchant("POST", "/sandbox/faults", Some(&json!({ "status": status })))
                .ok()
        });
        app.wallet("ada");
    }
    assert_snapshot("faults", &[&app]);
}

/// Another connection locks the database, so writes wait and then fail.
#[test]
fn a_busy_file_and_a_key_in_flight_are_told_of_word_for_word() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_recorded_app(|_| {});
    app.unrecorded(|app| app.wallet("ada").ok());
    let other = Connection::open(app.database_file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let top_up = || {
        let headers = [
            ("idempotency-key", "once"),
            ("customer-id", "ada"),
            ("content-type", "application/json"),
        ];
        app.send("POST", "/v1/payment/topup", &headers, Some(b"{\"amount\":1000}"))
    };
    thread::scope(|scope| {
        let requests = [scope.spawn(top_up), scope.spawn(top_up)];
        let mut statuses = requests.map(|request| request.join().unwrap().status);
        statuses.sort_unstable();
        // The later one is refused at once.
        assert_eq!(statuses, [409, 503]);
    });
    other.execute_batch("ROLLBACK").unwrap();
    assert_snapshot("busy_file", &[&app]);
}

/// Renames a table while the service runs, so that its statements fail.
#[test]
fn a_fault_of_the_service_is_told_of_word_for_word() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_recorded_app(|_| {});
    app.unrecorded(|app| app.save_card("ada", "4242424242424242").ok());
    let other = Connection::open(app.database_file()).unwrap();
    other.execute_batch("ALTER TABLE card RENAME TO elsewhere").unwrap();
    // A commit, after which the readers see the change.
    app.unrecorded(|app| app.top_up("ada", 1000).ok());
    app.of_party("GET", "/v1/cards", "ada");
    app.save_card("ada", "5555555555554444");
    other.execute_batch("ALTER TABLE elsewhere RENAME TO card").unwrap();
    assert_snapshot("own_faults", &[&app]);
}

#[test]
fn too_much_at_once_is_refused_word_for_word() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_recorded_app(|_| {});
    app.unrecorded(|app| {
        app.create_intent(
            "ada",
            &json!({ "amount": 1000, "reference": "d", "transactionType": "deposit" }),
        )
        .ok();
    });
    let many = "WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < 10001)";
    let other = Connection::open(app.database_file()).unwrap();
    let columns = "guard, account_id, transaction_type, credit_type, amount, reference, escrow_id, created_at";
    other
        .execute_batch(&format!(
            "{many} INSERT INTO payment_transaction (id, previous_id, {columns}, checksum)
             SELECT id + n, id + n - 1, guard, account_id, transaction_type, credit_type, amount, reference || n, escrow_id, created_at, 0
             FROM more, (SELECT * FROM payment_transaction WHERE reference = 'd')",
        ))
        .unwrap();
    let set_head = "UPDATE account SET newest_transaction_id =
                        (SELECT max(id) FROM payment_transaction WHERE account_id = account.id)
                    WHERE newest_transaction_id IS NOT NULL";
    other.execute_batch(set_head).unwrap();
    // Readers keep their snapshot until the service itself writes.
    app.unrecorded(|app| app.wallet("zoe").ok());
    app.history("ada", "?fromDate=2031-01-01");
    other
        .execute_batch("DELETE FROM payment_transaction WHERE reference GLOB 'd?*'")
        .unwrap();
    other.execute_batch(set_head).unwrap();
    assert_snapshot("too_much_at_once", &[&app]);
}

/// `data` is `{}`, `null` or an empty page, depending on the route.
#[test]
fn empty_data_is_sent_word_for_word() {
    let app = spawn_recorded_app(|_| {});
    app.send("GET", "/v1/merchant/balance", &[("customer-id", "ada")], None);
    app.send("GET", "/v1/escrow/feeds", &[("customer-id", "ada")], None);
    app.as_merchant("GET", "/v1/escrow/feeds", None);
    app.as_merchant("GET", "/v1/customers", None);
    app.as_merchant("GET", "/sandbox/events", None);
    app.json_with_key("sk_test_other", "GET", "/v1/cards", "ada", &Value::Null);
    assert_snapshot("empty_replies", &[&app]);
}

impl TestApp {
    /// Adds a served file to the transcript.
    fn recorded_file(&self, path: &str) {
        let (status, mut headers, body) = self.file(path);
        headers.retain(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
        headers.sort();
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        self.transcript().plain(&format!(
            "GET {path}\n{status}\n{}\n{}\n",
            headers.join("\n"),
            body.escape_ascii()
        ));
    }
}
