//! Tests the changes to a standard escrow before its payment: edit, additional fee, deletion and
//! conversion (contract sections 4.2.2 to 4.2.4 and 4.1.3).

use serde_json::{Value, json};

use crate::helpers::{Deal, LIVE_KEY, TestApp, spawn_app, spawn_app_with, spawn_live_app, standard_terms};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a drawing";

fn offered(app: &TestApp) -> Deal {
    Deal::of(&app.create_escrow("ada", &standard_terms()).ok())
}

fn paid_for(app: &TestApp) -> Deal {
    let deal = offered(app);
    app.pay_for("ben", &deal).ok();
    deal
}

/// Returns terms that differ from [`standard_terms`].
fn new_terms() -> Value {
    json!({
        "amount": 2000.5, "purpose": "A boat", "whoPays": "both", "maxDelivery": 12, "deliveryTimeline": "hours",
    })
}

fn two_stages() -> Value {
    json!([{ "title": "Hull", "amount": 400 }, { "title": "Sails", "amount": 600 }])
}

/// Sends a request with another merchant's key.
fn send_as_other_merchant(
    app: &TestApp,
    method: &str,
    path: &str,
    customer: &str,
    body: &Value,
) -> crate::helpers::Answer {
    app.json_with_key("sk_test_other", method, path, customer, body)
}

#[test]
fn an_edit_replaces_the_terms_and_recomputes_the_fee() {
    let app = spawn_app();
    let created = app.create_escrow("ada", &standard_terms()).ok();
    let deal = Deal::of(&created);
    let edited = app.edit_escrow("ada", &deal.token, &new_terms()).ok();
    assert_eq!((edited.status, edited.message()), (200, "Escrow updated successfully"));
    let mut expected = created.data().clone();
    for (field, value) in new_terms().as_object().unwrap() {
        expected[field] = value.clone();
    }
    expected["fee"] = json!(40.01);
    expected["updatedAt"] = edited.data()["updatedAt"].clone();
    assert_eq!(*edited.data(), expected);
    expected["isSeller"] = json!(false);
    assert_eq!(*app.verify(&deal.token).ok().data(), expected);

    let paid = app.pay_for("ben", &deal).ok();
    assert_eq!(
        paid.data()["amount"],
        json!(2020.51),
        "Ben pays the amount and the larger half of the fee"
    );
}

#[test]
fn every_edit_requires_the_three_terms() {
    let app = spawn_app();
    let deal = offered(&app);
    for field in ["amount", "purpose", "whoPays"] {
        for nothing in [json!(null), json!("")] {
            let mut terms = new_terms();
            terms[field] = nothing;
            app.refuses(400, &format!("{field} is required"), |app| {
                app.edit_escrow("ada", &deal.token, &terms)
            });
        }
    }
    for (field, value, message) in [
        ("amount", json!(0.5), "amount must be at least 1; got 0.5"),
        (
            "totalQuantity",
            json!(0),
            "totalQuantity must be a whole number from 1 to 1000000; got 0",
        ),
        (
            "maxDelivery",
            json!(366),
            "maxDelivery must be a whole number from 1 to 365; got 366",
        ),
    ] {
        let mut terms = new_terms();
        terms[field] = value;
        app.refuses(400, message, |app| app.edit_escrow("ada", &deal.token, &terms));
    }
}

