//! Milestone escrows, as contract section 4.1 has them.

use serde_json::json;

use crate::helpers::{Deal, spawn_app, two_milestones};

#[test]
fn a_deal_goes_from_offer_to_paid_out() {
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
fn confirming_a_released_milestone_is_refused() {
    let app = spawn_app();
    let deal = app.funded();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    app.refuses(400, "Milestone has already been released", |app| {
        app.confirm_milestone("ben", &deal.id, &deal.milestones[0])
    });
}
