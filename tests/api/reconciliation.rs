//! Tests what a comparison with the bank's statement says of the mishaps of a month: money that the
//! bank takes back, books a day later or books twice, and money at a payment provider.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::cluster;
use crate::console::Form;
use crate::desk::{ADA, BEN, receipt, spawn_desk_of_two, spawn_desk_with};
use crate::helpers::{Answer, kobo, spawn_app_with};
use crate::live_console::Browser;
use crate::notices::{charge, notify};
use crate::position::{CASHIER, Office};

const HEADER: &str = "date,amount,reference\n";
const PAGE: &str = "/console/desk/reconciliation";
/// The key of the merchant of [`a_provider_s_receipts_are_not_missing_at_the_bank`].
const PROVIDER_KEY: &str = "sk_test_of_provider";

impl Office {
    fn compared(&self, query: &str, lines: &str) -> Answer {
        self.reconcile(query, &format!("{HEADER}{lines}")).ok()
    }
}

/// Returns the numbers of rows in these lists.
fn counts(answer: &Answer, lists: &[&str]) -> Vec<usize> {
    let count = |list: &&str| answer.data()[list].as_array().map_or(usize::MAX, Vec::len);
    lists.iter().map(count).collect()
}

const LISTS: [&str; 6] = [
    "matched",
    "outsideMatches",
    "nearMisses",
    "missingHere",
    "missingThere",
    "duplicates",
];

#[test]
fn money_that_the_bank_takes_back_is_missing_here() {
    let office = Office::live();
    office.receives(600.0, "FT-8", "2026-11-21", None);
    let found = office.compared("opening=600", "2026-11-22,-600.00,FT-8\n");
    assert_eq!(counts(&found, &LISTS), [0, 0, 0, 1, 0, 0], "{}", found.text);
    let balance = &found.data()["balance"];
    assert_eq!(
        [&balance["difference"], &balance["explained"], &balance["unexplained"]],
        [&json!(-600), &json!(-600), &json!(0)]
    );
    // Inside a longer text, and in the statement that has the credit too.
    office.receives(600.0, "FT-800001", "2026-11-20", None);
    let (credit, debit) = (
        "2026-11-20,600.00,FT-800001\n",
        "2026-11-22,-600.00,REVERSAL OF FT-800001 ADA\n",
    );
    let found = office.compared("from=2026-11-22", debit);
    assert_eq!(counts(&found, &LISTS), [0, 0, 0, 1, 0, 0], "{}", found.text);
    let found = office.compared("to=2026-11-22", &format!("{credit}2026-11-21,600.00,FT-8\n{debit}"));
    assert_eq!(counts(&found, &LISTS), [2, 0, 0, 1, 0, 0], "{}", found.text);
}

#[test]
fn a_second_booking_is_told_from_one_of_a_later_day_by_the_balance() {
    let office = Office::live();
    let trade = office.trade();
    office.approves(&trade.open);
    office.pays(&trade.open, "FT-2002", "2026-11-21");
    office.receives(600.0, "FT-8", "2026-11-21", None);
    // What the bank has at the end of the 21st if it has booked both on their day.
    let booked = 14_500.25 - 500.0 + 600.0;
    for (line, amount) in [
        ("2026-11-23,600.00,FT-8\n", 600.0),
        ("2026-11-22,-500.00,FT-2002\n", -500.0),
    ] {
        let agrees = |query: &str| {
            let found = office.compared(query, line);
            assert_eq!(counts(&found, &LISTS), [0, 1, 0, 0, 0, 0], "{}", found.text);
            assert_eq!(found.data()["sums"]["outsideMatches"], amount);
            assert_eq!(found.data()["outsideMatches"][0]["movement"]["valueDate"], "2026-11-21");
            (
                found.data()["agrees"].clone(),
                found.data()["balance"]["unexplained"].clone(),
            )
        };
        // Booked once, a day or two later than it was recorded.
        assert_eq!(agrees(&format!("opening={}", booked - amount)), (json!(true), json!(0)));
        // Booked a second time.
        let (is_right, left) = agrees(&format!("opening={booked}"));
        assert_eq!((is_right, left.as_f64()), (json!(false), Some(amount)));
        // Without a balance nobody can tell.
        assert_eq!(agrees(""), (json!(false), Value::Null));
    }
    // In a statement of both days it is no question.
    let found = office.compared(
        "from=2026-11-21",
        "2026-11-22,-500.00,FT-2002\n2026-11-23,600.00,FT-8\n",
    );
    assert_eq!(counts(&found, &LISTS), [2, 0, 0, 0, 0, 0]);
    assert_eq!(found.data()["agrees"], true);
}