#[test]
fn an_edit_keeps_missing_fields_and_clears_empty_ones() {
    let app = spawn_app();
    let category = app.category_of("ada");
    let mut terms = standard_terms();
    terms["description"] = json!("As new");
    terms["totalQuantity"] = json!(5);
    terms["categoryId"] = json!(category);
    let deal = Deal::of(&app.create_escrow("ada", &terms).ok());
    let kept = app.edit_escrow("ada", &deal.token, &new_terms()).ok();
    assert_eq!(kept.data()["description"], "As new");
    assert_eq!(kept.data()["totalQuantity"], 5);
    assert_eq!(kept.data()["category"]["id"], category);
    let mut empty = new_terms();
    empty["description"] = json!("");
    empty["totalQuantity"] = json!(null);
    empty["categoryId"] = json!(null);
    let emptied = app.edit_escrow("ada", &deal.token, &empty).ok();
    assert_eq!(emptied.data()["description"], Value::Null);
    assert_eq!(
        emptied.data()["totalQuantity"],
        5,
        "an empty number keeps the old value"
    );
    assert_eq!(emptied.data()["category"], Value::Null);
    empty["categoryId"] = json!(app.category_of("ben"));
    let message = format!(
        "categoryId must be the id of a category of the seller or of the merchant; got {}",
        empty["categoryId"]
    );
    app.refuses(400, &message, |app| app.edit_escrow("ada", &deal.token, &empty));
}

#[test]
fn an_edit_as_a_form_adds_pictures_up_to_five() {
    let app = spawn_app();
    let deal = offered(&app);
    let path = format!("/v1/escrow/edit/{}", deal.token);
    let terms: [(&str, Option<&str>, &[u8]); 5] = [
        ("amount", None, b"2000.50"),
        ("purpose", None, b"A boat"),
        ("whoPays", None, b"both"),
        ("maxDelivery", None, b"12"),
        ("deliveryTimeline", None, b"hours"),
    ];
    let edit = |pictures: &[Vec<u8>]| {
        let pictures = pictures
            .iter()
            .map(|bytes| ("imageUrl", Some("a.png"), bytes.as_slice()));
        let parts: Vec<_> = terms.into_iter().chain(pictures).collect();
        app.form("PUT", &path, "ada", &parts)
    };
    let picture = |number: u8| [PNG, &[number]].concat();
    let edited = edit(&[picture(1), picture(2)]).ok();
    assert_eq!(edited.data()["amount"], 2000.5);
    let first = edited.data()["imageUrl"].as_array().unwrap().clone();
    assert_eq!(first.len(), 2);
    let all = edit(&[picture(3), picture(4)]).ok().data()["imageUrl"].clone();
    assert_eq!(all.as_array().unwrap()[..2], first[..]);
    let files = app.stored_files();
    app.refuses(400, "imageUrl must be at most 5 files in all; got 6 of them", |_| {
        edit(&[picture(5), picture(6)])
    });
    assert_eq!(app.stored_files(), files, "the service kept a refused picture");
    assert_eq!(edit(&[picture(5)]).ok().data()["imageUrl"].as_array().unwrap().len(), 5);
    assert_eq!(edit(&[]).ok().data()["imageUrl"].as_array().unwrap().len(), 5);
    assert_eq!(app.stored_files().len(), 5);
}

/// If several refusals apply, the service answers with the first in this order.
#[test]
fn edits_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    let (open, unfunded, milestones, closed) = (paid_for(&app), offered(&app), app.offered(), paid_for(&app));
    app.confirm_payment("ben", &closed.id).ok();
    app.refuses(400, "amount is required", |app| {
        app.edit_escrow("dan", "PY_NOBODY", &json!({}))
    });
    app.wallet("dan").ok();
    for token in ["PY_NOBODY", &unfunded.id, "x"] {
        app.refuses(400, "Escrow not found", |app| {
            app.edit_escrow("dan", token, &new_terms())
        });
    }
    for caller in ["dan", "ben", ""] {
        for deal in [&open, &unfunded, &milestones, &closed] {
            app.refuses(401, "Access denied", |app| {
                app.edit_escrow(caller, &deal.token, &new_terms())
            });
        }
    }
    for deal in [&open, &milestones, &closed] {
        app.refuses(400, "Action not allowed", |app| {
            app.edit_escrow("ada", &deal.token, &new_terms())
        });
    }
    app.refuses(400, "Escrow not found", |app| {
        send_as_other_merchant(
            app,
            "PUT",
            &format!("/v1/escrow/edit/{}", unfunded.token),
            "ada",
            &new_terms(),
        )
    });
}

