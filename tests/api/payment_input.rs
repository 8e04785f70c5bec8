//! The values that the fields of a payment and a top-up may hold (contract sections 4.3.1,
//! 4.3.9 and 8).

use serde_json::{Value, json};

use crate::cluster;
use crate::helpers::{Answer, Deal, TestApp, spawn_app, two_milestones, with_field};

const PAY: &str = "/v1/payment/escrow";
const TOP_UP: &str = "/v1/payment/topup";

/// Spawns a service with the customers Ada and Ben and an offer of Ada's.
fn with_an_offer() -> (TestApp, Deal) {
    let app = spawn_app();
    let deal = app.offered();
    app.wallet("ben").ok();
    (app, deal)
}

fn payment(deal: &Deal) -> Value {
    json!({
        "amount": 10200,
        "reference": "order-17",
        "transactionType": "escrow",
        "gateway": "wallet",
        "currency": "NGN",
        "escrowDetails": { "escrowId": deal.id },
    })
}

/// A row has a field's pointer, its value (empty removes the field) and the message.
#[track_caller]
fn refuses_each(rows: &[(&str, &str, &str)]) {
    let (app, deal) = with_an_offer();
    for (pointer, raw, message) in rows {
        let body = with_field(payment(&deal), pointer, raw);
        app.refuses(400, message, |app| app.json_text("POST", PAY, "ben", &body));
    }
}

#[test]
fn an_amount_that_is_not_a_number_is_refused() {
    let (app, deal) = with_an_offer();
    for raw in ["\"10200\"", "\" \"", "true", "[]", "[10200]", "{}"] {
        let message = format!("amount must be a number, such as 1500 or 99.95; got {raw}");
        app.refuses(400, &message, |app| {
            app.json_text("POST", PAY, "ben", &with_field(payment(&deal), "/amount", raw))
        });
        let message = format!("amount must be a number, such as 1000 or 1099.95; got {raw}");
        app.refuses(400, &message, |app| {
            app.json_text("POST", TOP_UP, "ben", &format!("{{\"amount\":{raw}}}"))
        });
    }
}

#[test]
fn a_negative_amount_is_refused_with_the_least_of_its_route() {
    let (app, deal) = with_an_offer();
    for raw in ["-1", "-10200"] {
        let message = format!("amount must be a number of 0.01 or more; got {raw}");
        app.refuses(400, &message, |app| {
            app.json_text("POST", PAY, "ben", &with_field(payment(&deal), "/amount", raw))
        });
        let message = format!("amount must be a number of 1000 or more; got {raw}");
        app.refuses(400, &message, |app| {
            app.json_text("POST", TOP_UP, "ben", &format!("{{\"amount\":{raw}}}"))
        });
    }
}

#[test]
fn an_amount_that_is_not_a_sum_of_money_is_refused() {
    let (app, deal) = with_an_offer();
    let digits_50 = "9".repeat(50);
    for (raw, expected) in [
        ("10200.001", "a number with at most two decimals"),
        ("90071992547409.92", "a number of at most 90071992547409.91"),
        (&digits_50, "a number of at most 90071992547409.91"),
    ] {
        let message = format!("amount must be {expected}; got {raw}");
        app.refuses(400, &message, |app| {
            app.json_text("POST", PAY, "ben", &with_field(payment(&deal), "/amount", raw))
        });
        app.refuses(400, &message, |app| {
            app.json_text("POST", TOP_UP, "ben", &format!("{{\"amount\":{raw}}}"))
        });
    }
}

#[test]
fn a_payment_that_differs_from_the_due_amount_is_refused() {
    let mismatch = "Amount mismatch";
    refuses_each(&[
        ("/amount", "0", mismatch),
        ("/amount", "10000", mismatch),
        ("/amount", "10199.99", mismatch),
        ("/amount", "10200.01", mismatch),
        ("/amount", "90071992547409.91", mismatch),
    ]);
}

