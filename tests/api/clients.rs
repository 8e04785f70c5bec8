//! Tests the requests of real clients (contract section 10).

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app, spawn_app_with, standard_terms, two_milestones};

/// Returns terms of a standard escrow without a delivery window.
fn windowless() -> Value {
    json!({ "amount": 1500, "purpose": "A lamp", "whoPays": "buyer" })
}

fn with(mut object: Value, field: &str, value: impl Into<Value>) -> Value {
    object[field] = value.into();
    object
}

fn window(escrow: &Value) -> (&Value, &Value) {
    (&escrow["maxDelivery"], &escrow["deliveryTimeline"])
}

#[test]
fn a_standard_escrow_without_a_delivery_window_has_seven_days() {
    let app = spawn_app();
    let created = app.create_escrow("ada", &windowless()).ok();
    assert_eq!(window(created.data()), (&json!(7), &json!("days")));
    let hours = app.create_escrow("ada", &with(windowless(), "deliveryTimeline", "hours"));
    assert_eq!(window(hours.ok().data()), (&json!(7), &json!("hours")));
    let form: &[(&str, Option<&str>, &[u8])] = &[
        ("amount", None, b"1500"),
        ("purpose", None, b"A lamp"),
        ("whoPays", None, b"buyer"),
        ("maxDelivery", None, b""),
    ];
    let created = app.form("POST", "/v1/escrow/create", "ada", form).ok();
    assert_eq!(window(created.data()), (&json!(7), &json!("days")));
    let seed = json!({ "escrows": [{ "seller": "ada", "amount": 99 }] });
    let seeded = app.as_merchant("POST", "/sandbox/seed", Some(&seed)).ok();
    let token = seeded.data()["escrows"][0]["paymentToken"].as_str().unwrap();
    assert_eq!(window(app.verify(token).ok().data()), (&json!(7), &json!("days")));
    let milestones = app.create_milestone_escrow("ada", &two_milestones()).ok();
    assert_eq!(window(milestones.data()), (&json!(30), &json!("days")));

    let strict = spawn_app_with(|config| config.strict = true);
    let seed = json!({ "customers": [{ "id": "ada" }] });
    strict.as_merchant("POST", "/sandbox/seed", Some(&seed)).ok();
    strict.refuses(400, "maxDelivery is required", |app| {
        app.create_escrow("ada", &windowless())
    });
}

#[test]
fn an_edit_without_a_delivery_window_keeps_it() {
    let app = spawn_app();
    let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    let edited = app.edit_escrow("ada", &deal.token, &windowless()).ok();
    assert_eq!(window(edited.data()), (&json!(3), &json!("days")));
    let edited = app.edit_escrow("ada", &deal.token, &with(windowless(), "maxDelivery", 5));
    assert_eq!(window(edited.ok().data()), (&json!(5), &json!("days")));
}

#[test]
fn a_milestone_in_kobo_is_refused_with_the_setting_that_allows_it() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let expected = "a positive whole number (the setting strict = true allows two decimals)";
    let mut body = two_milestones();
    body["milestones"][0]["amount"] = json!(3999.5);
    body["milestones"][1]["amount"] = json!(6000.5);
    let message = format!("milestones[0].amount must be {expected}; got 3999.5");
    let refused = app.refuses(400, &message, |app| app.create_milestone_escrow("ada", &body));
    assert_eq!(refused.body["details"]["expected"], expected);
    body["milestones"][0]["amount"] = json!(0);
    let message = "milestones[0].amount must be a positive whole number; got 0";
    app.refuses(400, message, |app| app.create_milestone_escrow("ada", &body));
}

