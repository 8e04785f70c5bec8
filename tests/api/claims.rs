//! Tests claims: the seller takes the funds that the buyer did not confirm in time (contract
//! section 4.2.6).

use serde_json::{Value, json};

use crate::helpers::{Deal, TestApp, spawn_app, spawn_app_with, standard_terms};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// Creates an escrow of 1,234.56 with an additional fee of 37.04, sold by this party, with a
/// delivery window of one minute, and pays for it as Ben.
fn paid_for(app: &TestApp, seller: &str) -> Deal {
    let mut terms = standard_terms();
    terms["maxDelivery"] = json!(1);
    terms["deliveryTimeline"] = json!("minutes");
    let created = if seller.is_empty() {
        app.as_merchant("POST", "/v1/escrow/create", Some(&terms))
    } else {
        app.create_escrow(seller, &terms)
    };
    let deal = Deal::of(&created.ok());
    app.set_additional_fee(&deal.token, &json!({ "additionalFee": 37.04 }))
        .ok();
    app.pay_for("ben", &deal).ok();
    deal
}

#[test]
fn a_seller_claims_a_day_after_the_delivery_window() {
    let app = spawn_app();
    let deal = paid_for(&app, "ada");
    app.refuses(400, "Escrow cannot be claimed yet", |app| app.claim("ada", &deal.token));
    app.pass_seconds(DAY + MINUTE - 30);
    let early = app.refuses(400, "Escrow cannot be claimed yet", |app| app.claim("ada", &deal.token));
    let paid_at: i64 = app.verify(&deal.token).text("paidAt").parse().unwrap();
    let claimable_at = (paid_at + DAY + MINUTE).to_string();
    assert_eq!(early.body["details"]["claimableAt"], claimable_at);

    app.pass_seconds(30);
    let claimed = app.claim("ada", &deal.token).ok();
    assert_eq!(claimed.message(), "Funds claimed successfully");
    assert_eq!(
        (claimed.text("state"), claimed.text("status")),
        ("CLOSED".into(), "CLAIMED".into())
    );
    let completed_at: i64 = claimed.text("completedAt").parse().unwrap();
    assert!(completed_at >= paid_at + DAY + MINUTE);
    assert_eq!(claimed.data()["approvedClaimBy"], Value::Null);
    assert_eq!(claimed.data()["isSeller"], true);
    assert_eq!(
        app.escrow_transfers(),
        [
            "FUND customer_main:ben -> customer_escrow:ben 127160",
            "RELEASE customer_escrow:ben -> customer_main:ada 120987",
            "PLATFORM_FEE customer_escrow:ben -> platform_fees 2469",
            "ADDITIONAL_FEE customer_escrow:ben -> merchant_main 3704",
        ]
    );
    let mut verified = app.verify(&deal.token).ok().data().clone();
    verified["isSeller"] = json!(true);
    assert_eq!(verified, *claimed.data());
    assert_eq!(
        app.column("SELECT name FROM event JOIN event_name ON event_name.id = name_id ORDER BY event.id DESC LIMIT 3"),
        ["payment.delivery.success", "escrow.claimed", "payment.escrow.success"]
    );
}

#[test]
fn the_claim_grace_period_is_configured() {
    let app = spawn_app_with(|config| config.claim_grace_seconds = 0);
    let deal = paid_for(&app, "ada");
    app.refuses(400, "Escrow cannot be claimed yet", |app| app.claim("ada", &deal.token));
    app.pass_seconds(MINUTE);
    app.claim("ada", &deal.token).ok();
}

#[test]
fn strict_mode_claims_by_the_same_rule() {
    let app = spawn_app_with(|config| {
        config.strict = true;
        config.limits.requests_per_minute = 1_000;
    });
    let new = |number: i64| {
        let customer = json!({
            "firstname": "A", "lastname": "B",
            "email": format!("c{number}@shop.example"), "phone": format!("0801234567{number}"),
        });
        app.create_customer(&customer).ok().text("customerId")
    };
    let (ada, ben) = (new(1), new(2));
    app.top_up(&ben, 10_000).ok();
    let deal = Deal::of(&app.create_escrow(&ada, &standard_terms()).ok());
    let payment = json!({
        "amount": 1234.56, "reference": "one", "gateway": "wallet", "transactionType": "escrow",
        "escrowDetails": { "escrowId": deal.id },
    });
    app.pay(&ben, &payment).ok();
    app.pass_seconds(4 * DAY - 30);
    app.refuses(400, "Escrow cannot be claimed yet", |app| app.claim(&ada, &deal.token));
    app.pass_seconds(30);
    assert_eq!(app.claim(&ada, &deal.token).ok().text("status"), "CLAIMED");
}

#[test]
fn a_merchant_claims_an_escrow_that_it_sold() {
    let app = spawn_app();
    let deal = paid_for(&app, "");
    app.pass_seconds(2 * DAY);
    app.refuses(401, "Access denied", |app| app.claim("ada", &deal.token));
    let claimed = app.claim("", &deal.token).ok();
    assert_eq!(claimed.data()["isSeller"], true);
    assert_eq!(
        app.escrow_transfers()[1],
        "RELEASE customer_escrow:ben -> merchant_main 120987"
    );
}

/// If several refusals apply, the service answers with the first in this order.
#[test]
fn claims_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    let milestones = app.funded();
    let unfunded = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    let open = paid_for(&app, "ada");
    let confirmed = paid_for(&app, "ada");
    app.confirm_payment("ben", &confirmed.id).ok();
    app.pass_seconds(DAY);
    let claimed = paid_for(&app, "ada");
    app.wallet("dan").ok();
    for token in ["PY_NOBODY", &open.id, "x"] {
        app.refuses(400, "Escrow not found", |app| app.claim("dan", token));
    }
    for caller in ["dan", "ben", ""] {
        for deal in [&milestones, &unfunded, &confirmed, &open] {
            app.refuses(401, "Access denied", |app| app.claim(caller, &deal.token));
        }
    }
    for deal in [&milestones, &unfunded, &confirmed] {
        app.refuses(400, "Action not allowed", |app| app.claim("ada", &deal.token));
    }
    app.refuses(400, "Escrow cannot be claimed yet", |app| {
        app.claim("ada", &claimed.token)
    });
    app.pass_seconds(DAY + MINUTE);
    app.claim("ada", &claimed.token).ok();
    app.refuses(400, "Action not allowed", |app| app.claim("ada", &claimed.token));
    app.refuses(400, "Action not allowed", |app| app.confirm_payment("ben", &claimed.id));
    app.refuses(400, "Escrow not found", |app| {
        let path = format!("/v1/escrow/claim-funds/{}", open.token);
        app.json_with_key("sk_test_other", "GET", &path, "ada", &json!({}))
    });
}

#[test]
fn a_concurrent_claim_and_confirmation_pay_once() {
    let app = spawn_app();
    let deal = paid_for(&app, "ada");
    app.pass_seconds(2 * DAY);
    let answers = app.run_concurrently(8, |app, index| {
        if index % 2 == 0 {
            app.claim("ada", &deal.token)
        } else {
            app.confirm_payment("ben", &deal.id)
        }
    });
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(app.balances("ada").0, json!(1_001_209.87));
}
