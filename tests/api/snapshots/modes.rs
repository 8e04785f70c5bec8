//! Live mode and strict rules, where they answer differently.

use escrowd::domain::address_range::AddressRange;
use escrowd::domain::customers::country::Country;
use escrowd::domain::money::Amount;
use serde_json::{Value, json};

use super::assert_snapshot;
use crate::helpers::{
    Answer, Deal, LIVE_KEY, TestApp, go_live, new_customer, spawn_recorded_app, standard_terms, two_milestones,
};

/// The only merchant of a live service.
struct Shop<'a>(&'a TestApp);

impl Shop<'_> {
    fn ask(&self, method: &str, path: &str, customer: &str, body: &Value) -> Answer {
        self.0.json_with_key(LIVE_KEY, method, path, customer, body)
    }
}

#[test]
fn live_mode_is_answered_word_for_word() {
    let app = spawn_recorded_app(|config| {
        go_live(config);
        config.merchant[0].commission_bps = Some(50);
    });
    let shop = Shop(&app);
    let nothing = Value::Null;
    app.note("Customers");
    let ada = shop
        .ask("POST", "/v1/customer/create", "", &new_customer())
        .text("customerId");
    let other = json!({ "firstname": "Ben", "lastname": "Obi", "email": "ben@shop.example", "phone": "08087654321" });
    let ben = app.unrecorded(|_| {
        shop.ask("POST", "/v1/customer/create", "", &other)
            .ok()
            .text("customerId")
    });
    shop.ask("GET", "/v1/customers", "", &nothing);
    shop.ask("GET", &format!("/v1/customer/get/{ada}"), "", &nothing);
    shop.ask(
        "PUT",
        &format!("/v1/customer/update/{ada}"),
        "",
        &json!({ "lastname": "Eze" }),
    );
    shop.ask(
        "PUT",
        &format!("/v1/customer/permissions/{ada}"),
        "",
        &json!({ "canBuy": true }),
    );
    shop.ask("PUT", &format!("/v1/customer/block/{ada}"), "", &nothing);
    shop.ask("PUT", &format!("/v1/customer/unblock/{ada}"), "", &nothing);
    shop.ask("GET", "/v1/countries", "", &nothing);
    shop.ask("GET", "/v1/wallet", &ada, &nothing);
    shop.ask("GET", "/v1/wallet", "nobody", &nothing);
    let milestones = show_offers(&shop, &ada);
    show_payments(&shop, &ben, &milestones);
    show_the_rest(&shop, &ada, &ben, &milestones);
    assert_snapshot("live_mode", &[&app]);
}

/// Records escrows of Ada's. Returns the one with milestones.
fn show_offers(shop: &Shop<'_>, ada: &str) -> Deal {
    let nothing = Value::Null;
    shop.0.note("Escrows");
    let milestones = Deal::of(&shop.ask("POST", "/v1/escrow/milestone/create", ada, &two_milestones()));
    shop.ask(
        "PUT",
        &format!("/v1/escrow/milestone/edit/{}", milestones.token),
        ada,
        &two_milestones(),
    );
    shop.ask(
        "GET",
        &format!("/v1/escrow/milestone/{}", milestones.token),
        "",
        &nothing,
    );
    let deal = Deal::of(&shop.ask("POST", "/v1/escrow/create", ada, &standard_terms()));
    shop.ask(
        "PUT",
        &format!("/v1/escrow/edit/{}", deal.token),
        ada,
        &standard_terms(),
    );
    shop.ask(
        "PUT",
        &format!("/v1/escrow/additional-fee/{}", deal.token),
        "",
        &json!({ "additionalFee": 75 }),
    );
    shop.ask("GET", &format!("/v1/escrow/verify/{}", deal.token), "", &nothing);
    shop.ask("GET", "/v1/escrow/transactions?type=sales", ada, &nothing);
    shop.ask("GET", &format!("/v1/escrow/claim-funds/{}", deal.token), ada, &nothing);
    shop.ask("POST", &format!("/v1/escrow/refund/{}", deal.token), ada, &nothing);
    shop.ask(
        "PUT",
        &format!("/v1/escrow/milestone/convert/{}", deal.token),
        ada,
        &two_milestones(),
    );
    shop.ask("DELETE", &format!("/v1/escrow/delete/{}", deal.token), ada, &nothing);
    milestones
}

