//! escrowd: a milestone-escrow service in one binary, with SQLite inside.

pub mod app;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod domain;
pub mod entropy;
pub mod http;
pub mod queries;
pub mod store;
