//! Whole deals over HTTP: offer, pay and confirm every stage.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Context;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::stop;

/// A client that makes one deal after another between random customers.
pub(crate) struct Trader {
    connection: Connection,
    random: fastrand::Rng,
    offer: String,
    customers: usize,
    reads: Reads,
    /// The key of the merchant. Empty in a sandbox, which needs none.
    key: Rc<RefCell<String>>,
}

/// The reads between the steps of a deal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    None,
    /// The deal after each of its steps, and a wallet at the end.
    AfterEachStep,
}

impl Trader {
    pub(crate) async fn connect(
        address: &str,
        number: usize,
        milestones: usize,
        customers: usize,
        reads: Reads,
    ) -> anyhow::Result<Self> {
        let stages: Vec<Value> = (1..=milestones)
            .map(|stage| json!({ "title": format!("Stage {stage}"), "amount": 10 }))
            .collect();
        let amount = 10 * milestones;
        let offer = json!({ "amount": amount, "purpose": "Shop fit-out", "whoPays": "buyer", "milestones": stages });
        Ok(Self {
            connection: Connection::open(address).await?,
            random: fastrand::Rng::with_seed(number as u64),
            offer: offer.to_string(),
            customers,
            reads,
            key: Rc::default(),
        })
    }

    /// Makes the client send this key with each request, also when it changes.
    pub(crate) fn with_key(self, key: Rc<RefCell<String>>) -> Self {
        Self { key, ..self }
    }

    /// Makes a deal, and returns the number of its requests.
    pub(crate) async fn deal(&mut self) -> anyhow::Result<u64> {
        // Every customer sells and buys equally often on average, so that no wallet runs
        // empty.
        let (seller, other) = (
            self.random.usize(..self.customers),
            self.random.usize(1..self.customers),
        );
        let buyer = (seller + other) % self.customers;
        let reads = self.reads == Reads::AfterEachStep;
        let mut requests = 2;
        let offer = std::mem::take(&mut self.offer);
        let created = self.send("POST", "/v1/escrow/milestone/create", seller, &offer).await?;
        self.offer = offer;
        let escrow = text(&created["data"]["id"])?;
        let verify = format!("/v1/escrow/verify/{}", text(&created["data"]["paymentToken"])?);
        let payment = json!({ "escrowDetails": { "escrowId": escrow } }).to_string();
        self.send("POST", "/v1/payment/escrow", buyer, &payment).await?;
        if reads {
            self.send("GET", &verify, buyer, "").await?;
            requests += 1;
        }
        for milestone in created["data"]["milestones"].as_array().context("milestones")? {
            let path = format!("/v1/escrow/milestone/confirm/{escrow}/{}", text(&milestone["id"])?);
            self.send("POST", &path, buyer, "").await?;
            requests += 1;
            if reads {
                self.send("GET", &verify, seller, "").await?;
                requests += 1;
            }
        }
        if reads {
            self.send("GET", "/v1/wallet", seller, "").await?;
            requests += 1;
        }
        Ok(requests)
    }

    async fn send(&mut self, method: &str, path: &str, customer: usize, body: &str) -> anyhow::Result<Value> {
        stop::check()?;
        let key = match self.key.borrow().as_str() {
            "" => String::new(),
            key => format!("authorization: Bearer {key}\r\n"),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{key}customer-id: c{customer}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(serde_json::from_slice(
            self.connection.exchange(request.as_bytes()).await?,
        )?)
    }
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("the answer has no such text")
}
