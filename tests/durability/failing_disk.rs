//! A disk that fails once, in the middle of moving the log into the file.
//!
//! The shim fails one fsync of the database and loses what it was to cover, as
//! Linux does, which reports such a failure once and calls the next fsync a
//! success. Proves that the service gives up at once, that the log is still
//! whole then, and that the next start finds everything acknowledged in it.

use crate::campaign::{Campaign, alone};
use crate::seed::Random;
use crate::server::{Disk, Server};
use crate::shim;

const FAILURES: u64 = 4;

fn on_a_disk_that_fails(disk: &Disk, random: &mut Random) -> Vec<(String, String)> {
    let mut environment = shim::environment(disk);
    // The first fsyncs of a start are of making or of closing the file.
    let failing = random.within(4..12).to_string();
    environment.push(("DURABILITY_FAIL_SYNC".to_owned(), failing));
    environment
}

#[test]
fn nothing_acknowledged_is_lost_when_the_disk_fails_while_the_log_is_copied() {
    let _alone = alone();
    let mut random = Random::from_environment();
    let mut campaign = Campaign::with_checkpoints_at(&mut random, &["100"], on_a_disk_that_fails);
    let outcome = campaign.rounds(FAILURES, Server::gives_up);
    outcome.assert_sound(FAILURES);
}
