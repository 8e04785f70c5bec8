//! The routes of operators, in a sandbox and in live mode.

use escrowd::domain::events::webhook_endpoint::SigningSecret;
use rusqlite::params;
use serde_json::{Value, json};

use super::assert_snapshot;
use crate::cluster;
use crate::helpers::{
    Answer, Deal, LIVE_KEY, RECORDED_FROM_MILLIS, TestApp, go_live, key_hash, kobo, new_customer, spawn_recorded_app,
    two_milestones,
};
use crate::notices::{charge, notify};

const PAYSTACK_SECRET: &str = "sk_live_of_paystack";

fn receipt(amount: i64, bank_reference: &str) -> Value {
    json!({ "amount": amount, "bankReference": bank_reference, "valueDate": "2026-06-22" })
}

fn bank_account() -> Value {
    json!({
        "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada Obi", "bankName": "Guaranty Trust Bank",
        "narration": "June",
    })
}

fn withdrawal(amount: i64) -> Value {
    let mut details = bank_account();
    details["narration"] = json!("rent");
    json!({ "amount": amount, "transactionType": "withdrawal", "withdrawalDetails": details })
}

fn paid(bank_reference: &str) -> Value {
    json!({ "bankReference": bank_reference, "valueDate": "2026-06-23" })
}

impl TestApp {
    fn operate(&self, path: &str, body: &Value) -> Answer {
        let body = Some(body).filter(|body| !body.is_null());
        self.as_merchant(
            if body.is_some() { "POST" } else { "GET" },
            &format!("/operator/{path}"),
            body,
        )
    }

    fn approve(&self, path: &str) -> Answer {
        self.as_merchant("POST", &format!("/operator/{path}/approve"), None)
    }

    /// Funds an offer of Ada's with money that was just added, and disputes it.
    fn funded_by_play_money(&self) -> Deal {
        let deal = self.offered();
        self.top_up("ben", 20_000).ok();
        self.pay_for("ben", &deal).ok();
        let path = format!("/v1/escrow/submit-dispute/{}", deal.token);
        self.json("POST", &path, "ben", &json!({ "message": "Nothing came" }))
            .ok();
        deal
    }

