//! The real program where things go wrong around it: no room on the disk, a
//! reader that never ends, files that were cut, damaged, or may not be written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

#[path = "../cli/helpers.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod helpers;

mod client;
mod damage;
mod full_disk;
mod permissions;
mod slow_reader;
