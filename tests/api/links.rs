//! Links: offers that several buyers can pay for. Each payment makes an escrow of its own
//! (contract section 4.2.8).

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app, standard_terms};

const SOLD_OUT: &str = "Escrow is not in a valid state for checkout";

/// Creates a link of Ada's for this many bicycles.
fn link(app: &TestApp, quantity: i64) -> Deal {
    let mut terms = standard_terms();
    terms["totalQuantity"] = json!(quantity);
    Deal::of(&app.create_escrow("ada", &terms).ok())
}

/// Returns the one escrow that a payment funded.
fn bought(payment: &Answer) -> Deal {
    let details = &payment.data()["escrowDetails"];
    let text = |key: &str| details[key].as_str().unwrap().to_owned();
    Deal {
        id: text("escrowId"),
        token: text("paymentToken"),
        milestones: Vec::new(),
    }
}

fn left(app: &TestApp, link: &Deal) -> Value {
    let verified = app.verify(&link.token).ok();
    assert_eq!(verified.text("state"), "AWAITING_PAYMENT");
    assert_eq!(verified.text("status"), "PENDING");
    assert_eq!(verified.data()["paymentDetails"], Value::Null);
    verified.data()["totalQuantity"].clone()
}

#[test]
fn each_buyer_has_an_escrow_of_their_own() {
    let app = spawn_app();
    let link = link(&app, 2);
    app.set_additional_fee(
        &link.token,
        &json!({ "additionalFee": 37.04, "additionalFeeRefundable": false }),
    )
    .ok();
    let original = app.verify(&link.token).ok().data().clone();
    assert_eq!(original["totalQuantity"], 2);

    let payment = app.pay_for("ben", &link).ok();
    assert_eq!(payment.data()["amount"], 1271.6);
    let first = bought(&payment);
    assert!(first.id != link.id && first.token != link.token);
    assert_eq!(left(&app, &link), 1);
    let clone = app.verify(&first.token).ok().data().clone();
    assert_eq!(
        (&clone["state"], &clone["status"]),
        (&json!("OPENED"), &json!("ONGOING"))
    );
    for field in [
        "amount",
        "fee",
        "additionalFee",
        "additionalFeeRefundable",
        "purpose",
        "description",
        "whoPays",
        "maxDelivery",
        "deliveryTimeline",
        "imageUrl",
        "category",
        "settlementType",
        "milestones",
    ] {
        assert_eq!(clone[field], original[field], "{field}");
    }
    assert_eq!(clone["totalQuantity"], 1);
    assert_eq!(clone["paymentDetails"]["id"], payment.data()["id"]);
    assert_ne!(clone["createdAt"], original["createdAt"]);

    let second = bought(&app.pay_for("cleo", &link).ok());
    assert_eq!(left(&app, &link), 0);
    app.refuses(400, SOLD_OUT, |app| app.pay_for("ben", &link));
    app.refuses(400, SOLD_OUT, |app| {
        app.pay("ben", &json!({ "escrowDetails": { "paymentToken": link.token } }))
    });

    app.refuses(400, "Action not allowed", |app| app.confirm_payment("ben", &link.id));
    app.refuses(401, "Access denied", |app| app.confirm_payment("ben", &second.id));
    app.confirm_payment("ben", &first.id).ok();
    app.pass_seconds(30 * 86_400);
    assert_eq!(app.claim("ada", &second.token).ok().text("status"), "CLAIMED");
    assert_eq!(app.balances("ada").0, json!(1_002_419.74));
}

/// The copy emits `escrow.created` and `escrow.ongoing` of the same time. The first shows it as it was
/// made, before it was paid.
#[test]
fn a_payment_for_a_link_emits_events_of_the_copy() {
    let app = spawn_app();
    let link = link(&app, 2);
    app.pay_for("ben", &link).ok();
    assert_eq!(
        app.column(
            "SELECT name || ' ' || coalesce(total_quantity || '', '') FROM event JOIN event_name ON event_name.id = name_id
             LEFT JOIN escrow ON escrow.id = escrow_id ORDER BY event.id"
        ),
        [
            "escrow.created 1",
            "escrow.pending 1",
            "escrow.created 1",
            "payment.escrow.success 1",
            "escrow.ongoing 1"
        ]
    );
    assert_eq!(
        app.column("SELECT count(DISTINCT escrow_id) FROM event JOIN event_name ON event_name.id = name_id WHERE name = 'escrow.created'"),
        ["2"]
    );
}

#[test]
fn one_buyer_may_pay_for_a_link_again() {
    let app = spawn_app();
    let link = link(&app, 3);
    let tokens: Vec<String> = (0..3).map(|_| bought(&app.pay_for("ben", &link).ok()).token).collect();
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2]);
    app.refuses(400, SOLD_OUT, |app| app.pay_for("ben", &link));
}

#[test]
fn a_repeated_payment_returns_the_escrow_it_made() {
    let app = spawn_app();
    let link = link(&app, 3);
    let body = json!({ "reference": "one", "escrowDetails": { "escrowId": link.id } });
    let first = app.pay("ben", &body).ok();
    let dump = app.dump();
    assert_eq!(app.pay("ben", &body).ok().data(), first.data());
    assert_eq!(app.dump(), dump);
    assert_eq!(left(&app, &link), 2);
    app.refuses(400, "Duplicate reference", |app| app.pay("cleo", &body));
}