#[test]
fn every_field_but_the_escrow_may_be_missing_null_or_empty() {
    let app = spawn_app();
    for pointer in ["/amount", "/reference", "/transactionType", "/gateway", "/currency"] {
        for raw in ["", "null", "\"\""] {
            let mut body = payment(&app.offered());
            body["reference"] = json!(format!("{pointer}{raw}"));
            app.json_text("POST", PAY, "ben", &with_field(body, pointer, raw)).ok();
        }
    }
}

#[test]
fn words_may_come_in_any_case_and_needless_decimals_change_nothing() {
    let app = spawn_app();
    for (pointer, raw) in [
        ("/transactionType", "\"ESCROW\""),
        ("/gateway", "\"WALLET\""),
        ("/gateway", "\"Wallet\""),
        ("/amount", "10200.00"),
        ("/cardId", "\"ignored\""),
        ("/escrowDetails/junk", "[1]"),
    ] {
        let mut body = payment(&app.offered());
        body["reference"] = json!(format!("{pointer}{raw}"));
        app.json_text("POST", PAY, "ben", &with_field(body, pointer, raw)).ok();
    }
}

#[test]
fn a_reference_of_a_bad_shape_is_refused() {
    let (app, deal) = with_an_offer();
    let long = json!("x".repeat(65)).to_string();
    for raw in [
        "5",
        "true",
        "[]",
        "{}",
        "\"é\"",
        "\"a\\nb\"",
        "\"a\\u0000\"",
        "\"\\ud800\"",
        &long,
    ] {
        let message = format!("reference must be 1 to 64 printable ASCII characters; got {raw}");
        let body = with_field(payment(&deal), "/reference", raw);
        app.refuses(400, &message, |app| app.json_text("POST", PAY, "ben", &body));
    }
    let longest = format!("{}7", "~".repeat(63));
    let body = with_field(payment(&deal), "/reference", &json!(longest).to_string());
    let paid = app.json_text("POST", PAY, "ben", &body).ok();
    assert_eq!(paid.text("reference"), longest);
}

#[test]
fn a_payment_of_another_kind_is_refused() {
    refuses_each(&[
        (
            "/transactionType",
            "\"deposit\"",
            "transactionType must be \"escrow\"; got \"deposit\"",
        ),
        ("/transactionType", "5", "transactionType must be \"escrow\"; got 5"),
        (
            "/transactionType",
            "[\"escrow\"]",
            "transactionType must be \"escrow\"; got [\"escrow\"]",
        ),
        ("/gateway", "\"card\"", "cardId is required"),
        (
            "/gateway",
            "\"PAYSTACK\"",
            "gateway must be \"wallet\" or \"card\"; got \"PAYSTACK\"",
        ),
        ("/gateway", "false", "gateway must be \"wallet\" or \"card\"; got false"),
        ("/currency", "\"USD\"", "currency must be \"NGN\"; got \"USD\""),
        ("/currency", "\"ngn\"", "currency must be \"NGN\"; got \"ngn\""),
        ("/currency", "{}", "currency must be \"NGN\"; got {}"),
    ]);
}

