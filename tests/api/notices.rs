//! The signed notices of payment providers.

use std::thread;

use escrowd::clock::SystemClock;
use escrowd::domain::time::Clock;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha512;

use crate::desk::{ADA, BEN, CLEO, STALL_KEY, reason, spawn_desk_with};
use crate::helpers::{Answer, Deal, LIVE_KEY, TestApp, kobo, spawn_app_with, spawn_live_app, two_milestones};
use crate::live_merchants::Merchant;

const KEY: &str = "sk_test_of_notices";

pub(crate) fn charge(id: i64, amount: i64, reference: &str) -> Value {
    json!({
        "event": "charge.success",
        "data": {
            "id": id, "domain": "live", "status": "success", "reference": format!("T{id}"), "amount": amount,
            "currency": "NGN", "paid_at": "2026-06-22T10:15:00.000Z", "channel": "bank_transfer", "fees": 750,
            "customer": { "email": "ben@shop.example" }, "metadata": { "depositReference": reference },
        },
    })
}

/// Returns the signature of Paystack.
pub(crate) fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

pub(crate) fn notify(app: &TestApp, merchant: &str, secret: &str, notice: &Value) -> Answer {
    let body = notice.to_string();
    let signature = signature(secret, &body);
    let headers = [
        ("content-type", "application/json"),
        ("x-paystack-signature", signature.as_str()),
    ];
    app.send(
        "POST",
        &format!("/notices/paystack/{merchant}"),
        &headers,
        Some(body.as_bytes()),
    )
}

/// Spawns a sandbox whose merchant has this key, and returns the merchant's id.
fn sandbox() -> (TestApp, String) {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(0));
    let headers = [("authorization", "Bearer sk_test_of_notices"), ("customer-id", "ben")];
    app.send("GET", "/v1/wallet", &headers, None).ok();
    let merchant = app.column("SELECT max(id) FROM merchant").remove(0);
    (app, merchant)
}

fn balance(app: &TestApp) -> Value {
    let wallet = app.json_with_key(KEY, "GET", "/v1/wallet", "ben", &Value::Null).ok();
    wallet.data()["mainBalance"].clone()
}

#[test]
fn a_notice_pays_the_deposit_that_it_names_once() {
    let (app, merchant) = sandbox();
    let deposit = json!({ "amount": 5_000, "reference": "D-1", "transactionType": "deposit" });
    app.json_with_key(KEY, "POST", "/v1/payment/create-intent", "ben", &deposit)
        .ok();
    let first = notify(&app, &merchant, KEY, &charge(7, 500_000, "D-1")).ok();
    assert_eq!(balance(&app), json!(5_000));
    let after = app.dump();
    for _ in 0..3 {
        assert_eq!(
            notify(&app, &merchant, KEY, &charge(7, 500_000, "D-1")).ok().body,
            first.body
        );
    }
    assert_eq!(app.dump(), after, "a replay changes nothing");
    let receipts = app
        .json_with_key(KEY, "GET", "/operator/receipts", "", &Value::Null)
        .ok();
    let receipt = &receipts.data()["data"][0];
    assert_eq!(
        (&receipt["source"], &receipt["bankReference"], &receipt["status"]),
        (&json!("provider"), &json!("paystack:7"), &json!("credited"))
    );
}

/// A provider repeats notices, and so can a person who has seen one. Money that an operator took
/// back stays taken back.
#[test]
fn a_notice_of_a_payment_that_was_taken_back_changes_nothing() {
    let (app, merchant) = sandbox();
    let deposit = json!({ "amount": 5_000, "reference": "D-1", "transactionType": "deposit" });
    app.json_with_key(KEY, "POST", "/v1/payment/create-intent", "ben", &deposit)
        .ok();
    let first = notify(&app, &merchant, KEY, &charge(7, 500_000, "D-1")).ok();
    let receipts = app
        .json_with_key(KEY, "GET", "/operator/receipts", "", &Value::Null)
        .ok();
    let reverse = format!(
        "/operator/receipts/{}/reverse",
        receipts.data()["data"][0]["id"].as_str().unwrap()
    );
    app.json_with_key(KEY, "POST", &reverse, "", &json!({ "reason": "charged back" }))
        .ok();
    let after = app.dump();
    assert_eq!(
        notify(&app, &merchant, KEY, &charge(7, 500_000, "D-1")).ok().body,
        first.body
    );
    assert_eq!(app.dump(), after);
    assert_eq!(balance(&app), json!(0));
    // A person may record it again, and the notice then names that receipt.
    let by_hand = json!({
        "amount": 5_000, "bankReference": "paystack:7", "valueDate": "2026-06-22", "customerId": "ben",
    });
    app.json_with_key(KEY, "POST", "/operator/receipts", "", &by_hand).ok();
    notify(&app, &merchant, KEY, &charge(7, 500_000, "D-1")).ok();
    assert_eq!((app.count("receipt"), balance(&app)), (2, json!(5_000)));
}

