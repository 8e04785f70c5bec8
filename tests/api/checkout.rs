//! Checkout sessions, their pages, and the publishable keys that begin them.

use serde_json::{Value, json};

use crate::desk::{ADA, BEN, DAYO, receipt, spawn_desk, spawn_desk_with};
use crate::helpers::{
    Answer, Deal, LIVE_KEY, TestApp, new_customer, spawn_app, spawn_app_with, spawn_live_app, standard_terms,
    two_milestones,
};
use crate::live_console::Browser;
use crate::live_merchants::Merchant;

const SHOP: &str = "https://shop.example";
const KEY: &str = "pk_test_default";
const OTHER_KEY: &str = "sk_test_other_shop";

fn begin(app: &TestApp, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("origin", SHOP)];
    app.send(
        "POST",
        "/v1/checkout/session",
        &headers,
        Some(body.to_string().as_bytes()),
    )
}

pub(crate) fn of(deal: &Deal) -> Value {
    json!({ "publicKey": KEY, "paymentToken": deal.token, "customerId": "tunde" })
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[track_caller]
pub(crate) fn session(app: &TestApp, body: &Value) -> String {
    begin(app, body).ok().text("session")
}

/// Returns a page of a session as a frame of the shop gets it.
pub(crate) fn framed(app: &TestApp, path: &str) -> Answer {
    let headers = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-dest", "iframe"),
        ("referer", "https://shop.example/"),
    ];
    app.send("GET", path, &headers, None)
}

pub(crate) fn submit(app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
    ];
    app.send("POST", path, &headers, Some(body.as_bytes()))
}

fn code(answer: &Answer) -> &str {
    answer.body["code"].as_str().unwrap_or_default()
}

#[test]
fn a_session_stands_in_the_envelope_and_beside_it() {
    let app = spawn_app();
    let deal = app.offered();
    let full = json!({
        "publicKey": KEY, "paymentToken": deal.token, "reference": "order-1",
        "redirectUrl": "https://shop.example/thanks?a=b", "customerId": "tunde", "unknown": 1,
    });
    let begun = begin(&app, &full).ok();
    assert_eq!(begun.status, 201);
    assert_eq!(begun.body["session"], begun.data()["session"]);
    // Newer clients of the hosted script send a list.
    let listed = with(of(&deal), "paymentToken", json!([deal.token]));
    begin(&app, &listed).ok();
    // A base URL without the version, as for every route.
    let body = of(&deal).to_string();
    let headers = [("content-type", "application/json")];
    app.send("POST", "/checkout/session", &headers, Some(body.as_bytes()))
        .ok();
}

#[test]
fn every_origin_may_begin_a_checkout_and_load_its_script() {
    for app in [spawn_app(), spawn_live_app(|_| {})] {
        for origin in [SHOP, "http://localhost:3000", "null"] {
            for path in ["/v1/checkout/session", "/escrow-checkout.min.js"] {
                let asked = [
                    ("origin", origin),
                    ("access-control-request-method", "POST"),
                    ("access-control-request-headers", "content-type"),
                ];
                let preflight = app.send_for_head("OPTIONS", path, &asked);
                assert_eq!(preflight.status, 204, "{path}");
                assert_eq!(preflight.header("access-control-allow-origin"), Some(origin));
                assert_eq!(preflight.header("access-control-allow-credentials"), None);
            }
        }
        let refused = begin(&app, &json!({}));
        assert_eq!(refused.header("access-control-allow-origin"), Some(SHOP));
        let script = app.send("GET", "/escrow-checkout.min.js", &[("origin", SHOP)], None);
        assert_eq!(script.status, 200);
        assert_eq!(script.header("access-control-allow-origin"), Some(SHOP));
        assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
        let policy = script.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        let elsewhere = app.send_for_head("GET", "/healthz", &[("origin", SHOP)]);
        assert_eq!(elsewhere.header("access-control-allow-origin"), None);
    }
}

#[test]
fn wrong_fields_are_named() {
    let app = spawn_app();
    let right = of(&app.offered());
    for (field, value) in [
        ("publicKey", Value::Null),
        ("publicKey", json!("sk_test_secret")),
        ("publicKey", json!(1)),
        ("paymentToken", Value::Null),
        ("paymentToken", json!([])),
        ("paymentToken", json!(["PY_A", "PY_B"])),
        ("paymentToken", json!([1])),
        ("reference", json!("é")),
        ("redirectUrl", json!("javascript:alert(1)")),
        ("redirectUrl", json!("data:text/html,x")),
        ("redirectUrl", json!("/thanks")),
        ("redirectUrl", json!("https://ada:secret@shop.example/")),
        ("redirectUrl", json!("https://ada@shop.example/")),
        ("redirectUrl", json!("https://shop.example/\nthanks")),
        ("redirectUrl", json!("https://shop.example/\tthanks")),
        ("publicKey", json!("pk_test_default ")),
        (
            "redirectUrl",
            json!(format!("https://shop.example/{}", "x".repeat(2_000))),
        ),
        ("customerId", json!("a b")),
    ] {
        let sent = with(right.clone(), field, value);
        let refused = begin(&app, &sent);
        assert_eq!((refused.status, code(&refused)), (400, "invalid_request"), "{sent}");
        let named = refused.body["details"]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{sent}: {named}");
    }
    assert_eq!(begin(&app, &json!([])).status, 400);
}

