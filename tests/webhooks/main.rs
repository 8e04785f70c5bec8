//! Events brought to receivers that take them, fail, hang, go away and come back, by the
//! real binary, which is also killed in the middle of it. Every request that a receiver
//! gets is verified with the official library for Standard Webhooks, and by the
//! contract's own signature.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod catching_up;
mod crashes;
mod deliveries;
mod failures;
mod live;
mod receiver;
mod request;
mod service;
