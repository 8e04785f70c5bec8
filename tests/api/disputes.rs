//! Tests disputes and rulings (contract sections 4.6.2 and 4.6.7).

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app, spawn_app_with, two_milestones};
use crate::shapes::{assert_shape, assert_unix_now};

const NO_ID: &str = "0123456789abcdef01234567";
const DATE_AND_TIME: &str = "0000-00-00 00:00:00";
const PDF: &[u8] = b"%PDF-1.7 a receipt";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n a crack";

fn terms(amount: impl Into<Value>, who_pays: &str) -> Value {
    json!({
        "amount": amount.into(), "purpose": "A boat", "whoPays": who_pays,
        "maxDelivery": 7, "deliveryTimeline": "days",
    })
}

/// Creates Ada's standard escrow and pays for it as Ben.
fn standard(app: &TestApp, amount: impl Into<Value>, who_pays: &str) -> Deal {
    let deal = Deal::of(&app.create_escrow("ada", &terms(amount, who_pays)).ok());
    app.pay_for("ben", &deal).ok();
    deal
}

/// Creates a standard escrow that Ben has paid and disputed.
fn disputed(app: &TestApp, amount: impl Into<Value>, who_pays: &str) -> Deal {
    let deal = standard(app, amount, who_pays);
    submit(app, "ben", &deal, "It leaks").ok();
    deal
}

fn submit(app: &TestApp, who: &str, deal: &Deal, message: &str) -> Answer {
    let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
    app.json("POST", &path, who, &json!({ "message": message }))
}

fn resolve(app: &TestApp, escrow: &str, body: &Value) -> Answer {
    let path = format!("/v1/escrow/dispute/resolve/{escrow}");
    let headers = [("content-type", "application/json")];
    app.send("POST", &path, &headers, Some(body.to_string().as_bytes()))
}

/// Returns the body of a ruling with no optional fields.
fn ruling(status: &str) -> Value {
    json!({ "resolution": "We have looked at it", "status": status })
}

fn split(seller: impl Into<Value>, buyer: impl Into<Value>) -> Value {
    let mut body = ruling("SPLIT");
    body["sellerAmount"] = seller.into();
    body["buyerAmount"] = buyer.into();
    body
}

/// Returns the transfers of a ruling: all but the funding.
fn paid_out(app: &TestApp) -> Vec<String> {
    let transfers = app.escrow_transfers().into_iter();
    transfers.filter(|transfer| !transfer.starts_with("FUND ")).collect()
}

#[test]
fn the_buyer_disputes_and_the_seller_replies() {
    let app = spawn_app();
    let deal = standard(&app, 10_000, "buyer");
    let transfers = app.escrow_transfers();
    let opened = submit(&app, "ben", &deal, "It leaks").ok();
    assert_eq!(opened.message(), "Escrow dispute submitted successfully");
    let escrow = opened.data();
    assert_eq!(
        (&escrow["status"], &escrow["state"]),
        (&json!("DISPUTED"), &json!("OPENED"))
    );
    assert_eq!(escrow["logs"], json!(["DISPUTED"]));
    assert_eq!(escrow["isSeller"], false);
    let created_at = &escrow["dispute"][0]["createdAt"];
    assert_unix_now(created_at);
    let by_ben = json!({
        "userId": "ben", "name": "ben", "profile": null, "message": "It leaks", "proofUrl": null, "type": "buyer",
        "createdAt": created_at,
    });
    assert_eq!(escrow["dispute"], json!([by_ben]));

    let replied = submit(&app, "ada", &deal, "It is a bath").ok();
    let escrow = replied.data();
    assert_eq!(
        (&escrow["status"], &escrow["state"]),
        (&json!("INVESTIGATING"), &json!("OPENED"))
    );
    assert_eq!(escrow["isSeller"], true);
    assert_eq!(escrow["dispute"][0], by_ben);
    assert_eq!(escrow["dispute"][1]["userId"], "ada");
    assert_eq!(escrow["dispute"][1]["type"], "seller");
    assert_eq!(app.escrow_transfers(), transfers, "no money moves");
    let names = app.column("SELECT name FROM event JOIN event_name ON event_name.id = name_id WHERE name LIKE 'escrow.%' ORDER BY event.id");
    let expected_events = [
        "escrow.created",
        "escrow.pending",
        "escrow.ongoing",
        "escrow.disputed",
        "escrow.investigating",
    ];
    assert_eq!(names, expected_events);
}

