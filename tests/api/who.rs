//! Tests that the people who handle money see whose it is, and that no one else does.

use serde_json::json;

use crate::console::Form;
use crate::desk::{ADA, BEN, STALL_KEY, receipt, spawn_desk_of_two};
use crate::helpers::{LIVE_KEY, TestApp, standard_terms};
use crate::live_console::Browser;

fn customer_of(app: &TestApp, key: &str, first: &str, last: &str, phone: &str) -> String {
    let email = format!(
        "{}@{}.example",
        first.to_lowercase(),
        last.to_lowercase().replace('_', "")
    );
    let body = json!({"firstname": first, "lastname": last, "email": email, "phone": phone});
    let made = app.json_with_key(key, "POST", "/v1/customer/create", "", &body);
    made.ok().text("customerId")
}

#[test]
fn an_operator_finds_a_customer_by_what_the_bank_or_the_customer_says() {
    let app = spawn_desk_of_two();
    let ben = customer_of(&app, LIVE_KEY, "Ben", "Ude", "08031234567");
    let amaka = customer_of(&app, LIVE_KEY, "Amaka", "O_bi", "08030000002");
    let other = customer_of(&app, STALL_KEY, "Ben", "Ude", "08031234567");
    let ada = Browser::logged_in(&app, ADA);
    ada.choose("1");
    for who in [
        "UDE+BEN",
        "ben",
        "ben%40ude",
        "08031234567",
        "%2B2348031234567",
        "2348031234567",
        &ben[4..20],
    ] {
        let found = ada.page(&format!("/console/customers?who={who}"));
        assert!(found.contains(&ben), "{who}: {found}");
        assert!(!found.contains(&amaka) && !found.contains(&other), "{who}: {found}");
        assert!(
            found.contains("Ben Ude") && found.contains("ben@ude.example"),
            "{found}"
        );
    }
    // The signs of patterns are letters like others.
    let underscore = ada.page("/console/customers?who=O_b");
    assert!(underscore.contains(&amaka) && !underscore.contains(&ben));
    for nobody in ["%25", "U%25e", "!", "Zainab", "Ben%20Obi"] {
        let found = ada.page(&format!("/console/customers?who={nobody}"));
        assert!(found.contains("No customer has these words"), "{nobody}: {found}");
    }
    assert!(ada.page("/console/customers?who=+").contains(&amaka));
    // A word that does not count is named.
    let left_out = "These did not count: Zainab";
    let found = ada.page("/console/customers?who=ben+ude+ben+ude+Zainab");
    assert!(found.contains(&ben) && found.contains(left_out), "{found}");
    let found = ada.page("/console/customers?who=ben+ude+ben+ude");
    assert!(found.contains(&ben) && !found.contains("did not count"), "{found}");
}

#[test]
fn the_pages_of_those_who_handle_money_name_its_owner() {
    let app = spawn_desk_of_two();
    let (ben, amaka) = (
        customer_of(&app, LIVE_KEY, "Ben", "Ude", "08031234567"),
        customer_of(&app, LIVE_KEY, "Amaka", "Obi", "08030000002"),
    );
    let offer = app.json_with_key(LIVE_KEY, "POST", "/v1/escrow/create", &amaka, &standard_terms());
    let offer = offer.ok();
    app.by_for(
        BEN,
        "1",
        "POST",
        "/receipts",
        &receipt(4_000, "in-1", &json!({"customerId": ben})),
    )
    .ok();
    app.live_withdrawal(&ben, "w-1", 1_000).ok();
    app.announce(&ben, "d-1", 500);
    let ada = Browser::logged_in(&app, ADA);
    ada.choose("1");
    for path in ["/console/desk/deposits", "/console/desk/payouts"] {
        let shown = ada.page(path);
        for fact in ["Ben Ude", "ben@ude.example", "08031234567"] {
            assert!(shown.contains(fact), "{path}: {shown}");
        }
    }
    let deal = ada.page(&format!("/console/deals/{}", offer.text("id")));
    assert!(
        deal.contains("Amaka Obi") && deal.contains("amaka@obi.example"),
        "{deal}"
    );
    let customer = ada.page(&format!("/console/customers/{ben}"));
    assert!(
        customer.contains("<h1>Ben Ude</h1>") && customer.contains(&ben),
        "{customer}"
    );
    // A buyer sees the seller's name, and not how to reach the seller.
    let pay = format!("/pay/{}", offer.text("paymentToken"));
    let shown = app.send("GET", &pay, &[], None).text;
    assert!(
        shown.contains("Amaka Obi") && !shown.contains("amaka@obi.example"),
        "{shown}"
    );
    assert!(!shown.contains(&amaka), "{shown}");
}

#[test]
fn a_large_receipt_says_that_it_waits_for_another_operator() {
    let app = spawn_desk_of_two();
    let ben = customer_of(&app, LIVE_KEY, "Ben", "Ude", "08031234567");
    let cashier = Browser::logged_in(&app, BEN);
    cashier.choose("1");
    let form = Form::of(&cashier.page("/console/desk/deposits"), "Record")
        .with("n:amount", "90000")
        .with("s:bankReference", "in-9")
        .with("s:customerId", &ben);
    let shown = cashier.done(&form);
    assert!(shown.contains("Another operator must approve it"), "{shown}");
    let admin = Browser::logged_in(&app, ADA);
    admin.choose("1");
    let seen = admin.page("/console/desk/deposits");
    assert!(!seen.contains("You have recorded it"), "{seen}");
    let approve = Form::of(&seen, "Approve");
    let form = Form::of(&seen, "Record")
        .with("n:amount", "80000")
        .with("s:bankReference", "in-10")
        .with("s:customerId", &ben);
    admin.done(&approve);
    let own = admin.done(&form);
    assert!(
        own.contains("You have recorded it. Another operator must approve it"),
        "{own}"
    );
    assert!(
        !own.contains(">Approve</button>") && own.contains(">Reject</button>"),
        "{own}"
    );
}
