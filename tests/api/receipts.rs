//! Money in: deposits that wait for money at the bank, and the receipts that operators record.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use escrowd::clock::SystemClock;
use escrowd::domain::time::Clock;
use serde_json::{Value, json};

use crate::desk::{
    ADA, BEN, CLEO, DAYO, EFE, STALL_KEY, paid, payout_of, reason, receipt, spawn_desk, spawn_desk_of_two,
};
use crate::helpers::{Deal, LIVE_KEY, TestApp, new_customer, spawn_app, two_milestones};

fn act(app: &TestApp, key: &str, receipt: &str, action: &str, body: &Value) -> crate::helpers::Answer {
    app.by(key, "POST", &format!("/receipts/{receipt}/{action}"), body)
}

#[test]
fn a_deposit_succeeds_when_its_money_is_recorded() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let quoted = app.announce(&ada, "dep-1", 500);
    let expected = app.by(EFE, "GET", "/deposits", &Value::Null).ok();
    assert_eq!(expected.data()["data"][0]["reference"], "dep-1");
    let recorded = app.by(BEN, "POST", "/receipts", &receipt(500, "in-1", &quoted)).ok();
    assert_eq!(recorded.text("status"), "credited");
    assert_eq!(recorded.data()["depositId"], recorded.data()["expectedDepositId"]);
    assert_eq!(app.live_balance(&ada), 500);
    assert_eq!(app.events(), ["payment.deposit.success"]);
    let expected = app.by(EFE, "GET", "/deposits", &Value::Null).ok();
    assert_eq!(expected.data()["data"], json!([]));
    // The same reference of the payer again is a deposit of its own.
    let again = app.by(BEN, "POST", "/receipts", &receipt(500, "in-2", &quoted)).ok();
    assert_ne!(again.data()["depositId"], again.data()["expectedDepositId"]);
    assert_eq!(app.live_balance(&ada), 1000);
}

/// Merchants choose the references of payments each for itself, and share a bank account.
#[test]
fn money_finds_its_deposit_by_what_its_payer_quotes_alone() {
    let app = spawn_desk_of_two();
    let ask =
        |key: &str, path: &str, customer: &str, body: &Value| app.json_with_key(key, "POST", path, customer, body).ok();
    let announced = [LIVE_KEY, STALL_KEY].map(|key| {
        let customer = ask(key, "/v1/customer/create", "", &new_customer()).text("customerId");
        let names = ["order-1042", "ORDER-1042", "order 1042", "order1042"];
        let quoted = names.map(|name| {
            let deposit = json!({ "amount": 300, "reference": name, "transactionType": "deposit" });
            let intent = ask(key, "/v1/payment/create-intent", &customer, &deposit);
            assert_eq!(intent.text("reference"), name);
            let quoted = intent.data()["depositAccount"]["reference"].clone();
            quoted.as_str().unwrap().to_owned()
        });
        (customer, quoted)
    });
    let all: HashSet<&String> = announced.iter().flat_map(|(_, quoted)| quoted).collect();
    assert_eq!(all.len(), 8);
    let [(_, of_shop), (of_stall, quoted)] = &announced;
    let listed = app.by_for(BEN, "stall", "GET", "/deposits", &Value::Null).ok();
    assert_eq!(listed.data()["data"][3]["reference"], "order-1042");
    assert_eq!(listed.data()["data"][3]["depositReference"], json!(quoted[0]));
    let suspense = app
        .by_for(BEN, "stall", "POST", "/receipts", &receipt(300, "in-0", &json!({})))
        .ok();
    let assign = format!("/receipts/{}/assign", suspense.text("id"));
    let record = |bank_reference: &str, name: &str| {
        let body = receipt(300, bank_reference, &json!({ "depositReference": name }));
        app.by_for(BEN, "stall", "POST", "/receipts", &body)
    };
    for (name, code) in [
        ("order-1042", "reference_not_quoted"),
        ("Order 1042", "deposit_not_found"),
        (of_shop[0].as_str(), "deposit_not_found"),
    ] {
        let status = if code == "deposit_not_found" { 404 } else { 409 };
        app.refuses_code(status, code, |_| record("in-1", name));
        app.refuses_code(status, code, |app| {
            app.by_for(BEN, "stall", "POST", &assign, &json!({ "depositReference": name }))
        });
    }
    let refused = record("in-1", "order-1042");
    assert_eq!(refused.body["details"], json!({ "depositReference": quoted[0] }));
    // A bank keeps neither case nor spaces and punctuation.
    let written = format!("{}-{}", &quoted[0][..8], quoted[0][8..].to_lowercase());
    let found = [record("in-1", &written), record("in-2", &quoted[1])].map(|recorded| recorded.ok());
    for recorded in &found {
        assert_eq!(recorded.text("customerId"), *of_stall);
        assert_eq!(recorded.data()["depositId"], recorded.data()["expectedDepositId"]);
    }
    app.by_for(BEN, "stall", "POST", &assign, &json!({ "depositReference": quoted[2] }))
        .ok();
    // Nobody gives money by a deposit's own name, so it will do here.
    for name in ["order1042", "ORDER-1042"] {
        let body = json!({ "reference": name, "reason": "no money came" });
        let given_up = app.by_for(BEN, "stall", "POST", "/deposits/expire", &body);
        assert_eq!(
            given_up.status,
            if name == "order1042" { 200 } else { 409 },
            "{given_up:?}"
        );
    }
    let left = app.by_for(BEN, "stall", "GET", "/deposits", &Value::Null).ok();
    assert_eq!(left.data()["data"], json!([]));
    let of_shop = app.by_for(BEN, "shop", "GET", "/deposits", &Value::Null).ok();
    assert_eq!(of_shop.data()["pagination"]["count"], 4);
}