#[test]
fn only_replies_to_writes_have_the_additional_fields() {
    let app = spawn_app();
    let deal = disputed(&app, 10_000, "buyer");
    let written = submit(&app, "ada", &deal, "It is a bath").ok();
    let get = |path: &str| app.send("GET", path, &[("customer-id", "ben")], None).ok();
    let confirmed = {
        let other = standard(&app, 10_000, "buyer");
        app.confirm_payment("ben", &other.id).ok()
    };
    let write_reply_fields = [
        ("sellerId", json!("ada")),
        ("buyerId", json!("ben")),
        ("deliveryDetails", Value::Null),
        ("environment", json!("test")),
        ("merchantId", json!(1)),
        ("isMerchant", json!(true)),
    ];
    for answer in [&written, &confirmed] {
        let escrow = answer.data().as_object().unwrap();
        for (field, value) in &write_reply_fields {
            assert_eq!(escrow.get(*field), Some(value), "{field}");
        }
        assert_eq!(escrow["paymentId"], escrow["paymentDetails"]["id"]);
    }
    let reads = [
        app.verify(&deal.token).ok().data().clone(),
        get(&format!("/v1/escrow/dispute/get/{}", deal.id)).data().clone(),
        get("/v1/escrow/dispute/get").data()["data"][0].clone(),
        app.send("GET", "/v1/escrow/all-dispute", &[], None).ok().data()["data"][0].clone(),
        app.send("GET", "/v1/escrow/feeds", &[], None).ok().data()["data"][1].clone(),
        resolve(&app, &deal.id, &ruling("REFUNDED")).ok().data().clone(),
    ];
    for read in reads {
        assert_eq!(read["id"], deal.id);
        let read_fields = read.as_object().unwrap();
        for (field, _) in &write_reply_fields {
            assert!(!read_fields.contains_key(*field), "{field}");
        }
        assert!(!read_fields.contains_key("paymentId"));
        for statement in read["dispute"].as_array().unwrap() {
            assert!(!statement.as_object().unwrap().contains_key("userId"));
            assert_shape(&statement["createdAt"], DATE_AND_TIME);
        }
    }
}

#[test]
fn a_statement_keeps_the_profile_name_of_its_time() {
    let app = spawn_app();
    let body = json!({ "firstname": "Ben", "lastname": "Okri", "email": "ben@shop.example", "phone": "08012345678" });
    let post = [("content-type", "application/json")];
    let send =
        |method: &str, path: &str, body: &Value| app.send(method, path, &post, Some(body.to_string().as_bytes()));
    let ben = send("POST", "/v1/customer/create", &body).ok().text("customerId");
    let deal = Deal::of(&app.create_escrow("ada", &terms(1_000, "seller")).ok());
    app.top_up(&ben, 5_000).ok();
    app.pay_for(&ben, &deal).ok();
    submit(&app, &ben, &deal, "It leaks").ok();
    submit(&app, "ada", &deal, "It does not").ok();
    let path = format!("/v1/customer/update/{ben}");
    send("PUT", &path, &json!({ "firstname": "Benjamin" })).ok();
    let resolved = resolve(&app, &deal.id, &ruling("REFUNDED")).ok();
    let names: Vec<&Value> = resolved.data()["dispute"]
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| &statement["name"])
        .collect();
    assert_eq!(names, ["Ben Okri", "ada", "Customer support"]);
}

