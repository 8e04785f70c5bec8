//! Tests of the store through its public interface. They use real databases, a clock and ids
//! that the test controls, and plain connections for reading or damaging a database.
//!
//! The databases are files, or with `ESCROWD_TEST_DATABASE=postgres` those of a PostgreSQL server.
//! Tests of the file itself make a `TestFile`, which is a file in any case.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod attempts;
mod audit;
mod audit_of_files;
mod audit_of_rows;
mod clock_steps;
mod clocks;
#[path = "../postgres/cluster.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod cluster;
#[path = "../postgres/database.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod database;
mod deliveries;
mod files;
mod flips;
mod foreseen;
mod groups;
mod helpers;
mod idempotency;
mod journal;
mod kept_files;
mod leaders;
mod left_behind;
mod log_length;
mod lost_logs;
mod migrations;
mod overwritten;
mod postgres;
mod released;
mod resends;
mod schema;
mod seeds;
mod treasury;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;
mod writer;
mod wrong_clocks;

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
