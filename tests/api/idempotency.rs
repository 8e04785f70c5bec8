//! Requests repeated under an `Idempotency-Key`. Their effect happens once, and their reply
//! is repeated byte for byte.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::cluster;
use crate::helpers::{Deal, TestApp, form_of, kobo, spawn_app, spawn_app_with, standard_terms, two_milestones};
use crate::waiting::until;

const DAY: i64 = 86_400;
/// The first bytes of a PNG picture.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n and what is in it";

/// A request without its authorization key.
#[derive(Clone)]
struct Request {
    line: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// A reply as received.
#[derive(Clone, Debug, PartialEq)]
struct Raw {
    status: u16,
    is_replay: bool,
    retry_after: Option<String>,
    body: String,
}

impl Raw {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    fn read_from(stream: TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no reply: {line:?}"));
        let status = status.parse().unwrap();
        let (mut length, mut is_replay, mut retry_after) = (0, false, None);
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "idempotent-replayed" => is_replay = value == "true",
                "retry-after" => retry_after = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        Self {
            status,
            is_replay,
            retry_after,
            body: String::from_utf8(body).unwrap(),
        }
    }
}

impl Request {
    /// Creates a request of a customer. An empty name sends no `customer-id` header.
    fn of(method: &str, path: &str, customer: &str) -> Self {
        let customer = Some(customer).filter(|customer| !customer.is_empty());
        Self {
            line: format!("{method} {path}"),
            headers: customer.map(|id| ("customer-id", id.to_owned())).into_iter().collect(),
            body: Vec::new(),
        }
    }

    fn json(mut self, body: &Value) -> Self {
        self.headers.push(("content-type", "application/json".to_owned()));
        self.body = body.to_string().into_bytes();
        self
    }

