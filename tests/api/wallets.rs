//! Wallets and top-ups (contract sections 4.3.9 and 4.5), and the registration of sandbox
//! customers (contract section 8).

use serde_json::json;

use crate::helpers::{Deal, kobo, spawn_app, spawn_app_with, two_milestones};

const TOO_MUCH: &str = "This merchant's accounts cannot hold that much money together";

#[test]
fn a_customer_seen_for_the_first_time_gets_a_wallet_that_stays() {
    let app = spawn_app();
    let first = app.wallet("ada").ok();
    assert_eq!((app.count("customer"), app.money()), (1, 100_000_000));
    let second = app.wallet("ada").ok();
    assert_eq!(first.body, second.body);
    assert_eq!((app.count("customer"), app.money()), (1, 100_000_000));
    assert_ne!(app.wallet("ben").ok().text("id"), first.text("id"));
}

#[test]
fn a_wallet_changes_when_its_balance_moves() {
    let app = spawn_app();
    let before = app.wallet("ben").ok();
    std::thread::sleep(std::time::Duration::from_millis(3));
    app.funded();
    let after = app.wallet("ben").ok();
    assert_eq!(after.text("createdAt"), before.text("createdAt"));
    assert!(after.text("updatedAt") > before.text("updatedAt"));
}

#[test]
fn a_top_up_returns_the_balance() {
    let app = spawn_app();
    let topped_up = app.top_up("ada", 1500.25).ok();
    let expected = json!({
        "status": 200,
        "message": "Virtual account top up successful",
        "data": { "mainBalance": 1_001_500.25 },
    });
    assert_eq!(topped_up.body.to_string(), expected.to_string());
    assert_eq!(app.balances("ada"), (json!(1_001_500.25), json!(0)));
    // A customer may top up any number of times, from the smallest to the largest amount.
    app.top_up("ada", 1000).ok();
    app.top_up("ada", 100_000).ok();
    assert_eq!(app.balances("ada"), (json!(1_102_500.25), json!(0)));
}

#[test]
fn a_top_up_out_of_bounds_is_refused() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for (amount, got) in [
        (json!(999.99), "999.99"),
        (json!(100_000.01), "100000.01"),
        (json!(0), "0"),
    ] {
        let message = format!("amount must be a number from 1000 to 100000; got {got}");
        app.refuses(400, &message, |app| app.top_up("ada", amount));
    }
    app.refuses(
        400,
        "amount must be a number with at most two decimals; got 1000.001",
        |app| app.top_up("ada", 1000.001),
    );
    app.refuses(400, "amount is required", |app| {
        app.json("POST", "/v1/payment/topup", "ada", &json!({}))
    });
}

#[test]
fn every_customer_in_a_request_is_registered_with_the_opening_balance() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(12_345));
    let mut offer = two_milestones();
    offer["milestones"][0]["customerId"] = json!("cleo");
    app.create_milestone_escrow("ada", &offer).ok();
    assert_eq!(app.column("SELECT id FROM customer ORDER BY id"), ["ada", "cleo"]);
    assert_eq!(app.money(), 2 * 12_345);
    for customer in ["ada", "cleo"] {
        assert_eq!(app.balances(customer), (json!(123.45), json!(0)));
    }
    assert_eq!(app.money(), 2 * 12_345);
}

#[test]
fn an_edit_registers_its_beneficiaries_too() {
    let app = spawn_app();
    let deal = app.offered();
    let mut offer = two_milestones();
    offer["milestones"][1]["customerId"] = json!("cleo");
    app.edit_milestone_escrow("ada", &deal.token, &offer).ok();
    assert_eq!(app.column("SELECT id FROM customer ORDER BY id"), ["ada", "cleo"]);
}

#[test]
fn a_refused_request_registers_no_customer() {
    let app = spawn_app();
    let deal = app.funded();
    let mut offer = two_milestones();
    offer["milestones"][0]["customerId"] = json!("cleo");
    offer["amount"] = json!(9999);
    app.refuses(
        400,
        "The sum of milestone amounts must equal the escrow amount",
        |app| app.create_milestone_escrow("dan", &offer),
    );
    app.refuses(401, "Access denied", |app| {
        app.confirm_milestone("dan", &deal.id, &deal.milestones[0])
    });
    app.refuses(400, "Escrow is not in a valid state for checkout", |app| {
        app.pay_for("dan", &deal)
    });
    app.refuses(400, "amount is required", |app| {
        app.json("POST", "/v1/payment/topup", "dan", &json!({}))
    });
    for nobody in ["d an", "d\tn", "dän", &"d".repeat(129)] {
        app.refuses(404, "Customer not found", |app| app.wallet(nobody));
    }
    app.refuses(400, "customer-id header is required", |app| app.wallet(""));
}

#[test]
fn the_opening_balance_may_be_zero() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(0));
    assert_eq!(app.balances("ben"), (json!(0), json!(0)));
    assert_eq!((app.count("transfer"), app.count("payment_transaction")), (0, 0));
    let deal = app.offered();
    app.refuses(400, "Insufficient balance", |app| app.pay_for("ben", &deal));
    app.top_up("ben", 10200).ok();
    app.pay_for("ben", &deal).ok();
    assert_eq!(app.balances("ben"), (json!(0), json!(10000)));
}

#[test]
fn a_merchants_total_stays_within_the_largest_sum() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(9_007_199_254_740_991));
    app.wallet("ada").ok();
    assert_eq!(app.money(), 9_007_199_254_740_991);
    let deal = app.offered();
    app.refuses(400, TOO_MUCH, |app| app.wallet("ben"));
    app.refuses(400, TOO_MUCH, |app| app.pay_for("ben", &deal));
    app.refuses(400, TOO_MUCH, |app| app.top_up("ada", 1000));
    app.refuses(400, TOO_MUCH, |app| {
        let mut offer = two_milestones();
        offer["milestones"][0]["customerId"] = json!("ben");
        app.create_milestone_escrow("ada", &offer)
    });
    // Each merchant has its own sum.
    app.json_with_key("sk_test_other", "GET", "/v1/wallet", "ben", &json!({}))
        .ok();
}

#[test]
fn the_same_customer_id_is_another_customer_at_another_merchant() {
    let app = spawn_app();
    let deal = Deal::of(&app.create_milestone_escrow("ada", &two_milestones()).ok());
    app.pay_for("ben", &deal).ok();
    let theirs = app
        .json_with_key("sk_test_other", "GET", "/v1/wallet", "ben", &json!({}))
        .ok();
    assert_eq!(theirs.data()["mainBalance"], 1_000_000);
    assert_ne!(theirs.text("id"), app.wallet("ben").ok().text("id"));
}
