//! Clients that offer, pay, confirm and top up, send a refused request now and then, and
//! record the replies.
//!
//! Each client takes its deals step by step and waits for every reply. So of all requests
//! it sent to one server, at most the last one is unanswered.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::client::{Answer, Connection, Request};
use crate::seed::Random;

/// The steps: offer, pay, confirm the first milestone, confirm the second.
pub(crate) const STEPS: usize = 4;

/// An escrow as its client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Deal {
    pub(crate) purpose: String,
    pub(crate) reference: String,
    pub(crate) seller: String,
    pub(crate) buyer: String,
    /// The customer who receives the second milestone.
    pub(crate) beneficiary: String,
    /// Set once the server answers the offer.
    pub(crate) ids: Option<Ids>,
    /// Steps that the server answered with success.
    pub(crate) acknowledged: usize,
    /// True if the client sent the next step and got no reply.
    pub(crate) unanswered: bool,
    /// True if the client sent a request for this deal since the last comparison.
    pub(crate) touched: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) escrow: String,
    pub(crate) token: String,
    pub(crate) milestones: [String; 2],
}

/// A top-up. No customer tops up the same amount twice.
#[derive(Clone, Debug)]
pub(crate) struct TopUp {
    pub(crate) customer: String,
    pub(crate) minor: i64,
    pub(crate) acknowledged: bool,
    pub(crate) unanswered: bool,
}

/// A client and its record of replies.
#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    clients: usize,
    random: Random,
    marks: usize,
    pub(crate) deals: Vec<Deal>,
    pub(crate) top_ups: Vec<TopUp>,
    /// The writes that the server answered with success.
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) unanswered: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) mark: String,
    /// True if the write stores the mark itself.
    pub(crate) is_stored: bool,
}

pub(crate) fn clients(count: usize, random: &mut Random) -> Vec<Client> {
    let client = |number| Client {
        number,
        clients: count,
        random: Random::new(random.next()),
        marks: 0,
        deals: Vec::new(),
        top_ups: Vec::new(),
        acknowledged: Vec::new(),
        unanswered: 0,
    };
    (0..count).map(client).collect()
}

pub(crate) fn seller(number: usize) -> String {
    format!("seller-{number}")
}

pub(crate) fn buyer(number: usize) -> String {
    format!("buyer-{number}")
}

/// Registers the customers, so that no later request registers one as a side effect.
pub(crate) fn register(clients: usize, connection: &mut Connection) {
    for customer in (0..clients).flat_map(|number| [seller(number), buyer(number)]) {
        assert_eq!(connection.get("/v1/wallet", &customer).unwrap().status, 200);
    }
}

