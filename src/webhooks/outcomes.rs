//! The outcomes of attempts that are not recorded yet. One command at a time records a
//! batch of them. If a batch fails by one of its attempts, each is recorded by a command of its own, so
//! that one that cannot be recorded keeps no other from it.

use std::collections::VecDeque;
use std::time::Instant;

use crate::commands::deliveries::Attempted;

/// Attempts that one command records. A longer command would delay requests.
const RECORDS_PER_COMMAND_MAX: usize = 64;

/// Returns the subject of a sentence about a batch.
pub(super) fn describe(batch: &[Attempted]) -> String {
    match batch {
        [Attempted { delivery, .. }] => format!(
            "an attempt of the event {} of merchant {}",
            delivery.event, delivery.merchant.0
        ),
        _ => format!("{} delivery attempts", batch.len()),
    }
}

pub(super) struct UnrecordedOutcomes {
    /// Attempts that have ended and that no command records yet.
    attempted: Vec<Attempted>,
    /// Attempts of batches that failed, each for a command of its own and with the earliest time of it.
    /// The first has the earliest.
    alone: VecDeque<(Instant, Attempted)>,
    /// Set while a command records a batch.
    is_recording: bool,
    /// The earliest time of the next command.
    record_after: Instant,
}

impl UnrecordedOutcomes {
    pub(super) fn new() -> Self {
        Self {
            attempted: Vec::new(),
            alone: VecDeque::new(),
            is_recording: false,
            record_after: Instant::now(),
        }
    }

    pub(super) fn push(&mut self, attempted: Attempted) {
        self.attempted.push(attempted);
    }

    /// Returns the time from which the next batch may be recorded, or `None` if there is
    /// nothing to record or a command is under way.
    pub(super) fn next_batch_at(&self) -> Option<Instant> {
        if self.is_recording {
            return None;
        }
        let batch = (!self.attempted.is_empty()).then_some(self.record_after);
        let alone = self.alone.front().map(|(at, _)| self.record_after.max(*at));
        batch.into_iter().chain(alone).min()
    }

    /// Takes the next batch if it may be recorded now. The caller must report the end of
    /// its command by [`UnrecordedOutcomes::end`], [`UnrecordedOutcomes::put_back`] or
    /// [`UnrecordedOutcomes::separate`].
    pub(super) fn next_batch(&mut self) -> Option<Vec<Attempted>> {
        let now = Instant::now();
        self.next_batch_at().filter(|at| *at <= now)?;
        self.is_recording = true;
        if let Some((_, attempted)) = self.alone.pop_front_if(|(at, _)| *at <= now) {
            return Some(vec![attempted]);
        }
        let size = self.attempted.len().min(RECORDS_PER_COMMAND_MAX);
        Some(self.attempted.drain(..size).collect())
    }

    /// Ends a command that has recorded its batch.
    pub(super) fn end(&mut self) {
        self.is_recording = false;
    }

    /// Puts a batch back that could not be recorded, as no other could. The next command starts at `at`
    /// or later.
    pub(super) fn put_back(&mut self, batch: Vec<Attempted>, at: Instant) {
        self.is_recording = false;
        self.attempted.extend(batch);
        self.record_after = at;
    }

    /// Puts a batch back that could not be recorded because of one of its attempts. Each is recorded
    /// alone. If the batch was one attempt, it is tried again at `at` or later, after the others.
    pub(super) fn separate(&mut self, batch: Vec<Attempted>, at: Instant) {
        self.is_recording = false;
        if batch.len() == 1 {
            self.alone.extend(batch.into_iter().map(|attempted| (at, attempted)));
            return;
        }
        let now = Instant::now();
        for attempted in batch.into_iter().rev() {
            self.alone.push_front((now, attempted));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::events::delivery::{Attempt, AttemptOutcome, Delivery, DeliveryId};
    use crate::domain::ids::{EventId, MerchantId};
    use crate::domain::time::Timestamp;

    fn attempted(number: i64) -> Attempted {
        Attempted {
            delivery: Delivery {
                id: DeliveryId(number),
                event: EventId::new(1, 1),
                merchant: MerchantId(1),
                ordering_key: None,
                attempts: 0,
                due_at: Timestamp::EPOCH,
            },
            attempt: Attempt {
                attempted_at: Timestamp::EPOCH,
                url: "http://127.0.0.1/".to_owned(),
                outcome: AttemptOutcome::Failed("no answer".to_owned()),
                duration_millis: 1,
            },
            since: Timestamp::EPOCH,
            retry_after_seconds: None,
            endpoint_version: 0,
            may_be_recorded: false,
        }
    }

    #[test]
    fn one_batch_is_recorded_at_a_time() {
        let mut outcomes = UnrecordedOutcomes::new();
        assert!(outcomes.next_batch().is_none(), "there is nothing to record");
        for number in 0..100 {
            outcomes.push(attempted(number));
        }
        assert_eq!(outcomes.next_batch().unwrap().len(), 64);
        assert!(outcomes.next_batch().is_none(), "a command is under way");
        outcomes.end();
        assert_eq!(outcomes.next_batch().unwrap().len(), 36);
    }

    #[test]
    fn a_batch_that_could_not_be_recorded_is_taken_again_later() {
        let mut outcomes = UnrecordedOutcomes::new();
        outcomes.push(attempted(1));
        let batch = outcomes.next_batch().unwrap();
        let later = Instant::now() + Duration::from_hours(1);
        outcomes.put_back(batch, later);
        assert!(outcomes.next_batch().is_none(), "it is too early");
        assert_eq!(outcomes.next_batch_at(), Some(later));
        outcomes.record_after = Instant::now();
        assert_eq!(outcomes.next_batch().unwrap()[0].delivery.id, DeliveryId(1));
    }

    #[test]
    fn an_attempt_that_cannot_be_recorded_keeps_no_other_from_it() {
        let mut outcomes = UnrecordedOutcomes::new();
        for number in 1..=3 {
            outcomes.push(attempted(number));
        }
        let batch = outcomes.next_batch().unwrap();
        let later = Instant::now() + Duration::from_hours(1);
        outcomes.separate(batch, later);
        let mut recorded = Vec::new();
        for _ in 0..4 {
            let batch = outcomes.next_batch().unwrap();
            assert_eq!(batch.len(), 1);
            if batch[0].delivery.id == DeliveryId(2) {
                outcomes.separate(batch, later);
                outcomes.push(attempted(4));
            } else {
                recorded.extend(batch.into_iter().map(|attempted| attempted.delivery.id.0));
                outcomes.end();
            }
        }
        assert_eq!(recorded, [1, 3, 4]);
        assert_eq!(outcomes.next_batch_at(), Some(later));
        assert!(outcomes.next_batch().is_none(), "it is too early");
    }
}