#[test]
fn a_vault_cannot_be_edited_charged_deleted_claimed_or_converted() {
    let app = spawn_app();
    let body = json!({
        "purpose": "A race",
        "participants": [{ "customerId": "ada", "amount": 600 }, { "customerId": "ben", "amount": 400 }],
    });
    let vault = app.as_merchant("POST", "/v1/escrow/vault/create", Some(&body)).ok();
    let token = vault.text("paymentToken");
    let not_allowed = "Action not allowed";
    for caller in ["ada", ""] {
        app.refuses(400, not_allowed, |app| app.edit_escrow(caller, &token, &new_terms()));
        app.refuses(400, not_allowed, |app| app.delete_escrow(caller, &token));
        app.refuses(400, not_allowed, |app| app.claim(caller, &token));
        for side in ["sales", "buy"] {
            let list = app.escrows(caller, &format!("type={side}")).ok();
            assert_eq!(
                list.data()["report"]["total"],
                0,
                "a vault has neither seller nor buyer"
            );
        }
    }
    let conversion = json!({ "milestones": two_stages() });
    app.refuses(400, not_allowed, |app| app.convert("ada", &token, &conversion));
    app.refuses(400, "An additional fee can only be set on a standard escrow", |app| {
        app.set_additional_fee(&token, &json!({ "additionalFee": 5 }))
    });
}

#[test]
fn a_merchant_edits_and_deletes_its_own_offer() {
    let app = spawn_app();
    let create = || {
        Deal::of(
            &app.as_merchant("POST", "/v1/escrow/create", Some(&standard_terms()))
                .ok(),
        )
    };
    let deal = create();
    let edited = app.edit_escrow("", &deal.token, &new_terms()).ok();
    assert_eq!(edited.data()["isSeller"], true);
    app.wallet("ada").ok();
    app.refuses(401, "Access denied", |app| {
        app.edit_escrow("ada", &deal.token, &new_terms())
    });
    app.refuses(401, "Access denied", |app| app.delete_escrow("ada", &deal.token));
    app.delete_escrow("", &deal.token).ok();

    let personal = spawn_app_with(|config| config.sandbox.is_business = false);
    let deal = offered(&personal);
    personal.refuses(401, "Merchant cannot create escrow for itself via API", |app| {
        app.edit_escrow("", &deal.token, &new_terms())
    });
    personal.refuses(401, "Access denied", |app| app.delete_escrow("", &deal.token));
}

#[test]
fn the_merchants_additional_fee_is_charged_and_paid_to_it() {
    // Contract Ex 1 and 2, in minor units: the amounts that the buyer pays and that the seller, the
    // platform and the merchant receive.
    for (amount, fee, [paid, released, platform, delivery]) in [
        (json!(2500), json!(75), [257_500, 245_000, 5_000, 7_500]),
        (json!(1234.56), json!(37.04), [127_160, 120_987, 2_469, 3_704]),
    ] {
        let app = spawn_app();
        let mut terms = standard_terms();
        terms["amount"] = amount;
        let deal = Deal::of(&app.create_escrow("ada", &terms).ok());
        let set = app
            .set_additional_fee(&deal.token, &json!({ "additionalFee": fee }))
            .ok();
        assert_eq!(
            (set.status, set.message()),
            (200, "Additional fee updated successfully")
        );
        assert_eq!(set.data()["additionalFee"], fee);
        assert_eq!(set.data()["additionalFeeRefundable"], true);
        assert_eq!(set.data()["isSeller"], false);
        assert_eq!(set.data(), app.verify(&deal.token).ok().data());
        app.pay_for("ben", &deal).ok();
        app.confirm_payment("ben", &deal.id).ok();
        assert_eq!(
            app.escrow_transfers(),
            [
                format!("FUND customer_main:ben -> customer_escrow:ben {paid}"),
                format!("RELEASE customer_escrow:ben -> customer_main:ada {released}"),
                format!("PLATFORM_FEE customer_escrow:ben -> platform_fees {platform}"),
                format!("ADDITIONAL_FEE customer_escrow:ben -> merchant_main {delivery}"),
            ]
        );
        let references = app.references("credit_type = 'credit' AND transaction_type IN ('escrow', 'delivery')");
        assert_eq!(references[1], format!("DLV-{}", references[0]));
    }
}

