//! The program on the command line: its output, exit codes and signals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod commands;
mod ephemeral;
mod examples;
mod helpers;
mod lost_logs;
mod money;
mod position;
mod readme;
#[path = "../api/snapshots/redaction.rs"]
mod redaction;
mod sandbox;
mod serve;
mod snapshots;
