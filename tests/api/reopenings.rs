//! A payment of a pay-out that was recorded by mistake is corrected by a reopening. The drop of each
//! service audits its ledger.

use serde_json::{Value, json};

use crate::console::Form;
use crate::desk::{ADA, BEN, CLEO, DAYO, EFE, paid, payout_of, reason, receipt, spawn_desk, spawn_desk_of_two};
use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app};
use crate::live_console::Browser;
use crate::position::{CASHIER, Office};

/// The bank's statement of what [`Office::trade`] records.
const STATEMENT: &str = "date,amount,reference
2026-11-02,5000,FT-1001
2026-11-03,300.25,FT-1002
2026-11-03,10200,FT-1003
2026-11-05,-1000,FT-2001
";

fn act(app: &TestApp, key: &str, payout: &str, action: &str, body: &Value) -> Answer {
    app.by(key, "POST", &format!("/payouts/{payout}/{action}"), body)
}

/// Asks for a withdrawal, which an approver approves, and returns the id of its pay-out.
#[track_caller]
fn approved(app: &TestApp, customer: &str, reference: &str, major: i64) -> String {
    app.live_withdrawal(customer, reference, major).ok();
    let payout = app.newest_payout();
    act(app, DAYO, &payout, "approve", &Value::Null).ok();
    payout
}

/// Returns the status of a withdrawal as its customer sees it.
#[track_caller]
fn status_of(app: &TestApp, customer: &str, reference: &str) -> String {
    let body = json!({ "reference": reference });
    let verified = app.json_with_key(LIVE_KEY, "POST", "/v1/payment/verify", customer, &body);
    verified.ok().text("status")
}

/// Returns the transfers of a kind as `debit -> credit amount`.
fn transfers(app: &TestApp, kind: &str) -> Vec<String> {
    app.column(&format!(
        "SELECT debit.purpose || ' -> ' || credit.purpose || ' ' || amount FROM transfer
         JOIN account AS debit ON debit.id = debit_account_id JOIN account AS credit ON credit.id = credit_account_id
         WHERE kind = '{kind}' ORDER BY transfer.id"
    ))
}

#[test]
fn the_payment_of_the_wrong_pay_out_is_corrected() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 510 + 1_010);
    let (wrong, right) = (approved(&app, &ada, "w-1", 500), approved(&app, &ada, "w-2", 1_000));
    let before = act(&app, BEN, &wrong, "pay", &paid("out-1")).ok();
    assert_eq!(app.own_balances(), ["PLATFORM_FEES 1000", "IN_TRANSIT 101000"]);
    app.refuses_code(409, "bank_reference_used", |app| {
        act(app, BEN, &right, "pay", &paid("out-1"))
    });

    let reopened = act(&app, BEN, &wrong, "reopen", &reason()).ok();
    assert_eq!(reopened.message(), "Pay-out reopened successfully");
    assert_eq!(reopened.text("status"), "approved");
    assert_eq!(reopened.data()["approvedBy"], before.data()["approvedBy"]);
    for gone in ["bankReference", "valueDate", "reason"] {
        assert_eq!(reopened.data()[gone], Value::Null, "{gone}");
    }
    let shown = app.by(EFE, "GET", &format!("/payouts/{wrong}"), &Value::Null).ok();
    assert_eq!(shown.data(), reopened.data());
    assert_eq!(app.own_balances(), ["IN_TRANSIT 152000"]);
    assert_eq!(
        transfers(&app, "CORRECTION"),
        ["OUTSIDE_WORLD -> IN_TRANSIT 50000", "PLATFORM_FEES -> IN_TRANSIT 1000"]
    );
    assert_eq!(
        (app.live_balance(&ada), status_of(&app, &ada, "w-1")),
        (json!(0), "pending".into())
    );
    let acts = app.by(ADA, "GET", "/acts?limit=1", &Value::Null).ok();
    let newest = &acts.data()["data"][0];
    assert_eq!(
        (&newest["act"], &newest["subject"]),
        (&json!("payout_reopened"), &json!(wrong))
    );
    let numbers = app.column("SELECT min(id) || ' ' || max(id) FROM transfer WHERE kind = 'CORRECTION'");
    assert_eq!(
        format!("{} {}", newest["transfers"]["first"], newest["transfers"]["last"]),
        numbers[0]
    );
    assert_eq!(newest["reason"], reason()["reason"]);

    // The reference is the right one's, and each is paid once.
    act(&app, BEN, &right, "pay", &paid("out-1")).ok();
    app.refuses_code(409, "bank_reference_used", |app| {
        act(app, BEN, &wrong, "pay", &paid("out-1"))
    });
    let again = act(&app, BEN, &wrong, "pay", &paid("out-2")).ok();
    assert_eq!(
        (again.text("status"), again.text("bankReference")),
        ("paid".into(), "out-2".into())
    );
    assert_eq!(app.own_balances(), ["PLATFORM_FEES 2000"]);
    assert_eq!((app.money(), status_of(&app, &ada, "w-1")), (2_000, "success".into()));
    // A correction has no event; the next payment has one again.
    assert_eq!(
        app.events(),
        [
            "payment.deposit.success",
            "payment.withdrawal.success",
            "payment.withdrawal.success",
            "payment.withdrawal.success"
        ]
    );
}

