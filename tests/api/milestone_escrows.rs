//! Milestone escrows (contract section 4.1).

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, kobo, spawn_app, spawn_app_with, standard_terms, two_milestones};
use crate::shapes::{REFERENCE, assert_shape, assert_unix_now};

const NO_ID: &str = "0123456789abcdef01234567";

/// Returns the terms of an offer of two milestones that uses every field.
fn full_offer() -> Value {
    json!({
        "amount": 10000,
        "purpose": "Shop fit-out",
        "description": "Frame and finish\nof the front",
        "whoPays": "buyer",
        "maxDelivery": 12,
        "deliveryTimeline": "hours",
        "totalQuantity": 1,
        "milestones": [
            { "title": "Frame", "description": "Steel frame", "amount": 4000, "dueDate": "2099-12-01" },
            { "title": "Finish", "amount": 6000, "customerId": "cleo" },
        ],
    })
}

/// Returns the terms of an offer of three milestones of 1,000, the second for Cleo.
fn three_milestones() -> Value {
    json!({
        "amount": 3000,
        "purpose": "A garden",
        "whoPays": "buyer",
        "milestones": [
            { "title": "Dig", "amount": 1000 },
            { "title": "Plant", "amount": 1000, "customerId": "cleo" },
            { "title": "Water", "amount": 1000 },
        ],
    })
}

#[track_caller]
fn state(answer: &Answer) -> (String, String) {
    (answer.text("state"), answer.text("status"))
}

fn verify_as(app: &TestApp, viewer: &str, token: &str) -> Answer {
    let path = format!("/v1/escrow/verify/{token}");
    app.send("GET", &path, &[("customer-id", viewer)], None).ok()
}

#[test]
fn a_deal_runs_from_offer_to_completion() {
    let app = spawn_app();
    let mut offer = two_milestones();
    offer["milestones"][1]["customerId"] = json!("cleo");
    let created = app.create_milestone_escrow("ada", &offer).ok();
    assert_eq!(
        (created.status, created.message()),
        (201, "Milestone escrow created successfully")
    );
    let deal = Deal::of(&created);

    let paid = app.pay_for("ben", &deal).ok();
    assert_eq!(paid.message(), "Payment intent verified successfully");
    assert_eq!(paid.data()["amount"], 10200);
    assert_eq!(app.balances("ben"), (json!(989_800), json!(10000)));

    let first = app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    assert_eq!(first.message(), "Milestone confirmed successfully");
    assert_eq!(
        (&first.data()["state"], &first.data()["status"]),
        (&json!("OPENED"), &json!("ONGOING"))
    );
    assert_eq!(app.balances("ben"), (json!(989_800), json!(6000)));
    assert_eq!(app.balances("ada"), (json!(1_004_000), json!(0)));

    let last = app.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    assert_eq!(
        (&last.data()["state"], &last.data()["status"]),
        (&json!("CLOSED"), &json!("COMPLETED"))
    );
    assert_eq!(app.balances("ben"), (json!(989_800), json!(0)));
    assert_eq!(app.balances("cleo"), (json!(1_006_000), json!(0)));
}

#[test]
fn omitted_fields_have_defaults() {
    let app = spawn_app();
    let created = app.create_milestone_escrow("ada", &two_milestones()).ok();
    let escrow = created.data();
    assert_eq!(escrow["description"], Value::Null);
    assert_eq!(
        (&escrow["maxDelivery"], &escrow["deliveryTimeline"]),
        (&json!(30), &json!("days"))
    );
    assert_eq!(escrow["totalQuantity"], 1);
}