fn show_payments(shop: &Shop<'_>, ben: &str, milestones: &Deal) {
    let nothing = Value::Null;
    shop.0.note("Payments, which have no processor");
    let id = &milestones.id;
    shop.ask(
        "POST",
        "/v1/payment/escrow",
        ben,
        &json!({ "escrowDetails": { "escrowId": id } }),
    );
    let by_card =
        json!({ "gateway": "card", "cardId": "0123456789abcdef01234567", "escrowDetails": { "escrowId": id } });
    shop.ask("POST", "/v1/payment/escrow", ben, &by_card);
    shop.ask("POST", "/v1/payment/topup", ben, &json!({ "amount": 1000 }));
    shop.ask(
        "POST",
        "/v1/payment/create-intent",
        ben,
        &json!({ "amount": 1000, "reference": "d-1", "transactionType": "deposit" }),
    );
    shop.ask("POST", "/v1/payment/verify", ben, &json!({ "reference": "d-1" }));
    shop.ask("GET", "/v1/payment/history", ben, &nothing);
    shop.ask("GET", "/v1/payment/bank-list", "", &nothing);
    shop.ask(
        "POST",
        "/v1/payment/verify-account",
        ben,
        &json!({ "accountNumber": "0123456789", "bankCode": "058" }),
    );
    shop.ask("GET", "/v1/payment/verify-phone/08012345678", "", &nothing);
    shop.ask("GET", "/v1/payment/deposit/wallet", "", &nothing);
    shop.ask("POST", "/v1/payment/virtual-account", ben, &nothing);
    shop.ask("GET", "/v1/merchant/balance", "", &nothing);
    shop.ask("GET", "/v1/merchant/transactions", "", &nothing);
    shop.ask(
        "POST",
        &format!("/v1/escrow/milestone/confirm/{id}/{}", milestones.milestones[0]),
        ben,
        &nothing,
    );
    shop.ask("POST", &format!("/v1/escrow/confirm-payment/{id}"), ben, &nothing);
}

