//! The idempotency keys of requests in flight.
//!
//! While the first request with a key is in flight, there is no reply to repeat, so the
//! server refuses a second request with that key.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::idempotency::IdempotencyKey;

/// SHA-256 of an API key, and the idempotency key of one of its requests.
type Entry = ([u8; 32], IdempotencyKey);

/// The idempotency keys in flight. All workers share one set. A request without an
/// idempotency key never locks it.
#[derive(Debug, Default)]
pub struct InFlight {
    entries: Mutex<HashSet<Entry>>,
}

/// Keeps an idempotency key in flight until the guard is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard {
    in_flight: Arc<InFlight>,
    entry: Entry,
}

impl InFlight {
    /// Marks an idempotency key as in flight. Returns `None` if it is in flight already.
    pub(super) fn begin(self: &Arc<Self>, key_hash: [u8; 32], key: &IdempotencyKey) -> Option<InFlightGuard> {
        let entry = (key_hash, key.clone());
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(entry.clone()).then(|| InFlightGuard {
            in_flight: Arc::clone(self),
            entry,
        })
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut entries = self.in_flight.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&self.entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_flight_until_its_guard_is_dropped() {
        let in_flight = Arc::new(InFlight::default());
        let key = IdempotencyKey::parse("order-1").unwrap();
        let guard = in_flight.begin([1; 32], &key);
        assert!(guard.is_some() && in_flight.begin([1; 32], &key).is_none());
        assert!(
            in_flight.begin([2; 32], &key).is_some(),
            "another API key's request is independent"
        );
        drop(guard);
        assert!(in_flight.begin([1; 32], &key).is_some());
    }
}
