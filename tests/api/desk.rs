//! A live service with a bank account and operators, and the requests of operators.

use actix_web::rt::System;
use escrowd::app;
use escrowd::commands;
use escrowd::commands::operators::{self, OperatorRequest};
use escrowd::config::Bank;
use escrowd::domain::treasury::act::Agent;
use escrowd::domain::treasury::operator::Role;
use escrowd::store::Tx;
use serde_json::{Value, json};

use crate::helpers::{Answer, LIVE_KEY, TestApp, kobo, spawn_live_app};
use crate::live_merchants::{Merchant, TestConfig};

/// The keys of the operators: an admin, two cashiers, an approver and an auditor.
pub(crate) const ADA: &str = "op_live_ada";
pub(crate) const BEN: &str = "op_live_ben";
pub(crate) const CLEO: &str = "op_live_cleo";
pub(crate) const DAYO: &str = "op_live_dayo";
pub(crate) const EFE: &str = "op_live_efe";

const OPERATORS: [(&str, Role); 5] = [
    (ADA, Role::Admin),
    (BEN, Role::Cashier),
    (CLEO, Role::Cashier),
    (DAYO, Role::Approver),
    (EFE, Role::Auditor),
];

/// The key of the second merchant of [`spawn_desk_of_two`].
pub(crate) const STALL_KEY: &str = "sk_live_stall";

/// Spawns a live service with one merchant, in which one person moves at most 5,000 alone.
pub(crate) fn spawn_desk() -> TestApp {
    spawn_desk_with(|_| {})
}

/// Spawns a live service with the merchants `shop` and `stall`, which share a bank account.
pub(crate) fn spawn_desk_of_two() -> TestApp {
    spawn_desk_of_two_with(|_| {})
}

pub(crate) fn spawn_desk_of_two_with(change: impl FnOnce(&mut TestConfig)) -> TestApp {
    spawn_desk_with(|config| {
        let stall = Merchant {
            name: "stall",
            key: STALL_KEY,
            ..config.merchant[0].clone()
        };
        config.merchant.push(stall);
        change(config);
    })
}

pub(crate) fn spawn_desk_with(change: impl FnOnce(&mut TestConfig)) -> TestApp {
    spawn_live_app(|config| {
        config.bank = Some(Bank {
            bank_name: "Bank".to_owned(),
            bank_code: Some("058".to_owned()),
            account_number: "0123456789".to_owned(),
            account_name: "Shop".to_owned(),
        });
        config.operators.alone_max_minor = kobo(500_000);
        change(config);
        make_operators(config);
    })
}

/// Makes the operators before the service starts, as `escrowd operator create` does. Their
/// keys count as used, since the first use is saved beside the request.
fn make_operators(config: &escrowd::config::Config) {
    let store = app::open_store(config).unwrap();
    for (key, role) in OPERATORS {
        let make = move |tx: &mut Tx<'_>| {
            let request = OperatorRequest {
                name: key.trim_start_matches("op_live_").to_owned(),
                role,
                merchants: Vec::new(),
            };
            let agent = Agent {
                operator: None,
                address: None,
            };
            let operator = operators::create(tx, &agent, Ok(request), key)?;
            operators::save_last_use(tx, operator.id)?;
            Ok::<_, commands::Error>(())
        };
        System::new().block_on(store.write(make)).unwrap();
    }
    store.close();
}

impl TestApp {
    /// Sends a request of an operator. It has a body unless that is null.
    pub(crate) fn by(&self, key: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.json_with_key(key, method, &format!("/operator{path}"), "", body)
    }