#[test]
fn only_the_deal_of_the_keys_own_merchant_can_be_paid() {
    let app = spawn_app();
    let deal = app.offered();
    let right = of(&deal);
    app.refuses(403, "Unknown publishable key", |app| {
        begin(app, &with(right.clone(), "publicKey", json!("pk_test_unknown")))
    });
    let live = with(right.clone(), "publicKey", json!("pk_live_0"));
    let refused = begin(&app, &live);
    assert_eq!(
        (refused.status, code(&refused)),
        (403, "publishable_key_of_other_mode"),
        "{refused:?}"
    );
    app.refuses(400, "Escrow not found", |app| {
        begin(app, &with(right.clone(), "paymentToken", json!("PY_ZZZZZZZZ0000")))
    });
    let path = "/v1/escrow/create";
    let others = app
        .json_with_key(OTHER_KEY, "POST", path, "ada", &standard_terms())
        .ok()
        .text("paymentToken");
    app.refuses(400, "You can only buy to your merchant's escrow", |app| {
        begin(app, &with(right.clone(), "paymentToken", json!(others)))
    });
    app.pay_for("ben", &deal).ok();
    app.refuses(400, "Escrow is not in a valid state for checkout", |app| {
        begin(app, &right)
    });
    let deleted = app.create_escrow("ada", &standard_terms()).ok().text("paymentToken");
    app.delete_escrow("ada", &deleted).ok();
    app.refuses(400, "Escrow not found", |app| {
        begin(app, &with(right.clone(), "paymentToken", json!(deleted)))
    });
}

#[test]
fn a_client_that_guesses_keys_is_told_to_wait() {
    let app = spawn_live_app(|config| config.limits.unknown_keys_per_minute = 3);
    let guess = json!({ "publicKey": "pk_live_guess", "paymentToken": "PY_A" });
    for _ in 0..3 {
        assert_eq!(code(&begin(&app, &guess)), "unknown_publishable_key");
    }
    assert_eq!(begin(&app, &guess).status, 429);
}

#[test]
fn sessions_count_as_requests() {
    let app = spawn_app_with(|config| config.limits.requests_per_minute = 2);
    let right = json!({ "publicKey": KEY, "paymentToken": "PY_A" });
    app.wallet("ada").ok();
    assert_eq!(begin(&app, &right).status, 400);
    assert_eq!(begin(&app, &right).status, 429);
}

#[test]
fn a_publishable_key_opens_no_route() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for key in [KEY, "pk_live_0"] {
        for path in crate::contract::every_path() {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str()), ("customer-id", "ada")];
            let refused = app.send("GET", &path, &headers, None);
            assert!([403, 405].contains(&refused.status), "{path}: {refused:?}");
            if refused.status == 403 {
                assert_eq!(code(&refused), "publishable_key", "{path}");
            }
        }
    }
}

#[test]
fn a_publishable_key_is_told_to_its_owner_and_stays() {
    let app = spawn_app();
    let ask = |key: &str| {
        app.json_with_key(key, "GET", "/sandbox/publishable-key", "", &Value::Null)
            .ok()
            .text("publishableKey")
    };
    let own = app.as_merchant("GET", "/sandbox/publishable-key", None).ok();
    assert_eq!(own.text("publishableKey"), KEY);
    let other = ask(OTHER_KEY);
    assert!(other.starts_with("pk_test_") && other != KEY, "{other}");
    assert_ne!(other, ask("sk_test_third"));
    app.reset(OTHER_KEY).ok();
    assert_eq!(ask(OTHER_KEY), other);
    let home = app.send("GET", "/", &[], None);
    assert!(home.text.contains(KEY), "{}", home.text);
}

#[test]
fn a_live_merchant_has_a_live_key() {
    let app = spawn_live_app(|_| {});
    let key = live_key(&app);
    assert_eq!(key.len(), "pk_live_".len() + 32);
    let seller = app
        .json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &new_customer())
        .ok()
        .text("customerId");
    let path = "/v1/escrow/milestone/create";
    let deal = Deal::of(
        &app.json_with_key(LIVE_KEY, "POST", path, &seller, &two_milestones())
            .ok(),
    );
    let sent = json!({ "publicKey": key, "paymentToken": deal.token });
    let refused = begin(&app, &sent);
    assert_eq!(refused.body["details"]["field"], "customerId");
    assert_eq!(
        begin(&app, &with(sent.clone(), "customerId", json!("nobody"))).status,
        404
    );
    let buyer = app.live_customer("ben", "08087654321");
    begin(&app, &with(sent.clone(), "customerId", json!(buyer))).ok();
    let test_key = begin(&app, &with(sent, "publicKey", json!(KEY)));
    assert_eq!(code(&test_key), "publishable_key_of_other_mode");
}

pub(crate) fn live_key(app: &TestApp) -> String {
    app.column("SELECT publishable_key FROM merchant WHERE name = 'shop'")
        .remove(0)
}

