//! Runs rounds of load, a failure and a restart on one growing file. After each round it
//! compares the file with the clients' records.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Number, Value};

use crate::client::{Connection, Request};
use crate::facts::{self, Facts};
use crate::load::{self, Client, Deal, STEPS};
use crate::seed::Random;
use crate::server::{DATABASE, Disk, Server};

const CLIENTS: usize = 8;
/// The delay of the failure after the load begins, in milliseconds.
const FAILURE_AFTER: std::ops::Range<u64> = 5..350;
/// A restarted server must answer within this time.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// The number of times that the test repeats a start that took longer.
const REPEATS_OF_LATE_STARTS: usize = 3;
/// Rounds on one file. The test reads the whole file after every round, so a long campaign
/// starts a new file from time to time.
const ROUNDS_PER_FILE: u64 = 100;

/// Splits the rounds among files.
pub(crate) fn rounds_of_each_file(rounds: u64) -> impl Iterator<Item = u64> {
    let files = rounds.div_ceil(ROUNDS_PER_FILE);
    (0..files).map(move |file| ROUNDS_PER_FILE.min(rounds - file * ROUNDS_PER_FILE))
}

/// Lets two tests of this binary run at a time, because each measures time, and one loads about one
/// core.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURNS: [Mutex<()>; 2] = [const { Mutex::new(()) }; 2];
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let turn = &TURNS[NEXT.fetch_add(1, Ordering::Relaxed) % TURNS.len()];
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The result of some rounds.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) acknowledged: usize,
    pub(crate) unanswered: usize,
    /// Unanswered requests that took effect.
    pub(crate) unanswered_and_done: usize,
    /// Acknowledged effects that are gone.
    pub(crate) lost: Vec<String>,
    /// Everything else that differs from the expected state.
    pub(crate) wrong: Vec<String>,
    pub(crate) ready_after_max: Duration,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.unanswered += other.unanswered;
        self.unanswered_and_done += other.unanswered_and_done;
        self.lost.extend(other.lost);
        self.wrong.extend(other.wrong);
        self.ready_after_max = self.ready_after_max.max(other.ready_after_max);
    }
}

impl Outcome {
    /// True if this file has a fault other than a lost effect. Further rounds on it prove
    /// nothing, because clients cannot continue a deal that is half done.
    pub(crate) fn is_wrong(&self) -> bool {
        !self.wrong.is_empty()
    }

    /// Returns the first findings of each kind, for a message.
    pub(crate) fn findings(&self) -> String {
        let first = |findings: &[String]| findings.iter().take(5).cloned().collect::<Vec<_>>().join("\n  ");
        let (lost, wrong) = (first(&self.lost), first(&self.wrong));
        format!(
            "{} lost\n  {lost}\n{} wrong\n  {wrong}",
            self.lost.len(),
            self.wrong.len()
        )
    }

    /// Asserts that nothing is lost or wrong, that every restart was ready in time, and
    /// that the load was heavy enough to prove it.
    #[track_caller]
    pub(crate) fn assert_sound(&self, rounds: u64) {
        println!(
            "{rounds} rounds: {} acknowledged, {} unanswered of which {} were done, ready after {:?} at most",
            self.acknowledged, self.unanswered, self.unanswered_and_done, self.ready_after_max
        );
        assert!(self.lost.is_empty() && self.wrong.is_empty(), "{}", self.findings());
        assert!(self.ready_after_max <= READY_WITHIN, "{:?}", self.ready_after_max);
        let rounds = usize::try_from(rounds).unwrap();
        assert!(self.acknowledged >= 10 * rounds, "too few commands were acknowledged");
        assert!(
            self.unanswered >= rounds,
            "the failures came when no request was in flight"
        );
    }
}

/// One growing file, its clients, and the current server.
pub(crate) struct Campaign {
    pub(crate) disk: Disk,
    clients: Vec<Client>,
    random: Random,
    server: Server,
    environment: fn(&Disk, &mut Random) -> Vec<(String, String)>,
    /// The number of pages in the write-ahead log at which a checkpoint begins. Each server
    /// gets one of these.
    checkpoint_pages: &'static [&'static str],
}

impl Campaign {
    /// Starts on a new file. `environment` returns the variables of each server. The
    /// checkpoint settings reach from rare checkpoints to almost continuous ones.
    pub(crate) fn start(random: &mut Random, environment: fn(&Disk, &mut Random) -> Vec<(String, String)>) -> Self {
        Self::with_checkpoints_at(random, &["100", "400", "8000"], environment)
    }

