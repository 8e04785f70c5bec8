//! Vaults (contract sections 4.8, 5.8 and 6.3).

use serde_json::{Value, json};

use crate::helpers::{
    Answer, LIVE_KEY, TestApp, new_customer, spawn_app, spawn_app_with, spawn_live_app, two_milestones,
};
use crate::shapes::{REFERENCE, assert_shape, assert_unix_now};

const NO_TOKEN: &str = "PY_ZZZZZZZZ0000";
const OTHER_KEY: &str = "sk_test_other";

/// Returns a vault with these participants and stakes.
fn stakes(stakes: &[(&str, Value)]) -> Value {
    let stake = |(customer, amount): &(&str, Value)| json!({ "customerId": customer, "amount": amount });
    json!({ "purpose": "A race", "participants": stakes.iter().map(stake).collect::<Vec<_>>() })
}

/// Contract example 14.
fn example_14() -> Value {
    stakes(&[("ada", json!(600_000)), ("ben", json!(400_000))])
}

impl TestApp {
    fn create_vault(&self, body: &Value) -> Answer {
        self.as_merchant("POST", "/v1/escrow/vault/create", Some(body))
    }

    fn declare_winner(&self, token: &str, winner: &str) -> Answer {
        let path = format!("/v1/escrow/vault/winner/{token}");
        self.as_merchant("POST", &path, Some(&json!({ "winnerId": winner })))
    }

    fn cancel_vault(&self, token: &str) -> Answer {
        self.as_merchant("POST", &format!("/v1/escrow/vault/cancel/{token}"), None)
    }

    fn vault(&self, token: &str) -> Answer {
        self.as_merchant("GET", &format!("/v1/escrow/vault/{token}"), None)
    }

    /// Creates the open vault of contract example 14 and returns its token.
    #[track_caller]
    fn opened_vault(&self) -> String {
        self.create_vault(&example_14()).ok().text("paymentToken")
    }

    /// Returns all history entries: account owner, direction, amount and reference.
    fn histories(&self) -> Vec<String> {
        self.column(
            "SELECT coalesce(customer_id, 'merchant') || ' ' || transaction_type || ' ' || credit_type || ' ' || amount
             FROM payment_transaction JOIN account ON account.id = account_id
             WHERE transaction_type <> 'deposit' ORDER BY payment_transaction.id",
        )
    }
}

#[test]
fn a_created_vault_can_be_fetched() {
    let app = spawn_app();
    let created = app.create_vault(&example_14()).ok();
    let vault = created.data();
    let token = vault["paymentToken"].as_str().unwrap();
    let fetched = app.vault(token).ok();
    assert_eq!(fetched.message(), "Vault escrow fetched successfully");
    assert_eq!(fetched.data(), vault);
    assert_eq!(app.verify(token).ok().data(), vault);
    assert_eq!(app.milestones(token).ok().data(), &json!([]));
}

#[test]
fn stakes_are_locked_with_an_entry_for_each() {
    let app = spawn_app();
    app.opened_vault();
    assert_eq!(app.balances("ada"), (json!(400_000), json!(600_000)));
    assert_eq!(app.balances("ben"), (json!(600_000), json!(400_000)));
    assert_eq!(
        app.escrow_transfers(),
        [
            "STAKE customer_main:ada -> customer_escrow:ada 60000000",
            "STAKE customer_main:ben -> customer_escrow:ben 40000000",
        ]
    );
    assert_eq!(
        app.histories(),
        ["ada escrow debit 60000000", "ben escrow debit 40000000"]
    );
    let references = app.references("transaction_type = 'escrow'");
    assert_ne!(references[0], references[1]);
    for reference in references {
        assert_shape(&json!(reference), REFERENCE);
    }
    assert_eq!(
        app.events(),
        ["payment.escrow.success", "payment.escrow.success", "escrow.ongoing"]
    );
}

