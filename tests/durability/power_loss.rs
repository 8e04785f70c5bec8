//! Cuts the power at random instants under load (reliability R3).
//!
//! The shim under the server drops every change to the database and its write-ahead log
//! that no fsync has covered. In some rounds it keeps some of these changes at random, like
//! a disk that had already written them. The test proves three things. A fsync covers every
//! acknowledged command. SQLite recovers a consistent state from the rest. A restart is
//! ready within 2 seconds.
//!
//! The control test runs the same rounds with `storage.synchronous = "normal"`, which
//! answers before the fsync. It must lose acknowledged commands. If it loses none, the shim
//! drops nothing and the proof is void.
//!
//! The test cannot show the effect of a disk that lies about fsync, that tears one write of
//! a page apart, or that loses a file's name. It does not test a power failure while the
//! server creates the file.

use crate::campaign::{Campaign, Outcome, rounds_of_each_file, turn};
use crate::seed::{Random, number_from_environment};
use crate::server::{Disk, Server};
use crate::shim;

/// Counts the changes that no fsync had covered when the power failed, and how many of them
/// the disk kept.
#[derive(Debug, Default)]
struct Unsynced {
    changes: u64,
    kept: u64,
}

impl Unsynced {
    fn of(disk: &Disk) -> Self {
        let mut unsynced = Self::default();
        let events = shim::events(disk);
        for failure in events.iter().filter_map(|event| event.strip_prefix("power-failure ")) {
            let (changes, kept) = failure.split_once(' ').unwrap();
            unsynced.changes += changes.parse::<u64>().unwrap();
            unsynced.kept += kept.parse::<u64>().unwrap();
        }
        unsynced
    }
}

fn power_failures(count: u64, environment: fn(&Disk, &mut Random) -> Vec<(String, String)>) -> (Outcome, Unsynced) {
    let mut random = Random::from_environment();
    let (mut total, mut unsynced) = (Outcome::default(), Unsynced::default());
    for rounds in rounds_of_each_file(count) {
        let mut campaign = Campaign::start(&mut random, environment);
        total += campaign.rounds(rounds, Server::fail_power);
        let Unsynced { changes, kept } = Unsynced::of(&campaign.disk);
        unsynced.changes += changes;
        unsynced.kept += kept;
    }
    println!("{unsynced:?}");
    (total, unsynced)
}

fn on_a_disk_that_loses_power(disk: &Disk, random: &mut Random) -> Vec<(String, String)> {
    let mut environment = shim::environment(disk);
    let keep = random.one_of(&["0", "50", "90"]).to_owned();
    environment.push(("DURABILITY_KEEP".to_owned(), keep));
    environment.push(("DURABILITY_SEED".to_owned(), random.next().to_string()));
    environment
}

#[test]
fn a_power_failure_loses_no_acknowledged_command_and_leaves_none_half_done() {
    let _turn = turn();
    let count = number_from_environment("POWER_LOSSES").unwrap_or(12);
    let (outcome, unsynced) = power_failures(count, on_a_disk_that_loses_power);
    outcome.assert_sound(count);
    assert!(
        unsynced.kept < unsynced.changes,
        "no power failure dropped anything, so the test is void: {unsynced:?}"
    );
}

/// The control: without a fsync for each commit, a power failure loses commands. The
/// database stays consistent, which is what "normal" promises.
#[test]
fn without_a_fsync_for_each_commit_a_power_failure_loses_acknowledged_commands() {
    let _turn = turn();
    let lose_power = |_| {
        power_failures(4, |disk, _| {
            let mut environment = shim::environment(disk);
            environment.push(("ESCROWD_STORAGE_SYNCHRONOUS".to_owned(), "normal".to_owned()));
            environment
        })
    };
    // All failures of a run may come right after a checkpoint, which syncs.
    let mut runs = (0..3).map(lose_power);
    let (outcome, unsynced) = runs
        .find(|(outcome, _)| !outcome.lost.is_empty() || outcome.is_wrong())
        .expect("nothing was lost, so the proof is void");
    println!(
        "{} of {} acknowledged commands were lost, {unsynced:?}",
        outcome.lost.len(),
        outcome.acknowledged
    );
    assert!(!outcome.is_wrong(), "{}", outcome.findings());
}