#[test]
fn a_page_in_a_frame_says_who_frames_it_and_pays_once() {
    let app = spawn_app();
    let deal = app.offered();
    let session = session(&app, &with(of(&deal), "reference", json!("order-1")));
    let path = format!("/checkout/{session}");
    let page = framed(&app, &format!("{path}?from=https://bank.example"));
    assert_eq!(page.status, 200);
    assert!(
        page.text
            .contains("inside a page of <strong data-framed-by>https://shop.example<")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors http: https:"), "{policy}");
    let form = [("from", SHOP), ("once", "one"), ("total", "10200"), ("card", "")];
    let paid = submit(&app, &format!("{path}/pay"), &form);
    let again = submit(&app, &format!("{path}/pay"), &form);
    assert_eq!((paid.status, again.status), (303, 303), "{paid:?}");
    assert_eq!(paid.header("location"), again.header("location"));
    assert_eq!(app.count("transfer WHERE kind = 'FUND'"), 1);
    let place = paid.header("location").unwrap();
    let receipt = framed(&app, place);
    assert!(receipt.text.contains("<h2>Receipt</h2>"), "{}", receipt.text);
    assert!(receipt.text.contains("data-reference=\"order-1\""), "{}", receipt.text);
    assert!(receipt.text.contains("data-parent=\"https://shop.example\""));
    // The payment belongs to tunde: another customer's session does not show its receipt.
    let requests = app.as_merchant("GET", "/sandbox/requests", None).ok();
    assert!(requests.body.to_string().contains("/v1/payment/escrow"), "{requests:?}");
}

#[test]
fn a_form_of_another_site_pays_nothing() {
    let app = spawn_app();
    let session = session(&app, &of(&app.offered()));
    for site in ["cross-site", "same-site", "none"] {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", site),
        ];
        let sent = app.send(
            "POST",
            &format!("/checkout/{session}/pay"),
            &headers,
            Some(b"once=1&total=10200"),
        );
        assert_eq!(sent.status, 403, "{site}");
    }
    assert_eq!(app.count("transfer WHERE kind = 'FUND'"), 0);
}

#[test]
fn a_session_acts_for_its_own_merchant_and_customer() {
    let app = spawn_app();
    let path = "/v1/escrow/create";
    let token = app
        .json_with_key(OTHER_KEY, "POST", path, "ada", &standard_terms())
        .ok()
        .text("paymentToken");
    let key = app
        .json_with_key(OTHER_KEY, "GET", "/sandbox/publishable-key", "", &Value::Null)
        .ok()
        .text("publishableKey");
    let sent = json!({ "publicKey": key, "paymentToken": token, "customerId": "tunde" });
    let session = session(&app, &sent);
    // The session's customer pays, also if the form names another.
    let form = [("once", "1"), ("total", "1234.56"), ("customer", "ngozi")];
    let paid = submit(&app, &format!("/checkout/{session}/pay"), &form);
    assert_eq!(paid.status, 303, "{}", paid.text);
    let balance = |key: &str, customer: &str| {
        app.json_with_key(key, "GET", "/v1/wallet", customer, &Value::Null)
            .ok()
            .data()["mainBalance"]
            .clone()
    };
    assert!(balance(OTHER_KEY, "tunde").as_f64().unwrap() < 1_000_000.0);
    assert_eq!(balance(OTHER_KEY, "ngozi"), 1_000_000);
    assert_eq!(app.wallet("tunde").ok().data()["mainBalance"], 1_000_000);
}

#[test]
fn a_changed_or_ended_session_shows_nothing() {
    let app = spawn_app();
    let deal = app.offered();
    let text = session(&app, &of(&deal));
    let (said, signature) = text.split_once('.').unwrap();
    let other = session(&app, &with(of(&deal), "customerId", json!("ngozi")));
    let mixed = format!("{}.{signature}", other.split_once('.').unwrap().0);
    for session in ["a.b", "x", said, &format!("{said}."), &mixed] {
        let page = framed(&app, &format!("/checkout/{session}"));
        assert_eq!(page.status, 403, "{session}");
        assert!(page.text.contains("This checkout has ended"), "{}", page.text);
        // A transfer that was announced in it may have paid for the deal.
        assert!(page.text.contains("transferred still counts"), "{}", page.text);
        assert!(!page.text.contains("Nothing was paid"), "{}", page.text);
        assert!(
            page.header("content-security-policy")
                .unwrap()
                .contains("frame-ancestors http:")
        );
    }
    // Some real seconds pass as well on a busy machine.
    app.pass_seconds(3_000);
    assert_eq!(framed(&app, &format!("/checkout/{text}")).status, 200);
    app.pass_seconds(600);
    assert_eq!(framed(&app, &format!("/checkout/{text}")).status, 403);
}

#[test]
fn a_session_is_over_when_its_deal_is_gone() {
    let app = spawn_app();
    let token = app.create_escrow("ada", &standard_terms()).ok().text("paymentToken");
    let sent = json!({ "publicKey": KEY, "paymentToken": token });
    let session = session(&app, &sent);
    app.delete_escrow("ada", &token).ok();
    let page = framed(&app, &format!("/checkout/{session}"));
    assert_eq!(page.status, 404);
    assert!(page.text.contains("deleted this offer"), "{}", page.text);
}

#[test]
fn hostile_texts_stay_texts() {
    let app = spawn_app();
    let terms = with(standard_terms(), "purpose", json!("<script>alert(1)</script>"));
    let token = app.create_escrow("ada", &terms).ok().text("paymentToken");
    let sent = json!({
        "publicKey": KEY, "paymentToken": token, "reference": "\"><script>alert(2)</script>",
        "redirectUrl": "https://shop.example/\"><script>alert(3)</script>", "customerId": "b'\"<i>",
    });
    let session = session(&app, &sent);
    let from = "?from=%22%3E%3Cscript%3Ealert(4)%3C/script%3E&customer=%3Cscript%3Ealert(5)%3C/script%3E";
    let page = framed(&app, &format!("/checkout/{session}{from}"));
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    let form = [("once", "<script>"), ("total", "1234.56")];
    let paid = submit(&app, &format!("/checkout/{session}/pay"), &form);
    let receipt = framed(&app, paid.header("location").unwrap());
    assert!(receipt.text.contains("<h2>Receipt</h2>"), "{}", receipt.text);
    assert!(!receipt.text.contains("<script>alert"), "{}", receipt.text);
}

