//! Tests what texts and numbers requests may have, and how refusals show amounts and states.

use serde_json::{Value, json};

use crate::helpers::{Deal, TestApp, spawn_app, spawn_app_with, standard_terms, two_milestones, with_field};

/// Texts that show nothing.
const BLANK: [&str; 7] = [
    "\u{200b}",
    "\u{feff}",
    "\u{3164}",
    "\u{ad}",
    "\u{200d}\u{2060}",
    " \u{115f} ",
    "\u{2800}",
];

/// Characters that a line cannot have.
const FORBIDDEN: [char; 5] = ['\u{202e}', '\u{2066}', '\u{2028}', '\u{2029}', '\u{85}'];

#[test]
fn a_required_text_that_shows_nothing_is_missing() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for blank in BLANK {
        let mut offer = standard_terms();
        offer["purpose"] = json!(blank);
        app.refuses(400, "purpose is required", |app| app.create_escrow("ada", &offer));
        let mut offer = two_milestones();
        offer["milestones"][1]["title"] = json!(blank);
        app.refuses(400, "milestones[1].title is required", |app| {
            app.create_milestone_escrow("ada", &offer)
        });
        app.refuses(400, "name is required", |app| {
            app.json("POST", "/v1/escrow/category/create", "ada", &json!({ "name": blank }))
        });
        let mut customer = crate::helpers::new_customer();
        customer["firstname"] = json!(blank);
        app.refuses(400, "firstname is required", |app| app.create_customer(&customer));
        let mut withdrawal = withdrawal();
        withdrawal["withdrawalDetails"]["accountName"] = json!(blank);
        let answer = app.create_intent("ada", &withdrawal);
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("invalid_request")),
            "{blank:?}"
        );
        assert_eq!(answer.body["details"]["field"], "withdrawalDetails.accountName");
        let deal = app.standard_with(&json!({}));
        app.pay_for("ben", &deal).ok();
        app.refuses(400, "message is required", |app| {
            app.json(
                "POST",
                &format!("/v1/escrow/submit-dispute/{}", deal.token),
                "ben",
                &json!({ "message": blank }),
            )
        });
    }
}

fn withdrawal() -> Value {
    json!({
        "amount": 1000,
        "transactionType": "withdrawal",
        "withdrawalDetails": {
            "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada Obi", "bankName": "GTBank",
        },
    })
}

#[test]
fn a_line_cannot_turn_its_direction_or_break() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for c in FORBIDDEN {
        let mut offer = standard_terms();
        offer["purpose"] = json!(format!("A{c}bicycle"));
        let answer = app.create_escrow("ada", &offer);
        assert_eq!(answer.status, 400, "{c:?}");
        let expected = "purpose must be a text without line breaks, control characters or bidirectional formatting \
                        characters; got ";
        assert!(answer.message().starts_with(expected), "{answer:?}");
        assert!(
            answer
                .message()
                .ends_with(&format!("got \"A\\u{:04x}bicycle\"", u32::from(c))),
            "{answer:?}"
        );
        assert!(!answer.text.contains(c), "the message shows the character itself");
        let mut withdrawal = withdrawal();
        withdrawal["withdrawalDetails"]["accountName"] = json!(format!("Ada{c}Obi"));
        assert_eq!(app.create_intent("ada", &withdrawal).status, 400, "{c:?}");
    }
    for kept in ["👩\u{200d}🔧 repairs", "می\u{200c}خواهم", "❤\u{fe0f}", "שלום\u{200f}!"] {
        let mut offer = standard_terms();
        offer["purpose"] = json!(kept);
        assert_eq!(app.create_escrow("ada", &offer).ok().data()["purpose"], kept);
    }
}

#[test]
fn a_number_may_be_written_in_any_way() {
    let app = spawn_app();
    for count in ["3", "3.0", "3e0", "30e-1", "0.3e1"] {
        let created = app.json_text(
            "POST",
            "/v1/escrow/create",
            "ada",
            &with_field(standard_terms(), "/maxDelivery", count),
        );
        assert_eq!(created.ok().data()["maxDelivery"], 3, "{count}");
    }
    for (count, message) in [
        ("3.5", "maxDelivery must be a whole number; got 3.5"),
        ("-0.0", "maxDelivery must be a whole number from 1 to 365; got 0"),
        ("1e3", "maxDelivery must be a whole number from 1 to 365; got 1000"),
        ("\"3\"", "maxDelivery must be a whole number; got \"3\""),
        ("1e99", "maxDelivery must be a whole number of at most 365; got 1e99"),
    ] {
        app.refuses(400, message, |app| {
            app.json_text(
                "POST",
                "/v1/escrow/create",
                "ada",
                &with_field(standard_terms(), "/maxDelivery", count),
            )
        });
    }
    let deal = app.standard_with(&json!({}));
    for zero in ["0", "-0", "-0.0", "0e5"] {
        let body = format!("{{\"additionalFee\":{zero}}}");
        let path = format!("/v1/escrow/additional-fee/{}", deal.token);
        let headers = [("content-type", "application/json")];
        app.send("PUT", &path, &headers, Some(body.as_bytes())).ok();
    }
    app.send(
        "GET",
        "/v1/escrow/transactions?type=sales&page=1.0&limit=1e1",
        &[("customer-id", "ada")],
        None,
    )
    .ok();
}

