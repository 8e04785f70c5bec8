//! Standard escrows (contract sections 4.2.1, 4.2.5 and 4.6.1).

use serde_json::{Value, json};

use crate::helpers::{Deal, TestApp, spawn_app, spawn_app_with, standard_terms};
use crate::shapes::assert_unix_now;

const NO_ID: &str = "0123456789abcdef01234567";

fn offered(app: &TestApp) -> Deal {
    Deal::of(&app.create_escrow("ada", &standard_terms()).ok())
}

fn terms(amount: impl Into<Value>, who_pays: &str) -> Value {
    json!({
        "amount": amount.into(), "purpose": "A boat", "whoPays": who_pays,
        "maxDelivery": 7, "deliveryTimeline": "days",
    })
}

#[test]
fn confirming_the_payment_releases_everything_and_closes() {
    let app = spawn_app();
    let deal = offered(&app);
    let money = {
        app.wallet("ben").ok();
        app.money()
    };
    app.pay_for("ben", &deal).ok();
    let confirmed = app.confirm_payment("ben", &deal.id).ok();
    assert_eq!(confirmed.message(), "Escrow updated successfully");
    assert_eq!(confirmed.text("state"), "CLOSED");
    assert_eq!(confirmed.text("status"), "COMPLETED");
    assert_unix_now(&confirmed.data()["paidAt"]);
    assert_unix_now(&confirmed.data()["completedAt"]);
    assert_eq!(confirmed.data()["isSeller"], false);
    let verified = app.verify(&deal.token).ok();
    assert_eq!(verified.message(), "Escrow verified successfully");
    for (field, value) in verified.data().as_object().unwrap() {
        assert_eq!(confirmed.data()[field], *value, "{field}");
    }
    assert_eq!(app.money(), money);
}

#[test]
fn the_contracts_examples_are_exact() {
    // Contract Ex 1 to 6 without additional fees, in minor units: the fee, the buyer's
    // payment, the seller's income.
    let cases = [
        ("Ex 1", json!(2500), "seller", 5_000, 250_000, 245_000),
        ("Ex 2", json!(1234.56), "seller", 2_469, 123_456, 120_987),
        ("Ex 5", json!(1001), "both", 2_002, 101_101, 99_099),
        ("Ex 6, row 2", json!(1234.57), "both", 2_469, 124_692, 122_223),
        ("on the buyer", json!(1234.57), "buyer", 2_469, 125_926, 123_457),
    ];
    for (name, amount, who_pays, fee, paid, released) in cases {
        let app = spawn_app();
        let deal = Deal::of(&app.create_escrow("ada", &terms(amount, who_pays)).ok());
        app.pay_for("ben", &deal).ok();
        app.confirm_payment("ben", &deal.id).ok();
        let expected = [
            format!("FUND customer_main:ben -> customer_escrow:ben {paid}"),
            format!("RELEASE customer_escrow:ben -> customer_main:ada {released}"),
            format!("PLATFORM_FEE customer_escrow:ben -> platform_fees {fee}"),
        ];
        assert_eq!(app.escrow_transfers(), expected, "{name}");
        assert_eq!(app.money(), 200_000_000, "{name}");
    }
}

#[test]
fn a_commission_goes_to_the_merchant() {
    // Contract Ex 3 and 4: both halves at 0.5%, then 1% on the buyer.
    let cases = [
        (
            50,
            json!(1_000_000),
            "both",
            [101_250_000, 98_750_000, 500_000, 2_000_000],
        ),
        (100, json!(10_000), "buyer", [1_030_000, 1_000_000, 10_000, 20_000]),
    ];
    for (commission_bps, amount, who_pays, [paid, released, commission, platform]) in cases {
        let app = spawn_app_with(|config| config.fees.commission_bps = commission_bps);
        let deal = Deal::of(&app.create_escrow("ada", &terms(amount, who_pays)).ok());
        app.top_up("ben", 100_000).ok();
        app.pay_for("ben", &deal).ok();
        app.confirm_payment("ben", &deal.id).ok();
        let expected = [
            format!("FUND customer_main:ben -> customer_escrow:ben {paid}"),
            format!("RELEASE customer_escrow:ben -> customer_main:ada {released}"),
            format!("COMMISSION customer_escrow:ben -> merchant_main {commission}"),
            format!("PLATFORM_FEE customer_escrow:ben -> platform_fees {platform}"),
        ];
        assert_eq!(app.escrow_transfers(), expected);
    }
}

