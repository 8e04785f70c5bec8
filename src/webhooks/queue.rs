//! What the deliverer knows of one merchant: what is under way, and when to look again.
//! No more than that: what is to be delivered stands in the file.

use tokio::sync::oneshot;

use crate::domain::events::delivery::DeliveryId;
use crate::domain::time::Timestamp;

/// Attempts under way for one merchant whose receiver answers.
const IN_FLIGHT_MAX: usize = 16;
/// The same while it fails, or nothing is known of it yet.
const IN_FLIGHT_UNPROVEN_MAX: usize = 4;

/// What came of the last attempt at a merchant's receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum QueueState {
    /// There was none.
    #[default]
    Unknown,
    /// It took the event.
    Taking,
    /// It did not.
    Failing,
}

/// One merchant's deliveries.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Under way, or done and not yet recorded, with when each was due.
    in_flight: Vec<(DeliveryId, Timestamp)>,
    /// What is known of its receiver.
    pub(super) standing: QueueState,
    /// Whether it waits to be looked at.
    pub(super) is_ready: bool,
    /// Whether what is to be delivered is being dropped.
    pub(super) is_dropping: bool,
    /// When, by the file's time, to look again by itself.
    pub(super) timer: Option<Timestamp>,
    /// Those who wait until everything due was attempted.
    pub(super) catch_up: Option<CatchUp>,
}

/// Doing at once what fell due while a clock was moved.
#[derive(Debug)]
pub(super) struct CatchUp {
    /// What was due by then, by the merchant's clock, is attempted.
    pub(super) until: Timestamp,
    /// Who wants to know.
    pub(super) waiting: Vec<oneshot::Sender<()>>,
}

impl Queue {
    /// Whether its receiver took the last event that was brought to it.
    pub(super) fn is_proven(&self) -> bool {
        self.standing == QueueState::Taking
    }

    /// How many more attempts may begin.
    pub(super) fn room(&self) -> usize {
        let most = if self.is_proven() {
            IN_FLIGHT_MAX
        } else {
            IN_FLIGHT_UNPROVEN_MAX
        };
        most.saturating_sub(self.in_flight.len())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn has_in_flight(&self, delivery: DeliveryId) -> bool {
        self.in_flight.iter().any(|(id, _)| *id == delivery)
    }

    pub(super) fn begin(&mut self, delivery: DeliveryId, due: Timestamp) {
        self.in_flight.push((delivery, due));
    }

    pub(super) fn end(&mut self, delivery: DeliveryId) {
        self.in_flight.retain(|(id, _)| *id != delivery);
    }

    /// Whether there is nothing to be known of it any more.
    pub(super) fn is_idle(&self) -> bool {
        let is_busy = self.standing == QueueState::Failing || self.is_ready || self.is_dropping;
        !is_busy && self.in_flight.is_empty() && self.timer.is_none() && self.catch_up.is_none()
    }

    /// Whether somebody is about to look at it.
    pub(super) fn is_attended(&self) -> bool {
        self.is_ready || self.is_dropping || self.timer.is_some() || !self.in_flight.is_empty()
    }

    /// Answers those who wait, if nothing that was due by then is left: `next_due` is
    /// when the next attempt is due of what is not under way.
    pub(super) fn answer_if_caught_up(&mut self, next_due: Option<Timestamp>) {
        let is_done = |catch_up: &mut CatchUp| {
            let is_later = |due: &Timestamp| *due > catch_up.until;
            next_due.as_ref().is_none_or(is_later) && self.in_flight.iter().all(|(_, due)| is_later(due))
        };
        let Some(catch_up) = self.catch_up.take_if(is_done) else {
            return;
        };
        for waiting in catch_up.waiting {
            let _whether_it_is_heard = waiting.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    #[test]
    fn a_failing_receiver_gets_less_room() {
        let mut queue = Queue::default();
        assert_eq!(queue.room(), 4, "nothing is known of it");
        queue.standing = QueueState::Taking;
        for id in 0..10 {
            queue.begin(DeliveryId(id), at(id));
        }
        assert_eq!(queue.room(), 6);
        queue.standing = QueueState::Failing;
        assert_eq!(queue.room(), 0);
        (0..7).for_each(|id| queue.end(DeliveryId(id)));
        assert_eq!((queue.room(), queue.in_flight()), (1, 3));
        assert!(queue.has_in_flight(DeliveryId(7)) && !queue.has_in_flight(DeliveryId(6)));
    }

    #[test]
    fn who_waits_is_answered_when_nothing_of_then_is_left() {
        let mut queue = Queue::default();
        let (answer, mut answered) = oneshot::channel();
        queue.catch_up = Some(CatchUp {
            until: at(100),
            waiting: vec![answer],
        });
        queue.begin(DeliveryId(1), at(100));
        queue.answer_if_caught_up(None);
        assert!(answered.try_recv().is_err(), "one is under way");
        queue.end(DeliveryId(1));
        queue.answer_if_caught_up(Some(at(100)));
        assert!(answered.try_recv().is_err(), "one is due");
        queue.begin(DeliveryId(2), at(101));
        queue.answer_if_caught_up(Some(at(101)));
        assert_eq!(answered.try_recv(), Ok(()), "what is due later is not waited for");
    }
}
