//! A ruling of an operator on a large hold takes effect when two operators ask for the same.

use serde_json::{Value, json};

use crate::console::Form;
use crate::desk::{ADA, BEN, DAYO, EFE, reason, spawn_desk};
use crate::helpers::{Answer, Deal, LIVE_KEY, TestApp, two_milestones};
use crate::live_console::Browser;

/// A deal that holds 10,200, and is disputed.
struct Large {
    deal: Deal,
    seller: String,
    buyer: String,
}

fn large_deal(app: &TestApp) -> Large {
    let (seller, buyer) = (
        app.live_customer("ada", "08012345678"),
        app.live_customer("ben", "08087654321"),
    );
    for (reference, major) in [("in-1", 5_000), ("in-2", 5_000), ("in-3", 200)] {
        app.receive(&buyer, reference, major);
    }
    let as_customer =
        |path: &str, customer: &str, body: &Value| app.json_with_key(LIVE_KEY, "POST", path, customer, body).ok();
    let deal = Deal::of(&as_customer("/v1/escrow/milestone/create", &seller, &two_milestones()));
    let payment = json!({ "escrowDetails": { "escrowId": deal.id } });
    as_customer("/v1/payment/escrow", &buyer, &payment);
    let dispute = format!("/v1/escrow/submit-dispute/{}", deal.token);
    as_customer(&dispute, &buyer, &json!({ "message": "Nothing was done" }));
    Large { deal, seller, buyer }
}

impl Large {
    fn resolve(&self, app: &TestApp, key: &str, ruling: &Value) -> Answer {
        let mut body = json!({ "resolution": "So be it" });
        body.as_object_mut()
            .unwrap()
            .extend(ruling.as_object().unwrap().clone());
        app.by(key, "POST", &format!("/deals/{}/resolve", self.deal.id), &body)
    }

    /// Asks for a ruling, which moves nothing yet.
    #[track_caller]
    fn asks(&self, app: &TestApp, key: &str, ruling: &Value) {
        let transfers = app.column("SELECT count(*) FROM transfer");
        let noted = self.resolve(app, key, ruling).ok();
        assert!(noted.message().contains("needs a second operator"), "{noted:?}");
        assert_eq!(noted.text("status"), "DISPUTED", "{noted:?}");
        assert_eq!(noted.data()["askedRuling"], self.asked(app), "{noted:?}");
        assert!(noted.data()["askedRuling"]["askedBy"].is_string(), "{noted:?}");
        assert_eq!(app.column("SELECT count(*) FROM transfer"), transfers);
    }

    fn asked(&self, app: &TestApp) -> Value {
        let path = format!("/deals/{}/ruling", self.deal.id);
        app.by(EFE, "GET", &path, &Value::Null).ok().body["data"].clone()
    }

    fn retract(&self, app: &TestApp, key: &str, body: &Value) -> Answer {
        app.by(key, "POST", &format!("/deals/{}/retract", self.deal.id), body)
    }
}

#[test]
fn two_operators_ask_for_the_same_ruling_with_the_same_amounts() {
    let app = spawn_desk();
    let large = large_deal(&app);
    let split = |seller: i64, buyer: i64| json!({ "status": "SPLIT", "sellerAmount": seller, "buyerAmount": buyer });
    assert_eq!(large.asked(&app), Value::Null);
    app.refuses_code(409, "nothing_asked", |app| large.retract(app, DAYO, &reason()));
    // What would be refused is refused at once.
    app.refuses_code(400, "split_does_not_add_up", |app| {
        large.resolve(app, DAYO, &split(4_000, 6_001))
    });
    large.asks(&app, DAYO, &json!({ "status": "COMPLETED" }));
    app.refuses_code(403, "same_person", |app| {
        large.resolve(app, DAYO, &json!({ "status": "COMPLETED" }))
    });
    let asked = large.asked(&app);
    assert_eq!(
        (&asked["status"], &asked["sellerAmount"]),
        (&json!("COMPLETED"), &Value::Null)
    );
    // Each other ruling takes the place of the one before.
    for (key, ruling) in [
        (ADA, json!({ "status": "REFUNDED" })),
        (DAYO, json!({ "status": "REFUNDED", "additionalFeeRefundable": true })),
        (ADA, split(4_000, 6_000)),
        (DAYO, split(6_000, 4_000)),
    ] {
        large.asks(&app, key, &ruling);
    }
    let asked = large.asked(&app);
    assert_eq!(
        (&asked["sellerAmount"], &asked["buyerAmount"]),
        (&json!(6_000), &json!(4_000))
    );
    app.refuses_code(403, "role_not_allowed", |app| large.retract(app, BEN, &reason()));
    app.refuses_code(400, "invalid_request", |app| large.retract(app, ADA, &json!({})));
    assert_eq!(large.retract(&app, ADA, &reason()).ok().body["data"], asked);
    assert_eq!(large.asked(&app), Value::Null);
    large.asks(&app, ADA, &split(6_000, 4_000));
    let ruled = large.resolve(&app, DAYO, &split(6_000, 4_000)).ok();
    assert!(ruled.message().contains("submitted successfully"), "{ruled:?}");
    assert_eq!(ruled.data().get("askedRuling"), Some(&Value::Null), "{ruled:?}");
    assert_eq!(app.live_balance(&large.seller), 6_000);
    assert_eq!(app.live_balance(&large.buyer), 4_000);
    assert_eq!(app.column("SELECT count(*) FROM asked_ruling"), ["0"]);
    let acts = app.column("SELECT kind FROM operator_act WHERE kind LIKE 'deal%' AND reason IS NOT NULL ORDER BY id");
    let asked = "deal_ruling_requested";
    assert_eq!(
        acts,
        [
            asked,
            asked,
            asked,
            asked,
            asked,
            "deal_request_retracted",
            asked,
            "deal_resolved"
        ]
    );
}