#[test]
fn the_money_is_credited_as_it_came() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let quoted = app.announce(&ada, "dep-1", 500);
    let recorded = app.by(BEN, "POST", "/receipts", &receipt(499, "in-1", &quoted)).ok();
    assert_ne!(recorded.data()["depositId"], recorded.data()["expectedDepositId"]);
    assert_eq!(app.live_balance(&ada), 499);
    // The deposit still waits.
    assert_eq!(
        app.by(EFE, "GET", "/deposits", &Value::Null).ok().data()["pagination"]["count"],
        1
    );
}

#[test]
fn a_deposit_funds_the_escrows_that_it_names_or_none() {
    let app = spawn_desk();
    let (seller, buyer) = (
        app.live_customer("ada", "08012345678"),
        app.live_customer("ben", "08087654321"),
    );
    let offer = || {
        let path = "/v1/escrow/milestone/create";
        Deal::of(
            &app.json_with_key(LIVE_KEY, "POST", path, &seller, &two_milestones())
                .ok(),
        )
    };
    let (first, second) = (offer(), offer());
    let announce = |major: i64| {
        let body = json!({
            "amount": major, "transactionType": "deposit",
            "depositDetails": { "escrowId": [first.id, second.id] },
        });
        let path = "/v1/payment/create-intent";
        json!({ "depositReference": app.json_with_key(LIVE_KEY, "POST", path, &buyer, &body).ok().text("reference") })
    };
    let too_little = &announce(10_200);
    let enough = &announce(20_400);
    let record = |bank_reference: &str, major: i64, quoted: &Value| {
        let body = receipt(major, bank_reference, quoted);
        let recorded = app.by(BEN, "POST", "/receipts", &body).ok().text("id");
        app.by(DAYO, "POST", &format!("/receipts/{recorded}/approve"), &Value::Null)
            .ok()
    };
    let outcome = record("in-1", 10_200, too_little);
    assert_eq!(outcome.data()["fundedEscrowIds"], json!([]));
    assert_eq!(outcome.data()["notFunded"]["code"], "insufficient_balance");
    assert_eq!(app.live_balance(&buyer), 10_200);
    let again = record("in-1b", 10_200, too_little);
    assert_eq!(again.data()["notFunded"]["code"], "not_in_status", "it has come before");
    let other = record("in-1c", 20_399, enough);
    assert_eq!(other.data()["notFunded"]["code"], "amount_mismatch");
    for wrong in [again, other] {
        for key in [BEN, CLEO] {
            act(&app, key, &wrong.text("id"), "reverse", &reason()).ok();
        }
    }
    let outcome = record("in-2", 20_400, enough);
    assert_eq!(outcome.data()["fundedEscrowIds"], json!([first.id, second.id]));
    assert_eq!(outcome.data()["notFunded"], Value::Null);
    assert_eq!(app.live_balance(&buyer), 10_200);
    // The money is in the holds.
    app.refuses_code(409, "already_spent", |app| {
        act(app, BEN, &outcome.text("id"), "reverse", &reason())
    });
}

