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

/// The account is one of the sandbox's test accounts, and any account in live mode.
#[test]
fn a_live_withdrawal_to_a_number_of_a_slow_test_account_waits_for_no_time() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in", 510);
    let body = json!({
        "amount": 500, "reference": "w-1", "transactionType": "withdrawal",
        "withdrawalDetails": {
            "bankCode": "058", "accountNumber": "0000000003", "accountName": "Ada Obi", "bankName": "Bank",
        },
    });
    let send = |path: &str, body| app.json_with_key(LIVE_KEY, "POST", path, &ada, body);
    send("/v1/payment/create-intent", &body).ok();
    let verified = send("/v1/payment/verify", &json!({ "reference": "w-1" })).ok();
    assert_eq!(verified.text("status"), "pending");
    assert_eq!(app.count("slow_withdrawal"), 0);
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
        "An amount above 5000 needs a second operator; you recorded or requested this one",
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

/// The return of a payment is money that comes in, as a receipt is. The owner may have the money already,
/// so one operator alone does not say that it came back, whoever recorded the payment.
#[test]
fn two_operators_record_the_return_of_a_large_pay_out() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 5_000);
    app.receive(&ada, "in-2", 5_000);
    let approved = |reference: &str, major: i64| {
        app.live_withdrawal(&ada, reference, major).ok();
        let payout = app.newest_payout();
        act(&app, DAYO, &payout, "approve", &Value::Null).ok();
        payout
    };
    let large = approved("w-1", 6_000);
    act(&app, BEN, &large, "pay", &paid("w-1")).ok();
    let balance = app.live_balance(&ada);
    let noted = act(&app, CLEO, &large, "return", &reason()).ok();
    assert_eq!(
        (noted.text("status"), noted.text("askedFor")),
        ("paid".to_owned(), "return".to_owned())
    );
    assert!(noted.text.contains("needs a second operator"), "{noted:?}");
    assert_eq!(app.live_balance(&ada), balance);
    let refused = app.refuses_code(403, "same_person", |app| act(app, CLEO, &large, "return", &reason()));
    assert_eq!(refused.body["details"]["aloneMax"], 5_000);
    // Another request takes its place, and is retracted.
    act(&app, BEN, &large, "reopen", &reason()).ok();
    act(&app, CLEO, &large, "return", &reason()).ok();
    app.refuses_code(400, "invalid_request", |app| {
        act(app, BEN, &large, "retract", &json!({}))
    });
    let retracted = act(&app, BEN, &large, "retract", &reason()).ok();
    assert_eq!(retracted.data()["askedBy"], Value::Null);
    app.refuses_code(409, "nothing_asked", |app| act(app, BEN, &large, "retract", &reason()));
    act(&app, BEN, &large, "return", &reason()).ok();
    // The operator who recorded the payment may be one of the two.
    let returned = act(&app, CLEO, &large, "return", &reason()).ok();
    assert_eq!(
        (returned.text("status"), &returned.data()["askedBy"]),
        ("returned".to_owned(), &Value::Null)
    );
    let kinds = app.column("SELECT kind FROM operator_act WHERE kind LIKE 'payout_re%' ORDER BY id");
    let asked = "payout_return_requested";
    let retracted = "payout_request_retracted";
    assert_eq!(
        kinds,
        [
            asked,
            "payout_reopening_requested",
            asked,
            retracted,
            asked,
            "payout_returned"
        ]
    );
    // One is enough up to the limit. The bank may have paid what was approved, also if nobody has recorded it.
    let small = approved("w-2", 1_000);
    act(&app, BEN, &small, "return", &reason()).ok();
    let unpaid = approved("w-3", 6_000);
    let asked = act(&app, BEN, &unpaid, "return", &reason()).ok();
    assert_eq!(asked.text("status"), "approved");
    // Meanwhile the bank is not asked for it.
    let exported = |body: &Value| app.by(BEN, "POST", "/payouts/export", body).text;
    assert!(!exported(&json!({})).contains(&unpaid));
    act(&app, ADA, &unpaid, "retract", &reason()).ok();
    assert!(exported(&json!({})).contains(&unpaid));
    act(&app, BEN, &unpaid, "return", &reason()).ok();
    assert!(!exported(&json!({ "batch": 1 })).contains(&unpaid));
    // The payment is another step: the fee would stay with the platform then.
    act(&app, BEN, &unpaid, "pay", &paid("w-3")).ok();
    let asked = act(&app, CLEO, &unpaid, "return", &reason()).ok();
    assert_eq!(asked.text("status"), "paid");
    // The request of a revoked operator is no first opinion.
    let cleo = asked.text("askedBy");
    app.by(ADA, "POST", &format!("/operators/{cleo}/revoke"), &reason())
        .ok();
    let shown = app.by(BEN, "GET", &format!("/payouts/{unpaid}"), &Value::Null).ok();
    assert_eq!(
        (&shown.data()["askedBy"], &shown.data()["askedFor"]),
        (&Value::Null, &Value::Null)
    );
    let asked = act(&app, BEN, &unpaid, "return", &reason()).ok();
    assert_eq!(asked.text("status"), "paid");
    assert_eq!(
        act(&app, ADA, &unpaid, "return", &reason()).ok().text("status"),
        "returned"
    );
}

/// A large return in the file asks for it, so two operators record the same file.
#[test]
fn large_returns_in_results_take_effect_when_two_operators_record_them() {
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
    let row = |payout: &str| format!("{payout},returned,,2026-06-24,Closed\n");
    let file = format!(
        "payoutId,status,bankReference,valueDate,reason\n{}{}",
        row(&large),
        row(&small)
    );
    let results = |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "text/csv")];
        let path = "/operator/payouts/results";
        app.send("POST", path, &headers, Some(file.as_bytes())).ok()
    };
    let of = |results: &Answer| {
        let field = |name: &str| {
            let lines = results.data()["lines"].as_array().unwrap().iter();
            lines
                .map(|line| line[name].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        (field("outcome"), field("status"), field("code"))
    };
    let words = |words: [&str; 2]| words.map(str::to_owned).to_vec();
    let first = results(BEN);
    assert_eq!(
        of(&first),
        (
            words(["asked", "applied"]),
            words(["paid", "returned"]),
            words(["", ""])
        )
    );
    assert_eq!(
        (&first.data()["asked"], &first.data()["applied"]),
        (&json!(1), &json!(1))
    );
    let again = results(BEN);
    assert_eq!(
        of(&again),
        (
            words(["refused", "already"]),
            words(["", "returned"]),
            words(["same_person", ""])
        )
    );
    let second = results(CLEO);
    assert_eq!(
        of(&second),
        (
            words(["applied", "already"]),
            words(["returned", "returned"]),
            words(["", ""])
        )
    );
    assert_eq!(of(&results(CLEO)).0, words(["already", "already"]));
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
