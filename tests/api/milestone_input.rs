//! The values that each field of a milestone offer may hold, on create and on edit
//! (contract sections 4.1.1 and 8).

use serde_json::{Value, json};

use crate::helpers::{Deal, TestApp, spawn_app, two_milestones, with_field};

const CREATE: &str = "/v1/escrow/milestone/create";

/// Asserts that create and edit refuse the same offer with the same message.
#[track_caller]
fn refuses_offer(app: &TestApp, deal: &Deal, message: &str, body: &str) {
    app.refuses(400, message, |app| app.json_text("POST", CREATE, "ada", body));
    let edit = format!("/v1/escrow/milestone/edit/{}", deal.token);
    app.refuses(400, message, |app| app.json_text("PUT", &edit, "ada", body));
}

/// A row has a field's pointer, its value (empty removes the field) and the message.
#[track_caller]
fn refuses_each(rows: &[(&str, &str, &str)]) {
    let app = spawn_app();
    let deal = app.offered();
    for (pointer, raw, message) in rows {
        let body = with_field(two_milestones(), pointer, raw);
        refuses_offer(&app, &deal, message, &body);
    }
}

#[track_caller]
fn accepts_each(rows: &[(&str, &str)]) {
    let app = spawn_app();
    for (pointer, raw) in rows {
        let body = with_field(two_milestones(), pointer, raw);
        let created = app.json_text("POST", CREATE, "ada", &body).ok();
        let edit = format!("/v1/escrow/milestone/edit/{}", created.text("paymentToken"));
        app.json_text("PUT", &edit, "ada", &body).ok();
    }
}

/// Returns the stored value of one field after the request sent these characters.
#[track_caller]
fn stored(app: &TestApp, pointer: &str, raw: &str) -> Value {
    let body = with_field(two_milestones(), pointer, raw);
    let created = app.json_text("POST", CREATE, "ada", &body).ok();
    created.data().pointer(pointer).unwrap().clone()
}

fn text_of(characters: usize) -> String {
    json!("é".repeat(characters)).to_string()
}

#[test]
fn a_missing_null_or_empty_required_field_is_named() {
    let app = spawn_app();
    let deal = app.offered();
    for (pointer, field) in [
        ("/amount", "amount"),
        ("/purpose", "purpose"),
        ("/whoPays", "whoPays"),
        ("/milestones", "milestones"),
        ("/milestones/0/title", "milestones[0].title"),
        ("/milestones/1/amount", "milestones[1].amount"),
    ] {
        for raw in ["", "null", "\"\""] {
            let body = with_field(two_milestones(), pointer, raw);
            refuses_offer(&app, &deal, &format!("{field} is required"), &body);
        }
    }
}

#[test]
fn a_blank_text_counts_as_missing() {
    refuses_each(&[
        ("/purpose", "\"  \"", "purpose is required"),
        ("/purpose", "\"\\n\\t\"", "purpose is required"),
        ("/purpose", "\"\u{a0}\u{2003}\"", "purpose is required"),
        ("/milestones/1/title", "\" \"", "milestones[1].title is required"),
    ]);
    let app = spawn_app();
    for raw in ["", "null", "\"\"", "\"  \""] {
        let body = with_field(two_milestones(), "/description", raw);
        let created = app.json_text("POST", CREATE, "ada", &body).ok();
        assert_eq!(created.data()["description"], Value::Null);
    }
}

#[test]
fn optional_fields_may_be_null_or_empty() {
    let app = spawn_app();
    for field in ["maxDelivery", "deliveryTimeline", "totalQuantity", "categoryId"] {
        for raw in ["", "null", "\"\""] {
            let body = with_field(two_milestones(), &format!("/{field}"), raw);
            let created = app.json_text("POST", CREATE, "ada", &body).ok();
            assert_eq!(created.data()["maxDelivery"], 30);
            assert_eq!(created.data()["deliveryTimeline"], "days");
            assert_eq!(created.data()["totalQuantity"], 1);
        }
    }
    for field in ["dueDate", "customerId", "description"] {
        for raw in ["", "null", "\"\""] {
            let body = with_field(two_milestones(), &format!("/milestones/0/{field}"), raw);
            let created = app.json_text("POST", CREATE, "ada", &body).ok();
            assert_eq!(created.data()["milestones"][0][field], Value::Null);
        }
    }
}