/// Treats the `stopping` refusal as a lost connection: a server that stops may send it, and
/// has then done nothing.
fn unless_stopping(answer: &Answer) -> io::Result<()> {
    if answer.body["code"] == "stopping" {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(())
}

impl Client {
    /// Sends one request after another until the server is gone or `stop` is set.
    pub(crate) fn run(&mut self, address: &str, stop: &AtomicBool) {
        let Ok(mut connection) = Connection::open(address) else {
            return;
        };
        while !stop.load(Ordering::Relaxed) {
            if self.send_one(&mut connection).is_err() {
                self.unanswered += 1;
                return;
            }
        }
    }

    fn send_one(&mut self, connection: &mut Connection) -> io::Result<()> {
        match self.random.within(0..10) {
            0 => return self.send_refused(connection),
            1 | 2 => return self.top_up(connection),
            _ => {}
        }
        let open: Vec<usize> = (0..self.deals.len())
            .rev()
            .take(16)
            .filter(|&index| self.deals[index].ids.is_some() && self.deals[index].acknowledged < STEPS)
            .collect();
        if open.len() < 4 {
            return self.offer(connection);
        }
        let index = self.random.one_of(&open);
        self.advance(index, connection)
    }

    /// Sends a request that registers a new customer and is then refused, which must undo
    /// the registration.
    fn send_refused(&mut self, connection: &mut Connection) -> io::Result<()> {
        let mark = self.mark();
        let answer = connection.send(&Request {
            method: "POST",
            path: "/v1/payment/topup",
            customer: &format!("stranger-{mark}"),
            mark: "",
            idempotency_key: "",
            body: Some(json!({ "amount": 1 })),
        })?;
        unless_stopping(&answer)?;
        assert_eq!(answer.status, 400, "{answer:?}");
        Ok(())
    }

    fn top_up(&mut self, connection: &mut Connection) -> io::Result<()> {
        let (customer, mark) = (buyer(self.number), self.mark());
        let number = self.top_ups.len();
        self.top_ups.push(TopUp {
            customer: customer.clone(),
            minor: 100_000 + i64::try_from(number).unwrap(),
            acknowledged: false,
            unanswered: true,
        });
        let amount = format!("{}.{:02}", 1000 + number / 100, number % 100);
        let body = serde_json::from_str(&format!("{{\"amount\":{amount}}}")).unwrap();
        let path = "/v1/payment/topup";
        self.post(connection, path, &customer, &mark, Some(body), false)?;
        self.top_ups[number].acknowledged = true;
        self.top_ups[number].unanswered = false;
        Ok(())
    }

    fn offer(&mut self, connection: &mut Connection) -> io::Result<()> {
        let deal = Deal {
            purpose: self.mark(),
            reference: self.mark(),
            seller: seller(self.number),
            buyer: buyer(self.number),
            beneficiary: seller((self.number + 1) % self.clients),
            ids: None,
            acknowledged: 0,
            unanswered: true,
            touched: true,
        };
        let body = json!({
            "amount": 100,
            "purpose": deal.purpose,
            "whoPays": "buyer",
            "milestones": [
                { "title": "Frame", "amount": 60 },
                { "title": "Finish", "amount": 40, "customerId": deal.beneficiary },
            ],
        });
        let (seller, mark) = (deal.seller.clone(), deal.purpose.clone());
        self.deals.push(deal);
        let path = "/v1/escrow/milestone/create";
        let answer = self.post(connection, path, &seller, &mark, Some(body), true)?;
        let deal = self.deals.last_mut().unwrap();
        let text = |pointer| answer.body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        deal.ids = Some(Ids {
            escrow: text("/data/id"),
            token: text("/data/paymentToken"),
            milestones: [text("/data/milestones/0/id"), text("/data/milestones/1/id")],
        });
        deal.acknowledged = 1;
        deal.unanswered = false;
        Ok(())
    }

    fn advance(&mut self, index: usize, connection: &mut Connection) -> io::Result<()> {
        let deal = &mut self.deals[index];
        deal.unanswered = true;
        deal.touched = true;
        let (deal, ids) = (deal.clone(), deal.ids.clone().unwrap());
        if deal.acknowledged == 1 {
            let (path, body) = payment(&deal);
            self.post(connection, path, &deal.buyer, &deal.reference, Some(body), true)?;
        } else {
            let milestone = &ids.milestones[deal.acknowledged - 2];
            let path = format!("/v1/escrow/milestone/confirm/{}/{milestone}", ids.escrow);
            let mark = self.mark();
            self.post(connection, &path, &deal.buyer, &mark, None, false)?;
        }
        let deal = &mut self.deals[index];
        deal.acknowledged += 1;
        deal.unanswered = false;
        Ok(())
    }

    /// Sends a write. If the server answers, the reply must be a success.
    fn post(
        &mut self,
        connection: &mut Connection,
        path: &str,
        customer: &str,
        mark: &str,
        body: Option<Value>,
        is_stored: bool,
    ) -> io::Result<Answer> {
        let answer = connection.send(&Request {
            method: "POST",
            path,
            customer,
            mark,
            idempotency_key: "",
            body,
        })?;
        unless_stopping(&answer)?;
        assert!(answer.status < 300, "{path} for {customer}: {answer:?}");
        self.acknowledged.push(Acknowledged {
            mark: mark.to_owned(),
            is_stored,
        });
        Ok(answer)
    }

    /// Returns a text that no other request of the run has.
    fn mark(&mut self) -> String {
        let mark = format!("mark-{:02}{:06}", self.number, self.marks);
        self.marks += 1;
        mark
    }
}

/// Returns the payment for a deal. A second call returns the same payment.
pub(crate) fn payment(deal: &Deal) -> (&'static str, Value) {
    let escrow = &deal
        .ids
        .as_ref()
        .expect("a client pays only for an offer that the server answered")
        .escrow;
    let body = json!({ "reference": deal.reference, "escrowDetails": { "escrowId": escrow } });
    ("/v1/payment/escrow", body)
}
