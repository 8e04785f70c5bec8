//! The files that install the service: the systemd unit, the container and the proxy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod container;
mod proxy;
mod service;
mod systemd;
mod tools;
