//! Payments for escrows (contract sections 4.3.1 and 8).

use serde_json::{Value, json};

use crate::helpers::{Deal, TestApp, kobo, spawn_app, spawn_app_with, standard_terms, two_milestones};
use crate::shapes::{REFERENCE, assert_shape};

const NO_ID: &str = "0123456789abcdef01234567";
const NOT_PAYABLE: &str = "Escrow is not in a valid state for checkout";

fn standard(app: &TestApp) -> Deal {
    Deal::of(&app.create_escrow("ada", &standard_terms()).ok())
}

/// Returns a payment for these escrows by id.
fn payment(deals: &[&Deal]) -> Value {
    let ids: Vec<&str> = deals.iter().map(|deal| deal.id.as_str()).collect();
    json!({ "escrowDetails": { "escrowId": ids } })
}

/// Returns a payment for one escrow under a reference.
fn referenced(reference: &str, deal: &Deal) -> Value {
    json!({ "reference": reference, "escrowDetails": { "escrowId": deal.id } })
}

/// The phone of the customer `ada`, whom the sandbox registered on first use.
const PHONE_OF_ADA: &str = "01553759151";

/// Returns the details that a transaction shows of an escrow of Ada's.
fn detail(deal: &Deal, amount: &Value, fee: &Value, purpose: &str) -> Value {
    json!({
        "escrowId": deal.id,
        "beneficiary": { "name": "ada", "phone": PHONE_OF_ADA },
        "description": null,
        "amount": amount,
        "fee": fee,
        "paymentToken": deal.token,
        "purpose": purpose,
        "channel": "API",
        "callbackUrl": null,
    })
}

#[test]
fn one_payment_funds_several_escrows() {
    let app = spawn_app();
    let (first, second) = (app.offered(), standard(&app));
    // Names the escrows in another order than that of their offers.
    let mut request = payment(&[&second, &first]);
    request["amount"] = json!(11_434.56);
    let paid = app.pay("ben", &request).ok();
    assert_eq!(paid.data()["amount"], 11_434.56);
    let details = json!([
        detail(&first, &json!(10000), &json!(200), "Shop fit-out"),
        detail(&second, &json!(1234.56), &json!(24.69), "A bicycle"),
    ]);
    assert_eq!(paid.data()["escrowDetails"].to_string(), details.to_string());
    for deal in [&first, &second] {
        let escrow = app.verify(&deal.token).ok();
        assert_eq!(escrow.text("state"), "OPENED");
        assert_eq!(escrow.data()["paymentDetails"]["id"], paid.data()["id"]);
        assert_eq!(escrow.data()["paymentDetails"]["amount"], 11_434.56);
    }
    assert_eq!(app.balances("ben"), (json!(988_565.44), json!(11_209.87)));
    app.confirm_payment("ben", &second.id).ok();
    app.confirm_milestone("ben", &first.id, &first.milestones[1]).ok();
    assert_eq!(app.balances("ben"), (json!(988_565.44), json!(4000)));
}

/// A reference belongs to one transaction (contract section 1.6): receivers of webhooks
/// drop an event with a known reference.
#[test]
fn commissions_of_one_payment_have_references_of_their_own() {
    let app = spawn_app_with(|config| config.fees.commission_bps = 100);
    let deals = [standard(&app), standard(&app)];
    let mut body = payment(&[&deals[0], &deals[1]]);
    body["reference"] = json!("CART-1");
    app.pay("ben", &body).ok();
    for deal in &deals {
        app.confirm_payment("ben", &deal.id).ok();
    }
    let entries = app.as_merchant("GET", "/v1/merchant/transactions", None).ok();
    let references: Vec<&str> = entries.data()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["reference"].as_str().unwrap())
        .collect();
    assert_eq!(references.len(), 2);
    assert_ne!(references[0], references[1]);
    assert!(
        references.iter().all(|reference| reference.starts_with("CMSN-CART-1-")),
        "{references:?}"
    );
}

