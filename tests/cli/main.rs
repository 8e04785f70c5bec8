//! The program on the command line: its output, exit codes and signals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod backups;
mod clients;
mod commands;
mod config;
mod demo_web;
mod ephemeral;
mod examples;
mod health;
mod helpers;
mod logs;
mod lost_logs;
mod money;
mod operations;
mod ports;
mod position;
mod readme;
#[path = "../api/snapshots/redaction.rs"]
mod redaction;
mod reload;
mod sandbox;
mod self_hosting;
mod serve;
mod shells;
mod snapshots;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;