#[test]
fn a_link_to_several_buyers_gives_each_a_receipt_until_it_is_sold_out() {
    let app = spawn_app();
    let terms = with(standard_terms(), "totalQuantity", json!(2));
    let token = app.create_escrow("ada", &terms).ok().text("paymentToken");
    let late = session(
        &app,
        &json!({ "publicKey": KEY, "paymentToken": token, "customerId": "late" }),
    );
    for buyer in ["tunde", "ngozi"] {
        let sent = json!({ "publicKey": KEY, "paymentToken": token, "customerId": buyer });
        let session = session(&app, &sent);
        let form = [("once", buyer), ("total", "1234.56")];
        let paid = submit(&app, &format!("/checkout/{session}/pay"), &form);
        let receipt = framed(&app, paid.header("location").unwrap());
        assert!(receipt.text.contains("<h2>Receipt</h2>"), "{}", receipt.text);
        let of_other = paid.header("location").unwrap().replace(&session, &late);
        assert!(!framed(&app, &of_other).text.contains("Receipt"));
    }
    assert!(framed(&app, &format!("/checkout/{late}")).text.contains("Sold out"));
}

#[test]
fn a_receipt_is_of_the_sessions_own_deal() {
    let app = spawn_app();
    let offer = |amount: i64, quantity: i64| {
        let terms = with(standard_terms(), "amount", json!(amount));
        app.create_escrow("ada", &with(terms, "totalQuantity", json!(quantity)))
            .ok()
            .text("paymentToken")
    };
    let begin = |token: &str, reference: &str| {
        let sent = json!({ "publicKey": KEY, "paymentToken": token, "customerId": "tunde", "reference": reference });
        session(&app, &sent)
    };
    let by_token = json!({ "escrowDetails": { "paymentToken": offer(1_000, 1) } });
    let cheap = app.pay("tunde", &by_token).ok().text("id");
    // A link makes a deal of each payment, so its receipt is found by the payment alone.
    let (link, other_link) = (offer(1_000, 3), offer(999_000, 3));
    let of_link = begin(&link, "order-1");
    let form = [("once", "one"), ("total", "1000")];
    let paid = submit(&app, &format!("/checkout/{of_link}/pay"), &form);
    assert_eq!(paid.status, 303, "{}", paid.text);
    let place = paid.header("location").unwrap().to_owned();
    assert!(
        framed(&app, &place).text.contains("data-reference=\"order-1\""),
        "{place}"
    );
    let by_link = place.split_once("paid=").unwrap().1;
    let id = by_link.split_once("%2E").unwrap().0;
    let dear = begin(&offer(999_000, 1), "order-2");
    let of_other_link = begin(&other_link, "order-3");
    for session in [dear, of_other_link, of_link] {
        for paid in [cheap.as_str(), id, by_link] {
            let path = format!("/checkout/{session}?paid={paid}");
            let page = framed(&app, &path);
            assert_eq!(
                page.text.contains("data-payment"),
                path == place,
                "{paid}: {}",
                page.text
            );
        }
    }
}

#[test]
fn a_declined_card_is_worded_as_the_api_words_it() {
    let app = spawn_app();
    let session = session(&app, &of(&app.offered()));
    let saved = submit(
        &app,
        &format!("/checkout/{session}/cards"),
        &[("number", "4000000000000119")],
    );
    assert_eq!(saved.status, 303, "{}", saved.text);
    let cards = app.json("GET", "/v1/cards", "tunde", &Value::Null).ok();
    let card = cards.data()[0]["id"].as_str().unwrap();
    let declined = submit(
        &app,
        &format!("/checkout/{session}/pay"),
        &[("card", card), ("once", "1"), ("total", "10200")],
    );
    assert_eq!(declined.status, 400);
    assert!(
        declined.text.contains("Card declined: the card processor failed"),
        "{}",
        declined.text
    );
    let transfer = submit(&app, &format!("/checkout/{session}/transfer"), &[]);
    assert_eq!(transfer.status, 403, "{}", transfer.text);
    let unknown = submit(&app, &format!("/checkout/{session}/cards"), &[("number", "1")]);
    assert_eq!(unknown.status, 400, "{}", unknown.text);
}

#[test]
fn two_live_merchants_have_two_keys() {
    let app = spawn_live_app(|config| config.merchant.push(Merchant::new("stall", "sk_live_stall")));
    let keys = app.column("SELECT publishable_key FROM merchant ORDER BY id");
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}

/// A live deal of 10,000 with a fee of 200, its buyer, and a session for it.
pub(crate) struct LiveDeal {
    pub(crate) app: TestApp,
    pub(crate) seller: String,
    pub(crate) buyer: String,
    pub(crate) deal: Deal,
    pub(crate) session: String,
}

impl LiveDeal {
    pub(crate) fn new() -> Self {
        Self::on(spawn_desk())
    }

    fn on(app: TestApp) -> Self {
        let seller = app.live_customer("ada", "08012345678");
        let buyer = app.live_customer("ben", "08087654321");
        let path = "/v1/escrow/milestone/create";
        let offered = app.json_with_key(LIVE_KEY, "POST", path, &seller, &two_milestones());
        let deal = Deal::of(&offered.ok());
        let sent = json!({
            "publicKey": live_key(&app), "paymentToken": deal.token, "customerId": buyer, "reference": "order-1",
            "redirectUrl": "https://shop.example/thanks",
        });
        let session = session(&app, &sent);
        Self {
            app,
            seller,
            buyer,
            deal,
            session,
        }
    }

