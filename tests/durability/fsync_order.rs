//! Checks the order of system calls under load (reliability R4).
//!
//! The shim under the server records five kinds of event in one order: each request that
//! comes in, each change to the database and its write-ahead log, the beginning and end of
//! each fsync, and each reply before it goes out. For every acknowledged write the records
//! must show:
//!
//! * after its request came in and before its reply went out, a fsync of the write-ahead
//!   log began and returned;
//! * if the request carries a text that the write stores (an offer's purpose, a payment's
//!   reference), that fsync began after the text was written.
//!
//! The same holds for every reply that shows such a text, also to a client that only reads: meanwhile
//! three clients ask for the newest offers of others.
//!
//! This proves that a reply waits for the fsync of its own group, and a read for that of what it shows. The control is a server
//! with `storage.synchronous = "normal"`. It must break the rule. If it does not, the check
//! detects nothing.
//!
//! A restart of the write-ahead log overwrites its content. For every restart the records
//! must show:
//!
//! * after the last change to the database before it, a fsync of the database began and
//!   returned.
//!
//! This proves that the log keeps its content until the database has it durably. No setting
//! breaks this rule. Its control is a table of hand-written orders.
//!
//! The test cannot show that the fsynced data is enough to recover from: `power_loss.rs`
//! tests that. It cannot show either that the disk obeys fsync.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::campaign::turn;
use crate::client::Connection;
use crate::load::{self, Acknowledged};
use crate::seed::Random;
use crate::server::Disk;
use crate::shim;

const CHECKPOINT_PAGES: &str = "ESCROWD_STORAGE_CHECKPOINT_PAGES";
const CONNECTIONS: usize = 64;
/// The connections that only read.
const READERS: usize = 3;
/// The time that a fsync of the log takes at least, so that many reads fall into one.
const SYNC_MILLIS: &str = "5";
const WRITES_MIN: usize = 1_000;
/// The number of restarts of the write-ahead log to wait for.
const RESTARTS_MIN: usize = 20;
const LOAD_SECONDS_MAX: u64 = 60;

/// The positions at which each event stands in the shim's log.
#[derive(Default)]
struct Events {
    /// By mark: the position of the request, and its descriptor.
    requests: HashMap<String, (usize, String)>,
    /// By descriptor: the positions of successful replies.
    replies: HashMap<String, Vec<usize>>,
    /// The positions of replies that show a mark, and the mark.
    shown: Vec<(usize, String)>,
    /// By mark: the position of its first write to the write-ahead log.
    stored: HashMap<String, usize>,
    /// Successful fsyncs of the write-ahead log: begun, returned.
    syncs: Vec<(usize, usize)>,
    /// Transactions written to the write-ahead log.
    commits: usize,
    /// The positions at which the write-ahead log restarted.
    restarts: Vec<usize>,
    /// Changes to the database.
    database_writes: Vec<usize>,
    /// Successful fsyncs of the database: begun, returned.
    database_syncs: Vec<(usize, usize)>,
}

impl Events {
    fn read(lines: &[impl AsRef<str>]) -> Self {
        let mut events = Self::default();
        let mut begun = HashMap::new();
        for (at, line) in lines.iter().enumerate() {
            let words: Vec<&str> = line.as_ref().split(' ').collect();
            match words[..] {
                ["request", descriptor, mark, ..] => {
                    let earlier = events.requests.insert(mark.to_owned(), (at, descriptor.to_owned()));
                    assert_eq!(earlier, None, "{mark} came in twice, or in parts");
                }
                ["reply", descriptor, status, ref marks @ ..] if status.starts_with('2') => {
                    events.replies.entry(descriptor.to_owned()).or_default().push(at);
                    events.shown.extend(marks.iter().map(|&mark| (at, mark.to_owned())));
                }
                ["write", "wal", ref rest @ ..] => {
                    events.commits += usize::from(rest.contains(&"commit"));
                    events.restarts.extend(rest.contains(&"restart").then_some(at));
                    for mark in rest {
                        events.stored.entry((*mark).to_owned()).or_insert(at);
                    }
                }
                ["write", "database", ..] => events.database_writes.push(at),
                // A fsync of the writer and one of a checkpoint may overlap.
                ["sync-begin", _, thread] => {
                    begun.insert(thread, at);
                }
                ["sync-end", file, thread] => {
                    // A fsync that began before the first line covers none of these events.
                    let sync = begun.remove(thread).map(|begun| (begun, at));
                    match file {
                        "wal" => events.syncs.extend(sync),
                        _ => events.database_syncs.extend(sync),
                    }
                }
                _ => {}
            }
        }
        events
    }

