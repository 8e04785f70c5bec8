//! Proves that the service keeps what it acknowledged. The tests run the real binary over
//! HTTP.
//!
//! Each file proves one promise:
//!
//! - `kill.rs` sends `kill -9` at random instants: the file holds a command whole or not at
//!   all, and a restart finds it.
//! - `retries.rs` does so too, and then sends every request again: with an idempotency key each
//!   request takes effect once, and the reply is the first one.
//! - `fsync_order.rs` compares the order of system calls: no reply leaves, and no write-ahead
//!   log restarts, before the fsync that covers it returns.
//! - `power_loss.rs` drops the writes that no fsync has covered: acknowledged commands survive
//!   that too.
//! - `migration_kills.rs` sends `kill -9` at random instants of a migration: the file is the
//!   old one or the new one, and the next start finishes.
//! - `backups.rs` makes backups while clients write: each is whole, and a prefix of the history
//!   with all commands that were acknowledged before.
//! - `failing_disk.rs` fails a fsync of the database and drops the changes it covers: the
//!   service ends, and the write-ahead log still holds all commands.
//!
//! The first two alone prove little: after a kill the system still writes the data of the
//! process, synced or not. The other tests load `shim.c` under the server, which needs a C
//! compiler (`cc`) and Linux.
//!
//! Environment variables set the number of rounds and the seed: `KILLS=1000`,
//! `POWER_LOSSES=500`, `MIGRATION_KILLS=200`, `BACKUPS=50`, and `SEED=...` with the seed that a
//! failed run printed. To see the summary of a successful run:
//!
//! ```console
//! $ KILLS=1000 cargo test --test durability kill -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod backups;
mod campaign;
mod client;
mod facts;
#[cfg(target_os = "linux")]
mod failing_disk;
#[cfg(target_os = "linux")]
mod fsync_order;
mod kill;
mod load;
mod migration_kills;
#[cfg(target_os = "linux")]
mod power_loss;
#[path = "../store/released.rs"]
mod released;
mod retries;
mod seed;
mod server;
#[cfg(target_os = "linux")]
mod shim;
#[path = "../shared/waiting.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod waiting;