#[test]
fn lines_without_money_are_ignored() {
    let office = Office::live();
    office.receives(600.0, "FT-8", "2026-11-21", None);
    let found = office.compared("opening=0", "2026-11-20,0.00,OPENING\n2026-11-21,600.00,FT-8\n");
    assert_eq!(counts(&found, &LISTS), [1, 0, 0, 0, 0, 0]);
    assert_eq!(
        (&found.data()["agrees"], &found.data()["from"]),
        (&json!(true), &json!("2026-11-21"))
    );
}

#[test]
fn a_provider_s_receipts_are_not_missing_at_the_bank() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(0));
    let bearer = format!("Bearer {PROVIDER_KEY}");
    let key = ("authorization", bearer.as_str());
    app.send("GET", "/v1/wallet", &[key, ("customer-id", "ben")], None).ok();
    let merchant = app.column("SELECT max(id) FROM merchant").remove(0);
    for id in [7, 8] {
        notify(&app, &merchant, PROVIDER_KEY, &charge(id, 250_000, "unknown")).ok();
    }
    let compared = |query: &str, lines: &str| {
        let path = format!("/operator/position/reconcile?{query}");
        let headers = [key, ("content-type", "text/csv")];
        app.send("POST", &path, &headers, Some(format!("{HEADER}{lines}").as_bytes()))
            .ok()
    };
    // The provider has received them and has not settled them.
    let quiet = compared("from=2026-06-22&to=2026-06-22", "");
    assert_eq!(counts(&quiet, &LISTS), [0; 6], "{}", quiet.text);
    assert_eq!(counts(&quiet, &["atProvider"]), [2], "{}", quiet.text);
    assert_eq!(
        (&quiet.data()["sums"]["atProvider"], &quiet.data()["agrees"]),
        (&json!(5000), &json!(true))
    );
    // It settles them less its fees: neither the text nor the amount of a line makes it a receipt's.
    let lines = "2026-06-23,2500.00,paystack:7\n2026-06-23,2492.50,SETTLEMENT\n";
    let settled = compared("from=2026-06-22&opening=0", lines);
    assert_eq!(counts(&settled, &LISTS), [0, 0, 0, 2, 0, 0], "{}", settled.text);
    let balance = &settled.data()["balance"];
    assert_eq!(
        [&balance["difference"], &balance["explained"], &balance["unexplained"]],
        [&json!(-7.5), &json!(-7.5), &json!(0)]
    );
    // Those of earlier days are a part of what the bank should hold, and of no list.
    let later = compared("opening=0", lines);
    assert_eq!(counts(&later, &["atProvider", "missingThere"]), [0, 0]);
    assert_eq!(later.data()["balance"]["unexplained"], -5000);
    // Later ones are no part of it.
    let earlier = compared("from=2026-06-20&to=2026-06-21&closing=0", "");
    assert_eq!(counts(&earlier, &["atProvider", "missingThere"]), [0, 0]);
    assert_eq!(earlier.data()["balance"]["difference"], 0);
}

