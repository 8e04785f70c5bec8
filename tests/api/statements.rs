//! Tests the statements of customers, merchants and deals, and the journal.

use serde_json::Value;

use crate::cluster;
use crate::helpers::Answer;
use crate::position::Office;

/// A field of a CSV file's row, by the column's name.
struct File {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl File {
    /// Reads a reply whose fields have neither quotes nor line breaks.
    #[track_caller]
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let name = answer.header("content-disposition").unwrap();
        assert!(
            name.starts_with("attachment; filename=\"") && name.ends_with(".csv\""),
            "{name}"
        );
        let mut rows = answer.text.split_terminator("\r\n");
        let fields = |row: &str| row.split(',').map(|field| field.trim_matches('"').to_owned()).collect();
        Self {
            header: fields(rows.next().unwrap()),
            rows: rows.map(fields).collect(),
        }
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let found = self.header.iter().position(|column| column == name);
        let index = found.unwrap_or_else(|| panic!("no column {name} in {:?}", self.header));
        self.rows.iter().map(|row| row[index].as_str()).collect()
    }
}

#[test]
fn a_customers_statement_has_wallet_and_holds() {
    for office in Office::both() {
        let trade = office.trade();
        let file = File::of(&office.get(&format!("/operator/customers/{}/statement", trade.ben)));
        assert_eq!(
            file.column("entry"),
            ["opening", "transfer", "transfer", "transfer", "closing", "chainHead"]
        );
        assert_eq!(file.column("kind")[1..4], ["DEPOSIT", "FUND", "RELEASE"]);
        assert_eq!(file.column("amount")[1..4], ["10200.00", "10200.00", "4000.00"]);
        assert_eq!(file.column("wallet")[1..4], ["10200.00", "-10200.00", "0.00"]);
        assert_eq!(
            file.column("walletBalance")[..5],
            ["0.00", "10200.00", "0.00", "0.00", "0.00"]
        );
        assert_eq!(file.column("hold")[1..4], ["0.00", "10200.00", "-4000.00"]);
        assert_eq!(
            file.column("holdBalance")[..5],
            ["0.00", "0.00", "10200.00", "6200.00", "6200.00"]
        );
        assert_eq!(file.column("from")[2], format!("{} main", trade.ben));
        assert_eq!(file.column("to")[3], format!("{} main", trade.ada));
        assert_eq!(file.column("dealId")[2], trade.deal.id);
        assert_eq!(file.column("currency")[..5], ["NGN"; 5]);
        let position = office.get("/operator/position").ok();
        assert_eq!(
            position.data()["merchants"][0]["chainHead"],
            *file.column("hash").last().unwrap()
        );
        let ada = File::of(&office.get(&format!("/operator/customers/{}/statement", trade.ada)));
        assert_eq!(ada.column("kind")[1..5], ["DEPOSIT", "RELEASE", "PAYOUT", "PAYOUT"]);
        assert_eq!(ada.column("walletBalance")[5], "7480.00");
    }
}

#[test]
fn the_merchants_own_statement_has_its_fees() {
    let office = Office::live_with(|config| config.fees.commission_bps = 50);
    let ada = office.new_customer("ada", "08012345678");
    let ben = office.new_customer("ben", "08087654321");
    office.receives(10_250.0, "FT-1003", "2026-11-03", Some(&ben));
    let deal = office.fund(&ada, &ben);
    let empty = File::of(&office.get("/operator/merchant/statement"));
    assert_eq!(empty.column("entry"), ["opening", "closing", "chainHead"]);
    for milestone in &deal.milestones {
        let path = format!("/v1/escrow/milestone/confirm/{}/{milestone}", deal.id);
        office.customer("POST", &path, &ben, &Value::Null).ok();
    }
    let file = File::of(&office.get("/operator/merchant/statement"));
    assert_eq!(file.column("kind")[1..2], ["COMMISSION"]);
    assert_eq!(file.column("change")[1..2], ["50.00"]);
    assert_eq!(file.column("balance"), ["0.00", "50.00", "50.00", ""]);
}

#[test]
fn a_deals_statement_ends_with_what_it_holds() {
    for office in Office::both() {
        let trade = office.trade();
        let path = format!("/operator/deals/{}/statement", trade.deal.id);
        let file = File::of(&office.get(&path));
        assert_eq!(file.column("kind")[1..3], ["FUND", "RELEASE"]);
        assert_eq!(file.column("change")[1..3], ["10200.00", "-4000.00"]);
        assert_eq!(file.column("held")[..4], ["0.00", "10200.00", "6200.00", "6200.00"]);
        let confirm = format!(
            "/v1/escrow/milestone/confirm/{}/{}",
            trade.deal.id, trade.deal.milestones[1]
        );
        office.customer("POST", &confirm, &trade.ben, &Value::Null).ok();
        let file = File::of(&office.get(&path));
        assert_eq!(
            file.column("kind")[1..5],
            ["FUND", "RELEASE", "RELEASE", "PLATFORM_FEE"]
        );
        assert_eq!(file.column("held").iter().rev().nth(1), Some(&"0.00"));
    }
}

