//! A deal with money in and out through the operator's bank account: in live mode with two
//! operators, and rehearsed in a sandbox.

use serde_json::{Value, json};

use crate::helpers::{RunningServer, WorkFolder, stdout};

/// The actors of the scenario, each with a key.
struct Stage<'a> {
    server: &'a RunningServer,
    /// The merchant's key.
    shop: String,
    /// The key of the operator who approves.
    approver: String,
    /// The keys that it takes to rule on a deal that holds much: of two operators in live mode.
    rulers: Vec<String>,
    /// The key of the operator who records and pays.
    cashier: String,
}

impl Stage<'_> {
    #[track_caller]
    fn ask(&self, key: &str, method: &str, path: &str, customer: &str, body: &Value) -> Value {
        let (status, reply) = self.send(key, method, path, customer, body);
        assert!(status < 300, "{method} {path}: {status} {reply}");
        reply["data"].clone()
    }

    fn send(&self, key: &str, method: &str, path: &str, customer: &str, body: &Value) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(self.server.url(path))
            .header("authorization", format!("Bearer {key}"));
        if !customer.is_empty() {
            request = request.header("customer-id", customer);
        }
        let body = if body.is_null() {
            String::new()
        } else {
            request = request.header("content-type", "application/json");
            body.to_string()
        };
        let mut reply = agent.run(request.body(body).unwrap()).unwrap();
        let text = reply.body_mut().read_to_string().unwrap();
        (reply.status().as_u16(), serde_json::from_str(&text).unwrap())
    }

    /// Compares the position with a statement of the bank that has these entries.
    #[track_caller]
    fn reconcile(&self, entries: &[Entry]) -> Value {
        let lines = entries.iter();
        let lines = lines.map(|(date, reference, amount)| format!("{date},{reference} TRANSFER,{amount}\r\n"));
        let statement = format!("Value date,Narration,Amount\r\n{}", lines.collect::<String>());
        let path =
            "/operator/position/reconcile?date=Value%20date&reference=Narration&amount=Amount&opening=0&closing=99900";
        let mut reply = ureq::post(self.server.url(path))
            .header("authorization", format!("Bearer {}", self.cashier))
            .header("content-type", "text/csv")
            .send(statement)
            .unwrap();
        let reply: Value = serde_json::from_str(&reply.body_mut().read_to_string().unwrap()).unwrap();
        reply["data"].clone()
    }

    #[track_caller]
    fn record(&self, path: &str, body: &Value) -> Value {
        self.ask(&self.cashier, "POST", &format!("/operator/{path}"), "", body)
    }

    #[track_caller]
    fn approve(&self, path: &str) -> Value {
        self.ask(
            &self.approver,
            "POST",
            &format!("/operator/{path}/approve"),
            "",
            &Value::Null,
        )
    }

    #[track_caller]
    fn main_balance(&self, customer: &str) -> Value {
        self.ask(&self.shop, "GET", "/v1/wallet", customer, &Value::Null)["mainBalance"].clone()
    }
}

fn bank_account(name: &str) -> Value {
    json!({ "bankCode": "058", "accountNumber": "0123456789", "accountName": name, "bankName": "Guaranty Trust Bank" })
}

/// A line of the bank's statement: date, reference and signed amount.
type Entry = (&'static str, &'static str, String);

