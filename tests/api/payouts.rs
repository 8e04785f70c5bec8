//! Money out: a pay-out is requested, approved and paid in separate steps.

use serde_json::{Value, json};

use crate::desk::{ADA, BEN, CLEO, DAYO, paid, payout_of, reason, receipt, spawn_desk, spawn_desk_of_two};
use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app};

fn act(app: &TestApp, key: &str, payout: &str, action: &str, body: &Value) -> Answer {
    app.by(key, "POST", &format!("/payouts/{payout}/{action}"), body)
}

/// Asks for a withdrawal of 500, for which the customer has the money, and returns the id of
/// the pay-out.
#[track_caller]
fn withdrawal(app: &TestApp, customer: &str, reference: &str) -> String {
    app.receive(customer, &format!("in for {reference}"), 510);
    assert_eq!(
        app.live_withdrawal(customer, reference, 500).ok().text("status"),
        "pending"
    );
    app.newest_payout()
}

#[test]
fn a_withdrawal_is_paid_in_two_steps() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let payout = withdrawal(&app, &ada, "w-1");
    assert_eq!(app.live_balance(&ada), 0);
    assert_eq!(app.own_balances(), ["IN_TRANSIT 51000"]);
    for (action, body, allowed) in [("pay", paid("out-1"), "approved"), ("return", reason(), "approved")] {
        let refused = app.refuses_code(409, "not_in_status", |app| act(app, BEN, &payout, action, &body));
        assert!(refused.text.contains(allowed), "{refused:?}");
    }
    let approved = act(&app, DAYO, &payout, "approve", &Value::Null).ok();
    assert_eq!(approved.text("status"), "approved");
    assert_eq!(app.own_balances(), ["IN_TRANSIT 51000"]);
    let message = "bankReference must be a text with at least one letter or digit; got \"- - -\"";
    app.refuses(400, message, |app| act(app, BEN, &payout, "pay", &paid("- - -")));
    for (action, body) in [("approve", Value::Null), ("reject", reason())] {
        app.refuses_code(409, "not_in_status", |app| act(app, DAYO, &payout, action, &body));
    }
    let done = act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
    assert_eq!(
        (done.text("status"), done.text("bankReference")),
        ("paid".to_owned(), "out-1".to_owned())
    );
    assert_eq!(app.own_balances(), ["PLATFORM_FEES 1000"]);
    for (action, body) in [("pay", paid("out-2")), ("approve", Value::Null), ("reject", reason())] {
        app.refuses_code(409, "not_in_status", |app| act(app, ADA, &payout, action, &body));
    }
    assert_eq!(app.events(), ["payment.deposit.success", "payment.withdrawal.success"]);
    // The bank sends it back: the fee was for a payment that was made.
    act(&app, BEN, &payout, "return", &reason()).ok();
    assert_eq!(app.live_balance(&ada), 500);
    assert_eq!(app.own_balances(), ["PLATFORM_FEES 1000"]);
    app.refuses_code(409, "not_in_status", |app| act(app, BEN, &payout, "return", &reason()));
}

#[test]
fn a_rejected_or_unpaid_payout_gives_amount_and_fee_back() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let payout = withdrawal(&app, &ada, "w-1");
    act(&app, DAYO, &payout, "reject", &reason()).ok();
    assert_eq!(app.live_balance(&ada), 510);
    for (key, action, body) in [
        (DAYO, "approve", Value::Null),
        (DAYO, "reject", reason()),
        (BEN, "pay", paid("out-1")),
        (BEN, "return", reason()),
    ] {
        app.refuses_code(409, "not_in_status", |app| act(app, key, &payout, action, &body));
    }
    app.live_withdrawal(&ada, "w-2", 500).ok();
    let payout = app.newest_payout();
    act(&app, DAYO, &payout, "approve", &Value::Null).ok();
    act(&app, BEN, &payout, "return", &reason()).ok();
    assert_eq!(app.live_balance(&ada), 510);
    assert_eq!(app.own_balances(), [""; 0]);
}

