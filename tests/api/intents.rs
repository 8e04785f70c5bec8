//! Deposits and withdrawals: the creation of an intent, then its verification (contract
//! sections 4.3.2, 4.3.3, 5.9 and 6.4).

use escrowd::domain::fees::WithdrawalFees;
use serde_json::{Value, json};

use crate::database;
use crate::helpers::{
    Answer, LIVE_KEY, TestApp, kobo, new_customer, spawn_app, spawn_app_with, spawn_live_app, two_milestones,
};
use crate::shapes::{REFERENCE, assert_shape};
use crate::waiting::until;

const OFF: &str = "This feature is not enabled on your merchant account, please enable to access this route";
const ADDRESS: &str = "0x0123456789abcdefABCDEF0123456789abcdef01";

fn deposit(reference: &str, major: i64) -> Value {
    json!({ "amount": major, "reference": reference, "transactionType": "deposit" })
}

pub(crate) fn withdrawal(reference: &str, major: i64, account_number: &str) -> Value {
    json!({
        "amount": major,
        "reference": reference,
        "transactionType": "withdrawal",
        "withdrawalDetails": {
            "bankCode": "058",
            "accountNumber": account_number,
            "accountName": "Ada Obi",
            "bankName": "Guaranty Trust Bank",
            "narration": "rent",
        },
    })
}

fn crypto(reference: &str, address: &str) -> Value {
    json!({
        "amount": 1000,
        "reference": reference,
        "transactionType": "withdrawal",
        "blockchainDetails": { "toAddress": address, "network": "BSC" },
    })
}

fn pay_test_account(app: &TestApp, intent: &Answer, body: Option<&Value>) -> Answer {
    let number = intent.data()["testAccount"]["accountNumber"].as_str().unwrap();
    let path = format!("/sandbox/test-accounts/{number}/pay");
    match body {
        Some(body) => app.json("POST", &path, "anyone", body),
        None => app.send("POST", &path, &[], None),
    }
}

/// Spawns a service that charges 100 naira for every withdrawal (contract Ex 16).
fn app_with_fee() -> TestApp {
    spawn_app_with(|config| config.fees.withdrawal_minor = WithdrawalFees::parse("10000").unwrap())
}

#[test]
fn a_deposit_waits_until_its_test_account_is_paid() {
    let app = spawn_app();
    let intent = app.create_intent("ada", &deposit("d-1", 2500)).ok();
    assert_eq!(app.balances("ada"), (json!(1_000_000), json!(0)));
    let waiting = app.verify_payment("ada", "d-1").ok();
    assert_eq!(waiting.message(), "Payment intent verified successfully");
    assert_eq!(waiting.text("status"), "pending");
    assert_eq!(app.events(), [""; 0]);

    let paid = pay_test_account(&app, &intent, None).ok();
    assert_eq!(paid.message(), "Test account paid successfully");
    assert_eq!(
        (paid.text("status"), paid.text("id")),
        ("success".to_owned(), intent.text("id"))
    );
    assert_eq!(app.balances("ada"), (json!(1_002_500), json!(0)));
    assert_eq!(app.events(), ["payment.deposit.success"]);
    assert_eq!(
        app.other_transfers(),
        ["DEPOSIT outside_world -> customer_main:ada 250000"]
    );

    // Verifying or paying again changes nothing.
    let after = app.dump();
    assert_eq!(app.verify_payment("ada", "d-1").ok().text("status"), "success");
    assert_eq!(pay_test_account(&app, &intent, None).ok().data(), paid.data());
    assert_eq!(app.create_intent("ada", &deposit("d-1", 2500)).ok().data(), paid.data());
    assert_eq!(app.dump(), after);
}

#[test]
fn the_test_account_of_a_failed_deposit_takes_no_money() {
    let app = spawn_app();
    let refuses = |intent: &Answer| {
        app.refuses(409, "The deposit is failed and cannot be paid", |app| {
            pay_test_account(app, intent, None)
        });
    };
    let mut request = deposit("d-1", 1000);
    request["amount"] = json!(1000.51);
    let declined = app.create_intent("ada", &request).ok();
    let paid = pay_test_account(&app, &declined, None).ok();
    assert_eq!(
        (paid.message(), paid.text("status")),
        ("Test account paid; the deposit failed", "failed".to_owned())
    );
    refuses(&declined);
    let given_up = app.create_intent("ada", &deposit("d-2", 2500)).ok();
    let expire = json!({ "reference": "d-2", "reason": "no money came" });
    app.as_merchant("POST", "/operator/deposits/expire", Some(&expire)).ok();
    refuses(&given_up);
    assert_eq!(app.balances("ada"), (json!(1_000_000), json!(0)));
}