#[test]
fn large_amounts_in_details_are_exact() {
    let app = spawn_app_with(|config| config.sandbox.opening_balance_minor = crate::helpers::kobo(1));
    for amount in ["70368744177664.11", "80000000000000.01", "88000000000000.33"] {
        let offer = with_field(standard_terms(), "/amount", amount);
        let deal = Deal::of(&app.json_text("POST", "/v1/escrow/create", "ada", &offer).ok());
        let answer = app.pay_for("ben", &deal);
        assert_eq!(answer.message(), "Insufficient balance");
        assert!(
            answer
                .text
                .contains(&format!("\"details\":{{\"needed\":{amount},\"available\":0.01}}")),
            "{}",
            answer.text
        );
        let wrong = format!("{{\"amount\":1.01,\"escrowDetails\":{{\"escrowId\":\"{}\"}}}}", deal.id);
        let answer = app.json_text("POST", "/v1/payment/escrow", "ben", &wrong);
        assert!(
            answer
                .text
                .contains(&format!("\"details\":{{\"due\":{amount},\"offered\":1.01}}")),
            "{}",
            answer.text
        );
    }
}

#[test]
fn a_mismatch_names_both_sums() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let mut offer = two_milestones();
    offer["milestones"][0]["amount"] = json!(4001);
    let answer = app.refuses(
        400,
        "The sum of milestone amounts must equal the escrow amount",
        |app| app.create_milestone_escrow("ada", &offer),
    );
    assert_eq!(answer.body["details"], json!({ "amount": 10000, "sum": 10001 }));
    let deal = app.standard_with(&json!({ "whoPays": "buyer", "amount": 1000 }));
    app.pay_for("ben", &deal).ok();
    let dispute = format!("/v1/escrow/submit-dispute/{}", deal.token);
    app.json("POST", &dispute, "ben", &json!({ "message": "It leaks" }))
        .ok();
    let split = json!({ "status": "SPLIT", "resolution": "Half", "sellerAmount": 500.5, "buyerAmount": 500 });
    let resolve = format!("/v1/escrow/dispute/resolve/{}", deal.id);
    let message = "A split must add up to the 1000 still held on this escrow";
    let answer = app.refuses(400, message, |app| app.as_merchant("POST", &resolve, Some(&split)));
    assert_eq!(answer.body["details"], json!({ "pool": 1000, "sum": 1000.5 }));
}

#[test]
fn an_action_that_is_not_allowed_says_which_are() {
    let app = spawn_app();
    let details = |app: &TestApp, method: &str, path: &str, customer: &str, body: Value| {
        let answer = app.refuses(400, "Action not allowed", |app| app.json(method, path, customer, &body));
        assert_eq!(answer.body["code"], "action_not_allowed");
        answer.body["details"].clone()
    };
    let deal = app.standard_with(&json!({}));
    let confirm = format!("/v1/escrow/confirm-payment/{}", deal.id);
    let edit = format!("/v1/escrow/edit/{}", deal.token);
    assert_eq!(
        details(&app, "POST", &confirm, "ben", json!({})),
        json!({ "status": "PENDING", "actions": ["pay", "edit", "convert", "additional-fee", "delete"] })
    );
    app.pay_for("ben", &deal).ok();
    assert_eq!(
        details(&app, "PUT", &edit, "ada", standard_terms()),
        json!({ "status": "ONGOING", "actions": ["confirm-payment", "claim-funds", "refund", "submit-dispute", "resolve-dispute"] })
    );
    let dispute = format!("/v1/escrow/submit-dispute/{}", deal.token);
    app.json("POST", &dispute, "ben", &json!({ "message": "It leaks" }))
        .ok();
    assert_eq!(
        details(&app, "POST", &confirm, "ben", json!({})),
        json!({ "status": "DISPUTED", "actions": ["refund", "submit-dispute", "resolve-dispute"] })
    );
    let refund = json!({ "status": "REFUNDED", "resolution": "The buyer is right" });
    app.as_merchant(
        "POST",
        &format!("/v1/escrow/dispute/resolve/{}", deal.id),
        Some(&refund),
    )
    .ok();
    assert_eq!(
        details(&app, "POST", &confirm, "ben", json!({})),
        json!({ "status": "REFUNDED", "actions": [] })
    );
    let milestones = app.funded();
    assert_eq!(
        details(
            &app,
            "PUT",
            &format!("/v1/escrow/edit/{}", milestones.token),
            "ada",
            standard_terms()
        ),
        json!({ "status": "ONGOING", "actions": ["milestone-confirm", "refund", "submit-dispute", "resolve-dispute"] })
    );
}

