//! The deliverer's state of one merchant: the attempts in flight, the health of its webhook
//! endpoint, and the time to look for due deliveries again. The deliveries themselves are
//! in the outbox.

use std::mem;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::domain::events::delivery::{AttemptOutcome, DeliveryId};
use crate::domain::time::Timestamp;

/// Attempts in flight for a merchant whose endpoint is healthy.
const OF_ONE_MAX: usize = 16;
/// Attempts in flight for a merchant whose endpoint fails or has not been tried.
const OF_ONE_UNHEALTHY_MAX: usize = 4;
/// Attempts in flight for a merchant together with those to endpoints that it has replaced since.
const OF_ONE_WITH_FORMER_MAX: usize = 32;

/// Refusals in a row at which a healthy endpoint counts as failing. Some endpoints refuse a few
/// kinds of events and take the others, which the log does not report. It reports an endpoint that
/// refuses every event.
const REFUSALS_MAX: u32 = 10;

/// The time for which an endpoint that took an event counts as healthy, if no attempt follows. A merchant
/// with few events need not wait for a place behind those whose endpoints fail.
const HEALTH_KEPT: Duration = Duration::from_hours(1);
/// The time for which an endpoint that failed counts as failing, if no attempt follows. Then its next
/// failure is logged again. Without an end, the queue of a merchant that a reset has left behind would stay.
const FAILURE_KEPT: Duration = Duration::from_hours(24);

/// The health of a webhook endpoint, by the outcomes of the last attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EndpointHealth {
    /// No attempt is remembered.
    #[default]
    Unknown,
    /// The last attempt delivered, or the endpoint has refused few events since one did.
    Healthy,
    /// The last attempts failed.
    Failing,
}

/// The state of one merchant's deliveries in flight.
#[derive(Debug, Default)]
pub(super) struct MerchantQueue {
    in_flight: Vec<InFlight>,
    /// The version of the endpoint that the next attempts are for.
    endpoint_version: u32,
    /// The health of its webhook endpoint.
    health: EndpointHealth,
    /// The number of events that the endpoint has refused since it last took one.
    refused_in_a_row: u32,
    /// The time at which the endpoint last took an event.
    delivered_at: Option<Instant>,
    /// The time at which an attempt last failed.
    failed_at: Option<Instant>,
    /// Set while the merchant waits in the deliverer's ready queue.
    pub(super) is_ready: bool,
    /// Set while the merchant waits for a place for an attempt.
    pub(super) is_waiting: bool,
    /// Set while a command deletes its pending deliveries.
    pub(super) is_discarding: bool,
    /// The ledger time at which to look for due deliveries again.
    pub(super) timer: Option<Timestamp>,
    /// The flush that callers wait for.
    flush: Option<Flush>,
}

/// A delivery whose attempt is under way or not yet recorded.
#[derive(Debug)]
pub(super) struct InFlight {
    delivery: DeliveryId,
    /// The time at which it was due, on the merchant's clock.
    due: Timestamp,
    /// The version of the endpoint that is attempted.
    endpoint_version: u32,
    /// True if the endpoint was healthy when the attempt started.
    pub(super) was_healthy: bool,
}

/// A request to attempt every delivery that fell due when a merchant's clock was advanced.
#[derive(Debug)]
struct Flush {
    /// Deliveries due at or before this time on the merchant's clock are attempted.
    until: Timestamp,
    /// The callers to wake when it is done.
    waiting: Vec<oneshot::Sender<()>>,
}

impl MerchantQueue {
    /// Returns true if the endpoint takes events.
    pub(super) fn is_healthy(&self) -> bool {
        self.health == EndpointHealth::Healthy
    }

    /// Notes the version of the endpoint that the merchant has now. If it is a new one, a healthy
    /// endpoint counts as not tried. A failing one stays failing: it may be the same endpoint, set
    /// again, and the log has already reported its failure.
    pub(super) fn follow_endpoint(&mut self, version: u32) {
        if mem::replace(&mut self.endpoint_version, version) != version {
            self.refused_in_a_row = 0;
            if self.is_healthy() {
                self.health = EndpointHealth::Unknown;
            }
        }
    }

    /// Returns true if the merchant has not replaced the endpoint of this version, as far as the queue knows.
    pub(super) fn has_endpoint(&self, version: u32) -> bool {
        self.endpoint_version == version
    }