#[test]
fn a_notice_of_nobody_known_waits_in_suspense() {
    let (app, merchant) = sandbox();
    notify(&app, &merchant, KEY, &charge(8, 500_000, "unknown")).ok();
    assert_eq!(balance(&app), json!(0));
    let query = "/operator/receipts?status=suspense";
    let receipts = app.json_with_key(KEY, "GET", query, "", &Value::Null).ok();
    let receipt = receipts.data()["data"][0].clone();
    assert_eq!(receipt["amount"], 5_000);
    assert_eq!(receipt["note"], "payer ben@shop.example; fee of the provider 7.5");
}

/// The rows of such a merchant are being removed. One that came late would be left alone.
#[test]
fn a_notice_for_a_merchant_that_a_reset_left_behind_is_refused() {
    let (app, merchant) = sandbox();
    notify(&app, &merchant, KEY, &charge(1, 5_000, "none")).ok();
    let key = [("authorization", "Bearer sk_test_of_notices")];
    app.send("POST", "/sandbox/reset", &key, None).ok();
    let refused = notify(&app, &merchant, KEY, &charge(2, 5_000, "none"));
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (401, &json!("wrong_signature"))
    );
    let current = app.column("SELECT max(id) FROM merchant").remove(0);
    assert_ne!(current, merchant);
    notify(&app, &current, KEY, &charge(3, 5_000, "none")).ok();
}

#[test]
fn an_unsigned_notice_changes_nothing() {
    let (app, merchant) = sandbox();
    let notice = charge(9, 500_000, "D-1");
    let before = app.dump();
    for (of, secret) in [
        (merchant.as_str(), "another secret"),
        ("4711", KEY),
        ("nobody", KEY),
        (merchant.as_str(), ""),
    ] {
        let refused = notify(&app, of, secret, &notice);
        assert_eq!(
            (refused.status, refused.body["code"].as_str()),
            (401, Some("wrong_signature")),
            "{of}"
        );
    }
    // A signature over other bytes, and none.
    let body = notice.to_string();
    let of_other = signature(KEY, &format!("{body} "));
    for signature in [Some(of_other.as_str()), None] {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(signature.map(|signature| ("x-paystack-signature", signature)));
        let path = format!("/notices/paystack/{merchant}");
        assert_eq!(app.send("POST", &path, &headers, Some(body.as_bytes())).status, 401);
    }
    let path = format!("/notices/unknown/{merchant}");
    let headers = [("content-type", "application/json")];
    assert_eq!(app.send("POST", &path, &headers, Some(body.as_bytes())).status, 404);
    assert_eq!(app.dump(), before);
}

