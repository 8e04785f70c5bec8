//! Measures how fast escrowd confirms and reads, and compares it with other
//! implementations of the same work on the same machine: `cargo bench --bench throughput`.
//!
//! The run builds a database file with the service's own commands, gives each
//! implementation a copy of it, and measures them in turns. Only ratios carry over to
//! another machine.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "rates and latencies are no money"
)]

mod arguments;
mod compare;
mod connection;
mod console;
mod data;
mod deals;
mod dictionary;
mod disk;
mod figures;
mod growth;
mod live_file;
mod load;
mod machine;
mod on_postgres;
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
mod whole_deals;
mod workbench;

use arguments::{Arguments, Part};
use clap::Parser;
use mimalloc::MiMalloc;

/// The service's allocator, for the peers too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> anyhow::Result<()> {
    let Arguments { part, compare, common } = Arguments::parse();
    if let Some(Part::Peer(peer)) = &part {
        return peers::run_peer(peer);
    }
    stop::listen()?;
    let done = match &part {
        None => compare::run(&compare, &common),
        Some(Part::Growth(options)) => growth::run(options, &common),
        Some(Part::Versus(options)) => versus::run(options, &common),
        Some(Part::Start(options)) => start::run(options, &common),
        Some(Part::Console(options)) => console::run(options, &common),
        Some(Part::Soak(options)) => soak::run(options, &common),
        Some(Part::Dictionary(options)) => dictionary::run(options),
        Some(Part::Peer(_)) => Ok(()),
    };
    if done.is_err() && stop::is_wanted() {
        stop::exit();
    }
    done
}