    /// Sends a request of an operator for the merchant that the header names.
    pub(crate) fn by_for(&self, key: &str, merchant: &str, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {key}");
        let text = body.to_string();
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("merchant-id", merchant),
        ];
        let body = (!body.is_null()).then_some(text.as_bytes());
        self.send(method, &format!("/operator{path}"), &headers, body)
    }

    /// Asserts that the service refuses a request with this status and code, and that the
    /// request changed nothing in the file: no balance, no transfer, no act.
    #[track_caller]
    pub(crate) fn refuses_code(&self, status: u16, code: &str, request: impl FnOnce(&Self) -> Answer) -> Answer {
        let before = self.dump();
        let answer = request(self);
        let found = (answer.status, answer.body["code"].as_str().unwrap_or_default());
        assert_eq!(found, (status, code), "{answer:?}");
        assert_eq!(self.dump(), before, "a refusal changed the file");
        answer
    }

    /// Creates a customer of the first merchant and returns its id.
    #[track_caller]
    pub(crate) fn live_customer(&self, firstname: &str, phone: &str) -> String {
        let body = json!({
            "firstname": firstname, "lastname": "Obi", "email": format!("{firstname}@shop.example"), "phone": phone,
        });
        let created = self.json_with_key(LIVE_KEY, "POST", "/v1/customer/create", "", &body);
        created.ok().text("customerId")
    }

    /// Returns a customer's main balance, as a JSON number in major units.
    #[track_caller]
    pub(crate) fn live_balance(&self, customer: &str) -> Value {
        let wallet = self.json_with_key(LIVE_KEY, "GET", "/v1/wallet", customer, &Value::Null);
        wallet.ok().data()["mainBalance"].clone()
    }

    /// Announces a deposit. Returns how a receipt names it: what its payer quotes.
    #[track_caller]
    pub(crate) fn announce(&self, customer: &str, reference: &str, major: i64) -> Value {
        let body = json!({ "amount": major, "reference": reference, "transactionType": "deposit" });
        let intent = self.json_with_key(LIVE_KEY, "POST", "/v1/payment/create-intent", customer, &body);
        let intent = intent.ok();
        assert_eq!(intent.text("status"), "pending");
        json!({ "depositReference": intent.data()["depositAccount"]["reference"] })
    }

    /// Asks for a withdrawal.
    pub(crate) fn live_withdrawal(&self, customer: &str, reference: &str, major: i64) -> Answer {
        let body = json!({
            "amount": major, "reference": reference, "transactionType": "withdrawal",
            "withdrawalDetails": {
                "bankCode": "058", "accountNumber": "0123456789", "accountName": "Ada Obi", "bankName": "Bank",
            },
        });
        self.json_with_key(LIVE_KEY, "POST", "/v1/payment/create-intent", customer, &body)
    }

    /// Records money that came for a customer, and returns the receipt's id.
    #[track_caller]
    pub(crate) fn receive(&self, customer: &str, bank_reference: &str, major: i64) -> String {
        let recorded = self.by(
            BEN,
            "POST",
            "/receipts",
            &receipt(major, bank_reference, &json!({ "customerId": customer })),
        );
        recorded.ok().text("id")
    }

    /// Returns the id of the newest pay-out.
    #[track_caller]
    pub(crate) fn newest_payout(&self) -> String {
        let payouts = self.by(EFE, "GET", "/payouts?limit=1", &Value::Null).ok();
        payouts.data()["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Returns the balances of the accounts of no customer as `PURPOSE amount`, without those
    /// of the outside world and those that hold nothing.
    pub(crate) fn own_balances(&self) -> Vec<String> {
        self.column(
            "SELECT purpose || ' ' || balance FROM account
             WHERE customer_id IS NULL AND balance > 0 AND purpose <> 'OUTSIDE_WORLD' ORDER BY id",
        )
    }
}

/// Returns the body that records a receipt. `more` adds fields.
pub(crate) fn receipt(major: i64, bank_reference: &str, more: &Value) -> Value {
    let mut body = json!({ "amount": major, "bankReference": bank_reference, "valueDate": "2026-06-22" });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

/// Returns the body that records the payment of a pay-out.
pub(crate) fn paid(bank_reference: &str) -> Value {
    json!({ "bankReference": bank_reference, "valueDate": "2026-06-23" })
}

pub(crate) fn reason() -> Value {
    json!({ "reason": "typed wrongly" })
}

/// Returns the body that asks for a pay-out from this source.
pub(crate) fn payout_of(source: &Value) -> Value {
    let mut body = source.clone();
    body["destination"] = json!({
        "bankCode": "058", "accountNumber": "0123456789", "accountName": "Shop", "bankName": "Bank",
    });
    body
}