#[test]
fn a_payment_shows_the_sellers_name() {
    let app = spawn_app();
    let seller = app
        .create_customer(&crate::helpers::new_customer())
        .ok()
        .text("customerId");
    let deal = Deal::of(&app.create_escrow(&seller, &standard_terms()).ok());
    let beneficiary = json!({ "name": "Ada Obi", "phone": "08012345678" });
    let paid = app.pay_for("ben", &deal).ok();
    assert_eq!(paid.data()["escrowDetails"]["beneficiary"], beneficiary);
    let history = app
        .send("GET", "/v1/payment/history", &[("customer-id", "ben")], None)
        .ok();
    assert_eq!(history.data()["data"][0]["escrowDetails"]["beneficiary"], beneficiary);
}

#[test]
fn a_list_of_one_id_is_answered_like_a_single_id() {
    let app = spawn_app();
    let deal = app.offered();
    let paid = app.pay("ben", &payment(&[&deal])).ok();
    assert_eq!(paid.data()["escrowDetails"]["escrowId"], deal.id);
}

#[test]
fn an_escrow_is_paid_by_its_token_too() {
    let app = spawn_app();
    let deal = app.offered();
    let paid = app
        .pay("ben", &json!({ "escrowDetails": { "paymentToken": deal.token } }))
        .ok();
    assert_eq!(paid.data()["escrowDetails"]["escrowId"], deal.id);
    assert_eq!(app.verify(&deal.token).ok().text("state"), "OPENED");
}

#[test]
fn gateway_and_transaction_type_are_read_in_any_letter_case() {
    let app = spawn_app();
    for (gateway, transaction_type) in [("wallet", "escrow"), ("WALLET", "ESCROW"), ("Wallet", "eScRoW")] {
        let deal = app.offered();
        let mut request = payment(&[&deal]);
        request["gateway"] = json!(gateway);
        request["transactionType"] = json!(transaction_type);
        request["currency"] = json!("NGN");
        let paid = app.pay("ben", &request).ok();
        assert_eq!(paid.data()["transactionType"], "escrow");
    }
    let deal = app.offered();
    for (field, sent, message) in [
        ("gateway", "card", "cardId is required"),
        (
            "transactionType",
            "deposit",
            "transactionType must be \"escrow\"; got \"deposit\"",
        ),
        ("currency", "USD", "currency must be \"NGN\"; got \"USD\""),
    ] {
        let mut request = payment(&[&deal]);
        request[field] = json!(sent);
        app.refuses(400, message, |app| app.pay("ben", &request));
    }
}

#[test]
fn an_amount_in_the_request_must_be_exact() {
    let app = spawn_app();
    let deal = app.offered();
    app.wallet("ben").ok();
    let mut request = payment(&[&deal]);
    for wrong in [json!(10_199.99), json!(10_200.01), json!(10_000), json!(0)] {
        request["amount"] = wrong.clone();
        let refused = app.refuses(400, "Amount mismatch", |app| app.pay("ben", &request));
        assert_eq!(refused.body["details"], json!({ "due": 10200, "offered": wrong }));
    }
    request["amount"] = json!(10_200);
    app.pay("ben", &request).ok();
}

#[test]
fn a_payment_may_use_the_whole_balance_and_no_more() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(2_040_000));
    let deals = [app.offered(), app.offered(), app.offered()];
    app.pay_for("ben", &deals[0]).ok();
    app.pay_for("ben", &deals[1]).ok();
    assert_eq!(app.balances("ben"), (json!(0), json!(20000)));
    let refused = app.refuses(400, "Insufficient balance", |app| app.pay_for("ben", &deals[2]));
    assert_eq!(refused.body["details"], json!({ "needed": 10200, "available": 0 }));
    // One kobo less than the due amount is not enough.
    let mut offer = standard_terms();
    offer["amount"] = json!(1000);
    offer["whoPays"] = json!("buyer");
    let chair = Deal::of(&app.create_escrow("ada", &offer).ok());
    app.top_up("ben", 1019.99).ok();
    app.refuses(400, "Insufficient balance", |app| app.pay_for("ben", &chair));
}

#[test]
fn held_money_cannot_be_spent() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(1_500_000));
    let deals = [app.offered(), app.offered()];
    app.pay_for("ben", &deals[0]).ok();
    app.refuses(400, "Insufficient balance", |app| app.pay_for("ben", &deals[1]));
}

