//! Tests the sandbox's simulated banks, accounts and deposit addresses (contract sections
//! 4.3.5, 4.3.6, 4.3.8 and 4.3.10).

use serde_json::{Value, json};

use crate::helpers::{spawn_app, spawn_app_with};
use crate::shapes::assert_shape;

const VERIFY: &str = "/v1/payment/verify-account";

#[test]
fn banks_have_a_name_and_a_code() {
    let app = spawn_app();
    let listed = app.send("GET", "/v1/payment/bank-list", &[], None).ok();
    assert_eq!(listed.message(), "Banks fetched successfully");
    let banks = listed.data().as_array().unwrap();
    assert_eq!(
        banks[0].to_string(),
        r#"{"name":"Sandbox Bank","code":"999999","cbnCode":null}"#
    );
    for (name, code, cbn_code) in [
        ("Zenith Bank", "000015", Some("057")),
        ("Guaranty Trust Bank", "000013", Some("058")),
        ("Providus Bank", "000023", Some("101")),
        ("OPay", "100004", None),
        ("PalmPay", "100033", None),
        ("Kuda Microfinance Bank", "090267", None),
        ("Moniepoint Microfinance Bank", "090405", None),
    ] {
        let bank = json!({ "name": name, "code": code, "cbnCode": cbn_code });
        assert!(banks.contains(&bank), "{name}");
    }
}

/// Clients send codes of two systems, and those of payment processors.
#[test]
fn a_bank_is_named_by_a_code_of_either_system() {
    let withdrawal = |code: &str| {
        json!({
            "amount": 1000, "transactionType": "withdrawal", "reference": code,
            "withdrawalDetails": {
                "bankCode": code, "accountNumber": "0123456789", "accountName": "Ada", "bankName": "Her bank",
            },
        })
    };
    let account = |code: &str| json!({ "accountNumber": "0123456789", "bankCode": code });
    for is_strict in [false, true] {
        let app = spawn_app_with(|config| {
            config.strict = is_strict;
            config.limits.requests_per_minute = 1000;
        });
        let seed = json!({ "customers": [{ "id": "ada" }] });
        app.as_merchant("POST", "/sandbox/seed", Some(&seed)).ok();
        for code in [
            "058", "000013", "001", "100004", "090405", "090267", "100033", "000023", "999999",
        ] {
            app.json("POST", VERIFY, "ada", &account(code)).ok();
        }
        for code in ["777", "5021", "50211", "999992"] {
            let verified = app.json("POST", VERIFY, "ada", &account(code));
            let intent = app.json("POST", "/v1/payment/create-intent", "ada", &withdrawal(code));
            let expected = if is_strict { 400 } else { 200 };
            assert_eq!(
                (verified.status, verified.body["data"]["bankCode"] == code),
                (expected, !is_strict)
            );
            assert_eq!(intent.status, expected, "{intent:?}");
        }
    }
}

#[test]
fn an_account_is_verified_by_number_and_bank() {
    let app = spawn_app();
    let mut body = json!({ "accountNumber": "0123456789", "bankCode": "057" });
    let verified = app.json("POST", VERIFY, "ada", &body).ok();
    assert_eq!(verified.message(), "Account details retrieved successfully");
    let mut expected = json!({
        "accountName": "Sandbox Account", "accountNumber": "0123456789", "bankCode": "057",
    });
    assert_eq!(verified.data().to_string(), expected.to_string());
    body["bankName"] = json!("Zenith");
    expected["bankName"] = json!("Zenith");
    let verified = app.json("POST", VERIFY, "ada", &body).ok();
    assert_eq!(verified.data().to_string(), expected.to_string());

    for (field, value, message) in [
        (
            "accountNumber",
            json!("0000000000"),
            "Account details could not be found; check the account number and the bank",
        ),
        (
            "accountNumber",
            json!("123"),
            "accountNumber must be 10 digits; got \"123\"",
        ),
        (
            "accountNumber",
            json!(1_234_567_890),
            "accountNumber must be a text; got 1234567890",
        ),
        ("accountNumber", Value::Null, "accountNumber is required"),
        ("bankCode", Value::Null, "bankCode is required"),
        (
            "bankCode",
            json!("1"),
            "bankCode must be 3 to 6 digits, such as those that GET /v1/payment/bank-list gives; got \"1\"",
        ),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        app.refuses(400, message, |app| app.json("POST", VERIFY, "ada", &wrong));
    }
}

#[test]
fn the_deposit_address_says_that_it_is_simulated() {
    let app = spawn_app();
    let address = |key: &str| {
        let bearer = format!("Bearer {key}");
        app.send("GET", "/v1/payment/deposit/wallet", &[("authorization", &bearer)], None)
            .ok()
    };
    let fetched = address("sk_test_one");
    assert_eq!(fetched.message(), "Deposit wallet address retrieved successfully");
    assert_shape(&fetched.data()["walletAddress"], &format!("0x{}", "h".repeat(40)));
    assert_eq!(fetched.data()["network"], "BSC Testnet");
    assert_eq!(fetched.data()["networkId"], "97");
    for field in ["qrCode", "explorerUrl"] {
        assert!(fetched.text(field).contains(&fetched.text("walletAddress")));
    }
    assert!(fetched.text("instructions").starts_with("SIMULATED"));
    assert_eq!(address("sk_test_one").body, fetched.body);
    assert_ne!(
        address("sk_test_two").text("walletAddress"),
        fetched.text("walletAddress")
    );
}

#[test]
fn a_virtual_account_request_is_refused_as_gone() {
    let app = spawn_app();
    let path = "/v1/payment/virtual-account";
    let before = app.dump();
    let gone = app.send("POST", path, &[("customer-id", "ada")], None);
    let expected = json!({
        "status": 410,
        "message": "Virtual accounts are no longer supported; pay for the escrow directly, or deposit by an intent",
        "data": null,
        "code": "no_virtual_accounts",
    });
    assert_eq!((gone.status, gone.body.to_string()), (410, expected.to_string()));
    assert_eq!(app.dump(), before);
    app.refuses(400, "customer-id header is required", |app| {
        app.send("POST", path, &[], None)
    });
}
