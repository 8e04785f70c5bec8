//! Tests that a form acts only for the visitor whose page showed it.

use serde_json::json;

use crate::console::{Form, page, place_after, upload_after, upload_with};
use crate::desk::{ADA, BEN, CLEO, STALL_KEY, spawn_desk, spawn_desk_of_two};
use crate::helpers::{Answer, LIVE_KEY, TestApp, spawn_app};
use crate::live_console::Browser;

/// Asserts that a form was refused since its visitor is another one now.
#[track_caller]
fn assert_is_of_another(answer: &Answer) {
    assert_eq!(answer.status, 409, "{}", answer.text);
    for words in ["This browser has another login now", "Nothing was changed."] {
        assert!(answer.text.contains(words), "{}", answer.text);
    }
}

/// Sends what a page of one visitor showed as another one, and asserts that nothing changes.
#[track_caller]
fn refuses(app: &TestApp, send: impl FnOnce() -> Answer) {
    let before = app.dump();
    assert_is_of_another(&send());
    assert_eq!(app.dump(), before);
}

#[test]
fn a_form_of_one_merchant_does_not_act_for_another() {
    let app = spawn_desk_of_two();
    let shop = Browser::logged_in(&app, LIVE_KEY);
    let typed = [
        ("s:firstname", "Tunde"),
        ("s:lastname", "Ojo"),
        ("s:email", "tunde@x.example"),
        ("s:phone", "08030000001"),
    ];
    let form = Form::of(&shop.page("/console/customers"), "Register");
    let form = typed
        .into_iter()
        .fold(form, |form, (name, value)| form.with(name, value));
    // In another tab of the browser.
    let stall = Browser::logged_in(&app, STALL_KEY);
    refuses(&app, || stall.send(&form));
    let again = Browser::logged_in(&app, LIVE_KEY);
    again.done(&form);
    assert_eq!(app.column("SELECT merchant_id FROM customer"), ["1"]);
}

#[test]
fn a_form_of_one_operator_does_not_act_for_another() {
    let app = spawn_desk();
    let tunde = app.live_customer("Tunde", "08030000002");
    app.receive(&tunde, "in-1", 6_000);
    let approve = Form::of(&Browser::logged_in(&app, ADA).page("/console/desk/deposits"), "Approve");
    for key in [BEN, CLEO] {
        let other = Browser::logged_in(&app, key);
        refuses(&app, || other.send(&approve));
    }
    Browser::logged_in(&app, ADA).done(&approve);
}

#[test]
fn a_form_of_a_sandbox_key_does_not_act_without_the_key() {
    let app = spawn_app();
    let keyed = Browser::logged_in(&app, "sk_test_k1");
    let clock = Form::of(&keyed.page("/console/clock"), "One day later");
    // The key's merchant does not exist yet; the first form makes it.
    keyed.done(&clock);
    let offer = Form::of(&keyed.page("/console/offer"), "Offer");
    refuses(&app, || offer.send(&app));
    let other = Browser::logged_in(&app, "sk_test_k2");
    refuses(&app, || other.send(&offer));
    let of_nobody = Form::of(&page(&app, "/console/clock"), "One day later");
    refuses(&app, || keyed.send(&of_nobody));
    // A reset makes another merchant for the same key.
    let clock = Form::of(&keyed.page("/console/clock"), "One day later");
    app.reset("sk_test_k1").ok();
    keyed.done(&clock);
}

#[test]
fn no_kind_of_form_acts_for_another_visitor() {
    let app = spawn_app();
    let keyed = Browser::logged_in(&app, "sk_test_k1");
    let example = Form::of(&keyed.page("/"), "Make an example deal");
    refuses(&app, || example.send_to(&app, "/console/example", &[]));
    let start = Form::of(&keyed.page("/demo/happy-deal"), "Start");
    refuses(&app, || start.send_to(&app, "/demo/happy-deal", &[]));
    let step = place_after(&keyed.send_to(&start, "/demo/happy-deal"));
    let step = step.split('#').next().unwrap();
    let next = Form::of(&keyed.page(step), "Next");
    refuses(&app, || next.send_to(&app, step, &[]));

    let terms = json!({
        "amount": 3000, "purpose": "Tea", "whoPays": "buyer", "maxDelivery": 2, "deliveryTimeline": "days",
    });
    let offer = app
        .json_with_key("sk_test_k1", "POST", "/v1/escrow/create", "ada", &terms)
        .ok();
    let payment = json!({"escrowDetails": {"paymentToken": offer.text("paymentToken")}});
    let paid = app.json_with_key("sk_test_k1", "POST", "/v1/payment/escrow", "ben", &payment);
    paid.ok();
    let deal = keyed.page(&format!("/console/deals/{}", offer.text("id")));
    let dispute = upload_after(&deal, "Dispute as ben, the buyer");
    let parts = [("message", None, &b"It is late"[..])];
    refuses(&app, || upload_with(&app, &dispute, &parts, &[]));
    keyed.uploaded(&deal, "Dispute as ben, the buyer", &parts);
}