#[test]
fn escrow_details_of_a_bad_shape_are_refused() {
    refuses_each(&[
        ("/escrowDetails", "", "escrowDetails is required"),
        ("/escrowDetails", "null", "escrowDetails is required"),
        ("/escrowDetails", "\"\"", "escrowDetails is required"),
        ("/escrowDetails", "\"x\"", "escrowDetails must be an object; got \"x\""),
        ("/escrowDetails", "5", "escrowDetails must be an object; got 5"),
        ("/escrowDetails", "true", "escrowDetails must be an object; got true"),
        ("/escrowDetails", "[]", "escrowDetails must be an object; got []"),
        (
            "/escrowDetails",
            "{}",
            "escrowDetails must be an object with escrowId or paymentToken; got {}",
        ),
        (
            "/escrowDetails",
            r#"{"escrowId":null}"#,
            r#"escrowDetails must be an object with escrowId or paymentToken; got {"escrowId":null}"#,
        ),
        (
            "/escrowDetails",
            r#"{"escrowId":"","paymentToken":""}"#,
            r#"escrowDetails must be an object with escrowId or paymentToken; got {"escrowId":"","paymentToken":""}"#,
        ),
        (
            "/escrowDetails/escrowId",
            "5",
            "escrowDetails.escrowId must be a text; got 5",
        ),
        (
            "/escrowDetails/escrowId",
            "{}",
            "escrowDetails.escrowId must be a text; got {}",
        ),
        (
            "/escrowDetails/escrowId",
            "[]",
            "escrowDetails.escrowId must be an escrow id or a list of 1 to 50 of them; got []",
        ),
        (
            "/escrowDetails/escrowId",
            "[5]",
            "escrowDetails.escrowId[0] must be a text; got 5",
        ),
        (
            "/escrowDetails/escrowId",
            "[[]]",
            "escrowDetails.escrowId[0] must be a text; got []",
        ),
        (
            "/escrowDetails/escrowId",
            "[null]",
            "escrowDetails.escrowId[0] must be a text; got null",
        ),
        (
            "/escrowDetails",
            r#"{"paymentToken":5}"#,
            "escrowDetails.paymentToken must be a text; got 5",
        ),
        (
            "/escrowDetails",
            r#"{"paymentToken":[]}"#,
            "escrowDetails.paymentToken must be a text; got []",
        ),
        (
            "/escrowDetails/paymentToken",
            "5",
            "escrowDetails.paymentToken must be a text; got 5",
        ),
        (
            "/escrowDetails",
            r#"{"escrowId":"x","escrowId":"x"}"#,
            "escrowDetails.escrowId must be sent once; got it twice",
        ),
    ]);
}

