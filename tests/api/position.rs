//! Tests the position and its comparison with a bank's statement, in live mode and in a
//! sandbox.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use escrowd::app;
use escrowd::commands::operators::{self, OperatorRequest};
use escrowd::config::Bank;
use escrowd::domain::ids::MerchantId;
use escrowd::domain::treasury::act::Agent;
use escrowd::domain::treasury::operator::Role;
use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, LIVE_KEY, TestApp, kobo, spawn_app_with, spawn_live_app, two_milestones};
use crate::live_merchants::TestConfig;

/// The keys of operators that [`Office::live`] makes.
pub(crate) const ADMIN: &str = "op_live_admin";
pub(crate) const CASHIER: &str = "op_live_cashier";
pub(crate) const APPROVER: &str = "op_live_approver";
pub(crate) const AUDITOR: &str = "op_live_auditor";
const OF_SHOP: &str = "op_live_of_shop";

/// The names of the columns that [`STATEMENT`] has.
const COLUMNS: &str = "date=Value%20Date&credit=Credit&debit=Debit&reference=Narration";

/// The bank's statement of what [`Office::trade`] records.
const STATEMENT: &str = "\
Narration,Value Date,Debit,Credit,Balance
OPENING CHARGE-FREE/FT-1001/ADA,02/11/2026,,\"5,000.00\",5000.00
FT1002,03/11/2026,,300.25,5300.25
ft-1003,04/11/2026,,\"10,200.00\",15500.25
TRF FT/2001 ADA OBI,05/11/2026,\"1,000.00\",,14500.25
";

/// A service, and the key by which an operator uses it. A sandbox needs none.
pub(crate) struct Office {
    pub(crate) app: TestApp,
    is_live: bool,
}

/// The ids that [`Office::trade`] created.
pub(crate) struct Trade {
    pub(crate) ada: String,
    pub(crate) ben: String,
    pub(crate) deal: Deal,
    /// The pay-out that is requested.
    pub(crate) open: String,
    /// The receipt in suspense.
    suspense: String,
}

impl Office {
    pub(crate) fn sandbox() -> Self {
        Self::sandbox_with(|_| {})
    }

    /// Returns a sandbox in which the key has its merchant already.
    pub(crate) fn sandbox_with(change: impl FnOnce(&mut TestConfig)) -> Self {
        let office = Self {
            app: spawn_app_with(change),
            is_live: false,
        };
        office.get("/operator/position").ok();
        office
    }

    pub(crate) fn live() -> Self {
        Self::live_with(|_| {})
    }

    pub(crate) fn live_with(change: impl FnOnce(&mut TestConfig)) -> Self {
        let app = spawn_live_app(|config| {
            config.bank = Some(Bank {
                bank_name: "Test Bank".to_owned(),
                bank_code: Some("999".to_owned()),
                account_number: "0011223344".to_owned(),
                account_name: "Escrow Clients".to_owned(),
            });
            config.operators.alone_max_minor = kobo(5_000_000);
            change(config);
            make_operators(config);
        });
        let office = Self { app, is_live: true };
        // The first use of a key is noted, which is no change of a request.
        for key in [ADMIN, CASHIER, APPROVER, AUDITOR, OF_SHOP] {
            office.send(key, "GET", "/operator/position", &[], "").ok();
        }
        while office
            .app
            .column("SELECT count(*) FROM operator WHERE last_used_at IS NULL")
            != ["0"]
        {
            thread::sleep(Duration::from_millis(5));
        }
        office
    }

    pub(crate) fn both() -> [Self; 2] {
        [Self::sandbox(), Self::live()]
    }

    /// Sends a request of the operator with this key.
    pub(crate) fn send(&self, key: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        let mut all = headers.to_vec();
        all.extend(self.is_live.then_some(("authorization", bearer.as_str())));
        self.app.send(
            method,
            path,
            &all,
            Some(body.as_bytes()).filter(|body| !body.is_empty()),
        )
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(AUDITOR, "GET", path, &[], "")
    }

    pub(crate) fn csv(&self, path: &str, file: &str) -> Answer {
        self.send(CASHIER, "POST", path, &[("content-type", "text/csv")], file)
    }

