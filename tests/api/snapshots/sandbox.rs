//! The sandbox's own routes, and every event with its payload.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::assert_snapshot;
use super::escrows::app_with_commission;
use crate::cluster;
use crate::event_stream::Listener;
use crate::helpers::{Answer, Deal, TestApp, new_customer, spawn_recorded_app};

#[test]
fn the_sandbox_is_answered_word_for_word() {
    let app = spawn_recorded_app(|config| config.limits.escrows_per_payment_max = 2);
    app.note("Health");
    app.send("GET", "/healthz", &[], None);
    app.send("GET", "/livez", &[], None);
    app.send("GET", "/readyz", &[], None);
    app.note("The clock");
    app.as_merchant("GET", "/sandbox/clock", None);
    app.advance("3d");
    app.advance(3600);
    app.advance("1y");
    app.advance("soon");
    app.note("Faults");
    let set = |fault: Value| app.as_merchant("POST", "/sandbox/faults", Some(&fault));
    set(json!({ "times": 3, "status": 503, "route": "GET /v1/wallet" }));
    set(json!({ "status": 429, "customerId": "ada", "delayMs": 1 }));
    set(json!({ "cutAfterCommit": true, "route": "/v1/escrow/milestone/confirm/*" }));
    set(json!({ "status": 503, "route": "/v1/nothing" }));
    app.as_merchant("GET", "/sandbox/faults", None);
    app.wallet("ben");
    app.top_up("ada", 1000);
    app.as_merchant("GET", "/sandbox/faults", None);
    app.as_merchant("DELETE", "/sandbox/faults", None);
    app.as_merchant("GET", "/sandbox/faults", None);
    app.unrecorded(|_| while set(json!({ "status": 503, "route": "/v1/countries" })).status == 201 {});
    set(json!({ "status": 503 }));
    app.as_merchant("DELETE", "/sandbox/faults", None);
    let streams: Vec<_> = (0..8).map(|_| Listener::open(&app, "", "").0).collect();
    app.as_merchant("GET", "/sandbox/events/stream", None);
    drop(streams);
    app.note("Requests");
    let deal = app.unrecorded(TestApp::offered);
    let paid = app.pay_for("ben", &deal);
    let refused = app.json_text("POST", "/v1/payment/escrow", "ben", "{");
    for answer in [paid, refused] {
        let path = format!("/sandbox/requests/{}", answer.header("x-request-id").unwrap());
        app.as_merchant("GET", &path, None);
    }
    app.as_merchant("GET", "/sandbox/requests?limit=3", None);
    app.as_merchant("GET", "/sandbox/requests/none", None);
    app.note("A seed");
    seed(&app);
    app.note("A balance");
    let balance = json!({ "customerId": "cleo", "balance": 250.5 });
    app.as_merchant("PUT", "/sandbox/balance", Some(&balance));
    app.as_merchant("GET", "/v1/customer/get/cleo", None);
    app.note("A reset");
    app.as_merchant("POST", "/sandbox/reset", None);
    app.reset("sk_test_new");
    app.as_merchant("GET", "/sandbox/requests?limit=1", None);
    assert_snapshot("sandbox", &[&app]);
}