    /// Sets a multipart form with this boundary.
    fn form(mut self, boundary: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Self {
        let body = form_of(parts);
        let content_type = format!("multipart/form-data; boundary={boundary}");
        self.headers.push(("content-type", content_type));
        let is_here = |at: usize| body[at..].starts_with(b"--form");
        for (at, &byte) in body.iter().enumerate() {
            self.body.push(byte);
            if at >= 5 && is_here(at - 5) {
                self.body.truncate(self.body.len() - 4);
                self.body.extend_from_slice(boundary.as_bytes());
            }
        }
        self
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn keyed(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sends the request over a new connection.
    fn begin(&self, app: &TestApp) -> TcpStream {
        let Self { line, headers, body } = self;
        let mut bytes = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            write!(bytes, "{name}: {value}\r\n").unwrap();
        }
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        let mut stream = app.connect();
        stream.write_all(&bytes).unwrap();
        stream
    }

    fn send(&self, app: &TestApp) -> Raw {
        Raw::read_from(self.begin(app))
    }

    /// Sends the request until no other request holds its key.
    fn send_until_answered(&self, app: &TestApp) -> Raw {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let answer = self.send(app);
            if answer.status != 409 || Instant::now() > patience {
                return answer;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn create(key: &str) -> Request {
    Request::of("POST", "/v1/escrow/create", "ada")
        .json(&standard_terms())
        .keyed(key)
}

fn top_up(customer: &str, amount: i64, key: &str) -> Request {
    Request::of("POST", "/v1/payment/topup", customer)
        .json(&json!({ "amount": amount }))
        .keyed(key)
}

fn pay(deal: &Deal) -> Request {
    Request::of("POST", "/v1/payment/escrow", "ben").json(&json!({ "escrowDetails": { "escrowId": deal.id } }))
}

fn confirm(deal: &Deal, milestone: usize) -> Request {
    let milestone = &deal.milestones[milestone];
    Request::of(
        "POST",
        &format!("/v1/escrow/milestone/confirm/{}/{milestone}", deal.id),
        "ben",
    )
}

/// Asserts that the repeated request gets the first reply again and changes nothing.
/// `again` may differ in form.
#[track_caller]
fn assert_replayed(app: &TestApp, first: &Request, again: &Request, status: u16) {
    let original = first.send(app);
    assert_eq!((original.status, original.is_replay), (status, false), "{original:?}");
    let (stored, files) = (app.dump(), app.stored_files());
    let replay = again.send(app);
    assert!(replay.is_replay, "{replay:?}");
    assert_eq!((replay.status, &replay.body), (original.status, &original.body));
    assert_eq!(app.dump(), stored, "a replay changed the file");
    assert_eq!(app.stored_files(), files);
}

#[test]
fn a_repeated_request_gets_its_first_reply_and_has_no_effect() {
    let app = spawn_app();
    let deal = app.funded();
    let unpaid = app.offered();
    let unwanted = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    let customer = json!({ "firstname": "Ola", "lastname": "Ade", "email": "ola@example.com", "phone": "08012345678" });
    let delete = format!("/v1/escrow/delete/{}", unwanted.token);
    let requests = [
        (
            Request::of("POST", "/v1/escrow/milestone/create", "ada").json(&two_milestones()),
            201,
        ),
        (
            Request::of("POST", "/v1/escrow/create", "").json(&standard_terms()),
            201,
        ),
        (pay(&unpaid), 200),
        (confirm(&deal, 0), 200),
        (confirm(&deal, 1), 200),
        (Request::of("DELETE", &delete, "ada"), 200),
        (
            Request::of("POST", "/v1/payment/topup", "ben").json(&json!({ "amount": 5_000 })),
            200,
        ),
        (Request::of("POST", "/v1/customer/create", "").json(&customer), 201),
        (Request::of("PUT", "/v1/customer/block/ben", ""), 200),
        (
            Request::of("POST", "/v1/payment/verify-account", "ada")
                .json(&json!({ "accountNumber": "0123456789", "bankCode": "058" })),
            200,
        ),
    ];
    for (at, (request, status)) in requests.into_iter().enumerate() {
        let request = request.keyed(&format!("request {at}"));
        assert_replayed(&app, &request, &request, status);
    }
}

#[test]
fn sandbox_routes_take_effect_once_too() {
    let app = spawn_app();
    let deal = app.funded();
    let event = app.as_merchant("GET", "/sandbox/events", None).ok().data()["data"][0]["id"].clone();
    let post = |path: &str, body: &Value| Request::of("POST", path, "").json(body);
    let callback = json!({ "url": "http://127.0.0.1:9/" });
    let requests = [
        (Request::of("PUT", "/sandbox/callback", "").json(&callback), 200),
        (
            Request::of(
                "POST",
                &format!("/sandbox/events/{}/resend", event.as_str().unwrap()),
                "",
            ),
            200,
        ),
        (post("/sandbox/events/replay", &json!({ "from": event })), 200),
        (post("/sandbox/clock/advance", &json!({ "by": "36h" })), 200),
        (post("/sandbox/faults", &json!({ "status": 503, "times": 2 })), 201),
    ];
    for (at, (request, status)) in requests.into_iter().enumerate() {
        let request = request.keyed(&format!("request {at}"));
        let original = request.send(&app);
        let replay = request.send(&app);
        assert_eq!((original.status, original.is_replay), (status, false), "{original:?}");
        assert_eq!((replay.status, replay.is_replay), (status, true), "{replay:?}");
        assert_eq!(replay.body, original.body);
    }
    let faults = app.as_merchant("GET", "/sandbox/faults", None).ok();
    assert_eq!(faults.data().as_array().unwrap().len(), 1);
    let day_and_a_half = DAY * 3 / 2;
    let clock = |key| Request::of("GET", "/sandbox/clock", "").keyed(key).send(&app);
    let shown = clock("request 3");
    assert_eq!((shown.status, shown.is_replay), (200, false), "{shown:?}");
    assert_eq!(shown.json()["data"]["offsetSeconds"], day_and_a_half);

    let clear = Request::of("DELETE", "/sandbox/faults", "").keyed("clear");
    assert_replayed(&app, &clear, &clear, 200);
    let reset = Request::of("POST", "/sandbox/reset", "").keyed("reset");
    assert_replayed(&app, &reset, &reset, 200);
    assert_eq!(app.count("merchant"), 2);
    assert_eq!(app.verify(&deal.token).status, 400, "the reset did not remove the deal");
}

#[test]
fn a_claim_by_get_is_replayed_and_other_gets_ignore_the_key() {
    let app = spawn_app();
    let mut terms = standard_terms();
    (terms["maxDelivery"], terms["deliveryTimeline"]) = (json!(1), json!("minutes"));
    let deal = Deal::of(&app.create_escrow("ada", &terms).ok());
    app.pay_for("ben", &deal).ok();
    app.pass_seconds(2 * DAY);
    let claim = Request::of("GET", &format!("/v1/escrow/claim-funds/{}", deal.token), "ada").keyed("claim");
    assert_replayed(&app, &claim, &claim, 200);

    let path = format!("/v1/escrow/verify/{}", deal.token);
    for key in ["claim", "", "clé"] {
        let look = Request::of("GET", &path, "ada").keyed(key).send(&app);
        assert_eq!((look.status, look.is_replay), (200, false), "{key:?}");
    }
    assert_eq!(app.count("idempotency_record"), 1);
}

#[test]
fn a_form_with_another_boundary_is_the_same_request_and_its_files_are_kept_once() {
    let app = spawn_app();
    let form = |boundary, name: &[u8], picture: &[u8]| {
        let parts = [
            ("name", None, name),
            ("imageUrl", Some("a.png"), picture),
            ("description", None, b"Doors".as_slice()),
        ];
        Request::of("POST", "/v1/escrow/category/create", "ada")
            .form(boundary, &parts)
            .keyed("form")
    };
    let (first, again) = (
        form("one", b"Joinery", PICTURE),
        form("another-one", b"Joinery", PICTURE),
    );
    assert_replayed(&app, &first, &again, 201);
    assert_eq!(app.stored_files().len(), 1);
    let other_picture = [PICTURE, b"!"].concat();
    for other in [form("one", b"Joiner", PICTURE), form("one", b"Joinery", &other_picture)] {
        let refused = other.send(&app);
        assert_eq!(
            (refused.status, refused.code()),
            (422, "idempotency_key_reused".to_owned())
        );
    }
    assert_eq!(app.stored_files().len(), 1, "the refused upload left a file");
}

#[test]
fn a_refused_upload_leaves_no_file_however_often_it_comes() {
    let app = spawn_app_with(|config| config.limits.categories_max = 1);
    app.category_of("ada");
    let parts = [
        ("name", None, b"Joinery".as_slice()),
        ("imageUrl", Some("a.png"), PICTURE),
    ];
    let form = Request::of("POST", "/v1/escrow/category/create", "ada")
        .form("form", &parts)
        .keyed("form");
    assert_replayed(&app, &form, &form, 400);
    assert_eq!(app.stored_files(), Vec::<String>::new());
}

#[test]
fn a_refusal_is_replayed_after_the_state_has_changed() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(100_000));
    let deal = app.offered();
    app.wallet("ben").ok();
    let transfers = app.count("transfer");
    let first = pay(&deal).keyed("first try").send(&app);
    assert_eq!(
        (first.status, first.message()),
        (400, "Insufficient balance".to_owned())
    );
    assert_eq!(app.count("transfer"), transfers);
    app.top_up("ben", 100_000).ok();
    let again = pay(&deal).keyed("first try").send(&app);
    assert_eq!((again.is_replay, &again.body), (true, &first.body));
    let anew = pay(&deal).keyed("second try").send(&app);
    assert_eq!(anew.status, 200, "{anew:?}");
}

/// The merchant owns the record of the reply, so the key needs one.
#[test]
fn a_refused_first_request_of_a_key_creates_its_merchant() {
    let app = spawn_app();
    let delete =
        Request::of("DELETE", "/v1/escrow/delete/PY_000000000000", "ada").header("authorization", "Bearer sk_test_new");
    assert_eq!(delete.send(&app).status, 400);
    assert_eq!(app.count("merchant"), 0);
    let delete = delete.keyed("new");
    assert_replayed(&app, &delete, &delete, 400);
    assert_eq!((app.count("merchant"), app.count("customer")), (1, 0));
}

#[test]
fn an_unreadable_request_leaves_the_key_free() {
    let app = spawn_app();
    let send = |body: &str| {
        let mut request = create("order 1");
        request.body = body.as_bytes().to_vec();
        request.send(&app)
    };
    let before = app.dump();
    for body in ["", "{", "{\"amount\": -1}"] {
        assert_eq!(send(body).status, 400, "{body:?}");
    }
    let without_customer = Request::of("POST", "/v1/payment/topup", "").keyed("order 1");
    assert_eq!(
        without_customer.json(&json!({ "amount": 1_000 })).send(&app).status,
        400
    );
    assert_eq!(app.dump(), before);
    let created = create("order 1").send(&app);
    assert_eq!((created.status, created.is_replay), (201, false));
}

/// The corrected request may have the key: the first one was wrong at any time.
#[test]
fn a_request_that_is_wrong_by_itself_leaves_the_key_free() {
    let app = spawn_app();
    let deal = Deal::of(&app.json("POST", "/v1/escrow/create", "ada", &standard_terms()).ok());
    let fee = format!("/v1/escrow/additional-fee/{}", deal.token);
    let keyed = |method: &str, path: &str, customer: &str| Request::of(method, path, customer).keyed("order 1");
    let mut offer = two_milestones();
    offer["milestones"].as_array_mut().unwrap().truncate(1);
    let mut unequal = two_milestones();
    unequal["amount"] = json!(9_999);
    let pot = json!({
        "purpose": "A bet", "amount": 1_000, "participants": [{ "customerId": "ada", "amount": 1_000 }],
    });
    for (method, path, customer, body, message) in [
        (
            "PUT",
            fee.as_str(),
            "",
            json!({ "additionalFee": -5 }),
            "additionalFee cannot be negative",
        ),
        (
            "POST",
            "/v1/escrow/milestone/create",
            "ada",
            offer,
            "A milestone escrow must have at least 2 milestones",
        ),
        (
            "POST",
            "/v1/escrow/milestone/create",
            "ada",
            unequal,
            "The sum of milestone amounts must equal the escrow amount",
        ),
        (
            "POST",
            "/v1/escrow/vault/create",
            "",
            pot,
            "A vault escrow must have at least 2 participants",
        ),
    ] {
        let before = app.dump();
        let refused = keyed(method, path, customer).json(&body).send(&app);
        assert_eq!((refused.status, refused.message().as_str()), (400, message));
        assert_eq!(app.dump(), before, "{message}");
    }
    let set = keyed("PUT", &fee, "").json(&json!({ "additionalFee": 5 })).send(&app);
    assert_eq!((set.status, set.is_replay), (200, false), "{set:?}");
}

#[test]
fn a_key_is_for_one_request() {
    let app = spawn_app();
    let deal = app.funded();
    let first = confirm(&deal, 0).keyed("order 1");
    assert_eq!(first.send(&app).status, 200);
    assert_eq!(top_up("ben", 1_000, "order 2").send(&app).status, 200);
    let stored = app.dump();
    let path = format!("/v1/escrow/milestone/confirm/{}/", deal.id);
    let first_use = format!("POST {path}{}", deal.milestones[0]);
    let long = first_use.chars().take(80).collect::<String>() + if first_use.len() > 80 { "…" } else { "" };
    for (other, is_first) in [
        (confirm(&deal, 1).keyed("order 1"), format!("for {long}")),
        (top_up("ben", 1_000, "order 1"), format!("for {long}")),
        (top_up("ada", 1_000, "order 2"), "for another customer-id".to_owned()),
        (top_up("ben", 1_001, "order 2"), "with another body".to_owned()),
    ] {
        let refused = other.send(&app);
        assert_eq!((refused.status, refused.is_replay), (422, false), "{refused:?}");
        assert_eq!(refused.code(), "idempotency_key_reused");
        let message = format!("This Idempotency-Key was first used {is_first}; a new request needs a new key");
        assert_eq!(refused.message(), message);
    }
    assert_eq!(app.dump(), stored);
    assert!(first.send(&app).is_replay, "the first request no longer gets its reply");
}

/// A URL can spell a path in several ways, and all of them lead to one route.
#[test]
fn a_path_is_compared_by_its_meaning() {
    let app = spawn_app();
    app.wallet("a@b.c").ok();
    let block = |path: &str| Request::of("PUT", path, "").keyed("block 1");
    let first = block("/v1/customer/block/a@b.c");
    for again in [
        "/v1/customer/block/a%40b.c",
        "/v1/customer/block/%61@b%2Ec",
        "/v1/customer/bl%6Fck/a@b.c",
        "/v1/customer/bl%6fck/a%40%62.c",
        "/customer/block/a@b.c",
        "/v1/v1//customer/block/a@b.c",
    ] {
        let original = first.send(&app);
        let replay = block(again).send(&app);
        assert_eq!((replay.status, replay.is_replay), (200, true), "{again}: {replay:?}");
        assert_eq!(replay.body, original.body);
    }
    let other = block("/v1/customer/unblock/a@b.c").send(&app);
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    // A slash at the end leads to no route, so the key is not looked at.
    assert_eq!(block("/v1/customer/block/a@b.c/").send(&app).status, 404);
    app.wallet("a/b").ok();
    let slash = |path: &str| Request::of("PUT", path, "").keyed("block 2").send(&app);
    assert_eq!(slash("/v1/customer/block/a%2fb").status, 200);
    assert!(slash("/v1/customer/block/a%2Fb").is_replay);
    assert_eq!(slash("/v1/customer/block/a/b").status, 404);
}

#[test]
fn the_query_is_compared_too() {
    let app = spawn_app();
    let top_up = |query: &str| {
        let path = format!("/v1/payment/topup{query}");
        Request::of("POST", &path, "ben")
            .json(&json!({ "amount": 1000 }))
            .keyed("top-up")
            .send(&app)
    };
    assert_eq!(top_up("?order=1").status, 200);
    let other = top_up("?order=2");
    assert_eq!(other.status, 422, "{other:?}");
    assert_eq!(
        other.message(),
        "This Idempotency-Key was first used for this route with the query order=1; a new request needs a new key"
    );
}

#[test]
fn json_is_compared_by_its_meaning() {
    let app = spawn_app();
    let send = |key: &str, body: &str| {
        let mut request = Request::of("POST", "/v1/escrow/create", "ada").keyed(key);
        request.headers.push(("content-type", "application/json".to_owned()));
        request.body = body.as_bytes().to_vec();
        request.send(&app)
    };
    let first = r#"{"amount":1000,"purpose":"A bé","whoPays":"buyer","maxDelivery":3,"deliveryTimeline":"days"}"#;
    assert_eq!(send("order 1", first).status, 201);
    for same in [
        first,
        r#"{"deliveryTimeline":"days","maxDelivery":3,"whoPays":"buyer","purpose":"A bé","amount":1000}"#,
        r#"{"amount":1000.00,"purpose":"A b\u00e9","whoPays":"buyer","maxDelivery":3.0,"deliveryTimeline":"days"}"#,
        r#"{"\u0061mount":1e3,"purpose":"A bé","whoPays":"buyer","maxDelivery":30e-1,"deliveryTimeline":"days"}"#,
        "{ \"amount\": 1000,\n\t\"purpose\": \"A bé\", \"whoPays\": \"buyer\", \"maxDelivery\": 3, \"deliveryTimeline\": \"days\" }",
        &format!("\u{feff}{first}"),
    ] {
        let again = send("order 1", same);
        assert_eq!((again.status, again.is_replay), (201, true), "{same}: {again:?}");
    }
    assert_eq!(app.count("escrow"), 1);
    for other in [
        first.replace("1000", "1000.01"),
        first.replace("1000", "\"1000\""),
        first.replace('3', "4"),
        first.replace("bé", "be\u{301}"),
        first.replace("\"maxDelivery\"", "\"x\":null,\"maxDelivery\""),
        first.replace("\"maxDelivery\":3", "\"maxDelivery\":3,\"maxDelivery\":3"),
    ] {
        let refused = send("order 1", &other);
        // A field that is sent twice is refused for itself, before or after the comparison.
        assert!([400, 422].contains(&refused.status), "{other}: {refused:?}");
    }
    assert_eq!(app.count("escrow"), 1);
}

#[test]
fn each_merchant_has_its_own_idempotency_keys() {
    let app = spawn_app();
    let of = |secret| create("order 1").header("authorization", secret);
    let [first, second] = ["Bearer sk_test_one", "Bearer sk_test_two"].map(of);
    let answers = [first.send(&app), second.send(&app)];
    assert!(answers.iter().all(|answer| answer.status == 201 && !answer.is_replay));
    assert_ne!(answers[0].body, answers[1].body);
    assert_eq!(app.count("escrow"), 2);
    for (request, answer) in [first, second].iter().zip(&answers) {
        assert_eq!(request.send(&app).body, answer.body);
    }
}

#[test]
fn without_a_key_nothing_is_kept() {
    let app = spawn_app();
    let mut request = create("unused");
    request.headers.retain(|(name, _)| *name != "idempotency-key");
    let bodies = [request.send(&app), request.send(&app)].map(|answer| answer.body);
    assert_ne!(bodies[0], bodies[1]);
    assert_eq!((app.count("escrow"), app.count("idempotency_record")), (2, 0));
}

#[test]
fn a_key_is_printable_ascii_sent_once() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let before = app.dump();
    let too_long = "k".repeat(256);
    for key in ["", "clé", "a\tb", too_long.as_str()] {
        let refused = create(key).send(&app);
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid_request".to_owned()),
            "{key:?}"
        );
        let message = "Idempotency-Key must be 1 to 255 printable ASCII characters";
        assert!(refused.message().starts_with(message), "{refused:?}");
    }
    let twice = create("order 1").keyed("order 2").send(&app);
    assert!(
        twice.message().starts_with("Idempotency-Key must be sent once"),
        "{twice:?}"
    );
    assert_eq!(app.dump(), before);

    let longest = "k".repeat(255);
    let twice_the_same = create(&longest).keyed(&longest).send(&app);
    assert_eq!(twice_the_same.status, 201);
    assert!(create(&longest).send(&app).is_replay);
}

/// Asserts that one of several concurrent requests under one key took effect. The others
/// were replayed or refused as in flight.
#[track_caller]
fn assert_done_once(answers: &[Raw], status: u16) {
    let (answered, in_flight): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == status);
    let done: Vec<_> = answered.iter().filter(|answer| !answer.is_replay).collect();
    assert_eq!(done.len(), 1, "{answers:?}");
    assert!(answered.iter().all(|answer| answer.body == done[0].body));
    for answer in in_flight {
        let code = (answer.status, answer.code(), answer.retry_after.as_deref());
        assert_eq!(code, (409, "idempotency_key_in_flight".to_owned(), Some("1")));
    }
}

#[test]
fn one_of_64_concurrent_requests_under_one_key_takes_effect() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let entries = app.count("payment_transaction");
    let answers = app.run_concurrently(64, |app, _| top_up("ada", 1_000, "order 1").send(app));
    assert_done_once(&answers, 200);
    assert_eq!(app.balances("ada").0, json!(1_001_000));
    assert_eq!(app.count("payment_transaction"), entries + 1);
    let replay = top_up("ada", 1_000, "order 1").send(&app);
    assert!(replay.is_replay);
}