#[test]
fn an_escrow_is_paid_for_by_its_id_and_its_token_together() {
    let app = spawn_app();
    app.wallet("ben").ok();
    let (deal, other) = (app.offered(), app.offered());
    let pay = |app: &TestApp, ids: Value, token: &str| {
        let body = json!({ "reference": "both", "escrowDetails": { "escrowId": ids, "paymentToken": token } });
        app.pay("ben", &body)
    };
    let message = format!(
        "escrowDetails.paymentToken must be the token of the escrow that escrowDetails.escrowId names, {}; \
         got {:?} with escrowId {:?}",
        deal.token, other.token, deal.id
    );
    app.refuses(400, &message, |app| pay(app, json!(deal.id), &other.token));
    app.refuses(400, &message, |app| pay(app, json!([deal.id]), &other.token));
    let several = json!([deal.id, other.id]);
    let message = format!(
        "escrowDetails.paymentToken must be left out where escrowId names several escrows; got {:?}",
        deal.token
    );
    app.refuses(400, &message, |app| pay(app, several.clone(), &deal.token));
    app.refuses(400, "Escrow not found", |app| pay(app, json!("x"), &deal.token));
    let paid = pay(&app, json!(deal.id), &deal.token).ok();
    assert_eq!(paid.data()["amount"], 10_200);
    assert_eq!(pay(&app, json!(deal.id), &deal.token).ok().body, paid.body);
    app.refuses(400, "Duplicate reference", |app| pay(app, json!(deal.id), &other.token));
    // A list of one id is one escrow, and an empty token is none.
    let body = json!({ "escrowDetails": { "escrowId": [other.id], "paymentToken": "" } });
    app.pay("ben", &body).ok();
}

#[test]
fn a_merchants_category_is_usable_on_its_sellers_escrows() {
    let app = spawn_app();
    app.wallet("ben").ok();
    let (of_merchant, of_ben) = (app.category_of(""), app.category_of("ben"));
    let offers: [(&str, Value); 2] = [
        ("/v1/escrow/create", standard_terms()),
        ("/v1/escrow/milestone/create", two_milestones()),
    ];
    for (path, terms) in offers {
        let created = app.json(
            "POST",
            path,
            "ada",
            &with(terms.clone(), "categoryId", of_merchant.as_str()),
        );
        assert_eq!(created.ok().data()["category"]["id"], of_merchant.as_str());
        let message =
            format!("categoryId must be the id of a category of the seller or of the merchant; got {of_ben:?}");
        app.refuses(400, &message, |app| {
            app.json("POST", path, "ada", &with(terms.clone(), "categoryId", of_ben.as_str()))
        });
    }
    let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    let edit = with(standard_terms(), "categoryId", of_merchant.as_str());
    let edited = app.edit_escrow("ada", &deal.token, &edit).ok();
    assert_eq!(edited.data()["category"]["id"], of_merchant.as_str());
    let listed = app.escrows("ada", &format!("type=sales&categoryId={of_merchant}")).ok();
    assert_eq!(listed.data()["pagination"]["count"], 3);
}