fn seed(app: &TestApp) {
    let seed = json!({
        "customers": [
            { "id": "eve", "firstname": "Eve", "lastname": "Obi", "email": "eve@shop.example", "balance": 0 },
            { "id": "cleo" },
            { "balance": 50000.5 },
        ],
        "escrows": [
            { "name": "fit-out", "seller": "eve", "buyer": "cleo", "released": 1,
              "milestones": [{ "title": "Frame", "amount": 4000 }, { "amount": 6000 }] },
            { "seller": "eve", "buyer": "cleo", "amount": 1500, "status": "CLAIMED" },
            { "seller": "eve", "amount": 99.5, "purpose": "A lamp" },
        ],
    });
    app.as_merchant("POST", "/sandbox/seed", Some(&seed));
    app.as_merchant("POST", "/sandbox/seed", Some(&seed));
    for wrong in [
        json!({ "seller": "ada", "buyer": "cleo", "amount": 90_000_000 }),
        json!({ "seller": "ada", "buyer": "ada", "amount": 100 }),
        json!({ "seller": "ada", "amount": 100, "status": "ONGOING" }),
        json!({ "seller": "ada", "buyer": "cleo", "amount": 100, "status": "PENDING" }),
        json!({ "seller": "ada", "buyer": "cleo", "amount": 100, "released": 1 }),
        json!({ "seller": "ada", "amount": 100, "milestones": [{ "amount": 60 }, { "amount": 30 }] }),
        json!({ "seller": "ada", "milestones": [{ "amount": 60 }] }),
        json!({ "seller": "ada", "buyer": "cleo", "status": "CLAIMED", "milestones": [{ "amount": 60 }, { "amount": 30 }] }),
        json!({ "seller": "ada", "buyer": "cleo", "amount": 100, "status": "SPLIT", "sellerAmount": 10, "buyerAmount": 80 }),
    ] {
        app.as_merchant("POST", "/sandbox/seed", Some(&json!({ "escrows": [wrong] })));
    }
    let taken = json!({ "customers": [{ "firstname": "Eve", "email": "eve@shop.example" }] });
    app.as_merchant("POST", "/sandbox/seed", Some(&taken));
    app.as_merchant(
        "POST",
        "/sandbox/seed",
        Some(&json!({ "customers": [{ "id": "ada" }] })),
    );
    app.unrecorded(|app| {
        app.wallet("cleo").ok();
        app.block("cleo").ok()
    });
    let blocked = json!({ "escrows": [{ "seller": "ada", "buyer": "cleo", "amount": 100 }] });
    app.as_merchant("POST", "/sandbox/seed", Some(&blocked));
}

#[test]
fn callbacks_and_the_inbox_are_answered_word_for_word() {
    let app = spawn_recorded_app(|_| {});
    app.note("The webhook endpoint");
    app.as_merchant("GET", "/sandbox/callback", None);
    let resend = |id: &str| app.as_merchant("POST", &format!("/sandbox/events/{id}/resend"), None);
    let id = app.unrecorded(TestApp::event_of_new_offer);
    resend(&id);
    app.as_merchant("POST", "/sandbox/events/replay", Some(&json!({ "from": id })));
    for url in [
        json!("http://127.0.0.1:9/hook"),
        json!("ftp://shop.example"),
        json!("not a url"),
        Value::Null,
    ] {
        app.as_merchant("PUT", "/sandbox/callback", Some(&json!({ "url": url })));
        app.as_merchant("GET", "/sandbox/callback", None);
    }
    app.note("Another merchant's");
    app.json_with_key("sk_test_other", "GET", "/sandbox/callback", "", &Value::Null);
    app.json_with_key(
        "sk_test_other",
        "GET",
        &format!("/sandbox/events/{id}"),
        "",
        &Value::Null,
    );
    app.note("The inbox");
    for query in ["", "?type=escrow.created&limit=1", "?customerId=nobody"] {
        app.inbox(query);
    }
    app.inbox(&format!("?after={id}"));
    app.as_merchant("GET", &format!("/sandbox/events/{id}"), None);
    resend("0123456789abcdef01234567");
    app.note("Resend and replay");
    app.unrecorded(|app| {
        app.as_merchant(
            "PUT",
            "/sandbox/callback",
            Some(&json!({ "url": "http://127.0.0.1:9/hook" })),
        )
    });
    resend(&id);
    app.as_merchant("POST", "/sandbox/events/replay", Some(&json!({ "from": id })));
    app.as_merchant(
        "POST",
        "/sandbox/events/replay",
        Some(&json!({ "since": "2031-03-04T05:06:07.008Z" })),
    );
    app.as_merchant(
        "POST",
        "/sandbox/events/replay",
        Some(&json!({ "from": id, "since": "2031-03-04T05:06:07.008Z" })),
    );
    app.as_merchant(
        "POST",
        "/sandbox/events/replay",
        Some(&json!({ "from": "0123456789abcdef01234567" })),
    );
    app.note("An endpoint that is gone");
    app.unrecorded(TestApp::set_gone_endpoint);
    resend(&id);
    app.note("A choice of events");
    let chosen = json!({ "url": "http://127.0.0.1:9/hook", "events": ["escrow.completed", "payment.*"] });
    app.as_merchant("PUT", "/sandbox/callback", Some(&chosen));
    let unknown = json!({ "url": "http://127.0.0.1:9/hook", "events": ["escrow.finished"] });
    app.as_merchant("PUT", "/sandbox/callback", Some(&unknown));
    assert_snapshot("callbacks_and_inbox", &[&app]);
}