    pub(crate) fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        let json = ("content-type", "application/json");
        self.send(key, "POST", path, &[json], &body.to_string())
    }

    /// Sends a request of a customer.
    pub(crate) fn customer(&self, method: &str, path: &str, customer: &str, body: &Value) -> Answer {
        if self.is_live {
            return self.app.json_with_key(LIVE_KEY, method, path, customer, body);
        }
        if body.is_null() {
            let headers: &[_] = if customer.is_empty() {
                &[]
            } else {
                &[("customer-id", customer)]
            };
            return self.app.send(method, path, headers, None);
        }
        let headers = [("content-type", "application/json"), ("customer-id", customer)];
        let headers = if customer.is_empty() { &headers[..1] } else { &headers };
        self.app.send(method, path, headers, Some(body.to_string().as_bytes()))
    }

    pub(crate) fn new_customer(&self, name: &str, phone: &str) -> String {
        let body =
            json!({ "firstname": name, "lastname": "Obi", "email": format!("{name}@shop.example"), "phone": phone });
        self.customer("POST", "/v1/customer/create", "", &body)
            .ok()
            .text("customerId")
    }

    /// Records money that came, and returns the receipt's id.
    pub(crate) fn receives(&self, amount: f64, reference: &str, day: &str, customer: Option<&str>) -> String {
        let body = json!({ "amount": amount, "bankReference": reference, "valueDate": day, "customerId": customer });
        self.post(CASHIER, "/operator/receipts", &body).ok().text("id")
    }

    /// Asks for a withdrawal to this account name, and returns the id of its pay-out.
    pub(crate) fn withdraws(&self, customer: &str, amount: i64, account_name: &str) -> String {
        let bank = json!({
            "bankCode": "058", "accountNumber": "0123456789", "accountName": account_name, "bankName": "Test Bank",
        });
        let intent = json!({ "amount": amount, "transactionType": "withdrawal", "withdrawalDetails": bank });
        self.customer("POST", "/v1/payment/create-intent", customer, &intent)
            .ok();
        let payouts = self.get("/operator/payouts?limit=1").ok();
        payouts.data()["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Asks for a pay-out of the money in suspense, and approves it. Returns its id.
    pub(crate) fn sends_back(&self, trade: &Trade) -> String {
        let destination = json!({
            "bankCode": "058", "accountNumber": "0123456789", "accountName": "A Payer", "bankName": "Test Bank",
        });
        let body = json!({ "source": "suspense", "receiptId": trade.suspense, "destination": destination });
        let payout = self.post(CASHIER, "/operator/payouts", &body).ok().text("id");
        self.approves(&payout);
        payout
    }

    pub(crate) fn approves(&self, payout: &str) {
        self.send(
            APPROVER,
            "POST",
            &format!("/operator/payouts/{payout}/approve"),
            &[],
            "",
        )
        .ok();
    }

    pub(crate) fn pays(&self, payout: &str, reference: &str, day: &str) {
        let body = json!({ "bankReference": reference, "valueDate": day });
        self.post(CASHIER, &format!("/operator/payouts/{payout}/pay"), &body)
            .ok();
    }

    /// Makes Ada's deal and pays for it as Ben.
    pub(crate) fn fund(&self, ada: &str, ben: &str) -> Deal {
        let deal = self.customer("POST", "/v1/escrow/milestone/create", ada, &two_milestones());
        let deal = Deal::of(&deal.ok());
        let payment = json!({ "escrowDetails": { "escrowId": deal.id } });
        self.customer("POST", "/v1/payment/escrow", ben, &payment).ok();
        deal
    }

    /// Records money in and out, a mistake, and a deal of which a part is released.
    pub(crate) fn trade(&self) -> Trade {
        let ada = self.new_customer("ada", "08012345678");
        let ben = self.new_customer("ben", "08087654321");
        self.receives(5000.0, "FT-1001", "2026-11-02", Some(&ada));
        let suspense = self.receives(300.25, "FT-1002", "2026-11-03", None);
        self.receives(10_200.0, "FT-1003", "2026-11-03", Some(&ben));
        let mistake = self.receives(42.0, "FT-1009", "2026-11-04", None);
        let reason = json!({ "reason": "typed twice" });
        self.post(APPROVER, &format!("/operator/receipts/{mistake}/reverse"), &reason);
        self.post(ADMIN, &format!("/operator/receipts/{mistake}/reverse"), &reason);
        let deal = self.fund(&ada, &ben);
        let confirm = format!("/v1/escrow/milestone/confirm/{}/{}", deal.id, deal.milestones[0]);
        self.customer("POST", &confirm, &ben, &Value::Null).ok();
        let paid = self.withdraws(&ada, 1000, "Ada Obi");
        self.approves(&paid);
        self.pays(&paid, "FT-2001", "2026-11-05");
        let open = self.withdraws(&ada, 500, "=cmd|' /C calc'!A0");
        let expected = json!({ "amount": 250.5, "reference": "D-1", "transactionType": "deposit" });
        self.customer("POST", "/v1/payment/create-intent", &ada, &expected).ok();
        Trade {
            ada,
            ben,
            deal,
            open,
            suspense,
        }
    }

    pub(crate) fn reconcile(&self, query: &str, file: &str) -> Answer {
        self.csv(&format!("/operator/position/reconcile?{query}"), file)
    }
}

/// Makes an operator of each role, and one that may act for the first merchant only.
pub(crate) fn make_operators(config: &escrowd::config::Config) {
    let config = config.clone();
    let store = app::open_store(&config).unwrap();
    let make = async |key: &'static str, role, merchants| {
        let request = OperatorRequest {
            name: key.to_owned(),
            role,
            merchants,
        };
        let agent = Agent {
            operator: None,
            address: None,
        };
        let made = store.write(move |tx| operators::create(tx, &agent, Ok(request), key));
        made.await.map_err(drop).unwrap();
    };
    actix_web::rt::System::new().block_on(async {
        make(ADMIN, Role::Admin, Vec::new()).await;
        make(CASHIER, Role::Cashier, Vec::new()).await;
        make(APPROVER, Role::Approver, Vec::new()).await;
        make(AUDITOR, Role::Auditor, Vec::new()).await;
        store
            .write(|tx| tx.insert_merchant(Some("shop"), None).map(drop))
            .await
            .unwrap();
        make(OF_SHOP, Role::Auditor, vec![MerchantId(1)]).await;
    });
    store.close();
}

