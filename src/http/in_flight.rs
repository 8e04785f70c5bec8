//! Which idempotency keys are in use by a request that is being worked on.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::idempotency::IdempotencyKey;

/// Requests with a key that are in flight, by the hash of who asks and the key. One for
/// all workers; requests without a key never touch it.
#[derive(Debug, Default)]
pub struct InFlight {
    keys: Mutex<HashSet<([u8; 32], IdempotencyKey)>>,
}

/// A request in flight; over when it is dropped.
#[derive(Debug)]
pub(super) struct Flight {
    in_flight: Arc<InFlight>,
    key: ([u8; 32], IdempotencyKey),
}

impl InFlight {
    /// Lets a request fly, unless one with the same key does.
    pub(super) fn begin(self: &Arc<Self>, key_hash: [u8; 32], key: &IdempotencyKey) -> Option<Flight> {
        let key = (key_hash, key.clone());
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.clone()).then(|| Flight {
            in_flight: Arc::clone(self),
            key,
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut keys = self.in_flight.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_flight_once_and_free_again_after_it() {
        let in_flight = Arc::new(InFlight::default());
        let key = IdempotencyKey::parse("order-1").unwrap();
        let flight = in_flight.begin([1; 32], &key);
        assert!(flight.is_some() && in_flight.begin([1; 32], &key).is_none());
        assert!(in_flight.begin([2; 32], &key).is_some(), "the key of somebody else");
        drop(flight);
        assert!(in_flight.begin([1; 32], &key).is_some());
    }
}