#[test]
fn confirm_and_verify_show_the_progress_of_an_escrow() {
    let app = spawn_app();
    let deal = app.offered();
    let offered = app.verify(&deal.token).ok();
    sleep(Duration::from_millis(3));

    let paid = app.pay_for("ben", &deal).ok();
    let funded = app.verify(&deal.token).ok();
    assert_eq!(state(&funded), ("OPENED".to_owned(), "ONGOING".to_owned()));
    assert_unix_now(&funded.data()["paidAt"]);
    assert_shape(&paid.data()["reference"], REFERENCE);
    let payment = json!({
        "id": paid.data()["id"],
        "amount": 10200,
        "status": "success",
        "reference": paid.data()["reference"],
        "fee": 0,
        "transactionType": "escrow",
        "currency": "NGN",
        "createdAt": paid.data()["createdAt"],
    });
    assert_eq!(funded.data()["paymentDetails"].to_string(), payment.to_string());
    assert_eq!(funded.data()["updatedAt"], paid.data()["createdAt"]);
    assert!(offered.text("updatedAt") < funded.text("updatedAt"));
    sleep(Duration::from_millis(3));

    let partial = app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    assert_eq!(state(&partial), ("OPENED".to_owned(), "ONGOING".to_owned()));
    assert_eq!(partial.data()["completedAt"], Value::Null);
    let [released, pending] = [0, 1].map(|index| &partial.data()["milestones"][index]);
    assert_eq!(released["status"], "RELEASED");
    assert_unix_now(&released["releasedAt"]);
    assert_eq!(
        (&pending["status"], &pending["releasedAt"]),
        (&json!("PENDING"), &Value::Null)
    );
    assert!(funded.text("updatedAt") < partial.text("updatedAt"));
    assert_eq!(*app.verify(&deal.token).data(), *partial.data());
    sleep(Duration::from_millis(3));

    let last = app.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    assert_eq!(state(&last), ("CLOSED".to_owned(), "COMPLETED".to_owned()));
    assert_unix_now(&last.data()["completedAt"]);
    assert_eq!(last.data()["milestones"][1]["status"], "RELEASED");
    assert_eq!(last.data()["paymentDetails"], payment);
    assert!(partial.text("updatedAt") < last.text("updatedAt"));
    assert_eq!(last.data()["createdAt"], offered.data()["createdAt"]);
    assert_eq!(*app.verify(&deal.token).data(), *last.data());
}

#[test]
fn only_the_seller_is_shown_as_the_seller() {
    let app = spawn_app();
    let deal = app.funded();
    assert_eq!(verify_as(&app, "ada", &deal.token).data()["isSeller"], true);
    assert_eq!(verify_as(&app, "ben", &deal.token).data()["isSeller"], false);
    assert_eq!(verify_as(&app, "not even an id", &deal.token).data()["isSeller"], false);
    assert_eq!(app.verify(&deal.token).data()["isSeller"], false);
    let confirmed = app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    assert_eq!(confirmed.data()["isSeller"], false);
}

#[test]
fn milestones_are_listed_in_the_order_they_were_offered() {
    let app = spawn_app();
    let created = app.create_milestone_escrow("ada", &three_milestones()).ok();
    let deal = Deal::of(&created);
    let listed = app.milestones(&deal.token).ok();
    assert_eq!(listed.message(), "Milestones fetched successfully");
    assert_eq!(listed.data().to_string(), created.data()["milestones"].to_string());

    app.pay_for("ben", &deal).ok();
    let confirmed = app.confirm_milestone("ben", &deal.id, &deal.milestones[2]).ok();
    let listed = app.milestones(&deal.token).ok();
    assert_eq!(listed.data(), &confirmed.data()["milestones"]);
    assert_eq!(listed.data()[2]["status"], "RELEASED");
}

#[test]
fn a_standard_escrow_has_no_milestones() {
    let app = spawn_app();
    let token = app.create_escrow("ada", &standard_terms()).ok().text("paymentToken");
    assert_eq!(*app.milestones(&token).ok().data(), json!([]));
}

#[test]
fn an_escrow_that_does_not_exist_cannot_be_read() {
    let app = spawn_app();
    let deal = app.offered();
    for token in ["PY_AAAAAAAA0000", "nonsense", deal.id.as_str()] {
        app.refuses(400, "Escrow not found", |app| app.milestones(token));
        app.refuses(400, "Escrow not found", |app| app.verify(token));
    }
}