/// Every event.
const EVENTS: [&str; 18] = [
    "escrow.claimed",
    "escrow.completed",
    "escrow.created",
    "escrow.disputed",
    "escrow.investigating",
    "escrow.ongoing",
    "escrow.pending",
    "escrow.refunded",
    "escrow.split",
    "payment.commission.success",
    "payment.delivery.success",
    "payment.deposit.failed",
    "payment.deposit.success",
    "payment.escrow.success",
    "payment.wallet_transfer.success",
    "payment.withdrawal.failed",
    "payment.withdrawal.reversed",
    "payment.withdrawal.success",
];

/// Records the events of several scenarios.
struct Told<'a> {
    app: &'a TestApp,
    passed: usize,
    names: BTreeSet<String>,
}

impl Told<'_> {
    fn by(&mut self, story: &str, run: impl FnOnce(&TestApp)) {
        self.app.note(story);
        self.app.unrecorded(run);
        let events = self.app.unrecorded(TestApp::payloads);
        for payload in &events[self.passed..] {
            let event: Value = serde_json::from_str(payload).unwrap();
            self.names.insert(event["event"].as_str().unwrap().to_owned());
            self.app.transcript().json(payload);
        }
        self.passed = events.len();
    }
}

#[test]
fn every_event_carries_its_payload_word_for_word() {
    if cluster::is_wanted() {
        // It looks into a file.
        return;
    }
    let app = app_with_commission();
    let mut told = Told {
        app: &app,
        passed: 0,
        names: BTreeSet::new(),
    };
    tell_of_deals(&mut told);
    tell_of_disputes(&mut told);
    tell_of_vaults(&mut told);
    tell_of_payments(&mut told);
    let names: Vec<&str> = told.names.iter().map(String::as_str).collect();
    assert_eq!(names, EVENTS);
    assert_snapshot("events", &[&app]);
}

/// Creates a standard escrow of Ada's with an additional fee, paid for by Ben.
fn funded(app: &TestApp) -> Deal {
    let deal = app.standard_with(&json!({ "amount": 10000.5, "description": "Red" }));
    app.set_additional_fee(&deal.token, &json!({ "additionalFee": 75.25 }))
        .ok();
    app.pay_for("ben", &deal).ok();
    deal
}

fn tell_of_deals(told: &mut Told<'_>) {
    told.by("A standard escrow is confirmed", |app| {
        let deal = funded(app);
        app.confirm_payment("ben", &deal.id).ok();
    });
    told.by("A standard escrow is claimed", |app| {
        let deal = funded(app);
        app.pass_seconds(5 * 86_400);
        app.claim("ada", &deal.token).ok();
    });
    told.by(
        "A milestone escrow with a category and a beneficiary is released",
        |app| {
            let mut terms = crate::helpers::two_milestones();
            terms["categoryId"] = json!(app.category_of("ada"));
            terms["milestones"][1]["customerId"] = json!("cleo");
            terms["milestones"][1]["dueDate"] = json!("2031-12-01");
            let deal = Deal::of(&app.create_milestone_escrow("ada", &terms).ok());
            app.pay_for("ben", &deal).ok();
            for milestone in &deal.milestones {
                app.confirm_milestone("ben", &deal.id, milestone).ok();
            }
        },
    );
    told.by("A link is paid for, and two escrows at once", |app| {
        let link = app.standard_with(&json!({ "totalQuantity": 2 }));
        let other = app.standard_with(&json!({}));
        app.pay("ben", &json!({ "escrowDetails": { "escrowId": [link.id, other.id] } }))
            .ok();
    });
    told.by("An offer of the merchant's own is sold", |app| {
        let own = Deal::of(
            &app.as_merchant("POST", "/v1/escrow/create", Some(&crate::helpers::standard_terms()))
                .ok(),
        );
        app.pay_for("ben", &own).ok();
        app.confirm_payment("ben", &own.id).ok();
    });
}