fn accounts(wallets: f64, holds: i64, fees: i64, in_transit: i64, suspense: f64) -> Value {
    json!({
        "wallets": number(wallets), "holds": holds, "merchants": 0, "platformFees": fees, "inTransit": in_transit,
        "suspense": number(suspense),
    })
}

/// A JSON number as the service writes it: whole, or with its decimals.
fn number(amount: f64) -> Value {
    if amount.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "amounts of tests are small")]
        let whole = amount as i64;
        json!(whole)
    } else {
        json!(amount)
    }
}

fn ids(list: &Value, pointer: &str) -> Vec<String> {
    let texts = list.as_array().unwrap().iter();
    let texts = texts.map(|row| row.pointer(pointer).unwrap_or_else(|| panic!("{row}")).clone());
    texts
        .map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned))
        .collect()
}

#[test]
fn the_position_shows_where_the_money_is() {
    for office in Office::both() {
        let before = office.get("/operator/position").ok();
        assert_eq!(before.data()["agrees"], true);
        assert_eq!(before.data()["bankShouldHold"], 0);
        office.trade();
        let position = office.get("/operator/position").ok();
        let data = position.data();
        assert_eq!(data["accounts"], accounts(7480.0, 6200, 10, 510, 300.25));
        assert_eq!(
            (&data["sum"], &data["bankShouldHold"]),
            (&json!(14500.25), &json!(14500.25))
        );
        assert_eq!((&data["currency"], &data["agrees"]), (&json!("NGN"), &json!(true)));
        assert_eq!(
            data["waiting"],
            json!({
                "openPayouts": { "count": 1, "amount": 510 },
                "receiptsInSuspense": { "count": 1, "amount": 300.25 },
                "receiptsToApprove": { "count": 0, "amount": 0 },
                "expectedDeposits": { "count": 1, "amount": 250.5 },
            })
        );
        let heads = office
            .app
            .column("SELECT lower(hex(chain_head)) FROM merchant ORDER BY id LIMIT 1");
        let merchant = &data["merchants"][0];
        assert_eq!(merchant["chainHead"], heads[0].as_str());
        assert_eq!(merchant["accounts"], data["accounts"]);
        assert_eq!(merchant["waiting"], data["waiting"]);
        assert_eq!(
            data["newestTransfer"].to_string(),
            office.app.column("SELECT max(id) FROM transfer")[0]
        );
        assert!(data["asOf"].as_str().unwrap().ends_with('Z'));
    }
}

