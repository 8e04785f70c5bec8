//! Operators' requests at the same moment: each movement of money happens once.

use serde_json::{Value, json};

use crate::desk::{BEN, CLEO, DAYO, reason, receipt, spawn_desk};
use crate::helpers::{Answer, TestApp, spawn_app};

fn successes(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status < 300).count()
}

/// Counts the refusals with this code.
fn refused(answers: &[Answer], code: &str) -> usize {
    answers.iter().filter(|answer| answer.body["code"] == code).count()
}

fn transfers(app: &TestApp, kind: &str) -> usize {
    app.column(&format!("SELECT count(*) FROM transfer WHERE kind = '{kind}'"))[0]
        .parse()
        .unwrap()
}

#[test]
fn one_of_64_identical_receipts_is_recorded() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    let quoted = app.announce(&ada, "dep-1", 500);
    let body = receipt(500, "in-1", &quoted);
    let answers = app.run_concurrently(64, |app, index| {
        let cashier = [BEN, CLEO][index % 2];
        app.by(cashier, "POST", "/receipts", &body)
    });
    assert_eq!((successes(&answers), refused(&answers, "bank_reference_used")), (1, 63));
    assert_eq!(app.live_balance(&ada), 500);
    assert_eq!((app.count("receipt"), transfers(&app, "DEPOSIT")), (1, 1));
    assert_eq!(
        app.column("SELECT count(*) FROM operator_act WHERE kind = 'receipt_recorded'"),
        ["1"]
    );
}

#[test]
fn a_balance_for_3_withdrawals_pays_3_of_64() {
    let app = spawn_desk();
    let ada = app.live_customer("ada", "08012345678");
    app.receive(&ada, "in-1", 3 * 510 + 500);
    let answers = app.run_concurrently(64, |app, index| app.live_withdrawal(&ada, &format!("w-{index}"), 500));
    assert_eq!(
        (successes(&answers), refused(&answers, "insufficient_balance")),
        (3, 61)
    );
    assert_eq!(app.live_balance(&ada), 500);
    assert_eq!(app.own_balances(), ["IN_TRANSIT 153000"]);
    assert_eq!((app.count("payout"), transfers(&app, "PAYOUT")), (3, 3));
}

#[test]
fn a_payout_is_approved_or_rejected() {
    for _ in 0..8 {
        let app = spawn_desk();
        let ada = app.live_customer("ada", "08012345678");
        app.receive(&ada, "in-1", 510);
        app.live_withdrawal(&ada, "w-1", 500).ok();
        let payout = app.newest_payout();
        let answers = app.run_concurrently(32, |app, index| match index % 2 {
            0 => app.by(DAYO, "POST", &format!("/payouts/{payout}/approve"), &Value::Null),
            _ => app.by(DAYO, "POST", &format!("/payouts/{payout}/reject"), &reason()),
        });
        assert_eq!((successes(&answers), refused(&answers, "not_in_status")), (1, 31));
        let winner = answers.iter().find(|answer| answer.status < 300).unwrap();
        let is_rejected = winner.text("status") == "rejected";
        assert_eq!(app.live_balance(&ada), if is_rejected { 510 } else { 0 });
        assert_eq!(transfers(&app, "PAYOUT_RETURN"), usize::from(is_rejected));
    }
}

#[test]
fn money_is_spent_or_its_receipt_reversed() {
    for _ in 0..8 {
        let app = spawn_desk();
        let ada = app.live_customer("ada", "08012345678");
        let recorded = app.receive(&ada, "in-1", 510);
        let answers = app.run_concurrently(32, |app, index| match index % 2 {
            0 => app.by(BEN, "POST", &format!("/receipts/{recorded}/reverse"), &reason()),
            _ => app.live_withdrawal(&ada, &format!("w-{index}"), 500),
        });
        assert_eq!(successes(&answers), 1, "{answers:?}");
        assert_eq!(app.live_balance(&ada), 0);
        assert_eq!(transfers(&app, "CORRECTION") + transfers(&app, "PAYOUT"), 1);
    }
}

/// In a sandbox the simulated bank settles a withdrawal when its customer asks, while the owner
/// of the key may do an operator's work.
#[test]
fn a_withdrawal_is_settled_by_the_bank_or_by_the_operator() {
    let app = spawn_app();
    for round in 0..8 {
        let reference = format!("w-{round}");
        let body = json!({
            "amount": 1000, "reference": reference, "transactionType": "withdrawal",
            "withdrawalDetails": {
                "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada", "bankName": "Bank",
            },
        });
        app.create_intent("ada", &body).ok();
        let payouts = app.as_merchant("GET", "/operator/payouts?limit=1", None).ok();
        let payout = payouts.data()["data"][0]["id"].as_str().unwrap().to_owned();
        let answers = app.run_concurrently(16, |app, index| match index % 2 {
            0 => app.verify_payment("ada", &reference),
            _ => app.as_merchant("POST", &format!("/operator/payouts/{payout}/reject"), Some(&reason())),
        });
        let rejections: Vec<Answer> = answers.into_iter().skip(1).step_by(2).collect();
        let status = app.verify_payment("ada", &reference).ok().text("status");
        assert_eq!(successes(&rejections), usize::from(status == "failed"), "{status}");
        assert!(["failed", "success"].contains(&status.as_str()), "{status}");
    }
}
