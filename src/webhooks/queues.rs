//! The queues of all merchants that the deliverer has work for, and the order in which it
//! looks at them: merchants that are ready in turn, the others when their timer fires.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;

use crate::domain::ids::MerchantId;
use crate::domain::time::Timestamp;
use crate::webhooks::queue::MerchantQueue;

#[derive(Debug, Default)]
pub(super) struct MerchantQueues {
    /// The merchants with a delivery in flight or due, or with an endpoint that fails.
    queues: HashMap<MerchantId, MerchantQueue>,
    /// The merchants to look at, in turn.
    ready: VecDeque<MerchantId>,
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

    /// Takes the first merchant of the ready queue.
    pub(super) fn next_ready(&mut self) -> Option<MerchantId> {
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
        assert_eq!(queues.next_ready(), Some(first));
        queues.make_ready(first);
        assert_eq!(queues.next_ready(), Some(second));
        assert_eq!(queues.next_ready(), Some(first));
        assert_eq!(queues.next_ready(), None);
        assert!(!queues.is_scheduled(first));
        queues.remove_if_idle(first);
        assert!(!queues.queues.contains_key(&first));
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
        assert_eq!(queues.next_ready(), None);
        queues.remove_if_idle(second);
        assert!(queues.is_scheduled(second), "its timer keeps its queue");
        queues.fire_timers(at(20));
        assert_eq!(queues.next_ready(), Some(second));
        queues.set_timer(first, None);
        assert_eq!(queues.first_timer(), None);
    }
}