#[test]
fn play_money_of_a_sandbox_is_part_of_the_outside_world() {
    let office = Office::sandbox();
    office.app.wallet("cleo").ok();
    office.app.top_up("cleo", 1000).ok();
    let position = office.get("/operator/position").ok();
    assert_eq!(position.data()["accounts"], accounts(1_001_000.0, 0, 0, 0, 0.0));
    assert_eq!(position.data()["bankShouldHold"], 1_001_000);
    // Its times are those of the merchant's clock.
    office.app.advance("100d").ok();
    let later = office.get("/operator/position").ok();
    assert!(later.text("asOf") > position.text("asOf")[..8].to_owned() + "99");
}

#[test]
fn receipts_that_wait_for_a_second_person_have_moved_nothing() {
    let office = Office::live();
    office.receives(50_000.01, "FT-3001", "2026-11-02", None);
    let position = office.get("/operator/position").ok();
    assert_eq!(position.data()["bankShouldHold"], 0);
    let waiting = &position.data()["waiting"]["receiptsToApprove"];
    assert_eq!(*waiting, json!({ "count": 1, "amount": 50_000.01 }));
    // The bank has it already.
    let statement = "date,amount,reference\n2026-11-02,50000.01,FT-3001\n";
    let compared = office.reconcile("", statement).ok();
    assert_eq!(ids(&compared.data()["missingHere"], "/reference"), ["FT-3001"]);
}

/// Two merchants share the bank account. An operator who may act for one of them sees no other.
#[test]
fn the_position_is_of_the_merchants_that_the_operator_may_see() {
    let office = Office::live_with(|config| {
        let mut other = config.merchant[0].clone();
        other.name = "other";
        other.key = "sk_live_other";
        config.merchant.push(other);
    });
    let receive = |merchant: &str, amount: i64, reference: &str| {
        let body = json!({ "amount": amount, "bankReference": reference, "valueDate": "2026-11-02" });
        let headers = [("content-type", "application/json"), ("merchant-id", merchant)];
        let path = "/operator/receipts";
        office.send(CASHIER, "POST", path, &headers, &body.to_string()).ok();
    };
    receive("shop", 100, "FT-1");
    receive("other", 20, "FT-2");
    let position = |key: &str, headers: &[(&str, &str)]| office.send(key, "GET", "/operator/position", headers, "");
    let held = |answer: &Answer| {
        (
            answer.data()["bankShouldHold"].clone(),
            ids(&answer.data()["merchants"], "/name"),
        )
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        held(&position(AUDITOR, &[]).ok()),
        (json!(120), names(&["shop", "other"]))
    );
    assert_eq!(
        held(&position(AUDITOR, &[("merchant-id", "other")]).ok()),
        (json!(20), names(&["other"]))
    );
    assert_eq!(held(&position(OF_SHOP, &[]).ok()), (json!(100), names(&["shop"])));
    office.app.refuses(404, "Merchant not found", |_| {
        position(OF_SHOP, &[("merchant-id", "other")])
    });
    let statement = "date,amount,reference\n2026-11-02,100,FT-1\n2026-11-02,20,FT-2\n";
    let compare = |key: &str| {
        let headers = [("content-type", "text/csv")];
        let path = "/operator/position/reconcile?opening=0";
        office.send(key, "POST", path, &headers, statement).ok()
    };
    assert_eq!(compare(AUDITOR).data()["agrees"], true);
    assert_eq!(ids(&compare(OF_SHOP).data()["missingHere"], "/reference"), ["FT-2"]);
    office.app.refuses(400, "merchant-id header is required", |_| {
        office.get("/operator/merchant/statement")
    });
}

#[test]
fn a_statement_is_matched_to_the_kobo() {
    for office in Office::both() {
        office.trade();
        let before = office.app.dump();
        let answer = office
            .reconcile(&format!("{COLUMNS}&opening=0&closing=14500.25"), STATEMENT)
            .ok();
        let data = answer.data();
        assert_eq!(data["agrees"], true, "{}", answer.text);
        assert_eq!(
            ids(&data["matched"], "/movement/bankReference"),
            ["FT-1001", "FT-1002", "FT-1003", "FT-2001"]
        );
        assert_eq!(ids(&data["matched"], "/daysApart"), ["0", "0", "1", "0"]);
        assert_eq!(
            ids(&data["matched"], "/movement/kind"),
            ["receipt", "receipt", "receipt", "payout"]
        );
        assert_eq!(data["matched"][3]["movement"]["amount"], -1000);
        assert_eq!(
            (&data["from"], &data["to"]),
            (&json!("2026-11-02"), &json!("2026-11-05"))
        );
        assert_eq!(
            data["balance"],
            json!({
                "opening": 0, "lines": 14500.25, "closing": 14500.25, "statementGap": 0, "bankShouldHold": 14500.25,
                "difference": 0, "explained": 0, "unexplained": 0,
            })
        );
        assert_eq!(office.app.dump(), before, "a comparison changed the file");
        // Money that is recorded later, for a later day, changes nothing about these days.
        office.receives(77.0, "FT-1100", "2026-11-20", None);
        let again = office
            .reconcile(&format!("{COLUMNS}&opening=0&closing=14500.25"), STATEMENT)
            .ok();
        assert_eq!(again.data()["agrees"], true, "{}", again.text);
    }
}

