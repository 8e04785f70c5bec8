//! The counts of the writer's work, for the metrics.

use std::time::Duration;

use crate::meter::{Counter, Gauge, Histogram, HistogramReading};

/// The bounds of the commands in one commit.
const COMMANDS: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// The bounds of the time of a commit, in microseconds.
const MICROS: [u64; 12] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000,
];

/// The counts of the writer.
#[derive(Debug)]
pub(crate) struct WriterMeter {
    /// Messages in the queue: commands, and questions about the health.
    pub(crate) waiting: Gauge,
    /// Commands that found the queue full.
    pub(crate) refused: Counter,
    /// Commands in each group that was committed.
    group_commands: Histogram,
    /// The time of each commit, in microseconds.
    commit_micros: Histogram,
    /// Checkpoints that copied the whole write-ahead log into the file.
    pub(crate) checkpoints: Counter,
}

impl Default for WriterMeter {
    fn default() -> Self {
        Self {
            waiting: Gauge::default(),
            refused: Counter::default(),
            group_commands: Histogram::new(&COMMANDS),
            commit_micros: Histogram::new(&MICROS),
            checkpoints: Counter::default(),
        }
    }
}

/// The work of the writer so far, and its queue.
#[derive(Clone, Debug)]
pub struct WriterReading {
    /// Messages in the queue: commands, and questions about the health.
    pub waiting: u64,
    /// Commands that were refused because the queue was full.
    pub refused: u64,
    /// Commands in each commit.
    pub group_commands: HistogramReading,
    /// The time of each commit, in microseconds.
    pub commit_micros: HistogramReading,
    /// Checkpoints that copied the whole write-ahead log into the file.
    pub checkpoints: u64,
}

impl WriterMeter {
    /// Counts a commit of this many commands.
    pub(crate) fn observe_commit(&self, took: Duration, commands: usize) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commit_micros.observe(micros);
        self.group_commands.observe(u64::try_from(commands).unwrap_or(u64::MAX));
    }

    pub(crate) fn read(&self) -> WriterReading {
        WriterReading {
            waiting: self.waiting.get(),
            refused: self.refused.get(),
            group_commands: self.group_commands.read(),
            commit_micros: self.commit_micros.read(),
            checkpoints: self.checkpoints.get(),
        }
    }
}