/// Contract example 14.
#[test]
fn the_winner_takes_the_pot_less_the_fee() {
    let app = spawn_app();
    let token = app.opened_vault();
    let money = app.money();
    let won = app.declare_winner(&token, "ben").ok();
    assert_eq!(won.message(), "Vault winner declared successfully");
    assert_eq!(
        (won.text("state"), won.text("status")),
        ("CLOSED".into(), "COMPLETED".into())
    );
    assert_eq!(won.text("winnerId"), "ben");
    assert_unix_now(&won.data()["completedAt"]);
    for participant in won.data()["participants"].as_array().unwrap() {
        assert_eq!(participant["status"], "RELEASED");
        assert_eq!(participant["settledAt"], won.data()["completedAt"]);
    }
    assert_eq!(app.balances("ada"), (json!(400_000), json!(0)));
    assert_eq!(app.balances("ben"), (json!(1_580_000), json!(0)));
    assert_eq!(
        app.escrow_transfers()[2..],
        [
            "RELEASE customer_escrow:ada -> customer_main:ben 58800000",
            "RELEASE customer_escrow:ben -> customer_main:ben 39200000",
            "PLATFORM_FEE customer_escrow:ada -> platform_fees 1200000",
            "PLATFORM_FEE customer_escrow:ben -> platform_fees 800000",
        ]
    );
    assert_eq!(app.histories()[2..], ["ben escrow credit 98000000"]);
    assert_eq!(app.events()[3..], ["payment.escrow.success", "escrow.completed"]);
    assert_eq!(app.money(), money);
    assert_eq!(app.vault(&token).ok().data(), won.data());
    assert_eq!(app.verify(&token).ok().data(), won.data());
}

#[test]
fn histories_name_the_vault() {
    let app = spawn_app();
    let token = app.opened_vault();
    let history = |customer: &str| {
        let headers = [("customer-id", customer)];
        let history = app.send("GET", "/v1/payment/history?type=escrow", &headers, None).ok();
        history.data()["data"].as_array().unwrap().clone()
    };
    let staked = &history("ada")[0];
    assert_eq!(
        (&staked["creditType"], &staked["amount"]),
        (&json!("debit"), &json!(600_000))
    );
    let vault = app.vault(&token).ok();
    let named = |winner: Value| {
        json!({
            "escrowId": vault.data()["id"], "beneficiary": winner, "description": null, "amount": 1_000_000,
            "fee": 20_000, "paymentToken": token, "purpose": "A race", "channel": "API", "callbackUrl": null,
        })
    };
    assert_eq!(staked["escrowDetails"], named(Value::Null));
    app.declare_winner(&token, "ben").ok();
    // Ben was registered on first use.
    let winner = json!({ "name": "ben", "phone": "01738540939" });
    assert_eq!(history("ada")[0]["escrowDetails"], named(winner.clone()));
    let won = &history("ben")[0];
    assert_eq!(
        (&won["creditType"], &won["amount"]),
        (&json!("credit"), &json!(980_000))
    );
    assert_eq!(won["escrowDetails"], named(winner));
}

/// Contract example 14.
#[test]
fn cancelling_returns_the_stakes_less_the_fee() {
    let app = spawn_app();
    let token = app.opened_vault();
    let money = app.money();
    let cancelled = app.cancel_vault(&token).ok();
    assert_eq!(cancelled.message(), "Vault escrow cancelled successfully");
    assert_eq!(
        (cancelled.text("state"), cancelled.text("status")),
        ("CLOSED".into(), "REFUNDED".into())
    );
    assert_eq!(cancelled.data()["winnerId"], Value::Null);
    assert_unix_now(&cancelled.data()["completedAt"]);
    for participant in cancelled.data()["participants"].as_array().unwrap() {
        assert_eq!(participant["status"], "REFUNDED");
        assert_eq!(participant["settledAt"], cancelled.data()["completedAt"]);
    }
    assert_eq!(app.balances("ada"), (json!(988_000), json!(0)));
    assert_eq!(app.balances("ben"), (json!(992_000), json!(0)));
    assert_eq!(
        app.escrow_transfers()[2..],
        [
            "REFUND customer_escrow:ada -> customer_main:ada 58800000",
            "REFUND customer_escrow:ben -> customer_main:ben 39200000",
            "PLATFORM_FEE customer_escrow:ada -> platform_fees 1200000",
            "PLATFORM_FEE customer_escrow:ben -> platform_fees 800000",
        ]
    );
    let back = ["ada escrow credit 58800000", "ben escrow credit 39200000"];
    assert_eq!(app.histories()[2..], back);
    let events = ["payment.escrow.success", "payment.escrow.success", "escrow.refunded"];
    assert_eq!(app.events()[3..], events);
    assert_eq!(app.money(), money);
    assert_eq!(app.vault(&token).ok().data(), cancelled.data());
}