#[test]
fn a_statement_may_include_a_file() {
    let app = spawn_app();
    let deal = standard(&app, 10_000, "buyer");
    let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
    let form = |who: &str, file: &[u8]| {
        app.form(
            "POST",
            &path,
            who,
            &[("message", None, b"Look"), ("file", Some("x"), file)],
        )
    };
    let opened = form("ben", PDF).ok();
    form("ada", PNG).ok();
    let resolve_path = format!("/v1/escrow/dispute/resolve/{}", deal.id);
    let fields: [(&str, Option<&str>, &[u8]); 3] = [
        ("resolution", None, b"As the receipt says"),
        ("status", None, b"REFUNDED"),
        ("file", Some("ruling.pdf"), b"%PDF-1.4 a ruling"),
    ];
    let resolved = app.form("POST", &resolve_path, "", &fields).ok();
    let proof =
        |answer: &Answer, index: usize| answer.data()["dispute"][index]["proofUrl"].as_str().unwrap().to_owned();
    assert_eq!(proof(&opened, 0), proof(&resolved, 0));
    let address = format!("http://{}", app.address);
    for (index, bytes, kind, disposition) in [
        (0, PDF, "application/pdf", "attachment"),
        (1, PNG, "image/png", "inline"),
        (2, b"%PDF-1.4 a ruling", "application/pdf", "attachment"),
    ] {
        let url = proof(&resolved, index);
        let (status, headers, body) = app.file(url.strip_prefix(&address).unwrap());
        assert_eq!((status, body.as_slice()), (200, bytes));
        let header = |name: &str| headers.iter().find(|(header, _)| header == name).unwrap().1.clone();
        assert_eq!(header("content-type"), kind);
        assert!(header("content-disposition").starts_with(disposition));
    }
    assert_eq!(app.stored_files().len(), 3);
}

#[test]
fn evidence_is_one_file_of_an_accepted_type() {
    let app = spawn_app();
    let deal = standard(&app, 10_000, "buyer");
    let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
    let message = ("message", None, &b"Look"[..]);
    let page = ("file", Some("page.html"), &b"<html></html>"[..]);
    let expected = "file must be a JPEG, PNG, GIF or WebP picture or a PDF document; got something else";
    app.refuses(400, expected, |app| app.form("POST", &path, "ben", &[message, page]));
    let paper = ("file", Some("a.pdf"), PDF);
    app.refuses(400, "file must be sent once; got 2 files", |app| {
        app.form("POST", &path, "ben", &[message, paper, paper])
    });
    app.refuses(400, "message is required", |app| {
        app.form("POST", &path, "ben", &[paper])
    });
    // The message is valid, but Dan has no part in the escrow. The refusal also discards the
    // file.
    app.wallet("dan").ok();
    app.refuses(401, "Access denied", |app| {
        app.form("POST", &path, "dan", &[message, paper])
    });
    assert_eq!(app.stored_files(), [""; 0]);
}

/// If several refusals apply, the service answers with the first in this order.
#[test]
fn statements_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    let unknown = Deal {
        id: NO_ID.to_owned(),
        token: "PY_aB3dE6gH0417".to_owned(),
        milestones: vec![],
    };
    for message in ["", "  "] {
        app.refuses(400, "message is required", |app| submit(app, "ben", &unknown, message));
    }
    let long = "x".repeat(2_001);
    app.refuses(
        400,
        "message must be a text of at most 2000 characters; got 2001 characters",
        |app| submit(app, "ben", &unknown, &long),
    );
    app.refuses(400, "Escrow not found", |app| submit(app, "ben", &unknown, "x"));
    let unfunded = Deal::of(&app.create_escrow("ada", &terms(1_000, "buyer")).ok());
    for who in ["ben", "ada", "dan"] {
        app.wallet(who).ok();
        app.refuses(400, "Action not allowed", |app| submit(app, who, &unfunded, "x"));
    }
    let deal = standard(&app, 10_000, "buyer");
    app.refuses(401, "Access denied", |app| submit(app, "dan", &deal, "x"));
    submit(&app, "ben", &deal, "It leaks").ok();
    app.refuses(400, "Buyer already submitted Dispute", |app| {
        submit(app, "ben", &deal, "x")
    });
    submit(&app, "ada", &deal, "No").ok();
    app.refuses(400, "Seller already submitted Dispute", |app| {
        submit(app, "ada", &deal, "x")
    });
    app.refuses(400, "Buyer already submitted Dispute", |app| {
        submit(app, "ben", &deal, "x")
    });
    resolve(&app, &deal.id, &ruling("REFUNDED")).ok();
    for who in ["ben", "ada"] {
        app.refuses(400, "Action not allowed", |app| submit(app, who, &deal, "x"));
    }
    app.refuses(400, "customer-id header is required", |app| {
        let headers = [("content-type", "application/json")];
        let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
        app.send("POST", &path, &headers, Some(b"{\"message\":\"x\"}"))
    });
}