#[test]
fn a_bank_reference_pays_one_payout_of_all_merchants() {
    let app = spawn_desk_of_two();
    let suspended = |merchant: &str, bank_reference: &str| {
        let recorded = app.by_for(
            BEN,
            merchant,
            "POST",
            "/receipts",
            &receipt(100, bank_reference, &json!({})),
        );
        let source = json!({ "source": "suspense", "receiptId": recorded.ok().text("id") });
        let payout = app
            .by_for(BEN, merchant, "POST", "/payouts", &payout_of(&source))
            .ok()
            .text("id");
        let approve = format!("/payouts/{payout}/approve");
        app.by_for(DAYO, merchant, "POST", &approve, &Value::Null).ok();
        format!("/payouts/{payout}")
    };
    let first = suspended("shop", "in-1");
    let second = suspended("shop", "in-2");
    let third = suspended("stall", "in-3");
    let pay = |app: &TestApp, merchant: &str, payout: &str, bank_reference: &str| {
        app.by_for(BEN, merchant, "POST", &format!("{payout}/pay"), &paid(bank_reference))
    };
    pay(&app, "shop", &first, "out-1").ok();
    for (merchant, payout) in [("shop", &second), ("stall", &third)] {
        app.refuses(409, "This bank reference is already recorded", |app| {
            pay(app, merchant, payout, "out-1")
        });
    }
    // It stays used when the bank returns the payment.
    app.by_for(BEN, "shop", "POST", &format!("{first}/return"), &reason())
        .ok();
    app.refuses_code(409, "bank_reference_used", |app| pay(app, "stall", &third, "out-1"));
    // A receipt's reference is another movement's.
    pay(&app, "shop", &second, "in-1").ok();
    // Pay-outs of the other merchant are unknown.
    for (action, body) in [("pay", paid("out-3")), ("return", reason()), ("reject", reason())] {
        app.refuses_code(404, "payout_not_found", |app| {
            app.by_for(ADA, "shop", "POST", &format!("{third}/{action}"), &body)
        });
    }
}

#[test]
fn no_more_is_paid_out_than_there_is() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 510);
    app.refuses_code(400, "insufficient_balance", |app| app.live_withdrawal(&ada, "w-1", 501));
    app.live_withdrawal(&ada, "w-1", 500).ok();
    // The money is on its way, so it cannot be asked for again.
    app.refuses_code(400, "insufficient_balance", |app| app.live_withdrawal(&ada, "w-2", 100));
    for source in ["merchant", "platform_fees"] {
        let ask = payout_of(&json!({ "source": source, "amount": 0.01 }));
        app.refuses_code(400, "insufficient_balance", |app| app.by(BEN, "POST", "/payouts", &ask));
    }
    let ask = payout_of(&json!({ "source": "suspense", "receiptId": "665f1b2c9a1e4d0012ab3c10" }));
    app.refuses_code(404, "receipt_not_found", |app| app.by(BEN, "POST", "/payouts", &ask));
    let payout = app.newest_payout();
    act(&app, DAYO, &payout, "approve", &Value::Null).ok();
    act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
    // The fee of 10 can leave, once.
    let ask = payout_of(&json!({ "source": "platform_fees", "amount": 10 }));
    let payout = app.by(BEN, "POST", "/payouts", &ask).ok().text("id");
    app.refuses_code(400, "insufficient_balance", |app| app.by(BEN, "POST", "/payouts", &ask));
    act(&app, DAYO, &payout, "approve", &Value::Null).ok();
    act(&app, BEN, &payout, "pay", &paid("out-2")).ok();
    assert_eq!(app.money(), 0);
}

#[test]
fn above_the_limit_another_than_the_requester_approves() {
    let app = spawn_desk();
    let recorded = app
        .by(BEN, "POST", "/receipts", &receipt(5001, "in-1", &json!({})))
        .ok()
        .text("id");
    app.by(DAYO, "POST", &format!("/receipts/{recorded}/approve"), &Value::Null)
        .ok();
    let small = app
        .by(BEN, "POST", "/receipts", &receipt(5000, "in-2", &json!({})))
        .ok()
        .text("id");
    let ask = |receipt: &str| {
        let source = json!({ "source": "suspense", "receiptId": receipt });
        app.by(ADA, "POST", "/payouts", &payout_of(&source)).ok().text("id")
    };
    let (large, small) = (ask(&recorded), ask(&small));
    act(&app, ADA, &small, "approve", &Value::Null).ok();
    app.refuses(
        403,
        "Above 5000 another operator than the one who recorded, requested, approved or reopened it must do this",
        |app| act(app, ADA, &large, "approve", &Value::Null),
    );
    for cashier in [BEN, CLEO] {
        app.refuses_code(403, "role_not_allowed", |app| {
            act(app, cashier, &large, "approve", &Value::Null)
        });
    }
    let approved = act(&app, DAYO, &large, "approve", &Value::Null).ok();
    assert_ne!(approved.data()["requestedBy"], approved.data()["approvedBy"]);
}