fn tell_of_disputes(told: &mut Told<'_>) {
    for ruling in [
        json!({ "status": "REFUNDED", "additionalFeeRefundable": false }),
        json!({ "status": "COMPLETED" }),
        json!({ "status": "SPLIT", "sellerAmount": 7000.24, "buyerAmount": 2700.24 }),
    ] {
        told.by(&format!("A dispute is answered and resolved: {ruling}"), |app| {
            let deal = funded(app);
            app.disputes("ben", &deal).ok();
            app.disputes("ada", &deal).ok();
            app.resolves(&deal, &ruling).ok();
        });
    }
    told.by("What milestones still hold is split", |app| {
        let deal = app.funded();
        app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
        app.disputes("ben", &deal).ok();
        app.resolves(
            &deal,
            &json!({ "status": "SPLIT", "sellerAmount": 5000, "buyerAmount": 1000 }),
        )
        .ok();
    });
}

fn tell_of_vaults(told: &mut Told<'_>) {
    let open = |app: &TestApp| -> String {
        let stakes = json!([{ "customerId": "ada", "amount": 600 }, { "customerId": "ben", "amount": 400.5 }]);
        let vault = json!({ "purpose": "A race", "participants": stakes });
        app.as_merchant("POST", "/v1/escrow/vault/create", Some(&vault))
            .ok()
            .text("paymentToken")
    };
    told.by("A vault is won", |app| {
        let path = format!("/v1/escrow/vault/winner/{}", open(app));
        app.as_merchant("POST", &path, Some(&json!({ "winnerId": "ben" }))).ok();
    });
    told.by("A vault is cancelled", |app| {
        app.as_merchant("POST", &format!("/v1/escrow/vault/cancel/{}", open(app)), None)
            .ok();
    });
}

fn tell_of_payments(told: &mut Told<'_>) {
    let create_intent = |app: &TestApp, reference: &str, mut body: Value| -> Answer {
        body["amount"] = json!(1000.5);
        body["reference"] = json!(reference);
        app.create_intent("ben", &body).ok()
    };
    told.by(
        "Deposits: a top-up, a test account, a card, and a card that declines",
        |app| {
            app.top_up("ben", 1000).ok();
            let waiting = create_intent(app, "d-1", json!({ "transactionType": "deposit" }));
            let account = waiting.data()["testAccount"]["accountNumber"].as_str().unwrap();
            app.as_merchant("POST", &format!("/sandbox/test-accounts/{account}/pay"), None)
                .ok();
            for (reference, number) in [("d-2", "4242424242424242"), ("d-3", "4000000000009995")] {
                let card = app.save_card("ben", number).ok().text("id");
                create_intent(
                    app,
                    reference,
                    json!({ "transactionType": "deposit", "depositDetails": { "cardId": card } }),
                );
                app.verify_payment("ben", reference).ok();
            }
        },
    );
    told.by(
        "Withdrawals: one that succeeds, one that fails, one that comes back",
        |app| {
            for (reference, account) in [("w-1", "0123456789"), ("w-2", "0000000001"), ("w-3", "0000000002")] {
                let details = json!({
                    "bankCode": "058", "accountNumber": account, "accountName": "Ben Obi", "bankName": "Bank",
                    "narration": "rent",
                });
                create_intent(
                    app,
                    reference,
                    json!({ "transactionType": "withdrawal", "withdrawalDetails": details }),
                );
                app.verify_payment("ben", reference).ok();
                app.verify_payment("ben", reference).ok();
            }
        },
    );
    told.by(
        "A withdrawal to a blockchain, and a transfer to another wallet",
        |app| {
            let address = "0x0123456789abcdefABCDEF0123456789abcdef01";
            app.json(
                "POST",
                "/v1/whitelist-address",
                "ben",
                &json!({ "walletAddress": address, "network": "BSC" }),
            )
            .ok();
            let details = json!({ "toAddress": address, "network": "BSC" });
            create_intent(
                app,
                "b-1",
                json!({ "transactionType": "withdrawal", "blockchainDetails": details }),
            );
            app.verify_payment("ben", "b-1").ok();
            app.create_customer(&new_customer()).ok();
            let details = json!({ "phone": "08012345678", "name": "Ada Obi", "narration": "lunch" });
            create_intent(
                app,
                "t-1",
                json!({ "transactionType": "wallet_transfer", "walletDetails": details }),
            );
            app.verify_payment("ben", "t-1").ok();
        },
    );
}