#[test]
fn a_test_account_takes_only_the_due_amount() {
    let app = spawn_app();
    let intent = app.create_intent("ada", &deposit("d-1", 2500)).ok();
    app.refuses(400, "Amount mismatch", |app| {
        pay_test_account(app, &intent, Some(&json!({ "amount": 2499.99 })))
    });
    app.refuses(400, "amount must be a number of 0.01 or more; got -1", |app| {
        pay_test_account(app, &intent, Some(&json!({ "amount": -1 })))
    });
    pay_test_account(&app, &intent, Some(&json!({ "amount": 2500 }))).ok();
    // Some clients send the type where they have no body.
    for (reference, content_type) in [
        ("d-2", "application/json"),
        ("d-3", "application/x-www-form-urlencoded"),
    ] {
        let intent = app.create_intent("ada", &deposit(reference, 2500)).ok();
        let number = intent.data()["testAccount"]["accountNumber"].as_str().unwrap();
        let send = |body: &str| {
            let length = body.len();
            let head = format!("POST /sandbox/test-accounts/{number}/pay HTTP/1.1\r\nhost: localhost\r\n");
            let head = format!("{head}content-type: {content_type}\r\ncontent-length: {length}\r\n\r\n");
            app.exchange(format!("{head}{body}").as_bytes())
        };
        if content_type != "application/json" {
            app.refuses_code(415, "unsupported_media_type", |_| send("amount=1"));
        }
        send("").ok();
    }
    for number in ["9900000000", "x", "0123456789"] {
        app.refuses(400, "Test account not found", |app| {
            app.send("POST", &format!("/sandbox/test-accounts/{number}/pay"), &[], None)
        });
    }
    // Another merchant's test account does not exist for this one.
    let number = intent.data()["testAccount"]["accountNumber"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/sandbox/test-accounts/{number}/pay");
    app.json_with_key("sk_test_other", "GET", "/v1/wallet", "ada", &json!({}))
        .ok();
    app.refuses(400, "Test account not found", |app| {
        app.json_with_key("sk_test_other", "POST", &path, "ada", &json!({}))
    });
}

#[test]
fn a_card_is_charged_when_its_deposit_is_verified() {
    let app = spawn_app();
    for (number, status, balance) in [
        ("4242424242424242", "success", 1_001_000),
        ("4000000000009995", "failed", 1_001_000),
        ("4000000000000069", "failed", 1_001_000),
        ("4000000000000119", "failed", 1_001_000),
        ("5555555555554444", "success", 1_002_000),
    ] {
        let card = app.save_card("ada", number).ok().text("id");
        let mut request = deposit(number, 1000);
        request["depositDetails"] = json!({ "cardId": card });
        let intent = app.create_intent("ada", &request).ok();
        assert_eq!(intent.data()["depositDetails"], json!({ "cardId": card }));
        assert_eq!(
            (intent.text("status"), intent.text("cardId")),
            ("pending".to_owned(), card)
        );
        let verified = app.verify_payment("ada", number).ok();
        assert_eq!(verified.text("status"), status, "{number}");
        assert_eq!(app.balances("ada").0, json!(balance), "{number}");
        assert_eq!(app.events().last().unwrap(), &format!("payment.deposit.{status}"));
        let after = app.dump();
        assert_eq!(app.verify_payment("ada", number).ok().body, verified.body);
        assert_eq!(app.dump(), after);
    }
    // A card that the customer has since removed cannot be charged.
    let card = app.save_card("ada", "4242424242424242").ok().text("id");
    let mut request = deposit("late", 1000);
    request["depositDetails"] = json!({ "cardId": card });
    app.create_intent("ada", &request).ok();
    app.send("DELETE", &format!("/v1/card/{card}"), &[("customer-id", "ada")], None)
        .ok();
    assert_eq!(app.verify_payment("ada", "late").ok().text("status"), "failed");
    request["reference"] = json!("later");
    app.refuses(400, "Card not found", |app| app.create_intent("ada", &request));
}

#[test]
fn a_withdrawal_takes_its_amount_and_its_fee() {
    let app = app_with_fee();
    let intent = app.create_intent("ada", &withdrawal("w-1", 10_000, "0123456789")).ok();
    assert_eq!(intent.data()["fee"], 100);
    assert_eq!(intent.data()["status"], "pending");
    assert_eq!(app.balances("ada").0, json!(989_900), "the money is on its way");
    assert!(app.events().is_empty());
    let verified = app.verify_payment("ada", "w-1").ok();
    assert_eq!(verified.data()["amount"], 10_000);
    assert_eq!(verified.data()["fee"], 100);
    assert_eq!(verified.data()["status"], "success");
    assert_eq!(verified.data()["creditType"], "debit");
    assert_eq!(
        verified.data()["withdrawalDetails"].to_string(),
        withdrawal("w-1", 10_000, "0123456789")["withdrawalDetails"].to_string()
    );
    assert_eq!(app.balances("ada").0, json!(989_900));
    assert_eq!(
        app.other_transfers(),
        [
            "PAYOUT customer_main:ada -> in_transit 1010000",
            "WITHDRAWAL in_transit -> outside_world 1000000",
            "WITHDRAWAL_FEE in_transit -> platform_fees 10000",
        ]
    );
    assert_eq!(app.events(), ["payment.withdrawal.success"]);
    let after = app.dump();
    assert_eq!(app.verify_payment("ada", "w-1").ok().body, verified.body);
    assert_eq!(app.dump(), after);
}

#[test]
fn an_intent_keeps_its_fee_when_the_setting_changes() {
    let mut app = app_with_fee();
    app.create_intent("ada", &withdrawal("w-1", 10_000, "0123456789")).ok();
    let database = app.database.clone();
    app.stop();
    let again = spawn_app_with(|config| {
        database::copy(&database, &config.database);
        config.fees.withdrawal_minor = WithdrawalFees::parse("500000:1000, 5000000:2500, 5000").unwrap();
    });
    assert_eq!(again.verify_payment("ada", "w-1").ok().data()["fee"], 100);
    assert_eq!(again.balances("ada").0, json!(989_900));
    for (major, fee) in [(5000, 10), (5001, 25), (50_000, 25), (50_001, 50)] {
        let request = withdrawal(&major.to_string(), major, "0123456789");
        assert_eq!(again.create_intent("ada", &request).ok().data()["fee"], fee, "{major}");
    }
}

#[test]
fn a_failed_or_reversed_withdrawal_leaves_the_balance_unchanged() {
    let app = app_with_fee();
    for (number, status) in [("0000000001", "failed"), ("0000000002", "reversed")] {
        app.create_intent("ada", &withdrawal(number, 10_000, number)).ok();
        let verified = app.verify_payment("ada", number).ok();
        assert_eq!(verified.text("status"), status);
        assert_eq!(app.balances("ada").0, json!(1_000_000));
        assert_eq!(app.events().last().unwrap(), &format!("payment.withdrawal.{status}"));
        let after = app.dump();
        assert_eq!(app.verify_payment("ada", number).ok().body, verified.body);
        assert_eq!(app.dump(), after);
    }
    assert_eq!(
        app.other_transfers(),
        [
            "PAYOUT customer_main:ada -> in_transit 1010000",
            "PAYOUT_RETURN in_transit -> customer_main:ada 1010000",
            "PAYOUT customer_main:ada -> in_transit 1010000",
            "PAYOUT_RETURN in_transit -> customer_main:ada 1010000",
        ]
    );
}

#[test]
fn one_balance_is_withdrawn_once() {
    let app = spawn_app_with(|config| {
        config.fees.withdrawal_minor = WithdrawalFees::parse("10000").unwrap();
        config.sandbox.opening_balance_minor = kobo(1_010_000);
    });
    app.wallet("ada").ok();
    let refused = app.refuses(400, "Insufficient balance", |app| {
        app.create_intent("ada", &withdrawal("w-0", 10_001, "0123456789"))
    });
    assert_eq!(
        refused.body["details"],
        json!({ "needed": 10_101, "available": 10_100 })
    );
    app.create_intent("ada", &withdrawal("w-1", 10_000, "0123456789")).ok();
    assert_eq!(app.balances("ada").0, json!(0));
    app.refuses(400, "Insufficient balance", |app| {
        app.create_intent("ada", &withdrawal("w-2", 10_000, "0123456789"))
    });
    assert_eq!(app.verify_payment("ada", "w-1").ok().text("status"), "success");
    assert_eq!(app.balances("ada").0, json!(0));
}

/// The hosted API takes the money at the verification.
#[test]
fn with_strict_a_withdrawal_takes_its_money_when_it_is_verified() {
    let app = spawn_app_with(|config| {
        config.strict = true;
        config.fees.withdrawal_minor = WithdrawalFees::parse("10000").unwrap();
    });
    let ada = app.create_customer(&new_customer()).ok().text("customerId");
    app.top_up(&ada, 20_000).ok();
    for reference in ["w-1", "w-2"] {
        app.create_intent(&ada, &withdrawal(reference, 15_000, "0123456789"))
            .ok();
    }
    assert_eq!(app.balances(&ada).0, json!(20_000));
    app.verify_payment(&ada, "w-1").ok();
    assert_eq!(app.balances(&ada).0, json!(4_900));
    app.refuses(400, "Insufficient balance", |app| app.verify_payment(&ada, "w-2"));
}

#[test]
fn crypto_goes_to_whitelisted_addresses_only_and_is_simulated() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let refusal = "Crypto can only be withdrawn to a whitelisted address";
    app.refuses(400, refusal, |app| app.create_intent("ada", &crypto("c-1", ADDRESS)));
    let body = json!({ "walletAddress": ADDRESS, "network": "BSC" });
    let added = app.json("POST", "/v1/whitelist-address", "ada", &body).ok();
    let intent = app.create_intent("ada", &crypto("c-1", &ADDRESS.to_lowercase())).ok();
    let details = &intent.data()["blockchainDetails"];
    assert_eq!(details["toAddress"], ADDRESS.to_lowercase());
    assert_eq!(details["network"], "BSC");
    assert_shape(&details["fromAddress"], &format!("0x{}", "h".repeat(40)));
    assert_eq!((&details["hash"], &details["confirmations"]), (&Value::Null, &json!(0)));
    // The address is removed from the whitelist before the verification.
    let path = format!("/v1/whitelist-address/{}", added.text("id"));
    app.send("DELETE", &path, &[("customer-id", "ada")], None).ok();
    app.refuses(400, refusal, |app| app.verify_payment("ada", "c-1"));
    app.json("POST", "/v1/whitelist-address", "ada", &body).ok();
    assert_eq!(app.verify_payment("ada", "c-1").ok().text("status"), "success");
    assert_eq!(app.balances("ada").0, json!(998_990));
    // Another customer cannot use the list.
    app.wallet("ben").ok();
    app.refuses(400, refusal, |app| app.create_intent("ben", &crypto("c-2", ADDRESS)));
}

