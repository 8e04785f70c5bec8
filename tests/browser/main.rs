//! Tests of the pages in a real browser, Debian's chromium without its windows. They click as a
//! person does. Each starts a browser and a sandbox of its own.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot continue should panic at that line"
)]

mod checkout;
mod console;
mod demo;
mod helpers;
mod live;
#[allow(dead_code, reason = "other suites use the rest")]
#[path = "../cli/ports.rs"]
mod ports;
mod screenshots;