/// Contract Ex 10, the amount that the buyer pays.
#[test]
fn an_additional_fee_is_on_top_of_amount_and_fee() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["amount"] = json!(10_000);
    terms["whoPays"] = json!("buyer");
    let deal = Deal::of(&app.create_escrow("ada", &terms).ok());
    app.set_additional_fee(&deal.token, &json!({ "additionalFee": 500 }))
        .ok();
    let pay = |amount: i64| {
        let body = json!({ "amount": amount, "escrowDetails": { "escrowId": deal.id } });
        app.pay("ben", &body)
    };
    app.wallet("ben").ok();
    app.refuses(400, "Amount mismatch", |_| pay(10_200));
    pay(10_700).ok();
    assert_eq!(app.balances("ben"), (json!(989_300), json!(10_000)));
    assert_eq!(app.verify(&deal.token).data()["fee"], 200);
}

#[test]
fn an_additional_fee_can_be_set_repeatedly_and_cleared_with_zero() {
    let app = spawn_app();
    let deal = offered(&app);
    let set = |body: Value| {
        let data = app.set_additional_fee(&deal.token, &body).ok().data().clone();
        (data["additionalFee"].clone(), data["additionalFeeRefundable"].clone())
    };
    let kept = json!({ "additionalFee": 37.04, "additionalFeeRefundable": false });
    assert_eq!(set(kept), (json!(37.04), json!(false)));
    assert_eq!(
        set(json!({ "additionalFee": 5 })),
        (json!(5), json!(false)),
        "the flag keeps its value"
    );
    app.edit_escrow("ada", &deal.token, &new_terms()).ok();
    assert_eq!(app.verify(&deal.token).data()["additionalFee"], 5);
    let cleared = json!({ "additionalFee": 0, "additionalFeeRefundable": true });
    assert_eq!(set(cleared), (json!(0), json!(true)));
    app.pay_for("ben", &deal).ok();
    app.confirm_payment("ben", &deal.id).ok();
    let transfers = app.escrow_transfers();
    assert!(!transfers.iter().any(|transfer| transfer.starts_with("ADDITIONAL_FEE")));
}

#[test]
fn an_invalid_additional_fee_is_refused() {
    let app = spawn_app();
    let deal = offered(&app);
    for (body, message) in [
        (json!({}), "additionalFee is required"),
        (
            json!({ "additionalFee": "5" }),
            "additionalFee must be a number, such as 1500 or 99.95; got \"5\"",
        ),
        (
            json!({ "additionalFee": 1.234 }),
            "additionalFee must be a number with at most two decimals; got 1.234",
        ),
        (json!({ "additionalFee": -1 }), "additionalFee cannot be negative"),
        (json!({ "additionalFee": -0.01 }), "additionalFee cannot be negative"),
        (
            json!({ "additionalFee": 1, "additionalFeeRefundable": "yes" }),
            "additionalFeeRefundable must be true or false; got \"yes\"",
        ),
        (
            json!({ "additionalFee": 90_071_992_546_175.36 }),
            "additionalFee must be an amount that, with what is charged already, is at most 90071992547409.91; got 90071992546175.36",
        ),
    ] {
        app.refuses(400, message, |app| app.set_additional_fee(&deal.token, &body));
    }
    let most = json!({ "additionalFee": 90_071_992_546_175.35 });
    app.set_additional_fee(&deal.token, &most).ok();
}