    pub(crate) fn page(&self) -> Answer {
        framed(&self.app, &format!("/checkout/{}?from={SHOP}", self.session))
    }

    pub(crate) fn announce(&self) -> String {
        let sent = submit(&self.app, &format!("/checkout/{}/transfer", self.session), &[]);
        assert_eq!(sent.status, 303, "{}", sent.text);
        let page = self.page().text;
        assert!(page.contains("0123456789") && page.contains("data-waiting"), "{page}");
        let (_, after) = page.split_once("<dt>Reference</dt><dd><strong><code>").unwrap();
        after.split_once('<').unwrap().0.to_owned()
    }

    /// Records what came at the bank.
    pub(crate) fn record(&self, bank_reference: &str, major: i64, more: &Value) -> Answer {
        let body = receipt(major, bank_reference, more);
        let recorded = self.app.by(BEN, "POST", "/receipts", &body).ok();
        if recorded.text("status") == "credited" {
            return recorded;
        }
        let path = format!("/receipts/{}/approve", recorded.text("id"));
        self.app.by(DAYO, "POST", &path, &Value::Null).ok()
    }
}

#[test]
fn real_money_comes_by_bank_transfer() {
    let live = LiveDeal::new();
    assert!(
        live.page().text.contains("Pay by bank transfer"),
        "{}",
        live.page().text
    );
    let reference = live.announce();
    assert_eq!(live.announce(), reference, "a second press announces nothing new");
    assert_eq!(live.app.count("payment_detail WHERE status = 'pending'"), 1);
    let outcome = live.record("in-1", 10_200, &json!({ "depositReference": reference }));
    assert_eq!(outcome.data()["fundedEscrowIds"], json!([live.deal.id]));
    let receipt = live.page().text;
    assert!(
        receipt.contains("<h2>Receipt</h2>") && receipt.contains("data-payment="),
        "{receipt}"
    );
    assert!(receipt.contains("data-reference=\"order-1\""), "{receipt}");
    assert!(!receipt.contains("data-waiting"), "{receipt}");
}

#[test]
fn a_transfer_says_whose_money_it_becomes() {
    let live = LiveDeal::new();
    // The person who reads the page need not be the one who began the checkout.
    let named = format!("belongs to the customer <strong>{}</strong>", live.buyer);
    let warned = "If you are not this customer, do not make it";
    let page = live.page().text;
    let (above, _) = page.split_once("Show the account and the reference").unwrap();
    assert!(above.contains(&named) && above.contains(warned), "{page}");
    let reference = live.announce();
    let page = live.page().text;
    let (above, _) = page.split_once("0123456789").unwrap();
    assert!(above.contains(&named) && above.contains(warned), "{page}");
    // The session has the id. The name is on no page.
    assert!(!page.contains("ben"), "{page}");
    let given_up = json!({ "reference": reference, "reason": "no money came" });
    live.app.by(BEN, "POST", "/deposits/expire", &given_up).ok();
    let page = live.page().text;
    assert!(page.contains("Nothing came in time") && page.contains(&named), "{page}");
    assert!(!page.contains(warned), "{page}");
}

#[test]
fn money_after_the_transfer_was_given_up_is_told_to_the_buyer() {
    let live = LiveDeal::new();
    let reference = live.announce();
    let given_up = json!({ "reference": reference, "reason": "no money came" });
    live.app.by(BEN, "POST", "/deposits/expire", &given_up).ok();
    live.record("in-1", 10_200, &json!({ "depositReference": reference }));
    let page = live.page().text;
    let told = "10,200.00</span> came with this reference, when the transfer was no longer expected. It did not pay for this deal.";
    assert!(page.contains(told), "{page}");
}

