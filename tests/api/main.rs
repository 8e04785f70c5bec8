//! The service over a real socket: each test has a server, a port and a database
//! of its own, and speaks to it as a client would.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod categories;
mod headers;
mod helpers;
mod http_edge;
mod milestone_escrows;
mod milestone_input;
mod payment_input;
mod payments;
mod races;
mod shapes;
mod standard_escrows;
mod stopping;
mod vaults;
mod wallets;