    fn reply_to(&self, request: usize, descriptor: &str) -> Option<usize> {
        self.replies
            .get(descriptor)?
            .iter()
            .copied()
            .find(|&reply| reply > request)
    }

    fn is_synced_between(&self, from: usize, to: usize) -> bool {
        self.syncs
            .iter()
            .any(|&(begun, returned)| from < begun && returned < to)
    }

    /// Describes how this acknowledged write breaks the rule, if it does.
    fn fault_of(&self, write: &Acknowledged) -> Option<String> {
        let mark = &write.mark;
        let Some(&(request, ref descriptor)) = self.requests.get(mark) else {
            return Some(format!("the shim never saw the request {mark}"));
        };
        let Some(reply) = self.reply_to(request, descriptor) else {
            return Some(format!("the shim never saw the reply to {mark}"));
        };
        let mut from = request;
        if write.is_stored {
            match self.stored.get(mark) {
                Some(&stored) => from = stored,
                None => return Some(format!("{mark} was acknowledged and is not in the log")),
            }
        }
        (!self.is_synced_between(from, reply))
            .then(|| format!("{mark}: written at {from}, answered at {reply}, and no fsync between"))
    }

    /// Describes each reply that showed what no fsync had covered, whoever had written it.
    fn faults_of_shown(&self) -> Vec<String> {
        let fault_of = |(at, mark): &(usize, String)| {
            let stored = *self.stored.get(mark)?;
            (!self.is_synced_between(stored, *at))
                .then(|| format!("{mark}: written at {stored}, shown at {at}, and no fsync between"))
        };
        self.shown.iter().filter_map(fault_of).collect()
    }

    /// Describes each restart of the write-ahead log that came before its content was
    /// durable in the database.
    fn faults_of_restarts(&self) -> Vec<String> {
        let is_covered = |written: usize, restart: usize| {
            let mut syncs = self.database_syncs.iter();
            syncs.any(|&(begun, returned)| written < begun && returned < restart)
        };
        let fault_of = |&restart: &usize| {
            let written = *self.database_writes.iter().rfind(|&&written| written < restart)?;
            (!is_covered(written, restart)).then(|| {
                format!("the database was written at {written}, the log restarted at {restart}, and no fsync between")
            })
        };
        self.restarts.iter().filter_map(fault_of).collect()
    }
}