#[test]
fn an_edit_replaces_everything_but_id_and_token() {
    let app = spawn_app();
    let created = app.create_milestone_escrow("ada", &full_offer()).ok();
    let before = Deal::of(&created);
    sleep(Duration::from_millis(3));
    let edited = app
        .edit_milestone_escrow("ada", &before.token, &three_milestones())
        .ok();
    assert_eq!(
        (edited.status, edited.message()),
        (200, "Milestone escrow updated successfully")
    );
    let after = Deal::of(&edited);
    assert_eq!((&after.id, &after.token), (&before.id, &before.token));
    assert!(after.milestones.iter().all(|id| !before.milestones.contains(id)));

    let escrow = edited.data();
    assert_eq!((&escrow["amount"], &escrow["fee"]), (&json!(3000), &json!(60)));
    assert_eq!(escrow["purpose"], "A garden");
    assert_eq!(
        escrow["description"],
        Value::Null,
        "an edit kept a field that it did not send"
    );
    assert_eq!(
        (&escrow["maxDelivery"], &escrow["deliveryTimeline"]),
        (&json!(30), &json!("days"))
    );
    let titles = [0, 1, 2].map(|index| escrow["milestones"][index]["title"].clone());
    assert_eq!(titles, ["Dig", "Plant", "Water"]);
    assert_eq!(escrow["createdAt"], created.data()["createdAt"]);
    assert!(edited.text("updatedAt") > created.text("updatedAt"));
    assert_eq!(*verify_as(&app, "ada", &after.token).data(), *escrow);

    let paid = app.pay_for("ben", &after).ok();
    assert_eq!(paid.data()["amount"], 3060, "the payment used the old terms");
}

#[test]
fn an_edit_that_is_not_allowed_is_refused() {
    let app = spawn_app();
    let offer = two_milestones();
    let offered = app.offered();
    let funded = app.funded();
    let standard = app.create_escrow("ada", &standard_terms()).ok().text("paymentToken");
    app.wallet("dan").ok();
    app.json_with_key("sk_test_other", "GET", "/v1/wallet", "ada", &json!({}))
        .ok();

    app.refuses(400, "Escrow not found", |app| {
        app.edit_milestone_escrow("ada", "PY_AAAAAAAA0000", &offer)
    });
    for stranger in ["ben", "dan", "erin"] {
        app.refuses(401, "Access denied", |app| {
            app.edit_milestone_escrow(stranger, &offered.token, &offer)
        });
    }
    app.refuses(401, "Access denied", |app| {
        app.edit_milestone_escrow("ben", &funded.token, &offer)
    });
    app.refuses(400, "Escrow not found", |app| {
        let path = format!("/v1/escrow/milestone/edit/{}", offered.token);
        app.json_with_key("sk_test_other", "PUT", &path, "ada", &offer)
    });
    app.refuses(400, "Escrow is not a milestone escrow", |app| {
        app.edit_milestone_escrow("ada", &standard, &offer)
    });
    app.refuses(400, "Action not allowed", |app| {
        app.edit_milestone_escrow("ada", &funded.token, &offer)
    });
    app.confirm_milestone("ben", &funded.id, &funded.milestones[0]).ok();
    app.confirm_milestone("ben", &funded.id, &funded.milestones[1]).ok();
    app.refuses(400, "Action not allowed", |app| {
        app.edit_milestone_escrow("ada", &funded.token, &offer)
    });
}

#[test]
fn confirming_a_released_milestone_is_refused() {
    let app = spawn_app();
    let deal = app.funded();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    app.refuses(400, "Milestone has already been released", |app| {
        app.confirm_milestone("ben", &deal.id, &deal.milestones[0])
    });
    app.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    for milestone in &deal.milestones {
        app.refuses(400, "Milestone has already been released", |app| {
            app.confirm_milestone("ben", &deal.id, milestone)
        });
    }
}

