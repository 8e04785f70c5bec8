//! The service on PostgreSQL: several processes on one database, and what a lost server does to
//! them.
//!
//! `FAILOVERS=200` sets the number of rounds of the failover. `tests/api`, `tests/store` and
//! `tests/model` run on PostgreSQL too, with `ESCROWD_TEST_DATABASE=postgres`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot continue should panic at that line"
)]

#[allow(dead_code, reason = "the tests of the routes use the rest")]
mod cluster;
mod copy;
mod failover;
mod keys;
mod migrations;
mod pooler;
#[path = "../cli/ports.rs"]
mod ports;
mod processes;
mod refusals;
mod schema;
mod service;
mod tls;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;