#[test]
fn an_invalid_intent_is_refused() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let good = withdrawal("w-1", 1000, "0123456789");
    let cases = [
        (
            "/amount",
            json!(99.99),
            "amount must be a number of 100 or more; got 99.99",
        ),
        (
            "/amount",
            json!(100.001),
            "amount must be a number with at most two decimals; got 100.001",
        ),
        ("/amount", Value::Null, "amount is required"),
        (
            "/reference",
            json!("é"),
            "reference must be 1 to 64 printable ASCII characters; got \"é\"",
        ),
        ("/transactionType", Value::Null, "transactionType is required"),
        (
            "/transactionType",
            json!("escrow"),
            "transactionType must be \"withdrawal\" or \"deposit\" or \"wallet_transfer\"; got \"escrow\"",
        ),
        ("/currency", json!("USD"), "currency must be \"NGN\"; got \"USD\""),
        ("/withdrawalDetails", Value::Null, "withdrawalDetails is required"),
        (
            "/withdrawalDetails/bankCode",
            Value::Null,
            "withdrawalDetails.bankCode is required",
        ),
        (
            "/withdrawalDetails/bankCode",
            json!("00"),
            "withdrawalDetails.bankCode must be 3 to 6 digits, such as those that GET /v1/payment/bank-list gives; \
             got \"00\"",
        ),
        (
            "/withdrawalDetails/accountNumber",
            json!("12345"),
            "withdrawalDetails.accountNumber must be 10 digits; got \"12345\"",
        ),
        (
            "/withdrawalDetails/accountName",
            Value::Null,
            "withdrawalDetails.accountName is required",
        ),
        (
            "/withdrawalDetails/bankName",
            Value::Null,
            "withdrawalDetails.bankName is required",
        ),
        (
            "/blockchainDetails",
            json!({ "toAddress": ADDRESS, "network": "BSC" }),
            "blockchainDetails must be left out where withdrawalDetails is sent; got \
             {\"toAddress\":\"0x0123456789abcdefABCDEF0123456789abcdef01\",\"network\":\"BSC\"}",
        ),
    ];
    for (pointer, value, message) in cases {
        let mut body = good.clone();
        match body.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => body[&pointer[1..]] = value,
        }
        app.refuses(400, message, |app| app.create_intent("ada", &body));
    }
    for (details, message) in [
        (
            json!({ "toAddress": "0x12", "network": "BSC" }),
            "blockchainDetails.toAddress must be a wallet address: 0x and 40 hex characters; got \"0x12\"",
        ),
        (
            json!({ "toAddress": ADDRESS, "network": "ETH" }),
            "blockchainDetails.network must be \"BSC\"; got \"ETH\"",
        ),
        (
            json!({ "toAddress": ADDRESS, "network": "BSC", "tokenAddress": "x" }),
            "blockchainDetails.tokenAddress must be a wallet address: 0x and 40 hex characters; got \"x\"",
        ),
    ] {
        let mut body = crypto("c-1", ADDRESS);
        body["blockchainDetails"] = details;
        app.refuses(400, message, |app| app.create_intent("ada", &body));
    }
    let mut body = deposit("d-1", 1000);
    body["depositDetails"] = json!({ "cardId": "0123456789abcdef01234567" });
    app.refuses(400, "Card not found", |app| app.create_intent("ada", &body));
}