#[test]
fn each_difference_is_told_in_its_list() {
    let office = Office::live();
    office.trade();
    let statement = "\
date;amount;reference
2026-11-02;5000.00;FT-1001
2026-11-02;5000.00;FT-1001
2026-11-03;300.20;FT-1002
2026-11-05;-1000.00;FT-2001
2026-11-05;-52.50;COMMISSION ON TURNOVER
";
    let answer = office.reconcile("opening=0", statement).ok();
    let data = answer.data();
    assert_eq!(data["agrees"], false);
    assert_eq!(ids(&data["matched"], "/line/line"), ["2", "5"]);
    assert_eq!(data["nearMisses"][0]["difference"], -0.05);
    assert_eq!(data["nearMisses"][0]["movement"]["amount"], 300.25);
    assert_eq!(ids(&data["missingHere"], "/line"), ["6"]);
    assert_eq!(ids(&data["missingThere"], "/bankReference"), ["FT-1003"]);
    assert_eq!(data["duplicates"][0]["line"]["line"], 3);
    assert_eq!(data["duplicates"][0]["repeats"], 2);
    assert_eq!(
        data["sums"],
        json!({
            "lines": 9247.7, "movements": 14500.25, "matched": 4000, "nearMissLines": 300.2,
            "nearMissMovements": 300.25, "missingHere": -52.5, "missingThere": 10200, "duplicates": 5000,
            "outsideMatches": 0, "atProvider": 0,
        })
    );
    let balance = &data["balance"];
    assert_eq!(balance["difference"], -5252.55);
    assert_eq!(
        (&balance["explained"], &balance["unexplained"]),
        (&json!(-5252.55), &json!(0))
    );
}

/// The bank's statement of a pay-out that came back has two lines.
#[test]
fn a_returned_pay_out_counts_twice_and_a_reversed_receipt_not_at_all() {
    for office in Office::both() {
        let trade = office.trade();
        let payout = office.sends_back(&trade);
        office.pays(&payout, "FT-2002", "2026-11-06");
        let path = format!("/operator/payouts/{payout}/return");
        let returned = office.post(CASHIER, &path, &json!({ "reason": "closed" })).ok();
        let day = returned.text("updatedAt")[..10].to_owned();
        let statement =
            format!("{STATEMENT}FT-2002,06/11/2026,300.25,,14200\nREVERSAL OF FT-2002,{day},,300.25,14500.25\n");
        let answer = office
            .reconcile(&format!("{COLUMNS}&opening=0&closing=14500.25"), &statement)
            .ok();
        assert_eq!(answer.data()["agrees"], true, "{}", answer.text);
        assert_eq!(answer.data()["matched"].as_array().unwrap().len(), 6);
        // A receipt that the bank itself took back shows twice there, and cancels out.
        let charged_back = format!("{statement}FT-1009,{day},,42.00,\nRVSL FT-1009,{day},42.00,,\n");
        let answer = office.reconcile(&format!("{COLUMNS}&opening=0"), &charged_back).ok();
        assert_eq!(answer.data()["sums"]["missingHere"], 0);
        assert_eq!(answer.data()["balance"]["unexplained"], 0);
        // One that came back before it was paid has two lines or none there, and none here.
        let unpaid = office.withdraws(&trade.ada, 200, "Ada Obi");
        office.approves(&unpaid);
        let path = format!("/operator/payouts/{unpaid}/return");
        office.post(CASHIER, &path, &json!({ "reason": "closed" })).ok();
        let answer = office.reconcile(&format!("{COLUMNS}&opening=0"), &statement).ok();
        assert_eq!(answer.data()["agrees"], true, "{}", answer.text);
    }
}