#[test]
fn the_reference_is_free_for_the_other_merchants_of_the_bank_account() {
    let app = spawn_desk_of_two();
    let payout = |merchant: &str, bank_reference: &str| {
        let post = |key: &str, path: &str, body: &Value| app.by_for(key, merchant, "POST", path, body).ok();
        let recorded = post(BEN, "/receipts", &receipt(100, bank_reference, &json!({})));
        let source = json!({ "source": "suspense", "receiptId": recorded.text("id") });
        let payout = post(BEN, "/payouts", &payout_of(&source)).text("id");
        post(DAYO, &format!("/payouts/{payout}/approve"), &Value::Null);
        payout
    };
    let (wrong, right) = (payout("shop", "in-1"), payout("stall", "in-2"));
    let act = |merchant: &str, payout: &str, action: &str, body: &Value| {
        app.by_for(BEN, merchant, "POST", &format!("/payouts/{payout}/{action}"), body)
    };
    act("shop", &wrong, "pay", &paid("out-1")).ok();
    app.refuses_code(404, "payout_not_found", |_| act("stall", &wrong, "reopen", &reason()));
    act("shop", &wrong, "reopen", &reason()).ok();
    act("stall", &right, "pay", &paid("out-1")).ok();
    // The receipt that goes back is in suspense again only if the pay-out is returned.
    let status = "SELECT status FROM receipt ORDER BY id";
    assert_eq!(app.column(status), ["sent_back", "sent_back"]);
    act("shop", &wrong, "return", &reason()).ok();
    assert_eq!(app.column(status), ["suspense", "sent_back"]);
}

#[test]
fn a_reopened_pay_out_that_is_never_paid_gives_amount_and_fee_back() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 510);
    let payout = approved(&app, &ada, "w-1", 500);
    act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
    act(&app, BEN, &payout, "reopen", &reason()).ok();
    act(&app, BEN, &payout, "return", &reason()).ok();
    assert_eq!((app.live_balance(&ada), app.own_balances()), (json!(510), vec![]));
    assert_eq!(status_of(&app, &ada, "w-1"), "reversed");
    let events = app.events();
    assert_eq!(events.last().map(String::as_str), Some("payment.withdrawal.reversed"));
    assert_eq!(events.len(), 3, "{events:?}");
}

#[test]
fn only_a_paid_pay_out_is_reopened() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 510);
    let refuses = |payout: &str| {
        let refused = app.refuses_code(409, "not_in_status", |app| act(app, BEN, payout, "reopen", &reason()));
        assert_eq!(refused.body["details"]["allowed"], json!(["paid"]));
    };
    app.live_withdrawal(&ada, "w-1", 500).ok();
    let rejected = app.newest_payout();
    refuses(&rejected);
    act(&app, DAYO, &rejected, "reject", &reason()).ok();
    refuses(&rejected);
    let payout = approved(&app, &ada, "w-2", 500);
    refuses(&payout);
    act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
    for (body, message) in [
        (json!({}), "reason is required"),
        (
            json!({ "reason": "wrong", "more": 1 }),
            "more must be one of the fields reason",
        ),
    ] {
        let answer = act(&app, BEN, &payout, "reopen", &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.message().contains(message), "{answer:?}");
    }
    act(&app, BEN, &payout, "return", &reason()).ok();
    refuses(&payout);
}

#[test]
fn a_fee_that_the_platform_has_paid_out_keeps_its_payment() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 3 * 510);
    let pay = |reference: &str| {
        let payout = approved(&app, &ada, reference, 500);
        act(&app, BEN, &payout, "pay", &paid(reference)).ok();
        payout
    };
    let payout = pay("w-1");
    let ask = payout_of(&json!({ "source": "platform_fees", "amount": 0.01 }));
    let fees = app.by(BEN, "POST", "/payouts", &ask).ok().text("id");
    let refused = app.refuses_code(409, "already_spent", |app| act(app, BEN, &payout, "reopen", &reason()));
    assert_eq!(refused.body["details"], json!({ "needed": 10, "available": 9.99 }));
    pay("w-2");
    act(&app, BEN, &payout, "reopen", &reason()).ok();
    assert_eq!(app.own_balances(), ["PLATFORM_FEES 999", "IN_TRANSIT 51001"]);
    // One without a fee needs none.
    act(&app, DAYO, &fees, "approve", &Value::Null).ok();
    act(&app, BEN, &fees, "pay", &paid("out-1")).ok();
    act(&app, BEN, &fees, "reopen", &reason()).ok();
    assert_eq!(
        transfers(&app, "CORRECTION").last().unwrap(),
        "OUTSIDE_WORLD -> IN_TRANSIT 1"
    );
}