/// Contract example 15: of the fee's 20.00 the shares are 6.67, 6.66 and 6.67.
#[test]
fn shares_of_the_fee_add_up_to_the_kobo() {
    let app = spawn_app();
    let body = stakes(&[("ada", json!(333.33)), ("ben", json!(333.33)), ("cleo", json!(333.34))]);
    let created = app.create_vault(&body).ok();
    assert_eq!(
        (&created.data()["amount"], &created.data()["fee"]),
        (&json!(1000), &json!(20))
    );
    app.cancel_vault(&created.text("paymentToken")).ok();
    assert_eq!(
        app.escrow_transfers()[3..],
        [
            "REFUND customer_escrow:ada -> customer_main:ada 32666",
            "REFUND customer_escrow:ben -> customer_main:ben 32667",
            "REFUND customer_escrow:cleo -> customer_main:cleo 32667",
            "PLATFORM_FEE customer_escrow:ada -> platform_fees 667",
            "PLATFORM_FEE customer_escrow:ben -> platform_fees 666",
            "PLATFORM_FEE customer_escrow:cleo -> platform_fees 667",
        ]
    );
}

/// Contract section 9.1, row 17; the rate of example 14's second row.
#[test]
fn the_merchant_gets_the_commission_on_both_outcomes() {
    let settle: [fn(&TestApp, &str) -> Answer; 2] = [
        |app, token| app.declare_winner(token, "ada"),
        |app, token| app.cancel_vault(token),
    ];
    for settle in settle {
        let app = spawn_app_with(|config| config.fees.commission_bps = 50);
        let token = app.opened_vault();
        assert_eq!(app.vault(&token).ok().data()["fee"], 25_000);
        settle(&app, &token).ok();
        let transfers = app.escrow_transfers();
        let of_fee: Vec<&String> = transfers.iter().filter(|one| !one.contains("customer_main")).collect();
        assert_eq!(
            of_fee,
            [
                "COMMISSION customer_escrow:ada -> merchant_main 300000",
                "PLATFORM_FEE customer_escrow:ada -> platform_fees 1200000",
                "COMMISSION customer_escrow:ben -> merchant_main 200000",
                "PLATFORM_FEE customer_escrow:ben -> platform_fees 800000",
            ]
        );
        assert_eq!(app.histories().last().unwrap(), "merchant commission credit 500000");
        assert_eq!(app.events().last().unwrap(), "payment.commission.success");
        let reference = app.references("transaction_type = 'commission'");
        assert_shape(&json!(reference[0]), &format!("CMSN-{REFERENCE}"));
    }
}

#[test]
fn a_vault_is_settled_once() {
    let app = spawn_app();
    let settled = "Vault has already been settled";
    let [won, cancelled] = [app.opened_vault(), {
        app.top_up("ada", 100_000).ok();
        app.top_up("ada", 100_000).ok();
        app.opened_vault()
    }];
    app.declare_winner(&won, "ada").ok();
    app.cancel_vault(&cancelled).ok();
    for token in [won, cancelled] {
        for winner in ["ada", "stranger"] {
            app.refuses(400, settled, |app| app.declare_winner(&token, winner));
        }
        app.refuses(400, settled, |app| app.cancel_vault(&token));
    }
}

/// One of several concurrent settlements succeeds.
#[test]
fn a_race_to_settle_has_one_winner() {
    let app = spawn_app();
    let token = app.opened_vault();
    let answers = app.run_concurrently(8, |app, index| match index % 2 {
        0 => app.declare_winner(&token, "ben"),
        _ => app.cancel_vault(&token),
    });
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (answer.status, answer.message()),
            (400, "Vault has already been settled")
        );
    }
}

#[test]
fn only_a_participant_wins() {
    let app = spawn_app();
    let token = app.opened_vault();
    app.wallet("cleo").ok();
    for winner in ["cleo", "nobody"] {
        app.refuses(400, "Winner must be a participant of this vault", |app| {
            app.declare_winner(&token, winner)
        });
    }
    let path = format!("/v1/escrow/vault/winner/{token}");
    for (body, message) in [
        (json!({}), "winnerId is required"),
        (json!({ "winnerId": "" }), "winnerId is required"),
        (
            json!({ "winnerId": 7 }),
            "winnerId must be a customer id: 1 to 128 visible ASCII characters, without spaces; got 7",
        ),
    ] {
        app.refuses(400, message, |app| app.as_merchant("POST", &path, Some(&body)));
    }
}