#[test]
fn only_the_buyer_confirms() {
    let app = spawn_app();
    let mut offer = two_milestones();
    offer["milestones"][0]["customerId"] = json!("cleo");
    let deal = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
    app.pay_for("ben", &deal).ok();
    app.wallet("dan").ok();
    for stranger in ["ada", "cleo", "dan", "erin"] {
        app.refuses(401, "Access denied", |app| {
            app.confirm_milestone(stranger, &deal.id, &deal.milestones[0])
        });
    }
    app.refuses(400, "customer-id header is required", |app| {
        let path = format!("/v1/escrow/milestone/confirm/{}/{}", deal.id, deal.milestones[0]);
        app.send("POST", &path, &[], None)
    });
}

#[test]
fn confirming_a_missing_milestone_is_refused() {
    let app = spawn_app();
    let deal = app.funded();
    let other = app.funded();
    let milestone = &deal.milestones[0];
    for escrow in [NO_ID, "x", &deal.id.to_uppercase(), &deal.token, &"0".repeat(24)] {
        app.refuses(400, "Escrow not found", |app| {
            app.confirm_milestone("ben", escrow, milestone)
        });
    }
    let foreign = other.milestones[0].as_str();
    for milestone in [NO_ID, "x", &deal.id, foreign, &"0".repeat(24)] {
        app.refuses(400, "Milestone not found", |app| {
            app.confirm_milestone("ben", &deal.id, milestone)
        });
    }
    app.json_with_key("sk_test_other", "GET", "/v1/wallet", "ben", &json!({}))
        .ok();
    app.refuses(400, "Escrow not found", |app| {
        let path = format!("/v1/escrow/milestone/confirm/{}/{milestone}", deal.id);
        app.json_with_key("sk_test_other", "POST", &path, "ben", &json!({}))
    });
}

#[test]
fn a_milestone_from_before_an_edit_does_not_exist() {
    let app = spawn_app();
    let before = app.offered();
    app.edit_milestone_escrow("ada", &before.token, &three_milestones())
        .ok();
    app.pay_for("ben", &before).ok();
    for milestone in &before.milestones {
        app.refuses(400, "Milestone not found", |app| {
            app.confirm_milestone("ben", &before.id, milestone)
        });
    }
}

#[test]
fn a_standard_escrow_has_no_milestone_to_confirm() {
    let app = spawn_app();
    let created = app.create_escrow("ada", &standard_terms()).ok();
    let deal = Deal::of(&created);
    app.refuses(400, "Escrow has not been funded yet", |app| {
        app.confirm_milestone("ben", &deal.id, NO_ID)
    });
    app.pay_for("ben", &deal).ok();
    app.refuses(400, "Milestone not found", |app| {
        app.confirm_milestone("ben", &deal.id, NO_ID)
    });
}

#[test]
fn milestones_may_be_confirmed_in_any_order() {
    for order in [[2, 0, 1], [1, 2, 0], [2, 1, 0]] {
        let app = spawn_app();
        let deal = Deal::of(&app.create_milestone_escrow("ada", &three_milestones()).ok());
        app.pay_for("ben", &deal).ok();
        for (released_before, index) in order.into_iter().enumerate() {
            let confirmed = app.confirm_milestone("ben", &deal.id, &deal.milestones[index]).ok();
            let is_last = released_before == 2;
            assert_eq!(confirmed.data()["state"], if is_last { "CLOSED" } else { "OPENED" });
        }
        assert_eq!(app.balances("ada"), (json!(1_002_000), json!(0)));
        assert_eq!(app.balances("cleo"), (json!(1_001_000), json!(0)));
        assert_eq!(app.balances("ben"), (json!(996_940), json!(0)));
    }
}