/// Clients hold the base URL with `/v1` or without it, and join paths to it that begin with
/// `/v1` or without it.
#[test]
fn every_form_of_the_base_url_reaches_the_same_route() {
    let app = spawn_app();
    let deal = app.offered();
    let key = ("idempotency-key", "one");
    let top_up = |path: &str| {
        let headers = [key, ("customer-id", "ada"), ("content-type", "application/json")];
        app.send("POST", path, &headers, Some(br#"{"amount":1000}"#))
    };
    let first = top_up("/v1/payment/topup").ok();
    for path in [
        "/payment/topup",
        "/v1/v1/payment/topup",
        "//v1/payment/topup",
        "/v1//payment/topup",
    ] {
        let again = top_up(path).ok();
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{path}");
        assert_eq!(again.body, first.body);
    }
    for path in [
        format!("/escrow/verify/{}", deal.token),
        format!("/v1/v1/escrow/verify/{}", deal.token),
        format!("/escrow/transactions?type=sales&x={}", deal.token),
        "/v1/sandbox/clock".to_owned(),
        "/v1/healthz".to_owned(),
        "/customers?limit=1".to_owned(),
    ] {
        app.send("GET", &path, &[("customer-id", "ada")], None).ok();
    }
    let page = app.send("GET", "/customers?limit=50&page=2", &[], None).ok();
    assert_eq!(page.data()["pagination"]["previousPage"], 1);
    app.refuses(404, "There is no route /v1/wallet/x", |app| {
        app.send("GET", "/wallet/x", &[], None)
    });
    let fault = json!({ "status": 503, "route": "GET /v1/wallet" });
    app.as_merchant("POST", "/sandbox/faults", Some(&fault)).ok();
    assert_eq!(app.send("GET", "/wallet", &[("customer-id", "ada")], None).status, 503);
}

/// Texts that languages and templates write for a variable without a value.
const UNSET: [&str; 9] = [
    "undefined",
    "null",
    "None",
    "nil",
    "NaN",
    "[object Object]",
    "{{secretKey}}",
    "${SECRET_KEY}",
    "<secret key>",
];

#[test]
fn a_key_that_a_client_left_unset_is_refused_with_a_hint() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let get = |app: &TestApp, authorization: &str| {
        app.send(
            "GET",
            "/v1/wallet",
            &[("authorization", authorization), ("customer-id", "ada")],
            None,
        )
    };
    for text in UNSET {
        let sent = format!("Bearer {text}");
        let refused = app.refuses(401, "No token provided", |app| get(app, &sent));
        assert_eq!(refused.body["details"]["got"], sent.as_str());
        let expected = "Bearer, a space and the key; the client's variable for the key has no value";
        assert_eq!(refused.body["details"]["expected"], expected);
    }
    for (sent, got) in [
        ("Bearer ", "Bearer without a key"),
        ("Bearer", "Bearer without a key"),
        ("sk_test_secret", "a header that does not begin with Bearer and a space"),
        ("Bearer sk test", "a key with other characters"),
    ] {
        let refused = app.refuses(401, "No token provided", |app| get(app, sent));
        assert_eq!(refused.body["details"]["got"], got);
        assert!(!refused.text.contains("secret"), "{}", refused.text);
    }
}

#[test]
fn a_customer_id_that_a_client_left_unset_is_refused_with_a_hint() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let with_header = |app: &TestApp, method: &str, path: &str, text: &str, body: Option<&Value>| -> Answer {
        let headers = [("customer-id", text), ("content-type", "application/json")];
        let body = body.map(Value::to_string);
        app.send(method, path, &headers, body.as_deref().map(str::as_bytes))
    };
    for text in UNSET {
        for (method, path, body) in [
            ("GET", "/v1/wallet", None),
            ("GET", "/v1/escrow/transactions?type=sales", None),
            ("POST", "/v1/escrow/create", Some(standard_terms())),
        ] {
            let refused = app.refuses(404, "Customer not found", |app| {
                with_header(app, method, path, text, body.as_ref())
            });
            let details = &refused.body["details"];
            assert_eq!(
                (&details["field"], &details["got"]),
                (&json!("customer-id"), &json!(text))
            );
            assert!(details["expected"].as_str().unwrap().contains("variable"), "{details}");
        }
        // The header has no effect on a route of the merchant.
        with_header(&app, "GET", "/v1/customers", text, None).ok();
        let mut body = two_milestones();
        body["milestones"][0]["customerId"] = json!(text);
        let refused = app.create_milestone_escrow("ada", &body);
        assert_eq!(
            (refused.status, &refused.body["details"]["field"]),
            (400, &json!("milestones[0].customerId"))
        );
    }
    assert_eq!(app.count("customer"), 1);
}

#[test]
fn an_idempotency_key_that_a_client_left_unset_is_refused_with_a_hint() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for text in UNSET {
        let headers = [
            ("idempotency-key", text),
            ("customer-id", "ada"),
            ("content-type", "application/json"),
        ];
        let message = format!(
            "Idempotency-Key must be a key for this request alone; the client's variable for it has no value; got {text}"
        );
        app.refuses(400, &message, |app| {
            app.send("POST", "/v1/payment/topup", &headers, Some(br#"{"amount":1000}"#))
        });
    }
}