#[test]
fn an_amount_that_is_not_a_number_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    for (pointer, expected) in [
        ("/amount", "amount must be a number, such as 1500"),
        (
            "/milestones/0/amount",
            "milestones[0].amount must be a positive whole number, such as 1500",
        ),
    ] {
        for raw in ["\"5\"", "\"10000\"", "\" \"", "true", "false", "[]", "[5]", "{}"] {
            let message = format!("{expected}; got {raw}");
            refuses_offer(&app, &deal, &message, &with_field(two_milestones(), pointer, raw));
        }
    }
}

/// Some languages write a large floating-point number with an exponent.
#[test]
fn an_amount_with_an_exponent_is_read_exactly() {
    let app = spawn_app();
    for raw in ["1.0E4", "1e4", "1E+4", "100000e-1", "10000.0"] {
        let created = app
            .json_text("POST", CREATE, "ada", &with_field(two_milestones(), "/amount", raw))
            .ok();
        assert_eq!(created.data()["amount"], 10000, "{raw}");
    }
    let deal = app.offered();
    for (raw, problem) in [
        ("1e-3", "a number with at most two decimals"),
        ("1e99999", "a number of at most 90071992547409.91"),
    ] {
        let message = format!("amount must be {problem}; got {raw}");
        refuses_offer(&app, &deal, &message, &with_field(two_milestones(), "/amount", raw));
    }
}

#[test]
fn a_number_that_json_does_not_have_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    for raw in [
        "NaN",
        "Infinity",
        "-Infinity",
        "0x10",
        "010000",
        "+5",
        ".5",
        "5.",
        "1_000",
        "-",
        "1e",
    ] {
        let body = with_field(two_milestones(), "/amount", raw);
        let answer = app.json_text("POST", CREATE, "ada", &body);
        assert!(
            answer.message().starts_with("the body must be valid JSON; got "),
            "{answer:?}"
        );
        refuses_offer(&app, &deal, answer.message(), &body);
    }
}

#[test]
fn an_escrow_amount_out_of_bounds_is_refused() {
    let digits_50 = "9".repeat(50);
    let too_large = format!("amount must be a number of at most 90071992547409.91; got {digits_50}");
    let digits_100 = "9".repeat(100);
    let cut = format!(
        "amount must be a number of at most 90071992547409.91; got {}…",
        "9".repeat(80)
    );
    let negative = format!("-{digits_50}");
    let below_zero = format!("amount must be a number of 1 or more; got {negative}");
    refuses_each(&[
        ("/amount", "0", "amount must be at least 1; got 0"),
        ("/amount", "0.00", "amount must be at least 1; got 0"),
        ("/amount", "0.99", "amount must be at least 1; got 0.99"),
        ("/amount", "-0", "amount must be at least 1; got 0"),
        ("/amount", "-1", "amount must be a number of 1 or more; got -1"),
        ("/amount", "-0.001", "amount must be a number of 1 or more; got -0.001"),
        (
            "/amount",
            "10000.001",
            "amount must be a number with at most two decimals; got 10000.001",
        ),
        (
            "/amount",
            "90071992547409.92",
            "amount must be a number of at most 90071992547409.91; got 90071992547409.92",
        ),
        ("/amount", &digits_50, &too_large),
        ("/amount", &digits_100, &cut),
        ("/amount", &negative, &below_zero),
    ]);
}