#[test]
fn a_balance_can_be_compared_without_a_statement() {
    for office in Office::both() {
        office.trade();
        let compare = |query: &str, file: &str| office.reconcile(query, file).ok();
        let right = compare("closing=14500.25", "");
        assert_eq!(right.data()["agrees"], true, "{}", right.text);
        assert_eq!(
            (&right.data()["from"], &right.data()["to"]),
            (&Value::Null, &Value::Null)
        );
        let wrong = compare("closing=-0.5", "date,amount,reference\n");
        assert_eq!(wrong.data()["balance"]["unexplained"], -14500.75);
        assert_eq!(wrong.data()["agrees"], false);
        // At the end of a day in the past.
        let then = compare("closing=15500.25&to=2026-11-04", "");
        assert_eq!(then.data()["agrees"], true, "{}", then.text);
        // A statement of days without a line.
        let quiet = compare("from=2026-11-02&to=2026-11-03", "date,amount,reference\n");
        assert_eq!(quiet.data()["missingThere"].as_array().unwrap().len(), 3);
        let too_much = "closing must be an amount from -90071992547409.91 to 90071992547409.91; got 99999999999999999";
        office
            .app
            .refuses(400, too_much, |_| office.reconcile("closing=99999999999999999", ""));
        office.app.refuses(
            400,
            "closing must be the bank's balance, since no statement was sent; got nothing",
            |_| office.reconcile("opening=5", ""),
        );
        for query in ["", "opening=5", "to=2026-11-04"] {
            office.app.refuses(
                400,
                "closing must be the bank's balance, or from the first day of the statement, since it has no lines; got \
                 nothing",
                |_| office.reconcile(query, "date,amount,reference\n"),
            );
        }
    }
}

#[test]
fn every_mistake_of_a_statement_is_told_by_its_line() {
    for office in Office::both() {
        let wrong = "date,amount,reference\n2026-11-31,1.00,a\n2026-11-30,1.005,b\n2026-11-30,USD 5,c\n";
        let message = "The file has 3 errors, the first is: line 2, column \"date\" must be a day such as 2026-11-27, \
                       27/11/2026, 27-11-2026, 27-Nov-2026 or 27 Nov 2026, the day before the month; got \"2026-11-31\"";
        let refused = office.app.refuses(400, message, |_| office.reconcile("", wrong));
        assert_eq!(refused.body["code"], "invalid_file");
        let details = &refused.body["details"];
        assert_eq!(details["count"], 3);
        assert_eq!(ids(&details["errors"], "/line"), ["2", "3", "4"]);
        assert_eq!(
            details["errors"][1],
            json!({
                "line": 3, "column": "amount", "expected": "an amount with at most two decimals", "got": "\"1.005\"",
            })
        );
        let one = office.app.refuses(
            400,
            "The file has an error: line 1, column \"Betrag\" must be the name of one column; the file has \"date\", \
             \"amount\", \"reference\"; got no such column",
            |_| office.reconcile("amount=Betrag", "date,amount,reference\n"),
        );
        assert_eq!(one.body["details"]["errors"][0]["column"], "Betrag");
    }
}

#[test]
fn wrong_requests_for_a_comparison_are_refused() {
    let office = Office::sandbox();
    let file = "date,amount,reference\n2026-11-02,5,FT\n";
    let refuses = |message: &str, query: &str| {
        office.app.refuses(400, message, |_| office.reconcile(query, file));
    };
    refuses(
        "amount must be left out where credit and debit name the columns of amounts; got a",
        "amount=a&credit=b&debit=c",
    );
    refuses("debit is required", "credit=b");
    refuses(
        "opening must be an amount with at most two decimals, such as 1500, 99.95 or -20; got 5,00",
        "opening=5,00",
    );
    refuses(
        "closing must be an amount with at most two decimals, such as 1500, 99.95 or -20; got --5",
        "closing=--5",
    );
    refuses("from must be a date written YYYY-MM-DD; got today", "from=today");
    refuses(
        "to must be 2026-11-03, the day of from, or later; got 2026-11-02",
        "from=2026-11-03&to=2026-11-02",
    );
    refuses(
        "from must be 2026-11-02, the first day of the statement, or earlier; got 2026-11-03",
        "from=2026-11-03",
    );
    refuses(
        "to must be 2026-11-02, the last day of the statement, or later; got 2026-11-01",
        "to=2026-11-01",
    );
    let known = "date, amount, credit, debit, reference, opening, closing, from, to";
    refuses(
        &format!("bogus must be one of the fields {known}; got \"bogus\""),
        "bogus=1",
    );
    let path = "/operator/position/reconcile";
    let message = "Send the body as text/csv, and say so in the content-type header";
    for headers in [&[("content-type", "application/json")][..], &[]] {
        office
            .app
            .refuses(415, message, |_| office.send("", "POST", path, headers, file));
    }
    let charset = [("content-type", "Text/CSV; charset=utf-8")];
    office.send("", "POST", path, &charset, file).ok();
    let most = 90_071_992_547_409_i64;
    let large = format!("date,amount,reference\n2026-11-02,{most},a\n2026-11-02,{most},b\n");
    let message = "The sum of the lines is beyond 90071992547409.91, the largest amount of the service";
    let answer = office
        .app
        .refuses(400, message, |_| office.send("", "POST", path, &charset, &large));
    assert_eq!(answer.body["code"], "sum_too_large");
}

