//! Tests the ways out of a hold that escrowd adds to the contract's, so that no money is stuck
//! when a party is absent (contract section 9.4).

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app, spawn_app_with, standard_terms, two_milestones};

const DAY: i64 = 86_400;
const NO_DISPUTE: &str = "No dispute found for this escrow";
const REFUNDED: &str = "Escrow refunded successfully";

/// Creates a standard escrow of this party of 10,000, with a delivery window of three days, and
/// pays for it as Ben.
fn paid_for(app: &TestApp, seller: &str) -> Deal {
    let mut terms = standard_terms();
    terms["amount"] = json!(10_000);
    terms["whoPays"] = json!("both");
    let created = match seller {
        "" => app.as_merchant("POST", "/v1/escrow/create", Some(&terms)),
        seller => app.create_escrow(seller, &terms),
    };
    let deal = Deal::of(&created.ok());
    app.set_additional_fee(&deal.token, &json!({ "additionalFee": 500 }))
        .ok();
    app.pay_for("ben", &deal).ok();
    deal
}

fn dispute(app: &TestApp, who: &str, deal: &Deal) -> Answer {
    let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
    app.json("POST", &path, who, &json!({ "message": "Where are you?" }))
}

fn rule(app: &TestApp, deal: &Deal, status: &str) -> Answer {
    let path = format!("/v1/escrow/dispute/resolve/{}", deal.id);
    let mut body = json!({ "resolution": "Nothing was heard for long", "status": status });
    if status == "SPLIT" {
        body["sellerAmount"] = json!(4_000);
        body["buyerAmount"] = json!(6_000);
    }
    app.as_merchant("POST", &path, Some(&body))
}

/// Returns the transfers of a close: all but the funding.
fn paid_out(app: &TestApp) -> Vec<String> {
    let transfers = app.escrow_transfers().into_iter();
    transfers.filter(|transfer| !transfer.starts_with("FUND ")).collect()
}

#[track_caller]
fn assert_state(answer: &Answer, state: &str, status: &str) {
    assert_eq!(
        (answer.text("state"), answer.text("status")),
        (state.into(), status.into())
    );
}

#[test]
fn a_seller_gives_back_what_is_held() {
    let to_the_end = |app: &TestApp| {
        assert_eq!(
            paid_out(app),
            [
                "REFUND customer_escrow:ben -> customer_main:ben 990000",
                "PLATFORM_FEE customer_escrow:ben -> platform_fees 20000",
                "REFUND customer_escrow:ben -> customer_main:ben 50000",
            ]
        );
        assert_eq!(app.balances("ben"), (json!(999_800), json!(0)));
    };
    for (seller, is_disputed) in [("ada", false), ("ada", true), ("", false), ("", true)] {
        let app = spawn_app();
        let deal = paid_for(&app, seller);
        if is_disputed {
            dispute(&app, "ben", &deal).ok();
        }
        let refunded = app.refund(seller, &deal.token).ok();
        assert_eq!(refunded.message(), REFUNDED);
        assert_state(&refunded, "CLOSED", "REFUNDED");
        assert_eq!(refunded.data()["isSeller"], true);
        assert!(refunded.data()["completedAt"].is_string());
        let statements = refunded.data()["dispute"].as_array().map_or(0, Vec::len);
        assert_eq!(statements, usize::from(is_disputed));
        to_the_end(&app);
        let mut verified = app.verify(&deal.token).ok().data().clone();
        verified["isSeller"] = json!(true);
        assert_eq!(verified, *refunded.data());
        if !seller.is_empty() {
            let newest = &app.events()[app.events().len() - 3..];
            assert!(newest.contains(&"escrow.refunded".to_owned()), "{newest:?}");
        }
    }
}

#[test]
fn a_refund_leaves_the_milestones_that_were_released() {
    let app = spawn_app_with(|config| config.fees.commission_bps = 100);
    let deal = app.funded();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let refunded = app.refund("ada", &deal.token).ok();
    assert_state(&refunded, "CLOSED", "REFUNDED");
    let milestones = refunded.data()["milestones"].as_array().unwrap();
    let statuses: Vec<&Value> = milestones.iter().map(|milestone| &milestone["status"]).collect();
    assert_eq!(statuses, ["RELEASED", "REFUNDED"]);
    assert_eq!(
        paid_out(&app),
        [
            "RELEASE customer_escrow:ben -> customer_main:ada 400000",
            "REFUND customer_escrow:ben -> customer_main:ben 600000",
            "PLATFORM_FEE customer_escrow:ben -> platform_fees 30000",
        ]
    );
    assert_eq!(
        (&refunded.data()["dispute"], &refunded.data()["logs"]),
        (&Value::Null, &json!([]))
    );
}

