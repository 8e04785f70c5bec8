//! The rules that `strict` adds for sellers and buyers of milestone escrows (contract
//! section 8).

use serde_json::{Value, json};

use crate::helpers::{Deal, TestApp, spawn_app, spawn_app_with, standard_terms, two_milestones};

struct Strict {
    app: TestApp,
    ada: String,
    ben: String,
}

fn strict() -> Strict {
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
    app.top_up(&ben, 100_000).ok();
    Strict { app, ada, ben }
}

/// Returns the terms of an offer of three milestones with kobo and a delivery window.
fn offer() -> Value {
    json!({
        "amount": 1000,
        "purpose": "Shop fit-out",
        "whoPays": "buyer",
        "maxDelivery": 30,
        "deliveryTimeline": "days",
        "milestones": [
            { "title": "Frame", "amount": 1 }, { "title": "Walls", "amount": 333.33 }, { "title": "Finish", "amount": 665.67 },
        ],
    })
}

#[test]
fn milestones_have_two_decimals_and_are_at_least_one() {
    let Strict { app, ada, .. } = strict();
    let created = app.create_milestone_escrow(&ada, &offer()).ok();
    assert_eq!(created.data()["milestones"][1]["amount"], 333.33);
    let deal = Deal::of(&created);
    for (amount, message) in [
        (
            json!(0.99),
            "milestones[0].amount must be a number of at least 1; got 0.99",
        ),
        (json!(0), "milestones[0].amount must be a number of at least 1; got 0"),
        (
            json!(1.001),
            "milestones[0].amount must be a number with at most two decimals; got 1.001",
        ),
    ] {
        let mut offer = offer();
        offer["milestones"][0]["amount"] = amount;
        app.refuses(400, message, |app| app.create_milestone_escrow(&ada, &offer));
        app.refuses(400, message, |app| app.edit_milestone_escrow(&ada, &deal.token, &offer));
    }
    let not_strict = spawn_app();
    not_strict.wallet("ada").ok();
    not_strict.refuses(
        400,
        "milestones[1].amount must be a positive whole number (the setting strict = true allows two decimals); got 333.33",
        |app| app.create_milestone_escrow("ada", &offer()),
    );
}

/// A conversion that keeps a fractional amount, which the default refuses.
#[test]
fn a_standard_escrow_with_kobo_is_converted() {
    let Strict { app, ada, .. } = strict();
    let mut terms = standard_terms();
    terms["amount"] = json!(1000.5);
    let deal = Deal::of(&app.create_escrow(&ada, &terms).ok());
    let stages = json!([{ "title": "Frame", "amount": 500.5 }, { "title": "Finish", "amount": 500 }]);
    let converted = app.convert(&ada, &deal.token, &json!({ "milestones": stages })).ok();
    assert_eq!(converted.data()["amount"], 1000.5);
    let sum = "The sum of milestone amounts must equal the escrow amount";
    let mut offer = offer();
    offer["amount"] = json!(1000.5);
    app.refuses(400, sum, |app| app.create_milestone_escrow(&ada, &offer));
}

#[test]
fn the_delivery_window_is_required() {
    let Strict { app, ada, .. } = strict();
    let deal = Deal::of(&app.create_milestone_escrow(&ada, &offer()).ok());
    for field in ["maxDelivery", "deliveryTimeline"] {
        let mut offer = offer();
        offer[field] = Value::Null;
        let message = format!("{field} is required");
        app.refuses(400, &message, |app| app.create_milestone_escrow(&ada, &offer));
        app.refuses(400, &message, |app| {
            app.edit_milestone_escrow(&ada, &deal.token, &offer)
        });
    }
    spawn_app().create_milestone_escrow("ada", &two_milestones()).ok();
}

#[test]
fn the_smallest_amount_is_a_thousand() {
    let Strict { app, ada, .. } = strict();
    let mut too_small = offer();
    too_small["amount"] = json!(999.99);
    app.refuses(400, "amount must be at least 1000; got 999.99", |app| {
        app.create_milestone_escrow(&ada, &too_small)
    });
    let mut terms = crate::helpers::standard_terms();
    let deal = Deal::of(&app.create_escrow(&ada, &terms).ok());
    terms["amount"] = json!(999);
    app.refuses(400, "amount must be at least 1000; got 999", |app| {
        app.edit_escrow(&ada, &deal.token, &terms)
    });
    let conversion = json!({ "amount": 999, "milestones": offer()["milestones"] });
    app.refuses(400, "amount must be at least 1000; got 999", |app| {
        app.convert(&ada, &deal.token, &conversion)
    });
}

#[test]
fn milestones_are_confirmed_in_order() {
    let Strict { app, ada, ben } = strict();
    let deal = Deal::of(&app.create_milestone_escrow(&ada, &offer()).ok());
    let payment = json!({
        "amount": 1020, "reference": "one", "gateway": "wallet", "transactionType": "escrow",
        "escrowDetails": { "escrowId": deal.id },
    });
    app.pay(&ben, &payment).ok();
    let out_of_order = "Milestones must be confirmed in order";
    let [first, second, third] = &deal.milestones[..] else {
        panic!("three milestones")
    };
    for later in [second, third] {
        app.refuses(400, out_of_order, |app| app.confirm_milestone(&ben, &deal.id, later));
        app.refuses(401, "Access denied", |app| app.confirm_milestone(&ada, &deal.id, later));
    }
    app.confirm_milestone(&ben, &deal.id, first).ok();
    app.refuses(400, "Milestone has already been released", |app| {
        app.confirm_milestone(&ben, &deal.id, first)
    });
    app.refuses(400, out_of_order, |app| app.confirm_milestone(&ben, &deal.id, third));
    app.confirm_milestone(&ben, &deal.id, second).ok();
    let last = app.confirm_milestone(&ben, &deal.id, third).ok();
    assert_eq!(last.text("status"), "COMPLETED");
    assert_eq!(app.balances(&ada).0, json!(1000));
}

/// A message about an amount names the least that is taken.
#[test]
fn a_wrong_amount_is_told_the_least_of_the_configuration() {
    let Strict { app, ada, ben } = strict();
    let offer_with = |pointer: &str, raw: &str| crate::helpers::with_field(offer(), pointer, raw);
    for (pointer, raw, message) in [
        ("/amount", "-1", "amount must be a number of 1000 or more; got -1"),
        (
            "/amount",
            "\"5\"",
            "amount must be a number, such as 1000 or 1099.95; got \"5\"",
        ),
        (
            "/milestones/0/amount",
            "-1",
            "milestones[0].amount must be a number of 1 or more; got -1",
        ),
        (
            "/milestones/0/amount",
            "\"5\"",
            "milestones[0].amount must be a number, such as 1500 or 99.95; got \"5\"",
        ),
        (
            "/milestones/0/amount",
            "1.001",
            "milestones[0].amount must be a number with at most two decimals; got 1.001",
        ),
    ] {
        let body = offer_with(pointer, raw);
        app.refuses(400, message, |app| {
            app.json_text("POST", "/v1/escrow/milestone/create", &ada, &body)
        });
    }
    for raw in ["-1", "999"] {
        let payment = json!({ "amount": 1, "reference": "one", "escrowDetails": { "escrowId": "x" } });
        let body = crate::helpers::with_field(payment, "/amount", raw);
        let message = format!("amount must be a number of 1000 or more; got {raw}");
        app.refuses(400, &message, |app| {
            app.json_text("POST", "/v1/payment/escrow", &ben, &body)
        });
    }
}