    /// Does the same with checkpoints at one of these numbers of pages.
    pub(crate) fn with_checkpoints_at(
        random: &mut Random,
        checkpoint_pages: &'static [&'static str],
        environment: fn(&Disk, &mut Random) -> Vec<(String, String)>,
    ) -> Self {
        let mut random = Random::new(random.next());
        let disk = Disk::new();
        // This server runs without the shim: the creation of the file and the customers is
        // not under test.
        load::register(CLIENTS, &mut disk.serve(&[]).connect());
        let server = serve(&disk, environment, checkpoint_pages, &mut random);
        Self {
            clients: load::clients(CLIENTS, &mut random),
            disk,
            random,
            server,
            environment,
            checkpoint_pages,
        }
    }

    /// Runs rounds until this many are done, or until one finds a fault.
    pub(crate) fn rounds(&mut self, count: u64, strike: fn(&mut Server)) -> Outcome {
        let mut total = Outcome::default();
        for _ in 0..count {
            total += self.round(strike);
            if total.is_wrong() {
                break;
            }
        }
        total
    }

    /// Starts the clients, makes the server fail at a random instant, restarts it and
    /// compares.
    fn round(&mut self, strike: fn(&mut Server)) -> Outcome {
        let after = Duration::from_millis(self.random.within(FAILURE_AFTER));
        let before: usize = self.clients.iter().map(|client| client.acknowledged.len()).sum();
        let (server, clients) = (&mut self.server, &mut self.clients);
        let address = server.address.clone();
        let never = AtomicBool::new(false);
        thread::scope(|scope| {
            for client in clients {
                scope.spawn(|| client.run(&address, &never));
            }
            thread::sleep(after);
            strike(server);
        });
        let ready_after = self.restart();
        let mut outcome = self.compare();
        outcome.acknowledged = self
            .clients
            .iter()
            .map(|client| client.acknowledged.len())
            .sum::<usize>()
            - before;
        outcome.ready_after_max = ready_after;
        outcome
    }

    /// Starts the next server on the files that the failure left, and returns the time until it was
    /// ready. A busy machine can delay a start, so a late one is repeated on copies of these files, and
    /// the shortest time counts.
    fn restart(&mut self) -> Duration {
        let left = self.disk.copy();
        let mut serve = |disk: &Disk| serve(disk, self.environment, self.checkpoint_pages, &mut self.random);
        self.server = serve(&self.disk);
        let mut ready_after = self.server.ready_after;
        for _ in 0..REPEATS_OF_LATE_STARTS {
            if ready_after > READY_WITHIN {
                ready_after = ready_after.min(serve(&left.copy()).ready_after);
            }
        }
        ready_after
    }

    fn compare(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.wrong.extend(self.disk.check());
        self.compare_with_file(&mut outcome);
        self.compare_over_http(&mut outcome);
        outcome
    }

    /// Compares every deal and top-up of all rounds. Records for each unanswered request if
    /// it took effect.
    fn compare_with_file(&mut self, outcome: &mut Outcome) {
        let mut facts = facts::read(&self.disk.path(DATABASE));
        for client in &mut self.clients {
            outcome.unanswered += std::mem::take(&mut client.unanswered);
            for deal in &mut client.deals {
                settle_deal(deal, &mut facts, outcome);
            }
            for top_up in &mut client.top_ups {
                let found = facts::take_top_up(&mut facts, top_up);
                let happened = found == facts::of_top_up(top_up, true);
                if top_up.acknowledged && found.is_empty() {
                    outcome.lost.push(format!("{top_up:?}"));
                } else if !happened && !found.is_empty() || happened && !top_up.acknowledged && !top_up.unanswered {
                    outcome.wrong.push(format!("{top_up:?} left {found:?}"));
                }
                outcome.unanswered_and_done += usize::from(top_up.unanswered && happened);
                top_up.acknowledged = happened;
                top_up.unanswered = false;
            }
        }
        for (key, facts) in facts {
            outcome.wrong.push(format!("no client sent {key}: {facts:?}"));
        }
    }

    /// Compares the new server's replies for every wallet and for each deal of this round.
    /// It also sends each unanswered payment again. The reply must show that payment, at
    /// whatever point the first request failed.
    fn compare_over_http(&mut self, outcome: &mut Outcome) {
        let mut connection = self.server.connect();
        let mut wallets = Wallets::default();
        for client in &mut self.clients {
            for top_up in client.top_ups.iter().filter(|top_up| top_up.acknowledged) {
                wallets.main(&top_up.customer, top_up.minor);
            }
            for deal in &mut client.deals {
                if deal.touched {
                    compare_deal(deal, &mut connection, outcome);
                }
                wallets.deal(deal);
            }
        }
        for customer in (0..CLIENTS).flat_map(|number| [load::seller(number), load::buyer(number)]) {
            let shown = connection.get("/v1/wallet", &customer).unwrap().body;
            let shown = ["mainBalance", "escrowBalance"].map(|field| minor(&shown["data"][field]));
            let expected = wallets.of(&customer);
            if shown != expected {
                let problem = format!("the wallet of {customer} holds {shown:?} and should hold {expected:?}");
                outcome.wrong.push(problem);
            }
        }
    }
}