#[test]
fn an_escrow_or_another_merchants_vault_is_refused() {
    let app = spawn_app();
    let vault = app.opened_vault();
    let milestones = app.funded().token;
    let calls: [fn(&TestApp, &str) -> Answer; 3] = [
        |app, token| app.declare_winner(token, "stranger"),
        |app, token| app.cancel_vault(token),
        |app, token| app.vault(token),
    ];
    for call in calls {
        for token in [NO_TOKEN, "x", &app.vault(&vault).ok().text("id")] {
            app.refuses(400, "Escrow not found", |app| call(app, token));
        }
        app.refuses(400, "Escrow is not a vault escrow", |app| call(app, &milestones));
    }

    let bearer = format!("Bearer {OTHER_KEY}");
    let foreign = |method: &str, path: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        app.send(method, path, &headers, Some(br#"{"winnerId":"ada"}"#))
    };
    app.json_with_key(OTHER_KEY, "GET", "/v1/wallet", "ada", &json!({}))
        .ok();
    for token in [&vault, &milestones] {
        for route in ["winner", "cancel"] {
            app.refuses(400, "Vault does not belong to this merchant", |_| {
                foreign("POST", &format!("/v1/escrow/vault/{route}/{token}"))
            });
        }
        app.refuses(400, "Escrow not found", |_| {
            foreign("GET", &format!("/v1/escrow/vault/{token}"))
        });
    }
    assert_eq!(app.vault(&vault).ok().text("state"), "OPENED");
}

#[test]
fn an_invalid_vault_is_refused() {
    let app = spawn_app_with(|config| config.limits.participants_max = 3);
    app.wallet("ada").ok();
    let two = || vec![("ada", json!(600)), ("ben", json!(400))];
    let with = |index: usize, amount: Value| {
        let mut all = two();
        all[index].1 = amount;
        stakes(&all)
    };
    let mut without_purpose = stakes(&two());
    without_purpose["purpose"] = json!(" ");
    let mut without_customer = stakes(&two());
    without_customer["participants"][1]["customerId"] = Value::Null;
    let mut with_category = stakes(&two());
    with_category["categoryId"] = json!("0123456789abcdef01234567");
    let mut malformed_category = stakes(&two());
    malformed_category["categoryId"] = json!("races");
    let one_too_many = [
        ("ada", json!(1)),
        ("ben", json!(1)),
        ("cleo", json!(1)),
        ("dan", json!(1)),
    ];
    for (body, message) in [
        (without_purpose, "purpose is required"),
        (
            with_category,
            "categoryId must be the id of a category of the merchant; got \"0123456789abcdef01234567\"",
        ),
        (
            malformed_category,
            "categoryId must be the id of a category of the merchant; got \"races\"",
        ),
        (json!({ "purpose": "A race" }), "participants is required"),
        (
            json!({ "purpose": "A race", "participants": "ada" }),
            "participants must be a list; got \"ada\"",
        ),
        (
            json!({ "purpose": "A race", "participants": ["ada", "ben"] }),
            "participants[0] must be an object; got \"ada\"",
        ),
        (without_customer, "participants[1].customerId is required"),
        (with(1, Value::Null), "participants[1].amount is required"),
        (
            with(0, json!(0.99)),
            "participants[0].amount must be a number of 1 or more; got 0.99",
        ),
        (
            with(0, json!(1.001)),
            "participants[0].amount must be a number with at most two decimals; got 1.001",
        ),
        (
            with(0, json!(-1)),
            "participants[0].amount must be a number of 1 or more; got -1",
        ),
        (
            stakes(&one_too_many),
            "participants must be a list of at most 3 participants; got 4 of them",
        ),
        (stakes(&[]), "A vault escrow must have at least 2 participants"),
        (stakes(&two()[..1]), "A vault escrow must have at least 2 participants"),
        (
            stakes(&[("ada", json!(600)), ("ada", json!(400))]),
            "Each participant may only appear once in a vault",
        ),
        (with(1, json!(399.99)), "The total staked amount must be at least 1000"),
        (
            with(1, json!(90_071_992_547_409_i64)),
            "This merchant's accounts cannot hold that much money together",
        ),
    ] {
        app.refuses(400, message, |app| app.create_vault(&body));
    }
    app.create_vault(&stakes(&two())).ok();
}

#[test]
fn an_uncovered_stake_changes_no_balance() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let refused = app.refuses(
        400,
        "Participant new has insufficient main balance for their stake",
        |app| app.create_vault(&stakes(&[("ada", json!(1000)), ("new", json!(1_000_000.01))])),
    );
    assert_eq!(
        refused.body["details"],
        json!({ "stake": 1_000_000.01, "available": 1_000_000 })
    );
    assert_eq!(app.balances("ada"), (json!(1_000_000), json!(0)));
    assert_eq!(
        app.column("SELECT id FROM customer"),
        ["ada"],
        "the refused vault registered a customer"
    );
    app.create_vault(&stakes(&[("ada", json!(1000)), ("new", json!(1_000_000))]))
        .ok();
}