/// Plays the scenario: a deposit by reference funds a deal of three milestones, one is
/// released, a dispute is ruled on, and each party is paid out, one of them at the second
/// attempt. Then the bank's statement agrees with the position to the kobo.
fn play(stage: &Stage<'_>) {
    let customer = |first: &str, phone: &str| {
        let profile = json!({
            "firstname": first, "lastname": "Obi", "email": format!("{first}@shop.example"), "phone": phone,
        });
        let made = stage.ask(&stage.shop, "POST", "/v1/customer/create", "", &profile);
        made["customerId"].as_str().unwrap().to_owned()
    };
    let (seller, buyer) = (customer("Ada", "08030000001"), customer("Ben", "08030000002"));
    fund_and_rule(stage, &seller, &buyer);
    let mut entries = vec![("2026-11-02", "FT-10001", "309000.00".to_owned())];
    entries.extend(pay_customers(stage, &seller, &buyer));
    entries.extend(pay_fees(stage));
    let balance = stage.ask(&stage.shop, "GET", "/v1/merchant/balance", "", &Value::Null);
    assert_eq!(balance["mainBalance"], 0);
    let acts = stage.ask(&stage.approver, "GET", "/operator/acts?limit=100", "", &Value::Null);
    let kinds: Vec<&str> = acts["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| act["act"].as_str().unwrap())
        .collect();
    for kind in [
        "receipt_recorded",
        "deal_resolved",
        "payout_returned",
        "payout_paid",
        "payout_requested",
    ] {
        assert!(kinds.contains(&kind), "{kind} is not among {kinds:?}");
    }
    let compared = stage.reconcile(&entries);
    assert_eq!(compared["agrees"], true, "{compared}");
    assert_eq!(compared["matched"].as_array().unwrap().len(), 5, "{compared}");
    let position = stage.ask(&stage.cashier, "GET", "/operator/position", "", &Value::Null);
    assert_eq!(
        (&position["agrees"], &position["bankShouldHold"]),
        (&json!(true), &json!(99_900))
    );
}

/// Funds a deal by a deposit, releases one milestone, and splits the rest.
fn fund_and_rule(stage: &Stage<'_>, seller: &str, buyer: &str) {
    let milestones: Vec<Value> = ["First fix", "Second fix", "Handover"]
        .map(|title| json!({ "title": title, "amount": 100_000 }))
        .into();
    let offer = json!({ "amount": 300_000, "purpose": "Shop fit-out", "whoPays": "buyer", "milestones": milestones });
    let deal = stage.ask(&stage.shop, "POST", "/v1/escrow/milestone/create", seller, &offer);
    let id = deal["id"].as_str().unwrap();

    // Money in. The fee is 2 percent for the platform and 1 for the merchant.
    let deposit = json!({
        "amount": 309_000, "reference": "SHOP-1", "transactionType": "deposit", "depositDetails": { "escrowId": id },
    });
    let announced = stage.ask(&stage.shop, "POST", "/v1/payment/create-intent", buyer, &deposit);
    // A sandbox has no bank account: the payment's own reference names the deposit.
    let quoted = announced["depositAccount"]["reference"].as_str().unwrap_or("SHOP-1");
    let receipt = stage.record(
        "receipts",
        &json!({ "amount": 309_000, "bankReference": "FT-10001", "valueDate": "2026-11-02", "depositReference": quoted }),
    );
    if receipt["status"] == "recorded" {
        stage.approve(&format!("receipts/{}", receipt["id"].as_str().unwrap()));
    }
    let verify = format!("/v1/escrow/verify/{}", deal["paymentToken"].as_str().unwrap());
    let shown = stage.ask(&stage.shop, "GET", &verify, "", &Value::Null);
    assert_eq!(shown["status"], "ONGOING", "the deposit has funded the deal");

    // The deal: one milestone is confirmed, the rest is disputed and split.
    let first = deal["milestones"][0]["id"].as_str().unwrap();
    let confirm = format!("/v1/escrow/milestone/confirm/{id}/{first}");
    stage.ask(&stage.shop, "POST", &confirm, buyer, &json!({}));
    let dispute = format!("/v1/escrow/submit-dispute/{}", deal["paymentToken"].as_str().unwrap());
    stage.ask(
        &stage.shop,
        "POST",
        &dispute,
        buyer,
        &json!({ "message": "The second fix leaks" }),
    );
    let ruling = json!({
        "resolution": "Half was done", "status": "SPLIT", "sellerAmount": 50_000, "buyerAmount": 150_000,
    });
    for operator in &stage.rulers {
        stage.ask(operator, "POST", &format!("/operator/deals/{id}/resolve"), "", &ruling);
    }
    assert_eq!(stage.main_balance(seller), json!(150_000));
    assert_eq!(stage.main_balance(buyer), json!(150_000));
}

/// Pays the seller and the buyer. The first payment to the seller comes back from the bank.
fn pay_customers(stage: &Stage<'_>, seller: &str, buyer: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (who, reference) in [(seller, None), (seller, Some("PO-10001")), (buyer, Some("PO-10002"))] {
        let request = json!({
            "amount": 100_000, "transactionType": "withdrawal", "withdrawalDetails": bank_account("Obi"),
        });
        stage.ask(&stage.shop, "POST", "/v1/payment/create-intent", who, &request);
        assert_eq!(
            stage.main_balance(who),
            json!(49_950),
            "amount and fee are on their way"
        );
        let list = stage.ask(
            &stage.approver,
            "GET",
            "/operator/payouts?status=requested",
            "",
            &Value::Null,
        );
        let payout = format!("payouts/{}", list["data"][0]["id"].as_str().unwrap());
        stage.approve(&payout);
        if let Some(reference) = reference {
            let paid = json!({ "bankReference": reference, "valueDate": "2026-11-03" });
            stage.record(&format!("{payout}/pay"), &paid);
            entries.push(("2026-11-03", reference, "-100000.00".to_owned()));
        } else {
            stage.record(
                &format!("{payout}/return"),
                &json!({ "reason": "the account is closed" }),
            );
            assert_eq!(stage.main_balance(who), json!(150_000));
        }
    }
    entries
}