    /// Returns the id of the newest pay-out.
    fn shown_payout(&self) -> String {
        let list = self.unrecorded(|app| app.operate("payouts?limit=1", &Value::Null).ok());
        list.data()["data"][0]["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn operators_routes_are_answered_word_for_word() {
    let app = spawn_recorded_app(|config| config.sandbox.opening_balance_minor = kobo(0));
    let nothing = Value::Null;
    app.unrecorded(|app| app.wallet("ben").ok());
    show_money_in(&app);
    show_money_out(&app);
    app.note("Fees and the merchant's money");
    for (source, amount) in [("platform_fees", 10), ("merchant", 10)] {
        app.operate(
            "payouts",
            &json!({ "source": source, "amount": amount, "destination": bank_account() }),
        );
    }
    app.note("A ruling with a name");
    let disputed = app.unrecorded(TestApp::funded_by_play_money);
    let ruling = json!({ "resolution": "Not delivered", "status": "REFUNDED" });
    app.operate(&format!("deals/{}/resolve", disputed.id), &ruling);
    app.note("A notice of a payment provider");
    let notice = json!({ "event": "transfer.success", "data": {} }).to_string();
    let signature = crate::notices::signature("sk_test_default", &notice);
    for signature in ["00", signature.as_str()] {
        let headers = [
            ("content-type", "application/json"),
            ("x-paystack-signature", signature),
        ];
        app.send("POST", "/notices/paystack/1", &headers, Some(notice.as_bytes()));
    }
    app.note("Unknown ones, and the record");
    let unknown = "0123456789abcdef01234567";
    app.operate(&format!("receipts/{unknown}"), &nothing);
    app.operate(&format!("payouts/{unknown}"), &nothing);
    app.operate("acts?limit=3", &nothing);
    app.operate("operators", &nothing);
    app.operate("operators", &json!({ "name": "Ada", "role": "admin" }));
    app.operate(&format!("operators/{unknown}/revoke"), &json!({ "reason": "left" }));
    assert_snapshot("operators", &[&app]);
}

fn show_money_in(app: &TestApp) {
    let nothing = Value::Null;
    app.note("Money in: a deposit that names its escrow");
    let deal = app.unrecorded(TestApp::offered);
    let mut deposit = json!({ "amount": 10_200, "reference": "D-1", "transactionType": "deposit" });
    deposit["depositDetails"] = json!({ "escrowId": deal.id });
    app.create_intent("ben", &deposit);
    app.operate("deposits", &nothing);
    let mut request = receipt(10_200, "FT-1");
    request["depositReference"] = json!("D-1");
    request["note"] = json!("by phone");
    let first = app.operate("receipts", &request).text("id");
    app.operate("receipts", &request);
    app.operate(&format!("receipts/{first}"), &nothing);
    app.operate(
        &format!("receipts/{first}/reverse"),
        &json!({ "reason": "typing error" }),
    );
    app.note("Of another amount, and then given up");
    deposit["reference"] = json!("D-2");
    deposit["depositDetails"] = json!({ "escrowId": app.unrecorded(TestApp::offered).id });
    app.unrecorded(|app| app.create_intent("ben", &deposit).ok());
    let mut request = receipt(10_000, "FT-2");
    request["depositReference"] = json!("D-2");
    app.operate("receipts", &request);
    let given_up = json!({ "reference": "D-2", "reason": "customer cancelled" });
    app.operate("deposits/expire", &given_up);
    app.operate("deposits/expire", &given_up);
    app.operate("deposits/expire", &json!({ "reference": "D-9", "reason": "unknown" }));
    app.note("For terms that were changed since");
    let deal = app.unrecorded(TestApp::offered);
    deposit["reference"] = json!("D-4");
    deposit["depositDetails"] = json!({ "escrowId": deal.id });
    app.unrecorded(|app| {
        app.create_intent("ben", &deposit).ok();
        let mut other = two_milestones();
        other["purpose"] = json!("A brick");
        app.edit_milestone_escrow("ada", &deal.token, &other).ok()
    });
    let mut request = receipt(10_200, "FT-5");
    request["depositReference"] = json!("D-4");
    app.operate("receipts", &request);
    app.note("Of nobody known, assigned, reversed, and sent back");
    let unknown = app.operate("receipts", &receipt(700, "FT-3")).text("id");
    app.operate(
        &format!("receipts/{unknown}/assign"),
        &json!({ "customerId": "nobody" }),
    );
    app.operate(&format!("receipts/{unknown}/assign"), &json!({}));
    app.operate(&format!("receipts/{unknown}/assign"), &json!({ "customerId": "ben" }));
    app.operate(
        &format!("receipts/{unknown}/reverse"),
        &json!({ "reason": "wrong customer" }),
    );
    let unknown = app.operate("receipts", &receipt(800, "FT-4")).text("id");
    let back =
        json!({ "source": "suspense", "receiptId": unknown, "destination": bank_account(), "reason": "no owner" });
    let payout = app.operate("payouts", &back).text("id");
    app.operate(
        &format!("payouts/{payout}/reject"),
        &json!({ "reason": "wrong account" }),
    );
    app.operate("receipts?status=suspense", &nothing);
    app.operate(
        &format!("receipts/{unknown}/retract"),
        &json!({ "reason": "wrong customer" }),
    );
    app.operate(&format!("receipts/{unknown}/reject"), &json!({ "reason": "late" }));
    app.approve(&format!("receipts/{unknown}"));
}

fn show_money_out(app: &TestApp) {
    let nothing = Value::Null;
    app.note("Money out: a withdrawal in two steps, one returned, one rejected");
    for step in ["paid", "returned", "rejected"] {
        app.unrecorded(|app| app.create_intent("ben", &withdrawal(1_000)).ok());
        let payout = app.shown_payout();
        match step {
            "rejected" => {
                app.operate(
                    &format!("payouts/{payout}/reject"),
                    &json!({ "reason": "name differs" }),
                );
            }
            "returned" => {
                app.unrecorded(|app| app.approve(&format!("payouts/{payout}")).ok());
                app.operate(
                    &format!("payouts/{payout}/return"),
                    &json!({ "reason": "account closed" }),
                );
            }
            _ => {
                app.operate(&format!("payouts/{payout}/pay"), &paid("P-1"));
                app.approve(&format!("payouts/{payout}"));
                app.approve(&format!("payouts/{payout}"));
                app.operate(&format!("payouts/{payout}/pay"), &paid("P-1"));
                for _ in 0..2 {
                    app.operate(
                        &format!("payouts/{payout}/reopen"),
                        &json!({ "reason": "another one was paid" }),
                    );
                }
                app.operate(&format!("payouts/{payout}/pay"), &paid("P-1"));
            }
        }
        app.operate(&format!("payouts/{payout}"), &nothing);
    }
    app.operate("payouts?status=paid", &nothing);
}

/// A live service with a merchant that has a bank account.
struct Shop<'a>(&'a TestApp);

impl Shop<'_> {
    fn ask(&self, key: &str, path: &str, body: &Value) -> Answer {
        let method = if body.is_null() { "GET" } else { "POST" };
        self.0
            .json_with_key(key, method, &format!("/operator/{path}"), "", body)
    }

