//! Tests that the forms of the pages send what `strict` demands.

use serde_json::json;

use crate::checkout::{framed, session};
use crate::console::{Form, page, place_after};
use crate::desk::spawn_desk_with;
use crate::helpers::{Deal, LIVE_KEY, TestApp, spawn_app, spawn_app_with, standard_terms};
use crate::live_console::Browser;

const FROM_WALLET: &str = "Pay from the wallet";
const NEW_CARD: &str = "visa 4242424242424242";
const BY_CARD: &str = "Pay with visa …4242";

/// A strict sandbox with two customers, of whom the buyer has 100,000.
struct Strict {
    app: TestApp,
    seller: String,
    buyer: String,
}

impl Strict {
    fn new() -> Self {
        let app = spawn_app_with(|config| {
            config.strict = true;
            config.limits.requests_per_minute = 10_000;
        });
        let seller = app.customer_with("Ngozi", "08030000001", 0);
        let buyer = app.customer_with("Zainab", "08030000002", 0);
        app.top_up(&buyer, 100_000).ok();
        Self { app, seller, buyer }
    }

    fn offered(&self) -> Deal {
        Deal::of(&self.app.create_escrow(&self.seller, &standard_terms()).ok())
    }

    /// Returns the address of a checkout for the deal. `reference` is that of the shop.
    fn checkout(&self, deal: &Deal, reference: Option<&str>) -> String {
        let key = self.app.column("SELECT publishable_key FROM merchant").remove(0);
        let sent = json!({
            "publicKey": key, "paymentToken": deal.token, "customerId": self.buyer, "reference": reference,
        });
        format!("/checkout/{}", session(&self.app, &sent))
    }

    /// Pays for the deal from the wallet, on its page.
    fn pay(&self, deal: &Deal) {
        let place = format!("/console/deals/{}", deal.id);
        let pay = Form::of(&page(&self.app, &place), FROM_WALLET).with("customer", &self.buyer);
        place_after(&pay.send(&self.app));
    }
}

/// Returns the references that came with requests for payments, the oldest first.
fn sent_references(app: &TestApp) -> Vec<String> {
    app.column("SELECT coalesce(reference, '') FROM requested_payment ORDER BY transaction_id")
}

/// Asserts that so many payments have a reference that came with the request, each another.
#[track_caller]
fn assert_sent(app: &TestApp, count: usize) {
    let mut references = sent_references(app);
    references.sort();
    references.dedup();
    assert!(
        references.iter().all(|reference| !reference.is_empty()),
        "{references:?}"
    );
    assert_eq!(references.len(), count, "{references:?}");
}

#[test]
fn a_deal_is_paid_for_on_its_page() {
    let strict = Strict::new();
    let (app, deal) = (&strict.app, strict.offered());
    let form = Form::of(&page(app, &format!("/console/deals/{}", deal.id)), FROM_WALLET);
    let unknown = form.clone().with("customer", "nobody").send(app);
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    // A reader who goes back after a refusal sends the same form with another name.
    let pay = form.with("customer", &strict.buyer);
    place_after(&pay.send(app));
    place_after(&pay.send(app));
    assert_sent(app, 1);
    assert_eq!(app.balances(&strict.buyer).0, json!(98_765.44));
}

#[test]
fn an_offer_is_paid_for_by_its_link() {
    let strict = Strict::new();
    let app = &strict.app;
    let link = |deal: &Deal| format!("/pay/{}?buyer={}", deal.token, strict.buyer);
    let deal = strict.offered();
    place_after(&Form::of(&page(app, &link(&deal)), FROM_WALLET).send(app));
    assert_sent(app, 1);
    assert_eq!(app.balances(&strict.buyer).0, json!(98_765.44));
    let deal = strict.offered();
    place_after(&Form::of(&page(app, &link(&deal)), NEW_CARD).send(app));
    place_after(&Form::of(&page(app, &link(&deal)), BY_CARD).send(app));
    assert_sent(app, 2);
    assert_eq!(app.balances(&strict.buyer).0, json!(98_765.44));
}

