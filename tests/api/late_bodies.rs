//! Requests whose key is ended after their head has come and before their body has.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::{ADA, reason, receipt, spawn_desk};
use crate::helpers::{Answer, Deal, LIVE_KEY, TestApp, two_milestones};

/// A request of which the head and the first bytes of the body were sent.
struct Held {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Held {
    fn begin(app: &TestApp, key: &str, line: &str, headers: &str, body: &[u8]) -> Self {
        let mut stream = app.connect();
        let (first, rest) = body.split_at(5);
        let bytes = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n{headers}\r\n\
             content-length: {bytes}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(first).unwrap();
        // The service checks the key before it waits for the body.
        thread::sleep(Duration::from_millis(500));
        Self {
            stream,
            rest: rest.to_vec(),
        }
    }

    fn json(app: &TestApp, key: &str, line: &str, customer: Option<&str>, body: &Value) -> Self {
        let customer = customer.map_or_else(String::new, |customer| format!("\r\ncustomer-id: {customer}"));
        let headers = format!("content-type: application/json{customer}");
        Self::begin(app, key, line, &headers, body.to_string().as_bytes())
    }

    fn finish(mut self) -> Answer {
        self.stream.write_all(&self.rest).unwrap();
        Answer::read_from(&self.stream)
    }

    /// Asserts that the rest of the request is refused as that of an unknown key is.
    #[track_caller]
    fn expect_refused(self, app: &TestApp) {
        app.refuses(403, "Unauthorized Access", |_| self.finish());
    }
}

/// Makes an operator whose key was used. Returns the key and the id.
fn operator(app: &TestApp, name: &str, role: &str) -> (String, String) {
    let made = app
        .by(ADA, "POST", "/operators", &json!({ "name": name, "role": role }))
        .ok();
    let (key, id) = (made.text("key"), made.text("id"));
    let used = format!("SELECT count(*) FROM operator WHERE name = '{name}' AND last_used_at IS NOT NULL");
    while app.column(&used) == ["0"] {
        app.by(&key, "GET", "/receipts", &Value::Null).ok();
    }
    (key, id)
}

fn revoke(app: &TestApp, id: &str) {
    app.by(ADA, "POST", &format!("/operators/{id}/revoke"), &reason()).ok();
}

/// Makes another key of the merchant, which was used. Returns the key and its id.
fn merchant_key(app: &TestApp) -> (String, String) {
    let made = app.by(ADA, "POST", "/keys", &json!({ "label": "till" })).ok();
    let (key, id) = (made.text("key"), made.text("id"));
    while app.column("SELECT count(*) FROM merchant_key WHERE label = 'till' AND last_used_at IS NOT NULL") == ["0"] {
        app.json_with_key(&key, "GET", "/v1/customers", "", &Value::Null).ok();
    }
    (key, id)
}

#[test]
fn an_operator_who_is_revoked_before_the_body_came_changes_nothing() {
    let app = spawn_desk();
    let payee = app.live_customer("Ngozi", "08030000001");
    let (key, id) = operator(&app, "Mallory", "admin");
    let post = |path: &str, body: Value| Held::json(&app, &key, &format!("POST /operator{path}"), None, &body);
    let held = [
        post("/operators", json!({ "name": "Backdoor", "role": "admin" })),
        post("/merchants", json!({ "name": "backdoor" })),
        post("/keys", json!({ "label": "backdoor" })),
        post("/receipts", receipt(10, "in-1", &json!({ "customerId": payee }))),
    ];
    revoke(&app, &id);
    for request in held {
        request.expect_refused(&app);
    }
    // One who still works there is not refused.
    let line = "POST /operator/operators";
    let held = Held::json(&app, ADA, line, None, &json!({ "name": "Hauwa", "role": "auditor" }));
    held.finish().ok();
}

#[test]
fn a_ruling_by_a_form_of_an_operator_who_was_revoked_moves_nothing() {
    let app = spawn_desk();
    let (seller, buyer) = (
        app.live_customer("Ngozi", "08030000001"),
        app.live_customer("Tunde", "08030000002"),
    );
    for reference in ["in-1", "in-2", "in-3"] {
        app.receive(&buyer, reference, 4_000);
    }
    let send =
        |path: &str, customer: &str, body: &Value| app.json_with_key(LIVE_KEY, "POST", path, customer, body).ok();
    let deal = Deal::of(&send("/v1/escrow/milestone/create", &seller, &two_milestones()));
    let pay = json!({ "amount": 10_200, "escrowDetails": { "paymentToken": deal.token } });
    send("/v1/payment/escrow", &buyer, &pay);
    let dispute = format!("/v1/escrow/submit-dispute/{}", deal.token);
    send(&dispute, &buyer, &json!({ "message": "Late" }));
    let (key, id) = operator(&app, "Oba", "approver");
    let form = "--form\r\ncontent-disposition: form-data; name=\"status\"\r\n\r\nREFUNDED\r\n\
                --form\r\ncontent-disposition: form-data; name=\"resolution\"\r\n\r\nNothing was done\r\n--form--\r\n";
    let line = format!("POST /operator/deals/{}/resolve", deal.id);
    let headers = "content-type: multipart/form-data; boundary=form";
    let held = Held::begin(&app, &key, &line, headers, form.as_bytes());
    let by_another = Held::begin(&app, ADA, &line, headers, form.as_bytes());
    revoke(&app, &id);
    held.expect_refused(&app);
    by_another.finish().ok();
}

#[test]
fn a_merchants_key_that_ends_before_the_body_came_changes_nothing() {
    let app = spawn_desk();
    let ada = app.live_customer("Ada", "08030000001");
    app.receive(&ada, "in-1", 4_000);
    let (key, id) = merchant_key(&app);
    let customer = json!({
        "firstname": "Eve", "lastname": "Obi", "email": "eve@shop.example", "phone": "08030000009",
    });
    let withdrawal = json!({
        "amount": 500, "reference": "out-1", "transactionType": "withdrawal",
        "withdrawalDetails": {
            "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada Obi", "bankName": "Bank",
        },
    });
    let intent = "POST /v1/payment/create-intent";
    let held = [
        Held::json(&app, &key, "POST /v1/customer/create", None, &customer),
        Held::json(&app, &key, intent, Some(&ada), &withdrawal),
    ];
    let of_another = Held::json(&app, LIVE_KEY, intent, Some(&ada), &withdrawal);
    app.by(ADA, "POST", &format!("/keys/{id}/revoke"), &reason()).ok();
    for request in held {
        request.expect_refused(&app);
    }
    of_another.finish().ok();
}

#[test]
fn a_merchants_key_whose_overlap_ends_before_the_body_came_changes_nothing() {
    let app = spawn_desk();
    let (key, id) = merchant_key(&app);
    let path = format!("/keys/{id}/rotate");
    app.by(ADA, "POST", &path, &json!({ "overlapHours": 1 })).ok();
    app.json_with_key(&key, "GET", "/v1/customers", "", &Value::Null).ok();
    let customer = json!({
        "firstname": "Eve", "lastname": "Obi", "email": "eve@shop.example", "phone": "08030000009",
    });
    let held = Held::json(&app, &key, "POST /v1/customer/create", None, &customer);
    app.pass_seconds(3_600);
    held.expect_refused(&app);
}