fn show_the_rest(shop: &Shop<'_>, ada: &str, ben: &str, milestones: &Deal) {
    let nothing = Value::Null;
    let id = &milestones.id;
    shop.0.note("Disputes, vaults, cards and addresses");
    shop.ask(
        "POST",
        &format!("/v1/escrow/submit-dispute/{}", milestones.token),
        ben,
        &json!({ "message": "It leaks" }),
    );
    shop.ask("GET", "/v1/escrow/dispute/get", ben, &nothing);
    shop.ask("GET", &format!("/v1/escrow/dispute/get/{id}"), ben, &nothing);
    shop.ask("GET", "/v1/escrow/all-dispute", "", &nothing);
    shop.ask("GET", "/v1/escrow/feeds", "", &nothing);
    shop.ask(
        "POST",
        &format!("/v1/escrow/dispute/resolve/{id}"),
        "",
        &json!({ "resolution": "No", "status": "REFUNDED" }),
    );
    let stakes = json!([{ "customerId": ada, "amount": 600 }, { "customerId": ben, "amount": 400 }]);
    shop.ask(
        "POST",
        "/v1/escrow/vault/create",
        "",
        &json!({ "purpose": "A race", "participants": stakes }),
    );
    shop.ask(
        "POST",
        &format!("/v1/escrow/vault/winner/{}", milestones.token),
        "",
        &json!({ "winnerId": ada }),
    );
    shop.ask(
        "POST",
        &format!("/v1/escrow/vault/cancel/{}", milestones.token),
        "",
        &nothing,
    );
    shop.ask("GET", &format!("/v1/escrow/vault/{}", milestones.token), "", &nothing);
    shop.ask("GET", "/v1/cards", ben, &nothing);
    shop.ask("DELETE", "/v1/card/0123456789abcdef01234567", ben, &nothing);
    shop.ask("GET", "/v1/whitelist-address", ben, &nothing);
    let address = json!({ "walletAddress": "0x0123456789abcdefABCDEF0123456789abcdef01", "network": "BSC" });
    shop.ask("POST", "/v1/whitelist-address", ben, &address);
    shop.ask(
        "DELETE",
        "/v1/whitelist-address/0123456789abcdef01234567",
        ben,
        &nothing,
    );
    shop.0.note("Categories");
    let category = shop
        .ask("POST", "/v1/escrow/category/create", ada, &json!({ "name": "Boats" }))
        .text("id");
    shop.ask(
        "PUT",
        &format!("/v1/escrow/category/edit/{category}"),
        ada,
        &json!({ "name": "Ships" }),
    );
    shop.ask("GET", "/v1/escrow/category/get", ada, &nothing);
    shop.ask("GET", &format!("/v1/escrow/category/get/{category}"), ada, &nothing);
    shop.ask(
        "PUT",
        &format!("/v1/escrow/category/position/{category}"),
        ada,
        &json!({ "newPosition": 1 }),
    );
    shop.ask(
        "DELETE",
        &format!("/v1/escrow/category/delete/{category}"),
        ada,
        &nothing,
    );
    shop.0.note("Routes outside the contract");
    shop.0.as_merchant("GET", "/healthz", None);
    shop.0.as_merchant("GET", "/files/none.png", None);
    shop.0.as_merchant("GET", "/sandbox/clock", None);
}

#[test]
fn merchants_of_live_mode_differ_word_for_word() {
    let app = spawn_recorded_app(|config| {
        go_live(config);
        let mut other = config.merchant[0].clone();
        other.name = "other";
        other.key = "sk_live_other";
        other.is_business = false;
        other.allowed_addresses = Vec::new();
        let mut far = other.clone();
        far.name = "far";
        far.key = "sk_live_far";
        far.allowed_addresses = vec![AddressRange::parse("192.0.2.7").unwrap()];
        config.merchant.extend([other, far]);
    });
    app.note("A merchant that is not a business account");
    app.json_with_key("sk_live_other", "POST", "/v1/escrow/create", "", &standard_terms());
    app.note("A merchant that lists other addresses");
    app.json_with_key("sk_live_far", "GET", "/v1/countries", "", &Value::Null);
    app.note("Another merchant's customer");
    let ada = app
        .json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &new_customer())
        .text("customerId");
    app.json_with_key("sk_live_other", "GET", "/v1/wallet", &ada, &Value::Null);
    app.json_with_key(
        "sk_live_other",
        "GET",
        &format!("/v1/customer/get/{ada}"),
        "",
        &Value::Null,
    );
    assert_snapshot("live_merchants", &[&app]);
}