#[test]
fn a_bank_reference_is_used_once() {
    let app = spawn_desk_of_two();
    let record = |app: &TestApp, merchant: &str, major: i64| {
        app.by_for(BEN, merchant, "POST", "/receipts", &receipt(major, "in-1", &json!({})))
    };
    let first = record(&app, "shop", 500).ok().text("id");
    // However it is written.
    for written in ["IN 1", "in/1", "In1"] {
        let again = receipt(500, written, &json!({}));
        app.refuses_code(409, "bank_reference_used", |app| {
            app.by_for(BEN, "shop", "POST", "/receipts", &again)
        });
    }
    // Also with another amount, and by the other merchant, whose account may be the same.
    for (merchant, major) in [("shop", 500), ("shop", 400), ("stall", 500)] {
        let refused = app.refuses_code(409, "bank_reference_used", |app| record(app, merchant, major));
        assert!(refused.text.contains(&first), "{refused:?}");
    }
    // A mistake frees it.
    let reverse = format!("/receipts/{first}/reverse");
    app.by_for(BEN, "shop", "POST", &reverse, &reason()).ok();
    let large = record(&app, "stall", 9000).ok();
    assert_eq!(large.text("status"), "recorded");
    app.refuses_code(409, "bank_reference_used", |app| record(app, "shop", 500));
    let reject = format!("/receipts/{}/reject", large.text("id"));
    app.by_for(DAYO, "stall", "POST", &reject, &reason()).ok();
    record(&app, "shop", 500).ok();
}

/// No line of a bank's statement could be matched to it.
#[test]
fn a_bank_reference_has_a_letter_or_digit() {
    let app = spawn_desk();
    for written in ["---", "- - -", "***", "€"] {
        let message = format!("bankReference must be a text with at least one letter or digit; got \"{written}\"");
        app.refuses(400, &message, |app| {
            app.by(BEN, "POST", "/receipts", &receipt(500, written, &json!({})))
        });
    }
    app.by(BEN, "POST", "/receipts", &receipt(500, "-7-", &json!({}))).ok();
}

