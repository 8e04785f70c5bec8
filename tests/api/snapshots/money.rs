//! Payments, intents, wallets, histories, banks, cards and the whitelist.

use serde_json::{Value, json};

use super::assert_snapshot;
use super::escrows::app_with_commission;
use crate::helpers::{Deal, TestApp, spawn_recorded_app};

const ADDRESS: &str = "0x0123456789abcdefABCDEF0123456789abcdef01";

/// Returns the body of an intent to deposit.
fn deposit(reference: &str, amount: impl Into<Value>) -> Value {
    json!({ "amount": amount.into(), "reference": reference, "transactionType": "deposit" })
}

fn withdrawal(reference: &str, amount: impl Into<Value>, account_number: &str) -> Value {
    json!({
        "amount": amount.into(), "reference": reference, "transactionType": "withdrawal",
        "withdrawalDetails": {
            "bankCode": "058", "accountNumber": account_number, "accountName": "Ada Obi",
            "bankName": "Guaranty Trust Bank", "narration": "rent",
        },
    })
}

impl TestApp {
    fn pay_account(&self, intent: &Value, body: Option<&Value>) {
        let number = intent["testAccount"]["accountNumber"].as_str().unwrap();
        self.as_merchant("POST", &format!("/sandbox/test-accounts/{number}/pay"), body);
    }
}

#[test]
fn payments_for_escrows_are_answered_word_for_word() {
    let app = app_with_commission();
    let offer = || app.unrecorded(|app| app.standard_with(&json!({})));
    app.note("By id, by token, with a reference, and repeated");
    let (one, other) = (offer(), offer());
    let payment = json!({
        "amount": 1234.56, "reference": "order-1", "gateway": "wallet", "transactionType": "escrow", "currency": "NGN",
        "escrowDetails": { "escrowId": one.id },
    });
    app.pay("ben", &payment);
    app.pay("ben", &payment);
    app.pay("ben", &json!({ "escrowDetails": { "paymentToken": other.token } }));
    app.pay_for("ben", &other);
    app.note("Several at once");
    let (one, other) = (offer(), offer());
    app.pay(
        "ben",
        &json!({ "reference": "order-2", "escrowDetails": { "escrowId": [one.id, other.id] } }),
    );
    app.verify_payment("ben", "order-2");
    app.verify(&one.token);
    app.note("By declined cards, for a declined amount, and by a card");
    let (deal, declined) = (
        offer(),
        app.unrecorded(|app| app.standard_with(&json!({ "amount": 1000.51 }))),
    );
    for (number, deal) in [
        ("4000000000009995", &deal),
        ("4000000000000069", &deal),
        ("4000000000000119", &deal),
        ("4242424242424242", &declined),
        ("4242424242424242", &deal),
    ] {
        let card = app.unrecorded(|app| app.save_card("ben", number).ok().text("id"));
        let by_card = json!({ "gateway": "card", "cardId": card, "escrowDetails": { "escrowId": deal.id } });
        app.pay("ben", &by_card);
    }
    let unknown = "0123456789abcdef01234567";
    let by_card = json!({ "gateway": "card", "cardId": unknown, "escrowDetails": { "escrowId": offer().id } });
    app.pay("ben", &by_card);
    app.note("Refused");
    let deal = offer();
    app.pay(
        "ben",
        &json!({ "amount": 1234.55, "escrowDetails": { "escrowId": deal.id } }),
    );
    app.pay(
        "ben",
        &json!({ "reference": "order-1", "escrowDetails": { "escrowId": deal.id } }),
    );
    app.pay("ada", &json!({ "escrowDetails": { "escrowId": deal.id } }));
    app.pay("ben", &json!({ "escrowDetails": { "escrowId": [deal.id, deal.id] } }));
    app.json_with_key(
        "sk_test_other",
        "POST",
        "/v1/payment/escrow",
        "ben",
        &json!({ "escrowDetails": { "escrowId": deal.id } }),
    );
    let expensive = app.unrecorded(|app| app.standard_with(&json!({ "amount": 50_000_000 })));
    app.pay_for("ben", &expensive);
    let beneficiary = app.unrecorded(|app| {
        let mut terms = crate::helpers::two_milestones();
        terms["milestones"][0]["customerId"] = json!("cleo");
        Deal::of(&app.create_milestone_escrow("ada", &terms).ok())
    });
    app.pay_for("cleo", &beneficiary);
    app.unrecorded(|app| app.permit("ben", &json!({ "canBuy": false, "canSell": false })).ok());
    app.pay_for("ben", &deal);
    app.create_escrow("ben", &crate::helpers::standard_terms());
    app.note("Wallets, top-ups and histories");
    app.top_up("ben", 1000);
    app.top_up("ben", 999.99);
    app.wallet("ben");
    app.wallet("newcomer");
    app.history("ben", "");
    app.history("ben", "?type=escrow&limit=2");
    app.history("ben", "?reference=order-2");
    app.history("ben", "?fromDate=2031-03-04&toDate=2031-03-04");
    app.unrecorded(|app| {
        app.set_additional_fee(&deal.token, &json!({ "additionalFee": 50 }))
            .ok();
        app.pay_for("cleo", &deal).ok();
        app.confirm_payment("cleo", &deal.id).ok()
    });
    app.as_merchant("GET", "/v1/merchant/balance", None);
    app.as_merchant("GET", "/v1/merchant/transactions", None);
    app.as_merchant("GET", "/v1/merchant/transactions?type=commission&limit=1", None);
    app.as_merchant("GET", "/v1/merchant/transactions?fromDate=2031-03-05", None);
    assert_snapshot("payments", &[&app]);
}