#[test]
fn strict_rules_are_answered_word_for_word() {
    let app = spawn_recorded_app(|config| {
        config.strict = true;
        config.limits.requests_per_minute = 1_000_000;
    });
    let new = |name: &str, phone: &str| {
        let body =
            json!({ "firstname": name, "lastname": "Obi", "email": format!("{name}@shop.example"), "phone": phone });
        app.unrecorded(|app| app.create_customer(&body).ok().text("customerId"))
    };
    let (ada, ben) = (new("ada", "08012345678"), new("ben", "08087654321"));
    app.note("Customers must exist, and top up once a day");
    app.wallet("newcomer");
    app.top_up(&ben, 999);
    app.top_up(&ben, 100_000.01);
    app.top_up(&ben, 100_000);
    app.top_up(&ben, 1000);
    app.note("Terms");
    app.create_milestone_escrow(&ada, &two_milestones());
    let mut offer = json!({
        "amount": 1000, "purpose": "Shop fit-out", "whoPays": "buyer", "maxDelivery": 30, "deliveryTimeline": "days",
        "milestones": [{ "title": "Frame", "amount": 0.99 }, { "title": "Finish", "amount": 999.01 }],
    });
    app.create_milestone_escrow(&ada, &offer);
    offer["milestones"] = json!([{ "title": "Frame", "amount": 333.33 }, { "title": "Finish", "amount": 666.67 }]);
    offer["amount"] = json!(999.99);
    app.create_milestone_escrow(&ada, &offer);
    offer["amount"] = json!(1000);
    let deal = Deal::of(&app.create_milestone_escrow(&ada, &offer));
    let mut small = standard_terms();
    small["amount"] = json!(999);
    app.create_escrow(&ada, &small);
    app.note("Payments");
    let mut payment = json!({ "escrowDetails": { "escrowId": deal.id } });
    app.pay(&ben, &payment);
    payment["amount"] = json!(999);
    app.pay(&ben, &payment);
    payment["amount"] = json!(1020);
    app.pay(&ben, &payment);
    payment["reference"] = json!("order-1");
    app.pay(&ben, &payment);
    payment["gateway"] = json!("wallet");
    app.pay(&ben, &payment);
    app.create_intent(&ben, &json!({ "amount": 1000, "transactionType": "deposit" }));
    app.note("A vault with an unknown customer");
    let stakes = json!([{ "customerId": ada, "amount": 600 }, { "customerId": "nobody", "amount": 400 }]);
    app.as_merchant(
        "POST",
        "/v1/escrow/vault/create",
        Some(&json!({ "purpose": "A race", "participants": stakes })),
    );
    app.note("Milestones are confirmed in order");
    app.confirm_milestone(&ben, &deal.id, &deal.milestones[1]);
    app.confirm_milestone(&ben, &deal.id, &deal.milestones[0]);
    app.note("The ways out of a hold are those of the contract");
    app.pass_seconds(500 * 86_400);
    app.refund(&ada, &deal.token);
    app.disputes(&ada, &deal);
    app.resolves(&deal, &json!({ "status": "REFUNDED" }));
    assert_snapshot("strict_rules", &[&app]);
}

#[test]
fn settings_of_the_sandbox_are_answered_word_for_word() {
    let plain = spawn_recorded_app(|config| {
        config.sandbox.is_business = false;
        config.sandbox.cards = false;
        config.sandbox.requests_kept = 0;
        config.sandbox.opening_balance_minor = Amount::MAX;
        config.country = Country::GHANA;
    });
    plain.note("No business accounts, no cards, no request log, and merchants in Ghana");
    plain.as_merchant("POST", "/v1/escrow/create", Some(&standard_terms()));
    plain.save_card("ada", "4242424242424242");
    plain.of_party("GET", "/v1/cards", "ada");
    plain.as_merchant("GET", "/sandbox/requests", None);
    plain.as_merchant("GET", "/sandbox/requests/none", None);
    plain.create_customer(&new_customer());
    plain.note("The largest sum that can be counted");
    plain.wallet("ada");
    plain.wallet("ben");
    plain.top_up("ada", 1000);
    let elsewhere = spawn_recorded_app(|config| {
        config.currency = "USD".to_owned();
        config.public_url = Some("https://escrow.example".to_owned());
    });
    elsewhere.note("Another currency and a public address");
    elsewhere.wallet("ada");
    elsewhere.form(
        "POST",
        "/v1/escrow/create",
        "ada",
        &[
            ("amount", None, b"1234.56"),
            ("purpose", None, b"A bicycle"),
            ("whoPays", None, b"seller"),
            ("maxDelivery", None, b"3"),
            ("deliveryTimeline", None, b"days"),
            ("imageUrl", Some("front.png"), b"\x89PNG\r\n\x1a\n a drawing"),
        ],
    );
    assert_snapshot("settings", &[&plain, &elsewhere]);
}