#[test]
fn another_amount_than_the_total_is_told_to_the_buyer() {
    let live = LiveDeal::new();
    let reference = live.announce();
    assert!(!live.page().text.contains("came with this reference"));
    live.record("in-1", 10_000, &json!({ "depositReference": reference }));
    let page = live.page().text;
    for told in [
        "10,000.00",
        "came with this reference",
        "It did not pay for this deal",
        "in your wallet at the shop",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    // The whole amount with the same reference pays.
    live.record("in-2", 10_200, &json!({ "depositReference": reference }));
    let receipt = live.page().text;
    assert!(receipt.contains("<h2>Receipt</h2>"), "{receipt}");
    // The buyer knows the payment by the reference of the transfer.
    assert!(
        receipt.contains(&reference) && receipt.contains("Your bank transfer"),
        "{receipt}"
    );
}

#[test]
fn nobody_begins_a_checkout_for_their_own_deal() {
    let live = LiveDeal::new();
    let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": live.deal.token, "customerId": live.seller });
    let refused = begin(&live.app, &sent);
    assert_eq!(
        (refused.status, code(&refused)),
        (400, "buyer_is_seller"),
        "{refused:?}"
    );
    let link = submit(
        &live.app,
        &format!("/pay/{}/transfer", live.deal.token),
        &[("buyer", &live.seller)],
    );
    assert_eq!(link.status, 400);
    assert!(
        link.text.contains("Buyer and seller must be different customers"),
        "{}",
        link.text
    );
    let app = spawn_app();
    let refused = begin(&app, &with(of(&app.offered()), "customerId", json!("ada")));
    assert_eq!(
        (refused.status, code(&refused)),
        (400, "buyer_is_seller"),
        "{refused:?}"
    );
}

#[test]
fn a_customer_without_permission_to_buy_gets_no_checkout() {
    let live = LiveDeal::new();
    let permit = |may: bool| {
        let path = format!("/v1/customer/permissions/{}", live.buyer);
        let body = json!({ "canBuy": may });
        live.app.json_with_key(LIVE_KEY, "PUT", &path, "", &body).ok();
    };
    let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": live.deal.token, "customerId": live.buyer });
    let before = format!("/checkout/{}/transfer", session(&live.app, &sent));
    let refuses = || {
        let refused = begin(&live.app, &sent);
        assert_eq!(
            (refused.status, code(&refused)),
            (401, "buying_disabled"),
            "{refused:?}"
        );
        let link = format!("/pay/{}/transfer", live.deal.token);
        assert_eq!(submit(&live.app, &link, &[("buyer", &live.buyer)]).status, 401);
    };
    permit(false);
    refuses();
    let answer = submit(&live.app, &before, &[]);
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(live.app.count("payment_detail"), 0);
    let stopped = "The shop has stopped this customer from buying.";
    let page = live.page().text;
    assert!(page.contains(stopped) && !page.contains("<form"), "{page}");
    permit(true);
    let reference = live.announce();
    permit(false);
    refuses();
    let page = live.page().text;
    assert!(page.contains(stopped) && page.contains(&reference), "{page}");
    assert!(
        page.contains("Do not transfer money for it any more") && !page.contains("0123456789"),
        "{page}"
    );
    permit(true);
    assert!(live.page().text.contains("0123456789"));
    let path = format!("/v1/customer/block/{}", live.buyer);
    live.app.json_with_key(LIVE_KEY, "PUT", &path, "", &json!({})).ok();
    let page = live.page().text;
    assert!(page.contains(stopped) && !page.contains("0123456789"), "{page}");
}

#[test]
fn a_session_does_not_touch_real_money_that_is_there() {
    let live = LiveDeal::new();
    live.record("in-0", 50_000, &json!({ "customerId": live.buyer }));
    let transfers = live.app.count("transfer");
    for (below, form) in [
        ("pay", &[("once", "1")][..]),
        ("pay", &[("once", "1"), ("card", "0123456789abcdef01234567")]),
        ("cards", &[("number", "4242424242424242")]),
    ] {
        let refused = submit(&live.app, &format!("/checkout/{}/{below}", live.session), form);
        assert_eq!(refused.status, 403, "{below}: {}", refused.text);
    }
    assert_eq!(live.app.count("transfer"), transfers);
    // A page in live mode shows no balance.
    assert!(!live.page().text.contains("50,000"), "{}", live.page().text);
    // The seller raises the price while the transfer is on its way.
    let reference = live.announce();
    let mut dearer = two_milestones();
    dearer["amount"] = json!(40_000);
    dearer["milestones"][0]["amount"] = json!(20_000);
    dearer["milestones"][1]["amount"] = json!(20_000);
    let path = format!("/v1/escrow/milestone/edit/{}", live.deal.token);
    live.app
        .json_with_key(LIVE_KEY, "PUT", &path, &live.seller, &dearer)
        .ok();
    assert!(live.page().text.contains("The price has changed since"));
    let outcome = live.record("in-1", 10_200, &json!({ "depositReference": reference }));
    assert_eq!(outcome.data()["fundedEscrowIds"], json!([]));
    assert_eq!(outcome.data()["notFunded"]["code"], "insufficient_balance");
    assert_eq!(live.app.live_balance(&live.buyer), 60_200);
    assert!(live.page().text.contains("in your wallet at the shop"));
}

#[test]
fn a_link_to_real_money_leads_a_customer_to_a_transfer() {
    let live = LiveDeal::new();
    let path = format!("/pay/{}", live.deal.token);
    let page = live.app.send("GET", &path, &[], None);
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("10,200.00") && page.text.contains("Pay by bank transfer"),
        "{}",
        page.text
    );
    assert!(!page.text.contains(&live.buyer), "{}", page.text);
    let named = live.app.send("GET", &format!("{path}?buyer={}", live.buyer), &[], None);
    assert!(
        named.text.contains(&format!("value=\"{}\"", live.buyer)),
        "{}",
        named.text
    );
    // No customer, a customer unknown to the shop, and a text that is no id.
    for stranger in ["", "000000000000000000000000", "<b>&"] {
        let refused = submit(&live.app, &format!("{path}/transfer"), &[("buyer", stranger)]);
        assert_eq!(refused.status, 404, "{stranger}: {}", refused.text);
        assert!(
            refused.text.contains("has no customer with this id"),
            "{}",
            refused.text
        );
        assert!(!refused.text.contains("<b>&"), "{}", refused.text);
    }
    assert_eq!(live.app.count("payment_detail"), 0, "the page alone announces nothing");
    let begun = submit(&live.app, &format!("{path}/transfer"), &[("buyer", &live.buyer)]);
    assert_eq!(begun.status, 303, "{}", begun.text);
    let checkout = begun.header("location").unwrap().to_owned();
    let live = LiveDeal {
        session: checkout.strip_prefix("/checkout/").unwrap().to_owned(),
        ..live
    };
    let reference = live.announce();
    let outcome = live.record("in-1", 10_200, &json!({ "depositReference": reference }));
    assert_eq!(outcome.data()["fundedEscrowIds"], json!([live.deal.id]));
    assert!(live.page().text.contains("<h2>Receipt</h2>"), "{}", live.page().text);
    let paid = live.app.send("GET", &path, &[], None).text;
    assert!(
        paid.contains("This offer is paid") && !paid.contains("10,200"),
        "{paid}"
    );
    for buyer in ["", &live.buyer, &live.seller] {
        let late = submit(&live.app, &format!("{path}/transfer"), &[("buyer", buyer)]);
        assert_eq!(late.status, 409, "{buyer}: {}", late.text);
        assert!(late.text.contains("This offer is paid"), "{buyer}: {}", late.text);
        for hidden in ["10,200", "<form", live.buyer.as_str(), live.seller.as_str()] {
            assert!(!late.text.contains(hidden), "{hidden}: {}", late.text);
        }
    }
    assert_eq!(live.app.send("GET", "/pay/PY_NOTHING", &[], None).status, 404);
    assert_eq!(submit(&live.app, "/pay/PY_NOTHING/transfer", &[]).status, 404);
}