#[test]
fn a_signed_notice_that_is_wrong_names_its_field() {
    let (app, merchant) = sandbox();
    let before = app.dump();
    let mut other_event = charge(1, 1, "D-1");
    other_event["event"] = json!("transfer.success");
    notify(&app, &merchant, KEY, &other_event).ok();
    for (path, value, field) in [
        ("/data/amount", json!("500000"), "data.amount"),
        ("/data/amount", json!(-1), "data.amount"),
        ("/data/amount", json!(1.5), "data.amount"),
        ("/data/currency", json!("USD"), "data.currency"),
        ("/data/id", Value::Null, "data.id"),
    ] {
        let mut notice = charge(1, 500_000, "D-1");
        *notice.pointer_mut(path).unwrap() = value;
        let refused = notify(&app, &merchant, KEY, &notice);
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert_eq!(refused.body["details"]["field"], field);
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn in_live_mode_the_secret_is_configured_and_test_money_is_ignored() {
    let app = spawn_live_app(|config| {
        let secret = escrowd::domain::events::webhook_endpoint::SigningSecret::new("sk_live_of_paystack");
        config.merchant[0].paystack_secret = Some(secret);
    });
    let mut test_mode = charge(1, 500_000, "D-1");
    test_mode["data"]["domain"] = json!("test");
    let before = app.dump();
    notify(&app, "shop", "sk_live_of_paystack", &test_mode).ok();
    assert_eq!(app.dump(), before);
    notify(&app, "shop", "sk_live_of_paystack", &charge(1, 500_000, "D-1")).ok();
    notify(&app, "1", "sk_live_of_paystack", &charge(1, 500_000, "D-1")).ok();
    assert_eq!(app.count("receipt"), 1);
    assert_eq!(
        notify(&app, "shop", "sk_live_the_only_one", &charge(2, 1, "D-1")).status,
        401
    );
}

/// The money is there, whatever the provider says of its time.
#[test]
fn a_payment_at_an_impossible_time_counts_as_received_now() {
    let (app, merchant) = sandbox();
    let today = SystemClock.now().date();
    for (id, time) in [
        (1, "2099-12-31T10:15:00.000Z"),
        (2, "0001-01-01T00:00:00Z"),
        (3, "soon"),
    ] {
        let mut notice = charge(id, 500_000, "unknown");
        notice["data"]["paid_at"] = json!(time);
        notify(&app, &merchant, KEY, &notice).ok();
    }
    let days = app.column("SELECT DISTINCT value_date FROM receipt");
    let tomorrow = today.days_later(1);
    assert!(
        days == [today.to_string()] || days == [tomorrow.to_string()],
        "{days:?}"
    );
}

/// A provider's receipt has no operator who recorded it. Above the limit two operators must name its
/// customer, and two must take it back.
#[test]
fn two_operators_assign_and_reverse_a_large_payment() {
    let app = spawn_desk_with(|config| {
        let secret = escrowd::domain::events::webhook_endpoint::SigningSecret::new("sk_live_of_paystack");
        config.merchant[0].paystack_secret = Some(secret);
    });
    let (ada, ben) = (
        app.live_customer("ada", "08012345678"),
        app.live_customer("ben", "08087654321"),
    );
    let receive = |id: i64, kobo: i64| {
        notify(&app, "shop", "sk_live_of_paystack", &charge(id, kobo, "unknown")).ok();
        let receipts = app.by(BEN, "GET", "/receipts?limit=1", &Value::Null).ok();
        receipts.data()["data"][0]["id"].as_str().unwrap().to_owned()
    };
    let act = |key: &str, id: &str, action: &str, body: &Value| {
        app.by(key, "POST", &format!("/receipts/{id}/{action}"), body)
    };
    let to = |customer: &str| json!({ "customerId": customer });

    let large = receive(1, 6_000_000);
    let noted = act(BEN, &large, "assign", &to(&ada)).ok();
    assert_eq!(noted.text("status"), "suspense");
    assert!(noted.data()["askedBy"].is_string() && noted.data()["recordedBy"].is_null());
    assert!(noted.text.contains("needs a second operator"), "{noted:?}");
    app.refuses_code(403, "same_person", |_| act(BEN, &large, "assign", &to(&ada)));
    // Another customer is another request.
    act(CLEO, &large, "assign", &to(&ben)).ok();
    assert_eq!((app.live_balance(&ada), app.live_balance(&ben)), (json!(0), json!(0)));
    let assigned = act(BEN, &large, "assign", &to(&ben)).ok();
    assert_eq!(assigned.text("status"), "credited");
    assert_eq!(app.live_balance(&ben), json!(60_000));

    act(BEN, &large, "reverse", &reason()).ok();
    app.refuses_code(403, "same_person", |_| act(BEN, &large, "reverse", &reason()));
    assert_eq!(app.live_balance(&ben), json!(60_000));
    assert_eq!(act(CLEO, &large, "reverse", &reason()).ok().text("status"), "reversed");
    assert_eq!(app.live_balance(&ben), json!(0));
    let kinds = app.column("SELECT kind FROM operator_act WHERE kind LIKE 'receipt%' ORDER BY number");
    assert_eq!(
        kinds,
        [
            "receipt_recorded",
            "receipt_assignment_requested",
            "receipt_assignment_requested",
            "receipt_assigned",
            "receipt_reversal_requested",
            "receipt_reversed"
        ]
    );

    // The deposit decides what the money funds, so it is part of what two have to ask for.
    let body = json!({
        "amount": 60_000, "reference": "announced", "transactionType": "deposit", "depositDetails": {},
    });
    let intent = app
        .json_with_key(LIVE_KEY, "POST", "/v1/payment/create-intent", &ada, &body)
        .ok();
    let announced = receive(3, 6_000_000);
    act(BEN, &announced, "assign", &to(&ada)).ok();
    let deposit = json!({ "depositReference": intent.data()["depositAccount"]["reference"] });
    let noted = act(CLEO, &announced, "assign", &deposit).ok();
    assert_eq!(noted.text("status"), "suspense", "it is another request");
    let credited = act(BEN, &announced, "assign", &deposit).ok();
    assert_eq!(credited.text("status"), "credited");
    let status = app.column("SELECT status FROM payment_detail ORDER BY transaction_id");
    assert_eq!(status, ["reversed", "success"]);

    let small = receive(2, 500_000);
    act(BEN, &small, "assign", &to(&ada)).ok();
    assert_eq!(app.live_balance(&ada), json!(65_000));
    act(BEN, &small, "reverse", &reason()).ok();
    assert_eq!(app.live_balance(&ada), json!(60_000));
}

/// The request of a revoked operator is no first opinion of two.
#[test]
fn the_request_of_a_revoked_operator_counts_as_none() {
    let app = spawn_desk_with(|config| {
        let secret = escrowd::domain::events::webhook_endpoint::SigningSecret::new("sk_live_of_paystack");
        config.merchant[0].paystack_secret = Some(secret);
    });
    let ada = app.live_customer("ada", "08012345678");
    notify(&app, "shop", "sk_live_of_paystack", &charge(1, 6_000_000, "unknown")).ok();
    let receipts = app.by(BEN, "GET", "/receipts?limit=1", &Value::Null).ok();
    let id = receipts.data()["data"][0]["id"].as_str().unwrap();
    let assign = |key: &str| {
        let body = json!({ "customerId": ada });
        app.by(key, "POST", &format!("/receipts/{id}/assign"), &body)
            .ok()
            .text("status")
    };
    let made = app
        .by(
            ADA,
            "POST",
            "/operators",
            &json!({ "name": "Mallory", "role": "cashier" }),
        )
        .ok();
    assert_eq!(assign(&made.text("key")), "suspense");
    let revoke = format!("/operators/{}/revoke", made.text("id"));
    app.by(ADA, "POST", &revoke, &reason()).ok();
    let shown = app.by(BEN, "GET", &format!("/receipts/{id}"), &Value::Null).ok();
    assert_eq!(
        (&shown.data()["askedBy"], &shown.data()["customerId"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(assign(CLEO), "suspense");
    assert_eq!(app.live_balance(&ada), json!(0));
    assert_eq!(assign(BEN), "credited");
    assert_eq!(app.live_balance(&ada), json!(60_000));
}

/// A request of one operator ends when that one thinks again, or when another one declines.
#[test]
fn the_first_request_of_two_is_retracted() {
    let app = spawn_desk_with(|config| {
        let secret = escrowd::domain::events::webhook_endpoint::SigningSecret::new("sk_live_of_paystack");
        config.merchant[0].paystack_secret = Some(secret);
    });
    let ada = app.live_customer("ada", "08012345678");
    notify(&app, "shop", "sk_live_of_paystack", &charge(1, 6_000_000, "unknown")).ok();
    let receipts = app.by(BEN, "GET", "/receipts?limit=1", &Value::Null).ok();
    let id = receipts.data()["data"][0]["id"].as_str().unwrap().to_owned();
    let act = |app: &TestApp, key: &str, action: &str, body: &Value| {
        app.by(key, "POST", &format!("/receipts/{id}/{action}"), body)
    };
    let assign = |app: &TestApp, key: &str| act(app, key, "assign", &json!({ "customerId": ada }));
    app.refuses_code(409, "nothing_asked", |app| act(app, BEN, "retract", &reason()));
    for key in [BEN, CLEO] {
        assign(&app, BEN).ok();
        app.refuses_code(400, "invalid_request", |app| act(app, key, "retract", &json!({})));
        let retracted = act(&app, key, "retract", &reason()).ok();
        assert_eq!(
            (
                retracted.text("status"),
                &retracted.data()["askedBy"],
                &retracted.data()["customerId"]
            ),
            ("suspense".to_owned(), &Value::Null, &Value::Null)
        );
        app.refuses_code(409, "nothing_asked", |app| act(app, key, "retract", &reason()));
    }
    // The second operator alone is the first one again.
    assign(&app, CLEO).ok();
    assert_eq!(app.live_balance(&ada), json!(0));
    assign(&app, BEN).ok();
    assert_eq!(app.live_balance(&ada), json!(60_000));

    act(&app, BEN, "reverse", &reason()).ok();
    let retracted = act(&app, BEN, "retract", &reason()).ok();
    assert_eq!(retracted.data()["customerId"], json!(ada));
    act(&app, CLEO, "reverse", &reason()).ok();
    assert_eq!(app.live_balance(&ada), json!(60_000));
    let acts = app.column("SELECT kind FROM operator_act WHERE kind LIKE '%retracted' AND reason IS NOT NULL");
    assert_eq!(acts, ["receipt_request_retracted"; 3]);
}

/// The first request to reverse is refused as the second one would be.
#[test]
fn spent_money_of_a_provider_is_not_asked_back() {
    let app = spawn_desk_with(|config| {
        let secret = escrowd::domain::events::webhook_endpoint::SigningSecret::new("sk_live_of_paystack");
        config.merchant[0].paystack_secret = Some(secret);
    });
    let (ada, ben) = (
        app.live_customer("ada", "08012345678"),
        app.live_customer("ben", "08087654321"),
    );
    app.announce(&ben, "D-1", 60_000);
    notify(&app, "shop", "sk_live_of_paystack", &charge(1, 6_000_000, "D-1")).ok();
    assert_eq!(app.live_balance(&ben), json!(60_000));
    let receipts = app.by(BEN, "GET", "/receipts?limit=1", &Value::Null).ok();
    let id = receipts.data()["data"][0]["id"].as_str().unwrap().to_owned();
    let offered = app
        .json_with_key(LIVE_KEY, "POST", "/v1/escrow/milestone/create", &ada, &two_milestones())
        .ok();
    let payment = json!({ "escrowDetails": { "escrowId": Deal::of(&offered).id } });
    app.json_with_key(LIVE_KEY, "POST", "/v1/payment/escrow", &ben, &payment)
        .ok();
    let reverse = |app: &TestApp, key: &str| app.by(key, "POST", &format!("/receipts/{id}/reverse"), &reason());
    app.refuses_code(409, "already_spent", |app| reverse(app, BEN));
}

/// Merchants may share an account at a provider, and so its secret: what one has taken back is no
/// new money at the other.
#[test]
fn a_notice_that_one_merchant_took_back_credits_no_other() {
    let app = spawn_desk_with(|config| {
        let secret = escrowd::domain::events::webhook_endpoint::SigningSecret::new("sk_live_of_paystack");
        config.merchant[0].paystack_secret = Some(secret);
        let stall = Merchant {
            name: "stall",
            key: STALL_KEY,
            ..config.merchant[0].clone()
        };
        config.merchant.push(stall);
    });
    let send = |app: &TestApp, to: &str| notify(app, to, "sk_live_of_paystack", &charge(1, 500_000, "unknown"));
    send(&app, "shop").ok();
    let receipts = app.by_for(BEN, "shop", "GET", "/receipts", &Value::Null).ok();
    let id = receipts.data()["data"][0]["id"].as_str().unwrap().to_owned();
    app.refuses_code(409, "bank_reference_used", |app| send(app, "stall"));
    app.by_for(BEN, "shop", "POST", &format!("/receipts/{id}/reverse"), &reason())
        .ok();
    let refused = app.refuses_code(409, "bank_reference_used", |app| send(app, "stall"));
    assert!(!refused.text.contains(&id), "it is of another merchant: {refused:?}");
    let after = app.dump();
    send(&app, "shop").ok();
    assert_eq!(app.dump(), after);
    // A person may record it there, and the notice then names that receipt.
    let by_hand = json!({ "amount": 5_000, "bankReference": "paystack:1", "valueDate": "2026-06-22" });
    app.by_for(BEN, "stall", "POST", "/receipts", &by_hand).ok();
    let after = app.dump();
    send(&app, "stall").ok();
    assert_eq!(app.dump(), after);
}

/// An operator who records by hand what the provider reports uses the provider's reference.
#[test]
fn a_notice_and_a_receipt_by_hand_credit_a_payment_once() {
    const CALLERS: usize = 16;
    let (app, merchant) = sandbox();
    let deposit = json!({ "amount": 5_000, "reference": "D-1", "transactionType": "deposit" });
    app.json_with_key(KEY, "POST", "/v1/payment/create-intent", "ben", &deposit)
        .ok();
    let by_hand = json!({
        "amount": 5_000, "bankReference": "Paystack 7", "valueDate": "2026-06-22", "depositReference": "D-1",
    });
    let statuses: Vec<u16> = thread::scope(|scope| {
        let callers = (0..CALLERS).map(|place| {
            let (app, merchant, by_hand) = (&app, &merchant, &by_hand);
            scope.spawn(move || {
                if place % 2 == 0 {
                    notify(app, merchant, KEY, &charge(7, 500_000, "D-1")).status
                } else {
                    app.json_with_key(KEY, "POST", "/operator/receipts", "", by_hand).status
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert!(
        statuses.iter().all(|status| [200, 201, 409].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(app.count("receipt"), 1);
    assert_eq!(balance(&app), json!(5_000));
}