/// A day far away would leave the money out of every comparison with the bank's statement.
#[test]
fn money_comes_and_goes_on_a_day_that_has_begun() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let today = SystemClock.now().date();
    let on = |day: &str| {
        receipt(
            700,
            &format!("in {day}"),
            &json!({ "customerId": ada, "valueDate": day }),
        )
    };
    for day in ["1970-01-01".to_owned(), today.days_later(1).to_string()] {
        app.by(BEN, "POST", "/receipts", &on(&day)).ok();
    }
    app.live_withdrawal(&ada, "w-1", 500).ok();
    let payout = app.newest_payout();
    app.by(DAYO, "POST", &format!("/payouts/{payout}/approve"), &Value::Null)
        .ok();
    let pay = format!("/payouts/{payout}/pay");
    for day in [
        "0000-01-01",
        "1969-12-31",
        "9999-12-31",
        &today.days_later(3).to_string(),
    ] {
        for (path, body) in [
            ("/receipts", on(day)),
            (&pay, json!({ "bankReference": "out-1", "valueDate": day })),
        ] {
            let refused = app.refuses_code(400, "invalid_request", |app| app.by(BEN, "POST", path, &body));
            assert!(
                refused
                    .message()
                    .starts_with("valueDate must be a day from 1970-01-01 to ")
                    && refused
                        .message()
                        .ends_with(&format!("which is tomorrow in UTC; got {day}")),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn above_the_limit_another_than_the_recorder_approves() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let of_ada = json!({ "customerId": ada });
    let at_limit = app.by(ADA, "POST", "/receipts", &receipt(5000, "in-1", &of_ada)).ok();
    assert_eq!(at_limit.text("status"), "credited");
    let above = receipt(5001, "in-2", &of_ada);
    let recorded = app.by(ADA, "POST", "/receipts", &above).ok();
    assert_eq!(recorded.text("status"), "recorded");
    let id = recorded.text("id");
    assert_eq!(app.live_balance(&ada), 5000);
    app.refuses(
        403,
        "An amount above 5000 needs a second operator; you recorded or requested this one",
        |app| act(app, ADA, &id, "approve", &Value::Null),
    );
    // It is no money yet.
    for (action, body) in [("reverse", reason()), ("assign", of_ada.clone())] {
        app.refuses_code(409, "not_in_status", |app| act(app, ADA, &id, action, &body));
    }
    act(&app, DAYO, &id, "approve", &Value::Null).ok();
    assert_eq!(app.live_balance(&ada), 10_001);
    for (action, body) in [("approve", Value::Null), ("reject", reason())] {
        app.refuses_code(409, "not_in_status", |app| act(app, DAYO, &id, action, &body));
    }
}

/// The operators who recorded and approved a receipt have named no customer. So the one who does would
/// decide alone where the money goes.
#[test]
fn two_operators_name_the_customer_of_large_money_in_suspense_and_two_reverse_it() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let of_ada = json!({ "customerId": ada });
    let in_suspense = |bank_reference: &str| {
        let body = receipt(5001, bank_reference, &json!({}));
        let id = app.by(BEN, "POST", "/receipts", &body).ok().text("id");
        act(&app, DAYO, &id, "approve", &Value::Null).ok();
        id
    };
    let id = in_suspense("in-1");
    let noted = act(&app, CLEO, &id, "assign", &of_ada).ok();
    assert_eq!(
        (noted.text("status"), app.live_balance(&ada)),
        ("suspense".to_owned(), json!(0))
    );
    assert!(noted.data()["askedBy"].is_string(), "{noted:?}");
    assert_ne!(noted.data()["askedBy"], noted.data()["recordedBy"]);
    app.refuses_code(403, "same_person", |app| act(app, CLEO, &id, "assign", &of_ada));
    // The operator who recorded it may be the second.
    let assigned = act(&app, BEN, &id, "assign", &of_ada).ok();
    assert_eq!(
        (assigned.text("status"), app.live_balance(&ada)),
        ("credited".to_owned(), json!(5001))
    );

    let noted = act(&app, CLEO, &id, "reverse", &reason()).ok();
    assert_eq!(
        (noted.text("status"), app.live_balance(&ada)),
        ("credited".to_owned(), json!(5001))
    );
    app.refuses_code(403, "same_person", |app| act(app, CLEO, &id, "reverse", &reason()));
    let reversed = act(&app, ADA, &id, "reverse", &reason()).ok();
    assert_eq!(
        (reversed.text("status"), app.live_balance(&ada)),
        ("reversed".to_owned(), json!(0))
    );

    // Or the first, also of a reversal, which takes the place of the request to assign it.
    let id = in_suspense("in-2");
    act(&app, CLEO, &id, "assign", &of_ada).ok();
    let noted = act(&app, BEN, &id, "reverse", &reason()).ok();
    assert_eq!(
        (noted.text("status"), &noted.data()["customerId"]),
        ("suspense".to_owned(), &Value::Null)
    );
    app.refuses_code(403, "same_person", |app| act(app, BEN, &id, "reverse", &reason()));
    assert_eq!(
        act(&app, CLEO, &id, "reverse", &reason()).ok().text("status"),
        "reversed"
    );
}

#[test]
fn a_receipt_is_not_reversed_after_its_money_is_spent() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let id = app.receive(&ada, "in-1", 1000);
    app.live_withdrawal(&ada, "w-1", 500).ok();
    let refused = app.refuses(409, "The money is already spent", |app| {
        act(app, BEN, &id, "reverse", &reason())
    });
    assert!(refused.text.contains("490"), "{refused:?}");
    // The pay-out is rejected, so the money is there again.
    let payout = app.newest_payout();
    app.by(DAYO, "POST", &format!("/payouts/{payout}/reject"), &reason())
        .ok();
    let reversed = act(&app, BEN, &id, "reverse", &reason()).ok();
    assert_eq!(reversed.text("status"), "reversed");
    assert_eq!(app.live_balance(&ada), 0);
    assert_eq!(app.money(), 0);
    app.refuses_code(409, "not_in_status", |app| act(app, BEN, &id, "reverse", &reason()));
    assert_eq!(
        app.events(),
        [
            "payment.deposit.success",
            "payment.withdrawal.failed",
            "payment.deposit.reversed"
        ]
    );
}