#[test]
fn a_milestone_confirmed_under_one_key_and_under_many_is_released_once() {
    let app = spawn_app();
    for round in 0..10 {
        let deal = app.funded();
        let answers = app.run_concurrently(16, |app, index| {
            let key = if index % 2 == 0 {
                "same".to_owned()
            } else {
                index.to_string()
            };
            let request = confirm(&deal, 0).keyed(&format!("{round} {key}"));
            (index % 2 == 0, request.send(app))
        });
        let successes = answers
            .iter()
            .filter(|(_, answer)| answer.status == 200 && !answer.is_replay);
        assert_eq!(successes.count(), 1, "{answers:?}");
        for (is_same_key, answer) in &answers {
            let released = answer.status == 400 && answer.message() == "Milestone has already been released";
            let may_be = if *is_same_key {
                answer.status == 409 || answer.is_replay
            } else {
                released
            };
            assert!(may_be || released || answer.status == 200, "{answer:?}");
        }
        let releases = format!(
            "SELECT count(*) FROM transfer WHERE kind = 'RELEASE' AND escrow_id = (SELECT id FROM escrow WHERE payment_token = '{}')",
            deal.token
        );
        assert_eq!(app.column(&releases), ["1"]);
    }
}

/// Locks the database against the service's writes until the connection is dropped.
fn lock_the_database(app: &TestApp) -> Connection {
    let outside = Connection::open(app.database_file()).unwrap();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    outside
}