#[test]
fn milestones_can_be_disputed_while_the_escrow_holds_money() {
    let app = spawn_app();
    let deal = app.funded();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let opened = submit(&app, "ben", &deal, "Late").ok();
    assert_eq!(opened.text("status"), "DISPUTED");

    let done = app.funded();
    for milestone in &done.milestones {
        app.confirm_milestone("ben", &done.id, milestone).ok();
    }
    for who in ["ben", "ada"] {
        let message = "All milestones have been released; there are no held funds to dispute";
        app.refuses(400, message, |app| submit(app, who, &done, "x"));
    }
    app.wallet("dan").ok();
    app.refuses(401, "Access denied", |app| submit(app, "dan", &done, "x"));
}

#[test]
fn a_dispute_freezes_the_money() {
    let app = spawn_app();
    let deal = disputed(&app, 10_000, "buyer");
    let stages = app.funded();
    submit(&app, "ben", &stages, "Late").ok();
    let refuse_all = |app: &TestApp| {
        app.refuses(400, "Action not allowed", |app| app.confirm_payment("ben", &deal.id));
        for milestone in &stages.milestones {
            app.refuses(400, "Action not allowed", |app| {
                app.confirm_milestone("ben", &stages.id, milestone)
            });
        }
        app.refuses(400, "Action not allowed", |app| {
            app.edit_milestone_escrow("ada", &stages.token, &two_milestones())
        });
        app.refuses(400, "Escrow is not in a valid state for checkout", |app| {
            app.pay_for("cleo", &deal)
        });
        app.refuses(400, "Action not allowed", |app| {
            let path = format!("/v1/escrow/edit/{}", deal.token);
            app.json("PUT", &path, "ada", &terms(10_000, "buyer"))
        });
        let claim = format!("/v1/escrow/claim-funds/{}", deal.token);
        let delete = format!("/v1/escrow/delete/{}", deal.token);
        for (method, path) in [("GET", &claim), ("DELETE", &delete)] {
            app.refuses(400, "Action not allowed", |app| {
                app.send(method, path, &[("customer-id", "ada")], None)
            });
        }
    };
    app.wallet("cleo").ok();
    refuse_all(&app);
    for deal in [&deal, &stages] {
        submit(&app, "ada", deal, "No").ok();
    }
    refuse_all(&app);
    for deal in [&deal, &stages] {
        resolve(&app, &deal.id, &ruling("REFUNDED")).ok();
    }
    refuse_all(&app);
}