#[test]
fn a_milestone_amount_must_be_a_positive_whole_number() {
    let digits_50 = "9".repeat(50);
    let too_large = format!("milestones[1].amount must be a number of at most 90071992547409.91; got {digits_50}");
    refuses_each(&[
        (
            "/milestones/0/amount",
            "0",
            "milestones[0].amount must be a positive whole number; got 0",
        ),
        (
            "/milestones/1/amount",
            "-6000",
            "milestones[1].amount must be a positive whole number; got -6000",
        ),
        (
            "/milestones/0/amount",
            "4000.5",
            "milestones[0].amount must be a positive whole number (the setting strict = true allows two decimals); got 4000.5",
        ),
        (
            "/milestones/0/amount",
            "0.01",
            "milestones[0].amount must be a positive whole number (the setting strict = true allows two decimals); got 0.01",
        ),
        (
            "/milestones/0/amount",
            "4000.001",
            "milestones[0].amount must be a positive whole number (the setting strict = true allows two decimals); got 4000.001",
        ),
        ("/milestones/1/amount", &digits_50, &too_large),
    ]);
}

#[test]
fn needless_decimals_change_nothing() {
    let app = spawn_app();
    for raw in ["10000.0", "10000.00", "10000.000000"] {
        assert_eq!(stored(&app, "/amount", raw), 10000);
    }
    assert_eq!(stored(&app, "/milestones/0/amount", "4000.0"), 4000);
}

#[test]
fn milestones_that_do_not_add_up_to_the_amount_are_refused() {
    let message = "The sum of milestone amounts must equal the escrow amount";
    refuses_each(&[
        ("/amount", "9999", message),
        ("/amount", "10001", message),
        ("/milestones/0/amount", "4001", message),
        ("/milestones/0/amount", "90071992547409", message),
    ]);
}

/// No whole amounts add up to it, so the message about the sum would lead nowhere.
#[test]
fn a_milestone_escrow_of_a_fractional_amount_is_refused_with_its_remedy() {
    let message = "amount must be a whole number in a milestone escrow, since the amounts of milestones are whole \
        (the setting strict = true allows two decimals); got 10000.5";
    refuses_each(&[("/amount", "10000.50", message)]);
    // Each milestone is read before the sum.
    refuses_each(&[(
        "/milestones/0/amount",
        "4000.5",
        "milestones[0].amount must be a positive whole number (the setting strict = true allows two decimals); got 4000.5",
    )]);
}

#[test]
fn amounts_too_large_to_add_are_refused_and_not_wrapped() {
    let app = spawn_app();
    let deal = app.offered();
    let milestone = json!({ "title": "Moon", "amount": 90_071_992_547_409_i64 });
    let mut offer = two_milestones();
    offer["milestones"] = json!([milestone, milestone]);
    refuses_offer(
        &app,
        &deal,
        "The sum of milestone amounts must equal the escrow amount",
        &offer.to_string(),
    );

    offer["milestones"] = vec![milestone; 100].into();
    refuses_offer(
        &app,
        &deal,
        "The sum of milestone amounts must equal the escrow amount",
        &offer.to_string(),
    );
}

#[test]
fn an_amount_whose_fee_no_longer_fits_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    let mut offer = two_milestones();
    offer["amount"] = json!(90_071_992_547_409_i64);
    offer["milestones"] = json!([
        { "title": "Nearly all", "amount": 90_071_992_547_408_i64 },
        { "title": "The rest", "amount": 1 },
    ]);
    refuses_offer(
        &app,
        &deal,
        "amount must be an amount that, with its fee and the additional fee, is at most 90071992547409.91; got 90071992547409",
        &offer.to_string(),
    );
}

