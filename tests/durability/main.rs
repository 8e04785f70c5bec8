//! Proofs that what was acknowledged is kept, on the real binary over HTTP.
//!
//! | File | What it does | What it proves |
//! |---|---|---|
//! | `kill.rs` | `kill -9` at random instants | a command is there whole or not at all, and a restart finds it |
//! | `retries.rs` | `kill -9` at random instants, then every request again | under an idempotency key each is done once, and its reply is the first one |
//! | `fsync_order.rs` | puts the system calls in order | no reply leaves, and no log starts anew, before the fsync that covers it has returned |
//! | `power_loss.rs` | drops what no fsync has covered | what was acknowledged survives that too |
//! | `failing_disk.rs` | fails a fsync of the file and drops what it was to cover | the service gives up, and the log still has it all |
//!
//! The first two alone prove little: after a kill the system still writes what it
//! was given, synced or not. The others load `shim.c` under the server, which
//! takes a C compiler (`cc`) and Linux.
//!
//! How many rounds, and which: `KILLS=1000`, `POWER_LOSSES=500`, `SEED=...` with
//! the seed that a failed run printed. For the summary of a run that succeeds:
//!
//! ```console
//! $ KILLS=1000 cargo test --test durability kill -- --nocapture
//! ```

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod campaign;
mod client;
mod facts;
#[cfg(target_os = "linux")]
mod failing_disk;
#[cfg(target_os = "linux")]
mod fsync_order;
mod kill;
mod load;
#[cfg(target_os = "linux")]
mod power_loss;
mod retries;
mod seed;
mod server;
#[cfg(target_os = "linux")]
mod shim;
