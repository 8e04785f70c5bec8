//! Tests of the store through its public interface. They use real files, a clock and ids
//! that the test controls, and plain SQLite connections for reading or damaging a file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod attempts;
mod audit;
mod clock_steps;
mod clocks;
mod deliveries;
mod files;
mod flips;
mod helpers;
mod idempotency;
mod kept_files;
mod left_behind;
mod log_length;
mod lost_logs;
mod migrations;
mod released;
mod schema;
mod seeds;
mod treasury;
mod writer;
mod wrong_clocks;