#[test]
fn a_reference_names_one_payment_of_one_customer() {
    let app = spawn_app();
    let deal = app.offered();
    app.wallet("ada").ok();
    app.wallet("ben").ok();
    let first = app.create_intent("ada", &deposit("r-1", 1000)).ok();
    let after = app.dump();
    assert_eq!(app.create_intent("ada", &deposit("r-1", 1000)).ok().body, first.body);
    assert_eq!(app.dump(), after);
    // Another body, another customer, another kind of payment.
    let duplicate = "Duplicate reference";
    app.refuses(400, duplicate, |app| app.create_intent("ada", &deposit("r-1", 1001)));
    app.refuses(400, duplicate, |app| app.create_intent("ben", &deposit("r-1", 1000)));
    app.refuses(400, duplicate, |app| {
        app.create_intent("ada", &withdrawal("r-1", 1000, "0123456789"))
    });
    let pay = json!({ "reference": "r-1", "escrowDetails": { "escrowId": deal.id } });
    app.refuses(400, duplicate, |app| app.pay("ben", &pay));
    let pay = json!({ "reference": "r-2", "escrowDetails": { "escrowId": deal.id } });
    let paid = app.pay("ben", &pay).ok();
    app.refuses(400, duplicate, |app| app.create_intent("ben", &deposit("r-2", 10_200)));
    // Any customer may verify it, and it may be a payment for an escrow.
    assert_eq!(app.verify_payment("ben", "r-2").ok().body, paid.body);
    for (customer, reference) in [("ben", "r-1"), ("ada", "r-2"), ("ada", "r-3")] {
        app.refuses(400, "Payment not found", |app| app.verify_payment(customer, reference));
    }
    app.refuses(400, "reference is required", |app| {
        app.json("POST", "/v1/payment/verify", "ada", &json!({}))
    });
    // The service generates a reference when the request has none.
    let mut unnamed = deposit("", 1000);
    unnamed.as_object_mut().unwrap().remove("reference");
    let intent = app.create_intent("ada", &unnamed).ok();
    assert_shape(&intent.data()["reference"], REFERENCE);
    assert_eq!(
        app.verify_payment("ada", &intent.text("reference")).ok().text("id"),
        intent.text("id")
    );
}