#[test]
fn while_a_request_is_in_flight_others_under_its_key_are_refused() {
    if cluster::is_wanted() {
        // It locks a file.
        return;
    }
    let app = spawn_app();
    app.wallet("ada").ok();
    let outside = lock_the_database(&app);
    let assert_refused = |answer: &Raw| {
        let refused = (answer.status, answer.code());
        assert_eq!(refused, (409, "idempotency_key_in_flight".to_owned()));
        assert_eq!(answer.retry_after.as_deref(), Some("1"));
    };
    thread::scope(|scope| {
        let same = [(); 2].map(|()| scope.spawn(|| create("order 1").send(&app)));
        // Once one has its reply, the other is in flight.
        while !same.iter().any(ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(5));
        }
        assert_refused(&top_up("ada", 1_000, "order 1").send(&app));
        let others_key = Request::of("DELETE", "/v1/escrow/delete/PY_000000000000", "ada").keyed("order 2");
        let elsewhere = others_key.begin(&app);
        drop(outside);
        assert_eq!(Raw::read_from(elsewhere).status, 400);
        let mut answers = same.map(|request| request.join().unwrap());
        answers.sort_by_key(|answer| answer.status);
        let [first, second] = answers;
        assert_refused(&second);
        assert_eq!(first.status, 201);
        let again = create("order 1").send(&app);
        assert_eq!((again.is_replay, again.body), (true, first.body));
    });
}

