//! Creates the escrows, vaults and customers that the requests of the table refer to.

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, standard_terms};

/// Creates Ada's offer of a standard escrow.
pub(super) fn standard(app: &TestApp) -> Deal {
    Deal::of(&app.create_escrow("ada", &standard_terms()).ok())
}

/// Creates a standard escrow of Ada's that Ben has paid.
pub(super) fn paid(app: &TestApp) -> Deal {
    let deal = standard(app);
    app.pay_for("ben", &deal).ok();
    deal
}

/// Creates a standard escrow of Ada's that Ben has paid and confirmed.
pub(super) fn completed(app: &TestApp) -> Deal {
    let deal = paid(app);
    app.confirm_payment("ben", &deal.id).ok();
    deal
}

/// Creates a standard escrow of Ada's that Ben has paid and disputed.
pub(super) fn disputed(app: &TestApp) -> Deal {
    let deal = paid(app);
    let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
    app.json("POST", &path, "ben", &json!({ "message": "It is broken" }))
        .ok();
    deal
}

/// Creates an open vault with Ada and Ben as participants.
pub(super) fn vault(app: &TestApp) -> Answer {
    app.as_merchant("POST", "/v1/escrow/vault/create", Some(&stakes("ada", "ben")))
        .ok()
}

pub(super) fn stakes(one: &str, other: &str) -> Value {
    json!({
        "purpose": "A race",
        "participants": [{ "customerId": one, "amount": 600 }, { "customerId": other, "amount": 400 }],
    })
}

/// Creates a category of Ada's and returns its id.
pub(super) fn category(app: &TestApp) -> String {
    let body = json!({ "name": "Bicycles" });
    app.json("POST", "/v1/escrow/category/create", "ada", &body)
        .ok()
        .text("id")
}

/// Creates a customer with a profile.
pub(super) fn profiled(app: &TestApp) -> Answer {
    app.create_customer(&profile(app)).ok()
}

/// Returns a profile that differs from every customer's.
pub(super) fn profile(app: &TestApp) -> Value {
    let number = app.count("customer_profile");
    json!({
        "firstname": "Eve",
        "lastname": "Obi",
        "email": format!("eve{number}@shop.example"),
        "phone": format!("080{number:08}"),
    })
}

pub(super) fn card(app: &TestApp) -> String {
    app.save_card("ada", "4242424242424242").ok().text("id")
}

pub(super) fn address(app: &TestApp) -> Value {
    let number = app.count("whitelist_address");
    json!({ "walletAddress": format!("0x{number:040x}"), "network": "BSC" })
}