/// Pays out the commission, and the fees: 2 percent of the deal and 50 for each withdrawal
/// that was paid.
fn pay_fees(stage: &Stage<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (source, amount, reference) in [("merchant", 3_000, "PO-10003"), ("platform_fees", 6_100, "PO-10004")] {
        let request = json!({ "source": source, "amount": amount, "destination": bank_account("Shop") });
        let payout = stage.record("payouts", &request);
        let payout = format!("payouts/{}", payout["id"].as_str().unwrap());
        stage.approve(&payout);
        let paid = json!({ "bankReference": reference, "valueDate": "2026-11-04" });
        stage.record(&format!("{payout}/pay"), &paid);
        entries.push(("2026-11-04", reference, format!("-{amount}.00")));
    }
    entries
}

#[test]
fn a_deal_of_live_mode_is_paid_in_and_out_by_two_operators() {
    let folder = WorkFolder::new();
    let word = |start: &str, text: &str| {
        let found = text.split_whitespace().find(|word| word.contains(start));
        found.unwrap().to_owned()
    };
    folder.write(
        "config.toml",
        "mode = \"live\"\n[bank]\nbank_name = \"First Bank\"\naccount_number = \"2031234567\"\n\
         account_name = \"Example Escrow Ltd\"\n",
    );
    let operator = |name: &str, role: &str| {
        let made = folder.run(&["operator", "create", name, "--role", role]);
        assert!(made.status.success(), "{made:?}");
        word("op_live_", &stdout(&made))
    };
    let (approver, cashier) = (operator("Ada", "approver"), operator("Cleo", "cashier"));
    let admin = operator("Obi", "admin");
    let server = folder.serve(&[]);
    let created = folder
        .command(&["merchant", "create", "shop", "--commission-bps", "100"])
        .env("ESCROWD_URL", server.url(""))
        .env("ESCROWD_KEY", &admin)
        .output()
        .unwrap();
    assert!(created.status.success(), "{created:?}");
    let shop = word("sk_live_", &stdout(&created));
    let stage = Stage {
        server: &server,
        shop,
        rulers: vec![approver.clone(), admin],
        approver,
        cashier,
    };
    play(&stage);
    // The bank may know more than the backup.
    assert!(folder.run(&["backup", "escrowd.db", "backup.db"]).status.success());
    let restored = stdout(&folder.run(&["restore", "backup.db", "restored.db"]));
    let advice = "find the files and payments of pay-outs that the bank got since the backup";
    assert!(restored.contains(advice), "{restored}");
    // A key opens only its own routes.
    let nothing = Value::Null;
    for (key, path) in [(&stage.shop, "/operator/receipts"), (&stage.cashier, "/v1/customers")] {
        assert_eq!(stage.send(key, "GET", path, "", &nothing).0, 403);
    }
    drop(server);
    let checked = stdout(&folder.run(&["check", "escrowd.db"]));
    assert!(checked.contains("The ledger is sound"), "{checked}");
    let listed = stdout(&folder.run(&["operator", "list"]));
    assert!(listed.contains("Ada") && listed.contains("last used 20"), "{listed}");
    let position = folder.run(&["position", "escrowd.db"]);
    assert!(
        position.status.success() && stdout(&position).contains("99900"),
        "{position:?}"
    );
}

#[test]
fn the_same_deal_is_rehearsed_in_a_sandbox() {
    let folder = WorkFolder::new();
    folder.write(
        "config.toml",
        "[fees]\ncommission_bps = 100\n[sandbox]\nopening_balance_minor = 0\n",
    );
    let server = folder.serve(&[]);
    let key = || "sk_test_rehearsal".to_owned();
    play(&Stage {
        server: &server,
        shop: key(),
        approver: key(),
        rulers: vec![key()],
        cashier: key(),
    });
    drop(server);
    let checked = stdout(&folder.run(&["check", "escrowd.db"]));
    assert!(checked.contains("The ledger is sound"), "{checked}");
}
