//! Tests the checks on the acting customer: the `customer-id` must name a known customer who is
//! not blocked and has the permission (contract sections 1.3 and 4.4).

use serde_json::{Value, json};

use crate::helpers::{
    Answer, Deal, LIVE_KEY, TestApp, new_customer, spawn_app, spawn_app_with, spawn_live_app, standard_terms,
    two_milestones,
};
use crate::live_merchants::Merchant;

const BLOCKED: &str = "Your account is disabled. Please contact support";
const NO_BUYING: &str = "Your account has been disabled from buying, please contact support";
const NO_SELLING: &str = "Your account has been disabled from selling, please contact support";

/// Sends one request for each kind of action that a customer can take.
fn one_request_of_each_kind(app: &TestApp, customer: &str, deal: &Deal) -> Vec<Answer> {
    vec![
        app.wallet(customer),
        app.create_escrow(customer, &standard_terms()),
        app.create_milestone_escrow(customer, &two_milestones()),
        app.edit_milestone_escrow(customer, &deal.token, &two_milestones()),
        app.pay_for(customer, deal),
        app.confirm_milestone(customer, &deal.id, &deal.milestones[0]),
        app.confirm_payment(customer, &deal.id),
        app.top_up(customer, 1000),
    ]
}

#[test]
fn a_blocked_customer_can_do_nothing() {
    let app = spawn_app();
    let deal = app.offered();
    app.wallet("ben").ok();
    app.block("ada").ok();
    app.block("ben").ok();
    let before = app.dump();
    for customer in ["ada", "ben"] {
        for answer in one_request_of_each_kind(&app, customer, &deal) {
            assert_eq!((answer.status, answer.message()), (401, BLOCKED), "{answer:?}");
            assert_eq!(*answer.data(), json!({}));
        }
    }
    // The service checks for a block before it reads the body.
    let answer = app.json_text("POST", "/v1/escrow/create", "ada", "{");
    assert_eq!((answer.status, answer.message()), (401, BLOCKED));
    assert_eq!(app.dump(), before);
    app.unblock("ben").ok();
    app.pay_for("ben", &deal).ok();
}