/// What is dropped with a success is lost, and an edit would clear the description.
#[test]
fn a_description_of_forbidden_characters_alone_is_refused() {
    let app = spawn_app();
    app.wallet("ada").ok();
    let described = with(&standard_terms(), "description", json!("A red one"));
    let deal = Deal::of(&app.create_escrow("ada", &described).ok());
    for c in [
        "\0",
        "\u{7f}",
        "\u{202e}",
        "\u{2066}\u{2069}",
        " \u{202e} ",
        "\u{b}",
        "\u{85}",
    ] {
        let terms = with(&standard_terms(), "description", json!(c));
        for answer in [
            app.create_escrow("ada", &terms),
            app.edit_escrow("ada", &deal.token, &terms),
        ] {
            assert_eq!(answer.status, 400, "{c:?}");
            let expected =
                "description must be a text without control characters or bidirectional formatting characters; got \"";
            assert!(answer.message().starts_with(expected), "{answer:?}");
            assert!(answer.message().is_ascii(), "{answer:?}");
        }
    }
    assert_eq!(app.verify(&deal.token).ok().data()["description"], "A red one");
    let blank = with(&standard_terms(), "description", json!(" \u{200b}\n"));
    let edited = app.edit_escrow("ada", &deal.token, &blank).ok();
    assert_eq!(edited.data()["description"], Value::Null);
}

fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

/// In an optional field it counts as left out, as an empty text does.
#[test]
fn an_optional_text_that_shows_nothing_is_left_out() {
    let app = spawn_app();
    let id = app
        .create_customer(&crate::helpers::new_customer())
        .ok()
        .text("customerId");
    let before = app.customer(&id).ok();
    for blank in BLANK.into_iter().chain([" "]) {
        let update = json!({ "firstname": blank, "email": "new@shop.example" });
        let updated = app.update_customer(&id, &update).ok();
        assert_eq!(updated.text("firstname"), before.text("firstname"), "{blank:?}");
        let message = "Provide at least one of firstname, lastname or email";
        app.refuses(400, message, |app| {
            app.update_customer(&id, &json!({ "lastname": blank }))
        });
        let category = app.category_of("ada");
        let path = format!("/v1/escrow/category/edit/{category}");
        let edit = json!({ "name": blank, "description": "For feet" });
        let edited = app.json("PUT", &path, "ada", &edit).ok();
        assert_ne!(edited.text("name").trim(), "", "{blank:?}");
    }
    for c in FORBIDDEN {
        let update = json!({ "firstname": format!("{c}{c}"), "email": "other@shop.example" });
        let answer = app.update_customer(&id, &update);
        // White space that breaks lines shows nothing either.
        assert_eq!(
            answer.status,
            if c.is_whitespace() && c != '\u{85}' { 200 } else { 400 },
            "{c:?}"
        );
    }
}

/// A message shows a character that a text cannot have by its number, as JSON writes it, and never
/// the character itself.
#[test]
fn a_refused_text_is_shown_with_escapes() {
    let app = spawn_app();
    app.wallet("ada").ok();
    for (field, shown) in [
        ("whoPays", r#"got "\u202ebuyer""#),
        ("amount", r#"got "\u202ebuyer""#),
        ("categoryId", r#"got "\u202ebuyer""#),
    ] {
        let terms = with(&standard_terms(), field, json!("\u{202e}buyer"));
        let answer = app.create_escrow("ada", &terms);
        assert_eq!(answer.status, 400, "{field}");
        assert!(answer.message().ends_with(shown), "{answer:?}");
        let got = answer.body["details"]["got"].as_str();
        assert!(got.is_none_or(str::is_ascii), "{answer:?}");
    }
}