fn serve(
    disk: &Disk,
    environment: fn(&Disk, &mut Random) -> Vec<(String, String)>,
    checkpoint_pages: &[&str],
    random: &mut Random,
) -> Server {
    let mut environment = environment(disk, random);
    // Charges both parts of a fee.
    environment.push(("ESCROWD_FEES_COMMISSION_BPS".to_owned(), "100".to_owned()));
    let pages = (*random.one_of(checkpoint_pages)).to_owned();
    environment.push(("ESCROWD_STORAGE_CHECKPOINT_PAGES".to_owned(), pages));
    disk.serve(&environment)
}

fn settle_deal(deal: &mut Deal, facts: &mut Facts, outcome: &mut Outcome) {
    let found = facts::take_deal(facts, deal);
    match (0..=STEPS).find(|&steps| facts::of_deal(deal, steps) == found) {
        None => outcome.wrong.push(format!("{deal:?} is half done: {found:?}")),
        Some(steps) if steps < deal.acknowledged => {
            outcome.lost.push(format!("{deal:?} is at step {steps}"));
            deal.acknowledged = steps;
            if steps == 0 {
                deal.ids = None;
            }
        }
        Some(steps) if steps > deal.acknowledged + usize::from(deal.unanswered) => {
            outcome.wrong.push(format!("{deal:?} is at step {steps}"));
        }
        Some(steps) => {
            outcome.unanswered_and_done += steps - deal.acknowledged;
            if deal.unanswered && deal.acknowledged == 1 {
                // It stays unanswered until the client sends it again.
                return;
            }
            deal.acknowledged = steps;
        }
    }
    deal.unanswered = false;
}

fn compare_deal(deal: &mut Deal, connection: &mut Connection, outcome: &mut Outcome) {
    deal.touched = false;
    let Some(ids) = deal.ids.clone() else {
        return;
    };
    if deal.unanswered {
        let (path, body) = load::payment(deal);
        let again = connection
            .send(&Request {
                method: "POST",
                path,
                customer: &deal.buyer,
                mark: "",
                idempotency_key: "",
                body: Some(body),
            })
            .unwrap();
        if again.status == 200 && again.body["data"]["reference"] == deal.reference.as_str() {
            deal.acknowledged = 2;
        } else {
            outcome.wrong.push(format!("{deal:?}, paid again: {again:?}"));
        }
        deal.unanswered = false;
    }
    let shown = connection.get(&format!("/v1/escrow/verify/{}", ids.token), "").unwrap();
    let data = &shown.body["data"];
    let is = |pointer| {
        data.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let shown = [is("/state"), is("/milestones/0/status"), is("/milestones/1/status")];
    let expected = match deal.acknowledged {
        0 => ["", "", ""],
        1 => ["AWAITING_PAYMENT", "PENDING", "PENDING"],
        2 => ["OPENED", "PENDING", "PENDING"],
        3 => ["OPENED", "RELEASED", "PENDING"],
        _ => ["CLOSED", "RELEASED", "RELEASED"],
    };
    if shown != expected {
        outcome.wrong.push(format!("{deal:?} is shown as {shown:?}"));
    }
}

/// The balance that each customer should have, computed from the clients' records alone.
#[derive(Default)]
struct Wallets(HashMap<String, [i64; 2]>);

impl Wallets {
    fn main(&mut self, customer: &str, minor: i64) {
        self.0.entry(customer.to_owned()).or_default()[0] += minor;
    }

    fn hold(&mut self, customer: &str, minor: i64) {
        self.0.entry(customer.to_owned()).or_default()[1] += minor;
    }

    fn deal(&mut self, deal: &Deal) {
        if deal.acknowledged >= 2 {
            self.main(&deal.buyer, -10_300);
            self.hold(&deal.buyer, 10_000);
        }
        if deal.acknowledged >= 3 {
            self.hold(&deal.buyer, -6_000);
            self.main(&deal.seller, 6_000);
        }
        if deal.acknowledged >= 4 {
            self.hold(&deal.buyer, -4_000);
            self.main(&deal.beneficiary, 4_000);
        }
    }

    /// Returns the main and escrow balance in minor units. The escrow balance excludes
    /// fees.
    fn of(&self, customer: &str) -> [i64; 2] {
        let [main, hold] = self.0.get(customer).copied().unwrap_or_default();
        [100_000_000 + main, hold]
    }
}

/// Converts a JSON number of major units with at most two decimals to minor units.
fn minor(number: &Value) -> i64 {
    let text = number.as_number().map(Number::to_string).unwrap_or_default();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{decimals:0<2}").parse().unwrap_or(-1)
}