#[test]
fn a_ruling_for_the_seller_completes_the_escrow() {
    let app = spawn_app_with(|config| config.fees.commission_bps = 100);
    let deal = disputed(&app, 10_000, "buyer");
    let mut body = ruling("COMPLETED");
    body["additionalFeeRefundable"] = json!(false);
    let resolved = resolve(&app, &deal.id, &body).ok();
    assert_eq!(resolved.message(), "Dispute resolution submitted successfully");
    let escrow = resolved.data();
    assert_eq!(
        (&escrow["status"], &escrow["state"]),
        (&json!("COMPLETED"), &json!("CLOSED"))
    );
    assert_eq!(escrow["additionalFeeRefundable"], true, "a completion ignores the flag");
    assert_eq!((&escrow["split"], &escrow["isSeller"]), (&Value::Null, &json!(false)));
    assert_unix_now(&escrow["completedAt"]);
    let statement = &escrow["dispute"][1];
    assert_shape(&statement["createdAt"], DATE_AND_TIME);
    let expected = json!({
        "name": "Customer support", "profile": null, "message": "We have looked at it", "proofUrl": null,
        "type": "customer support", "createdAt": statement["createdAt"],
    });
    assert_eq!(*statement, expected);
    let expected = [
        "RELEASE customer_escrow:ben -> customer_main:ada 1000000",
        "COMMISSION customer_escrow:ben -> merchant_main 10000",
        "PLATFORM_FEE customer_escrow:ben -> platform_fees 20000",
    ];
    assert_eq!(paid_out(&app), expected);
    assert_eq!(app.verify(&deal.token).ok().data(), escrow);
}

/// Contract Ex 9.
#[test]
fn a_refund_returns_the_hold_without_the_platform_fee() {
    for (who_pays, refunded) in [("buyer", 1_000_000), ("seller", 980_000), ("both", 990_000)] {
        let app = spawn_app_with(|config| config.fees.commission_bps = 0);
        let deal = disputed(&app, 10_000, who_pays);
        let resolved = resolve(&app, &deal.id, &ruling("REFUNDED")).ok();
        assert_eq!(resolved.text("status"), "REFUNDED");
        assert_eq!(resolved.text("state"), "CLOSED");
        let expected = [
            format!("REFUND customer_escrow:ben -> customer_main:ben {refunded}"),
            "PLATFORM_FEE customer_escrow:ben -> platform_fees 20000".to_owned(),
        ];
        assert_eq!(paid_out(&app), expected, "{who_pays}");
        assert_eq!(app.balances("ben").1, json!(0));
        let events = app
            .column("SELECT name FROM event JOIN event_name ON event_name.id = name_id ORDER BY event.id DESC LIMIT 1");
        assert_eq!(events, ["escrow.refunded"]);
    }
}

/// Contract Ex 10.
#[test]
fn the_refundable_flag_decides_who_gets_the_additional_fee() {
    for (flag, to_buyer, to_merchant) in [("true", 50_000, 0), ("false", 0, 50_000)] {
        let app = spawn_app();
        let deal = Deal::of(&app.create_escrow("ada", &terms(10_000, "buyer")).ok());
        let path = format!("/v1/escrow/additional-fee/{}", deal.token);
        let headers = [("content-type", "application/json")];
        app.send("PUT", &path, &headers, Some(b"{\"additionalFee\":500}")).ok();
        app.pay_for("ben", &deal).ok();
        submit(&app, "ben", &deal, "It leaks").ok();
        let path = format!("/v1/escrow/dispute/resolve/{}", deal.id);
        let fields: [(&str, Option<&str>, &[u8]); 3] = [
            ("resolution", None, b"Sorry"),
            ("status", None, b"REFUNDED"),
            ("additionalFeeRefundable", None, flag.as_bytes()),
        ];
        let resolved = app.form("POST", &path, "", &fields).ok();
        assert_eq!(resolved.data()["additionalFeeRefundable"].to_string(), flag);
        let mut expected = vec![
            "REFUND customer_escrow:ben -> customer_main:ben 1000000".to_owned(),
            "PLATFORM_FEE customer_escrow:ben -> platform_fees 20000".to_owned(),
        ];
        if to_buyer > 0 {
            expected.push(format!("REFUND customer_escrow:ben -> customer_main:ben {to_buyer}"));
        }
        if to_merchant > 0 {
            expected.push(format!(
                "ADDITIONAL_FEE customer_escrow:ben -> merchant_main {to_merchant}"
            ));
        }
        assert_eq!(paid_out(&app), expected);
    }
}

