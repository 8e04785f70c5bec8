//! How fast escrowd confirms and reads, beside other ways of doing the same, in
//! one run on one machine: `cargo bench --bench throughput`.
//!
//! Builds a file through the real commands, gives each way a copy of it, and lets
//! them take turns. Only ratios carry over to another machine.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "rates and latencies are no money"
)]

mod arguments;
mod compare;
mod connection;
mod data;
mod deals;
mod figures;
mod growth;
mod load;
mod machine;
mod peers;
mod postgres;
mod postgres_peers;
mod process;
mod report;
mod requests;
mod slow_fsync;
mod soak;
mod start;
mod stop;
mod versus;
mod workbench;

use arguments::{Arguments, Part};
use clap::Parser;

fn main() -> anyhow::Result<()> {
    let Arguments { part, compare, common } = Arguments::parse();
    if let Some(Part::Peer(peer)) = &part {
        return peers::be(peer);
    }
    stop::listen()?;
    let done = match &part {
        None => compare::run(&compare, &common),
        Some(Part::Growth(options)) => growth::run(options, &common),
        Some(Part::Versus(options)) => versus::run(options, &common),
        Some(Part::Start(options)) => start::run(options, &common),
        Some(Part::Soak(options)) => soak::run(options, &common),
        Some(Part::Peer(_)) => Ok(()),
    };
    if done.is_err() && stop::is_wanted() {
        stop::exit();
    }
    done
}