/// If several refusals apply, the service answers with the first in this order.
#[test]
fn additional_fees_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    let (open, milestones, funded_milestones) = (paid_for(&app), app.offered(), app.funded());
    let five = json!({ "additionalFee": 5 });
    let path = format!("/v1/escrow/additional-fee/{}", open.token);
    app.refuses(400, "customer-id is not allowed in request header", |app| {
        app.json_text("PUT", &path, "ada", "{")
    });
    app.refuses(400, "additionalFee is required", |app| {
        app.set_additional_fee("PY_NOBODY", &json!({}))
    });
    for token in ["PY_NOBODY", &open.id] {
        app.refuses(400, "Escrow not found", |app| app.set_additional_fee(token, &five));
    }
    let other = [
        ("authorization", "Bearer sk_test_other"),
        ("content-type", "application/json"),
    ];
    app.send("GET", "/v1/escrow/transactions?type=sales", &other, None).ok();
    let body = five.to_string();
    app.refuses(400, "Escrow does not belong to this merchant", |app| {
        app.send("PUT", &path, &other, Some(body.as_bytes()))
    });
    for deal in [&milestones, &funded_milestones] {
        app.refuses(400, "An additional fee can only be set on a standard escrow", |app| {
            app.set_additional_fee(&deal.token, &five)
        });
    }
    let pending = "An additional fee can only be updated while the escrow is pending payment";
    app.refuses(400, pending, |app| app.set_additional_fee(&open.token, &five));
    app.confirm_payment("ben", &open.id).ok();
    app.refuses(400, pending, |app| app.set_additional_fee(&open.token, &five));
}

#[test]
fn only_a_super_admins_key_sets_an_additional_fee() {
    let app = spawn_live_app(|config| {
        config.merchant[0].business_key = Some("sk_live_business");
    });
    let send = |key: &str, method: &str, path: &str, body: &Value| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        app.send(method, path, &headers, Some(body.to_string().as_bytes()))
    };
    let created = send("sk_live_business", "POST", "/v1/escrow/create", &standard_terms()).ok();
    let token = created.text("paymentToken");
    let path = format!("/v1/escrow/additional-fee/{token}");
    let five = json!({ "additionalFee": 5 });
    app.refuses(401, "Access denied", |_| send("sk_live_business", "PUT", &path, &five));
    send(LIVE_KEY, "PUT", &path, &five).ok();
    let edit = format!("/v1/escrow/edit/{token}");
    send("sk_live_business", "PUT", &edit, &new_terms()).ok();
    let delete = format!("/v1/escrow/delete/{token}");
    send("sk_live_business", "DELETE", &delete, &json!({})).ok();
}

#[test]
fn a_deleted_offer_is_not_found() {
    let app = spawn_app();
    for offer in [offered, TestApp::offered] {
        let deal = offer(&app);
        let deleted = app.delete_escrow("ada", &deal.token).ok();
        assert_eq!(
            (deleted.status, deleted.message()),
            (200, "Escrow deleted successfully")
        );
        assert_eq!(*deleted.data(), json!({}));
        app.wallet("ben").ok();
        let conversion = json!({ "milestones": two_stages() });
        let token = &deal.token;
        app.refuses(400, "Escrow not found", |app| app.delete_escrow("ada", token));
        app.refuses(400, "Escrow not found", |app| app.verify(token));
        app.refuses(400, "Escrow not found", |app| app.milestones(token));
        app.refuses(400, "Escrow not found", |app| {
            app.edit_escrow("ada", token, &new_terms())
        });
        app.refuses(400, "Escrow not found", |app| {
            app.edit_milestone_escrow("ada", token, &crate::helpers::two_milestones())
        });
        app.refuses(400, "Escrow not found", |app| app.convert("ada", token, &conversion));
        app.refuses(400, "Escrow not found", |app| app.claim("ada", token));
        app.refuses(400, "Escrow not found", |app| {
            app.set_additional_fee(token, &json!({ "additionalFee": 5 }))
        });
        app.refuses(400, "Escrow not found", |app| app.pay_for("ben", &deal));
        app.refuses(400, "Escrow not found", |app| {
            app.pay("ben", &json!({ "escrowDetails": { "paymentToken": token } }))
        });
        app.refuses(400, "Escrow not found", |app| app.confirm_payment("ben", &deal.id));
        app.refuses(400, "Escrow not found", |app| {
            app.confirm_milestone("ben", &deal.id, "x")
        });
        assert_eq!(app.escrows("ada", "type=sales").ok().data()["report"]["total"], 0);
    }
    // A deletion keeps the row.
    assert_eq!(app.count("escrow"), 2);
}