#[test]
fn a_customer_without_permission_to_withdraw_may_deposit() {
    let app = spawn_app();
    app.create_intent("ada", &withdrawal("w-1", 1000, "0123456789")).ok();
    let headers = [("content-type", "application/json")];
    let body = json!({ "canWithdraw": false }).to_string();
    app.send("PUT", "/v1/customer/permissions/ada", &headers, Some(body.as_bytes()))
        .ok();
    let message = "Your account has been disabled from withdrawing, please contact support";
    app.refuses(401, message, |app| {
        app.create_intent("ada", &withdrawal("w-2", 1000, "0123456789"))
    });
    app.refuses(401, message, |app| app.verify_payment("ada", "w-1"));
    app.create_intent("ada", &deposit("d-1", 1000)).ok();
}

#[test]
fn deposits_beyond_the_largest_sum_are_refused() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(9_007_199_254_740_991));
    let intent = app.create_intent("ada", &deposit("d-1", 1000)).ok();
    let message = "This merchant's accounts cannot hold that much money together";
    app.refuses(400, message, |app| pay_test_account(app, &intent, None));
    let card = app.save_card("ada", "4242424242424242").ok().text("id");
    let mut request = deposit("d-2", 1000);
    request["depositDetails"] = json!({ "cardId": card });
    app.create_intent("ada", &request).ok();
    app.refuses(400, message, |app| app.verify_payment("ada", "d-2"));
}

