//! The queues of all merchants that the deliverer has work for, and the order in which it
//! looks at them: those that wait for a place first, then those that are ready, each in turn, and the
//! others when their timer fires.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;

use crate::domain::ids::MerchantId;
use crate::domain::time::Timestamp;
use crate::webhooks::queue::MerchantQueue;

#[derive(Debug, Default)]
pub(super) struct MerchantQueues {
    /// The merchants with a delivery in flight or due, or with an endpoint whose health is known.
    queues: HashMap<MerchantId, MerchantQueue>,
    /// The merchants to look at, in turn.
    ready: VecDeque<MerchantId>,
    /// The merchants that found no place for an attempt, in turn.
    waiting: VecDeque<MerchantId>,
    /// The merchants to look at later, by ledger time.
    timers: BTreeSet<(Timestamp, MerchantId)>,
}

impl MerchantQueues {
    /// Returns a merchant's queue, and makes one if there is none.
    pub(super) fn queue_mut(&mut self, merchant: MerchantId) -> &mut MerchantQueue {
        self.queues.entry(merchant).or_default()
    }

    /// Returns true if the deliverer will look at a merchant again.
    pub(super) fn is_scheduled(&self, merchant: MerchantId) -> bool {
        self.queues.get(&merchant).is_some_and(MerchantQueue::is_scheduled)
    }

    /// Puts a merchant at the end of the ready queue, unless it is there already.
    pub(super) fn make_ready(&mut self, merchant: MerchantId) {
        if !mem::replace(&mut self.queue_mut(merchant).is_ready, true) {
            self.ready.push_back(merchant);
        }
    }

    /// Puts a merchant at the end of the line of those that wait for a place, unless it is there already.
    pub(super) fn wait_for_place(&mut self, merchant: MerchantId) {
        if !mem::replace(&mut self.queue_mut(merchant).is_waiting, true) {
            self.waiting.push_back(merchant);
        }
    }

    /// Returns true if a merchant waits for a place.
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes the next merchant to look at. If there is a place for those that wait for one, they come before
    /// those that are ready, some of which have just given a place back.
    pub(super) fn next(&mut self, is_place_free: bool) -> Option<MerchantId> {
        if is_place_free && let Some(merchant) = self.waiting.pop_front() {
            self.queue_mut(merchant).is_waiting = false;
            return Some(merchant);
        }
        let merchant = self.ready.pop_front()?;
        self.queue_mut(merchant).is_ready = false;
        Some(merchant)
    }

    /// Sets or clears a merchant's timer, which replaces the timer it had.
    pub(super) fn set_timer(&mut self, merchant: MerchantId, at: Option<Timestamp>) {
        if let Some(before) = mem::replace(&mut self.queue_mut(merchant).timer, at) {
            self.timers.remove(&(before, merchant));
        }
        if let Some(at) = at {
            self.timers.insert((at, merchant));
        }
    }

    /// Returns the ledger time of the first timer.
    pub(super) fn first_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Makes every merchant ready whose timer has fired by now.
    pub(super) fn fire_timers(&mut self, now: Timestamp) {
        while let Some(&(at, merchant)) = self.timers.first() {
            if at > now {
                break;
            }
            self.set_timer(merchant, None);
            self.make_ready(merchant);
        }
    }

    /// Ends all flushes and wakes their callers.
    pub(super) fn cancel_flushes(&mut self) {
        self.queues.values_mut().for_each(MerchantQueue::cancel_flush);
    }

    /// Forgets which merchants to look at and when, and ends all flushes. What is under way is kept.
    pub(super) fn forget_schedule(&mut self) {
        self.ready.clear();
        self.waiting.clear();
        self.timers.clear();
        self.queues.values_mut().for_each(MerchantQueue::forget_schedule);
        self.remove_idle();
    }

    /// Removes the queues that have become idle with time.
    pub(super) fn remove_idle(&mut self) {
        self.queues.retain(|_, queue| !queue.is_idle());
    }

    /// Removes a merchant's queue if it is idle.
    pub(super) fn remove_if_idle(&mut self, merchant: MerchantId) {
        if self.queues.get(&merchant).is_some_and(MerchantQueue::is_idle) {
            self.queues.remove(&merchant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::events::delivery::DeliveryId;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    #[test]
    fn a_merchant_is_ready_once_and_in_turn() {
        let (first, second) = (MerchantId(1), MerchantId(2));
        let mut queues = MerchantQueues::default();
        for merchant in [first, second, first] {
            queues.make_ready(merchant);
        }
        assert_eq!(queues.next(true), Some(first));
        queues.make_ready(first);
        assert_eq!(queues.next(true), Some(second));
        assert_eq!(queues.next(true), Some(first));
        assert_eq!(queues.next(true), None);
        assert!(!queues.is_scheduled(first));
        queues.remove_if_idle(first);
        assert!(!queues.queues.contains_key(&first));
    }

    #[test]
    fn merchants_that_wait_for_a_place_come_first_if_there_is_one() {
        let (first, second, third) = (MerchantId(1), MerchantId(2), MerchantId(3));
        let mut queues = MerchantQueues::default();
        queues.make_ready(third);
        for merchant in [first, second, first] {
            queues.wait_for_place(merchant);
        }
        queues.remove_idle();
        assert!(queues.is_scheduled(first) && queues.are_waiting());
        assert_eq!(queues.next(false), Some(third));
        assert_eq!(queues.next(false), None);
        queues.make_ready(third);
        let order = [queues.next(true), queues.next(true), queues.next(true)];
        assert_eq!(order, [first, second, third].map(Some));
        assert!(!queues.are_waiting() && !queues.is_scheduled(first));
        queues.remove_idle();
        assert!(queues.queues.is_empty());
    }

    #[test]
    fn what_is_under_way_is_kept_when_the_schedule_is_forgotten() {
        let (first, second, third) = (MerchantId(1), MerchantId(2), MerchantId(3));
        let mut queues = MerchantQueues::default();
        queues.queue_mut(first).start(DeliveryId(1), at(0));
        queues.make_ready(first);
        queues.wait_for_place(second);
        queues.set_timer(third, Some(at(10)));
        queues.forget_schedule();
        assert_eq!((queues.next(true), queues.first_timer()), (None, None));
        assert!(queues.is_scheduled(first), "the report of its attempt makes it ready");
        assert_eq!(queues.queues.len(), 1);
        queues.make_ready(first);
        assert_eq!(queues.next(true), Some(first));
    }

    #[test]
    fn a_merchant_has_one_timer() {
        let (first, second) = (MerchantId(1), MerchantId(2));
        let mut queues = MerchantQueues::default();
        queues.set_timer(first, Some(at(10)));
        queues.set_timer(first, Some(at(30)));
        queues.set_timer(second, Some(at(20)));
        assert_eq!(queues.first_timer(), Some(at(20)));
        queues.fire_timers(at(19));
        assert_eq!(queues.next(true), None);
        queues.remove_if_idle(second);
        assert!(queues.is_scheduled(second), "its timer keeps its queue");
        queues.fire_timers(at(20));
        assert_eq!(queues.next(true), Some(second));
        queues.set_timer(first, None);
        assert_eq!(queues.first_timer(), None);
    }
}