    /// Sets the health of the endpoint after an attempt. Returns true if the endpoint has
    /// begun or ceased to fail.
    pub(super) fn set_health(&mut self, outcome: &AttemptOutcome) -> bool {
        self.refused_in_a_row = if outcome.is_refused() {
            self.refused_in_a_row.saturating_add(1)
        } else {
            0
        };
        let now = Some(Instant::now());
        if outcome.is_delivered() {
            self.delivered_at = now;
        } else {
            self.failed_at = now;
        }
        let is_tolerated = self.is_healthy() && (1..REFUSALS_MAX).contains(&self.refused_in_a_row);
        let health = if outcome.is_delivered() || is_tolerated {
            EndpointHealth::Healthy
        } else {
            EndpointHealth::Failing
        };
        let before = mem::replace(&mut self.health, health);
        (before == EndpointHealth::Failing) != (health == EndpointHealth::Failing)
    }

    /// Forgets the health of an endpoint that the merchant has removed.
    pub(super) fn reset_health(&mut self) {
        self.health = EndpointHealth::Unknown;
    }

    /// Returns true if nothing but the failing endpoint keeps the queue.
    pub(super) fn only_fails(&self) -> bool {
        self.health == EndpointHealth::Failing && self.is_otherwise_idle()
    }

    /// Returns how many more attempts may start. Those to a former endpoint leave their room to the others.
    pub(super) fn room(&self) -> usize {
        let most = if self.is_healthy() {
            OF_ONE_MAX
        } else {
            OF_ONE_UNHEALTHY_MAX
        };
        let is_to_current = |attempt: &&InFlight| self.has_endpoint(attempt.endpoint_version);
        let to_current = self.in_flight.iter().filter(is_to_current).count();
        let with_former = OF_ONE_WITH_FORMER_MAX.saturating_sub(self.in_flight.len());
        most.saturating_sub(to_current).min(with_former)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn has_in_flight(&self, delivery: DeliveryId) -> bool {
        self.in_flight.iter().any(|attempt| attempt.delivery == delivery)
    }

    pub(super) fn start(&mut self, delivery: DeliveryId, due: Timestamp) {
        self.in_flight.push(InFlight {
            delivery,
            due,
            endpoint_version: self.endpoint_version,
            was_healthy: self.is_healthy(),
        });
    }

    /// Removes an attempt whose outcome is recorded. Returns `None` if it is not in flight.
    pub(super) fn finish(&mut self, delivery: DeliveryId) -> Option<InFlight> {
        let at = self.in_flight.iter().position(|attempt| attempt.delivery == delivery)?;
        Some(self.in_flight.remove(at))
    }

    /// Returns true if the queue can be removed. The only fact lost is that the endpoint
    /// was healthy or failed long ago.
    pub(super) fn is_idle(&self) -> bool {
        let keeps_health = match self.health {
            EndpointHealth::Unknown => false,
            EndpointHealth::Healthy => self.delivered_at.is_some_and(|at| at.elapsed() < HEALTH_KEPT),
            EndpointHealth::Failing => self.failed_at.is_some_and(|at| at.elapsed() < FAILURE_KEPT),
        };
        !keeps_health && self.is_otherwise_idle()
    }

    fn is_otherwise_idle(&self) -> bool {
        let is_busy = self.is_ready || self.is_waiting || self.is_discarding;
        !is_busy && self.in_flight.is_empty() && self.timer.is_none() && self.flush.is_none()
    }

    /// Forgets when to look at the merchant, and ends the flush. What is under way is kept.
    pub(super) fn forget_schedule(&mut self) {
        (self.is_ready, self.is_waiting, self.timer) = (false, false, None);
        self.cancel_flush();
    }

    /// Returns true if something will make the deliverer look at the merchant again.
    pub(super) fn is_scheduled(&self) -> bool {
        self.is_ready || self.is_waiting || self.is_discarding || self.timer.is_some() || !self.in_flight.is_empty()
    }

    /// Starts a flush of the deliveries due at or before `until`, or extends the flush under
    /// way. Wakes `done` when it ends.
    pub(super) fn start_flush(&mut self, until: Timestamp, done: oneshot::Sender<()>) {
        let flush = self.flush.get_or_insert_with(|| Flush {
            until,
            waiting: Vec::new(),
        });
        flush.until = until;
        flush.waiting.push(done);
    }

    /// Returns true if a delivery due at this time is part of a flush.
    pub(super) fn is_flushed(&self, due: Timestamp) -> bool {
        self.flush.as_ref().is_some_and(|flush| due <= flush.until)
    }

    /// Ends the flush and wakes its callers, even if deliveries are left.
    pub(super) fn cancel_flush(&mut self) {
        self.flush = None;
    }

    /// Ends the flush and wakes its callers if no delivery due by its time is left.
    /// `next_due` is the time of the next delivery that is not in flight.
    pub(super) fn end_flush_if_done(&mut self, next_due: Option<Timestamp>) {
        let is_done = |flush: &mut Flush| {
            let is_later = |due: &Timestamp| *due > flush.until;
            next_due.as_ref().is_none_or(is_later) && self.in_flight.iter().all(|attempt| is_later(&attempt.due))
        };
        let Some(flush) = self.flush.take_if(is_done) else {
            return;
        };
        for waiting in flush.waiting {
            let _is_still_waiting = waiting.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    fn answer(status: u16) -> AttemptOutcome {
        AttemptOutcome::Responded {
            status,
            beginning: String::new(),
        }
    }

    #[test]
    fn an_endpoint_that_refuses_a_few_events_is_healthy() {
        let mut queue = MerchantQueue::default();
        assert!(queue.set_health(&answer(400)), "it has never taken an event");
        assert!(queue.set_health(&answer(200)), "it takes events");
        for _ in 1..REFUSALS_MAX {
            assert!(!queue.set_health(&answer(400)) && queue.is_healthy());
        }
        assert!(queue.set_health(&answer(400)), "it refuses every event");
        assert!(!queue.set_health(&answer(400)) && !queue.is_healthy());
        assert!(queue.set_health(&answer(200)));
        assert!(
            !queue.set_health(&answer(404)) && queue.is_healthy(),
            "the count began anew"
        );
        assert!(queue.set_health(&answer(500)), "a failure is not a refusal");
    }

    #[test]
    fn the_health_of_an_endpoint_is_kept_for_a_time_after_its_last_attempt() {
        let mut queue = MerchantQueue::default();
        assert!(queue.is_idle(), "nothing is known");
        queue.set_health(&answer(200));
        assert!(!queue.is_idle() && queue.is_healthy());
        queue.delivered_at = Instant::now().checked_sub(HEALTH_KEPT);
        assert!(queue.is_idle(), "it took its last event long ago");
        queue.set_health(&answer(500));
        assert!(!queue.is_idle(), "the next outcome is compared with this one");
        queue.failed_at = Instant::now().checked_sub(FAILURE_KEPT);
        assert!(queue.is_idle(), "it failed long ago");
    }

    #[test]
    fn a_failing_endpoint_gets_fewer_attempts() {
        let mut queue = MerchantQueue::default();
        assert_eq!(queue.room(), 4, "its health is unknown");
        assert!(!queue.set_health(&answer(200)), "it has not failed before");
        for id in 0..10 {
            queue.start(DeliveryId(id), at(id));
        }
        assert_eq!(queue.room(), 6);
        assert!(queue.set_health(&answer(500)), "it begins to fail");
        assert_eq!(queue.room(), 0);
        (0..7).for_each(|id| assert!(queue.finish(DeliveryId(id)).unwrap().was_healthy));
        assert_eq!((queue.room(), queue.in_flight()), (1, 3));
        assert!(queue.has_in_flight(DeliveryId(7)) && !queue.has_in_flight(DeliveryId(6)));
    }

    #[test]
    fn attempts_to_a_former_endpoint_leave_their_room_to_the_others() {
        let mut queue = MerchantQueue::default();
        let fill = |queue: &mut MerchantQueue, version: u32, room| {
            queue.follow_endpoint(version);
            queue.set_health(&answer(200));
            assert_eq!(queue.room(), room, "of version {version}");
            (0..room).for_each(|_| queue.start(DeliveryId(i64::from(version)), at(0)));
        };
        for (version, room) in [(1, 16), (2, 16), (3, 0)] {
            fill(&mut queue, version, room);
        }
        assert!(queue.has_endpoint(3) && !queue.has_endpoint(2));
        queue.follow_endpoint(4);
        assert!(!queue.is_healthy(), "it has not been tried");
        queue.set_health(&answer(500));
        queue.follow_endpoint(5);
        assert!(
            queue.set_health(&answer(200)),
            "the log says that it takes events again"
        );
    }

    #[test]
    fn a_flush_ends_when_nothing_due_by_its_time_is_left() {
        let mut queue = MerchantQueue::default();
        let (done, mut is_done) = oneshot::channel();
        queue.start_flush(at(100), done);
        queue.start(DeliveryId(1), at(100));
        queue.end_flush_if_done(None);
        assert!(is_done.try_recv().is_err(), "one is in flight");
        assert!(queue.finish(DeliveryId(1)).is_some_and(|attempt| !attempt.was_healthy));
        queue.end_flush_if_done(Some(at(100)));
        assert!(is_done.try_recv().is_err(), "one is due");
        queue.start(DeliveryId(2), at(101));
        queue.end_flush_if_done(Some(at(101)));
        assert_eq!(is_done.try_recv(), Ok(()), "the rest is due later");
    }
}
