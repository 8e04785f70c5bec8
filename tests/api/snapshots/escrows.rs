//! Milestone escrows, standard escrows, vaults, disputes and categories.

use serde_json::{Value, json};

use super::assert_snapshot;
use crate::helpers::{Answer, Deal, TestApp, spawn_recorded_app, standard_terms, two_milestones};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a drawing";
const DAY: i64 = 86_400;

/// Spawns a service whose merchants take 1 percent in addition to the platform's 2.
pub(super) fn app_with_commission() -> TestApp {
    spawn_recorded_app(|config| config.fees.commission_bps = 100)
}

impl TestApp {
    pub(super) fn note(&self, note: &str) {
        self.transcript().note(note);
    }

    /// Disputes this escrow, or replies to the other party's dispute.
    pub(super) fn disputes(&self, who: &str, deal: &Deal) -> Answer {
        let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
        self.json("POST", &path, who, &json!({ "message": "It is broken" }))
    }

    /// Resolves a dispute as the merchant.
    pub(super) fn resolves(&self, deal: &Deal, ruling: &Value) -> Answer {
        let mut body = json!({ "resolution": "We have looked at it" });
        body.as_object_mut()
            .unwrap()
            .extend(ruling.as_object().unwrap().clone());
        self.as_merchant("POST", &format!("/v1/escrow/dispute/resolve/{}", deal.id), Some(&body))
    }

    /// Creates a standard escrow of Ada's, with these terms in place of the usual ones.
    pub(crate) fn standard_with(&self, more: &Value) -> Deal {
        let mut terms = standard_terms();
        terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Deal::of(&self.create_escrow("ada", &terms).ok())
    }

    pub(super) fn of_party(&self, method: &str, path: &str, party: &str) -> Answer {
        self.send(method, path, &[("customer-id", party)], None)
    }
}

#[test]
fn milestone_escrows_are_answered_word_for_word() {
    let app = app_with_commission();
    app.note("Created with every field, then read by the seller, the buyer and the merchant");
    let category = app.category_of("ada");
    let deal = Deal::of(&app.create_milestone_escrow(
        "ada",
        &json!({
            "amount": 10000, "purpose": "Shop fit-out", "description": "All of it", "whoPays": "buyer",
            "maxDelivery": 30, "deliveryTimeline": "hours", "totalQuantity": 1, "categoryId": category,
            "milestones": [
                { "title": "Frame", "description": "Of steel", "amount": 4000, "dueDate": "2031-12-01" },
                { "title": "Finish", "amount": 6000, "customerId": "cleo" },
            ],
        }),
    ));
    app.verify(&deal.token);
    app.milestones(&deal.token);
    for party in ["ada", "ben"] {
        app.of_party("GET", &format!("/v1/escrow/verify/{}", deal.token), party);
    }
    app.note("Edited, which replaces the milestones");
    let edited = app.edit_milestone_escrow("ada", &deal.token, &json!({
        "amount": 9000, "purpose": "Shop fit-out", "whoPays": "buyer",
        "milestones": [{ "title": "Frame", "amount": 4000 }, { "title": "Finish", "amount": 5000, "customerId": "cleo" }],
    }));
    let deal = Deal::of(&edited);
    app.note("Paid for and released one by one");
    app.pay_for("ben", &deal);
    app.confirm_milestone("ben", &deal.id, &deal.milestones[1]);
    app.milestones(&deal.token);
    app.confirm_milestone("ben", &deal.id, &deal.milestones[1]);
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]);
    app.of_party("GET", &format!("/v1/escrow/verify/{}", deal.token), "ben");
    app.wallet("cleo");
    app.note("A standard escrow becomes one with milestones");
    let standard = app.standard_with(&json!({}));
    app.convert("ada", &standard.token, &two_milestones());
    app.convert("ada", &standard.token, &two_milestones());
    app.note("Created with required fields only");
    app.create_milestone_escrow("ben", &two_milestones());
    app.note("Terms that contradict each other");
    let mut wrong = two_milestones();
    wrong["amount"] = json!(10001);
    app.create_milestone_escrow("ada", &wrong);
    wrong["milestones"] = json!([{ "title": "Frame", "amount": 10001 }]);
    app.create_milestone_escrow("ada", &wrong);
    let merchant = [("content-type", "application/json")];
    app.send(
        "POST",
        "/v1/escrow/milestone/create",
        &merchant,
        Some(two_milestones().to_string().as_bytes()),
    );
    assert_snapshot("milestone_escrows", &[&app]);
}