/// The bank pays a reopened pay-out once more, so one operator alone does not reopen it.
#[test]
fn two_operators_reopen_a_large_pay_out() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 5_000);
    app.receive(&ada, "in-2", 5_000);
    let large = approved(&app, &ada, "w-1", 6_000);
    act(&app, BEN, &large, "pay", &paid("out-1")).ok();
    let noted = act(&app, CLEO, &large, "reopen", &reason()).ok();
    assert_eq!(
        (noted.text("status"), noted.text("askedFor")),
        ("paid".to_owned(), "reopening".to_owned())
    );
    assert_eq!(transfers(&app, "CORRECTION"), [""; 0]);
    let refused = app.refuses_code(403, "same_person", |app| act(app, CLEO, &large, "reopen", &reason()));
    assert_eq!(refused.body["details"]["aloneMax"], 5_000);
    let reopened = act(&app, BEN, &large, "reopen", &reason()).ok();
    assert_eq!(
        (reopened.text("status"), &reopened.data()["askedBy"]),
        ("approved".to_owned(), &Value::Null)
    );
    // Each reopening takes two.
    act(&app, CLEO, &large, "pay", &paid("out-2")).ok();
    assert_eq!(act(&app, BEN, &large, "reopen", &reason()).ok().text("status"), "paid");
    assert_eq!(
        act(&app, CLEO, &large, "reopen", &reason()).ok().text("status"),
        "approved"
    );

    let small = approved(&app, &ada, "w-2", 1_000);
    act(&app, BEN, &small, "pay", &paid("out-3")).ok();
    act(&app, BEN, &small, "reopen", &reason()).ok();
    act(&app, BEN, &small, "return", &reason()).ok();
}

#[test]
fn a_reopening_shows_that_the_customer_was_stopped() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 510);
    let payout = approved(&app, &ada, "w-1", 500);
    let done = act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
    assert_eq!(done.data()["ownerProblem"], Value::Null);
    app.json_with_key(LIVE_KEY, "PUT", &format!("/v1/customer/block/{ada}"), "", &json!({}))
        .ok();
    let reopened = act(&app, BEN, &payout, "reopen", &reason()).ok();
    assert_eq!(reopened.data()["ownerProblem"], "blocked");
}

/// The bank's statement has neither the payment nor its correction.
#[test]
fn a_reopened_payment_is_no_movement_at_the_bank() {
    for office in Office::both() {
        let trade = office.trade();
        let wrong = office.withdraws(&trade.ada, 100, "Ada Obi");
        let right = office.withdraws(&trade.ada, 200, "Ada Obi");
        office.approves(&wrong);
        office.approves(&right);
        office.pays(&wrong, "FT-3001", "2026-11-06");
        let reopen = |payout: &str| {
            let reason = json!({ "reason": "the wrong line" });
            office
                .post(CASHIER, &format!("/operator/payouts/{payout}/reopen"), &reason)
                .ok()
        };
        let lists = |lines: &str, closing: &str| {
            let statement = format!("{STATEMENT}{lines}");
            let compared = office
                .reconcile(&format!("opening=0&closing={closing}&to=2026-11-08"), &statement)
                .ok();
            let data = compared.data();
            let count = |list: &str| data[list].as_array().unwrap().len();
            (
                data["agrees"].clone(),
                count("nearMisses"),
                count("missingHere"),
                count("missingThere"),
            )
        };
        let agree = (json!(true), 0, 0, 0);
        assert_eq!(lists("2026-11-06,-200,FT-3001\n", "14300.25"), (json!(false), 1, 0, 0));
        assert_eq!(lists("", "14500.25"), (json!(false), 0, 0, 1));
        reopen(&wrong);
        assert_eq!(lists("", "14500.25"), agree);
        assert_eq!(office.get("/operator/position").ok().data()["agrees"], true);
        office.pays(&right, "FT-3001", "2026-11-06");
        let lines = "2026-11-06,-200,FT-3001\n";
        assert_eq!(lists(lines, "14300.25"), agree);
        // The same pay-out is paid later, with another reference, and the bank returns another one.
        office.pays(&wrong, "FT-3002", "2026-11-07");
        let lines = format!("{lines}2026-11-07,-100,FT-3002\n");
        assert_eq!(lists(&lines, "14200.25"), agree);
        reopen(&right);
        let reason = json!({ "reason": "closed" });
        office
            .post(CASHIER, &format!("/operator/payouts/{right}/return"), &reason)
            .ok();
        assert_eq!(lists("2026-11-07,-100,FT-3002\n", "14400.25"), agree);
        let position = office.get("/operator/position").ok();
        assert_eq!(
            (&position.data()["agrees"], &position.data()["bankShouldHold"]),
            (&json!(true), &json!(14400.25))
        );
        let journal = office.get("/operator/journal");
        let closing = journal.text.lines().find(|line| line.contains("closing")).unwrap();
        assert!(closing.contains("14400.25"), "{closing}");
        assert_eq!(journal.text.matches("CORRECTION").count(), 5, "{}", journal.text);
    }
}

