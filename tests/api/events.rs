//! Tests the events that the service emits (contract section 7), read from the inbox.

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app, spawn_app_with, standard_terms, two_milestones};

impl TestApp {
    /// Returns the summaries of all events after the first `passed`.
    #[track_caller]
    fn summaries_after(&self, passed: usize) -> Vec<String> {
        self.all_events()[passed..].iter().map(summary).collect()
    }

    fn submit_dispute(&self, who: &str, deal: &Deal) -> Answer {
        let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
        self.json("POST", &path, who, &json!({ "message": "It leaks" }))
    }

    fn rule(&self, deal: &Deal, ruling: &Value) -> Answer {
        let mut body = json!({ "resolution": "We have looked at it" });
        body.as_object_mut()
            .unwrap()
            .extend(ruling.as_object().unwrap().clone());
        self.as_merchant("POST", &format!("/v1/escrow/dispute/resolve/{}", deal.id), Some(&body))
    }

    /// Creates Ada's standard escrow of 10,000 and pays for it as Ben.
    #[track_caller]
    fn standard_funded(&self) -> Deal {
        let mut terms = standard_terms();
        terms["amount"] = json!(10_000);
        terms["whoPays"] = json!("buyer");
        let deal = Deal::of(&self.create_escrow("ada", &terms).ok());
        self.pay_for("ben", &deal).ok();
        deal
    }
}

/// Returns the event's name followed by its main fields: status and state of an escrow, or
/// credit type, customer, amount and status of a payment.
fn summary(event: &Value) -> String {
    let data = &event["payload"]["data"];
    let text = |key: &str| data[key].as_str().unwrap_or("-").to_owned();
    let name = event["type"].as_str().unwrap();
    if name.starts_with("escrow.") {
        format!("{name} {} {}", text("status"), text("state"))
    } else {
        let account = event["customerId"].as_str().unwrap_or("merchant");
        format!(
            "{name} {} {account} {} {}",
            text("creditType"),
            data["amount"],
            text("status")
        )
    }
}

/// Spawns a service whose merchants take a commission of 1 percent. The platform's fee is
/// 2 percent.
fn app_with_commission() -> TestApp {
    spawn_app_with(|config| config.fees.commission_bps = 100)
}

/// Returns the escrow as `verify` shows it, without the fields that no event has.
fn escrow_in_verify(app: &TestApp, deal: &Deal) -> Value {
    let mut read = app.verify(&deal.token).ok().data().clone();
    let read = read.as_object_mut().unwrap();
    assert!(read.remove("isSeller").is_some() && read.remove("paymentDetails").is_some());
    read.clone().into()
}

/// Returns the escrow in an event, without the fields that `verify` does not show.
fn escrow_in_event(event: &Value) -> Value {
    let mut escrow = event["payload"]["data"].as_object().unwrap().clone();
    for key in [
        "sellerId",
        "buyerId",
        "paymentId",
        "deliveryDetails",
        "environment",
        "merchantId",
    ] {
        assert!(escrow.remove(key).is_some(), "{key}");
    }
    escrow.into()
}

#[test]
fn a_milestone_escrow_emits_an_event_for_each_step() {
    let app = app_with_commission();
    let deal = app.offered();
    let expected = [
        "escrow.created PENDING AWAITING_PAYMENT",
        "escrow.pending PENDING AWAITING_PAYMENT",
    ];
    assert_eq!(app.summaries_after(0), expected);
    app.pay_for("ben", &deal).ok();
    let expected = [
        "payment.escrow.success debit ben 10300 success",
        "escrow.ongoing ONGOING OPENED",
    ];
    assert_eq!(app.summaries_after(2), expected);
    app.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    assert_eq!(
        app.summaries_after(4),
        ["payment.escrow.success credit ada 6000 success"]
    );
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let expected = [
        "payment.escrow.success credit ada 4000 success",
        "escrow.completed COMPLETED CLOSED",
        "payment.commission.success credit merchant 100 success",
    ];
    assert_eq!(app.summaries_after(5), expected);
}

#[test]
fn a_milestones_payment_event_names_its_beneficiary() {
    let app = spawn_app();
    let mut body = two_milestones();
    body["milestones"][1]["customerId"] = json!("cleo");
    let deal = Deal::of(&app.create_milestone_escrow("ada", &body).ok());
    app.pay_for("ben", &deal).ok();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    assert_eq!(
        app.summaries_after(4),
        ["payment.escrow.success credit cleo 6000 success"]
    );
}