#[test]
fn strict_mode_requires_a_reference() {
    let mut app = spawn_app();
    app.wallet("ada").ok();
    let database = app.database.clone();
    app.stop();
    let strict = spawn_app_with(|config| {
        database::copy(&database, &config.database);
        config.strict = true;
    });
    let mut unnamed = deposit("", 1000);
    unnamed.as_object_mut().unwrap().remove("reference");
    strict.refuses(400, "reference is required", |app| app.create_intent("ada", &unnamed));
    strict.create_intent("ada", &deposit("d-1", 1000)).ok();
    // A top-up is allowed once a day.
    strict.top_up("ada", 1000).ok();
    strict.refuses(401, "You can only top up your account once a day", |app| {
        app.top_up("ada", 1000)
    });
}

#[test]
fn live_mode_has_no_processor() {
    let app = spawn_live_app(|_| {});
    let profile = json!({
        "firstname": "Ada", "lastname": "Obi", "email": "ada@shop.example", "phone": "08012345678",
    });
    let created = app
        .json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &profile)
        .ok();
    let ada = created.text("customerId");
    let mut by_card = deposit("d-2", 1000);
    by_card["depositDetails"] = json!({ "cardId": "0123456789abcdef01234567" });
    let account = json!({ "accountNumber": "0123456789", "bankCode": "058" });
    let address = json!({ "walletAddress": ADDRESS, "network": "BSC" });
    for (method, path, body) in [
        ("POST", "/v1/payment/create-intent", deposit("d-1", 1000)),
        ("POST", "/v1/payment/create-intent", by_card),
        (
            "POST",
            "/v1/payment/create-intent",
            withdrawal("w-1", 1000, "0123456789"),
        ),
        ("POST", "/v1/payment/create-intent", crypto("c-1", ADDRESS)),
        ("POST", "/v1/payment/verify-account", account),
        ("GET", "/v1/payment/bank-list", json!({})),
        ("GET", "/v1/payment/deposit/wallet", json!({})),
        ("GET", "/v1/cards", json!({})),
        ("DELETE", "/v1/card/0123456789abcdef01234567", json!({})),
        ("GET", "/v1/whitelist-address", json!({})),
        ("POST", "/v1/whitelist-address", address),
        ("DELETE", "/v1/whitelist-address/0123456789abcdef01234567", json!({})),
    ] {
        app.refuses(403, OFF, |app| app.json_with_key(LIVE_KEY, method, path, &ada, &body));
    }
    for path in [
        "/sandbox/cards",
        "/sandbox/seed",
        "/sandbox/test-accounts/9900000000/pay",
    ] {
        app.refuses(404, &format!("There is no route {path}"), |app| {
            app.json_with_key(LIVE_KEY, "POST", path, &ada, &json!({ "number": "4242424242424242" }))
        });
    }
}