#[test]
fn a_fee_of_zero_makes_no_transfer() {
    let app = spawn_app_with(|config| config.fees.platform_bps = 0);
    let deal = offered(&app);
    app.pay_for("ben", &deal).ok();
    app.confirm_payment("ben", &deal.id).ok();
    assert_eq!(
        app.escrow_transfers(),
        [
            "FUND customer_main:ben -> customer_escrow:ben 123456",
            "RELEASE customer_escrow:ben -> customer_main:ada 123456",
        ]
    );
}

#[test]
fn the_wallet_of_an_open_escrow_shows_the_held_amount() {
    let app = spawn_app();
    let deal = Deal::of(&app.create_escrow("ada", &terms(1234.57, "both")).ok());
    app.pay_for("ben", &deal).ok();
    assert_eq!(app.balances("ben"), (json!(998_753.08), json!(1222.23)));
    app.confirm_payment("ben", &deal.id).ok();
    assert_eq!(app.balances("ben"), (json!(998_753.08), json!(0)));
    assert_eq!(app.balances("ada"), (json!(1_001_222.23), json!(0)));
}

#[test]
fn only_the_buyer_confirms_the_payment() {
    let app = spawn_app();
    let deal = offered(&app);
    app.pay_for("ben", &deal).ok();
    for stranger in ["ada", "dan"] {
        app.refuses(401, "Access denied", |app| app.confirm_payment(stranger, &deal.id));
    }
    app.refuses(400, "customer-id header is required", |app| {
        app.send("POST", &format!("/v1/escrow/confirm-payment/{}", deal.id), &[], None)
    });
}

/// If several refusals apply, the first in this order is the reply.
#[test]
fn refusals_of_a_confirmation_come_in_a_fixed_order() {
    let app = spawn_app();
    let unfunded = offered(&app);
    let funded = offered(&app);
    app.pay_for("ben", &funded).ok();
    let milestones = app.funded();
    for escrow in [NO_ID, "x", &funded.token] {
        app.refuses(400, "Escrow not found", |app| app.confirm_payment("dan", escrow));
    }
    app.refuses(400, "Action not allowed", |app| {
        app.confirm_payment("dan", &unfunded.id)
    });
    app.refuses(401, "Access denied", |app| app.confirm_payment("dan", &milestones.id));
    app.refuses(400, "Action not allowed", |app| {
        app.confirm_payment("ben", &milestones.id)
    });

    app.confirm_payment("ben", &funded.id).ok();
    app.refuses(401, "Access denied", |app| app.confirm_payment("dan", &funded.id));
    app.refuses(400, "Action not allowed", |app| app.confirm_payment("ben", &funded.id));
}

#[test]
fn another_merchants_escrow_does_not_exist() {
    let app = spawn_app();
    let deal = offered(&app);
    app.pay_for("ben", &deal).ok();
    let nothing = json!({});
    let key = "sk_test_other";
    app.json_with_key(key, "GET", "/v1/wallet", "ben", &nothing).ok();
    app.refuses(400, "Escrow not found", |app| {
        let path = format!("/v1/escrow/confirm-payment/{}", deal.id);
        app.json_with_key(key, "POST", &path, "ben", &nothing)
    });
    app.refuses(400, "Escrow not found", |app| {
        app.json_with_key(
            key,
            "GET",
            &format!("/v1/escrow/verify/{}", deal.token),
            "ada",
            &nothing,
        )
    });
    app.refuses(400, "Escrow not found", |app| {
        app.json_with_key(
            key,
            "GET",
            &format!("/v1/escrow/milestone/{}", deal.token),
            "ada",
            &nothing,
        )
    });
}
