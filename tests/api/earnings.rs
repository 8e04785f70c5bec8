//! Tests the console's page of earnings and fees against the routes and the ledger.

use serde_json::{Value, json};

use crate::helpers::{Deal, TestApp, two_milestones};
use crate::position::{APPROVER, CASHIER, Office};

const DAY: i64 = 86_400;

fn page(app: &TestApp, query: &str) -> String {
    let answer = app.send("GET", &format!("/console/earnings{query}"), &[], None);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

/// Returns the amounts of the row with this name in the first table that has it, as text.
fn row(page: &str, name: &str) -> Vec<String> {
    let start = format!("<th scope=\"row\">{name}");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no {name} in {page}"));
    let row = rest.split_once("</tr>").unwrap().0;
    let texts = row.split("</span>").map(|cell| cell.rsplit('>').next().unwrap());
    let amounts = texts.filter(|text| text.contains('.'));
    amounts.map(|amount| amount.replace(',', "")).collect()
}

/// Returns a number of a reply with two decimals.
fn major(value: &Value) -> String {
    format!("{:.2}", value.as_f64().unwrap())
}

/// Makes Ada's deal of 10,000, pays it as Ben and confirms it.
fn closes_a_deal(app: &TestApp) -> Deal {
    let deal = Deal::of(&app.create_milestone_escrow("ada", &two_milestones()).ok());
    app.pay_for("ben", &deal).ok();
    for milestone in &deal.milestones {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    deal
}

#[test]
fn earnings_add_up_to_the_balances() {
    let office = Office::sandbox_with(|config| config.fees.commission_bps = 50);
    let app = &office.app;
    assert!(page(app, "").contains("Nothing is earned"));
    let deal = closes_a_deal(app);
    // An additional fee of 300, and the fee of a withdrawal.
    let terms = json!({"amount": 2000, "purpose": "Tea", "whoPays": "seller"});
    let tea = app.create_escrow("ada", &terms).ok();
    let (id, token) = (tea.text("id"), tea.text("paymentToken"));
    app.set_additional_fee(&token, &json!({"additionalFee": 300})).ok();
    app.pay("ben", &json!({"escrowDetails": {"escrowId": id}})).ok();
    app.json("POST", &format!("/v1/escrow/confirm-payment/{id}"), "ben", &json!({}))
        .ok();
    let payout = office.withdraws("ada", 4000, "Ada Obi");
    office.approves(&payout);
    office.pays(&payout, "FT-1", "2026-11-02");
    let shown = page(app, "");
    assert_eq!(row(&shown, "Fees of deals"), ["240.00", "0.00", "240.00"], "{deal:?}");
    assert_eq!(row(&shown, "Commission"), ["0.00", "60.00", "60.00"]);
    assert_eq!(row(&shown, "Additional fees"), ["0.00", "300.00", "300.00"]);
    assert_eq!(row(&shown, "Fees of withdrawals"), ["10.00", "0.00", "10.00"]);
    assert_eq!(row(&shown, "Earned"), ["250.00", "360.00", "610.00"]);

    // A fee of a payment that was recorded by mistake is not earned.
    let reopen = format!("/operator/payouts/{payout}/reopen");
    office.post(CASHIER, &reopen, &json!({"reason": "The wrong one"})).ok();
    let shown = page(app, "");
    assert_eq!(row(&shown, "Fees of reopened pay-outs"), ["−10.00", "0.00", "−10.00"]);
    assert_eq!(row(&shown, "Earned"), ["240.00", "360.00", "600.00"]);
    office.pays(&payout, "FT-1", "2026-11-02");

    // Money that is paid out is not earned less.
    let destination = json!({
        "bankCode": "058", "accountNumber": "0123456789", "accountName": "The Shop", "bankName": "Test Bank",
    });
    let body = json!({"source": "merchant", "amount": 100, "destination": destination, "reason": "November"});
    office.post(CASHIER, "/operator/payouts", &body).ok();
    let shown = page(app, "");
    assert_eq!(row(&shown, "Paid out")[1], "−100.00");
    assert_eq!(row(&shown, "Earned"), ["250.00", "360.00", "610.00"]);
    let balance = row(&shown, "Balance");
    let merchant = app.send("GET", "/v1/merchant/balance", &[], None).ok();
    let position = office.send(APPROVER, "GET", "/operator/position", &[], "").ok();
    let platform = &position.data()["accounts"]["platformFees"];
    assert_eq!(balance[..2], [major(platform), major(&merchant.data()["mainBalance"])]);
    assert!(shown.contains("It adds up"), "{shown}");
}

#[test]
fn days_are_chosen_and_begin_with_the_balance_before() {
    let office = Office::sandbox_with(|config| config.fees.commission_bps = 50);
    let app = &office.app;
    closes_a_deal(app);
    let clock = app.advance("1d").ok();
    let second = clock.text("now")[..10].to_owned();
    closes_a_deal(app);
    let all = page(app, "");
    assert_eq!(row(&all, "Earned"), ["400.00", "100.00", "500.00"]);
    assert_eq!(row(&all, &second), ["200.00", "50.00", "250.00"]);
    let later = page(app, &format!("?from={second}&to="));
    assert_eq!(row(&later, "Balance before"), ["200.00", "50.00", "250.00"]);
    assert_eq!(row(&later, "Earned"), ["200.00", "50.00", "250.00"]);
    assert!(later.contains("It adds up"), "{later}");
    let first = page(app, "?to=2000-01-01");
    assert!(first.contains("Nothing is earned"), "{first}");
    // After many days the rows are months.
    for _ in 0..31 {
        app.pass_seconds(DAY);
        closes_a_deal(app);
    }
    let months = page(app, "");
    assert!(
        months.contains(">Month</th>") && months.contains("It adds up"),
        "{months}"
    );
    assert_eq!(row(&months, "Earned"), ["6600.00", "1650.00", "8250.00"]);
}

#[test]
fn a_day_that_is_none_is_refused_by_name() {
    let app = Office::sandbox().app;
    for (query, field) in [
        ("?from=yesterday", "from"),
        ("?to=2026-02-30", "to"),
        ("?from=%3Cscript%3E", "from"),
        ("?to=-1", "to"),
    ] {
        let answer = app.send("GET", &format!("/console/earnings{query}"), &[], None);
        assert_eq!(answer.status, 400, "{query}");
        assert!(
            answer.text.contains(&format!("The field {field} must be a day")),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("<script>"), "{query}");
    }
    let none = page(&app, "?from=2026-11-02&to=2026-11-02");
    assert!(none.contains("Nothing is earned"), "{none}");
    let answer = app.send("GET", "/console/earnings?from=2026-11-02&to=2026-11-01", &[], None);
    assert_eq!(answer.status, 400, "{}", answer.text);
    let told = "The field to must be 2026-11-02, the first day, or later.";
    assert!(answer.text.contains(told), "{}", answer.text);
}
