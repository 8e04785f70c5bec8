//! Kills the server with `kill -9` at random instants, then sends every request again under
//! its idempotency key, answered or not (reliability R2).
//!
//! This proves that key, effect and reply are one commit. At every instant each request
//! takes effect once, and an answered request gets the same reply again.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::campaign::turn;
use crate::client::{Answer, Connection, Request};
use crate::seed::{Random, number_from_environment};
use crate::server::Disk;

const CLIENTS: u64 = 8;
/// The delay of the kill after the load begins, in milliseconds.
const KILL_AFTER: std::ops::Range<u64> = 5..150;
const OPENING_MINOR: i64 = 100_000_000;
const TOP_UP_MAJOR: i64 = 1_000;

/// A top-up that the client sent, and the reply if one came.
struct Sent {
    customer: String,
    key: String,
    answer: Option<Answer>,
}

fn top_up(connection: &mut Connection, customer: &str, key: &str) -> std::io::Result<Answer> {
    connection.send(&Request {
        method: "POST",
        path: "/v1/payment/topup",
        customer,
        mark: "",
        idempotency_key: key,
        body: Some(json!({ "amount": TOP_UP_MAJOR })),
    })
}

/// Sends one top-up after another until the server is gone.
fn send_until_killed(address: &str, round: u64, number: u64) -> Vec<Sent> {
    let customer = format!("customer-{number}");
    let mut sent = Vec::new();
    let Ok(mut connection) = Connection::open(address) else {
        return sent;
    };
    loop {
        let key = format!("{round}-{number}-{}", sent.len());
        let answer = top_up(&mut connection, &customer, &key).ok();
        let is_over = answer.is_none();
        sent.push(Sent {
            customer: customer.clone(),
            key,
            answer,
        });
        if is_over {
            return sent;
        }
    }
}

#[test]
fn every_request_takes_effect_once_at_any_instant_of_a_kill() {
    let _turn = turn();
    let kills = number_from_environment("KILLS").unwrap_or(20);
    let mut random = Random::from_environment();
    let disk = Disk::new();
    let (mut acknowledged, mut lost_replies) = (0, 0);
    let mut done = vec![0; usize::try_from(CLIENTS).unwrap()];
    for round in 0..kills {
        let mut server = disk.serve(&[]);
        let address = server.address.clone();
        let sent: Vec<Vec<Sent>> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    scope.spawn({
                        let address = address.clone();
                        move || send_until_killed(&address, round, number)
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(random.within(KILL_AFTER)));
            server.kill();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let server = disk.serve(&[]);
        let mut connection = server.connect();
        for (done, sent) in done.iter_mut().zip(&sent) {
            *done += i64::try_from(sent.len()).unwrap();
            for Sent { customer, key, answer } in sent {
                let again = top_up(&mut connection, customer, key).unwrap();
                assert_eq!(again.status, 200, "{again:?}");
                if let Some(first) = answer {
                    assert!(again.is_replay && again.body == first.body, "{first:?} then {again:?}");
                    acknowledged += 1;
                } else {
                    lost_replies += u64::from(again.is_replay);
                }
            }
        }
        for (number, done) in (0..CLIENTS).zip(&done) {
            let wallet = connection
                .get("/v1/wallet", &format!("customer-{number}"))
                .unwrap()
                .body;
            let expected = OPENING_MINOR / 100 + done * TOP_UP_MAJOR;
            assert_eq!(wallet["data"]["mainBalance"], Value::from(expected), "round {round}");
        }
    }
    assert_eq!(disk.check(), None);
    println!("{kills} kills: {acknowledged} answered, {lost_replies} done whose reply was lost");
    assert!(acknowledged >= 2 * kills, "too few requests were acknowledged");
}
