//! Tests saved cards and payments by card (contract sections 4.3.1 and 4.10).

use serde_json::{Value, json};

use crate::database;
use crate::helpers::{Answer, Deal, TestApp, kobo, spawn_app, spawn_app_with};

const VISA: &str = "4242424242424242";
const NO_ID: &str = "0123456789abcdef01234567";
const FEATURE_OFF: &str = "This feature is not enabled on your merchant account, please enable to access this route";

fn list(app: &TestApp, customer: &str) -> Answer {
    app.send("GET", "/v1/cards", &[("customer-id", customer)], None)
}

fn remove(app: &TestApp, customer: &str, card: &str) -> Answer {
    app.send(
        "DELETE",
        &format!("/v1/card/{card}"),
        &[("customer-id", customer)],
        None,
    )
}

fn by_card(deal: &Deal, card: &str) -> Value {
    json!({
        "amount": 10_200,
        "reference": format!("order of {}", deal.token),
        "gateway": "card",
        "cardId": card,
        "escrowDetails": { "escrowId": deal.id },
    })
}

#[test]
fn a_card_is_saved_listed_and_removed() {
    let app = spawn_app();
    assert_eq!(list(&app, "ada").ok().data(), &json!([]));
    let saved = app.save_card("ada", "4242 4242 4242 4242").ok();
    assert_eq!((saved.status, saved.message()), (201, "Card saved successfully"));
    assert_eq!(saved.data()["isDefault"], true);
    // Saving a card twice returns the card that exists.
    assert_eq!(app.save_card("ada", VISA).ok().data(), saved.data());
    let second = app.save_card("ada", "5555555555554444").ok();
    assert_eq!(second.data()["isDefault"], false);

    let listed = list(&app, "ada").ok();
    assert_eq!(listed.message(), "Cards fetched successfully");
    assert_eq!(listed.data(), &json!([saved.data(), second.data()]));
    assert_eq!(list(&app, "ben").ok().data(), &json!([]));

    app.refuses(400, "Card not found", |app| remove(app, "ben", &saved.text("id")));
    let removed = remove(&app, "ada", &saved.text("id")).ok();
    assert_eq!(
        (removed.message(), removed.data()),
        ("Card removed successfully", saved.data())
    );
    assert_eq!(list(&app, "ada").data()[0]["isDefault"], true);
    for id in [saved.text("id").as_str(), "x", NO_ID] {
        app.refuses(400, "Card not found", |app| remove(app, "ada", id));
    }
}

#[test]
fn a_number_that_is_not_a_test_card_is_refused_without_repeating_it() {
    let app = spawn_app();
    list(&app, "ada").ok();
    let message = "number must be one of the test cards 4242424242424242, 5555555555554444, 4000000000009995, \
                   4000000000000069, 4000000000000119; got another number";
    for number in ["4111111111111111", "4242", "x"] {
        app.refuses(400, message, |app| app.save_card("ada", number));
    }
    app.refuses(400, "number is required", |app| app.save_card("ada", ""));
    let message = "number must be a text; got a value of another kind";
    for number in [json!(4_111_111_111_111_111_i64), json!(["4111111111111111"])] {
        app.refuses(400, message, |app| {
            app.json("POST", "/sandbox/cards", "ada", &json!({ "number": number }))
        });
    }
}

#[test]
fn a_card_pays_into_the_hold_and_leaves_the_wallet_alone() {
    let app = spawn_app();
    let deal = app.offered();
    let card = app.save_card("ben", VISA).ok().text("id");
    let paid = app.pay("ben", &by_card(&deal, &card)).ok();
    assert_eq!(paid.message(), "Payment intent verified successfully");
    assert_eq!(paid.text("cardId"), card);
    assert_eq!(
        (paid.text("status"), &paid.data()["amount"]),
        ("success".to_owned(), &json!(10_200))
    );
    assert_eq!(paid.data()["escrowDetails"]["escrowId"], deal.id);
    assert_eq!(app.verify(&deal.token).ok().text("state"), "OPENED");
    assert_eq!(app.balances("ben"), (json!(1_000_000), json!(10_000)));
    assert_eq!(
        app.escrow_transfers(),
        ["FUND outside_world -> customer_escrow:ben 1020000"]
    );
    assert_eq!(app.events()[2..], ["payment.escrow.success", "escrow.ongoing"]);
    // A repeated request does not pay twice, and `verify` returns the same reply.
    let after = app.dump();
    assert_eq!(app.pay("ben", &by_card(&deal, &card)).ok().body, paid.body);
    assert_eq!(app.verify_payment("ben", &paid.text("reference")).ok().body, paid.body);
    assert_eq!(app.dump(), after);
    let mut by_wallet = by_card(&deal, &card);
    by_wallet["gateway"] = json!("wallet");
    app.refuses(400, "Duplicate reference", |app| app.pay("ben", &by_wallet));

    for milestone in &deal.milestones {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    assert_eq!(app.balances("ben"), (json!(1_000_000), json!(0)));
    assert_eq!(app.balances("ada").0, json!(1_010_000));
    assert_eq!(
        app.history("ben", "?type=escrow").ok().data()["data"][0]["cardId"],
        card
    );
}

#[test]
fn a_declined_card_changes_nothing_and_says_why() {
    let app = spawn_app();
    let deal = app.offered();
    for (number, code, message) in [
        (
            "4000000000009995",
            "card_insufficient_funds",
            "Card declined: insufficient funds",
        ),
        (
            "4000000000000069",
            "card_expired",
            "Card declined: the card has expired",
        ),
        (
            "4000000000000119",
            "card_processor_error",
            "Card declined: the card processor failed",
        ),
    ] {
        let card = app.save_card("ben", number).ok().text("id");
        let declined = app.refuses(400, message, |app| app.pay("ben", &by_card(&deal, &card)));
        assert_eq!(declined.body["code"], code);
    }
    let card = app.save_card("ben", VISA).ok().text("id");
    app.pay("ben", &by_card(&deal, &card)).ok();
}

#[test]
fn card_payments_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    let (used, deal) = (app.funded(), app.offered());
    let declining_card = app.save_card("ben", "4000000000009995").ok().text("id");
    app.wallet("dan").ok();
    let mut request = by_card(&used, "");
    request["amount"] = json!(1);
    app.refuses(400, "cardId is required", |app| app.pay("dan", &request));
    request["cardId"] = json!(declining_card);
    app.refuses(400, "Card not found", |app| app.pay("dan", &request));
    app.refuses(400, "Escrow is not in a valid state for checkout", |app| {
        app.pay("ben", &request)
    });
    request["escrowDetails"]["escrowId"] = json!(deal.id);
    app.refuses(400, "Amount mismatch", |app| app.pay("ben", &request));
    request["amount"] = json!(10_200);
    app.refuses(400, "Card declined: insufficient funds", |app| app.pay("ben", &request));
}