#[test]
fn money_that_comes_after_its_deposit_was_given_up_is_credited() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let quoted = app.announce(&ada, "dep-1", 500);
    let expire = |app: &TestApp, name: &str| {
        let body = json!({ "reference": name, "reason": "no money came" });
        app.by(BEN, "POST", "/deposits/expire", &body)
    };
    let given_up = expire(&app, "dep-1").ok();
    assert_eq!(given_up.text("status"), "failed");
    app.refuses(409, "The deposit is failed and cannot be given up", |app| {
        expire(app, "dep-1")
    });
    app.refuses(404, "Deposit not found", |app| expire(app, "dep-2"));
    let recorded = app.by(BEN, "POST", "/receipts", &receipt(500, "in-1", &quoted)).ok();
    assert_ne!(recorded.data()["depositId"], recorded.data()["expectedDepositId"]);
    assert_eq!(app.live_balance(&ada), 500);
    assert_eq!(app.events(), ["payment.deposit.failed", "payment.deposit.success"]);
    app.refuses_code(409, "not_in_status", |app| expire(app, "dep-1"));
}

#[test]
fn a_deposit_whose_money_waits_for_a_second_person_is_not_given_up() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let quoted = app.announce(&ada, "dep-1", 6_000);
    app.announce(&ada, "dep-2", 500);
    let body = receipt(6_000, "in-1", &quoted);
    let recorded = app.by(BEN, "POST", "/receipts", &body).ok();
    assert_eq!(recorded.text("status"), "recorded");
    app.refuses_code(409, "deposit_has_receipt", |app| {
        let body = json!({ "reference": "dep-1", "reason": "no money came" });
        app.by(CLEO, "POST", "/deposits/expire", &body)
    });
    // The other deposit is given up at the next look.
    app.pass_seconds(31 * 86_400);
    while app.events().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    let approved = act(&app, DAYO, &recorded.text("id"), "approve", &Value::Null).ok();
    assert_eq!(approved.data()["depositId"], approved.data()["expectedDepositId"]);
    assert_eq!(app.events(), ["payment.deposit.failed", "payment.deposit.success"]);
    assert_eq!(app.live_balance(&ada), 6_000);
}

/// Nothing shows that a request of a revoked operator named the deposit, so it must not hold it.
#[test]
fn a_deposit_that_a_revoked_operator_wanted_to_assign_is_given_up() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let quoted = app.announce(&ada, "dep-1", 6_000);
    let recorded = app
        .by(BEN, "POST", "/receipts", &receipt(6_000, "in-1", &json!({})))
        .ok();
    let id = recorded.text("id");
    act(&app, DAYO, &id, "approve", &Value::Null).ok();
    let mallory = json!({ "name": "Mallory", "role": "cashier" });
    let mallory = app.by(ADA, "POST", "/operators", &mallory).ok();
    act(&app, &mallory.text("key"), &id, "assign", &quoted).ok();
    let expire = json!({ "reference": "dep-1", "reason": "no money came" });
    app.refuses_code(409, "deposit_has_receipt", |app| {
        app.by(CLEO, "POST", "/deposits/expire", &expire)
    });
    let revoke = format!("/operators/{}/revoke", mallory.text("id"));
    app.by(ADA, "POST", &revoke, &reason()).ok();
    app.by(CLEO, "POST", "/deposits/expire", &expire).ok();
    assert_eq!(app.events(), ["payment.deposit.failed"]);
}

/// The command for the first merchant fails once. The next look, a second later, repeats it.
#[test]
fn a_deposit_that_cannot_be_given_up_holds_up_no_other_merchant() {
    let app = spawn_desk_of_two();
    for key in [LIVE_KEY, STALL_KEY] {
        let ask = |path: &str, customer: &str, body: &Value| app.json_with_key(key, "POST", path, customer, body).ok();
        let ada = ask("/v1/customer/create", "", &new_customer()).text("customerId");
        let deposit = json!({ "amount": 500, "reference": "dep-1", "transactionType": "deposit" });
        ask("/v1/payment/create-intent", &ada, &deposit);
    }
    let mut merchants = app.column("SELECT id FROM merchant ORDER BY id");
    app.plan_panic_at_id(1);
    app.pass_seconds(31 * 86_400);
    merchants.reverse();
    assert_eq!(app.merchants_of_two("payment.deposit.failed"), merchants);
    assert!(app.has_command_panicked());
}

