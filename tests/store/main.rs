//! The storage layer as the rest of the program uses it: real files, a clock
//! and ids in the test's hand, and SQLite itself to look into a file or to
//! damage it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod attempts;
mod audit;
mod clocks;
mod deliveries;
mod files;
mod helpers;
mod idempotency;
mod kept_files;
mod log_length;
mod schema;
mod seeds;
mod writer;