#[test]
fn standard_escrows_are_answered_word_for_word() {
    let app = app_with_commission();
    app.note("Created with every field and two pictures, as a form");
    let category = app.category_of("ada");
    let created = app.form(
        "POST",
        "/v1/escrow/create",
        "ada",
        &[
            ("amount", None, b"1234.56"),
            ("purpose", None, b"A bicycle"),
            ("description", None, "R\u{e9}d, \"fast\"".as_bytes()),
            ("whoPays", None, b"both"),
            ("maxDelivery", None, b"3"),
            ("deliveryTimeline", None, b"days"),
            ("totalQuantity", None, b"1"),
            ("categoryId", None, category.as_bytes()),
            ("imageUrl", Some("front.png"), PNG),
            ("imageUrl", Some("back.png"), PNG),
        ],
    );
    let deal = Deal::of(&created);
    app.verify(&deal.token);
    app.note("Edited, and a fee added");
    app.edit_escrow(
        "ada",
        &deal.token,
        &json!({
            "amount": 2000, "purpose": "A bicycle", "whoPays": "both", "maxDelivery": 5, "deliveryTimeline": "hours",
        }),
    );
    app.edit_escrow("ada", &deal.token, &json!({
        "amount": 1000.5, "purpose": "A bicycle", "whoPays": "buyer", "maxDelivery": 5, "deliveryTimeline": "minutes",
        "description": null, "categoryId": null, "totalQuantity": 1,
    }));
    let fee = json!({ "additionalFee": 75.25, "additionalFeeRefundable": false });
    app.set_additional_fee(&deal.token, &fee);
    app.set_additional_fee(&deal.token, &json!({ "additionalFee": -1 }));
    app.note("Paid for and confirmed");
    app.pay_for("ben", &deal);
    app.of_party("GET", &format!("/v1/escrow/verify/{}", deal.token), "ben");
    app.confirm_payment("ben", &deal.id);
    app.confirm_payment("ben", &deal.id);
    app.note("Paid for and claimed");
    let claimed = app.standard_with(&json!({}));
    app.unrecorded(|app| app.pay_for("ben", &claimed).ok());
    app.claim("ada", &claimed.token);
    app.pass_seconds(4 * DAY);
    app.claim("ada", &claimed.token);
    app.claim("ada", &claimed.token);
    app.note("Offered and deleted");
    let deleted = app.standard_with(&json!({}));
    app.delete_escrow("ada", &deleted.token);
    app.delete_escrow("ada", &deleted.token);
    app.note("Sold by the merchant itself");
    let own = Deal::of(&app.as_merchant("POST", "/v1/escrow/create", Some(&standard_terms())));
    app.verify(&own.token);
    app.delete_escrow("ada", &own.token);
    app.delete_escrow("", &own.token);
    app.note("A payment link with several buyers");
    let link = app.standard_with(&json!({ "totalQuantity": 2 }));
    app.pay_for("ben", &link);
    app.pay_for("cleo", &link);
    app.pay_for("dan", &link);
    app.verify(&link.token);
    app.note("Lists of a party's escrows");
    for query in [
        "type=sales",
        "type=sales&limit=2&page=2",
        "type=buy&status=ONGOING",
        "type=buy&page=9",
        "",
    ] {
        app.escrows("ada", query);
    }
    app.escrows("", "type=sales");
    app.escrows("ben", "type=buy&limit=1");
    assert_snapshot("standard_escrows", &[&app]);
}