#[test]
fn a_statement_may_be_as_large_as_a_file() {
    let office = Office::sandbox_with(|config| {
        config.limits.file_bytes_max = 200_000;
        config.limits.uploads_bytes_max = 250_000;
        config.limits.report_rows_max = 2;
    });
    let lines = |count: usize| {
        let lines = (0..count).map(|line| format!("2026-11-02,1.00,FT-{line:050}\n"));
        format!("date,amount,reference\n{}", lines.collect::<String>())
    };
    let large = office.reconcile("", &lines(2_500)).ok();
    assert_eq!(large.data()["sums"]["missingHere"], 2_500);
    office.app.refuses(413, "The body must be at most 200000 bytes", |_| {
        office.reconcile("", &lines(3_000))
    });
    // A client that asks first is told to go on, although no JSON body may be as large.
    for (bytes, told) in [(150_000, "HTTP/1.1 100"), (200_001, "HTTP/1.1 413")] {
        let head = format!(
            "POST /operator/position/reconcile HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n\
             expect: 100-continue\r\ncontent-length: {bytes}\r\n\r\n"
        );
        let mut stream = office.app.connect();
        stream.write_all(head.as_bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(str::from_utf8(&start), Ok(told));
    }
    for reference in ["FT-1", "FT-2", "FT-3"] {
        office.receives(1.0, reference, "2026-11-02", None);
    }
    let message = "Too many rows at once; ask for fewer days with from and to";
    let refused = office.app.refuses(400, message, |_| office.reconcile("", &lines(1)));
    assert_eq!(refused.body["details"], json!({ "max": 2 }));
}

/// The movements after the days of a statement count as a sum, however many there are.
#[test]
fn an_old_statement_is_compared_after_many_later_movements() {
    let office = Office::sandbox_with(|config| config.limits.report_rows_max = 2);
    let ada = office.new_customer("ada", "08030000001");
    office.receives(10.0, "FT-1", "2026-10-01", Some(&ada));
    let statement = "date,amount,reference\n2026-10-01,10.00,FT-1\n";
    let shown = || {
        let compared = office.reconcile("", statement).ok();
        let sums = &compared.data()["sums"];
        assert_eq!((&sums["matched"], &sums["missingThere"]), (&json!(10), &json!(0)));
        compared.data()["balance"]["bankShouldHold"].to_string()
    };
    let before = shown();
    for reference in ["FT-2", "FT-3", "FT-4"] {
        office.receives(200.0, reference, "2026-10-20", Some(&ada));
    }
    let (paid, returned) = (
        office.withdraws(&ada, 140, "Ada Obi"),
        office.withdraws(&ada, 170, "Ada Obi"),
    );
    for (payout, reference) in [(&paid, "OUT-1"), (&returned, "OUT-2")] {
        office.approves(payout);
        office.pays(payout, reference, "2026-10-21");
    }
    let reason = json!({ "reason": "Closed" });
    office
        .post(CASHIER, &format!("/operator/payouts/{returned}/return"), &reason)
        .ok();
    assert_eq!(shown(), before);
    let of_balance = office.reconcile("to=2026-10-01&closing=10", "").ok();
    assert_eq!(of_balance.data()["balance"]["bankShouldHold"].to_string(), before);
    office
        .app
        .refuses_code(400, "too_many_rows", |_| office.reconcile("to=2026-10-20", statement));
}