    fn approve(&self, key: &str, path: &str) -> Answer {
        self.0
            .json_with_key(key, "POST", &format!("/operator/{path}/approve"), "", &Value::Null)
    }

    fn customer(&self, path: &str, customer: &str, body: &Value) -> Answer {
        self.0.json_with_key(LIVE_KEY, "POST", path, customer, body)
    }
}

#[test]
fn operators_of_live_mode_are_answered_word_for_word() {
    if cluster::is_wanted() {
        // It looks into a file.
        return;
    }
    let app = spawn_recorded_app(|config| {
        go_live(config);
        config.merchant[0].paystack_secret = Some(SigningSecret::new(PAYSTACK_SECRET));
        config.bank = Some(escrowd::config::Bank {
            bank_name: "First Bank of Nigeria".to_owned(),
            bank_code: Some("000016".to_owned()),
            account_number: "2031234567".to_owned(),
            account_name: "Example Escrow Ltd".to_owned(),
        });
    });
    let shop = Shop(&app);
    let (ada, cleo) = (
        app.insert_operator("Ada", "admin"),
        app.insert_operator("Cleo", "cashier"),
    );
    let [seller, buyer] = app.unrecorded(|_| {
        let ada = shop
            .customer("/v1/customer/create", "", &new_customer())
            .ok()
            .text("customerId");
        let ben = json!({ "firstname": "Ben", "lastname": "Obi", "email": "ben@shop.example", "phone": "08087654321" });
        [
            ada,
            shop.customer("/v1/customer/create", "", &ben).ok().text("customerId"),
        ]
    });
    show_operators(&shop, &ada, &cleo);
    show_a_deposit(&shop, [&ada, &cleo], [&seller, &buyer]);
    show_a_withdrawal(&shop, [&ada, &cleo], &buyer);
    show_retracted_requests(&shop, [&ada, &cleo], [&seller, &buyer]);
    let two = spawn_recorded_app(|config| {
        go_live(config);
        let mut other = config.merchant[0].clone();
        other.name = "bakery";
        other.key = "sk_live_of_the_bakery";
        config.merchant.push(other);
    });
    let ada = two.insert_operator("Ada", "admin");
    two.unrecorded(|_| Shop(&two).customer("/v1/customer/create", "", &new_customer()).ok());
    two.note("Two merchants, of which the request must name one");
    Shop(&two).ask(&ada, "receipts", &Value::Null);
    let headers = [("content-type", "application/json")];
    two.send("POST", "/notices/paystack/shop", &headers, Some(b"{}"));
    assert_snapshot("live_operators", &[&app, &two]);
}

fn show_operators(shop: &Shop<'_>, ada: &str, cleo: &str) {
    let (app, nothing) = (shop.0, Value::Null);
    app.note("Operators");
    shop.ask(
        ada,
        "operators",
        &json!({ "name": "Ova", "role": "approver", "merchantIds": [7] }),
    );
    shop.ask(ada, "operators", &json!({ "name": "Ova", "role": "boss" }));
    let made = shop.ask(
        ada,
        "operators",
        &json!({ "name": "Ova", "role": "approver", "merchantIds": [1] }),
    );
    let ova = made.text("id");
    shop.ask(ada, "operators", &json!({ "name": "Ova", "role": "auditor" }));
    shop.ask(cleo, "operators", &json!({ "name": "Eve", "role": "admin" }));
    shop.ask(ada, "operators", &nothing);
    shop.ask(ada, &format!("operators/{ova}/revoke"), &json!({ "reason": "left" }));
    shop.ask(ada, &format!("operators/{ova}/revoke"), &json!({ "reason": "left" }));
    let own = app.operator_id("Ada");
    shop.ask(ada, &format!("operators/{own}/revoke"), &json!({ "reason": "left" }));
    shop.ask(
        ada,
        "operators/0123456789abcdef01234567/revoke",
        &json!({ "reason": "left" }),
    );
    shop.ask(LIVE_KEY, "operators", &nothing);
}