#[test]
fn a_request_whose_client_disconnected_takes_effect_once() {
    if cluster::is_wanted() {
        // It locks a file.
        return;
    }
    let app = spawn_app();
    app.wallet("ada").ok();
    let disconnect = |round: usize| {
        let request = create(&format!("order {round}"));
        let outside = lock_the_database(&app);
        let gone = request.begin(&app);
        thread::sleep(Duration::from_millis(500));
        gone.shutdown(Shutdown::Both).unwrap();
        drop(gone);
        let answer = thread::scope(|scope| {
            let retry = scope.spawn(|| request.send_until_answered(&app));
            thread::sleep(Duration::from_millis(100));
            drop(outside);
            retry.join().unwrap()
        });
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(app.count("escrow"), round);
        answer.is_replay
    };
    // A busy service may not have read the request when its client disconnects.
    assert!((1..=5).any(disconnect), "the retry took effect");
}

#[test]
fn a_retry_gets_the_reply_that_was_lost() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for round in 1..=20 {
        let request = create(&format!("order {round}"));
        drop(request.begin(&app));
        let retry = request.send_until_answered(&app);
        assert_eq!(retry.status, 201, "{retry:?}");
        assert_eq!(app.count("escrow"), round, "round {round}");
    }
}

#[test]
fn a_reply_is_kept_for_a_day_of_the_merchants_time() {
    let app = spawn_app();
    let first = create("order 1").send(&app);
    app.pass_seconds(DAY - 60);
    assert_eq!(create("order 1").send(&app).body, first.body);
    app.pass_seconds(61);
    let later = create("order 1").send(&app);
    assert_eq!((later.status, later.is_replay), (201, false));
    assert_ne!(later.body, first.body);
    assert_eq!(
        create("order 1").send(&app).body,
        later.body,
        "the later reply was not kept"
    );
    assert_eq!((app.count("escrow"), app.count("idempotency_record")), (2, 1));
    // The key is free for a different request after that.
    app.pass_seconds(DAY + 1);
    assert_eq!(top_up("ada", 1_000, "order 1").send(&app).status, 200);
}

#[test]
fn replies_survive_a_restart_and_expire() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let mut app = spawn_app_with(|config| config.idempotency.kept_hours = 1);
    let first = create("order 1").send(&app);
    let of_another = create("order 1").header("authorization", "Bearer sk_test_other");
    let other = of_another.send(&app);
    app.stop();
    let restart = |app: &TestApp| {
        spawn_app_with(|config| {
            config.database.clone_from(&app.database);
            config.idempotency.kept_hours = 1;
        })
    };
    let mut again = restart(&app);
    let replay = create("order 1").send(&again);
    assert_eq!((replay.is_replay, replay.body), (true, first.body));
    again.stop();

    let file = Connection::open(app.database_file()).unwrap();
    let an_hour_ahead = "UPDATE merchant SET clock_offset_millis = 3600000, clock_moved_at = created_at WHERE id = 1";
    assert_eq!(file.execute(an_hour_ahead, []).unwrap(), 1);
    drop(file);
    let later = restart(&app);
    until("one record is left", || later.count("idempotency_record") <= 1);
    assert_eq!(later.column("SELECT merchant_id FROM idempotency_record"), ["2"]);
    assert_eq!(of_another.send(&later).body, other.body);
}
