//! escrowd: a milestone-escrow service in one binary, with SQLite inside.

pub mod domain;