fn show_a_deposit(shop: &Shop<'_>, [ada, cleo]: [&str; 2], [seller, buyer]: [&str; 2]) {
    let (app, nothing) = (shop.0, Value::Null);
    app.note("A deposit that takes two persons, and its escrow");
    let deal = app.unrecorded(|_| Deal::of(&shop.customer("/v1/escrow/milestone/create", seller, &two_milestones())));
    let request = json!({
        "amount": 150_000, "reference": "D-1", "transactionType": "deposit", "depositDetails": { "escrowId": deal.id },
    });
    let announced = shop.customer("/v1/payment/create-intent", buyer, &request);
    shop.customer("/v1/payment/verify", buyer, &json!({ "reference": "D-1" }));
    let mut recorded = receipt(150_000, "FT-1");
    recorded["depositReference"] = json!("D-1");
    shop.ask(cleo, "receipts", &recorded);
    recorded["depositReference"] = announced.data()["depositAccount"]["reference"].clone();
    let first = shop.ask(cleo, "receipts", &recorded).text("id");
    shop.ask(ada, "receipts?status=recorded", &nothing);
    shop.approve(cleo, &format!("receipts/{first}"));
    shop.approve(ada, &format!("receipts/{first}"));
    let own = shop.ask(ada, "receipts", &receipt(200_000, "FT-2")).text("id");
    shop.approve(ada, &format!("receipts/{own}"));
    shop.ask(
        ada,
        &format!("receipts/{own}/reject"),
        &json!({ "reason": "not on the statement" }),
    );
    app.note("Money that is spent cannot be reversed");
    shop.ask(
        ada,
        &format!("receipts/{first}/reverse"),
        &json!({ "reason": "wrong deal" }),
    );
}

fn show_a_withdrawal(shop: &Shop<'_>, [ada, cleo]: [&str; 2], buyer: &str) {
    let (app, nothing) = (shop.0, Value::Null);
    app.note("A withdrawal");
    shop.customer("/v1/payment/create-intent", buyer, &withdrawal(1_000));
    let list = shop.ask(ada, "payouts", &nothing);
    let payout = list.data()["data"][0]["id"].as_str().unwrap().to_owned();
    shop.approve(ada, &format!("payouts/{payout}"));
    shop.ask(cleo, &format!("payouts/{payout}/pay"), &paid("P-1"));
    app.note("Banks are listed, since withdrawals name one, and a code that no bank has is refused");
    let banks = app.unrecorded(|app| {
        app.json_with_key(LIVE_KEY, "GET", "/v1/payment/bank-list", "", &nothing)
            .ok()
    });
    assert!(
        banks
            .data()
            .as_array()
            .unwrap()
            .iter()
            .all(|bank| bank["code"] != "999999")
    );
    let mut unknown = withdrawal(1_000);
    unknown["withdrawalDetails"]["bankCode"] = json!("123456");
    shop.customer("/v1/payment/create-intent", buyer, &unknown);
    app.note("A merchant that is not known, and the record");
    let other = [("authorization", format!("Bearer {ada}"))];
    let headers = [("authorization", other[0].1.as_str()), ("merchant-id", "nobody")];
    app.send("GET", "/operator/receipts", &headers, None);
    let headers = [("authorization", other[0].1.as_str()), ("merchant-id", "shop")];
    app.send("GET", "/operator/acts?limit=2", &headers, None);
    shop.ask(ada, "acts?limit=2", &nothing);
    for path in [
        "deposits",
        "receipts/0123456789abcdef01234567",
        "payouts/0123456789abcdef01234567",
    ] {
        shop.ask(ada, path, &nothing);
    }
    for path in [
        "deposits/expire",
        "receipts/0123456789abcdef01234567/assign",
        "payouts",
        "payouts/0123456789abcdef01234567/reject",
        "payouts/0123456789abcdef01234567/return",
        "payouts/0123456789abcdef01234567/reopen",
        "payouts/0123456789abcdef01234567/retract",
        "deals/0123456789abcdef01234567/resolve",
        "deals/0123456789abcdef01234567/retract",
    ] {
        shop.ask(ada, path, &json!({}));
    }
}