#[test]
fn each_end_of_a_standard_escrow_emits_its_events() {
    let app = app_with_commission();
    let end = |finish: &dyn Fn(&Deal)| {
        let deal = app.standard_funded();
        let passed = app.all_events().len();
        finish(&deal);
        app.summaries_after(passed)
    };
    let commission = "payment.commission.success credit merchant 100 success";
    let paid = "payment.escrow.success credit ada 10000 success";
    let confirm = |deal: &Deal| drop(app.confirm_payment("ben", &deal.id).ok());
    assert_eq!(end(&confirm), [paid, "escrow.completed COMPLETED CLOSED", commission]);
    let refund = |deal: &Deal| {
        app.submit_dispute("ben", deal).ok();
        app.submit_dispute("ada", deal).ok();
        app.rule(deal, &json!({ "status": "REFUNDED" })).ok();
    };
    let expected = [
        "escrow.disputed DISPUTED OPENED",
        "escrow.investigating INVESTIGATING OPENED",
        "payment.escrow.success credit ben 10000 success",
        "escrow.refunded REFUNDED CLOSED",
    ];
    assert_eq!(end(&refund), expected);
    let split = |deal: &Deal| {
        app.submit_dispute("ben", deal).ok();
        app.rule(
            deal,
            &json!({ "status": "SPLIT", "sellerAmount": 7000, "buyerAmount": 3000 }),
        )
        .ok();
    };
    let expected = [
        "escrow.disputed DISPUTED OPENED",
        "payment.escrow.success credit ada 7000 success",
        "payment.escrow.success credit ben 3000 success",
        "escrow.split SPLIT CLOSED",
        commission,
    ];
    assert_eq!(end(&split), expected);
    let newest = app.inbox("?type=escrow.split").ok();
    let parts = &newest.data()["data"][0]["payload"]["data"]["split"];
    assert_eq!((&parts["sellerAmount"], &parts["pool"]), (&json!(7000), &json!(10_000)));
    let ruled = |deal: &Deal| {
        app.submit_dispute("ben", deal).ok();
        app.rule(deal, &json!({ "status": "COMPLETED" })).ok();
    };
    let expected = [
        "escrow.disputed DISPUTED OPENED",
        paid,
        "escrow.completed COMPLETED CLOSED",
        commission,
    ];
    assert_eq!(end(&ruled), expected);
}

#[test]
fn a_claim_and_the_additional_fee_emit_events() {
    let app = spawn_app();
    let deal = Deal::of(&app.create_escrow("ada", &standard_terms()).ok());
    app.set_additional_fee(&deal.token, &json!({ "additionalFee": 50 }))
        .ok();
    assert_eq!(app.all_events().len(), 2, "setting an additional fee emits no event");
    app.pay_for("ben", &deal).ok();
    app.pass_seconds(4 * 24 * 3600 + 1);
    app.claim("ada", &deal.token).ok();
    let expected = [
        "payment.escrow.success debit ben 1284.56 success",
        "escrow.ongoing ONGOING OPENED",
        "payment.escrow.success credit ada 1209.87 success",
        "escrow.claimed CLAIMED CLOSED",
        "payment.delivery.success credit merchant 50 success",
    ];
    assert_eq!(app.summaries_after(2), expected);
    let wallet = app.as_merchant("GET", "/v1/merchant/balance", None).ok();
    let delivery = app.inbox("?type=payment.delivery").ok().data()["data"][0].clone();
    assert_eq!(delivery["customerId"], Value::Null);
    assert_eq!(delivery["payload"]["data"]["customerId"], wallet.data()["id"]);
}

#[test]
fn edits_and_deletions_emit_no_events() {
    let app = spawn_app();
    let deal = app.offered();
    app.edit_milestone_escrow("ada", &deal.token, &two_milestones()).ok();
    app.delete_escrow("ada", &deal.token).ok();
    assert_eq!(app.all_events().len(), 2);
}

