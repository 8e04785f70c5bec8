//! `kill -9` at random instants under load (reliability R1).
//!
//! Proves that a command is in the file whole or not at all, whenever the
//! process ends; that a restart finds every acknowledged one and is ready within
//! two seconds; and that a payment sent again after it went unanswered is made
//! once (R2).
//!
//! Cannot prove that anything was synced: the system writes what a killed
//! process has given it, synced or not. That takes `fsync_order.rs` and
//! `power_loss.rs`.

use crate::campaign::{Campaign, Outcome, alone, rounds_of_each_file};
use crate::seed::{Random, number_from_environment};
use crate::server::Server;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_done_after_kill_9() {
    let _alone = alone();
    let kills = number_from_environment("KILLS").unwrap_or(20);
    let mut random = Random::from_environment();
    let mut total = Outcome::default();
    for rounds in rounds_of_each_file(kills) {
        total += Campaign::start(&mut random, |_, _| Vec::new()).rounds(rounds, Server::kill);
    }
    total.assert_sound(kills);
}