#[test]
fn disputes_are_answered_word_for_word() {
    let app = app_with_commission();
    app.unrecorded(|app| {
        let names = json!({ "firstname": "Ada", "lastname": "Obi", "email": "ada@shop.example" });
        app.wallet("ada").ok();
        app.update_customer("ada", &names).ok();
    });
    let funded = || {
        app.unrecorded(|app| {
            let deal = app.standard_with(&json!({ "amount": 10000 }));
            app.set_additional_fee(&deal.token, &json!({ "additionalFee": 50 }))
                .ok();
            app.pay_for("ben", &deal).ok();
            deal
        })
    };
    app.note("Disputed with evidence, answered, and read by both parties");
    let deal = funded();
    app.disputes("dan", &deal);
    app.form(
        "POST",
        &format!("/v1/escrow/submit-dispute/{}", deal.token),
        "ben",
        &[
            ("message", None, b"It is broken"),
            ("file", Some("proof.pdf"), b"%PDF-1.7 a paper"),
        ],
    );
    app.disputes("ben", &deal);
    app.confirm_payment("ben", &deal.id);
    app.disputes("ada", &deal);
    app.disputes("ada", &deal);
    app.of_party("GET", "/v1/escrow/dispute/get", "ben");
    app.of_party("GET", &format!("/v1/escrow/dispute/get/{}", deal.id), "ada");
    app.of_party("GET", &format!("/v1/escrow/dispute/get/{}", deal.id), "dan");
    app.as_merchant("GET", "/v1/escrow/all-dispute?limit=1", None);
    app.note("Resolved for the buyer, with a file");
    app.form(
        "POST",
        &format!("/v1/escrow/dispute/resolve/{}", deal.id),
        "",
        &[
            ("resolution", None, b"It was sent back"),
            ("status", None, b"REFUNDED"),
            ("additionalFeeRefundable", None, b"false"),
            ("file", Some("ruling.png"), PNG),
        ],
    );
    app.of_party("GET", &format!("/v1/escrow/dispute/get/{}", deal.id), "ben");
    app.note("Resolved for the seller");
    let deal = funded();
    app.resolves(&deal, &json!({ "status": "COMPLETED" }));
    app.unrecorded(|app| app.disputes("ben", &deal).ok());
    app.resolves(&deal, &json!({ "status": "COMPLETED" }));
    app.resolves(&deal, &json!({ "status": "COMPLETED" }));
    app.note("A split");
    let deal = funded();
    app.unrecorded(|app| app.disputes("ben", &deal).ok());
    app.resolves(&deal, &json!({ "status": "SPLIT" }));
    app.resolves(
        &deal,
        &json!({ "status": "SPLIT", "sellerAmount": 1, "buyerAmount": 2.5 }),
    );
    app.resolves(&deal, &json!({ "status": "REFUNDED", "sellerAmount": 1 }));
    app.resolves(
        &deal,
        &json!({ "status": "REFUNDED", "additionalFeeRefundable": "perhaps" }),
    );
    app.resolves(
        &deal,
        &json!({ "status": "SPLIT", "sellerAmount": 7000.5, "buyerAmount": 2999.5 }),
    );
    app.note("A split of a partly released milestone escrow");
    let deal = app.unrecorded(TestApp::funded);
    app.unrecorded(|app| {
        app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
        app.disputes("ben", &deal).ok()
    });
    app.resolves(
        &deal,
        &json!({ "status": "SPLIT", "sellerAmount": 5000, "buyerAmount": 1000 }),
    );
    app.milestones(&deal.token);
    app.note("Every milestone is released");
    let deal = app.unrecorded(TestApp::funded);
    app.unrecorded(|app| {
        for milestone in &deal.milestones {
            app.confirm_milestone("ben", &deal.id, milestone).ok();
        }
    });
    app.disputes("ben", &deal);
    app.note("The merchant's feed");
    app.as_merchant("GET", "/v1/escrow/feeds?limit=3", None);
    app.as_merchant(
        "GET",
        "/v1/escrow/feeds?status=SPLIT&customerId=ben&fromDate=2031-03-04&toDate=2031-03-05",
        None,
    );
    show_added_exits(&app, &funded());
    assert_snapshot("disputes", &[&app]);
}

/// Records the ways out of a hold that the contract does not have. Ben has paid for the deal.
fn show_added_exits(app: &TestApp, deal: &Deal) {
    app.note("Opened by the seller, answered by the buyer, and given back by the seller");
    app.disputes("ada", deal);
    app.disputes("ada", deal);
    app.disputes("ben", deal);
    app.refund("ben", &deal.token);
    app.refund("ada", &deal.token);
    app.refund("ada", &deal.token);
    app.note("Given back without a dispute, after a part was released");
    let deal = app.unrecorded(TestApp::funded);
    app.unrecorded(|app| app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok());
    app.refund("ada", &deal.token);
    app.note("Resolved without a dispute, once the parties' time has passed");
    let deal = app.unrecorded(TestApp::funded);
    app.resolves(&deal, &json!({ "status": "COMPLETED" }));
    app.unrecorded(|app| app.pass_seconds(31 * 86_400));
    app.resolves(&deal, &json!({ "status": "COMPLETED" }));
    app.of_party("GET", &format!("/v1/escrow/dispute/get/{}", deal.id), "ben");
}

