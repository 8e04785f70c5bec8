//! Fails one fsync while a checkpoint copies the write-ahead log into the database.
//!
//! The shim fails one fsync of the database and drops the changes it covers. Linux does the
//! same: it reports such a failure once and lets the next fsync succeed. The test proves
//! that the service ends at once, that the write-ahead log is still complete then, and that
//! the next start finds every acknowledged command in it.

use crate::campaign::{Campaign, turn};
use crate::seed::Random;
use crate::server::{Disk, Server};
use crate::shim;

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