/// Creates an escrow of 1,000,000 with three milestones, confirms the first and disputes the
/// rest.
fn one_of_three_released(app: &TestApp) -> Deal {
    let body = json!({
        "amount": 1_000_000, "purpose": "A house", "whoPays": "buyer",
        "milestones": [
            { "title": "Frame", "amount": 300_000 },
            { "title": "Roof", "amount": 500_000, "customerId": "cleo" },
            { "title": "Paint", "amount": 200_000 },
        ],
    });
    let deal = Deal::of(&app.create_milestone_escrow("ada", &body).ok());
    app.top_up("ben", 100_000).ok();
    app.pay_for("ben", &deal).ok();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    submit(app, "ben", &deal, "Late").ok();
    deal
}

fn milestone_statuses(answer: &Answer) -> Vec<&Value> {
    let milestones = answer.data()["milestones"].as_array().unwrap();
    milestones.iter().map(|milestone| &milestone["status"]).collect()
}

/// Contract Ex 11, and the two other kinds of ruling on the same milestones.
#[test]
fn a_ruling_decides_the_unreleased_milestones() {
    let released = "RELEASE customer_escrow:ben -> customer_main:ada 30000000";
    let fee = "PLATFORM_FEE customer_escrow:ben -> platform_fees 2000000";
    let rulings = [
        (
            ruling("REFUNDED"),
            "REFUNDED",
            vec!["REFUND customer_escrow:ben -> customer_main:ben 70000000"],
        ),
        (
            ruling("COMPLETED"),
            "RELEASED",
            vec![
                "RELEASE customer_escrow:ben -> customer_main:cleo 50000000",
                "RELEASE customer_escrow:ben -> customer_main:ada 20000000",
            ],
        ),
        (
            split(450_000.5, 249_999.5),
            "SPLIT",
            vec![
                "RELEASE customer_escrow:ben -> customer_main:ada 45000050",
                "REFUND customer_escrow:ben -> customer_main:ben 24999950",
            ],
        ),
    ];
    for (body, status, legs) in rulings {
        let app = spawn_app();
        let deal = one_of_three_released(&app);
        let resolved = resolve(&app, &deal.id, &body).ok();
        assert_eq!(milestone_statuses(&resolved), ["RELEASED", status, status]);
        let expected = [&[released], legs.as_slice(), &[fee]].concat();
        assert_eq!(paid_out(&app), expected);
        assert_eq!(
            app.verify(&deal.token).ok().data()["milestones"],
            resolved.data()["milestones"]
        );
        app.refuses(
            400,
            if status == "RELEASED" {
                "Milestone has already been released"
            } else {
                "Action not allowed"
            },
            |app| app.confirm_milestone("ben", &deal.id, &deal.milestones[1]),
        );
    }
}

/// Contract Ex 12 and 13.
#[test]
fn a_split_must_divide_exactly_the_hold() {
    let app = spawn_app();
    let deal = disputed(&app, 150_000, "both");
    let message = "A split must add up to the 148500 still held on this escrow";
    for (seller, buyer, sum) in [
        (json!(100_000), json!(50_000), json!(150_000)),
        (json!(148_500), json!(0.01), json!(148_500.01)),
        (json!(0), json!(0), json!(0)),
    ] {
        let answer = app.refuses(400, message, |app| resolve(app, &deal.id, &split(seller, buyer)));
        assert_eq!(answer.body["details"], json!({ "pool": 148_500, "sum": sum }));
    }
    let resolved = resolve(&app, &deal.id, &split(100_000, 48_500)).ok();
    assert_eq!(resolved.text("status"), "SPLIT");
    assert_eq!(resolved.text("state"), "CLOSED");
    let found_split = &resolved.data()["split"];
    assert_unix_now(&found_split["resolvedAt"]);
    let expected = json!({
        "sellerAmount": 100_000, "buyerAmount": 48_500, "pool": 148_500, "resolvedAt": found_split["resolvedAt"],
    });
    assert_eq!(*found_split, expected);
    let expected = [
        "RELEASE customer_escrow:ben -> customer_main:ada 10000000",
        "REFUND customer_escrow:ben -> customer_main:ben 4850000",
        "PLATFORM_FEE customer_escrow:ben -> platform_fees 300000",
    ];
    assert_eq!(paid_out(&app), expected);

    let app = spawn_app();
    let deal = one_of_three_released(&app);
    let resolved = resolve(&app, &deal.id, &split(450_000.5, 249_999.5)).ok();
    let split = &resolved.data()["split"];
    assert_eq!(
        [&split["sellerAmount"], &split["buyerAmount"], &split["pool"]],
        [&json!(450_000.5), &json!(249_999.5), &json!(700_000)]
    );
}

