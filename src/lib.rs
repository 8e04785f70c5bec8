//! escrowd: a milestone-escrow service in one binary, with SQLite inside, or on PostgreSQL.
//!
//! A write goes from `http` to [`commands`], which load rows from the [`store`], let the
//! [`domain`] decide, and save the decision. A read goes from `http` straight to the `store`:
//!
//! ```text
//! http  -> commands (every write) -> domain (the rules; pure)
//!   \            \
//!    \ (reads)    +-> store (SQLite: one writer, many readers)
//!     +---------------^
//! ```
//!
//! `views` renders the domain's objects as JSON: `http` uses it for replies, and the
//! commands use it for the payloads of events. [`webhooks`] reads the pending deliveries
//! from the store and sends them, independently of requests.
//!
//! [`csv`] reads and writes the files that people exchange with their bank, and [`notices`]
//! reads what payment providers send.
//!
//! `web` has the pages for people. They read by the store's queries, and change state only by
//! the routes of `http`.
//!
//! The parts count what they do in [`meter`]; `metrics` reads the counts, and the totals of the
//! store, for Prometheus.
//!
//! [`app`] assembles the service from the settings of [`config`]. Only [`clock`] reads the
//! system's time, and only [`entropy`] reads its random source. `tests/layers` checks the
//! dependencies between the layers.

pub mod app;
mod background;
mod backups;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod csv;
pub mod domain;
pub mod entropy;
pub mod http;
mod http_client;
pub mod meter;
mod metrics;
pub mod notices;
mod retention;
mod settlements;
pub mod store;
mod views;
mod web;
pub mod webhooks;