#[test]
fn fewer_than_two_milestones_are_refused() {
    let message = "A milestone escrow must have at least 2 milestones";
    refuses_each(&[
        ("/milestones", "[]", message),
        ("/milestones", r#"[{"title":"All","amount":10000}]"#, message),
    ]);
}

#[test]
fn a_hundred_milestones_are_accepted_and_one_more_is_refused() {
    let milestones = |count: usize| json!(vec![json!({ "title": "Part", "amount": 1 }); count]);
    let app = spawn_app();
    let deal = app.offered();
    let offer = |count: usize| json!({ "amount": count, "purpose": "Many", "whoPays": "buyer", "milestones": milestones(count) });
    let created = app.create_milestone_escrow("ada", &offer(100)).ok();
    assert_eq!(Deal::of(&created).milestones.len(), 100);
    refuses_offer(
        &app,
        &deal,
        "milestones must be a list of at most 100 milestones; got 101 of them",
        &offer(101).to_string(),
    );
}

#[test]
fn milestones_that_are_not_a_list_of_objects_are_refused() {
    let app = spawn_app();
    let deal = app.offered();
    for raw in ["5", "true", "\"[]\"", "{}", r#"{"0":{}}"#] {
        let message = format!("milestones must be a list; got {raw}");
        refuses_offer(&app, &deal, &message, &with_field(two_milestones(), "/milestones", raw));
    }
    for raw in ["5", "null", "\"\"", "\"x\"", "[]", "false"] {
        let message = format!("milestones[1] must be an object; got {raw}");
        refuses_offer(
            &app,
            &deal,
            &message,
            &with_field(two_milestones(), "/milestones/1", raw),
        );
    }
}

#[test]
fn a_text_of_the_wrong_type_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    for (pointer, field) in [
        ("/purpose", "purpose"),
        ("/description", "description"),
        ("/milestones/0/title", "milestones[0].title"),
        ("/milestones/1/description", "milestones[1].description"),
    ] {
        for raw in ["5", "0", "true", "[]", "[\"x\"]", "{}", "\"\\ud800\"", "\"a\\udc00b\""] {
            let message = format!("{field} must be a text; got {raw}");
            refuses_offer(&app, &deal, &message, &with_field(two_milestones(), pointer, raw));
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    refuses_each(&[
        (
            "/purpose",
            &text_of(256),
            "purpose must be a text of at most 255 characters; got 256 characters",
        ),
        (
            "/description",
            &text_of(2001),
            "description must be a text of at most 2000 characters; got 2001 characters",
        ),
        (
            "/milestones/0/title",
            &text_of(256),
            "milestones[0].title must be a text of at most 255 characters; got 256 characters",
        ),
        (
            "/milestones/1/description",
            &text_of(2001),
            "milestones[1].description must be a text of at most 2000 characters; got 2001 characters",
        ),
    ]);
    accepts_each(&[
        ("/purpose", &text_of(255)),
        ("/description", &text_of(2000)),
        ("/milestones/0/title", &text_of(255)),
        ("/milestones/1/description", &text_of(2000)),
    ]);
}

#[test]
fn control_characters_are_refused() {
    refuses_each(&[
        (
            "/purpose",
            r#""a\u0000b""#,
            r#"purpose must be a text without line breaks, control characters or bidirectional formatting characters; got "a\u0000b""#,
        ),
        (
            "/purpose",
            r#""two\nlines""#,
            r#"purpose must be a text without line breaks, control characters or bidirectional formatting characters; got "two\nlines""#,
        ),
        (
            "/milestones/0/title",
            r#""\u001b[31mred""#,
            r#"milestones[0].title must be a text without line breaks, control characters or bidirectional formatting characters; got "\u001b[31mred""#,
        ),
        (
            "/description",
            r#""a\u0000b""#,
            r#"description must be a text without control characters or bidirectional formatting characters; got "a\u0000b""#,
        ),
        (
            "/milestones/1/description",
            r#""del\u007f""#,
            r#"milestones[1].description must be a text without control characters or bidirectional formatting characters; got "del\u007f""#,
        ),
    ]);
}

#[test]
fn text_is_kept_as_it_was_written() {
    let app = spawn_app();
    for text in [
        "Ìwé-owó 🏗️",
        "名前",
        "a \"quoted\" \\ word",
        "'; DROP TABLE escrow; --",
        "null",
        "<b>&amp;</b>",
    ] {
        assert_eq!(stored(&app, "/purpose", &json!(text).to_string()), text);
        assert_eq!(stored(&app, "/milestones/0/title", &json!(text).to_string()), text);
    }
    assert_eq!(
        stored(&app, "/description", r#""two\nlines\tand a tab""#),
        "two\nlines\tand a tab"
    );
    assert_eq!(stored(&app, "/purpose", r#""\ud83c\udfd7""#), "\u{1f3d7}");
}

#[test]
fn on_a_milestone_escrow_only_the_buyer_pays_the_fee() {
    let app = spawn_app();
    let deal = app.offered();
    for raw in [
        "\"seller\"",
        "\"both\"",
        "\"BUYER\"",
        "\"Buyer\"",
        "\" buyer\"",
        "\"junk\"",
        "\" \"",
        "5",
        "true",
        "[]",
        "[\"buyer\"]",
        "{}",
    ] {
        let body = with_field(two_milestones(), "/whoPays", raw);
        let message = format!("whoPays must be \"buyer\" on a milestone escrow; got {raw}");
        refuses_offer(&app, &deal, &message, &body);
    }
}

#[test]
fn a_delivery_window_out_of_bounds_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    for raw in ["0", "366", "-1", "9223372036854775807"] {
        let message = format!("maxDelivery must be a whole number from 1 to 365; got {raw}");
        refuses_offer(
            &app,
            &deal,
            &message,
            &with_field(two_milestones(), "/maxDelivery", raw),
        );
    }
    for raw in ["1.5", "\"3\"", "true", "[]", "{}", "1e-1", "\" \""] {
        let message = format!("maxDelivery must be a whole number; got {raw}");
        refuses_offer(
            &app,
            &deal,
            &message,
            &with_field(two_milestones(), "/maxDelivery", raw),
        );
    }
    accepts_each(&[("/maxDelivery", "1"), ("/maxDelivery", "365")]);
}

#[test]
fn a_whole_number_beyond_64_bits_is_refused_as_too_large_or_too_small() {
    let digits_50 = "9".repeat(50);
    let negative = format!("-{digits_50}");
    let message = |field: &str, bound: &str, got: &str| format!("{field} must be a whole number of {bound}; got {got}");
    refuses_each(&[
        (
            "/maxDelivery",
            &digits_50,
            &message("maxDelivery", "at most 365", &digits_50),
        ),
        (
            "/maxDelivery",
            &negative,
            &message("maxDelivery", "at least 1", &negative),
        ),
        (
            "/totalQuantity",
            &digits_50,
            &message("totalQuantity", "at most 1000000", &digits_50),
        ),
        (
            "/totalQuantity",
            &negative,
            &message("totalQuantity", "at least 1", &negative),
        ),
    ]);
}

#[test]
fn an_unknown_delivery_unit_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    for raw in ["\"weeks\"", "\"Days\"", "\"day\"", "5", "true", "[]", "{}", "\" \""] {
        let message = format!("deliveryTimeline must be \"minutes\" or \"hours\" or \"days\"; got {raw}");
        let body = with_field(two_milestones(), "/deliveryTimeline", raw);
        refuses_offer(&app, &deal, &message, &body);
    }
    accepts_each(&[
        ("/deliveryTimeline", "\"minutes\""),
        ("/deliveryTimeline", "\"hours\""),
        ("/deliveryTimeline", "\"days\""),
    ]);
}

#[test]
fn a_quantity_below_one_or_not_whole_is_refused() {
    refuses_each(&[
        (
            "/totalQuantity",
            "0",
            "totalQuantity must be a whole number from 1 to 1000000; got 0",
        ),
        (
            "/totalQuantity",
            "-1",
            "totalQuantity must be a whole number from 1 to 1000000; got -1",
        ),
        ("/totalQuantity", "1.5", "totalQuantity must be a whole number; got 1.5"),
        (
            "/totalQuantity",
            "\"1\"",
            "totalQuantity must be a whole number; got \"1\"",
        ),
        ("/totalQuantity", "[]", "totalQuantity must be a whole number; got []"),
    ]);
}

#[test]
fn a_category_that_does_not_exist_is_refused() {
    refuses_each(&[
        (
            "/categoryId",
            "\"665f1b2c9a1e4d0012ab3c10\"",
            "categoryId must be the id of a category of the seller or of the merchant; got \"665f1b2c9a1e4d0012ab3c10\"",
        ),
        (
            "/categoryId",
            "5",
            "categoryId must be the id of a category of the seller or of the merchant; got 5",
        ),
    ]);
}

#[test]
fn a_due_date_that_is_not_in_the_future_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    let created = app.milestones(&deal.token).ok();
    assert_eq!(created.data()[0]["dueDate"], Value::Null);
    let created_at = app.verify(&deal.token).ok().text("createdAt");
    let today = &created_at[..10];
    for day in ["2020-01-31", "0001-01-01", "1969-12-31", today] {
        let body = with_field(two_milestones(), "/milestones/1/dueDate", &format!("\"{day}\""));
        let message = format!("milestones[1].dueDate must be a date in the future; got \"{day}\"");
        refuses_offer(&app, &deal, &message, &body);
    }
    assert_eq!(stored(&app, "/milestones/1/dueDate", "\"9999-12-31\""), "9999-12-31");
    assert_eq!(stored(&app, "/milestones/1/dueDate", "\"2096-02-29\""), "2096-02-29");
}

#[test]
fn an_impossible_due_date_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    for raw in [
        "\"2095-02-29\"",
        "\"2095-02-30\"",
        "\"2095-13-01\"",
        "\"2095-00-10\"",
        "\"2095-01-00\"",
        "\"2095-1-1\"",
        "\"01-02-2095\"",
        "\"2095/01/01\"",
        "\"2095-01-01T00:00:00Z\"",
        "\"tomorrow\"",
        "\" \"",
        "20950101",
        "true",
        "[]",
        "{}",
    ] {
        let body = with_field(two_milestones(), "/milestones/0/dueDate", raw);
        let message = format!("milestones[0].dueDate must be a date written YYYY-MM-DD; got {raw}");
        refuses_offer(&app, &deal, &message, &body);
    }
}

#[test]
fn a_beneficiary_of_a_bad_shape_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    let long = json!("x".repeat(129)).to_string();
    for raw in [
        "\"a b\"",
        "\"a\\tb\"",
        "\"é\"",
        "\" \"",
        "\"a\\u0000\"",
        &long,
        "5",
        "true",
        "[]",
        "{}",
    ] {
        let body = with_field(two_milestones(), "/milestones/1/customerId", raw);
        let shown: String = raw.chars().take(80).collect::<String>() + if raw.len() > 80 { "…" } else { "" };
        let message = format!(
            "milestones[1].customerId must be a customer id: 1 to 128 visible ASCII characters, without spaces; got {shown}"
        );
        refuses_offer(&app, &deal, &message, &body);
    }
    accepts_each(&[
        ("/milestones/1/customerId", &json!("x".repeat(128)).to_string()),
        ("/milestones/1/customerId", "\"ada\""),
    ]);
}

