//! Stops and overload: every reply the service gave stays true, and no command is half
//! done.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::helpers::{Answer, Deal, TestApp, kobo, spawn_app, spawn_app_with, two_milestones};

/// A connection for one request after another.
struct RawConnection(BufReader<TcpStream>);

impl RawConnection {
    /// Opens a connection. Returns `None` if the server does not listen.
    fn open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Some(Self(BufReader::new(stream)))
    }

    /// Sends one request. Returns `None` if the connection ends before a reply begins. A
    /// reply that begins must be complete and be an envelope.
    fn ask(&mut self, path: &str, customer: &str, body: &Value) -> Option<Answer> {
        let request = request(path, customer, body);
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        self.answer()
    }

    /// Reads one reply. Returns `None` if the connection ends before it begins.
    fn answer(&mut self) -> Option<Answer> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Ok(1..) if line == "\r\n" => break,
                Ok(1..) if line.ends_with("\r\n") => lines.push(line.trim_end().to_owned()),
                _ if lines.is_empty() && line.is_empty() => return None,
                broken => panic!("the reply ended early: {lines:?} {line:?} {broken:?}"),
            }
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines[1..]
            .iter()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").unwrap();
        let mut text = vec![0; length.1.parse().unwrap()];
        self.0.read_exact(&mut text).unwrap();
        let answer = Answer {
            status,
            body: serde_json::from_slice(&text).unwrap(),
            text: String::from_utf8(text).unwrap(),
            headers,
        };
        assert_eq!(answer.body["status"], answer.status);
        Some(answer)
    }
}