/// If several refusals apply, the service answers with the first in this order.
#[test]
fn deletions_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    let (open, unfunded, milestones) = (paid_for(&app), offered(&app), app.funded());
    app.wallet("dan").ok();
    app.refuses(400, "Escrow not found", |app| app.delete_escrow("dan", "PY_NOBODY"));
    app.refuses(400, "Escrow not found", |app| {
        send_as_other_merchant(
            app,
            "DELETE",
            &format!("/v1/escrow/delete/{}", unfunded.token),
            "ada",
            &json!({}),
        )
    });
    for caller in ["dan", "ben", ""] {
        for deal in [&open, &unfunded, &milestones] {
            app.refuses(401, "Access denied", |app| app.delete_escrow(caller, &deal.token));
        }
    }
    for deal in [&open, &milestones] {
        app.refuses(400, "Action not allowed", |app| app.delete_escrow("ada", &deal.token));
    }
    app.confirm_payment("ben", &open.id).ok();
    app.refuses(400, "Action not allowed", |app| app.delete_escrow("ada", &open.token));
}

#[test]
fn only_one_of_a_concurrent_payment_and_deletion_succeeds() {
    let app = spawn_app();
    for _ in 0..5 {
        let deal = offered(&app);
        let answers = app.run_concurrently(2, |app, index| match index {
            0 => app.delete_escrow("ada", &deal.token),
            _ => app.pay_for("ben", &deal),
        });
        let succeeded = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(succeeded, 1, "{answers:?}");
    }
}

#[test]
fn a_standard_escrow_becomes_a_milestone_escrow() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["description"] = json!("As new");
    let created = app.create_escrow("ada", &terms).ok();
    let deal = Deal::of(&created);
    app.set_additional_fee(
        &deal.token,
        &json!({ "additionalFee": 37.04, "additionalFeeRefundable": false }),
    )
    .ok();
    let conversion = json!({ "amount": 1000, "milestones": two_stages() });
    let converted = app.convert("ada", &deal.token, &conversion).ok();
    assert_eq!(
        (converted.status, converted.message()),
        (200, "Escrow converted to milestone successfully")
    );
    let mut expected = created.data().clone();
    expected["amount"] = json!(1000);
    expected["whoPays"] = json!("buyer");
    expected["fee"] = json!(20);
    expected["settlementType"] = json!("MILESTONE");
    for field in ["milestones", "updatedAt"] {
        expected[field] = converted.data()[field].clone();
    }
    assert_eq!(*converted.data(), expected, "the conversion removes the additional fee");
    assert_eq!(converted.data()["milestones"][1]["title"], "Sails");

    let deal = Deal::of(&converted);
    assert_eq!(app.pay_for("ben", &deal).ok().data()["amount"], 1020);
    app.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    let last = app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    assert_eq!(last.text("status"), "COMPLETED");
}