#[test]
fn intents_are_answered_word_for_word() {
    let app = spawn_recorded_app(|_| {});
    app.note("A deposit by a test account");
    let waiting = app.create_intent("ada", &deposit("d-1", 2500.5));
    app.verify_payment("ada", "d-1");
    app.pay_account(waiting.data(), Some(&json!({ "amount": 2500 })));
    app.pay_account(waiting.data(), None);
    app.pay_account(waiting.data(), None);
    app.verify_payment("ada", "d-1");
    app.create_intent("ada", &deposit("d-1", 2500.5));
    app.create_intent("ada", &deposit("d-1", 1000));
    app.create_intent("ada", &json!({ "amount": 1000, "transactionType": "deposit" }));
    app.note("A deposit by a card, and by one that declines");
    for (number, amount) in [
        ("4242424242424242", json!(1000)),
        ("4000000000009995", json!(1000)),
        ("4242424242424242", json!(1000.91)),
    ] {
        let card = app.unrecorded(|app| app.save_card("ada", number).ok().text("id"));
        let reference = format!("c-{amount}-{}", &number[12..]);
        let mut by_card = deposit(&reference, amount);
        by_card["depositDetails"] = json!({ "cardId": card });
        app.create_intent("ada", &by_card);
        app.verify_payment("ada", &reference);
    }
    app.note(
        "Withdrawals to a bank: one that succeeds, one that fails, one that comes back, and two that are declined",
    );
    for (reference, amount, account) in [
        ("w-1", json!(1000), "0123456789"),
        ("w-2", json!(6000), "0000000001"),
        ("w-3", json!(60000), "0000000002"),
        ("w-4", json!(1000.51), "0123456789"),
        ("w-5", json!(1000.91), "0123456789"),
    ] {
        app.create_intent("ada", &withdrawal(reference, amount, account));
        app.verify_payment("ada", reference);
        app.verify_payment("ada", reference);
    }
    app.create_intent("ada", &withdrawal("w-6", 1000, "0000000000"));
    app.create_intent("ada", &withdrawal("w-7", 90_000_000, "0123456789"));
    app.verify_payment("ada", "w-7");
    app.note("Withdrawals to a blockchain");
    let crypto = json!({
        "amount": 1000, "reference": "b-1", "transactionType": "withdrawal",
        "blockchainDetails": { "toAddress": ADDRESS, "network": "BSC", "tokenAddress": ADDRESS },
    });
    app.create_intent("ada", &crypto);
    let address = json!({ "walletAddress": ADDRESS, "network": "BSC", "label": "Savings" });
    app.unrecorded(|app| app.json("POST", "/v1/whitelist-address", "ada", &address).ok());
    app.create_intent("ada", &crypto);
    app.verify_payment("ada", "b-1");
    app.note("Wallet transfers");
    let receiver = app.unrecorded(|app| {
        app.create_customer(&crate::helpers::new_customer())
            .ok()
            .text("customerId")
    });
    let transfer = |reference: &str, phone: &str| {
        json!({
            "amount": 1500, "reference": reference, "transactionType": "wallet_transfer",
            "walletDetails": { "phone": phone, "name": "Ada Obi", "narration": "lunch" },
        })
    };
    app.create_intent("ben", &transfer("t-1", "08012345678"));
    app.verify_payment("ben", "t-1");
    app.create_intent("ben", &transfer("t-2", "08099999999"));
    app.create_intent(&receiver, &transfer("t-3", "08012345678"));
    app.note("Without the permission to withdraw");
    app.unrecorded(|app| {
        app.create_intent("ben", &withdrawal("w-8", 1000, "0123456789")).ok();
        app.permit("ben", &json!({ "canWithdraw": false })).ok()
    });
    app.create_intent("ben", &withdrawal("w-9", 1000, "0123456789"));
    app.verify_payment("ben", "w-8");
    app.verify_payment("ben", "no such payment");
    app.note("All of Ada's history");
    app.history("ada", "?limit=100");
    assert_snapshot("intents", &[&app]);
}