#[test]
fn the_first_invalid_field_in_the_contracts_order_is_named() {
    let app = spawn_app();
    let deal = app.offered();
    let mut body: Value = json!({
        "milestones": [{ "customerId": "a b", "dueDate": "x", "amount": 0, "description": 5 }, 5],
        "categoryId": "x",
        "totalQuantity": 0,
        "deliveryTimeline": "weeks",
        "maxDelivery": 0,
        "whoPays": "seller",
        "description": 5,
        "amount": 0,
    });
    for (message, pointer, mended) in [
        ("amount must be at least 1; got 0", "/amount", json!(10000)),
        ("purpose is required", "/purpose", json!("Shop")),
        ("description must be a text; got 5", "/description", json!(null)),
        (
            "whoPays must be \"buyer\" on a milestone escrow; got \"seller\"",
            "/whoPays",
            json!("buyer"),
        ),
        (
            "maxDelivery must be a whole number from 1 to 365; got 0",
            "/maxDelivery",
            json!(3),
        ),
        (
            "deliveryTimeline must be \"minutes\" or \"hours\" or \"days\"; got \"weeks\"",
            "/deliveryTimeline",
            json!("days"),
        ),
        (
            "totalQuantity must be a whole number from 1 to 1000000; got 0",
            "/totalQuantity",
            json!(1),
        ),
        (
            "categoryId must be the id of a category of the seller or of the merchant; got \"x\"",
            "/categoryId",
            json!(null),
        ),
        ("milestones[0].title is required", "/milestones/0/title", json!("Frame")),
        (
            "milestones[0].description must be a text; got 5",
            "/milestones/0/description",
            json!(null),
        ),
        (
            "milestones[0].amount must be a positive whole number; got 0",
            "/milestones/0/amount",
            json!(1),
        ),
        (
            "milestones[0].dueDate must be a date written YYYY-MM-DD; got \"x\"",
            "/milestones/0/dueDate",
            json!(null),
        ),
        (
            "milestones[0].customerId must be a customer id: 1 to 128 visible ASCII characters, without spaces; got \"a b\"",
            "/milestones/0/customerId",
            json!(null),
        ),
        (
            "milestones[1] must be an object; got 5",
            "/milestones/1",
            json!({ "title": "Finish", "amount": 1 }),
        ),
    ] {
        refuses_offer(&app, &deal, message, &body.to_string());
        body = serde_json::from_str(&with_field(body, pointer, &mended.to_string())).unwrap();
    }
    refuses_offer(
        &app,
        &deal,
        "The sum of milestone amounts must equal the escrow amount",
        &body.to_string(),
    );
}

