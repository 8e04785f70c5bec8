//! Tests that a deposit funds the escrows that it names only with the terms that the buyer has
//! seen.

use serde_json::{Value, json};

use crate::checkout::{LiveDeal, framed, live_key, session, submit};
use crate::desk::receipt;
use crate::helpers::{Answer, Deal, LIVE_KEY, TestApp, spawn_app, standard_terms, two_milestones};

fn red_chair() -> Value {
    let mut terms = standard_terms();
    terms["amount"] = json!(1000);
    terms["purpose"] = json!("A red chair");
    terms["whoPays"] = json!("buyer");
    terms
}

/// Announces a deposit of Ben's for a deal. Returns its reference.
fn announced(app: &TestApp, deal: &Deal, major: i64) -> String {
    let deposit = json!({
        "amount": major, "transactionType": "deposit", "depositDetails": { "escrowId": deal.id },
    });
    app.create_intent("ben", &deposit).ok().text("reference")
}

/// Records that the money of a deposit came.
fn came(app: &TestApp, reference: &str, major: i64) -> Answer {
    let body = receipt(major, reference, &json!({ "depositReference": reference }));
    app.as_merchant("POST", "/operator/receipts", Some(&body)).ok()
}

/// A change of an offer.
type Change = dyn Fn(&TestApp, &Deal) -> Answer;

#[test]
fn a_deposit_does_not_fund_terms_that_were_changed_since() {
    let app = spawn_app();
    let brick = |field: &str, value: Value| {
        let mut terms = red_chair();
        terms[field] = value;
        move |app: &TestApp, deal: &Deal| app.edit_escrow("ada", &deal.token, &terms)
    };
    let stages = json!({ "milestones": [
        { "title": "First", "amount": 400, "customerId": "cleo" }, { "title": "Second", "amount": 600 },
    ] });
    let changes: [(&str, Box<Change>); 6] = [
        ("purpose", Box::new(brick("purpose", json!("A brick")))),
        ("time", Box::new(brick("deliveryTimeline", json!("minutes")))),
        ("cheaper", Box::new(brick("amount", json!(999)))),
        ("who pays", Box::new(brick("whoPays", json!("seller")))),
        (
            "milestones",
            Box::new(move |app, deal| app.convert("ada", &deal.token, &stages)),
        ),
        (
            "refundable",
            Box::new(|app, deal| {
                let fee = json!({ "additionalFee": 0, "additionalFeeRefundable": false });
                app.set_additional_fee(&deal.token, &fee)
            }),
        ),
    ];
    for (name, change) in changes {
        let deal = Deal::of(&app.create_escrow("ada", &red_chair()).ok());
        let reference = announced(&app, &deal, 1020);
        change(&app, &deal).ok();
        let before = app.wallet("ben").ok().data()["mainBalance"].as_i64().unwrap();
        let outcome = came(&app, &reference, 1020);
        assert_eq!(outcome.data()["fundedEscrowIds"], json!([]), "{name}");
        let told = json!({
            "code": "terms_changed", "message": "The terms were changed after the deposit was announced",
        });
        assert_eq!(outcome.data()["notFunded"], told, "{name}");
        assert_eq!(app.verify(&deal.token).ok().text("status"), "PENDING", "{name}");
        let after = app.wallet("ben").ok().data()["mainBalance"].as_i64().unwrap();
        assert_eq!(after - before, 1020, "{name}: the money stays in the wallet");
    }
    // Also where the sandbox pays a test account.
    let deal = Deal::of(&app.create_escrow("ada", &red_chair()).ok());
    let deposit = json!({
        "amount": 1020, "transactionType": "deposit", "depositDetails": { "escrowId": deal.id },
    });
    let intent = app.create_intent("ben", &deposit).ok();
    brick("purpose", json!("A brick"))(&app, &deal).ok();
    let number = intent.data()["testAccount"]["accountNumber"].as_str().unwrap();
    let path = format!("/sandbox/test-accounts/{number}/pay");
    app.send("POST", &path, &[], None).ok();
    assert_eq!(app.verify(&deal.token).ok().text("status"), "PENDING");
}

#[test]
fn a_deposit_funds_terms_that_are_the_same_again() {
    let app = spawn_app();
    let deal = Deal::of(&app.create_escrow("ada", &red_chair()).ok());
    let reference = announced(&app, &deal, 1020);
    let mut other = red_chair();
    other["purpose"] = json!("A brick");
    app.edit_escrow("ada", &deal.token, &other).ok();
    let mut same = red_chair();
    (same["maxDelivery"], same["deliveryTimeline"]) = (json!(72), json!("hours"));
    app.edit_escrow("ada", &deal.token, &same).ok();
    assert_eq!(
        came(&app, &reference, 1020).data()["fundedEscrowIds"],
        json!([deal.id]),
        "3 days are 72 hours"
    );
    // One bought of a link is no change of its terms.
    let mut several = red_chair();
    several["totalQuantity"] = json!(3);
    let link = Deal::of(&app.create_escrow("ada", &several).ok());
    let reference = announced(&app, &link, 1020);
    app.pay_for("cleo", &link).ok();
    let outcome = came(&app, &reference, 1020);
    assert_eq!(outcome.data()["fundedEscrowIds"].as_array().unwrap().len(), 1);
    assert_eq!(app.verify(&link.token).ok().data()["totalQuantity"], 1);
}

#[test]
fn a_checkout_says_that_the_offer_has_changed_and_announces_another_transfer() {
    let live = LiveDeal::new();
    let first = live.announce();
    let mut other = two_milestones();
    other["purpose"] = json!("A brick");
    let path = format!("/v1/escrow/milestone/edit/{}", live.deal.token);
    live.app
        .json_with_key(LIVE_KEY, "PUT", &path, &live.seller, &other)
        .ok();
    assert!(
        live.page().text.contains("has changed the offer since"),
        "{}",
        live.page().text
    );
    // Another checkout for the deal as it is now.
    let sent = json!({ "publicKey": live_key(&live.app), "paymentToken": live.deal.token, "customerId": live.buyer });
    let session = session(&live.app, &sent);
    let page = framed(&live.app, &format!("/checkout/{session}")).text;
    assert!(page.contains("Pay by bank transfer"), "{page}");
    assert_eq!(
        submit(&live.app, &format!("/checkout/{session}/transfer"), &[]).status,
        303
    );
    let page = framed(&live.app, &format!("/checkout/{session}")).text;
    assert!(page.contains("data-waiting") && !page.contains(&first), "{page}");
    assert!(!page.contains("has changed the offer"), "{page}");
    let (_, after) = page.split_once("<dt>Reference</dt><dd><strong><code>").unwrap();
    let second = after.split_once('<').unwrap().0;
    let outcome = live.record("in-1", 10_200, &json!({ "depositReference": first }));
    assert_eq!(outcome.data()["notFunded"]["code"], "terms_changed");
    assert!(
        live.page().text.contains("It did not pay for the deal"),
        "{}",
        live.page().text
    );
    let outcome = live.record("in-2", 10_200, &json!({ "depositReference": second }));
    assert_eq!(outcome.data()["fundedEscrowIds"], json!([live.deal.id]));
    assert_eq!(live.app.live_balance(&live.buyer), 10_200);
}