#[test]
fn a_shop_without_a_bank_account_offers_no_bank_transfer() {
    let live = LiveDeal::on(spawn_desk_with(|config| config.bank = None));
    let by_link = live.app.send("GET", &format!("/pay/{}", live.deal.token), &[], None);
    for page in [live.page(), by_link] {
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(
            page.text.contains("shop takes no bank transfers here. Pay at shop."),
            "{}",
            page.text
        );
        assert!(!page.text.contains("/transfer\""), "{}", page.text);
    }
    let path = format!("/pay/{}/transfer", live.deal.token);
    let refused = submit(&live.app, &path, &[("buyer", &live.buyer)]);
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(
        refused.text.contains("takes no bank transfers") && !refused.text.contains("/transfer\""),
        "{}",
        refused.text
    );
    let shop = Browser::logged_in(&live.app, LIVE_KEY);
    let customer = shop.page(&format!("/console/customers/{}", live.buyer));
    for act in ["Announce", "Withdraw"] {
        assert!(!customer.contains(&format!(">{act}</button>")), "{customer}");
    }
}

#[test]
fn a_link_begins_as_many_checkouts_as_a_page() {
    let limited = spawn_desk_with(|config| config.limits.requests_per_minute = 5);
    let live = LiveDeal::on(limited);
    let path = format!("/pay/{}/transfer", live.deal.token);
    // The deal's own session was the first.
    for status in [303, 303, 303, 303, 429] {
        let begun = submit(&live.app, &path, &[("buyer", &live.buyer)]);
        assert_eq!(begun.status, status, "{}", begun.text);
    }
}

#[test]
fn a_link_to_play_money_announces_no_transfer() {
    let app = spawn_app();
    let deal = app.offered();
    let path = format!("/pay/{}/transfer", deal.token);
    let refused = submit(&app, &path, &[("buyer", "tunde")]);
    assert_eq!(refused.status, 403, "{}", refused.text);
}

#[test]
fn a_second_checkout_shows_the_reference_of_the_first() {
    let live = LiveDeal::new();
    let again = |customer: &str| {
        let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": live.deal.token, "customerId": customer });
        session(&live.app, &sent)
    };
    let before = again(&live.buyer);
    let reference = live.announce();
    for session in [before, again(&live.buyer)] {
        let sent = submit(&live.app, &format!("/checkout/{session}/transfer"), &[]);
        assert_eq!(sent.status, 303, "{}", sent.text);
        let page = framed(&live.app, &format!("/checkout/{session}?from={SHOP}")).text;
        assert!(page.contains(&reference) && page.contains("data-waiting"), "{page}");
    }
    assert_eq!(live.app.count("payment_detail"), 1);
    // Another buyer has a reference of their own.
    let cleo = live.app.live_customer("cleo", "08011112222");
    let session = again(&cleo);
    submit(&live.app, &format!("/checkout/{session}/transfer"), &[]);
    let page = framed(&live.app, &format!("/checkout/{session}?from={SHOP}")).text;
    assert!(!page.contains(&reference) && page.contains("data-waiting"), "{page}");
    assert_eq!(live.app.count("payment_detail"), 2);
    let outcome = live.record("in-1", 10_200, &json!({ "depositReference": reference }));
    assert_eq!(outcome.data()["fundedEscrowIds"], json!([live.deal.id]));
}

/// The former account may be closed, or have been an attacker's.
#[test]
fn a_checkout_after_the_bank_account_was_changed_shows_the_present_one() {
    let live = LiveDeal::new();
    let former = live.announce();
    let account = json!({
        "bankName": "Own", "bankCode": "044", "accountNumber": "1111111111", "accountName": "Shop",
    });
    live.app
        .by(ADA, "PUT", "/merchant", &json!({ "depositAccount": account }))
        .ok();
    // The session that has announced the transfer still expects it.
    assert!(live.page().text.contains(&former), "{}", live.page().text);
    let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": live.deal.token, "customerId": live.buyer });
    let mut present = Vec::new();
    for _ in 0..2 {
        let session = session(&live.app, &sent);
        let place = format!("/checkout/{session}?from={SHOP}");
        submit(&live.app, &format!("/checkout/{session}/transfer"), &[]);
        let page = framed(&live.app, &place).text;
        assert!(page.contains("1111111111") && !page.contains("0123456789"), "{page}");
        let (_, after) = page.split_once("<dt>Reference</dt><dd><strong><code>").unwrap();
        present.push(after.split_once('<').unwrap().0.to_owned());
    }
    assert!(present[0] == present[1] && present[0] != former, "{present:?}");
    assert_eq!(live.app.count("payment_detail WHERE status = 'pending'"), 2);
    let outcome = live.record("in-1", 10_200, &json!({ "depositReference": present[0] }));
    assert_eq!(outcome.data()["fundedEscrowIds"], json!([live.deal.id]));
}