#[test]
fn unknown_fields_are_ignored() {
    accepts_each(&[
        ("/imageUrl", "\"https://example.com/a.png\""),
        ("/AMOUNT", "-5"),
        ("/id", "[[[{}]]]"),
        ("/milestones/0/id", "\"665f1b2c9a1e4d0012ab3c10\""),
        ("/milestones/0/status", "\"RELEASED\""),
        ("/__proto__", r#"{"amount":1,"amount":2}"#),
    ]);
}

#[test]
fn a_field_sent_twice_is_refused() {
    let app = spawn_app();
    let deal = app.offered();
    let offer = two_milestones().to_string();
    for (body, field) in [
        (offer.replacen('{', "{\"amount\":10000,", 1), "amount"),
        (offer.replacen('{', "{\"\\u0061mount\":1,", 1), "amount"),
        (offer.replacen('{', "{\"extra\":1,\"extra\":1,", 1), "extra"),
        (
            offer.replacen("{\"title\":", "{\"title\":\"a\",\"title\":", 1),
            "milestones[0].title",
        ),
    ] {
        refuses_offer(&app, &deal, &format!("{field} must be sent once; got it twice"), &body);
    }
}

#[test]
fn an_edit_that_is_refused_leaves_the_offer_as_it_was() {
    let app = spawn_app();
    let deal = app.offered();
    let before = app.verify(&deal.token).ok();
    let mut offer = two_milestones();
    offer["amount"] = json!(1);
    app.refuses(
        400,
        "The sum of milestone amounts must equal the escrow amount",
        |app| app.edit_milestone_escrow("ada", &deal.token, &offer),
    );
    assert_eq!(app.verify(&deal.token).ok().body, before.body);
}