/// If several refusals apply, the service answers with the first in this order.
#[test]
fn refunds_are_refused_in_a_fixed_order() {
    let app = spawn_app();
    app.wallet("dan").ok();
    let deal = paid_for(&app, "ada");
    app.refuses(400, "Escrow not found", |app| app.refund("ada", "PY_ZZZZZZZZ0000"));
    for who in ["dan", "ben", ""] {
        app.refuses(401, "Access denied", |app| app.refund(who, &deal.token));
    }
    app.block("ada").ok();
    app.refuses(401, "Your account is disabled. Please contact support", |app| {
        app.refund("ada", &deal.token)
    });
    app.unblock("ada").ok();
    let offer = app.offered();
    app.permit("ada", &json!({ "canSell": false })).ok();
    app.refuses(401, "Access denied", |app| app.refund("dan", &offer.token));
    let early = app.refuses(400, "Action not allowed", |app| app.refund("ada", &offer.token));
    assert_eq!(early.body["details"]["status"], "PENDING");
    let named = |answer: &Answer| {
        let actions = answer.body["details"]["actions"].as_array().unwrap();
        actions.iter().any(|action| action == "refund")
    };
    assert!(!named(&early));
    app.pay_for("ben", &offer).ok();
    let possible = app.refuses(400, "Action not allowed", |app| app.confirm_payment("ben", &offer.id));
    assert!(named(&possible), "{:?}", possible.body);

    // A seller who may not sell any more still gives back.
    app.refund("ada", &offer.token).ok();
    let again = app.refuses(400, "Action not allowed", |app| app.refund("ada", &offer.token));
    assert_eq!(again.body["details"], json!({ "status": "REFUNDED", "actions": [] }));
    dispute(&app, "ben", &deal).ok();
    rule(&app, &deal, "COMPLETED").ok();
    app.refuses(400, "Action not allowed", |app| app.refund("ada", &deal.token));
}

#[test]
fn the_merchant_rules_without_a_dispute_once_the_parties_time_has_passed() {
    for (status, paid) in [
        ("COMPLETED", "RELEASE customer_escrow:ben -> customer_main:ada 400000"),
        ("REFUNDED", "REFUND customer_escrow:ben -> customer_main:ben 1000000"),
        ("SPLIT", "RELEASE customer_escrow:ben -> customer_main:ada 400000"),
    ] {
        let app = spawn_app();
        let mut offer = two_milestones();
        offer["maxDelivery"] = json!(3);
        offer["deliveryTimeline"] = json!("days");
        let deal = Deal::of(&app.create_milestone_escrow("ada", &offer).ok());
        app.refuses(400, NO_DISPUTE, |app| rule(app, &deal, status));
        app.pay_for("ben", &deal).ok();
        let early = app.refuses(400, NO_DISPUTE, |app| rule(app, &deal, status));
        assert_eq!(early.body["code"], "no_dispute");
        let paid_at: i64 = app.verify(&deal.token).text("paidAt").parse().unwrap();
        let rulable_at = (paid_at + 4 * DAY).to_string();
        assert_eq!(early.body["details"], json!({ "rulableAt": rulable_at }));
        app.pass_seconds(4 * DAY - 30);
        app.refuses(400, NO_DISPUTE, |app| rule(app, &deal, status));

        app.pass_seconds(30);
        let ruled = rule(&app, &deal, status).ok();
        assert_state(&ruled, "CLOSED", status);
        assert_eq!(ruled.data()["logs"], json!([]), "no party disputed");
        let statements = ruled.data()["dispute"].as_array().unwrap();
        assert_eq!(statements.len(), 1);
        assert_eq!(statements[0]["type"], "customer support");
        assert_eq!(statements[0]["message"], "Nothing was heard for long");
        assert_eq!(paid_out(&app)[0], paid);
        assert_eq!(app.verify(&deal.token).ok().data(), ruled.data());
        app.refuses(400, "Escrow already completed", |app| rule(app, &deal, status));

        // The ruling stands in the lists of disputes, for the merchant and both parties.
        let listed = app.as_merchant("GET", "/v1/escrow/all-dispute", None).ok();
        assert_eq!(listed.data()["data"], json!([ruled.data()]));
        for party in ["ada", "ben"] {
            let headers = [("customer-id", party)];
            let path = format!("/v1/escrow/dispute/get/{}", deal.id);
            let got = app.send("GET", &path, &headers, None).ok();
            assert_eq!(got.data()["dispute"], ruled.data()["dispute"]);
        }
        let by_status = format!("/v1/escrow/feeds?status={status}");
        let listed = app.as_merchant("GET", &by_status, None).ok();
        assert_eq!(listed.data()["data"], json!([ruled.data()]));
    }
}

#[test]
fn a_release_gives_the_parties_their_time_again() {
    let app = spawn_app();
    let deal = app.funded();
    app.pass_seconds(20 * DAY);
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let milestones = app.milestones(&deal.token).ok();
    let released_at: i64 = milestones.data()[0]["releasedAt"].as_str().unwrap().parse().unwrap();
    app.pass_seconds(30 * DAY);
    let early = app.refuses(400, NO_DISPUTE, |app| rule(app, &deal, "REFUNDED"));
    let rulable_at = (released_at + 31 * DAY).to_string();
    assert_eq!(early.body["details"]["rulableAt"], rulable_at);
    app.pass_seconds(DAY);
    rule(&app, &deal, "REFUNDED").ok();
}