#[test]
fn one_side_of_a_split_may_get_nothing() {
    for (seller, buyer, leg) in [
        (0, 10_000, "REFUND customer_escrow:ben -> customer_main:ben 1000000"),
        (10_000, 0, "RELEASE customer_escrow:ben -> customer_main:ada 1000000"),
    ] {
        let app = spawn_app();
        let deal = disputed(&app, 10_000, "buyer");
        resolve(&app, &deal.id, &split(seller, buyer)).ok();
        assert_eq!(
            paid_out(&app),
            [leg, "PLATFORM_FEE customer_escrow:ben -> platform_fees 20000"]
        );
    }
}

#[test]
fn a_merchant_as_seller_cannot_reply_and_its_ruling_pays_it() {
    let app = spawn_app();
    let body = terms(10_000, "buyer").to_string();
    let headers = [("content-type", "application/json")];
    let deal = Deal::of(
        &app.send("POST", "/v1/escrow/create", &headers, Some(body.as_bytes()))
            .ok(),
    );
    app.pay_for("ben", &deal).ok();
    let disputed = submit(&app, "ben", &deal, "It leaks").ok();
    assert_eq!(disputed.data()["sellerId"], Value::Null);
    app.refuses(400, "customer-id header is required", |app| {
        let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
        app.send("POST", &path, &headers, Some(b"{\"message\":\"x\"}"))
    });
    let resolved = resolve(&app, &deal.id, &ruling("COMPLETED")).ok();
    assert_eq!(resolved.data()["isSeller"], true);
    assert_eq!(
        paid_out(&app)[0],
        "RELEASE customer_escrow:ben -> merchant_main 1000000"
    );
}

/// If several refusals apply, the service answers with the first in this order.
#[test]
fn rulings_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    let deal = disputed(&app, 10_000, "buyer");
    let refuses = |body: Value, escrow: &str, message: &str| {
        app.refuses(400, message, |app| resolve(app, escrow, &body));
    };
    let with = |field: &str, value: Value, mut body: Value| {
        body[field] = value;
        body
    };
    let wrong = json!({
        "status": "WON", "sellerAmount": 1.234, "buyerAmount": -1, "additionalFeeRefundable": "yes",
    });
    refuses(wrong.clone(), NO_ID, "resolution is required");
    let wrong = with("resolution", json!("x"), wrong);
    let message = "status must be \"COMPLETED\" or \"REFUNDED\" or \"SPLIT\"; got \"WON\"";
    refuses(wrong.clone(), NO_ID, message);
    refuses(with("status", Value::Null, wrong.clone()), NO_ID, "status is required");
    let wrong = with("status", json!("SPLIT"), wrong);
    let message = "sellerAmount must be a number with at most two decimals; got 1.234";
    refuses(wrong.clone(), NO_ID, message);
    let wrong = with("sellerAmount", json!(1), wrong);
    refuses(
        wrong.clone(),
        NO_ID,
        "buyerAmount must be a number of 0 or more; got -1",
    );
    let wrong = with("buyerAmount", Value::Null, wrong);
    let message = "sellerAmount and buyerAmount are required on a SPLIT resolution";
    refuses(wrong.clone(), NO_ID, message);
    let wrong = with("status", json!("REFUNDED"), wrong);
    let message = "sellerAmount and buyerAmount are only valid on a SPLIT resolution";
    refuses(wrong.clone(), NO_ID, message);
    let wrong = with("sellerAmount", Value::Null, wrong);
    for value in [json!("yes"), json!(1), json!("true"), json!([])] {
        let body = with("additionalFeeRefundable", value, wrong.clone());
        refuses(body, NO_ID, "additionalFeeRefundable must be true or false");
    }
    for escrow in [NO_ID, "x", &deal.token] {
        refuses(ruling("REFUNDED"), escrow, "Escrow not found");
    }
    let unfunded = Deal::of(&app.create_escrow("ada", &terms(1_000, "buyer")).ok());
    refuses(split(1, 1), &unfunded.id, "No dispute found for this escrow");
    let undisputed = standard(&app, 1_000, "buyer");
    refuses(split(1, 1), &undisputed.id, "No dispute found for this escrow");
    app.confirm_payment("ben", &undisputed.id).ok();
    refuses(split(1, 1), &undisputed.id, "Escrow already completed");

    for body in [ruling("COMPLETED"), ruling("REFUNDED"), split(4_000, 6_000)] {
        let deal = disputed(&app, 10_000, "buyer");
        resolve(&app, &deal.id, &body).ok();
        for again in [ruling("COMPLETED"), ruling("REFUNDED"), split(4_000, 6_000)] {
            refuses(again, &deal.id, "Escrow already completed");
        }
    }
}

