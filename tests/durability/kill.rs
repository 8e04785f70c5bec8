//! Kills the server with `kill -9` at random instants under load (reliability R1).
//!
//! The test proves three things. The file holds a command whole or not at all, whenever the
//! process ends. A restart finds every acknowledged command and is ready within 2 seconds.
//! A payment that the client sends again after a lost reply is made once (R2).
//!
//! It cannot prove that the server synced anything: the system writes the data of a killed
//! process, synced or not. `fsync_order.rs` and `power_loss.rs` prove that.

use crate::campaign::{Campaign, Outcome, rounds_of_each_file, turn};
use crate::seed::{Random, number_from_environment};
use crate::server::Server;

#[test]
fn kill_9_loses_no_acknowledged_command_and_leaves_none_half_done() {
    let _turn = turn();
    let kills = number_from_environment("KILLS").unwrap_or(20);
    let mut random = Random::from_environment();
    let mut total = Outcome::default();
    for rounds in rounds_of_each_file(kills) {
        total += Campaign::start(&mut random, |_, _| Vec::new()).rounds(rounds, Server::kill);
    }
    total.assert_sound(kills);
}