#[test]
fn an_escrow_is_paid_once() {
    let app = spawn_app();
    let deal = app.funded();
    app.wallet("dan").ok();
    for buyer in ["ben", "dan", "ada"] {
        app.refuses(400, NOT_PAYABLE, |app| app.pay_for(buyer, &deal));
    }
    for milestone in &deal.milestones {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    app.refuses(400, NOT_PAYABLE, |app| app.pay_for("ben", &deal));
}

#[test]
fn a_buyer_cannot_be_the_seller_or_a_beneficiary() {
    let app = spawn_app();
    let mut offer = two_milestones();
    offer["milestones"][1]["customerId"] = json!("cleo");
    let deal = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
    app.refuses(400, "Buyer and seller must be different customers", |app| {
        app.pay_for("ada", &deal)
    });
    app.refuses(
        400,
        "A milestone's beneficiary and the buyer must be different customers",
        |app| app.pay_for("cleo", &deal),
    );
    app.pay_for("ben", &deal).ok();
}

#[test]
fn a_seller_may_be_named_as_beneficiary() {
    let app = spawn_app();
    let mut offer = two_milestones();
    offer["milestones"][1]["customerId"] = json!("ada");
    let deal = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
    app.pay_for("ben", &deal).ok();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    assert_eq!(app.balances("ada"), (json!(1_006_000), json!(0)));
}

#[test]
fn an_escrow_that_does_not_exist_cannot_be_paid() {
    let app = spawn_app();
    let deal = app.offered();
    for id in [NO_ID, "x", &deal.token, &deal.id.to_uppercase(), &"0".repeat(24)] {
        let request = json!({ "escrowDetails": { "escrowId": id } });
        app.refuses(400, "Escrow not found", |app| app.pay("ben", &request));
    }
    for token in ["PY_AAAAAAAA0000", &deal.id, &deal.token.to_lowercase()] {
        let request = json!({ "escrowDetails": { "paymentToken": token } });
        app.refuses(400, "Escrow not found", |app| app.pay("ben", &request));
    }
}

#[test]
fn another_merchants_escrow_cannot_be_paid() {
    let app = spawn_app();
    let deal = app.offered();
    let key = "sk_test_other";
    app.json_with_key(key, "GET", "/v1/wallet", "ben", &json!({})).ok();
    let by_id = payment(&[&deal]);
    let by_token = json!({ "escrowDetails": { "paymentToken": deal.token } });
    for request in [by_id, by_token] {
        app.refuses(400, "You can only buy to your merchant's escrow", |app| {
            app.json_with_key(key, "POST", "/v1/payment/escrow", "ben", &request)
        });
    }
}

#[test]
fn a_payment_for_several_escrows_is_all_or_nothing() {
    let app = spawn_app();
    let (good, own) = (
        app.offered(),
        Deal::of(&app.create_escrow("ben", &standard_terms()).ok()),
    );
    let paid = app.funded();
    let unknown = Deal {
        id: NO_ID.to_owned(),
        ..good.clone()
    };
    for (bad, message) in [
        (&paid, NOT_PAYABLE),
        (&own, "Buyer and seller must be different customers"),
        (&unknown, "Escrow not found"),
    ] {
        app.refuses(400, message, |app| app.pay("ben", &payment(&[&good, bad])));
        app.refuses(400, message, |app| app.pay("ben", &payment(&[bad, &good])));
    }
    app.pay("ben", &payment(&[&good])).ok();
}

#[test]
fn an_invalid_list_is_refused() {
    let app = spawn_app_with(|config| config.limits.escrows_per_payment_max = 2);
    let deals = [app.offered(), app.offered(), app.offered()];
    let [one, two, three] = &deals;
    app.refuses(
        400,
        &format!(
            "escrowDetails.escrowId must be a list that names each escrow once; got {}",
            one.id
        ),
        |app| app.pay("ben", &payment(&[one, one])),
    );
    let wanted = "escrowDetails.escrowId must be an escrow id or a list of 1 to 2 of them; got";
    app.refuses(400, &format!("{wanted} []"), |app| app.pay("ben", &payment(&[])));
    let sent = payment(&[one, two, three]);
    let echo: String = sent["escrowDetails"]["escrowId"].to_string().chars().take(80).collect();
    app.refuses(400, &format!("{wanted} {echo}…"), |app| app.pay("ben", &sent));
    app.refuses(400, "escrowDetails is required", |app| app.pay("ben", &json!({})));
    let message = "escrowDetails must be an object with escrowId or paymentToken; got {}";
    app.refuses(400, message, |app| app.pay("ben", &json!({ "escrowDetails": {} })));
    app.pay("ben", &payment(&[one, two])).ok();
}

#[test]
fn a_reference_is_made_when_none_is_sent() {
    let app = spawn_app();
    let paid = [app.offered(), app.offered()].map(|deal| app.pay_for("ben", &deal).ok());
    for answer in &paid {
        assert_shape(&answer.data()["reference"], REFERENCE);
    }
    assert_ne!(paid[0].text("reference"), paid[1].text("reference"));
}

#[test]
fn a_repeated_payment_gets_the_same_reply_and_moves_no_money() {
    let app = spawn_app();
    let (one, two) = (app.offered(), standard(&app));
    let mut request = payment(&[&two, &one]);
    request["reference"] = json!("order-1");
    request["amount"] = json!(11_434.56);
    let first = app.pay("ben", &request).ok();
    let after_first = app.dump();
    let mut with_extras = request.clone();
    with_extras["gateway"] = json!("WALLET");
    with_extras["note"] = json!("sent again");
    for again in [&request, &request, &with_extras] {
        let answer = app.pay("ben", again).ok();
        assert_eq!(answer.body.to_string(), first.body.to_string());
    }
    let other_digits = request.to_string().replace("11434.56", "11434.560");
    let headers = [("customer-id", "ben"), ("content-type", "application/json")];
    let answer = app.send("POST", "/v1/payment/escrow", &headers, Some(other_digits.as_bytes()));
    assert_eq!(answer.ok().body.to_string(), first.body.to_string());
    assert_eq!(app.dump(), after_first);

    // The replay stays the same after the escrows change.
    app.confirm_payment("ben", &two.id).ok();
    for milestone in &one.milestones {
        app.confirm_milestone("ben", &one.id, milestone).ok();
    }
    let after_close = app.dump();
    assert_eq!(app.pay("ben", &request).ok().body.to_string(), first.body.to_string());
    assert_eq!(app.dump(), after_close);
}

#[test]
fn a_payment_under_a_generated_reference_is_replayed_too() {
    let app = spawn_app();
    let deal = app.offered();
    let first = app.pay_for("ben", &deal).ok();
    let after_first = app.dump();
    let again = app.pay("ben", &referenced(&first.text("reference"), &deal)).ok();
    assert_eq!(again.body.to_string(), first.body.to_string());
    assert_eq!(app.dump(), after_first);
}

#[test]
fn a_reference_of_another_payment_is_refused() {
    let app = spawn_app();
    let (deal, other) = (app.offered(), app.offered());
    let request = referenced("order-1", &deal);
    app.pay("ben", &request).ok();
    app.wallet("dan").ok();
    let mut with_amount = request.clone();
    with_amount["amount"] = json!(10_200);
    let by_token = json!({ "reference": "order-1", "escrowDetails": { "paymentToken": deal.token } });
    let unknown = json!({ "reference": "order-1", "escrowDetails": { "escrowId": NO_ID } });
    for different in [&referenced("order-1", &other), &with_amount, &by_token, &unknown] {
        app.refuses(400, "Duplicate reference", |app| app.pay("ben", different));
    }
    app.refuses(400, "Duplicate reference", |app| app.pay("dan", &request));
    app.refuses(400, "Duplicate reference", |app| app.pay("erin", &request));
    // References are case-sensitive.
    app.pay("ben", &referenced("ORDER-1", &other)).ok();
}

#[test]
fn a_reference_belongs_to_one_merchant() {
    let app = spawn_app();
    let key = "sk_test_other";
    let created = app
        .json_with_key(key, "POST", "/v1/escrow/milestone/create", "ada", &two_milestones())
        .ok();
    let (ours, theirs) = (app.offered(), Deal::of(&created));
    let first = app.pay("ben", &referenced("order-1", &ours)).ok();
    let request = referenced("order-1", &theirs);
    let second = app
        .json_with_key(key, "POST", "/v1/payment/escrow", "ben", &request)
        .ok();
    assert_ne!(first.text("id"), second.text("id"));
}

#[test]
fn a_refused_payment_leaves_its_reference_free() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(1_000_000));
    let deal = app.offered();
    let request = referenced("order-1", &deal);
    app.refuses(400, "Insufficient balance", |app| app.pay("ben", &request));
    app.top_up("ben", 1000).ok();
    let mut wrong = request.clone();
    wrong["amount"] = json!(1);
    app.refuses(400, "Amount mismatch", |app| app.pay("ben", &wrong));
    assert_eq!(app.pay("ben", &request).ok().text("reference"), "order-1");
}