/// The sandbox's bank takes its time for this account. An operator may be faster.
#[test]
fn a_slow_withdrawal_that_an_operator_ends_waits_for_no_bank() {
    let app = spawn_app();
    let withdraw = |reference: &str| {
        let body = json!({
            "amount": 1000, "reference": reference, "transactionType": "withdrawal",
            "withdrawalDetails": {
                "bankCode": "058", "accountNumber": "0000000003", "accountName": "Ada", "bankName": "Bank",
            },
        });
        app.create_intent("ada", &body).ok();
        app.verify_payment("ada", reference).ok();
        let payouts = app.as_merchant("GET", "/operator/payouts?limit=1", None).ok();
        payouts.data()["data"][0]["id"].as_str().unwrap().to_owned()
    };
    let act = |payout: &str, action: &str, body: Option<&Value>| {
        app.as_merchant("POST", &format!("/operator/payouts/{payout}/{action}"), body)
    };
    let rejected = withdraw("w-1");
    act(&rejected, "reject", Some(&reason())).ok();
    assert_eq!(app.count("slow_withdrawal"), 0);
    let approved = withdraw("w-2");
    act(&approved, "approve", None).ok();
    assert_eq!(app.count("slow_withdrawal"), 1);
    // The bank leaves it to the operator.
    app.advance("1d").ok();
    assert_eq!(app.count("slow_withdrawal"), 0);
    assert_eq!(app.verify_payment("ada", "w-2").ok().text("status"), "pending");
    act(&approved, "pay", Some(&paid("out-1"))).ok();
    assert_eq!(app.count("slow_withdrawal"), 0);
    assert_eq!(app.verify_payment("ada", "w-2").ok().text("status"), "success");
    assert_eq!(
        app.events(),
        ["payment.withdrawal.failed", "payment.withdrawal.success"]
    );
}

/// The return of a payment is money that comes in, as a receipt is.
#[test]
fn above_the_limit_another_operator_records_the_return_of_a_payment() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 5_000);
    app.receive(&ada, "in-2", 5_000);
    let paid_payout = |reference: &str, major: i64| {
        app.live_withdrawal(&ada, reference, major).ok();
        let payout = app.newest_payout();
        act(&app, DAYO, &payout, "approve", &Value::Null).ok();
        act(&app, BEN, &payout, "pay", &paid(reference)).ok();
        payout
    };
    let (large, small) = (paid_payout("w-1", 6_000), paid_payout("w-2", 1_000));
    let refused = app.refuses_code(403, "same_person", |app| act(app, BEN, &large, "return", &reason()));
    assert_eq!(refused.body["details"]["aloneMax"], 5_000);
    let bearer = format!("Bearer {BEN}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/csv")];
    let file = format!("payoutId,status,bankReference,valueDate,reason\n{large},returned,,2026-06-24,Closed\n");
    let path = "/operator/payouts/results";
    let results = app.send("POST", path, &headers, Some(file.as_bytes())).ok();
    assert_eq!(results.data()["lines"][0]["code"], "same_person", "{results:?}");
    act(&app, BEN, &small, "return", &reason()).ok();
    act(&app, CLEO, &large, "return", &reason()).ok();
    // The bank may have paid what was approved, also if nobody has recorded the payment yet.
    app.live_withdrawal(&ada, "w-3", 6_000).ok();
    let payout = app.newest_payout();
    act(&app, ADA, &payout, "approve", &Value::Null).ok();
    app.refuses_code(403, "same_person", |app| act(app, ADA, &payout, "return", &reason()));
    act(&app, BEN, &payout, "return", &reason()).ok();
}