fn request(path: &str, customer: &str, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncustomer-id: {customer}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The state that the clients of a load and its test share.
#[derive(Default)]
struct Load {
    deals: AtomicUsize,
    has_stopped: AtomicBool,
}

/// The ids of the escrows that the service acknowledged to one client.
#[derive(Default)]
struct Acknowledged {
    offered: Vec<String>,
    paid: Vec<String>,
    released: Vec<String>,
}

impl Acknowledged {
    /// Offers, pays for and releases escrows until the server no longer answers.
    fn keep_dealing(address: SocketAddr, client: usize, load: &Load) -> Self {
        let mut acknowledged = Self::default();
        while !load.has_stopped.load(Ordering::SeqCst) {
            let Some(mut connection) = RawConnection::open(address) else {
                break;
            };
            while acknowledged.deal(&mut connection, client).is_some() {
                load.deals.fetch_add(1, Ordering::SeqCst);
            }
        }
        acknowledged
    }

    /// Runs one deal. Returns `None` when the client must give up the connection.
    fn deal(&mut self, connection: &mut RawConnection, client: usize) -> Option<()> {
        let (seller, buyer) = (format!("seller-{client}"), format!("buyer-{client}"));
        let offered = success(connection.ask("/v1/escrow/milestone/create", &seller, &two_milestones())?)?;
        let deal = Deal::of(&offered);
        self.offered.push(deal.id.clone());
        let payment = json!({ "escrowDetails": { "escrowId": deal.id } });
        success(connection.ask("/v1/payment/escrow", &buyer, &payment)?)?;
        self.paid.push(deal.id.clone());
        let path = format!("/v1/escrow/milestone/confirm/{}/{}", deal.id, deal.milestones[0]);
        success(connection.ask(&path, &buyer, &json!({}))?)?;
        self.released.push(deal.id);
        Some(())
    }
}

/// Returns a successful reply, or `None` for the 503 refusal of a stopping service.
fn success(answer: Answer) -> Option<Answer> {
    if answer.status < 300 {
        return Some(answer);
    }
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    None
}

fn ids(app: &TestApp, sql: &str) -> HashSet<String> {
    app.column(sql).into_iter().collect()
}

#[test]
fn a_service_stopped_under_load_keeps_every_acknowledged_command() {
    let mut app = spawn_app_with(|config| config.sandbox.opening_balance_minor = kobo(1_000_000_000_000));
    app.wallet("ada").ok();
    let address = app.address;
    let load = Load::default();
    let acknowledged: Vec<Acknowledged> = thread::scope(|scope| {
        let load = &load;
        let clients: Vec<_> = (0..12)
            .map(|client| scope.spawn(move || Acknowledged::keep_dealing(address, client, load)))
            .collect();
        // Stops the server during the load, with a limit in case the load gets stuck.
        for _ in 0..2_000 {
            if load.deals.load(Ordering::SeqCst) >= 60 {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        app.stop();
        load.has_stopped.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });

    let offered = ids(&app, "SELECT printf('%016x%08x', id, guard) FROM escrow");
    let paid = ids(
        &app,
        "SELECT printf('%016x%08x', id, guard) FROM escrow WHERE state = 'OPENED'",
    );
    let released = ids(
        &app,
        "SELECT printf('%016x%08x', escrow_id, escrow.guard) FROM milestone JOIN escrow ON escrow.id = escrow_id
         WHERE is_released = 1",
    );
    for client in &acknowledged {
        assert!(client.offered.iter().all(|id| offered.contains(id)));
        assert!(client.paid.iter().all(|id| paid.contains(id)));
        assert!(client.released.iter().all(|id| released.contains(id)));
    }
    let dealt = load.deals.load(Ordering::SeqCst);
    assert!(dealt >= 60, "the load was too light to prove anything: {dealt}");
    // Each client has at most one request in flight, so at most one of its commands was
    // done without a reply.
    let done = offered.len() + paid.len() + released.len();
    let heard: usize = acknowledged
        .iter()
        .map(|client| client.offered.len() + client.paid.len() + client.released.len())
        .sum();
    assert!(done - heard <= acknowledged.len(), "{done} done, {heard} answered");
}

#[test]
fn a_restart_shows_the_same_balances() {
    let mut app = spawn_app();
    let deal = app.funded();
    app.confirm_milestone("ben", &deal.id, &deal.milestones[0]).ok();
    let before = (
        app.wallet("ada").body,
        app.wallet("ben").body,
        app.verify(&deal.token).body,
    );
    app.stop();
    let stopped = app.dump();

    let again = spawn_app_with(|config| config.database.clone_from(&app.database));
    assert_eq!(again.dump(), stopped, "the start changed the file");
    let after = (
        again.wallet("ada").body,
        again.wallet("ben").body,
        again.verify(&deal.token).body,
    );
    assert_eq!(after, before);
    again.refuses(400, "Milestone has already been released", |again| {
        again.confirm_milestone("ben", &deal.id, &deal.milestones[0])
    });
    let last = again.confirm_milestone("ben", &deal.id, &deal.milestones[1]).ok();
    assert_eq!(last.text("state"), "CLOSED");
}

#[test]
fn a_payment_is_replayed_after_a_restart() {
    let mut app = spawn_app();
    let deal = app.offered();
    let request = json!({ "reference": "order-1", "escrowDetails": { "escrowId": deal.id } });
    let first = app.pay("ben", &request).ok();
    app.stop();
    let again = spawn_app_with(|config| config.database.clone_from(&app.database));
    let stopped = again.dump();
    assert_eq!(again.pay("ben", &request).ok().body.to_string(), first.body.to_string());
    assert_eq!(again.dump(), stopped);
}

#[test]
fn a_service_with_an_idle_client_stops_soon() {
    let mut app = spawn_app();
    let mut idle = RawConnection::open(app.address).unwrap();
    idle.ask("/v1/payment/topup", "ada", &json!({ "amount": 1000 }))
        .unwrap();
    let started = std::time::Instant::now();
    app.stop();
    let stopping = started.elapsed();
    assert!(stopping < Duration::from_secs(8), "{stopping:?}");
}

/// Sends requests on one connection until the last reply of a stop. Returns false if the stop closed
/// the connection before: a client that pauses is idle.
fn crosses_a_stop() -> bool {
    let mut app = spawn_app();
    let mut connection = RawConnection::open(app.address).unwrap();
    let mut deposit = || connection.ask("/v1/payment/topup", "ada", &json!({ "amount": 1000 }));
    deposit().unwrap();
    let is_answered = thread::scope(|scope| {
        scope.spawn(|| app.stop());
        loop {
            thread::sleep(Duration::from_millis(10));
            let Some(answer) = deposit() else {
                return false;
            };
            if answer.ok().header("connection") == Some("close") {
                return true;
            }
        }
    });
    assert!(deposit().is_none());
    is_answered
}

/// Otherwise a proxy that has just sent it could not know if it was carried out.
#[test]
fn a_request_that_crosses_a_stop_is_answered() {
    assert!((0..5).any(|_| crosses_a_stop()));
}

/// Sends two requests at a time until the last reply of a stop, and counts those that were carried out.
/// Returns false if the stop closed the connection before.
fn counts_requests_of_a_stop() -> bool {
    let mut app = spawn_app();
    app.wallet("ada").ok();
    let mut connection = RawConnection::open(app.address).unwrap();
    let two = request("/v1/payment/topup", "ada", &json!({ "amount": 1000 })).repeat(2);
    let before = app.count("transfer");
    let mut taken = 0;
    let is_answered = thread::scope(|scope| {
        scope.spawn(|| app.stop());
        loop {
            thread::sleep(Duration::from_millis(10));
            drop(connection.0.get_mut().write_all(two.as_bytes()));
            let Some(first) = connection.answer() else {
                return false;
            };
            taken += 1;
            let second = connection.answer();
            if first.ok().header("connection") == Some("close") {
                assert!(second.is_none_or(|second| second.status == 400));
                return true;
            }
            taken += 1;
            if second.unwrap().ok().header("connection") == Some("close") {
                return true;
            }
        }
    });
    assert_eq!(app.count("transfer"), before + taken);
    is_answered
}

/// A client takes a reply with `connection: close` for the last one, and its next request for one that
/// was not carried out.
#[test]
fn a_request_behind_the_last_reply_of_a_stop_has_no_effect() {
    assert!((0..5).any(|_| counts_requests_of_a_stop()));
}

/// Repeats a request while the service is too busy, as the `retry-after` header allows.
fn patiently(busy: &mut usize, request: impl Fn() -> Answer) -> Answer {
    for _ in 0..10_000 {
        let answer = request();
        if answer.status != 503 {
            return answer.ok();
        }
        *busy += 1;
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(
            (&answer.body["code"], &answer.body["data"]),
            (&json!("busy"), &json!({}))
        );
        thread::sleep(Duration::from_millis(1));
    }
    panic!("the service stayed too busy");
}

#[test]
fn an_overloaded_service_refuses_requests_and_leaves_none_half_done() {
    let app = spawn_app_with(|config| {
        config.storage.queue_commands_max = 1;
        config.storage.group_commands_max = 1;
    });
    app.wallet("ada").ok();
    app.wallet("ben").ok();
    let money = app.money();
    let busy = app.run_concurrently(32, |app, _| {
        let mut busy = 0;
        for _ in 0..3 {
            let offered = patiently(&mut busy, || app.create_milestone_escrow("ada", &two_milestones()));
            let deal = Deal::of(&offered);
            patiently(&mut busy, || app.pay_for("ben", &deal));
            for milestone in &deal.milestones {
                patiently(&mut busy, || app.confirm_milestone("ben", &deal.id, milestone));
            }
        }
        busy
    });
    assert!(busy.iter().sum::<usize>() > 0, "the queue was never full");
    // If a busy reply had done its work, the service would have refused the retry, and
    // there would be too many escrows.
    assert_eq!(app.count("escrow"), 96);
    assert_eq!(app.column("SELECT count(*) FROM escrow WHERE state = 'CLOSED'"), ["96"]);
    assert_eq!(app.balances("ada"), (json!(1_960_000), json!(0)));
    assert_eq!(app.balances("ben"), (json!(20_800), json!(0)));
    assert_eq!(app.money(), money);
}