#[test]
fn a_ruling_that_a_revoked_operator_asked_for_counts_as_none() {
    let app = spawn_desk();
    let large = large_deal(&app);
    let refunded = json!({ "status": "REFUNDED" });
    let made = json!({ "name": "Mallory", "role": "approver" });
    let made = app.by(ADA, "POST", "/operators", &made).ok();
    large.asks(&app, &made.text("key"), &refunded);
    let revoke = format!("/operators/{}/revoke", made.text("id"));
    app.by(ADA, "POST", &revoke, &reason()).ok();
    assert_eq!(large.asked(&app), Value::Null);
    let desk = Browser::logged_in(&app, EFE).page("/console/desk");
    assert!(!desk.contains("Rulings to confirm"), "{desk}");
    app.refuses_code(409, "nothing_asked", |app| large.retract(app, DAYO, &reason()));
    large.asks(&app, DAYO, &refunded);
    large.resolve(&app, ADA, &refunded).ok();
    assert_eq!(app.live_balance(&large.buyer), 10_000);
}

/// The first operator asked for a ruling before the other side had spoken.
#[test]
fn a_reply_to_the_dispute_ends_the_request_for_a_ruling() {
    let app = spawn_desk();
    let large = large_deal(&app);
    let refunded = json!({ "status": "REFUNDED" });
    large.asks(&app, DAYO, &refunded);
    let statement = format!("/v1/escrow/submit-dispute/{}", large.deal.token);
    let submit = |customer: &str, message: &str| {
        let body = json!({ "message": message });
        app.json_with_key(LIVE_KEY, "POST", &statement, customer, &body).ok()
    };
    assert_eq!(submit(&large.seller, "It is done").text("status"), "INVESTIGATING");
    assert_eq!(large.asked(&app), Value::Null);
    let noted = large.resolve(&app, ADA, &refunded).ok();
    assert_eq!(noted.text("status"), "INVESTIGATING");
    large.resolve(&app, DAYO, &refunded).ok();
    assert_eq!(app.live_balance(&large.buyer), 10_000);
}

/// The merchant rules on its own deals. What an operator has asked for ends with the deal.
#[test]
fn the_merchant_rules_alone() {
    let app = spawn_desk();
    let large = large_deal(&app);
    large.asks(&app, DAYO, &json!({ "status": "REFUNDED" }));
    let path = format!("/v1/escrow/dispute/resolve/{}", large.deal.id);
    let ruling = json!({ "status": "COMPLETED", "resolution": "It was done" });
    app.json_with_key(LIVE_KEY, "POST", &path, "", &ruling).ok();
    assert_eq!(large.asked(&app), Value::Null);
    app.refuses_code(409, "nothing_asked", |app| large.retract(app, DAYO, &reason()));
    assert_eq!(app.live_balance(&large.seller), 10_000);
}

#[test]
fn a_second_operator_confirms_a_ruling_at_the_desk() {
    let app = spawn_desk();
    let large = large_deal(&app);
    let place = format!("/console/deals/{}", large.deal.id);
    let (dayo, ada) = (Browser::logged_in(&app, DAYO), Browser::logged_in(&app, ADA));
    let parts = [
        ("status", None, &b"SPLIT"[..]),
        ("sellerAmount", None, b"7000"),
        ("buyerAmount", None, b"3000"),
        ("resolution", None, b"Half was done"),
    ];
    let noted = dayo.uploaded(&dayo.page(&place), "<summary>Rule<", &parts);
    assert!(
        noted.contains("dayo asked to give") && noted.contains("7,000.00"),
        "{noted}"
    );
    assert!(!noted.contains(">Confirm the ruling</button>"), "{noted}");
    assert!(ada.page(&place).contains(">Confirm the ruling</button>"));
    // Whoever opens the desk finds it.
    let link = format!("href=\"{place}\"");
    let desk = ada.page("/console/desk");
    assert!(desk.contains("Rulings to confirm") && desk.contains(&link), "{desk}");
    let retract = Form::of(&noted, "Retract the request").with("s:reason", "too early");
    let retracted = dayo.done(&retract);
    assert!(!retracted.contains("asked to give"), "{retracted}");
    assert!(!ada.page("/console/desk").contains(&link));
    dayo.uploaded(&dayo.page(&place), "<summary>Rule<", &parts);
    let page = ada.page(&place);
    assert!(page.contains("name=\"sellerAmount\" value=\"7000\""), "{page}");
    let confirmed = [
        ("status", None, &b"SPLIT"[..]),
        ("sellerAmount", None, b"7000"),
        ("buyerAmount", None, b"3000"),
        ("resolution", None, b"I see it so too"),
    ];
    let ruled = ada.uploaded(&page, "dayo asked to give", &confirmed);
    assert!(!ruled.contains("asked to give"), "{ruled}");
    assert_eq!(app.live_balance(&large.seller), 7_000);
}
