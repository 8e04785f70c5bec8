//! Tests the amounts that the sandbox's banks and cards decline for every card and account.

use serde_json::{Value, json};

use crate::helpers::{Deal, TestApp, spawn_app, standard_terms};

const VISA: &str = "4242424242424242";

/// Creates an intent over this amount, verifies it and returns its final status. A deposit
/// without a card is paid into its test account instead of verified.
fn final_status_of(app: &TestApp, amount: f64, kind: &str) -> String {
    let reference = format!("{kind} of {amount}");
    let mut request = json!({ "amount": amount, "reference": reference, "transactionType": "deposit" });
    match kind {
        "bank" => {
            request["transactionType"] = json!("withdrawal");
            request["withdrawalDetails"] = json!({
                "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada", "bankName": "GTB",
            });
        }
        "crypto" => {
            request["transactionType"] = json!("withdrawal");
            request["blockchainDetails"] =
                json!({ "toAddress": "0x0123456789abcdefABCDEF0123456789abcdef01", "network": "BSC" });
        }
        "card" => {
            let card = app.save_card("ada", VISA).ok().text("id");
            request["depositDetails"] = json!({ "cardId": card });
        }
        "wallet" => {
            request["transactionType"] = json!("wallet_transfer");
            request["walletDetails"] = json!({ "phone": "08011111111", "name": "Ben" });
        }
        _ => {}
    }
    let intent = app.create_intent("ada", &request).ok();
    let account: &Value = &intent.data()["testAccount"]["accountNumber"];
    let settled = match account.as_str() {
        Some(number) => app.send("POST", &format!("/sandbox/test-accounts/{number}/pay"), &[], None),
        None => app.verify_payment("ada", &reference),
    };
    settled.ok().text("status")
}

#[test]
fn an_amount_that_ends_in_51_or_91_fails_at_every_bank_and_card() {
    let app = spawn_app();
    app.customer_with("Ben", "08011111111", 0);
    let address = json!({ "walletAddress": "0x0123456789abcdefABCDEF0123456789abcdef01", "network": "BSC" });
    app.json("POST", "/v1/whitelist-address", "ada", &address).ok();
    for kind in ["test account", "card", "bank", "crypto"] {
        for amount in [1000.51, 1000.91] {
            let before = app.balances("ada");
            assert_eq!(final_status_of(&app, amount, kind), "failed", "{kind} {amount}");
            assert_eq!(app.balances("ada"), before, "{kind} {amount}");
            assert!(app.events().last().unwrap().ends_with(".failed"), "{kind} {amount}");
        }
        for amount in [1000.5, 1051.0, 1091.15] {
            assert_eq!(final_status_of(&app, amount, kind), "success", "{kind} {amount}");
        }
    }
    // A wallet transfer involves no bank or card that could decline.
    assert_eq!(final_status_of(&app, 1000.51, "wallet"), "success");
}

#[test]
fn a_card_declines_a_charge_that_ends_in_51_or_91_and_a_wallet_pays_it() {
    let app = spawn_app();
    let card = app.save_card("ben", VISA).ok().text("id");
    for (amount, message, code) in [
        (1000.51, "Card declined: insufficient funds", "card_insufficient_funds"),
        (
            1000.91,
            "Card declined: the card processor failed",
            "card_processor_error",
        ),
    ] {
        // The seller pays the fee, so the charge equals the amount.
        let mut terms = standard_terms();
        terms["amount"] = json!(amount);
        let offered = app.create_escrow("ada", &terms).ok();
        let deal = Deal {
            id: offered.text("id"),
            token: offered.text("paymentToken"),
            milestones: Vec::new(),
        };
        let by_card = json!({ "gateway": "card", "cardId": card, "escrowDetails": { "escrowId": deal.id } });
        let declined = app.refuses(400, message, |app| app.pay("ben", &by_card));
        assert_eq!(declined.body["code"], code);
        app.pay_for("ben", &deal).ok();
    }
}