#[test]
fn a_seller_opens_a_dispute_and_the_buyer_replies() {
    let app = spawn_app();
    let deal = app.funded();
    let transfers = app.escrow_transfers();
    let opened = dispute(&app, "ada", &deal).ok();
    assert_state(&opened, "OPENED", "DISPUTED");
    assert_eq!(opened.data()["logs"], json!(["DISPUTED"]));
    app.refuses(400, "Seller already submitted Dispute", |app| {
        dispute(app, "ada", &deal)
    });
    app.refuses(400, "Action not allowed", |app| {
        app.confirm_milestone("ben", &deal.id, &deal.milestones[0])
    });
    let replied = dispute(&app, "ben", &deal).ok();
    assert_state(&replied, "OPENED", "INVESTIGATING");
    app.refuses(400, "Buyer already submitted Dispute", |app| dispute(app, "ben", &deal));
    let speakers = |answer: &Answer| {
        let statements = answer.data()["dispute"].as_array().unwrap().clone();
        statements
            .into_iter()
            .map(|said| said["type"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(speakers(&replied), ["seller", "buyer"]);
    assert_eq!(replied.data()["dispute"][0]["userId"], "ada");
    assert_eq!(replied.data()["dispute"][1]["userId"], "ben");
    assert_eq!(app.escrow_transfers(), transfers, "no money moves");
    let newest = app.events().split_off(app.events().len() - 2);
    assert_eq!(newest, ["escrow.disputed", "escrow.investigating"]);
    let ruled = rule(&app, &deal, "REFUNDED").ok();
    assert_eq!(speakers(&ruled), ["seller", "buyer", "customer support"]);
    let listed = app.as_merchant("GET", "/v1/escrow/all-dispute", None).ok();
    assert_eq!(listed.data()["data"], json!([ruled.data()]));
}

#[test]
fn with_strict_there_are_the_contracts_ways_out_only() {
    let app = spawn_app_with(|config| {
        config.strict = true;
        config.limits.requests_per_minute = 1_000;
    });
    let new = |number: i64| {
        let customer = json!({
            "firstname": "A", "lastname": "B",
            "email": format!("c{number}@shop.example"), "phone": format!("0801234567{number}"),
        });
        app.create_customer(&customer).ok().text("customerId")
    };
    let (ada, ben) = (new(1), new(2));
    app.top_up(&ben, 10_000).ok();
    let deal = Deal::of(&app.create_escrow(&ada, &standard_terms()).ok());
    let payment = json!({
        "amount": 1234.56, "reference": "one", "gateway": "wallet", "transactionType": "escrow",
        "escrowDetails": { "escrowId": deal.id },
    });
    app.pay(&ben, &payment).ok();
    app.pass_seconds(500 * DAY);
    let path = format!("/v1/escrow/refund/{}", deal.token);
    let message = format!("There is no route {path}");
    for who in [ada.as_str(), ""] {
        let refused = app.refuses(404, &message, |app| app.refund(who, &deal.token));
        assert_eq!(refused.body["code"], "route_not_found");
    }
    app.refuses(404, &message, |app| app.send("GET", &path, &[], None));
    let refused = app.refuses(400, "Action not allowed", |app| dispute(app, &ada, &deal));
    let actions = json!(["confirm-payment", "claim-funds", "submit-dispute"]);
    assert_eq!(refused.body["details"]["actions"], actions);
    let refused = app.refuses(400, NO_DISPUTE, |app| rule(app, &deal, "REFUNDED"));
    assert_eq!(refused.body["details"], Value::Null);
}

/// Sends a refund and this request at the same moment, many times. One of both must win, and
/// the other must be refused.
fn race(app: &TestApp, other: impl Fn(&TestApp, &Deal) -> Answer + Sync) {
    for _ in 0..10 {
        let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
        app.pay_for("ben", &deal).ok();
        app.pass_seconds(5 * DAY);
        let money = app.money();
        let before = paid_out(app).len();
        let answers = app.run_concurrently(16, |app, index| match index % 2 {
            0 => app.refund("ada", &deal.token),
            _ => other(app, &deal),
        });
        let done: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(done.len(), 1, "{answers:?}");
        let refused = |answer: &&Answer| (answer.status, answer.message()) == (400, "Action not allowed");
        assert_eq!(answers.iter().filter(refused).count(), 15, "{answers:?}");
        let is_refund = done[0].text("status") == "REFUNDED";
        let transfers = paid_out(app).split_off(before);
        let kinds: Vec<&str> = transfers
            .iter()
            .filter_map(|transfer| transfer.split(' ').next())
            .collect();
        let first = if is_refund { "REFUND" } else { "RELEASE" };
        assert_eq!(kinds, [first, "PLATFORM_FEE"]);
        assert_eq!(app.money(), money);
    }
    assert_eq!(app.balances("ben").1, json!(0));
}

#[test]
fn a_refund_and_a_confirmation_at_once_pay_once() {
    race(&spawn_app(), |app, deal| app.confirm_payment("ben", &deal.id));
}

#[test]
fn a_refund_and_a_claim_at_once_pay_once() {
    race(&spawn_app(), |app, deal| app.claim("ada", &deal.token));
}