/// Sends the form of the page, and returns the page with the result as one line of text.
fn shown(browser: &Browser<'_>, fields: &[(&str, &str)]) -> String {
    let form = Form::of(&browser.page(PAGE), "Compare");
    let form = fields.iter().fold(form, |form, (name, value)| form.with(name, value));
    let answer = browser.send_to(&form, PAGE);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let parts = answer
        .text
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts
        .collect::<Vec<_>>()
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    for part in expected {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn the_page_tells_what_differs_and_the_remedy() {
    let office = Office::live();
    office.trade();
    let browser = Browser::logged_in(&office.app, CASHIER);
    let lines = "2026-11-03,300.20,FT-1002\n2026-11-05,-1000.00,FT-2001\n2026-11-06,77.00,FT-9\n";
    let text = shown(
        &browser,
        &[
            ("statement", &format!("{HEADER}{lines}")),
            ("opening", "100"),
            ("closing", "14500"),
        ],
    );
    says(
        &text,
        &[
            "The bank and the ledger differ.",
            "Explained by the lists",
            "Left unexplained",
            "It arose before the statement, or a balance was mistyped.",
            "The statement itself has a gap",
            "Lines are missing in the file or stand in it twice, or a balance was mistyped.",
            "do not record it, since its payments are recorded already. Below zero",
            "reopen the pay-out",
            "reverse the receipt and record it as it came",
        ],
    );
    // A pair of another day, with both days.
    let text = shown(
        &browser,
        &[
            ("statement", &format!("{HEADER}2026-11-06,-1000.00,FT-2001\n")),
            ("opening", "14500.25"),
        ],
    );
    says(
        &text,
        &[
            "Recorded for another day",
            "2026-11-06",
            "2026-11-05",
            "This amount is what is left unexplained",
        ],
    );
    let text = shown(
        &browser,
        &[("statement", &format!("{HEADER}2026-11-06,-1000.00,FT-2001\n"))],
    );
    says(&text, &["Type the bank's balance"]);
    let text = shown(
        &browser,
        &[(
            "statement",
            &format!("{HEADER}2026-11-04,10200.00,FT-1003\n2026-11-03,300.25,FT-1002\n"),
        )],
    );
    says(
        &text,
        &["The same on both sides", "2026-11-04", "recorded for 2026-11-03"],
    );
    assert!(!text.contains("The statement itself has a gap"), "{text}");
}

#[test]
fn one_merchant_s_money_is_compared_with_a_warning_on_a_shared_account() {
    let app = spawn_desk_of_two();
    let browser = Browser::logged_in(&app, BEN);
    let warning = "other merchants share this bank account";
    assert!(!browser.page(PAGE).contains(warning));
    browser.choose("1");
    says(&browser.page(PAGE), &[warning]);
    let stall_has = |bank: &str, number: &str| {
        let account = json!({
            "bankName": "Own", "bankCode": bank, "accountNumber": number, "accountName": "Stall",
        });
        let body = json!({ "depositAccount": account });
        app.by_for(ADA, "stall", "PUT", "/merchant", &body).ok();
    };
    stall_has("058", "1111111111");
    assert!(!browser.page(PAGE).contains(warning));
    stall_has("044", "0123456789");
    assert!(!browser.page(PAGE).contains(warning));
    stall_has("058", "0123456789");
    says(&browser.page(PAGE), &[warning]);
    if cluster::is_wanted() {
        // It changes rows of a file.
        return;
    }
    let other = Connection::open(app.database_file()).unwrap();
    other
        .execute_batch("UPDATE merchant SET deposit_account = '{}' WHERE id = 1")
        .unwrap();
    assert_eq!(
        browser.get(PAGE).status,
        500,
        "an account that cannot be read is not a merchant without one"
    );
    other
        .execute_batch("UPDATE merchant SET deposit_account = NULL WHERE id = 1")
        .unwrap();
}

#[test]
fn a_comparison_is_of_the_merchant_whose_page_showed_the_form() {
    const AGREES: &str = "The bank and the ledger agree.";
    let app = spawn_desk_of_two();
    for (merchant, major) in [("1", 100), ("2", 30)] {
        let body = receipt(major, &format!("in-{merchant}"), &json!({}));
        app.by_for(BEN, merchant, "POST", "/receipts", &body).ok();
    }
    let browser = Browser::logged_in(&app, BEN);
    for (shown, closing) in [("1", "100"), ("2", "30"), ("", "130")] {
        browser.choose(shown);
        let form = Form::of(&browser.page(PAGE), "Compare").with("closing", closing);
        for other in ["1", "2", ""] {
            // In another tab.
            browser.choose(other);
            let compared = browser.send_to(&form, PAGE);
            assert_eq!(compared.status, 200, "{}", compared.text);
            says(&compared.text, &[AGREES]);
            for merchant in ["1", "2"] {
                let is_named = compared.text.contains(&format!("value=\"{merchant}\" selected"));
                assert_eq!(is_named, merchant == shown, "{}", compared.text);
            }
        }
    }
    // A merchant that the operator may not act for is not exchanged for another one.
    let limited = json!({ "name": "Limited", "role": "cashier", "merchantIds": [1] });
    let made = app.by(ADA, "POST", "/operators", &limited).ok();
    let limited = Browser::logged_in(&app, &made.text("key"));
    let form = Form::of(&limited.page(PAGE), "Compare").with("closing", "100");
    says(&limited.send_to(&form, PAGE).text, &[AGREES]);
    for foreign in ["2", "3", "stall"] {
        let refused = limited.send_to(&form.clone().with("merchant", foreign), PAGE);
        assert_eq!(refused.status, 404, "{}", refused.text);
        says(
            &refused.text,
            &["There is no merchant with this id that you may act for"],
        );
    }
}

#[test]
fn the_record_says_that_a_provider_s_notice_brought_money() {
    let app = spawn_desk_with(|config| {
        let secret = escrowd::domain::events::webhook_endpoint::SigningSecret::new("sk_live_of_paystack");
        config.merchant[0].paystack_secret = Some(secret);
    });
    notify(&app, "1", "sk_live_of_paystack", &charge(7, 250_000, "unknown")).ok();
    let acts = Browser::logged_in(&app, BEN).page("/console/desk/acts");
    let row = acts.split("<tr>").find(|row| row.contains("receipt recorded"));
    assert!(row.is_some_and(|row| row.contains("a provider's notice")), "{acts}");
    assert!(acts.contains("the machine itself"), "{acts}");
}

#[test]
fn the_desk_says_which_pay_out_has_a_used_reference() {
    let office = Office::live();
    let trade = office.trade();
    office.approves(&trade.open);
    let paid = office.get("/operator/payouts?status=paid").ok().data()["data"][0]["id"].clone();
    let browser = Browser::logged_in(&office.app, CASHIER);
    browser.choose("1");
    let path = "/console/desk/batches";
    let results = format!(
        "payoutId,status,bankReference,valueDate,reason\n{},paid,FT-2001,2026-11-05,\n",
        trade.open
    );
    let form = Form::of(&browser.page(path), "Record the results").with("results", &results);
    let answer = browser.send_to(&form, path);
    says(
        &answer.text,
        &["This bank reference is already recorded", paid.as_str().unwrap()],
    );
}

#[test]
fn a_refused_line_of_a_pasted_file_has_the_number_that_it_has_there() {
    let office = Office::live();
    let browser = Browser::logged_in(&office.app, CASHIER);
    browser.choose("1");
    let results = "\r\n \r\npayoutId,status,bankReference,valueDate,reason\r\nx,lost,FT-1,2026-11-05,\r\n";
    let statement = "\r\n \r\ndate,amount,reference\r\n2026-11-05,ten,FT-1\r\n";
    for (path, label, field, text) in [
        ("/console/desk/batches", "Record the results", "results", results),
        (PAGE, "Compare", "statement", statement),
    ] {
        let form = Form::of(&browser.page(path), label).with(field, text);
        let refused = browser.send_to(&form, path);
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(refused.text.contains("line 4"), "{}", refused.text);
        // Browsers leave out the first line break of a field.
        let shown = format!(">\n{}", &text[..6]);
        assert!(refused.text.contains(&shown), "{}", refused.text);
        // A text of blanks is no file.
        let empty = browser.send_to(&form.with(field, " \r\n \r\n"), path);
        assert_eq!(empty.status, 400, "{}", empty.text);
        assert!(!empty.text.contains("line 2"), "{}", empty.text);
    }
}
