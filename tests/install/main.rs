//! The files that install the service: the systemd unit, the container, the proxy, and several
//! processes on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

#[allow(dead_code, reason = "other suites use the rest")]
#[path = "../postgres/cluster.rs"]
mod cluster;
mod container;
mod nginx;
#[path = "../cli/ports.rs"]
mod ports;
mod proxy;
mod scaling;
mod scaling_load;
mod service;
mod systemd;
mod tools;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;
