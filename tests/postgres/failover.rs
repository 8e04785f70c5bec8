//! A primary with a synchronous standby: the primary is killed under load, the standby is
//! promoted, and no acknowledged write is lost.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use serde_json::json;

use crate::cluster::{self, Cluster, base_backup};
use crate::service::{Service, check};
use crate::waiting::until;

/// The longest time from the promotion to the first write that is acknowledged.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// The deals that are acknowledged before a process is killed, and again before the primary is.
const ENOUGH: usize = 20;

/// The rounds that run side by side: each waits half of its time.
const AT_ONCE: usize = 2;

/// The clients that make deals at once.
const WORKERS: usize = 6;

fn rounds() -> usize {
    std::env::var("FAILOVERS").map_or(20, |number| number.parse().unwrap())
}

/// A primary and its standby, each in a folder, reached by one URL that names both.
struct Pair {
    primary: Option<Cluster>,
    standby: Cluster,
    folders: [PathBuf; 2],
}

impl Pair {
    fn start(folder: &Path, is_synchronous: bool) -> Self {
        let folders = [folder.join("a"), folder.join("b")];
        for folder in &folders {
            std::fs::create_dir(folder).unwrap();
        }
        let names = if is_synchronous {
            "synchronous_standby_names=*"
        } else {
            "synchronous_standby_names="
        };
        let primary = Cluster::start(&folders[0], &["wal_level=replica", "max_wal_senders=4", names]);
        base_backup(&folders[0], &folders[1]);
        let standby = Cluster::run(&folders[1], &["hot_standby=on"]);
        let pair = Self {
            primary: Some(primary),
            standby,
            folders,
        };
        pair.wait_for_replication(is_synchronous);
        pair
    }

    /// Waits until the standby follows the primary.
    fn wait_for_replication(&self, is_synchronous: bool) {
        let mut client = Client::connect(&self.primary.as_ref().unwrap().url("postgres"), NoTls).unwrap();
        let state = if is_synchronous { "sync" } else { "async" };
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = $1";
        until("the standby follows", || {
            client.query_one(sql, &[&state]).unwrap().get::<_, i64>(0) > 0
        });
    }

    /// Returns the URL that leads to the one of both that takes writes.
    fn url(&self) -> String {
        let [a, b] = self
            .folders
            .each_ref()
            .map(|folder| folder.display().to_string().replace('/', "%2F"));
        format!("postgres://escrowd@{a},{b}/postgres?target_session_attrs=read-write")
    }

    fn promote(&self) {
        let mut client = Client::connect(&self.standby.url("postgres"), NoTls).unwrap();
        client.query_one("SELECT pg_promote()", &[]).unwrap();
    }
}

/// The deals that were acknowledged, by the reference in their purpose.
type Acknowledged = Arc<Mutex<Vec<String>>>;

/// Makes deals until it is told to stop, each with a key of its own, which it sends again, to the
/// next process, until it is answered.
fn load(services: &[Service], worker: usize, stop: &AtomicBool, acknowledged: &Acknowledged) {
    let (mut number, mut process) = (0, worker);
    while !stop.load(Ordering::SeqCst) {
        let purpose = format!("deal {worker}-{number}");
        let offer = json!({
            "amount": 300, "purpose": purpose, "whoPays": "buyer",
            "milestones": [{ "title": "Frame", "amount": 100 }, { "title": "Tiles", "amount": 200 }],
        });
        loop {
            let service = &services[process % services.len()];
            let answer = service.send_with_key("POST", "/v1/escrow/milestone/create", "ada", &purpose, &offer);
            match answer {
                Ok(answer) if answer.status == 201 => break,
                Ok(answer) => assert!(
                    answer.status == 503 || answer.status == 409,
                    "{} {}",
                    answer.status,
                    answer.body
                ),
                Err(_) => {}
            }
            if stop.load(Ordering::SeqCst) {
                return;
            }
            process += 1;
            thread::sleep(Duration::from_millis(20));
        }
        acknowledged.lock().unwrap().push(purpose);
        number += 1;
    }
}

/// Returns how often each acknowledged deal is in the database, for those that are not there
/// once.
fn wrong(url: &str, acknowledged: &[String]) -> Vec<(String, i64)> {
    let mut client = Client::connect(url, NoTls).unwrap();
    let counts = |purpose: &String| {
        let row = client.query_one("SELECT count(*) FROM escrow WHERE purpose = $1", &[purpose]);
        (purpose.clone(), row.unwrap().get::<_, i64>(0))
    };
    acknowledged
        .iter()
        .map(counts)
        .filter(|(_, count)| *count != 1)
        .collect()
}

/// One round: kills a process and then the primary under load, and promotes the standby. Returns
/// the deals that are not there exactly once.
fn round(is_synchronous: bool) -> Vec<(String, i64)> {
    let folder = tempfile::tempdir().unwrap();
    crate::cluster::own(folder.path());
    let mut pair = Pair::start(folder.path(), is_synchronous);
    let url = pair.url();
    let services = [(); 3].map(|()| Service::start(&url));
    services[0].get("/v1/wallet", "ada");
    let acknowledged = Acknowledged::default();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (services, stop, acknowledged) = (&services, &stop, &acknowledged);
            scope.spawn(move || load(services, worker, stop, acknowledged));
        }
        wait_for(&acknowledged, ENOUGH);
        services[2].kill_now();
        wait_for(&acknowledged, 2 * ENOUGH);
        if !is_synchronous {
            // Commits that the primary acknowledges from now on are on its disk alone.
            stop_receiving(&pair);
            let before = acknowledged.lock().unwrap().len();
            wait_for(&acknowledged, before + WORKERS + 1);
        }
        drop(pair.primary.take());
        let before = acknowledged.lock().unwrap().len();
        pair.promote();
        let promoted = Instant::now();
        while acknowledged.lock().unwrap().len() == before {
            assert!(
                promoted.elapsed() < BACK_WITHIN,
                "no write was acknowledged after the promotion"
            );
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::SeqCst);
    });
    let acknowledged = acknowledged.lock().unwrap();
    let standby = pair.standby.url("postgres");
    check(&standby);
    wrong(&standby, &acknowledged)
}

/// Waits until so many deals were acknowledged.
fn wait_for(acknowledged: &Acknowledged, enough: usize) {
    until(&format!("{enough} deals are made"), || {
        acknowledged.lock().unwrap().len() >= enough
    });
}

/// Ends the standby's reception of the log.
fn stop_receiving(pair: &Pair) {
    let mut client = Client::connect(&pair.standby.url("postgres"), NoTls).unwrap();
    client.batch_execute("ALTER SYSTEM SET primary_conninfo = ''").unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
    until("the standby follows no more", || {
        client.query_one(receivers, &[]).unwrap().get::<_, i64>(0) == 0
    });
}

#[test]
fn a_lost_primary_loses_no_acknowledged_write() {
    if !cluster::is_installed() {
        return;
    }
    let next = AtomicUsize::new(0);
    let rounds = rounds();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= rounds {
                        break;
                    }
                    assert_eq!(round(true), [], "round {number}");
                }
            });
        }
    });
}

/// The control: the test sees a loss where there is one.
#[test]
fn an_asynchronous_standby_loses_writes() {
    if !cluster::is_installed() {
        return;
    }
    assert!(!round(false).is_empty());
}