#[test]
fn the_withdrawal_of_a_customer_who_was_stopped_is_not_approved() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let payout = withdrawal(&app, &ada, "w-1");
    let put = |path: String, body: &Value| app.json_with_key(LIVE_KEY, "PUT", &path, "", body).ok();
    let block = || put(format!("/v1/customer/block/{ada}"), &json!({}));
    let permit = |may: bool| {
        put(
            format!("/v1/customer/permissions/{ada}"),
            &json!({ "canWithdraw": may }),
        )
    };
    let problem = || {
        let shown = app.by(DAYO, "GET", &format!("/payouts/{payout}"), &Value::Null).ok();
        let listed = app.by(DAYO, "GET", "/payouts", &Value::Null).ok();
        assert_eq!(listed.data()["data"][0]["ownerProblem"], shown.data()["ownerProblem"]);
        shown.data()["ownerProblem"].clone()
    };
    let refuses = |word: &str| {
        assert_eq!(problem(), word);
        let refused = app.refuses_code(409, "owner_may_not_withdraw", |app| {
            act(app, DAYO, &payout, "approve", &Value::Null)
        });
        assert_eq!(refused.body["details"]["problem"], word);
    };
    assert_eq!(problem(), Value::Null);
    permit(false);
    refuses("may_not_withdraw");
    block();
    refuses("blocked");
    put(format!("/v1/customer/unblock/{ada}"), &json!({}));
    permit(true);
    act(&app, DAYO, &payout, "approve", &Value::Null).ok();
    // The bank has paid, whatever became of the customer since.
    block();
    assert_eq!(problem(), "blocked");
    let done = act(&app, BEN, &payout, "pay", &paid("out-1")).ok();
    assert_eq!(done.data()["ownerProblem"], Value::Null);
}

#[test]
fn a_list_takes_several_statuses() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let [requested, approved, rejected, returned] =
        ["w-1", "w-2", "w-3", "w-4"].map(|reference| withdrawal(&app, &ada, reference));
    act(&app, DAYO, &approved, "approve", &Value::Null).ok();
    act(&app, DAYO, &rejected, "reject", &reason()).ok();
    act(&app, DAYO, &returned, "approve", &Value::Null).ok();
    act(&app, BEN, &returned, "return", &reason()).ok();
    let listed = |query: &str| {
        let list = app.by(ADA, "GET", &format!("/payouts?{query}"), &Value::Null).ok();
        let ids = list.data()["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].clone());
        (ids.collect::<Vec<_>>(), list.data()["pagination"].clone())
    };
    let ids = |query: &str| listed(query).0;
    assert_eq!(ids("status=requested"), [&*requested]);
    assert_eq!(ids("status=requested,approved"), [&*approved, &*requested]);
    assert_eq!(ids("status=returned,requested,returned"), [&*returned, &*requested]);
    assert_eq!(ids("status=paid"), [""; 0]);
    let all = [&*returned, &*rejected, &*approved, &*requested];
    assert_eq!(ids("status=requested,approved,rejected,paid,returned"), all);
    assert_eq!(
        (ids("status="), ids("")),
        (all.map(Value::from).into(), all.map(Value::from).into())
    );
    // The pages of the list leave out what the filter does.
    let (first, pages) = listed("status=rejected,requested&limit=1");
    assert_eq!((first, &pages["count"]), (vec![rejected.into()], &json!(2)));
    let next = pages["nextCursor"].as_str().unwrap();
    let (second, pages) = listed(&format!("status=rejected,requested&limit=1&cursor={next}"));
    assert_eq!((second, &pages["nextCursor"]), (vec![requested.into()], &Value::Null));
}

#[test]
fn a_list_refuses_an_unknown_status() {
    let app = spawn_desk();
    let expected = "\"requested\" or \"approved\" or \"rejected\" or \"paid\" or \"returned\", or several of them \
                    separated by commas";
    for sent in ["done", "paid,done", "paid,", ",", "Paid", "paid, approved"] {
        let query = sent.replace(' ', "%20");
        let answer = app.by(ADA, "GET", &format!("/payouts?status={query}"), &Value::Null);
        assert_eq!(answer.status, 400, "{answer:?}");
        let message = format!("status must be {expected}; got {sent}");
        assert_eq!(answer.message(), message);
    }
    let twice = app.by(ADA, "GET", "/receipts?status=recorded&status=suspense", &Value::Null);
    assert_eq!(twice.message(), "status must be sent once; got it twice");
}
