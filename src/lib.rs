//! escrowd: a milestone-escrow service in one binary, with SQLite inside.
//!
//! One way through, top to bottom; nothing below knows what is above it:
//!
//! ```text
//! http, cli  ->  commands (every write)  ->  domain (the rules; pure)
//!            ->  queries  (every read)   ->  store  (SQLite: one writer, many readers)
//! ```
//!
//! What is sent out is made of the domain's objects in `views`: replies by `http`,
//! what subscribers are told by the commands. [`webhooks`] brings it to them, from the
//! store and beside all requests.
//!
//! [`app`] puts the parts together, [`config`] says how. [`clock`] is the only
//! place that reads the time and [`entropy`] the only one that makes ids and
//! randomness. `tests/layers` holds the arrows.

pub mod app;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod domain;
pub mod entropy;
pub mod http;
mod http_client;
mod retention;
pub mod store;
mod views;
pub mod webhooks;
