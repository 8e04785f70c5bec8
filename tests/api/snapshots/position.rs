//! The position, its comparison with a bank's statement, statements, and batches of pay-outs.

use serde_json::json;

use super::assert_snapshot;
use crate::helpers::{Answer, Deal, LIVE_KEY, TestApp, go_live, spawn_recorded_app, two_milestones};
use crate::position::{AUDITOR, make_operators};

const CSV: (&str, &str) = ("content-type", "text/csv");
const RECONCILE: &str = "/operator/position/reconcile";

fn send_csv(app: &TestApp, path: &str, file: &str) -> Answer {
    app.send("POST", path, &[CSV], Some(file.as_bytes()))
}

/// Records receipts for Ada and Ben, in suspense, and the deal of Ada's that Ben pays for.
/// Returns the deal, and Ada's pay-outs, of which the second is approved.
fn trade(app: &TestApp) -> (Deal, [String; 2]) {
    let receive = |amount: f64, reference: &str, customer: Option<&str>| {
        let body = json!({
            "amount": amount, "bankReference": reference, "valueDate": "2031-03-03", "customerId": customer,
        });
        app.as_merchant("POST", "/operator/receipts", Some(&body)).ok();
    };
    app.wallet("ada").ok();
    app.wallet("ben").ok();
    receive(5000.0, "FT-1001", Some("ada"));
    receive(10_200.0, "FT-1002", Some("ben"));
    receive(300.25, "FT-1003", None);
    let deal = Deal::of(&app.create_milestone_escrow("ada", &two_milestones()).ok());
    app.pay_for("ben", &deal).ok();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let payouts = [1000, 500].map(|amount| {
        let bank = json!({
            "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada Obi", "bankName": "Test Bank",
            "narration": "=1+1",
        });
        let intent = json!({ "amount": amount, "transactionType": "withdrawal", "withdrawalDetails": bank });
        app.create_intent("ada", &intent).ok();
        let payouts = app.as_merchant("GET", "/operator/payouts?limit=1", None).ok();
        payouts.data()["data"][0]["id"].as_str().unwrap().to_owned()
    });
    app.as_merchant("POST", &format!("/operator/payouts/{}/approve", payouts[1]), None)
        .ok();
    (deal, payouts)
}

#[test]
fn the_position_is_answered_word_for_word() {
    let app = spawn_recorded_app(|config| {
        config.sandbox.opening_balance_minor = escrowd::domain::money::Amount::ZERO;
        config.limits.report_rows_max = 12;
    });
    let (deal, [requested, approved]) = app.unrecorded(trade);
    app.note("The position");
    app.as_merchant("GET", "/operator/position", None);
    app.note("A statement of the bank");
    let statement = "date,amount,reference\n2031-03-03,5000.00,FT-1001\n03/03/2031,10200.10,TRF FT-1002 BEN\n\
                     2031-03-04,-52.50,COMMISSION\n2031-03-04,-52.50,COMMISSION\n2031-03-03,5000.00,FT-1001\n";
    send_csv(&app, &format!("{RECONCILE}?opening=0"), statement);
    app.note("A balance alone");
    app.as_merchant("POST", &format!("{RECONCILE}?closing=15500.25"), None);
    app.as_merchant("POST", RECONCILE, None);
    app.note("Files with errors");
    send_csv(&app, RECONCILE, "date,amount,reference\n2031-02-30,1.005,a\n");
    let most = "90071992547409.91";
    let large = format!("date,amount,reference\n2031-03-03,{most},a\n2031-03-03,{most},b\n");
    send_csv(&app, RECONCILE, &large);
    send_csv(&app, &format!("{RECONCILE}?amount=a&credit=b"), statement);
    app.send("POST", RECONCILE, &[("content-type", "application/json")], Some(b"{}"));
    app.note("Statements");
    app.as_merchant("GET", "/operator/customers/ada/statement", None);
    app.as_merchant("GET", "/operator/customers/nobody/statement", None);
    app.as_merchant("GET", "/operator/merchant/statement?from=2031-03-04", None);
    app.as_merchant("GET", &format!("/operator/deals/{}/statement", deal.id), None);
    app.as_merchant("GET", "/operator/journal?to=2031-03-04", None);
    app.as_merchant("GET", "/operator/journal?from=2031-03-04&to=2031-03-03", None);
    app.unrecorded(|app| (0..6).for_each(|_| drop(app.top_up("ada", 1000).ok())));
    app.as_merchant("GET", "/operator/journal", None);
    app.note("Batches of pay-outs");
    app.as_merchant("POST", "/operator/payouts/export", None);
    let results = format!(
        "payoutId,status,bankReference,valueDate,reason\n{approved},paid,FT-7001,2031-03-04,\n\
         {requested},returned,,2031-03-04,Closed\n0123456789abcdef01234567,paid,FT-7002,2031-03-04,\n"
    );
    send_csv(&app, "/operator/payouts/results", &results);
    send_csv(&app, "/operator/payouts/results", &results);
    send_csv(&app, "/operator/payouts/results", "payoutId,status\n");
    assert_snapshot("position", &[&app]);
}

/// An auditor may read. The other routes say who may use them.
#[test]
fn the_position_of_a_live_deployment_is_answered_word_for_word() {
    let app = spawn_recorded_app(|config| {
        go_live(config);
        make_operators(config);
        // The recorded clock is ahead of the one that made the operators.
        config.accepted.clock = true;
    });
    let bearer = format!("Bearer {AUDITOR}");
    let auditor = [("authorization", bearer.as_str())];
    let send = |method: &str, path: &str| app.send(method, path, &auditor, None);
    app.note("An auditor");
    send("GET", "/operator/position");
    send("POST", &format!("{RECONCILE}?closing=0"));
    send("GET", "/operator/customers/nobody/statement");
    send("GET", "/operator/merchant/statement");
    send("GET", "/operator/deals/0123456789abcdef01234567/statement");
    send("GET", "/operator/journal");
    send("POST", "/operator/payouts/export");
    send("POST", "/operator/payouts/results");
    app.note("The key of a merchant");
    app.json_with_key(LIVE_KEY, "GET", "/operator/position", "", &serde_json::Value::Null);
    assert_snapshot("live_position", &[&app]);
}