#[test]
fn a_slow_withdrawal_settles_by_the_merchants_clock() {
    let app = spawn_app();
    let withdraw = |amount: u32| {
        let details = json!({
            "bankCode": "058", "bankName": "Guaranty Trust Bank",
            "accountNumber": "0000000003", "accountName": "Ada Obi",
        });
        let intent = json!({ "amount": amount, "transactionType": "withdrawal", "withdrawalDetails": details });
        let intent = app.create_intent("ada", &intent).ok();
        let reference = intent.text("reference");
        assert_eq!(app.verify_payment("ada", &reference).ok().data()["status"], "pending");
        reference
    };
    let status = |reference: &str| {
        let found = app.history("ada", &format!("?reference={reference}")).ok();
        found.data()[0]["status"].as_str().unwrap().to_owned()
    };
    app.top_up("ada", 5000).ok();
    let before = app.balances("ada").0;
    let reference = withdraw(1000);
    let after = app.balances("ada").0;
    assert_ne!(after, before);
    app.advance("59m").ok();
    assert_eq!(app.verify_payment("ada", &reference).ok().data()["status"], "pending");
    assert_eq!(status(&reference), "pending");
    app.advance("1m").ok();
    assert_eq!(status(&reference), "success");
    assert_eq!(app.balances("ada").0, after);
    assert_eq!(app.count("slow_withdrawal"), 0);
    let events = app.inbox("?type=payment.withdrawal.success").ok();
    assert_eq!(events.data()["pagination"]["count"], 1);

    // A clock that goes on by itself settles it too.
    let reference = withdraw(1000);
    app.pass_seconds(3_601);
    until("the clock settles it", || status(&reference) != "pending");
    assert_eq!(status(&reference), "success");
}

/// More than one command settles.
#[test]
fn all_slow_withdrawals_that_are_due_are_settled_before_an_advance_replies() {
    let app = spawn_app();
    app.top_up("ada", 50_000).ok();
    for number in 0..130 {
        let reference = format!("w-{number}");
        app.create_intent("ada", &withdrawal(&reference, 100, "0000000003"))
            .ok();
        app.verify_payment("ada", &reference).ok();
    }
    assert_eq!(app.count("slow_withdrawal"), 130);
    app.advance("1h").ok();
    assert_eq!(app.count("slow_withdrawal"), 0);
}

/// The settlement of the first merchant fails once. The next look, a second later, repeats it.
#[test]
fn a_failed_settlement_of_one_merchant_holds_up_no_other() {
    let app = spawn_app();
    for key in ["sk_test_first", "sk_test_second"] {
        let ask = |path: &str, body: &Value| app.json_with_key(key, "POST", path, "ada", body).ok();
        ask("/v1/payment/topup", &json!({ "amount": 5000 }));
        ask("/v1/payment/create-intent", &withdrawal("w-1", 1000, "0000000003"));
        ask("/v1/payment/verify", &json!({ "reference": "w-1" }));
    }
    app.plan_panic_at_id(1);
    app.pass_seconds(3_601);
    assert_eq!(app.merchants_of_two("payment.withdrawal.success"), ["2", "1"]);
    assert!(app.has_command_panicked());
}

/// Only a strict sandbox takes the money at the settlement.
#[test]
fn a_slow_withdrawal_that_the_wallet_does_not_cover_waits_on() {
    let app = spawn_app_with(|config| config.strict = true);
    let ada = app.create_customer(&new_customer()).ok().text("customerId");
    app.top_up(&ada, 2000).ok();
    for reference in ["w-1", "w-2"] {
        app.create_intent(&ada, &withdrawal(reference, 1500, "0000000003")).ok();
        app.verify_payment(&ada, reference).ok();
    }
    app.advance("1h").ok();
    assert_eq!(app.count("slow_withdrawal"), 1, "the second is not covered");
    app.advance("1d").ok();
    app.top_up(&ada, 2000).ok();
    app.advance("1h").ok();
    assert_eq!(app.count("slow_withdrawal"), 0);
}