#[test]
fn banks_cards_and_addresses_are_answered_word_for_word() {
    let app = spawn_recorded_app(|_| {});
    app.note("Banks");
    app.as_merchant("GET", "/v1/payment/bank-list", None);
    let account = |number: &str, bank: &str| {
        let body = json!({ "accountNumber": number, "bankCode": bank, "bankName": "Bank" });
        app.json("POST", "/v1/payment/verify-account", "ada", &body);
    };
    account("0123456789", "058");
    account("0000000000", "058");
    account("0123456789", "000");
    app.unrecorded(|app| app.create_customer(&crate::helpers::new_customer()).ok());
    app.as_merchant("GET", "/v1/payment/verify-phone/08012345678", None);
    app.as_merchant("GET", "/v1/payment/verify-phone/+2348012345678", None);
    app.as_merchant("GET", "/v1/payment/verify-phone/08099999999", None);
    app.as_merchant("GET", "/v1/payment/deposit/wallet", None);
    app.of_party("POST", "/v1/payment/virtual-account", "ada");
    app.as_merchant("GET", "/v1/countries", None);
    app.note("Cards");
    let first = app.save_card("ada", "4242 4242-4242 4242").text("id");
    app.save_card("ada", "5555555555554444");
    app.save_card("ada", "4000000000000069");
    app.save_card("ada", "4111111111111111");
    app.of_party("GET", "/v1/cards", "ada");
    app.of_party("DELETE", &format!("/v1/card/{first}"), "ada");
    app.of_party("DELETE", &format!("/v1/card/{first}"), "ada");
    app.of_party("GET", "/v1/cards", "ada");
    app.note("Cards of a customer abroad");
    let abroad = app.unrecorded(|app| {
        let mut profile = crate::helpers::new_customer();
        profile["email"] = json!("kofi@shop.example");
        profile["phone"] = json!("0241234567");
        profile["countryId"] = json!("GH");
        app.create_customer(&profile).ok().text("customerId")
    });
    app.save_card(&abroad, "4242424242424242");
    let deal = app.unrecorded(TestApp::offered);
    let by_card =
        json!({ "gateway": "card", "cardId": "0123456789abcdef01234567", "escrowDetails": { "escrowId": deal.id } });
    app.pay(&abroad, &by_card);
    app.note("Whitelisted addresses");
    let add = |number: usize, label: &Value| {
        let body = json!({ "walletAddress": format!("0x{number:040X}"), "network": "BSC", "label": label });
        app.json("POST", "/v1/whitelist-address", "ada", &body)
    };
    let first = add(171, &json!("Savings")).text("id");
    add(171, &Value::Null);
    app.unrecorded(|app| {
        let full = |number: &usize| {
            let body = json!({ "walletAddress": format!("0x{number:040x}"), "network": "BSC" });
            app.json("POST", "/v1/whitelist-address", "ada", &body).status != 201
        };
        assert!((1_000..1_100).any(|number| full(&number)));
    });
    add(172, &Value::Null);
    app.of_party("GET", "/v1/whitelist-address", "ada");
    app.of_party("DELETE", &format!("/v1/whitelist-address/{first}"), "ada");
    app.of_party("DELETE", &format!("/v1/whitelist-address/{first}"), "ada");
    assert_snapshot("banks_cards_and_addresses", &[&app]);
}

#[test]
fn customers_are_answered_word_for_word() {
    let app = spawn_recorded_app(|_| {});
    app.note("Created with every field, and with required fields only");
    let all = json!({
        "firstname": "Ada", "lastname": "Obi", "email": "Ada@Shop.example", "phone": "2348012345678",
        "countryId": "NG", "bvn": "12345678901",
    });
    let id = app.create_customer(&all).text("customerId");
    app.create_customer(&all);
    let mut other = all.clone();
    other["email"] = json!("eve@shop.example");
    app.create_customer(&other);
    let least = json!({ "firstname": "Eve", "lastname": "Obi", "email": "eve@shop.example", "phone": "08087654321" });
    let eve = app.create_customer(&least).text("customerId");
    app.note("Read");
    app.customer(&id);
    app.wallet("guest");
    app.customer("guest");
    for query in [
        "",
        "?limit=1&page=2",
        "?email=ada@shop.example",
        "?phone=08012345678",
        "?email=ada@shop.example&phone=08087654321",
        "?limit=51",
    ] {
        app.customers(query);
    }
    app.note("Changed");
    app.update_customer(&id, &json!({ "firstname": "Adaeze" }));
    app.update_customer(
        "guest",
        &json!({ "firstname": "Guy", "lastname": "Est", "email": "GUEST@shop.example" }),
    );
    app.update_customer(&id, &json!({ "email": "eve@shop.example" }));
    app.update_customer(&id, &json!({ "phone": "08011111111" }));
    app.permit(&id, &json!({ "canWithdraw": false, "canBuy": false, "canSell": false }));
    app.permit(&id, &json!({ "canBuy": true }));
    app.permit(&id, &json!({}));
    app.note("Blocked and unblocked");
    app.block(&id);
    app.block(&id);
    app.wallet(&id);
    app.customer(&id);
    app.unblock(&id);
    app.customer(&id);
    app.unblock(&eve);
    app.block("nobody");
    assert_snapshot("customers", &[&app]);
}
