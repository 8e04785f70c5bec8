//! The real program under failures around it: random bytes, a full disk, a reader that never ends,
//! files that are truncated, damaged or not writable, and a wrong clock.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

#[path = "../cli/helpers.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod helpers;

mod byte_fuzz;
mod client;
mod damage;
mod flips;
mod full_disk;
mod hostile_clients;
mod long_reader;
mod permissions;
#[path = "../store/released.rs"]
mod released;
mod slow_reader;
mod small_disk;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;
mod wrong_clock;
