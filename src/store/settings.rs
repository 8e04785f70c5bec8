//! The settings of a store, and what both kinds of store make of them.

#[cfg(test)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::ledger_time::JumpRule;
use crate::domain::mode::Mode;
use crate::domain::time::{Clock, Timestamp};
use crate::store::engine::error::Error;
use crate::store::engine::ledger_clock::LedgerClock;
use crate::store::engine::sqlite::connection::Synchronous;
use crate::store::place::Place;

/// The settings of a store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database. The store creates a file that does not exist, and the tables in an empty
    /// PostgreSQL database.
    pub place: Place,
    /// Sandbox or live. A file keeps the mode that it was created with.
    pub mode: Mode,
    /// The currency of every amount in the file. A file keeps its currency too.
    pub currency: String,
    /// The point to which a commit waits for the disk.
    pub synchronous: Synchronous,
    /// The number of connections for reading.
    pub readers: u32,
    /// The number of reads that may take long and run at the same time. Each has a
    /// connection and a thread of its own.
    pub long_readers: u32,
    /// The most reads that may wait for these threads.
    pub long_reads_waiting_max: usize,
    /// The most time that a read may take.
    pub read_time_max: Duration,
    /// The most commands that may wait in the writer's queue.
    pub queue_commands_max: usize,
    /// The most commands that share one commit.
    pub group_commands_max: usize,
    /// Pages in the write-ahead log at which a checkpoint begins.
    pub checkpoint_pages: u32,
    /// Opens a file whose write-ahead log is missing or belongs to another file, without
    /// the commits that are lost with it.
    pub accept_loss: bool,
    /// The most time by which the system's clock may run ahead of the time that has really
    /// passed, and be ahead of the newest row at a start. In a live file, writes are refused
    /// while it is further ahead. A sandbox follows it.
    pub clock_jump_max: Duration,
    /// Accepts any time ahead of the newest row at this start.
    pub accept_clock: bool,
    /// The free space in the file from which an idle writer gives it back. `None` keeps it.
    pub vacuum_free_bytes_min: Option<u64>,
}

impl Settings {
    /// Returns the settings of a small store in this file, whose commits wait for the disk.
    #[cfg(test)]
    pub(crate) fn of_test(file: &Path) -> Self {
        Self {
            place: file.to_owned().into(),
            mode: Mode::Sandbox,
            currency: "NGN".to_owned(),
            synchronous: Synchronous::Full,
            readers: 1,
            long_readers: 1,
            long_reads_waiting_max: 1,
            read_time_max: Duration::from_secs(5),
            queue_commands_max: 8,
            group_commands_max: 8,
            checkpoint_pages: 1000,
            accept_loss: false,
            clock_jump_max: Duration::from_hours(72),
            accept_clock: false,
            vacuum_free_bytes_min: None,
        }
    }

    /// Starts ledger time from that of the newest row.
    pub(super) fn start_clock(&self, clock: Box<dyn Clock>, newest: Option<Timestamp>) -> Arc<LedgerClock> {
        let rule = JumpRule {
            millis_max: i64::try_from(self.clock_jump_max.as_millis()).unwrap_or(i64::MAX),
            follows_all: self.mode == Mode::Sandbox,
        };
        Arc::new(LedgerClock::start(clock, newest, rule, self.accept_clock))
    }
}

/// Resolves when the writer has ended: to `Ok` after [`Store::close`](crate::store::Store::close),
/// to `Err` when the file can no longer be trusted. Then nothing more is written.
pub type WriterEnded = oneshot::Receiver<Result<(), Error>>;