#[test]
fn only_nigerian_customers_pay_by_card() {
    let app = spawn_app();
    let deal = app.offered();
    let body = json!({
        "firstname": "Kofi", "lastname": "Mensah", "email": "kofi@shop.example", "phone": "0241234567",
        "countryId": "GH",
    });
    let headers = [("content-type", "application/json")];
    let created = app.send(
        "POST",
        "/v1/customer/create",
        &headers,
        Some(body.to_string().as_bytes()),
    );
    let kofi = created.ok().text("customerId");
    let card = app.save_card(&kofi, VISA).ok().text("id");
    let message = "Card payments are only available for Nigerian users";
    app.refuses(400, message, |app| app.pay(&kofi, &by_card(&deal, &card)));
    let deposit = json!({
        "amount": 1000, "transactionType": "deposit", "depositDetails": { "cardId": card },
    });
    app.refuses(400, message, |app| app.create_intent(&kofi, &deposit));
}

#[test]
fn cards_can_be_switched_off() {
    let app = spawn_app_with(|config| config.sandbox.cards = false);
    let deal = app.offered();
    app.wallet("ben").ok();
    app.refuses(403, FEATURE_OFF, |app| list(app, "ben"));
    app.refuses(403, FEATURE_OFF, |app| app.save_card("ben", VISA));
    app.refuses(403, FEATURE_OFF, |app| remove(app, "ben", NO_ID));
    app.refuses(403, FEATURE_OFF, |app| app.pay("ben", &by_card(&deal, NO_ID)));
    let deposit = json!({
        "amount": 1000, "transactionType": "deposit", "depositDetails": { "cardId": NO_ID },
    });
    app.refuses(403, FEATURE_OFF, |app| app.create_intent("ben", &deposit));
    // The setting does not affect crypto addresses.
    app.send("GET", "/v1/whitelist-address", &[("customer-id", "ben")], None)
        .ok();
}

#[test]
fn a_card_payment_cannot_exceed_what_the_merchants_accounts_can_hold() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(4_503_599_627_370_000));
    let deal = app.offered();
    let card = app.save_card("ben", VISA).ok().text("id");
    app.refuses(
        400,
        "This merchant's accounts cannot hold that much money together",
        |app| app.pay("ben", &by_card(&deal, &card)),
    );
}

#[test]
fn strict_mode_requires_amount_and_reference_and_pays_by_card_by_default() {
    let mut app = spawn_app();
    let deal = app.offered();
    let card = app.save_card("ben", VISA).ok().text("id");
    let database = app.database.clone();
    app.stop();
    let strict = spawn_app_with(|config| {
        database::copy(&database, &config.database);
        config.strict = true;
    });
    let mut request = json!({ "escrowDetails": { "escrowId": deal.id } });
    strict.refuses(400, "amount is required", |app| app.pay("ben", &request));
    request["amount"] = json!(999.99);
    strict.refuses(400, "amount must be a number of 1000 or more; got 999.99", |app| {
        app.pay("ben", &request)
    });
    request["amount"] = json!(10_200);
    strict.refuses(400, "reference is required", |app| app.pay("ben", &request));
    request["reference"] = json!("order-1");
    strict.refuses(400, "cardId is required", |app| app.pay("ben", &request));
    request["cardId"] = json!(card);
    assert_eq!(strict.pay("ben", &request).ok().text("cardId"), card);
}