#[test]
fn an_escrow_that_does_not_exist_is_not_found() {
    let missing = "Escrow not found";
    refuses_each(&[
        ("/escrowDetails/escrowId", "\"665f1b2c9a1e4d0012ab3c10\"", missing),
        ("/escrowDetails/escrowId", "[\"665f1b2c9a1e4d0012ab3c10\"]", missing),
        ("/escrowDetails/escrowId", "\"000000000000000000000000\"", missing),
        ("/escrowDetails/escrowId", "\"junk\"", missing),
        ("/escrowDetails/escrowId", "\" \"", missing),
        ("/escrowDetails/escrowId", "\"' OR 1=1 --\"", missing),
        ("/escrowDetails", r#"{"paymentToken":"PY_ABCDEFGH0000"}"#, missing),
        ("/escrowDetails", r#"{"paymentToken":"%"}"#, missing),
        ("/escrowDetails", r#"{"paymentToken":"a\u0000b"}"#, missing),
    ]);
}

#[test]
fn one_unknown_escrow_in_a_list_refuses_all_of_it() {
    let (app, deal) = with_an_offer();
    let ids = json!([deal.id, "665f1b2c9a1e4d0012ab3c10"]);
    app.refuses(400, "Escrow not found", |app| {
        app.pay("ben", &json!({ "escrowDetails": { "escrowId": ids } }))
    });
}

#[test]
fn an_escrow_named_twice_is_refused() {
    let (app, deal) = with_an_offer();
    let message = format!(
        "escrowDetails.escrowId must be a list that names each escrow once; got {}",
        deal.id
    );
    let ids = json!([deal.id, deal.id]);
    app.refuses(400, &message, |app| {
        app.pay("ben", &json!({ "escrowDetails": { "escrowId": ids } }))
    });
}

#[test]
fn more_escrows_than_one_payment_may_have_are_refused() {
    let (app, deal) = with_an_offer();
    let ids = json!(vec![deal.id.clone(); 51]);
    let echo: String = ids.to_string().chars().take(80).collect();
    let message = format!("escrowDetails.escrowId must be an escrow id or a list of 1 to 50 of them; got {echo}…");
    app.refuses(400, &message, |app| {
        app.pay("ben", &json!({ "escrowDetails": { "escrowId": ids } }))
    });
}

#[test]
fn fifty_escrows_are_paid_for_at_once() {
    let app = spawn_app();
    let ids: Vec<String> = (0..50).map(|_| app.offered().id).collect();
    let paid = app.pay("ben", &json!({ "escrowDetails": { "escrowId": ids } })).ok();
    assert_eq!(paid.data()["amount"], 510_000);
    assert_eq!(app.balances("ben"), (json!(490_000), json!(500_000)));
}

#[test]
fn the_first_invalid_field_of_a_payment_is_named() {
    let (app, deal) = with_an_offer();
    let mut body = json!({
        "escrowDetails": 5, "currency": "USD", "gateway": "cash", "transactionType": "deposit",
        "reference": 5, "amount": "5",
    });
    for (message, field, mended) in [
        (
            "amount must be a number, such as 1500 or 99.95; got \"5\"",
            "amount",
            json!(10200),
        ),
        (
            "reference must be 1 to 64 printable ASCII characters; got 5",
            "reference",
            json!("r"),
        ),
        (
            "transactionType must be \"escrow\"; got \"deposit\"",
            "transactionType",
            json!("escrow"),
        ),
        (
            "gateway must be \"wallet\" or \"card\"; got \"cash\"",
            "gateway",
            json!("wallet"),
        ),
        ("currency must be \"NGN\"; got \"USD\"", "currency", json!("NGN")),
        (
            "escrowDetails must be an object; got 5",
            "escrowDetails",
            json!({ "escrowId": deal.id }),
        ),
    ] {
        app.refuses(400, message, |app| app.pay("ben", &body));
        body[field] = mended;
    }
    app.pay("ben", &body).ok();
}

#[test]
fn a_field_sent_twice_is_refused() {
    let (app, deal) = with_an_offer();
    let body = payment(&deal).to_string().replacen('{', "{\"amount\":10200,", 1);
    app.refuses(400, "amount must be sent once; got it twice", |app| {
        app.json_text("POST", PAY, "ben", &body)
    });
    app.refuses(400, "amount must be sent once; got it twice", |app| {
        app.json_text("POST", TOP_UP, "ben", r#"{"amount":1000,"amount":1000}"#)
    });
}

#[test]
fn a_top_up_outside_its_bounds_is_refused() {
    let (app, _) = with_an_offer();
    for (raw, message) in [
        ("null", "amount is required"),
        ("\"\"", "amount is required"),
        ("0", "amount must be a number from 1000 to 100000; got 0"),
        ("999.99", "amount must be a number from 1000 to 100000; got 999.99"),
        (
            "100000.01",
            "amount must be a number from 1000 to 100000; got 100000.01",
        ),
        (
            "90071992547409.91",
            "amount must be a number from 1000 to 100000; got 90071992547409.91",
        ),
    ] {
        app.refuses(400, message, |app| {
            app.json_text("POST", TOP_UP, "ben", &format!("{{\"amount\":{raw}}}"))
        });
    }
    app.refuses(400, "amount is required", |app| {
        app.json_text("POST", TOP_UP, "ben", "{}")
    });
}

#[test]
fn a_top_up_at_its_bounds_is_accepted_as_often_as_wanted() {
    let app = spawn_app();
    for (raw, balance) in [
        ("1000", json!(1_001_000)),
        ("1000.0", json!(1_002_000)),
        ("100000", json!(1_102_000)),
        ("1000.5", json!(1_103_000.5)),
    ] {
        let answer = app
            .json_text("POST", TOP_UP, "ben", &format!("{{\"amount\":{raw},\"junk\":1}}"))
            .ok();
        assert_eq!(answer.message(), "Virtual account top up successful");
        assert_eq!(answer.data()["mainBalance"], balance);
    }
}

#[test]
fn a_payment_beyond_the_balance_is_refused() {
    let (app, _) = with_an_offer();
    let mut offer = two_milestones();
    offer["amount"] = json!(10_000_000);
    offer["milestones"][0]["amount"] = json!(9_994_000);
    let deal = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
    app.refuses(400, "Insufficient balance", |app| app.pay_for("ben", &deal));
}

fn pay_under(app: &TestApp, deal: &Deal, reference: &str) -> Answer {
    let body = json!({ "reference": reference, "escrowDetails": { "escrowId": deal.id } });
    app.pay("ben", &body)
}

fn deposit_under(app: &TestApp, reference: &str) -> Answer {
    let body = json!({ "reference": reference, "amount": 1000, "transactionType": "deposit" });
    app.create_intent("ben", &body)
}

/// A reference that shows nothing cannot be found again in a list, and one that looks like a
/// commission's would be taken for it.
#[test]
fn a_reference_must_be_visible_and_not_look_like_one_that_the_service_makes() {
    const VISIBLE: &str = "a text with at least one letter or digit";
    const OWN: &str =
        "a text that does not begin with CMSN- or DLV-, as the references of commissions and additional fees do";
    let app = spawn_app();
    let deal = app.offered();
    let pay = |reference| pay_under(&app, &deal, reference);
    let deposit = |reference| deposit_under(&app, reference);
    for (reference, expected) in [
        (" ", VISIBLE),
        ("   ", VISIBLE),
        ("---", VISIBLE),
        ("CMSN-", OWN),
        ("CMSN-order-1", OWN),
        ("DLV-0123456789ABCDEFGHI", OWN),
    ] {
        let message = format!("reference must be {expected}; got \"{reference}\"");
        app.refuses(400, &message, |_| pay(reference));
        app.refuses(400, &message, |_| deposit(reference));
    }
    for (hidden, shown) in [("\u{200b}", r"\u200b"), ("\u{2060}\u{feff}", r"\u2060\ufeff")] {
        let message = format!("reference must be 1 to 64 printable ASCII characters; got \"{shown}\"");
        app.refuses(400, &message, |_| deposit(hidden));
    }
    for reference in ["-1-", "cmsn-1", "XCMSN-1", " DLV-1", "DLV"] {
        assert_eq!(deposit(reference).ok().text("reference"), reference);
    }
}

/// Such a reference may stand in a database since before it was refused.
#[test]
fn a_payment_under_an_unusual_reference_of_before_is_answered_again() {
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let app = spawn_app();
    let deal = app.offered();
    let pay = |reference| pay_under(&app, &deal, reference);
    let deposit = |reference| deposit_under(&app, reference);
    let paid = pay("old-1").ok();
    let intent = deposit("old-2").ok();
    let file = app.sqlite();
    for (old, new) in [("old-1", "CMSN-1"), ("old-2", "   ")] {
        for (table, column) in [
            ("payment_transaction", "reference"),
            ("requested_payment", "reference"),
            ("escrow", "payment_reference"),
        ] {
            let sql = format!(
                "UPDATE {table} SET {column} = ?2, checksum = changed_checksum(checksum, '{column}', ?1, ?2)
                 WHERE {column} = ?1"
            );
            file.execute(&sql, [old, new]).unwrap();
        }
    }
    drop(file);
    assert_eq!(pay("CMSN-1").ok().text("id"), paid.text("id"));
    assert_eq!(deposit("   ").ok().text("id"), intent.text("id"));
    app.refuses(400, "Duplicate reference", |_| deposit("CMSN-1"));
    let verified = app.verify_payment("ben", "   ").ok();
    assert_eq!(
        (verified.text("id"), verified.text("reference")),
        (intent.text("id"), "   ".to_owned())
    );
    let found = app.history("ben", "?reference=CMSN-1").ok();
    assert_eq!(found.data()[0]["id"], paid.data()["id"]);
}