#[test]
fn a_reopened_pay_out_stays_in_its_batch() {
    for office in Office::both() {
        let trade = office.trade();
        office.approves(&trade.open);
        let export = |body: &Value| office.post(CASHIER, "/operator/payouts/export", body).text;
        assert!(export(&json!({})).contains(&trade.open));
        office.pays(&trade.open, "FT-3001", "2026-11-06");
        assert!(!export(&json!({ "batch": 1 })).contains(&trade.open));
        let path = format!("/operator/payouts/{}/reopen", trade.open);
        let reopened = office.post(CASHIER, &path, &json!({ "reason": "another one" })).ok();
        assert_eq!(reopened.data()["batch"], 1);
        assert!(!export(&json!({})).contains(&trade.open));
        assert!(export(&json!({ "batch": 1 })).contains(&trade.open));
    }
}

/// An operator has a reopened withdrawal of a sandbox in hand, as one that an operator approved.
#[test]
fn a_withdrawal_that_the_simulated_bank_paid_waits_for_an_operator_once_reopened() {
    let app = spawn_app();
    let body = json!({
        "amount": 1000, "reference": "w-1", "transactionType": "withdrawal",
        "withdrawalDetails": {
            "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada", "bankName": "Bank",
        },
    });
    app.create_intent("ada", &body).ok();
    let status = || app.verify_payment("ada", "w-1").ok().text("status");
    assert_eq!(status(), "success");
    let payouts = app.as_merchant("GET", "/operator/payouts?limit=1", None).ok();
    let payout = payouts.data()["data"][0]["id"].as_str().unwrap().to_owned();
    let act = |action: &str, body: &Value| {
        app.as_merchant("POST", &format!("/operator/payouts/{payout}/{action}"), Some(body))
            .ok()
    };
    act("reopen", &reason());
    app.advance("1d").ok();
    assert_eq!(status(), "pending");
    act("pay", &paid("out-1"));
    assert_eq!(status(), "success");
    act("reopen", &reason());
    act("return", &reason());
    assert_eq!(status(), "reversed");
    assert_eq!(
        app.events(),
        [
            "payment.withdrawal.success",
            "payment.withdrawal.success",
            "payment.withdrawal.reversed"
        ]
    );
}

#[test]
fn the_desk_reopens_a_paid_pay_out() {
    const BUTTON: &str = "Reopen: the payment was recorded by mistake";
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 510);
    let payout = approved(&app, &ada, "w-1", 500);
    let path = "/console/desk/payouts";
    let ben = Browser::logged_in(&app, BEN);
    assert!(!ben.page(path).contains(BUTTON));
    act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
    let form = Form::of(&ben.page(path), BUTTON).with("s:reason", "the wrong line");
    ben.done(&form);
    let page = ben.page(path);
    assert!(
        !page.contains(BUTTON) && page.contains("Record that it was paid"),
        "{page}"
    );
    let acts = app.by(ADA, "GET", "/acts?limit=1", &Value::Null).ok();
    assert_eq!(acts.data()["data"][0]["reason"], "the wrong line");
    act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
    // One who may not record money is not asked to.
    let dayo = Browser::logged_in(&app, DAYO);
    assert!(!dayo.page(path).contains(BUTTON));
}

#[test]
fn one_of_16_reopenings_at_once_is_done() {
    for _ in 0..4 {
        let app = spawn_desk();
        let ada = app.live_customer("ada", "08012345678");
        app.receive(&ada, "in-1", 510);
        let payout = approved(&app, &ada, "w-1", 500);
        act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
        let answers = app.run_concurrently(16, |app, index| {
            act(app, [BEN, CLEO][index % 2], &payout, "reopen", &reason())
        });
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(200), count(409)), (1, 15), "{answers:?}");
        assert_eq!(
            (app.own_balances(), transfers(&app, "CORRECTION").len()),
            (vec!["IN_TRANSIT 51000".to_owned()], 2)
        );
    }
}