#[test]
fn escrows_of_a_blocked_customer_continue() {
    let app = spawn_app();
    let deal = app.offered();
    app.block("ada").ok();
    app.pay_for("ben", &deal).ok();
    for milestone in &deal.milestones {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    app.unblock("ada").ok();
    assert_eq!(app.balances("ada"), (json!(1_010_000), json!(0)));
}

#[test]
fn a_blocked_customer_cannot_be_a_beneficiary() {
    let app = spawn_app();
    app.wallet("ada").ok();
    app.wallet("cleo").ok();
    let mut offer = two_milestones();
    offer["milestones"][1]["customerId"] = json!("cleo");
    let deal = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
    app.block("cleo").ok();
    let message = "milestones[1].customerId must be a customer who is not blocked; got \"cleo\"";
    app.refuses(400, message, |app| app.create_milestone_escrow("ada", &offer));
    app.refuses(400, message, |app| {
        app.edit_milestone_escrow("ada", &deal.token, &offer)
    });
    // An existing escrow still pays a beneficiary who is blocked.
    app.pay_for("ben", &deal).ok();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    app.unblock("cleo").ok();
    assert_eq!(app.balances("cleo").0, json!(1_006_000));
}

#[test]
fn a_customer_without_permission_to_buy_cannot_pay() {
    let app = spawn_app();
    let deal = app.offered();
    let other = app.offered();
    app.pay_for("ben", &other).ok();
    app.permit("ben", &json!({ "canBuy": false })).ok();
    app.refuses(401, NO_BUYING, |app| app.pay_for("ben", &deal));
    // The service checks the permission before it reads the body.
    app.refuses(401, NO_BUYING, |app| app.pay("ben", &json!({})));
    // Ben can still confirm an earlier purchase, sell and top up.
    app.confirm_milestone("ben", &other.id, &other.milestones[0]).ok();
    app.create_escrow("ben", &standard_terms()).ok();
    app.top_up("ben", 1000).ok();
    app.permit("ben", &json!({ "canBuy": true })).ok();
    app.pay_for("ben", &deal).ok();
}

/// The money would come into the wallet and pay for nothing.
#[test]
fn a_customer_without_permission_to_buy_announces_no_deposit_for_a_deal() {
    let app = spawn_app();
    let deal = app.offered();
    let deposit = |reference: &str, details: &Value| {
        json!({
            "amount": 5000, "transactionType": "deposit", "reference": reference, "depositDetails": details,
        })
    };
    let for_deal = json!({ "escrowId": deal.id });
    let first = app.create_intent("ben", &deposit("d-1", &for_deal)).ok();
    app.permit("ben", &json!({ "canBuy": false })).ok();
    app.refuses(401, NO_BUYING, |app| {
        app.create_intent("ben", &deposit("d-2", &for_deal))
    });
    let unknown = json!({ "escrowId": "000000000000000000000000" });
    app.refuses(401, NO_BUYING, |app| {
        app.create_intent("ben", &deposit("d-2", &unknown))
    });
    // A repeated request gets its first result, and money for the wallet is no purchase.
    let again = app.create_intent("ben", &deposit("d-1", &for_deal)).ok();
    assert_eq!(again.body.to_string(), first.body.to_string());
    app.create_intent("ben", &deposit("d-3", &json!({}))).ok();
    app.permit("ben", &json!({ "canBuy": true })).ok();
    app.create_intent("ben", &deposit("d-2", &for_deal)).ok();
}

#[test]
fn a_repeated_payment_gets_its_first_result_after_the_permission_to_buy_is_withdrawn() {
    let app = spawn_app();
    let (deal, other) = (app.offered(), app.offered());
    let of = |deal: &str| json!({ "reference": "order-1", "escrowDetails": { "escrowId": deal } });
    let first = app.pay("ben", &of(&deal.id)).ok();
    app.permit("ben", &json!({ "canBuy": false })).ok();
    let before = app.dump();
    let again = app.pay("ben", &of(&deal.id)).ok();
    assert_eq!(again.body.to_string(), first.body.to_string());
    assert_eq!(app.dump(), before);
    app.refuses(400, "Duplicate reference", |app| app.pay("ben", &of(&other.id)));
    app.refuses(401, NO_BUYING, |app| app.pay_for("ben", &other));
}

#[test]
fn a_customer_without_permission_to_sell_cannot_create_an_offer() {
    let app = spawn_app();
    let deal = app.offered();
    app.permit("ada", &json!({ "canSell": false })).ok();
    for offer in [two_milestones(), json!({})] {
        app.refuses(401, NO_SELLING, |app| app.create_milestone_escrow("ada", &offer));
        app.refuses(401, NO_SELLING, |app| {
            app.edit_milestone_escrow("ada", &deal.token, &offer)
        });
        app.refuses(401, NO_SELLING, |app| app.create_escrow("ada", &offer));
    }
    // Buyers can still pay for Ada's earlier offer, and Ada can still buy.
    app.pay_for("ben", &deal).ok();
    let offer_of_ben = Deal::of(&app.create_milestone_escrow("ben", &two_milestones()).ok());
    app.pay_for("ada", &offer_of_ben).ok();
}

#[test]
fn a_customer_without_permission_to_withdraw_can_do_everything_else() {
    let app = spawn_app();
    app.wallet("ada").ok();
    app.permit("ada", &json!({ "canWithdraw": false })).ok();
    let deal = app.offered();
    app.pay_for("ben", &deal).ok();
    app.top_up("ada", 1000).ok();
}

#[test]
fn strict_mode_does_not_register_customers_on_first_use() {
    let app = spawn_app_with(|config| {
        config.strict = true;
        config.limits.requests_per_minute = 1000;
    });
    let others_customer = app
        .json_with_key("sk_test_other", "POST", "/v1/customer/create", "", &new_customer())
        .ok()
        .text("customerId");
    let own_customer = app.create_customer(&new_customer()).ok().text("customerId");
    app.wallet(&own_customer).ok();
    for (customer, status, message) in [
        ("nobody", 404, "Customer not found"),
        ("665f1b2c9a1e4d0012ab3c10", 404, "Customer not found"),
        // Suites that share a sandbox do not see each other.
        (&others_customer, 404, "Customer not found"),
    ] {
        app.refuses(status, message, |app| app.wallet(customer));
        app.refuses(status, message, |app| app.create_escrow(customer, &standard_terms()));
        app.refuses(status, message, |app| {
            app.json_text("POST", "/v1/escrow/create", customer, "{")
        });
        let mut offer = two_milestones();
        offer["maxDelivery"] = json!(30);
        offer["deliveryTimeline"] = json!("days");
        offer["milestones"][0]["customerId"] = json!(customer);
        let message = format!("milestones[0].customerId must be a customer of this merchant; got \"{customer}\"");
        app.refuses(400, &message, |app| app.create_milestone_escrow(&own_customer, &offer));
    }
    // A new key's merchant has no customers.
    let headers = [
        ("authorization", "Bearer sk_test_new"),
        ("customer-id", own_customer.as_str()),
    ];
    app.refuses(404, "Customer not found", |app| {
        app.send("GET", "/v1/wallet", &headers, None)
    });
}

#[test]
fn a_live_merchants_customers_act_by_the_same_rules() {
    let app = spawn_live_app(|config| config.merchant.push(Merchant::new("stall", "sk_live_stall")));
    let send = |method: &str, path: &str, customer: &str, body: &Value| {
        app.json_with_key(LIVE_KEY, method, path, customer, body)
    };
    let ada = send("POST", "/v1/customer/create", "", &new_customer())
        .ok()
        .text("customerId");
    send("POST", "/v1/escrow/create", &ada, &standard_terms()).ok();
    send("PUT", &format!("/v1/customer/block/{ada}"), "", &json!({})).ok();
    app.refuses(401, BLOCKED, |_| {
        send("POST", "/v1/escrow/create", &ada, &standard_terms())
    });
    app.refuses(404, "Customer not found", |_| {
        send("GET", "/v1/wallet", "nobody", &json!({}))
    });
    app.refuses(403, "Customer does not belong to the merchant", |app| {
        app.json_with_key("sk_live_stall", "GET", "/v1/wallet", &ada, &Value::Null)
    });
}
