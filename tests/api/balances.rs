//! Tests the route that sets a customer's balance (sandbox).

use serde_json::{Value, json};

use crate::helpers::{Answer, TestApp, new_customer, spawn_app, spawn_app_with, spawn_live_app};

fn set(app: &TestApp, customer: &str, balance: impl Into<Value>) -> Answer {
    let body = json!({ "customerId": customer, "balance": balance.into() });
    app.as_merchant("PUT", "/sandbox/balance", Some(&body))
}

fn transfers(app: &TestApp) -> Vec<String> {
    app.column("SELECT kind || ' ' || amount FROM transfer ORDER BY id")
}

/// Dropping the service audits its ledger, so each transfer here is audited too.
#[test]
fn the_balance_of_every_customer_can_be_set() {
    let app = spawn_app();
    let created = app.create_customer(&new_customer()).ok().text("customerId");
    assert_eq!(app.balances(&created), (json!(0), json!(0)));
    for (balance, transfer) in [
        (json!(5000), Some("BALANCE_SET 500000")),
        (json!(99.95), Some("BALANCE_SET 490005")),
        (json!(99.95), None),
        (json!(0), Some("BALANCE_SET 9995")),
    ] {
        let before = transfers(&app);
        let answer = set(&app, &created, balance.clone()).ok();
        assert_eq!(answer.message(), "Balance set successfully");
        assert_eq!(*answer.data(), json!({ "customerId": created, "balance": balance }));
        assert_eq!(app.balances(&created), (balance, json!(0)));
        assert_eq!(transfers(&app)[before.len()..], Vec::from_iter(transfer));
    }
    // On first use, and with money in escrow.
    set(&app, "cleo", 12.5).ok();
    assert_eq!(app.balances("cleo"), (json!(12.5), json!(0)));
    app.funded();
    set(&app, "ben", 7).ok();
    assert_eq!(app.balances("ben"), (json!(7), json!(10_000)));
    app.block("ben").ok();
    set(&app, "ben", 8).ok();
    let history = app.history(&created, "").ok();
    let rows = history.data()["data"].as_array().unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (&row["transactionType"], &row["amount"]))
        .collect();
    assert_eq!(
        rows,
        [
            (&json!("withdrawal"), &json!(99.95)),
            (&json!("withdrawal"), &json!(4900.05)),
            (&json!("deposit"), &json!(5000)),
        ]
    );
    assert!(
        app.events()
            .iter()
            .all(|event| !event.contains("deposit") && !event.contains("withdrawal"))
    );
}

#[test]
fn a_balance_that_cannot_be_set_is_refused() {
    let app = spawn_app();
    app.wallet("ada").ok();
    app.wallet("ben").ok();
    let most = "This merchant's accounts cannot hold that much money together";
    app.refuses(400, most, |app| set(app, "ada", json!(90_071_992_547_409.0)));
    app.refuses(400, "balance must be a number of 0 or more; got -1", |app| {
        set(app, "ada", -1)
    });
    app.refuses(400, "balance is required", |app| set(app, "ada", Value::Null));
    app.refuses(400, "customerId is required", |app| set(app, "", 5));
    let other = json!({ "customerId": "ada", "balance": 5, "amount": 5 });
    app.refuses(
        400,
        "amount must be one of the fields customerId, balance; got \"amount\"",
        |app| app.as_merchant("PUT", "/sandbox/balance", Some(&other)),
    );
    let strict = spawn_app_with(|config| config.strict = true);
    strict
        .as_merchant(
            "POST",
            "/sandbox/seed",
            Some(&json!({ "customers": [{ "id": "ada" }] })),
        )
        .ok();
    set(&strict, "ada", 5).ok();
    strict.refuses(
        400,
        "customerId must be a customer of this merchant; got \"ben\"",
        |app| set(app, "ben", 5),
    );
    let live = spawn_live_app(|_| {});
    live.refuses(404, "There is no route /sandbox/balance", |app| set(app, "ada", 5));
}

#[test]
fn a_balance_is_set_once_for_an_idempotency_key() {
    let app = spawn_app();
    app.top_up("ada", 1000).ok();
    let put = |app: &TestApp| {
        let headers = [("idempotency-key", "one"), ("content-type", "application/json")];
        app.send(
            "PUT",
            "/sandbox/balance",
            &headers,
            Some(br#"{"customerId":"ada","balance":5}"#),
        )
    };
    let first = put(&app).ok();
    app.top_up("ada", 1000).ok();
    let again = put(&app).ok();
    assert_eq!(
        (
            again.text,
            again.headers.iter().any(|(name, _)| name == "idempotent-replayed")
        ),
        (first.text, true)
    );
    assert_eq!(app.balances("ada").0, 1005);
}

#[test]
fn a_seed_may_name_customers_who_are_there() {
    let app = spawn_app();
    let id = app.create_customer(&new_customer()).ok().text("customerId");
    app.wallet("ben").ok();
    app.pay_for("ben", &app.offered()).ok();
    let seed = json!({
        "customers": [
            { "id": id, "balance": 250.5, "firstname": "Adaeze" },
            { "id": "ben", "email": "ben@shop.example" },
            { "id": "cleo", "balance": 1 },
        ],
        "escrows": [{ "seller": id, "buyer": "ben", "amount": 100 }],
    });
    let seeded = app.as_merchant("POST", "/sandbox/seed", Some(&seed)).ok();
    let balances = seeded.data()["customers"].as_array().unwrap();
    let balances: Vec<&Value> = balances.iter().map(|customer| &customer["balance"]).collect();
    assert_eq!(balances, [&json!(250.5), &json!(989_698), &json!(1)]);
    let ada = app.customer(&id).ok();
    assert_eq!(
        (
            ada.text("firstname"),
            ada.text("lastname"),
            ada.text("email"),
            ada.text("phone")
        ),
        (
            "Adaeze".into(),
            "Obi".into(),
            "ada@shop.example".into(),
            "08012345678".into()
        )
    );
    let ben = app.customer("ben").ok();
    assert_eq!(
        (ben.text("firstname"), ben.text("email")),
        ("ben".into(), "ben@shop.example".into())
    );
    assert!(!ben.text("phone").is_empty());
    app.refuses(
        400,
        "customers[0]: A customer with this email already exists under this merchant",
        |app| {
            let seed = json!({ "customers": [{ "id": "cleo", "email": "ben@shop.example" }] });
            app.as_merchant("POST", "/sandbox/seed", Some(&seed))
        },
    );
}
