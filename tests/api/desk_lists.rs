//! Tests that the lists of the desk hide nothing: the work that waits stands before what is done,
//! and links lead to the rest.

use serde_json::{Value, json};

use crate::desk::{ADA, BEN, reason, receipt, spawn_desk};
use crate::helpers::TestApp;
use crate::live_console::Browser;

/// Returns the address of a link with these words in the navigation of a list of a page.
#[track_caller]
fn link(page: &str, list: &str, words: &str) -> String {
    let (_, rest) = page
        .split_once(&format!("<nav class=\"pages\" aria-labelledby=\"{list}\">"))
        .unwrap_or_else(|| panic!("the list {list} has no links in {page}"));
    let nav = rest.split_once("</nav>").unwrap().0;
    let (before, _) = nav
        .split_once(&format!("\">{words}</a>"))
        .unwrap_or_else(|| panic!("no {words} in {nav}"));
    let address = before.rsplit_once("href=\"").unwrap().1;
    address.split('#').next().unwrap().to_owned()
}

fn form_of(id: &str, act: &str) -> String {
    format!("value=\"/operator/payouts/{id}/{act}\"")
}

/// Asks for a withdrawal and returns the id of its pay-out.
fn request(app: &TestApp, customer: &str, reference: &str) -> String {
    app.live_withdrawal(customer, reference, 100).ok();
    app.newest_payout()
}

#[test]
fn a_pay_out_that_waits_stands_before_all_that_are_done() {
    let app = spawn_desk();
    let customer = app.live_customer("Tunde", "08030000002");
    for reference in ["in-1", "in-2", "in-3"] {
        app.receive(&customer, reference, 5_000);
    }
    let act = |id: &str, name: &str, body: &Value| {
        app.by(ADA, "POST", &format!("/payouts/{id}/{name}"), body).ok();
    };
    let requested = request(&app, &customer, "old-requested");
    let approved = request(&app, &customer, "old-approved");
    act(&approved, "approve", &json!({}));
    for number in 0..52 {
        let newer = request(&app, &customer, &format!("done-{number}"));
        act(&newer, "reject", &reason());
    }
    let ada = Browser::logged_in(&app, ADA);
    let path = "/console/desk/payouts";
    let page = ada.page(path);
    assert!(page.contains(&form_of(&requested, "approve")), "{page}");
    assert!(page.contains(&form_of(&approved, "pay")), "{page}");
    assert!(page.contains(">done-51<") && !page.contains(">done-1<"), "{page}");
    let older = ada.page(&link(&page, "history", "Older"));
    assert!(older.contains(">done-1<") && older.contains(">done-0<"), "{older}");
    assert_eq!(link(&older, "history", "Newest"), path);
    assert!(!older.contains("Older"), "{older}");
    // Those that wait have pages too.
    for number in 0..50 {
        request(&app, &customer, &format!("waits-{number}"));
    }
    let page = ada.page(path);
    assert!(!page.contains(&form_of(&requested, "approve")), "{page}");
    // The history has none of them, and its pages are full.
    assert!(page.contains(">done-51<") && page.contains(">done-2<"), "{page}");
    let older = ada.page(&link(&page, "history", "Older"));
    assert!(older.contains(">done-1<") && !older.contains(">done-2<"), "{older}");
    let older = ada.page(&link(&page, "requested", "Older"));
    assert!(older.contains(&form_of(&requested, "approve")), "{older}");
}

#[test]
fn a_receipt_that_waits_stands_before_all_that_are_done() {
    let app = spawn_desk();
    let customer = app.live_customer("Tunde", "08030000002");
    app.announce(&customer, "dep-0", 700);
    let recorded = app.receive(&customer, "large", 6_000);
    let unknown = app.by(BEN, "POST", "/receipts", &receipt(10, "whose", &json!({}))).ok();
    let unknown = unknown.text("id");
    for number in 0..52 {
        app.receive(&customer, &format!("done-{number}"), 10);
    }
    for number in 1..=50 {
        app.announce(&customer, &format!("dep-{number}"), 700);
    }
    app.receive(&customer, "large and new", 6_000);
    let ada = Browser::logged_in(&app, ADA);
    let page = ada.page("/console/desk/deposits");
    for (id, act) in [(&recorded, "approve"), (&unknown, "assign")] {
        assert!(
            page.contains(&format!("value=\"/operator/receipts/{id}/{act}\"")),
            "{page}"
        );
    }
    // A page of the history is full, whatever waits.
    assert!(page.contains(">done-51<") && page.contains(">done-2<"), "{page}");
    assert!(!page.contains(">done-1<"), "{page}");
    let older = ada.page(&link(&page, "history", "Older"));
    assert!(older.contains(">done-1<") && older.contains(">done-0<"), "{older}");
    assert!(!page.contains(">dep-0<"), "{page}");
    let older = ada.page(&link(&page, "expected", "Older"));
    assert!(older.contains(">dep-0<"), "{older}");
}

#[test]
fn links_lead_to_every_act_and_to_every_person() {
    let app = spawn_desk();
    for number in 0..101 {
        let operator = json!({"name": format!("Clerk {number}"), "role": "cashier"});
        app.by(ADA, "POST", "/operators", &operator).ok();
    }
    let ada = Browser::logged_in(&app, ADA);
    let acts = ada.page("/console/desk/acts");
    assert!(!acts.contains("<td class=\"end number\">1</td>"), "{acts}");
    let older = ada.page(&link(&acts, "acts", "Older"));
    assert!(older.contains("<td class=\"end number\">1</td>"), "{older}");
    let people = ada.page("/console/desk/people");
    assert!(
        people.contains(">Clerk 0<") && !people.contains(">Clerk 100<"),
        "{people}"
    );
    let newer = ada.page(&link(&people, "operators", "Newer"));
    assert!(newer.contains(">Clerk 100<"), "{newer}");
    assert_eq!(link(&newer, "operators", "Oldest"), "/console/desk/people");
}
