//! Fails one fsync while a checkpoint copies the write-ahead log into the database, or of the log
//! itself.
//!
//! The shim fails one fsync of the file and drops the changes it covers. Linux does the
//! same: it reports such a failure once and lets the next fsync succeed. The tests prove
//! that the service ends at once, that the write-ahead log still has all that was acknowledged,
//! and that the next start finds every acknowledged command in it.

use std::thread;
use std::time::Duration;

use crate::campaign::{Campaign, turn};
use crate::load;
use crate::seed::Random;
use crate::server::{Disk, Server};
use crate::shim;
use crate::waiting::until;

const FAILURES: u64 = 4;

fn on_a_disk_that_fails(disk: &Disk, random: &mut Random) -> Vec<(String, String)> {
    let mut environment = shim::environment(disk);
    let failing = random.within(1..9).to_string();
    environment.push(("DURABILITY_FAIL_SYNC".to_owned(), failing));
    environment
}

#[test]
fn a_disk_that_fails_during_a_checkpoint_loses_no_acknowledged_command() {
    let _turn = turn();
    let mut random = Random::from_environment();
    let mut campaign = Campaign::with_checkpoints_at(&mut random, &["100"], on_a_disk_that_fails);
    let outcome = campaign.rounds(FAILURES, Server::fail_disk);
    outcome.assert_sound(FAILURES);
}

/// Returns the number of events so far that begin so.
fn count(disk: &Disk, beginning: &str) -> usize {
    let events = shim::events_so_far(disk);
    events.iter().filter(|event| event.starts_with(beginning)).count()
}

/// Returns the number of fsyncs of the log when there has been none for a second.
fn settled_syncs(disk: &Disk) -> usize {
    let mut last = None;
    loop {
        let now = count(disk, "sync-begin wal");
        if last == Some(now) {
            return now;
        }
        last = Some(now);
        thread::sleep(Duration::from_secs(1));
    }
}

/// Registers a customer, and returns the status of the reply, if there is one.
fn register(server: &Server) -> Option<u16> {
    let answer = server.connect().get("/v1/wallet", &load::buyer(0));
    answer.ok().map(|answer| answer.status)
}

/// The fsyncs are those of a group, of the commits of the mark around it, and of the checkpoints. The
/// service may retry none.
#[test]
fn each_fsync_of_the_log_that_fails_ends_the_service() {
    let _turn = turn();
    let disk = Disk::new();
    let server = disk.serve(&shim::environment(&disk));
    let before = settled_syncs(&disk);
    assert_eq!(register(&server), Some(200));
    let syncs = settled_syncs(&disk) - before;
    assert!(syncs > 2, "the log was synced {syncs} times");
    let mut failures = 0;
    for failing in 1..=syncs {
        let disk = Disk::new();
        let mut environment = shim::environment(&disk);
        let failure = [
            ("DURABILITY_FAIL_SYNC", failing.to_string()),
            ("DURABILITY_FAIL_SYNC_OF", "wal".to_owned()),
        ];
        environment.extend(failure.map(|(name, value)| (name.to_owned(), value)));
        let mut server = disk.serve(&environment);
        settled_syncs(&disk);
        server.signal_the_shim();
        until("the signal reaches the shim", || count(&disk, "sync-will-fail") == 1);
        let status = register(&server);
        settled_syncs(&disk);
        // A run may need fewer fsyncs than the one that was counted.
        if count(&disk, "sync-failed wal") == 0 {
            continue;
        }
        failures += 1;
        println!("fsync {failing} of {syncs} fails: the reply was {status:?}");
        server.wait_for_end();
        assert_eq!(disk.check(), None, "after a failure of fsync {failing}");
    }
    assert!(failures > 2, "{failures} of {syncs} fsyncs failed");
}