#[test]
fn a_payment_emits_an_event_once_it_is_settled() {
    let app = spawn_app();
    let withdrawal = |number: &str| {
        json!({
            "amount": 1000, "reference": number, "transactionType": "withdrawal",
            "withdrawalDetails": {
                "bankCode": "058", "accountNumber": number, "accountName": "Ada Obi", "bankName": "Bank",
                "narration": "rent",
            },
        })
    };
    for number in ["0123456789", "0000000001", "0000000002"] {
        app.create_intent("ada", &withdrawal(number)).ok();
    }
    let deposit = json!({ "amount": 2500, "reference": "d-1", "transactionType": "deposit" });
    let pending = app.create_intent("ada", &deposit).ok();
    assert!(app.all_events().is_empty(), "a pending payment emits no event");
    let number = pending.data()["testAccount"]["accountNumber"]
        .as_str()
        .unwrap()
        .to_owned();
    app.send("POST", &format!("/sandbox/test-accounts/{number}/pay"), &[], None)
        .ok();
    for number in ["0123456789", "0000000001", "0000000002"] {
        for _ in 0..2 {
            app.verify_payment("ada", number).ok();
        }
    }
    app.top_up("ada", 1000).ok();
    let expected = [
        "payment.deposit.success credit ada 2500 success",
        "payment.withdrawal.success debit ada 1000 success",
        "payment.withdrawal.failed debit ada 1000 failed",
        "payment.withdrawal.reversed debit ada 1000 reversed",
        "payment.deposit.success credit ada 1000 success",
    ];
    assert_eq!(app.summaries_after(0), expected);
    let events = app.all_events();
    let data = &events[1]["payload"]["data"];
    assert_eq!(data["withdrawalDetails"], withdrawal("0123456789")["withdrawalDetails"]);
    assert_eq!(
        (&data["walletDetails"], &data["escrowDetails"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(events[1]["escrowId"], Value::Null);
}

#[test]
fn a_wallet_transfer_emits_an_event_for_each_side() {
    let app = spawn_app();
    let ada = app.customer_with("ada", "08012345678", 10_000);
    let ben = app.customer_with("ben", "08087654321", 0);
    let transfer = json!({
        "amount": 1500, "reference": "t-1", "transactionType": "wallet_transfer",
        "walletDetails": { "phone": "08087654321", "name": "Ben Obi" },
    });
    app.create_intent(&ada, &transfer).ok();
    app.verify_payment(&ada, "t-1").ok();
    let expected = [
        format!("payment.wallet_transfer.success debit {ada} 1500 success"),
        format!("payment.wallet_transfer.success credit {ben} 1500 success"),
    ];
    assert_eq!(app.summaries_after(1), expected);
    let names: Vec<Value> = app.all_events()[1..]
        .iter()
        .map(|event| event["payload"]["data"]["walletDetails"]["name"].clone())
        .collect();
    assert_eq!(names, ["Ben Obi", "ada Obi"]);
}

#[test]
fn a_vaults_events_have_its_participants() {
    let app = app_with_commission();
    let body = json!({
        "purpose": "A race",
        "participants": [{ "customerId": "ada", "amount": 600 }, { "customerId": "ben", "amount": 400 }],
    });
    let open = || {
        app.as_merchant("POST", "/v1/escrow/vault/create", Some(&body))
            .ok()
            .text("paymentToken")
    };
    let token = open();
    let path = format!("/v1/escrow/vault/winner/{token}");
    app.as_merchant("POST", &path, Some(&json!({ "winnerId": "ben" }))).ok();
    let expected = [
        "payment.escrow.success debit ada 600 success",
        "payment.escrow.success debit ben 400 success",
        "escrow.ongoing ONGOING OPENED",
        "payment.escrow.success credit ben 970 success",
        "escrow.completed COMPLETED CLOSED",
        "payment.commission.success credit merchant 10 success",
    ];
    assert_eq!(app.summaries_after(0), expected);
    let completed = app.inbox("?type=escrow.completed").ok().data()["data"][0]["payload"]["data"].clone();
    assert_eq!(completed["winnerId"], "ben");
    assert_eq!(completed["participants"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&completed["sellerId"], &completed["buyerId"]),
        (&Value::Null, &Value::Null)
    );

    let passed = app.all_events().len();
    let token = open();
    app.as_merchant("POST", &format!("/v1/escrow/vault/cancel/{token}"), None)
        .ok();
    let expected = [
        "payment.escrow.success credit ada 582 success",
        "payment.escrow.success credit ben 388 success",
        "escrow.refunded REFUNDED CLOSED",
        "payment.commission.success credit merchant 10 success",
    ];
    assert_eq!(app.summaries_after(passed + 3), expected);
}

#[test]
fn a_merchants_own_sale_emits_only_payment_events() {
    let app = app_with_commission();
    let terms = json!({
        "amount": 10_000, "purpose": "A boat", "whoPays": "buyer", "maxDelivery": 7, "deliveryTimeline": "days",
    });
    let deal = Deal::of(&app.as_merchant("POST", "/v1/escrow/create", Some(&terms)).ok());
    app.pay_for("ben", &deal).ok();
    app.confirm_payment("ben", &deal.id).ok();
    let expected = [
        "payment.escrow.success debit ben 10300 success",
        "payment.commission.success credit merchant 100 success",
    ];
    assert_eq!(app.summaries_after(0), expected);
}

#[test]
fn a_payment_for_two_escrows_emits_one_event_that_belongs_to_both() {
    let app = spawn_app();
    let deals = [app.offered(), app.offered()];
    let ids = json!([deals[0].id, deals[1].id]);
    app.pay("ben", &json!({ "escrowDetails": { "escrowId": ids } })).ok();
    let expected = [
        "payment.escrow.success debit ben 20400 success",
        "escrow.ongoing ONGOING OPENED",
        "escrow.ongoing ONGOING OPENED",
    ];
    assert_eq!(app.summaries_after(4), expected);
    let payment = &app.all_events()[4];
    assert_eq!(payment["escrowId"], Value::Null);
    let named: Vec<&Value> = payment["payload"]["data"]["escrowDetails"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| &detail["escrowId"])
        .collect();
    assert_eq!(named, [&deals[0].id, &deals[1].id]);
    for deal in &deals {
        let events_of_deal = app.inbox(&format!("?escrowId={}", deal.id)).ok().data()["data"].clone();
        let ids: Vec<&Value> = events_of_deal
            .as_array()
            .unwrap()
            .iter()
            .map(|event| &event["id"])
            .collect();
        assert_eq!(ids.len(), 4, "created, pending, payment, ongoing");
        assert!(ids.contains(&&payment["id"]));
    }
}

#[test]
fn the_copy_of_a_link_emits_its_own_created_event() {
    let app = spawn_app();
    let mut terms = standard_terms();
    terms["totalQuantity"] = json!(2);
    let link = Deal::of(&app.create_escrow("ada", &terms).ok());
    app.pay_for("ben", &link).ok();
    let expected = [
        "escrow.created PENDING AWAITING_PAYMENT",
        "payment.escrow.success debit ben 1234.56 success",
        "escrow.ongoing ONGOING OPENED",
    ];
    assert_eq!(app.summaries_after(2), expected);
    let created = &app.all_events()[2];
    assert_ne!(created["escrowId"], link.id);
    assert_eq!(created["payload"]["data"]["buyerId"], Value::Null);
}

#[test]
fn a_refusal_emits_no_event() {
    let app = spawn_app();
    let deal = app.funded();
    let confirmed = app.run_concurrently(8, |app, _| {
        app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).status
    });
    assert_eq!(confirmed.iter().filter(|&&status| status == 200).count(), 1);
    assert_eq!(
        app.summaries_after(4),
        ["payment.escrow.success credit ada 4000 success"]
    );
    app.refuses(400, "Milestone has already been released", |app| {
        app.confirm_milestone("ben", &deal.id, &deal.milestones[0])
    });
}

#[test]
fn an_event_names_its_escrow_and_customer() {
    let app = spawn_app();
    let deal = app.funded();
    let events = app.all_events();
    let [.., payment, ongoing] = events.as_slice() else {
        panic!("{events:?}")
    };
    for event in [payment, ongoing] {
        assert_eq!(event["escrowId"], deal.id);
        assert_eq!(event["payload"]["event"], event["type"]);
        assert_eq!(event["payload"]["timestamp"], event["createdAt"]);
    }
    let read = app.verify(&deal.token).ok();
    let transaction = app.history("ben", "?type=escrow").ok().data()["data"][0].clone();
    let data = &payment["payload"]["data"];
    for field in ["id", "reference", "escrowDetails", "createdAt", "updatedAt"] {
        assert_eq!(data[field], transaction[field], "{field}");
    }
    assert_eq!(data["escrowDetails"]["escrowId"], deal.id);
    assert_eq!(payment["customerId"], "ben");
    assert_eq!(ongoing["customerId"], Value::Null);

    let data = &ongoing["payload"]["data"];
    assert_eq!((&data["sellerId"], &data["buyerId"]), (&json!("ada"), &json!("ben")));
    assert_eq!(data["paymentId"], read.data()["paymentDetails"]["id"]);
    assert_eq!(data["deliveryDetails"], Value::Null);
    assert_eq!((&data["environment"], &data["merchantId"]), (&json!("test"), &json!(1)));
}

/// The example of contract section 7.4.
const EXAMPLE: &str = r#"{
    "id": "6710aa10b2c3d4e5f6071801", "amount": 10000, "purpose": "Shop fit-out",
    "description": null, "whoPays": "buyer", "imageUrl": null, "fee": 200,
    "additionalFee": 0, "additionalFeeRefundable": true,
    "paymentToken": "PY_aB3dE6gH0417",
    "sellerId": "6710aa10b2c3d4e5f6071805", "buyerId": "6710aa10b2c3d4e5f6071806",
    "paidAt": "1791619200", "status": "COMPLETED", "state": "CLOSED", "logs": [],
    "channel": "API", "dispute": null, "category": null, "completedAt": "1791705600",
    "approvedClaimBy": null, "refundedBy": null,
    "paymentId": "6710aa10b2c3d4e5f6071807", "maxDelivery": 30,
    "deliveryDetails": null, "deliveryTimeline": "days", "totalQuantity": 1,
    "settlementType": "MILESTONE", "milestones": [],
    "createdAt": "2026-10-10T08:00:00.000Z", "updatedAt": "2026-10-11T08:00:00.000Z",
    "environment": "test", "merchantId": 17
}"#;

#[test]
fn a_completed_event_has_the_fields_of_the_contracts_example() {
    let app = spawn_app();
    let deal = app.funded();
    for milestone in &deal.milestones {
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    let completed = app.inbox("?type=escrow.completed").ok().data()["data"][0]["payload"]["data"].clone();
    let mut completed = completed.as_object().unwrap().clone();
    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    let varies = [
        "id",
        "paymentToken",
        "sellerId",
        "buyerId",
        "paymentId",
        "paidAt",
        "completedAt",
        "milestones",
    ];
    let varies = |key: &str| varies.contains(&key) || ["createdAt", "updatedAt", "merchantId"].contains(&key);
    for (key, wanted) in example.as_object().unwrap() {
        let found = completed.remove(key).unwrap_or_else(|| panic!("{key} is missing"));
        if varies(key) {
            assert_eq!(
                std::mem::discriminant(&found),
                std::mem::discriminant(wanted),
                "{key}: {found}"
            );
        } else {
            assert_eq!(&found, wanted, "{key}");
        }
    }
    let mut additional: Vec<&String> = completed.keys().collect();
    additional.sort();
    assert_eq!(
        additional,
        ["participants", "split", "winnerId"],
        "an event never has isSeller, paymentDetails or isMerchant"
    );
}

#[test]
fn an_event_shows_the_escrow_as_verify_does_at_that_time() {
    let app = spawn_app();
    let assert_same = |deal: &Deal, name: &str| {
        let events_of_deal = app.inbox(&format!("?type={name}&escrowId={}", deal.id)).ok();
        assert_eq!(
            escrow_in_event(&events_of_deal.data()["data"][0]),
            escrow_in_verify(&app, deal),
            "{name}"
        );
    };
    let deal = app.offered();
    assert_same(&deal, "escrow.created");
    assert_same(&deal, "escrow.pending");
    app.pay_for("ben", &deal).ok();
    assert_same(&deal, "escrow.ongoing");
    app.pass_seconds(5);
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    app.submit_dispute("ben", &deal).ok();
    assert_same(&deal, "escrow.disputed");
    app.submit_dispute("ada", &deal).ok();
    assert_same(&deal, "escrow.investigating");
    app.pass_seconds(5);
    app.rule(
        &deal,
        &json!({ "status": "SPLIT", "sellerAmount": 1000, "buyerAmount": 5000 }),
    )
    .ok();
    assert_same(&deal, "escrow.split");
    let deal = app.funded();
    for milestone in &deal.milestones {
        app.pass_seconds(5);
        app.confirm_milestone("ben", &deal.id, milestone).ok();
    }
    assert_same(&deal, "escrow.completed");
}

#[test]
fn the_created_event_has_the_pictures() {
    let app = spawn_app();
    let terms = standard_terms();
    let fields: Vec<(String, String)> = terms.as_object().unwrap().iter().map(text_field).collect();
    let mut parts: Vec<(&str, Option<&str>, &[u8])> = fields
        .iter()
        .map(|(name, text)| (name.as_str(), None, text.as_bytes()))
        .collect();
    parts.push(("imageUrl", Some("boat.png"), b"\x89PNG\r\n\x1a\n a boat"));
    let created = app.form("POST", "/v1/escrow/create", "ada", &parts).ok();
    let pictures = app.inbox("?type=escrow.created").ok().data()["data"][0]["payload"]["data"]["imageUrl"].clone();
    assert_eq!(pictures.as_array().map(Vec::len), Some(1));
    assert_eq!(pictures, created.data()["imageUrl"]);
}

fn text_field((name, value): (&String, &Value)) -> (String, String) {
    (
        name.clone(),
        value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    )
}
