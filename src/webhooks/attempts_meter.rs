//! Counts the attempts to deliver events, for the metrics.

use crate::domain::events::delivery::AttemptOutcome;
use crate::meter::Counter;

/// Attempts by outcome.
#[derive(Debug, Default)]
pub(super) struct AttemptsMeter {
    delivered: Counter,
    refused: Counter,
    failed: Counter,
}

/// The number of attempts so far, by outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptsReading {
    /// The endpoint took the event.
    pub delivered: u64,
    /// The endpoint answered that it does not take the event.
    pub refused: u64,
    /// The endpoint answered otherwise or not at all.
    pub failed: u64,
}

impl AttemptsMeter {
    pub(super) fn count(&self, outcome: &AttemptOutcome) {
        let counter = if outcome.is_delivered() {
            &self.delivered
        } else if outcome.is_refused() {
            &self.refused
        } else {
            &self.failed
        };
        counter.add_one();
    }

    pub(super) fn read(&self) -> AttemptsReading {
        AttemptsReading {
            delivered: self.delivered.get(),
            refused: self.refused.get(),
            failed: self.failed.get(),
        }
    }
}
