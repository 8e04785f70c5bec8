//! Webhook deliveries of the real binary to receivers that take events, fail, hang, stop
//! and return. Some tests kill the binary during deliveries. A test verifies the requests
//! of a receiver with the official Standard Webhooks library and by the contract's own
//! signature.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod clock_advances;
mod crashes;
mod deliveries;
mod failures;
mod gone;
mod live;
mod pauses;
#[path = "../cli/ports.rs"]
mod ports;
mod receiver;
mod refusals;
mod request;
mod service;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;