#[test]
fn a_conversion_keeps_the_amount_when_none_is_sent() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["amount"] = json!(1000);
    let deal = Deal::of(&app.create_escrow("ada", &terms).ok());
    let converted = app
        .convert("ada", &deal.token, &json!({ "milestones": two_stages() }))
        .ok();
    assert_eq!(
        (&converted.data()["amount"], &converted.data()["fee"]),
        (&json!(1000), &json!(20))
    );
}

/// If several refusals apply, the service answers with the first in this order.
#[test]
fn conversions_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    let (open, unfunded, milestones) = (paid_for(&app), offered(&app), app.offered());
    let mut terms = standard_terms();
    terms["totalQuantity"] = json!(2);
    let link = Deal::of(&app.create_escrow("ada", &terms).ok());
    let conversion = json!({ "milestones": two_stages() });
    let path = format!("/v1/escrow/milestone/convert/{}", unfunded.token);
    app.refuses(400, "customer-id header is required", |app| {
        app.as_merchant("PUT", &path, Some(&json!({})))
    });
    let wrong = |body: Value, message: &str| {
        app.refuses(400, message, |app| app.convert("ada", "PY_NOBODY", &body));
    };
    wrong(json!({}), "milestones is required");
    wrong(
        json!({ "amount": 0, "milestones": 5 }),
        "amount must be at least 1; got 0",
    );
    wrong(json!({ "milestones": 5 }), "milestones must be a list; got 5");
    wrong(
        json!({ "milestones": [{ "title": "Hull", "amount": 0.5 }] }),
        "milestones[0].amount must be a positive whole number (the setting strict = true allows two decimals); got 0.5",
    );
    wrong(
        json!({ "milestones": [{ "title": "Hull", "amount": 5 }] }),
        "A milestone escrow must have at least 2 milestones",
    );
    wrong(conversion.clone(), "Escrow not found");
    app.refuses(400, "Escrow not found", |app| {
        send_as_other_merchant(app, "PUT", &path, "ada", &conversion)
    });
    app.wallet("dan").ok();
    for caller in ["dan", "ben"] {
        for deal in [&open, &unfunded, &milestones, &link] {
            app.refuses(401, "Access denied", |app| {
                app.convert(caller, &deal.token, &conversion)
            });
        }
    }
    let funded_milestones = app.funded();
    for deal in [&milestones, &funded_milestones] {
        app.refuses(400, "Escrow is already a milestone escrow", |app| {
            app.convert("ada", &deal.token, &conversion)
        });
    }
    for deal in [&link, &open] {
        app.refuses(400, "Action not allowed", |app| {
            app.convert("ada", &deal.token, &conversion)
        });
    }
    let sum = "The sum of milestone amounts must equal the escrow amount";
    let fractional = app.convert("ada", &unfunded.token, &conversion);
    assert_eq!(
        (fractional.status, fractional.body["details"]["field"].as_str()),
        (400, Some("amount"))
    );
    let other = json!({ "amount": 1001, "milestones": two_stages() });
    app.refuses(400, sum, |app| app.convert("ada", &unfunded.token, &other));
}

/// The amount of a standard escrow may have decimals, and a conversion may keep it.
#[test]
fn converting_a_fractional_amount_names_the_remedy() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["amount"] = json!(1000.5);
    let deal = Deal::of(&app.create_escrow("ada", &terms).ok());
    let stages = json!([{ "title": "Hull", "amount": 500 }, { "title": "Mast", "amount": 500 }]);
    let message = "amount must be a whole number in a milestone escrow, since the amounts of milestones are whole \
        (the setting strict = true allows two decimals); got 1000.5";
    for body in [
        json!({ "milestones": stages }),
        json!({ "amount": 1000.5, "milestones": stages }),
    ] {
        app.refuses(400, message, |app| app.convert("ada", &deal.token, &body));
    }
    let whole = json!({ "amount": 1000, "milestones": stages });
    let converted = app.convert("ada", &deal.token, &whole).ok();
    assert_eq!(converted.data()["amount"], 1000);
}