#[test]
fn vaults_are_answered_word_for_word() {
    let app = app_with_commission();
    let stakes = |one: &str, first: Value, other: &str, second: Value| {
        json!({
            "purpose": "A race", "description": "Of two",
            "participants": [{ "customerId": one, "amount": first }, { "customerId": other, "amount": second }],
        })
    };
    let create = |body: &Value| app.as_merchant("POST", "/v1/escrow/vault/create", Some(body));
    app.unrecorded(|app| {
        for customer in ["ada", "ben", "dan"] {
            app.wallet(customer).ok();
        }
        app.block("dan").ok();
    });
    app.note("Opened, read and won");
    let token = create(&stakes("ada", json!(600.5), "ben", json!(400))).text("paymentToken");
    let winner = format!("/v1/escrow/vault/winner/{token}");
    app.as_merchant("GET", &format!("/v1/escrow/vault/{token}"), None);
    app.verify(&token);
    app.wallet("ada");
    app.as_merchant("POST", &winner, Some(&json!({ "winnerId": "dan" })));
    app.as_merchant("POST", &winner, Some(&json!({ "winnerId": "ben" })));
    app.as_merchant("POST", &winner, Some(&json!({ "winnerId": "ben" })));
    app.note("Opened and cancelled");
    let token = create(&stakes("ada", json!(600), "ben", json!(400))).text("paymentToken");
    app.as_merchant("POST", &format!("/v1/escrow/vault/cancel/{token}"), None);
    app.as_merchant("POST", &format!("/v1/escrow/vault/cancel/{token}"), None);
    app.note("Vaults cannot be disputed or split");
    let open = create(&stakes("ada", json!(600), "ben", json!(400)));
    let deal = Deal {
        id: open.text("id"),
        token: open.text("paymentToken"),
        milestones: Vec::new(),
    };
    app.disputes("ada", &deal);
    app.resolves(
        &deal,
        &json!({ "status": "SPLIT", "sellerAmount": 1, "buyerAmount": 2 }),
    );
    app.resolves(&deal, &json!({ "status": "REFUNDED" }));
    app.note("Invalid stakes");
    create(&stakes("ada", json!(600), "ada", json!(400)));
    create(&stakes("ada", json!(600), "ben", json!(399.99)));
    create(&stakes("ada", json!(600), "eve", json!(400)));
    create(&stakes("ada", json!(600), "dan", json!(400)));
    create(&stakes("ada", json!(600), "ben", json!(90_000_000)));
    create(&json!({ "purpose": "A race", "participants": [{ "customerId": "ada", "amount": 1000 }] }));
    assert_snapshot("vaults", &[&app]);
}

#[test]
fn categories_are_answered_word_for_word() {
    let app = spawn_recorded_app(|config| config.limits.categories_max = 3);
    let create = |name: &str| {
        let body = json!({ "name": name, "description": "For sale" });
        app.json("POST", "/v1/escrow/category/create", "ada", &body)
    };
    app.note("Created by Ada up to the limit, and by the merchant");
    create("Bicycles");
    create("Boats");
    let pictured = app.form(
        "POST",
        "/v1/escrow/category/create",
        "ada",
        &[
            ("name", None, b"Cars"),
            ("category_position", None, b"1"),
            ("imageUrl", Some("car.png"), PNG),
        ],
    );
    create("Trains");
    app.as_merchant("POST", "/v1/escrow/category/create", Some(&json!({ "name": "Tools" })));
    app.of_party("GET", "/v1/escrow/category/get", "ada");
    app.of_party("GET", "/v1/escrow/category/get?limit=2&page=2", "ada");
    app.as_merchant("GET", "/v1/escrow/category/get", None);
    app.note("Read, edited, moved and deleted");
    let id = pictured.text("id");
    app.of_party("GET", &format!("/v1/escrow/category/get/{id}"), "ada");
    let edit = json!({ "name": "Old cars", "description": null, "category_position": 2 });
    app.json("PUT", &format!("/v1/escrow/category/edit/{id}"), "ada", &edit);
    app.json(
        "PUT",
        &format!("/v1/escrow/category/position/{id}"),
        "ada",
        &json!({ "newPosition": 3 }),
    );
    app.of_party("DELETE", &format!("/v1/escrow/category/delete/{id}"), "ada");
    app.of_party("GET", "/v1/escrow/category/get", "ada");
    assert_snapshot("categories", &[&app]);
}