#[test]
fn every_participant_is_a_customer_of_the_merchant() {
    let strict = spawn_app_with(|config| config.strict = true);
    strict.refuses(400, "Participant ada is not a customer of this merchant", |app| {
        app.create_vault(&stakes(&[("ada", json!(600)), ("ben", json!(400))]))
    });
    let lenient = spawn_app();
    lenient
        .create_vault(&stakes(&[("ada", json!(600)), ("ben", json!(400))]))
        .ok();
    assert_eq!(lenient.count("customer"), 2);
}

#[test]
fn a_blocked_customer_takes_no_part() {
    let app = spawn_app();
    let open = app.opened_vault();
    app.block("ben").ok();
    app.refuses(400, "Participant ben is not an active customer", |app| {
        app.create_vault(&stakes(&[("ada", json!(600)), ("ben", json!(400))]))
    });
    app.declare_winner(&open, "ben").ok();
}

/// A customer of another merchant is refused like an unknown one, so the reply reveals
/// nothing.
#[test]
fn another_merchants_customer_takes_no_part() {
    let app = spawn_live_app(|config| {
        let mut other = config.merchant[0].clone();
        other.name = "other";
        other.key = "sk_live_other";
        config.merchant.push(other);
    });
    let create = |key: &str| {
        app.json_with_key(key, "POST", "/v1/customer/create", "", &new_customer())
            .ok()
            .text("customerId")
    };
    let (ours, theirs) = (create(LIVE_KEY), create("sk_live_other"));
    let path = "/v1/escrow/vault/create";
    for stranger in [&theirs, "nobody"] {
        let message = format!("Participant {stranger} is not a customer of this merchant");
        app.refuses(400, &message, |app| {
            let body = stakes(&[(&ours, json!(600)), (stranger, json!(400))]);
            let bearer = format!("Bearer {LIVE_KEY}");
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
            app.send("POST", path, &headers, Some(body.to_string().as_bytes()))
        });
    }
}

#[test]
fn only_the_merchant_may_use_vault_routes() {
    let app = spawn_app();
    let token = app.opened_vault();
    let forbidden = "customer-id is not allowed in request header";
    for (method, path) in [
        ("POST", "/v1/escrow/vault/create".to_owned()),
        ("POST", format!("/v1/escrow/vault/winner/{token}")),
        ("POST", format!("/v1/escrow/vault/cancel/{token}")),
        ("GET", format!("/v1/escrow/vault/{token}")),
    ] {
        app.refuses(400, forbidden, |app| app.json(method, &path, "ada", &example_14()));
    }
    // A client's variable without a value.
    let path = format!("/v1/escrow/vault/{token}");
    app.send("GET", &path, &[("customer-id", "")], None).ok();
    let ada_beside = [("customer-id", ""), ("customer-id", "ada")];
    app.refuses(400, forbidden, |app| app.send("GET", &path, &ada_beside, None));
}

/// No route of another settlement type accepts a vault.
#[test]
fn a_vault_is_neither_paid_for_nor_confirmed() {
    let app = spawn_app();
    let vault = app.create_vault(&example_14()).ok();
    let (id, token) = (vault.text("id"), vault.text("paymentToken"));
    app.refuses(400, "Escrow is not in a valid state for checkout", |app| {
        app.pay("ada", &json!({ "escrowDetails": { "escrowId": id } }))
    });
    app.refuses(400, "Action not allowed", |app| app.confirm_payment("ada", &id));
    app.refuses(400, "Milestone not found", |app| app.confirm_milestone("ada", &id, &id));
    app.refuses(400, "Escrow is not a milestone escrow", |app| {
        app.edit_milestone_escrow("ada", &token, &two_milestones())
    });
}

#[test]
fn a_vault_can_be_sorted_into_a_category_of_the_merchant() {
    let app = spawn_app();
    let create = |customer: &[(&str, &str)]| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(customer);
        let body: &[u8] = br#"{"name":"Races"}"#;
        app.send("POST", "/v1/escrow/category/create", &headers, Some(body))
            .ok()
    };
    let (merchants, adas) = (create(&[]), create(&[("customer-id", "ada")]));
    let mut body = example_14();
    body["categoryId"] = merchants.data()["id"].clone();
    let vault = app.create_vault(&body).ok();
    assert_eq!(&vault.data()["category"], merchants.data());
    body["categoryId"] = adas.data()["id"].clone();
    let message = format!(
        "categoryId must be the id of a category of the merchant; got \"{}\"",
        adas.text("id")
    );
    app.refuses(400, &message, |app| app.create_vault(&body));
}