#[test]
fn the_journal_has_every_transfer_with_the_balance_of_the_bank() {
    for office in Office::both() {
        office.trade();
        let file = File::of(&office.get("/operator/journal"));
        let numbers = office.app.column("SELECT id FROM transfer ORDER BY id");
        let hashes = office.app.column("SELECT lower(hex(hash)) FROM transfer ORDER BY id");
        let end = numbers.len() + 1;
        assert_eq!(file.column("transfer")[1..end], numbers);
        assert_eq!(file.column("hash")[1..end], hashes);
        let bank = file.column("bankShouldHold");
        assert_eq!((bank[0], bank[end]), ("0.00", "14500.25"));
        // The mistake came and went.
        assert!(file.column("kind").contains(&"CORRECTION") && file.column("bankChange").contains(&"-42.00"));
        assert_eq!(file.column("hash")[end + 1], hashes[numbers.len() - 1]);
    }
}

#[test]
fn a_statement_can_be_of_some_days() {
    if cluster::is_wanted() {
        // It looks into a file.
        return;
    }
    let office = Office::sandbox();
    let trade = office.trade();
    let first = office
        .app
        .column("SELECT date(max(created_at) / 1000, 'unixepoch') FROM transfer")[0]
        .clone();
    office.app.advance("10d").ok();
    let late = office.receives(8.0, "FT-9001", "2026-11-20", Some(&trade.ben));
    assert!(!late.is_empty());
    let second = office
        .app
        .column("SELECT date(max(created_at) / 1000, 'unixepoch') FROM transfer")[0]
        .clone();
    assert!(first < second);
    for (query, rows, opening, closing) in [
        (format!("?from={second}"), 1, "0.00", "8.00"),
        (format!("?to={first}"), 3, "0.00", "0.00"),
        (format!("?from={second}&to={second}"), 1, "0.00", "8.00"),
        ("?from=2001-01-01&to=2001-01-02".to_owned(), 0, "0.00", "0.00"),
        ("?from=2999-01-01".to_owned(), 0, "8.00", "8.00"),
    ] {
        let path = format!("/operator/customers/{}/statement{query}", trade.ben);
        let file = File::of(&office.get(&path));
        let balances = file.column("walletBalance");
        assert_eq!(
            (file.rows.len() - 3, balances[0], balances[rows + 1]),
            (rows, opening, closing),
            "{query}"
        );
    }
    let journal = File::of(&office.get(&format!("/operator/journal?from={second}")));
    assert_eq!(
        journal.column("bankShouldHold"),
        ["14500.25", "14508.25", "14508.25", ""]
    );
    assert_eq!(journal.column("time")[0], second);
    let deal = format!("/operator/deals/{}/statement?from={second}", trade.deal.id);
    assert_eq!(File::of(&office.get(&deal)).column("held"), ["6200.00", "6200.00", ""]);
}

/// Times follow the numbers of transfers in live mode, and the first day is found by halving.
#[test]
fn a_live_statement_begins_on_its_day() {
    if cluster::is_wanted() {
        // It looks into a file.
        return;
    }
    let office = Office::live();
    let trade = office.trade();
    office.app.pass_seconds(10 * 86_400);
    for number in 0..5 {
        office.receives(1.0, &format!("FT-91{number}"), "2026-11-20", Some(&trade.ben));
    }
    let days = office
        .app
        .column("SELECT DISTINCT date(created_at / 1000, 'unixepoch') FROM transfer ORDER BY 1");
    let last = days.last().unwrap();
    let file = File::of(&office.get(&format!("/operator/customers/{}/statement?from={last}", trade.ben)));
    assert_eq!(file.rows.len(), 8);
    assert_eq!(file.column("walletBalance")[..2], ["0.00", "1.00"]);
    let journal = File::of(&office.get(&format!("/operator/journal?from={last}")));
    assert_eq!(journal.rows.len(), 8);
    assert_eq!(journal.column("bankShouldHold")[0], "14500.25");
    let before = File::of(&office.get(&format!("/operator/journal?to={}", days[0])));
    assert_eq!(before.column("bankShouldHold").iter().rev().nth(1), Some(&"14500.25"));
}

#[test]
fn wrong_requests_for_a_statement_are_refused() {
    let office = Office::sandbox_with(|config| config.limits.report_rows_max = 3);
    let trade = office.trade();
    let refuses = |status, message: &str, path: &str| office.app.refuses(status, message, |_| office.get(path));
    refuses(400, "Customer not found", "/operator/customers/nobody/statement");
    refuses(400, "Customer not found", "/operator/customers/no%20body/statement");
    refuses(
        400,
        "Escrow not found",
        "/operator/deals/0123456789abcdef01234567/statement",
    );
    refuses(
        400,
        "to must be 2026-11-03, the day of from, or later; got 2026-11-02",
        "/operator/journal?from=2026-11-03&to=2026-11-02",
    );
    refuses(
        400,
        "page must be one of the fields from, to; got \"page\"",
        "/operator/journal?page=2",
    );
    let many = "Too many rows at once; ask for fewer days with from and to";
    let answer = refuses(400, many, "/operator/journal");
    assert_eq!(answer.body["code"], "too_many_rows");
    assert_eq!(answer.body["details"]["max"], 3);
    // Three rows fit.
    File::of(&office.get(&format!("/operator/customers/{}/statement", trade.ben)));
    // Another merchant has neither the customer nor the deal.
    let other = |path: &str| {
        office
            .app
            .send("GET", path, &[("authorization", "Bearer sk_test_other")], None)
    };
    for path in [
        format!("/operator/customers/{}/statement", trade.ben),
        format!("/operator/deals/{}/statement", trade.deal.id),
    ] {
        assert_eq!(other(&path).status, 400, "{path}");
    }
    let journal = File::of(&other("/operator/journal"));
    assert_eq!(journal.column("entry"), ["opening", "closing", "chainHead"]);
}
