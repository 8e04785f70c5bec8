//! Hundreds of test suites on one server, each with a key and a clock of its own.

use std::ops::Range;

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, spawn_app};

const MERCHANTS: usize = 200;
const HOUR: i64 = 3_600;

/// One test suite. All suites do the same at the same time with the same customer ids. Only
/// their amounts and their clocks differ.
struct Suite<'a> {
    app: &'a TestApp,
    key: String,
    /// The amount of its deal.
    amount: i64,
    /// The clock's offset, in seconds.
    ahead: i64,
}

impl<'a> Suite<'a> {
    fn new(app: &'a TestApp, index: usize) -> Self {
        let index = i64::try_from(index).unwrap();
        Self {
            app,
            key: format!("sk_test_{:032x}", fastrand::u128(..)),
            amount: 10_000 + 100 * index,
            ahead: (1 + index) * 30 * HOUR,
        }
    }

    fn ask(&self, method: &str, path: &str, customer: &str, body: &Value) -> Answer {
        self.app.json_with_key(&self.key, method, path, customer, body)
    }

    #[track_caller]
    fn get(&self, path: &str, customer: &str) -> Answer {
        self.ask("GET", path, customer, &Value::Null).ok()
    }

    /// Runs the work and returns the span of the suite's clock around it, in seconds since
    /// 1970.
    fn while_doing<T>(&self, work: impl FnOnce() -> T) -> (T, Range<i64>) {
        let look = || seconds(&self.get("/sandbox/clock", "").text("now"));
        let start = look();
        let done = work();
        (done, start..look() + 1)
    }

    /// Runs a deal from offer to completion and asserts that every date is on the suite's
    /// own clock.
    fn run(&self) -> Deal {
        let moved = self
            .ask("POST", "/sandbox/clock/advance", "", &json!({ "by": self.ahead }))
            .ok();
        assert_eq!(moved.data()["offsetSeconds"], self.ahead);
        let first = self.amount / 4;
        let offer = json!({
            "amount": self.amount,
            "purpose": "Shop fit-out",
            "whoPays": "buyer",
            "milestones": [
                { "title": "Frame", "amount": first },
                { "title": "Finish", "amount": self.amount - first, "customerId": "cleo" },
            ],
        });
        self.get("/v1/wallet", "cleo");
        let (offered, when) = self.while_doing(|| self.ask("POST", "/v1/escrow/milestone/create", "ada", &offer).ok());
        assert!(
            when.contains(&seconds(&offered.text("createdAt"))),
            "{offered:?} {when:?}"
        );
        let deal = Deal::of(&offered);

        // Every suite uses this reference. A reference shared between merchants would be a
        // duplicate.
        let payment = json!({ "reference": "order-1", "escrowDetails": { "escrowId": deal.id } });
        let (_, when_paid) = self.while_doing(|| self.ask("POST", "/v1/payment/escrow", "ben", &payment).ok());
        let (closed, when_closed) = self.while_doing(|| {
            let [first, last] = [0, 1].map(|place| {
                let path = format!("/v1/escrow/milestone/confirm/{}/{}", deal.id, deal.milestones[place]);
                self.ask("POST", &path, "ben", &Value::Null).ok()
            });
            assert_eq!(first.text("status"), "ONGOING");
            last
        });
        assert_eq!(closed.text("status"), "COMPLETED");
        let unix = |field: &str| closed.text(field).parse::<i64>().unwrap();
        assert!(when_paid.contains(&unix("paidAt")), "{closed:?} {when_paid:?}");
        assert!(when_closed.contains(&seconds(&closed.text("updatedAt"))), "{closed:?}");
        deal
    }

    /// Asserts that the suite's balances and lists show its own deal and no other.
    fn check_own(&self, deal: &Deal) {
        let fee = self.amount / 50;
        let main = |customer: &str| self.get("/v1/wallet", customer).data()["mainBalance"].clone();
        let first = self.amount / 4;
        assert_eq!(main("ada"), 1_000_000 + first);
        assert_eq!(main("cleo"), 1_000_000 + self.amount - first);
        let bens = self.get("/v1/wallet", "ben");
        assert_eq!(bens.data()["mainBalance"], 1_000_000 - self.amount - fee);
        assert_eq!(bens.data()["escrowBalance"], 0);

        for (path, customer, rows) in [
            ("/v1/escrow/transactions?type=sales", "ada", 1),
            ("/v1/escrow/transactions?type=buy", "ben", 1),
            ("/v1/escrow/feeds", "", 1),
            ("/v1/customers", "", 3),
            ("/v1/payment/history", "ben", 2),
            ("/v1/payment/history", "ada", 2),
        ] {
            let page = self.get(path, customer);
            assert_eq!(page.data()["pagination"]["count"], rows, "{path}: {page:?}");
        }
        self.check_events(deal);
        let sold = self.get("/v1/escrow/transactions?type=sales", "ada");
        assert_eq!(sold.data()["data"][0]["id"], deal.id);
        assert_eq!(sold.data()["data"][0]["amount"], self.amount);
    }

    /// Asserts that the inbox shows this suite's deal only, at the time of its clock.
    fn check_events(&self, deal: &Deal) {
        let inbox = self.get("/sandbox/events?limit=50", "");
        let events = inbox.data()["data"].as_array().unwrap();
        let now = seconds(&self.get("/sandbox/clock", "").text("now"));
        let completed = events.iter().filter(|event| event["type"] == "escrow.completed");
        let amounts: Vec<&Value> = completed.map(|event| &event["payload"]["data"]["amount"]).collect();
        assert_eq!(amounts, [self.amount], "{events:?}");
        for event in events {
            assert!(event["escrowId"] == deal.id || event["escrowId"].is_null(), "{event}");
            let at = seconds(event["createdAt"].as_str().unwrap());
            assert!((now - HOUR..=now).contains(&at), "{event} {now}");
        }
    }

    /// Asserts that another suite's deal does not exist for this one.
    fn check_foreign(&self, others: &Deal) {
        let of_token = self.ask(
            "GET",
            &format!("/v1/escrow/verify/{}", others.token),
            "ben",
            &Value::Null,
        );
        assert_eq!((of_token.status, of_token.message()), (400, "Escrow not found"));
        let path = format!("/v1/escrow/milestone/confirm/{}/{}", others.id, others.milestones[0]);
        let of_id = self.ask("POST", &path, "ben", &json!({}));
        assert_eq!((of_id.status, of_id.message()), (400, "Escrow not found"));
        let wanted = json!({ "escrowDetails": { "escrowId": others.id } });
        let paid = self.ask("POST", "/v1/payment/escrow", "cleo", &wanted);
        assert_eq!(paid.status, 400, "{paid:?}");
    }
}

/// Returns the seconds since 1970 of a time in the format of `createdAt`.
fn seconds(text: &str) -> i64 {
    let at: jiff::Timestamp = text.parse().unwrap();
    at.as_second()
}

#[test]
fn two_hundred_suites_on_one_server_are_isolated() {
    let app = spawn_app();
    let suites: Vec<Suite<'_>> = (0..MERCHANTS).map(|index| Suite::new(&app, index)).collect();
    let deals = app.run_concurrently(MERCHANTS, |_, index| {
        let deal = suites[index].run();
        suites[index].check_own(&deal);
        deal
    });
    app.run_concurrently(MERCHANTS, |_, index| {
        suites[index].check_foreign(&deals[(index + 1) % MERCHANTS]);
        suites[index].check_own(&deals[index]);
    });
    assert_eq!(app.count("merchant"), MERCHANTS);
    assert_eq!(app.count("escrow"), MERCHANTS);
}