#[test]
fn the_contracts_example_of_three_milestones_is_exact() {
    // Contract Ex 7: 300,000 to a beneficiary, 500,000 and 200,000 to the seller,
    // commission 0.5%.
    let app = spawn_app_with(|config| config.fees.commission_bps = 50);
    let offer = json!({
        "amount": 1_000_000,
        "purpose": "A house",
        "whoPays": "buyer",
        "milestones": [
            { "title": "Ground", "amount": 300_000, "customerId": "xena" },
            { "title": "Walls", "amount": 500_000 },
            { "title": "Roof", "amount": 200_000 },
        ],
    });
    let created = app.create_milestone_escrow("ada", &offer).ok();
    assert_eq!(created.data()["fee"], 25_000);
    let deal = Deal::of(&created);
    app.top_up("ben", 25_000).ok();
    let money = app.money();
    let hold = |app: &TestApp| {
        let sql = "SELECT balance FROM account WHERE customer_id = 'ben' AND purpose = 'CUSTOMER_ESCROW'";
        app.column(sql)[0].parse::<i64>().unwrap()
    };

    let paid = app.pay(
        "ben",
        &json!({ "amount": 1_025_000, "reference": "house-1", "escrowDetails": { "escrowId": deal.id } }),
    );
    assert_eq!(paid.ok().data()["amount"], 1_025_000);
    assert_eq!(hold(&app), 102_500_000);
    for (milestone, held) in deal.milestones.iter().zip([72_500_000, 22_500_000, 0]) {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
        assert_eq!(hold(&app), held);
    }

    assert_eq!(
        app.escrow_transfers(),
        [
            "FUND customer_main:ben -> customer_escrow:ben 102500000",
            "RELEASE customer_escrow:ben -> customer_main:xena 30000000",
            "RELEASE customer_escrow:ben -> customer_main:ada 50000000",
            "RELEASE customer_escrow:ben -> customer_main:ada 20000000",
            "COMMISSION customer_escrow:ben -> merchant_main 500000",
            "PLATFORM_FEE customer_escrow:ben -> platform_fees 2000000",
        ]
    );
    assert_eq!(app.balances("ben"), (json!(0), json!(0)));
    assert_eq!(app.balances("xena"), (json!(1_300_000), json!(0)));
    assert_eq!(app.balances("ada"), (json!(1_700_000), json!(0)));
    assert_eq!(app.money(), money);
    let earned = "SELECT transaction_type || ' ' || amount || ' ' || reference FROM payment_transaction
                  JOIN account ON account.id = account_id WHERE purpose = 'MERCHANT_MAIN'";
    assert_eq!(app.column(earned), ["commission 500000 CMSN-house-1"]);
}

#[test]
fn every_step_emits_its_events_once() {
    let app = spawn_app_with(|config| config.fees.commission_bps = 50);
    let deal = app.funded();
    for milestone in &deal.milestones {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    assert_eq!(
        app.column("SELECT name FROM event JOIN event_name ON event_name.id = name_id ORDER BY event.id"),
        [
            "escrow.created",
            "escrow.pending",
            "payment.escrow.success",
            "escrow.ongoing",
            "payment.escrow.success",
            "payment.escrow.success",
            "escrow.completed",
            "payment.commission.success",
        ]
    );
}

/// If several refusals apply, the first in this order is the reply. Each step corrects only
/// the reason for the previous refusal.
#[test]
fn refusals_of_an_offer_come_in_a_fixed_order() {
    // The opening balance is the largest sum a merchant may hold, so Ada is registered and
    // no later customer can be.
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(9_007_199_254_740_991));
    app.wallet("ada").ok();
    let path = "/v1/escrow/milestone/create";
    let mut offer = json!({
        "amount": 0.5,
        "purpose": "",
        "whoPays": "seller",
        "maxDelivery": 366,
        "milestones": [{ "title": "Frame", "amount": 1.5, "dueDate": "2020-01-01", "customerId": "cleo" }],
    });
    let send = |customer: &str, offer: &Value| app.create_milestone_escrow(customer, offer);
    let too_much = "This merchant's accounts cannot hold that much money together";

    // The caller, then the content type of the body, then the customer.
    app.refuses(400, "customer-id header is required", |app| {
        app.send("POST", path, &[], Some(b""))
    });
    app.refuses(
        415,
        "Send the body as application/json, and say so in the content-type header",
        |app| app.send("POST", path, &[("customer-id", "ben")], Some(b"")),
    );
    app.refuses(400, too_much, |_| send("ben", &offer));
    // The terms, in the order of their fields.
    app.refuses(400, "amount must be at least 1; got 0.5", |_| send("ada", &offer));
    offer["amount"] = json!(10);
    app.refuses(400, "purpose is required", |_| send("ada", &offer));
    offer["purpose"] = json!("Shop fit-out");
    app.refuses(
        400,
        "whoPays must be \"buyer\" on a milestone escrow; got \"seller\"",
        |_| send("ada", &offer),
    );
    offer["whoPays"] = json!("buyer");
    app.refuses(400, "maxDelivery must be a whole number from 1 to 365; got 366", |_| {
        send("ada", &offer)
    });
    offer["maxDelivery"] = json!(365);
    // Each milestone, then their number, then their sum.
    app.refuses(
        400,
        "milestones[0].amount must be a positive whole number (the setting strict = true allows two decimals); got 1.5",
        |_| send("ada", &offer),
    );
    offer["milestones"][0]["amount"] = json!(5);
    app.refuses(
        400,
        "milestones[0].dueDate must be a date in the future; got \"2020-01-01\"",
        |_| send("ada", &offer),
    );
    offer["milestones"][0]["dueDate"] = Value::Null;
    app.refuses(400, "A milestone escrow must have at least 2 milestones", |_| {
        send("ada", &offer)
    });
    let stage = |amount: i32| json!({ "title": "Stage", "amount": amount });
    offer["milestones"] = json!([stage(5), stage(6)]);
    app.refuses(400, "The sum of milestone amounts must equal the escrow amount", |_| {
        send("ada", &offer)
    });
    // The beneficiaries, whom the offer registers as customers.
    offer["milestones"] = json!([stage(5), stage(5)]);
    offer["milestones"][0]["customerId"] = json!("cleo");
    app.refuses(400, too_much, |_| send("ada", &offer));
    offer["milestones"][0]["customerId"] = json!("ada");
    send("ada", &offer).ok();
}