fn show_retracted_requests(shop: &Shop<'_>, [ada, cleo]: [&str; 2], [seller, buyer]: [&str; 2]) {
    let app = shop.0;
    app.note("Money of a provider that takes two operators: the first one thinks again");
    app.unrecorded(|app| notify(app, "shop", PAYSTACK_SECRET, &charge(1, 20_000_000, "unknown")).ok());
    let list = shop.ask(cleo, "receipts?status=suspense", &Value::Null);
    let unknown = list.data()["data"][0]["id"].as_str().unwrap().to_owned();
    shop.ask(
        cleo,
        &format!("receipts/{unknown}/assign"),
        &json!({ "customerId": buyer }),
    );
    let retract = format!("receipts/{unknown}/retract");
    shop.ask(cleo, &retract, &json!({}));
    shop.ask(cleo, &retract, &json!({ "reason": "wrong customer" }));
    app.note("It goes back to its payer. The return of a large pay-out takes two operators too");
    let back =
        json!({ "source": "suspense", "receiptId": unknown, "destination": bank_account(), "reason": "no owner" });
    let payout = shop.ask(cleo, "payouts", &back).text("id");
    shop.approve(ada, &format!("payouts/{payout}"));
    for _ in 0..2 {
        let path = format!("payouts/{payout}/return");
        shop.ask(cleo, &path, &json!({ "reason": "account closed" }));
    }
    let path = format!("payouts/{payout}/retract");
    shop.ask(ada, &path, &json!({ "reason": "not on the statement" }));
    app.note("So does a ruling on a deal that holds much");
    let deal = app.unrecorded(|_| {
        let recorded = shop.ask(
            cleo,
            "receipts",
            &json!({
                "amount": 153_000, "bankReference": "FT-9", "valueDate": "2026-06-22", "customerId": buyer,
            }),
        );
        shop.approve(ada, &format!("receipts/{}", recorded.text("id")));
        let mut terms = two_milestones();
        terms["amount"] = json!(150_000);
        terms["milestones"] = json!([{ "title": "Frame", "amount": 60_000 }, { "title": "Finish", "amount": 90_000 }]);
        let deal = Deal::of(&shop.customer("/v1/escrow/milestone/create", seller, &terms));
        let payment = json!({ "escrowDetails": { "escrowId": deal.id } });
        shop.customer("/v1/payment/escrow", buyer, &payment).ok();
        let dispute = format!("/v1/escrow/submit-dispute/{}", deal.token);
        shop.customer(&dispute, buyer, &json!({ "message": "Nothing was done" }))
            .ok();
        deal
    });
    let ruling = json!({ "status": "SPLIT", "sellerAmount": 50_000, "buyerAmount": 100_000, "resolution": "So be it" });
    shop.ask(ada, &format!("deals/{}/resolve", deal.id), &ruling);
    let asked = format!("deals/{}/ruling", deal.id);
    shop.ask(cleo, &asked, &Value::Null);
    let retract = format!("deals/{}/retract", deal.id);
    for _ in 0..2 {
        shop.ask(ada, &retract, &json!({ "reason": "too early" }));
    }
    shop.ask(cleo, &asked, &Value::Null);
}

impl TestApp {
    /// Inserts an operator beside the service, and returns its key. The service sees it after
    /// its next commit.
    pub(crate) fn insert_operator(&self, name: &str, role: &str) -> String {
        let key = format!("op_live_{name}");
        // The key was just used, so the service does not save its use beside a request.
        let sql = "INSERT INTO operator (id, guard, name, role, key_hash, created_at, last_used_at, checksum)
             SELECT id, 1, ?1, ?2, ?3, ?4, ?4, row_checksum('id', id, 'guard', 1, 'name', ?1, 'role', ?2,
                 'key_hash', ?3, 'created_at', ?4, 'last_used_at', ?4)
             FROM (SELECT coalesce(max(id), 0) + 1 AS id FROM operator)";
        let (hash, at) = (key_hash(&key), RECORDED_FROM_MILLIS);
        let inserted = self.sqlite().execute(sql, params![name, role, hash, at]);
        assert_eq!(inserted, Ok(1));
        key
    }

    /// Returns the id of the operator with this name.
    pub(crate) fn operator_id(&self, name: &str) -> String {
        let sql = format!("SELECT printf('%016x%08x', id, guard) FROM operator WHERE name = '{name}'");
        self.sqlite().query_row(&sql, [], |row| row.get(0)).unwrap()
    }
}