#[test]
fn a_checkout_shows_only_a_transfer_for_its_deal_alone() {
    let live = LiveDeal::new();
    let path = "/v1/escrow/milestone/create";
    let other = live
        .app
        .json_with_key(LIVE_KEY, "POST", path, &live.seller, &two_milestones());
    let other = Deal::of(&other.ok()).id;
    let by_api = |reference: &str, amount: i64, deals: Value| {
        let mut body = json!({ "amount": amount, "reference": reference, "transactionType": "deposit" });
        if deals != json!([]) {
            body["depositDetails"] = json!({ "escrowId": deals });
        }
        let path = "/v1/payment/create-intent";
        let intent = live.app.json_with_key(LIVE_KEY, "POST", path, &live.buyer, &body).ok();
        intent.data()["depositAccount"]["reference"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let others = [
        by_api("of no deal", 10_200, json!([])),
        by_api("of another deal", 10_200, json!([other])),
        by_api("of both deals", 10_200, json!([live.deal.id, other])),
        by_api("of another amount", 10_201, json!([live.deal.id])),
    ];
    let own = live.announce();
    assert!(!others.contains(&own), "{own}");
    assert_eq!(live.app.count("payment_detail WHERE status = 'pending'"), 5);
    let given_up = json!({ "reference": own, "reason": "no money came" });
    live.app.by(BEN, "POST", "/deposits/expire", &given_up).ok();
    let of_the_deal = by_api("of the deal", 10_200, json!(live.deal.id));
    let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": live.deal.token, "customerId": live.buyer });
    let session = session(&live.app, &sent);
    let live = LiveDeal { session, ..live };
    assert_eq!(live.announce(), of_the_deal);
}

#[test]
fn checkouts_at_the_same_moment_announce_one_transfer() {
    let live = LiveDeal::new();
    let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": live.deal.token, "customerId": live.buyer });
    for round in 1..=5 {
        let sessions: Vec<String> = (0..16).map(|_| session(&live.app, &sent)).collect();
        let pressed = live.app.run_concurrently(16, |app, index| {
            submit(app, &format!("/checkout/{}/transfer", sessions[index]), &[])
        });
        assert!(pressed.iter().all(|answer| answer.status == 303), "{pressed:?}");
        assert_eq!(live.app.count("payment_transaction"), round);
        let newest = live.app.by(BEN, "GET", "/deposits", &Value::Null).ok();
        let quoted = newest.data()["data"][0]["depositReference"].as_str().unwrap();
        for session in &sessions {
            let page = framed(&live.app, &format!("/checkout/{session}?from={SHOP}")).text;
            assert!(page.contains(quoted), "{page}");
        }
        // No transfer of another price is expected yet.
        let path = format!("/v1/escrow/milestone/edit/{}", live.deal.token);
        let mut dearer = two_milestones();
        dearer["amount"] = json!(10_000 + round);
        let first = dearer["milestones"][0]["amount"].as_u64().unwrap();
        dearer["milestones"][0]["amount"] = json!(first + round as u64);
        live.app
            .json_with_key(LIVE_KEY, "PUT", &path, &live.seller, &dearer)
            .ok();
    }
}

#[test]
fn a_deal_below_the_least_transfer_has_no_checkout() {
    let live = LiveDeal::new();
    let mut terms = two_milestones();
    terms["amount"] = json!(50);
    terms["milestones"] = json!([{ "title": "One", "amount": 20 }, { "title": "Two", "amount": 30 }]);
    let path = "/v1/escrow/milestone/create";
    let made = live.app.json_with_key(LIVE_KEY, "POST", path, &live.seller, &terms);
    let deal = Deal::of(&made.ok());
    let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": deal.token, "customerId": live.buyer });
    let refused = begin(&live.app, &sent);
    assert_eq!(
        (refused.status, code(&refused)),
        (400, "invalid_request"),
        "{refused:?}"
    );
    assert_eq!(refused.body["details"]["field"], "paymentToken");
    assert!(
        refused.message().contains("the least of a bank transfer; got 51"),
        "{refused:?}"
    );
    let page = live.app.send("GET", &format!("/pay/{}", deal.token), &[], None);
    assert!(page.text.contains("A bank transfer is of 100 or more"), "{}", page.text);
    assert!(!page.text.contains("/transfer\""), "{}", page.text);
    let form = [("buyer", live.buyer.as_str())];
    let begun = submit(&live.app, &format!("/pay/{}/transfer", deal.token), &form);
    assert_eq!(begun.status, 409, "{}", begun.text);
    assert!(
        begun.text.contains("A bank transfer is of 100 or more"),
        "{}",
        begun.text
    );
}

#[test]
fn a_wrong_address_or_key_is_told_what_is_wrong() {
    let app = spawn_app();
    let right = of(&app.offered());
    for (field, value, expected) in [
        (
            "redirectUrl",
            "https://ada:secret@shop.example/",
            "redirectUrl must be an address without a name and a password before its host",
        ),
        (
            "redirectUrl",
            "https://shop.example/\nthanks",
            "redirectUrl must be an address without line breaks, tabs and other control characters",
        ),
        (
            "publicKey",
            "pk_test_default ",
            "publicKey must be a publishable key, which begins with pk_test_ or pk_live_ and has no spaces",
        ),
    ] {
        let refused = begin(&app, &with(right.clone(), field, json!(value)));
        assert_eq!(refused.status, 400);
        assert!(refused.message().starts_with(expected), "{}", refused.message());
    }
}
