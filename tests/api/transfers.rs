//! Wallet transfers (contract sections 4.3.2, 4.3.3 and 4.3.7).

use serde_json::{Value, json};

use crate::helpers::{TestApp, spawn_app};
use crate::shapes::REFERENCE;
use crate::shapes::assert_shape;

const ADAS_PHONE: &str = "08012345678";
const BENS_PHONE: &str = "08087654321";

fn transfer(reference: &str, major: i64, phone: &str) -> Value {
    json!({
        "amount": major,
        "reference": reference,
        "transactionType": "wallet_transfer",
        "walletDetails": { "phone": phone, "name": "Ben Obi", "narration": "lunch" },
    })
}

fn ada_and_ben(app: &TestApp) -> (String, String) {
    (
        app.customer_with("ada", ADAS_PHONE, 10_000),
        app.customer_with("ben", BENS_PHONE, 0),
    )
}

#[test]
fn a_transfer_moves_money_from_one_wallet_to_the_other() {
    let app = spawn_app();
    let (ada, ben) = ada_and_ben(&app);
    let intent = app.create_intent(&ada, &transfer("t-1", 1500, BENS_PHONE)).ok();
    assert_eq!(
        (intent.text("status"), &intent.data()["fee"]),
        ("pending".to_owned(), &json!(0))
    );
    assert_eq!(app.balances(&ben).0, json!(0));
    let sent = app.verify_payment(&ada, "t-1").ok();
    assert_eq!(sent.text("status"), "success");
    assert_eq!(
        sent.data()["walletDetails"].to_string(),
        json!({ "phone": BENS_PHONE, "name": "Ben Obi", "narration": "lunch" }).to_string()
    );
    assert_eq!((app.balances(&ada).0, app.balances(&ben).0), (json!(8500), json!(1500)));
    assert_eq!(
        app.other_transfers(),
        [format!(
            "WALLET_TRANSFER customer_main:{ada} -> customer_main:{ben} 150000"
        )]
    );
    // Each side has a history entry and an event.
    let received = app.history(&ben, "").ok().data()["data"][0].clone();
    assert_eq!(received["transactionType"], "wallet_transfer");
    assert_eq!(
        (&received["creditType"], &received["amount"]),
        (&json!("credit"), &json!(1500))
    );
    assert_eq!(
        received["walletDetails"],
        json!({ "phone": ADAS_PHONE, "name": "ada Obi", "narration": "lunch" })
    );
    assert_shape(&received["reference"], REFERENCE);
    let events = app.events();
    assert_eq!(&events[events.len() - 2..], ["payment.wallet_transfer.success"; 2]);
    // Verifying again changes nothing.
    let after = app.dump();
    assert_eq!(app.verify_payment(&ada, "t-1").ok().body, sent.body);
    assert_eq!(app.dump(), after);
}

#[test]
fn a_receiver_is_found_by_any_spelling_of_their_phone() {
    let app = spawn_app();
    let (ada, ben) = ada_and_ben(&app);
    for phone in [BENS_PHONE, "2348087654321", "8087654321", "%2B2348087654321"] {
        let verified = app
            .send("GET", &format!("/v1/payment/verify-phone/{phone}"), &[], None)
            .ok();
        assert_eq!(verified.message(), "Phone number verified");
        let expected = json!({ "name": "ben Obi", "phone": BENS_PHONE });
        assert_eq!(verified.data().to_string(), expected.to_string());
    }
    app.create_intent(&ada, &transfer("t-1", 1500, "2348087654321")).ok();
    app.verify_payment(&ada, "t-1").ok();
    assert_eq!(app.balances(&ben).0, json!(1500));
}

#[test]
fn an_invalid_transfer_is_refused() {
    let app = spawn_app();
    let (ada, _) = ada_and_ben(&app);
    let unknown = "Phone number does not belong to a customer";
    for phone in ["08000000000", "x", "0"] {
        app.refuses(400, unknown, |app| {
            app.create_intent(&ada, &transfer("t-1", 1500, phone))
        });
        app.refuses(400, unknown, |app| {
            app.send("GET", &format!("/v1/payment/verify-phone/{phone}"), &[], None)
        });
    }
    // Another merchant's customers are unknown here, and every customer is unknown to a new
    // key.
    app.refuses(400, unknown, |app| {
        let path = format!("/v1/payment/verify-phone/{ADAS_PHONE}");
        app.send("GET", &path, &[("authorization", "Bearer sk_test_other")], None)
    });
    app.refuses(400, "Sender and receiver must be different customers", |app| {
        app.create_intent(&ada, &transfer("t-1", 1500, ADAS_PHONE))
    });
    app.refuses(400, "Insufficient balance", |app| {
        app.create_intent(&ada, &transfer("t-1", 10_001, BENS_PHONE))
    });
    for (field, value, message) in [
        ("phone", Value::Null, "walletDetails.phone is required"),
        ("name", Value::Null, "walletDetails.name is required"),
        (
            "narration",
            json!("  "),
            "walletDetails.narration must be a text of 1 to 255 characters; got \"  \"",
        ),
    ] {
        let mut body = transfer("t-1", 1500, BENS_PHONE);
        body["walletDetails"][field] = value;
        app.refuses(400, message, |app| app.create_intent(&ada, &body));
    }
    // The verification checks the balance again.
    for reference in ["t-1", "t-2"] {
        app.create_intent(&ada, &transfer(reference, 10_000, BENS_PHONE)).ok();
    }
    app.verify_payment(&ada, "t-2").ok();
    app.refuses(400, "Insufficient balance", |app| app.verify_payment(&ada, "t-1"));
}

#[test]
fn a_transfer_verified_many_times_at_once_moves_money_once() {
    let app = spawn_app();
    let (ada, ben) = ada_and_ben(&app);
    app.create_intent(&ada, &transfer("t-1", 4000, BENS_PHONE)).ok();
    let answers = app.run_concurrently(8, |app, _| app.verify_payment(&ada, "t-1"));
    assert!(
        answers.iter().all(|answer| answer.body == answers[0].body),
        "{answers:?}"
    );
    assert_eq!((app.balances(&ada).0, app.balances(&ben).0), (json!(6000), json!(4000)));
}