#[test]
fn refusals_of_an_edit_come_in_a_fixed_order() {
    let app = spawn_app();
    let deal = app.funded();
    let standard = app.create_escrow("ada", &standard_terms()).ok();
    let standard = Deal::of(&standard);
    app.pay_for("ben", &standard).ok();
    let mut offer = two_milestones();
    offer["amount"] = json!(9);
    let edit = |seller: &str, token: &str, offer: &Value| app.edit_milestone_escrow(seller, token, offer);

    let wrong_sum = "The sum of milestone amounts must equal the escrow amount";
    app.refuses(400, wrong_sum, |_| edit("ben", "PY_AAAAAAAA0000", &offer));
    let offer = two_milestones();
    app.refuses(400, "Escrow not found", |_| edit("ben", "PY_AAAAAAAA0000", &offer));
    app.refuses(401, "Access denied", |_| edit("ben", &standard.token, &offer));
    app.refuses(400, "Escrow is not a milestone escrow", |_| {
        edit("ada", &standard.token, &offer)
    });
    app.refuses(400, "Action not allowed", |_| edit("ada", &deal.token, &offer));
}

#[test]
fn refusals_of_a_confirmation_come_in_a_fixed_order() {
    let app = spawn_app();
    let unfunded = app.offered();
    let deal = app.funded();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let confirm = |customer: &str, escrow: &str, milestone: &str| app.confirm_milestone(customer, escrow, milestone);

    app.refuses(400, "Escrow not found", |_| confirm("dan", NO_ID, NO_ID));
    app.refuses(400, "Escrow has not been funded yet", |_| {
        confirm("dan", &unfunded.id, NO_ID)
    });
    app.refuses(401, "Access denied", |_| confirm("dan", &deal.id, NO_ID));
    app.refuses(401, "Access denied", |_| confirm("dan", &deal.id, &deal.milestones[0]));
    app.refuses(400, "Milestone not found", |_| confirm("ben", &deal.id, NO_ID));
    app.refuses(400, "Milestone has already been released", |_| {
        confirm("ben", &deal.id, &deal.milestones[0])
    });
    confirm("ben", &deal.id, &deal.milestones[1]).ok();
    app.refuses(400, "Milestone has already been released", |_| {
        confirm("ben", &deal.id, &deal.milestones[0])
    });
}
