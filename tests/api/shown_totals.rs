//! A page takes the total that it has shown, or nothing: the seller may edit the offer meanwhile.

use serde_json::{Value, json};

use crate::checkout::{framed, of, session};
use crate::console::{Form, page};
use crate::helpers::{Answer, TestApp, spawn_app, standard_terms, two_milestones};
use crate::stories;

/// Raises the price of an offer with two milestones to 20,000, and with that the total to 20,400.
fn raise(app: &TestApp, token: &str) {
    let mut terms = two_milestones();
    terms["amount"] = json!(20_000);
    terms["milestones"][0]["amount"] = json!(14_000);
    let path = format!("/v1/escrow/milestone/edit/{token}");
    app.json("PUT", &path, "ada", &terms).ok();
}

#[track_caller]
fn assert_tells_the_new_price(refused: &Answer, shown: &str, due: &str) {
    assert_eq!(refused.status, 400, "{}", refused.text);
    let (_, told) = refused.text.split_once("The price has changed").unwrap();
    let told = told.split_once("</strong>").unwrap().0;
    assert!(told.contains(shown) && told.contains(due), "{told}");
}

fn balance(app: &TestApp, customer: &str) -> Value {
    app.wallet(customer).ok().data()["mainBalance"].clone()
}

#[test]
fn a_link_takes_no_other_total_than_it_has_shown() {
    let app = spawn_app();
    let deal = app.offered();
    let link = format!("/pay/{}?buyer=bob", deal.token);
    let saved = Form::of(&page(&app, &link), "visa 4242424242424242").send(&app);
    assert_eq!(saved.status, 303, "{}", saved.text);
    let old = page(&app, &link);
    raise(&app, &deal.token);
    for way in ["Pay from the wallet", "Pay with visa …4242"] {
        let refused = Form::of(&old, way).send(&app);
        assert_tells_the_new_price(&refused, "10,200.00", "20,400.00");
    }
    assert_eq!(app.count("transfer WHERE kind = 'FUND'"), 0);
    assert_eq!(balance(&app, "bob"), 1_000_000);
    let paid = Form::of(&page(&app, &link), "Pay from the wallet").send(&app);
    assert_eq!(paid.status, 303, "{}", paid.text);
    assert_eq!(balance(&app, "bob"), 1_000_000 - 20_400);
}

#[test]
fn a_checkout_takes_no_other_total_than_it_has_shown() {
    let app = spawn_app();
    let deal = app.offered();
    let path = format!("/checkout/{}", session(&app, &of(&deal)));
    let old = Form::of(&framed(&app, &path).text, "Pay from the wallet");
    raise(&app, &deal.token);
    let to = format!("{path}/pay");
    let refused = old.send_to(&app, &to, &[]);
    assert_tells_the_new_price(&refused, "10,200.00", "20,400.00");
    let unsaid = old.without("total").send_to(&app, &to, &[]);
    assert_eq!(unsaid.status, 400, "{}", unsaid.text);
    assert_eq!(balance(&app, "tunde"), 1_000_000);
    // The page of the refusal shows the new total, and its form pays it.
    let paid = Form::of(&refused.text, "Pay from the wallet").send_to(&app, &to, &[]);
    assert_eq!(paid.status, 303, "{}", paid.text);
    assert_eq!(balance(&app, "tunde"), 1_000_000 - 20_400);
}

#[test]
fn the_console_takes_no_other_total_than_it_has_shown() {
    let app = spawn_app();
    let deal = app.offered();
    let place = format!("/console/deals/{}", deal.id);
    let old = Form::of(&page(&app, &place), "Pay from the wallet").with("customer", "bob");
    raise(&app, &deal.token);
    assert_tells_the_new_price(&old.send(&app), "10,200.00", "20,400.00");
    assert_eq!(app.count("transfer WHERE kind = 'FUND'"), 0);
}

/// Every form of a payment tells the total that its page has shown. One that tells none was not made
/// by a page.
#[test]
fn a_form_that_tells_no_total_pays_nothing() {
    let app = spawn_app();
    let deal = app.offered();
    let of_console = || {
        Form::of(
            &page(&app, &format!("/console/deals/{}", deal.id)),
            "Pay from the wallet",
        )
    };
    let of_link = || {
        Form::of(
            &page(&app, &format!("/pay/{}?buyer=bob", deal.token)),
            "Pay from the wallet",
        )
    };
    for form in [of_console().with("customer", "bob"), of_link()] {
        for path in [
            "/v1/payment/escrow",
            "/v1/payment/escrow/",
            "/v1/payment/escrow?total=1",
        ] {
            for amount in [None, Some(""), Some(" ")] {
                let form = form.clone().with("path", path);
                let refused = match amount {
                    None => form.without("n:amount"),
                    Some(amount) => form.with("n:amount", amount),
                };
                let refused = refused.send(&app);
                assert_eq!(refused.status, 400, "{}", refused.text);
                assert!(
                    refused.text.contains("The total that the page showed is missing"),
                    "{}",
                    refused.text
                );
            }
        }
        assert_eq!(app.count("transfer WHERE kind = 'FUND'"), 0);
    }
    assert_eq!(of_link().send(&app).status, 303);
    assert_eq!(app.count("transfer WHERE kind = 'FUND'"), 1);
}

#[test]
fn a_story_takes_no_other_total_than_it_has_shown() {
    let app = spawn_app();
    let place = stories::next(&app, &stories::start(&app, "buyer-who-vanishes"));
    let old = stories::page(&app, &place);
    let token = app.column("SELECT payment_token FROM escrow").remove(0);
    let seller = app.column("SELECT seller_id FROM escrow").remove(0);
    app.edit_escrow(&seller, &token, &standard_terms()).ok();
    let refused = stories::send(&app, &place, &old);
    assert_tells_the_new_price(&refused, "91,800.00", "1,234.56");
    assert_eq!(app.count("transfer WHERE kind = 'FUND'"), 0);
}