#[test]
fn only_the_merchant_of_an_escrow_can_rule_on_it() {
    let app = spawn_app();
    let deal = disputed(&app, 10_000, "buyer");
    let path = format!("/v1/escrow/dispute/resolve/{}", deal.id);
    app.refuses(400, "customer-id is not allowed in request header", |app| {
        app.json("POST", &path, "ada", &ruling("COMPLETED"))
    });
    let key = [
        ("authorization", "Bearer sk_test_other"),
        ("content-type", "application/json"),
    ];
    let body = ruling("REFUNDED").to_string();
    app.send(
        "POST",
        "/v1/payment/topup",
        &[key[0], key[1], ("customer-id", "eve")],
        Some(b"{\"amount\":1000}"),
    )
    .ok();
    app.refuses(400, "Escrow not found", |app| {
        app.send("POST", &path, &key, Some(body.as_bytes()))
    });
    app.refuses(400, "Escrow not found", |app| {
        let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
        app.json_with_key("sk_test_other", "POST", &path, "eve", &json!({ "message": "x" }))
    });
}

#[test]
fn a_vault_is_never_disputed() {
    let app = spawn_app();
    let stakes = json!([{ "customerId": "ben", "amount": 600 }, { "customerId": "cleo", "amount": 400 }]);
    let body = json!({ "purpose": "A bet", "participants": stakes });
    let vault = Deal::of(&app.as_merchant("POST", "/v1/escrow/vault/create", Some(&body)).ok());
    app.refuses(400, "Vault escrows cannot be disputed", |app| {
        submit(app, "ben", &vault, "x")
    });
    app.refuses(400, "A VAULT escrow cannot be split between the parties", |app| {
        resolve(app, &vault.id, &split(1, 1))
    });
    for status in ["COMPLETED", "REFUNDED"] {
        app.refuses(400, "No dispute found for this escrow", |app| {
            resolve(app, &vault.id, &ruling(status))
        });
    }
}

/// Sends the last confirmation and a dispute at the same moment. Exactly one must succeed.
#[test]
fn a_dispute_and_the_last_confirmation_do_not_both_happen() {
    let app = spawn_app();
    for _ in 0..10 {
        let deal = standard(&app, 1_000, "buyer");
        let answers = app.run_concurrently(2, |app, index| match index {
            0 => submit(app, "ben", &deal, "It leaks"),
            _ => app.confirm_payment("ben", &deal.id),
        });
        let done = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(done, 1, "{answers:?}");
    }
}