#[test]
fn unexpected_money_waits_in_suspense() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let record = |bank_reference: &str| {
        let recorded = app
            .by(BEN, "POST", "/receipts", &receipt(300, bank_reference, &json!({})))
            .ok();
        assert_eq!(recorded.text("status"), "suspense");
        recorded.text("id")
    };
    let (assigned, sent_back) = (record("in-1"), record("in-2"));
    assert_eq!(app.own_balances(), ["SUSPENSE 60000"]);
    for (target, status, code) in [
        (json!({ "customerId": "nobody" }), 400, "no_such_customer"),
        (json!({ "depositReference": "dep-9" }), 404, "deposit_not_found"),
        (json!({}), 400, "invalid_request"),
    ] {
        app.refuses_code(status, code, |app| act(app, BEN, &assigned, "assign", &target));
    }
    act(&app, BEN, &assigned, "assign", &json!({ "customerId": ada })).ok();
    assert_eq!(app.live_balance(&ada), 300);
    app.refuses_code(409, "not_in_status", |app| {
        act(app, BEN, &assigned, "assign", &json!({ "customerId": ada }))
    });
    let back = |id: &str| payout_of(&json!({ "source": "suspense", "receiptId": id }));
    app.refuses_code(409, "not_in_status", |app| {
        app.by(BEN, "POST", "/payouts", &back(&assigned))
    });
    let payout = app.by(BEN, "POST", "/payouts", &back(&sent_back)).ok().text("id");
    assert_eq!(app.own_balances(), ["IN_TRANSIT 30000"]);
    for (action, body) in [("assign", json!({ "customerId": ada })), ("reverse", reason())] {
        app.refuses_code(409, "not_in_status", |app| act(app, BEN, &sent_back, action, &body));
    }
    app.refuses_code(409, "not_in_status", |app| {
        app.by(BEN, "POST", "/payouts", &back(&sent_back))
    });
    // Rejected, it is in suspense again, and may go back once more.
    app.by(DAYO, "POST", &format!("/payouts/{payout}/reject"), &reason())
        .ok();
    assert_eq!(app.own_balances(), ["SUSPENSE 30000"]);
    let payout = app.by(BEN, "POST", "/payouts", &back(&sent_back)).ok().text("id");
    app.by(DAYO, "POST", &format!("/payouts/{payout}/approve"), &Value::Null)
        .ok();
    app.by(BEN, "POST", &format!("/payouts/{payout}/pay"), &paid("out-1"))
        .ok();
    assert_eq!(app.own_balances(), [""; 0]);
    // The bank returns it.
    app.by(BEN, "POST", &format!("/payouts/{payout}/return"), &reason())
        .ok();
    assert_eq!(app.own_balances(), ["SUSPENSE 30000"]);
    act(&app, BEN, &sent_back, "assign", &json!({ "customerId": ada })).ok();
    assert_eq!(app.live_balance(&ada), 600);
}

/// Money at the bank settles a deposit that waits for it, not one by card.
#[test]
fn a_receipt_names_no_deposit_by_card() {
    let app = spawn_app();
    let card = app.save_card("ada", "4242424242424242").ok().text("id");
    let body = json!({
        "amount": 1000, "reference": "by card", "transactionType": "deposit", "depositDetails": { "cardId": card },
    });
    app.create_intent("ada", &body).ok();
    app.top_up("ada", 1000).ok();
    let quoted = json!({ "depositReference": "by card" });
    app.refuses_code(404, "deposit_not_found", |app| {
        app.as_merchant("POST", "/operator/receipts", Some(&receipt(1000, "in-1", &quoted)))
    });
    app.refuses_code(404, "deposit_not_found", |app| {
        let body = json!({ "reference": "by card", "reason": "late" });
        app.as_merchant("POST", "/operator/deposits/expire", Some(&body))
    });
}