/// As in live mode, where no operator could approve it.
#[test]
fn a_slow_withdrawal_of_a_customer_who_was_stopped_waits_on() {
    for is_strict in [false, true] {
        let app = spawn_app_with(|config| config.strict = is_strict);
        let ada = app.create_customer(&new_customer()).ok().text("customerId");
        app.top_up(&ada, 5000).ok();
        app.create_intent(&ada, &withdrawal("w-1", 1000, "0000000003")).ok();
        app.verify_payment(&ada, "w-1").ok();
        let waits = || {
            app.advance("1h").ok();
            assert!(!app.events().iter().any(|event| event == "payment.withdrawal.success"));
            assert_eq!(app.count("slow_withdrawal"), 1);
        };
        app.block(&ada).ok();
        waits();
        app.unblock(&ada).ok();
        app.permit(&ada, &json!({ "canWithdraw": false })).ok();
        waits();
        app.permit(&ada, &json!({ "canWithdraw": true })).ok();
        app.advance("1h").ok();
        assert_eq!(app.count("slow_withdrawal"), 0);
        assert_eq!(app.verify_payment(&ada, "w-1").ok().text("status"), "success");
    }
}

#[test]
fn a_deposit_funds_the_escrows_that_it_names() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(0));
    let (first, second) = (app.offered(), app.offered());
    let mut request = deposit("d-1", 20_400);
    request["depositDetails"] = json!({ "escrowId": [first.id, second.id] });
    let intent = app.create_intent("ben", &request).ok();
    let account = intent.data()["testAccount"]["accountNumber"]
        .as_str()
        .unwrap()
        .to_owned();
    app.as_merchant("POST", &format!("/sandbox/test-accounts/{account}/pay"), None)
        .ok();
    for deal in [&first, &second] {
        assert_eq!(app.verify(&deal.token).ok().data()["status"], "ONGOING");
    }
    assert_eq!(app.balances("ben").0, json!(0));
    // Without enough money none is funded, and the wallet keeps what came.
    let third = app.offered();
    let mut request = deposit("d-2", 5_000);
    request["depositDetails"] = json!({ "escrowId": third.id });
    let intent = app.create_intent("ben", &request).ok();
    let account = intent.data()["testAccount"]["accountNumber"]
        .as_str()
        .unwrap()
        .to_owned();
    app.as_merchant("POST", &format!("/sandbox/test-accounts/{account}/pay"), None)
        .ok();
    assert_eq!(app.verify(&third.token).ok().data()["status"], "PENDING");
    assert_eq!(app.balances("ben").0, json!(5_000));
    for (details, message) in [
        (json!({ "escrowId": "0123456789abcdef01234567" }), "Escrow not found"),
        (
            json!({ "escrowId": third.id, "cardId": "0123456789abcdef01234567" }),
            "depositDetails.escrowId must be left out where cardId is sent; POST /v1/payment/escrow pays by card; got",
        ),
    ] {
        let mut request = deposit("d-3", 5_000);
        request["depositDetails"] = details;
        let before = app.dump();
        let refused = app.create_intent("ben", &request);
        assert_eq!(refused.status, 400);
        assert!(refused.message().starts_with(message), "{refused:?}");
        assert_eq!(app.dump(), before);
    }
}

#[test]
fn a_deposit_that_can_fund_nothing_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    let mut terms = two_milestones();
    terms["milestones"][0]["customerId"] = json!("cleo");
    let paying_cleo = app.create_milestone_escrow("ada", &terms).ok().text("id");
    let sold = app.funded();
    for (customer, ids, message) in [
        ("ben", json!(sold.id), "Escrow is not in a valid state for checkout"),
        (
            "ben",
            json!([deal.id, deal.id]),
            "depositDetails.escrowId must be a list that names each escrow once; got",
        ),
        ("ada", json!(deal.id), "Buyer and seller must be different customers"),
        (
            "cleo",
            json!([deal.id, paying_cleo]),
            "A milestone's beneficiary and the buyer must be different customers",
        ),
    ] {
        app.wallet(customer).ok();
        let mut request = deposit("d-1", 20_400);
        request["depositDetails"] = json!({ "escrowId": ids });
        let before = app.dump();
        let refused = app.create_intent(customer, &request);
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.message().starts_with(message), "{refused:?}");
        assert_eq!(app.dump(), before);
    }
}