#[test]
fn an_offer_is_paid_for_in_a_checkout() {
    let strict = Strict::new();
    let app = &strict.app;
    let form = |path: &str, label: &str| Form::of(&framed(app, path).text, label);
    let pay = |path: &str, label: &str| place_after(&form(path, label).send_to(app, &format!("{path}/pay"), &[]));
    pay(&strict.checkout(&strict.offered(), None), FROM_WALLET);
    assert_sent(app, 1);
    assert_eq!(app.balances(&strict.buyer).0, json!(98_765.44));
    let path = strict.checkout(&strict.offered(), None);
    place_after(&form(&path, NEW_CARD).send_to(app, &format!("{path}/cards"), &[]));
    pay(&path, BY_CARD);
    assert_sent(app, 2);
    // The reference of the shop stays.
    pay(&strict.checkout(&strict.offered(), Some("order-7")), FROM_WALLET);
    assert_sent(app, 3);
    assert!(sent_references(app).contains(&"order-7".to_owned()));
}

#[test]
fn money_is_announced_and_withdrawn_on_the_page_of_a_customer() {
    let strict = Strict::new();
    let app = &strict.app;
    let place = format!("/console/customers/{}", strict.buyer);
    let announce = Form::of(&page(app, &place), "Announce").with("n:amount", "5000");
    place_after(&announce.send(app));
    place_after(&announce.send(app));
    assert_sent(app, 1);
    // The form of a browser that goes back and changes the amount asks for something else.
    place_after(&announce.with("n:amount", "6000").send(app));
    assert_sent(app, 2);
    let withdraw = Form::of(&page(app, &place), "Withdraw").with("n:amount", "7000");
    place_after(&withdraw.send(app));
    assert_sent(app, 3);
    // A reference that a form has stays.
    place_after(&withdraw.with("s:reference", "mine").send(app));
    assert!(sent_references(app).contains(&"mine".to_owned()));
}

#[test]
fn money_is_announced_and_withdrawn_in_live_mode() {
    let app = spawn_desk_with(|config| config.strict = true);
    let customer = app.live_customer("Ngozi", "08030000001");
    app.receive(&customer, "FT-1", 5_000);
    let before = app.count("requested_payment");
    let shop = Browser::logged_in(&app, LIVE_KEY);
    let shown = shop.page(&format!("/console/customers/{customer}"));
    shop.done(&Form::of(&shown, "Announce").with("n:amount", "5000"));
    let bank = [
        ("bankName", "Bank"),
        ("bankCode", "058"),
        ("accountNumber", "0123456789"),
    ];
    let withdraw = bank
        .into_iter()
        .fold(Form::of(&shown, "Withdraw"), |form, (field, value)| {
            form.with(&format!("s:withdrawalDetails.{field}"), value)
        });
    let withdraw = withdraw.with("s:withdrawalDetails.accountName", "Ngozi Obi");
    shop.done(&withdraw.with("n:amount", "1000"));
    assert_eq!(app.count("requested_payment"), before + 2);
    assert_eq!(app.count("requested_payment WHERE reference IS NOT NULL"), 2);
}

#[test]
fn without_strict_escrowd_makes_the_references() {
    let app = spawn_app();
    let deal = app.offered();
    let path = format!("/checkout/{}", session(&app, &crate::checkout::of(&deal)));
    let form = Form::of(&framed(&app, &path).text, FROM_WALLET);
    place_after(&form.send_to(&app, &format!("{path}/pay"), &[]));
    let shown = page(&app, "/console/customers/tunde");
    place_after(&Form::of(&shown, "Announce").with("n:amount", "5000").send(&app));
    assert_eq!(app.count("requested_payment WHERE reference IS NOT NULL"), 0);
}

#[test]
fn a_seller_disputes_after_the_buyer() {
    let strict = Strict::new();
    let (app, deal) = (&strict.app, strict.offered());
    strict.pay(&deal);
    let place = format!("/console/deals/{}", deal.id);
    let shown = page(app, &place);
    assert!(
        shown.contains(&format!("Dispute as {}, the buyer", strict.buyer)),
        "{shown}"
    );
    assert!(!shown.contains(", the seller</summary>"), "{shown}");
    let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
    app.json("POST", &path, &strict.buyer, &json!({ "message": "Late" }))
        .ok();
    let shown = page(app, &place);
    assert!(
        shown.contains(&format!("Answer as {}, the seller", strict.seller)),
        "{shown}"
    );
}