#[test]
fn one_payment_may_fund_links_and_plain_escrows() {
    let app = spawn_app();
    let (bicycles, plain) = (link(&app, 2), app.offered());
    let more = link(&app, 5);
    let ids = json!([more.id, plain.id, bicycles.id]);
    let body = json!({ "reference": "all", "escrowDetails": { "escrowId": ids } });
    let payment = app.pay("ben", &body).ok();
    assert_eq!(payment.data()["amount"], 12_669.12);
    let details = payment.data()["escrowDetails"].as_array().unwrap();
    let funded: Vec<&str> = details.iter().map(|each| each["escrowId"].as_str().unwrap()).collect();
    assert_eq!((funded.len(), funded[0]), (3, plain.id.as_str()));
    for detail in details {
        let verified = app.verify(detail["paymentToken"].as_str().unwrap()).ok();
        assert_eq!(verified.text("status"), "ONGOING");
    }
    assert_eq!((left(&app, &bicycles), left(&app, &more)), (json!(1), json!(4)));
    assert_eq!(app.pay("ben", &body).ok().data(), payment.data());

    let again = json!([more.id, more.id]);
    let message = format!(
        "escrowDetails.escrowId must be a list that names each escrow once; got {}",
        more.id
    );
    app.refuses(400, &message, |app| {
        app.pay("ben", &json!({ "escrowDetails": { "escrowId": again } }))
    });
    // One escrow that cannot be paid refuses the whole payment.
    app.pay_for("cleo", &bicycles).ok();
    app.refuses(400, SOLD_OUT, |app| {
        app.pay(
            "ben",
            &json!({ "escrowDetails": { "escrowId": [more.id, bicycles.id] } }),
        )
    });
}

#[test]
fn a_card_pays_for_a_link_too() {
    let app = spawn_app();
    let link = link(&app, 2);
    let card = app.save_card("ben", "4242424242424242").ok().text("id");
    let body = json!({
        "reference": "one", "gateway": "card", "cardId": card, "escrowDetails": { "escrowId": link.id },
    });
    let payment = app.pay("ben", &body).ok();
    assert_eq!(app.verify(&bought(&payment).token).text("status"), "ONGOING");
    assert_eq!(left(&app, &link), 1);
    assert_eq!(app.balances("ben"), (json!(1_000_000), json!(1209.87)));
}

#[test]
fn a_refused_payment_leaves_the_stock_unchanged() {
    let app = spawn_app();
    let link = link(&app, 2);
    app.wallet("ben").ok();
    app.refuses(400, "Buyer and seller must be different customers", |app| {
        app.pay_for("ada", &link)
    });
    app.refuses(400, "Amount mismatch", |app| {
        app.pay(
            "ben",
            &json!({ "amount": 1234.55, "escrowDetails": { "escrowId": link.id } }),
        )
    });
    let mut dear = standard_terms();
    dear["amount"] = json!(2_000_000);
    dear["totalQuantity"] = json!(2);
    let dear = Deal::of(&app.create_escrow("ada", &dear).ok());
    app.refuses(400, "Insufficient balance", |app| app.pay_for("ben", &dear));
    assert_eq!(left(&app, &link), 2);
}

#[test]
fn an_edit_raises_the_stock_or_ends_the_link() {
    let app = spawn_app();
    let link = link(&app, 2);
    app.pay_for("ben", &link).ok();
    app.pay_for("ben", &link).ok();
    let mut terms = standard_terms();
    terms["purpose"] = json!("Another bicycle");
    assert_eq!(
        app.edit_escrow("ada", &link.token, &terms).ok().data()["totalQuantity"],
        0,
        "an edit changes only the fields it sends"
    );
    app.refuses(400, SOLD_OUT, |app| app.pay_for("ben", &link));
    terms["totalQuantity"] = json!(7);
    app.edit_escrow("ada", &link.token, &terms).ok();
    let third = bought(&app.pay_for("ben", &link).ok());
    assert_eq!(app.verify(&third.token).text("purpose"), "Another bicycle");
    assert_eq!(left(&app, &link), 6);
    terms["totalQuantity"] = json!(1);
    app.edit_escrow("ada", &link.token, &terms).ok();
    assert_eq!(bought(&app.pay_for("ben", &link).ok()).id, link.id);
}

#[test]
fn a_milestone_escrow_with_a_quantity_is_no_link() {
    let app = spawn_app();
    let mut body = crate::helpers::two_milestones();
    body["totalQuantity"] = json!(5);
    let deal = Deal::of(&app.create_milestone_escrow("ada", &body).ok());
    assert_eq!(bought(&app.pay_for("ben", &deal).ok()).id, deal.id);
    assert_eq!(app.verify(&deal.token).data()["totalQuantity"], 5);
    app.refuses(400, SOLD_OUT, |app| app.pay_for("cleo", &deal));
}

#[test]
fn any_customer_may_pay_for_a_merchants_own_link() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["totalQuantity"] = json!(2);
    let link = Deal::of(&app.as_merchant("POST", "/v1/escrow/create", Some(&terms)).ok());
    let clone = bought(&app.pay_for("ada", &link).ok());
    app.confirm_payment("ada", &clone.id).ok();
    assert_eq!(
        app.escrow_transfers()[1],
        "RELEASE customer_escrow:ada -> merchant_main 120987"
    );
}

#[test]
fn concurrent_buyers_never_exceed_the_stock() {
    let app = spawn_app();
    for stock in [1, 3] {
        let mut terms = standard_terms();
        terms["totalQuantity"] = json!(stock + 1);
        let link = Deal::of(&app.create_escrow("ada", &terms).ok());
        app.pay_for("ben", &link).ok();
        let escrows = app.count("escrow");
        let answers = app.run_concurrently(12, |app, index| app.pay_for(&format!("buyer-{index}"), &link));
        let (paid, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(paid.len(), stock, "{answers:?}");
        assert!(refused.iter().all(|answer| answer.message() == SOLD_OUT));
        let mut ids: Vec<String> = paid.iter().map(|answer| bought(answer).id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), app.count("escrow") - escrows), (stock, stock));
        assert_eq!(left(&app, &link), 0);
    }
}