#[test]
fn an_invalid_reference_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    app.wallet("ben").ok();
    for (reference, got) in [
        (json!("é"), "\"é\"".to_owned()),
        (json!("a\n"), "\"a\\n\"".to_owned()),
        (json!(17), "17".to_owned()),
        (json!("x".repeat(65)), format!("\"{}", "x".repeat(65)) + "\""),
    ] {
        let mut request = payment(&[&deal]);
        request["reference"] = reference;
        let message = format!("reference must be 1 to 64 printable ASCII characters; got {got}");
        app.refuses(400, &message, |app| app.pay("ben", &request));
    }
    app.pay("ben", &referenced(&"x".repeat(64), &deal)).ok();
}

/// If several refusals apply, the first in this order is the reply. Each step corrects only
/// the reason for the previous refusal.
#[test]
fn refusals_of_a_payment_come_in_a_fixed_order() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(1_100_000));
    let path = "/v1/payment/escrow";
    let (used, foreign) = (app.offered(), {
        let created = app.json_with_key("sk_test_other", "POST", "/v1/escrow/create", "ada", &standard_terms());
        Deal::of(&created.ok())
    });
    let own = Deal::of(&app.create_escrow("ben", &standard_terms()).ok());
    let mut offer = two_milestones();
    offer["milestones"][0]["customerId"] = json!("ben");
    let to_ben = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
    let good = app.offered();
    app.pay("ben", &referenced("used", &used)).ok();
    app.top_up("ben", 1000).ok();
    let pay = |request: &Value| app.pay("ben", request);

    // The caller, then the body's fields in their order.
    app.refuses(400, "customer-id header is required", |app| {
        app.send("POST", path, &[], Some(b""))
    });
    app.refuses(404, "Customer not found", |app| {
        app.pay("b n", &json!({ "amount": "x" }))
    });
    let mut request = payment(&[&own, &to_ben, &used, &foreign]);
    request["amount"] = json!(-1);
    request["reference"] = json!("");
    request["gateway"] = json!("cash");
    app.refuses(400, "amount must be a number of 0.01 or more; got -1", |_| {
        pay(&request)
    });
    request["amount"] = json!(1);
    app.refuses(400, "gateway must be \"wallet\" or \"card\"; got \"cash\"", |_| {
        pay(&request)
    });
    request["gateway"] = json!("wallet");
    // A used reference.
    request["reference"] = json!("used");
    app.refuses(400, "Duplicate reference", |_| pay(&request));
    request["reference"] = json!("fresh");
    // The existence of each escrow, in the order of the list.
    app.refuses(400, "You can only buy to your merchant's escrow", |_| pay(&request));
    request["escrowDetails"] = payment(&[&good, &good, &used])["escrowDetails"].clone();
    let twice = format!(
        "escrowDetails.escrowId must be a list that names each escrow once; got {}",
        good.id
    );
    app.refuses(400, &twice, |_| pay(&request));
    // The state of each escrow and the buyer, in the order of the offers.
    request["escrowDetails"] = payment(&[&to_ben, &own, &used])["escrowDetails"].clone();
    app.refuses(400, NOT_PAYABLE, |_| pay(&request));
    request["escrowDetails"] = payment(&[&to_ben, &own])["escrowDetails"].clone();
    app.refuses(400, "Buyer and seller must be different customers", |_| pay(&request));
    request["escrowDetails"] = payment(&[&good, &to_ben])["escrowDetails"].clone();
    app.refuses(
        400,
        "A milestone's beneficiary and the buyer must be different customers",
        |_| pay(&request),
    );
    // The amount, then the balance.
    request["escrowDetails"] = payment(&[&good])["escrowDetails"].clone();
    app.refuses(400, "Amount mismatch", |_| pay(&request));
    request["amount"] = json!(10_200);
    app.refuses(400, "Insufficient balance", |_| pay(&request));
    app.top_up("ben", 10_000).ok();
    pay(&request).ok();
}