/// Loads a server on the shim with 64 connections and returns the violations of both rules.
fn faults_under_load(settings: &[(&str, &str)]) -> Vec<String> {
    let mut random = Random::from_environment();
    let disk = Disk::new();
    let mut environment = shim::environment(&disk);
    // Makes many checkpoints, whose fsyncs belong to no group.
    environment.push((CHECKPOINT_PAGES.to_owned(), "100".to_owned()));
    environment.push(("DURABILITY_SYNC_MILLIS".to_owned(), SYNC_MILLIS.to_owned()));
    environment.extend(
        settings
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned())),
    );
    let server = disk.serve(&environment);
    load::register(CONNECTIONS, &mut server.connect());
    shim::delete_events(&disk);

    let mut clients = load::clients(CONNECTIONS, &mut random);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.run(&server.address, &stop));
        }
        for number in 0..READERS {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || read_newest(&mut server.connect(), number, stop));
        }
        let started = Instant::now();
        while !is_enough(&disk) && started.elapsed().as_secs() < LOAD_SECONDS_MAX {
            thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(server);

    let writes: Vec<&Acknowledged> = clients.iter().flat_map(|client| &client.acknowledged).collect();
    let unanswered: usize = clients.iter().map(|client| client.unanswered).sum();
    assert!(
        writes.len() >= WRITES_MIN && unanswered == 0,
        "{} acknowledged, {unanswered} unanswered",
        writes.len()
    );
    let events = Events::read(&shim::events(&disk));
    let (syncs, commits, restarts) = (events.syncs.len(), events.commits, events.restarts.len());
    println!(
        "{} writes acknowledged in {commits} groups with {syncs} fsyncs, {restarts} restarts of the log, {} texts shown",
        writes.len(),
        events.shown.len()
    );
    assert!(
        0 < commits && commits < writes.len(),
        "the server committed each command by itself"
    );
    assert!(restarts >= RESTARTS_MIN, "the log restarted only {restarts} times");

    let mut faults: Vec<String> = writes.into_iter().filter_map(|write| events.fault_of(write)).collect();
    if syncs < commits {
        faults.push(format!("{commits} groups with {syncs} fsyncs"));
    }
    faults.extend(events.faults_of_shown());
    faults.extend(events.faults_of_restarts());
    faults
}

/// Reads the newest offer of one seller after another, which another client has perhaps just made.
fn read_newest(connection: &mut Connection, first: usize, stop: &AtomicBool) {
    for number in (first..).step_by(READERS) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let seller = load::seller(number % CONNECTIONS);
        let newest = connection
            .get("/v1/escrow/transactions?type=sales&limit=1", &seller)
            .unwrap();
        assert_eq!(newest.status, 200, "{newest:?}");
    }
}

/// Returns true if the shim's log has enough events to check.
fn is_enough(disk: &Disk) -> bool {
    let events = shim::events_so_far(disk);
    let count = |start, word| {
        let events = events.iter().filter(|event| event.starts_with(start));
        events.filter(|event| event.contains(word)).count()
    };
    count("reply", " 2") >= WRITES_MIN && count("write wal", " restart") >= RESTARTS_MIN
}

#[test]
fn no_reply_leaves_and_no_log_restarts_before_the_fsync_that_covers_it_returns() {
    let _turn = turn();
    assert_eq!(faults_under_load(&[]), Vec::<String>::new());
}

/// The control: the check detects a server that answers before the fsync.
#[test]
fn a_reply_before_its_fsync_is_detected() {
    let _turn = turn();
    // A checkpoint's fsyncs of the log cover some replies by chance.
    let faults = faults_under_load(&[("ESCROWD_STORAGE_SYNCHRONOUS", "normal"), (CHECKPOINT_PAGES, "400")]);
    println!("{} faults", faults.len());
    assert!(faults.len() >= WRITES_MIN / 2, "{faults:?}");
}

/// The control of the second rule: the check detects exactly the orders that lose content
/// of the log.
#[test]
fn a_log_that_restarts_before_the_database_is_synced_is_detected() {
    let is_fault = |between: &[&str]| {
        let lines = [&["write database"], between, &["write wal restart"]].concat();
        !Events::read(&lines).faults_of_restarts().is_empty()
    };
    let (begin, end) = ("sync-begin database 1", "sync-end database 1");
    let (log_begin, log_end) = ("sync-begin wal 1", "sync-end wal 1");
    for lost in [
        &[][..],
        &[log_begin, log_end],
        &[begin],
        &[begin, "sync-failed database"],
        &[begin, "write database", end],
        &[begin, end, "write database"],
    ] {
        assert!(is_fault(lost), "{lost:?}");
    }
    for kept in [
        &[begin, end][..],
        &[begin, "write wal commit", end],
        &[begin, end, log_begin, log_end],
    ] {
        assert!(!is_fault(kept), "{kept:?}");
    }
}
