//! The only place that makes ids and randomness.

use std::cell::RefCell;

use uuid::{ContextV7, Uuid};

use crate::domain::ids::Entropy;
use crate::domain::time::Timestamp;

/// Ids in time order and bits from the system's cryptographic source.
#[derive(Debug)]
pub struct SystemEntropy {
    order: ContextV7,
}

impl SystemEntropy {
    /// A source whose ids are ordered among themselves.
    pub const fn new() -> Self {
        Self {
            order: ContextV7::new(),
        }
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    /// The first 96 bits of a UUIDv7: 48 of time, then a counter of 42 that
    /// starts at random each millisecond and counts up within it. That is all of
    /// the UUID that orders it and keeps it unique here; what is cut off is
    /// random. Twelve bytes are what clients of the reference API expect.
    fn object_id(&mut self, now: Timestamp) -> [u8; 12] {
        let (seconds, millis) = (now.unix_seconds(), now.millis() % 1000);
        let at = uuid::Timestamp::from_unix(
            &self.order,
            seconds.unsigned_abs(),
            u32::try_from(millis).expect("a remainder of 1000") * 1_000_000,
        );
        let id = Uuid::new_v7(at).into_bytes();
        *id.first_chunk().expect("a UUID has 16 bytes")
    }

    fn random(&mut self) -> u128 {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).expect("the system has a random source");
        u128::from_ne_bytes(bits)
    }
}

/// A secret key for live mode: `sk_live_` and 256 random bits in hex.
pub fn live_key() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
        .iter()
        .fold("sk_live_".to_owned(), |key, byte| format!("{key}{byte:02x}"))
}

/// A name for one request in logs and replies.
pub fn request_id() -> String {
    let bits = REQUEST_BITS.with_borrow_mut(RandomBits::next);
    format!("req_{bits:016x}")
}

thread_local! {
    static REQUEST_BITS: RefCell<RandomBits> = const { RefCell::new(RandomBits { bytes: [0; 512], spent: 512 }) };
}

/// Random bits fetched some ahead, since asking the system takes longer than naming
/// the request. Not for secrets: bits to come lie in memory.
struct RandomBits {
    bytes: [u8; 512],
    spent: usize,
}

impl RandomBits {
    fn next(&mut self) -> u64 {
        if self.spent == self.bytes.len() {
            getrandom::fill(&mut self.bytes).expect("the system has a random source");
            self.spent = 0;
        }
        let bits = self.bytes[self.spent..]
            .first_chunk()
            .expect("a multiple of eight bytes");
        self.spent += bits.len();
        u64::from_ne_bytes(*bits)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_in_order_even_within_a_millisecond() {
        let mut entropy = SystemEntropy::new();
        let now = Timestamp::from_millis(1_782_123_300_007).unwrap();
        let ids: Vec<[u8; 12]> = (0..10_000).map(|_| entropy.object_id(now)).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn no_two_requests_have_the_same_name() {
        let names: HashSet<String> = (0..1_000).map(|_| request_id()).collect();
        assert_eq!(names.len(), 1_000);
        assert!(names.iter().all(|name| name.len() == "req_".len() + 16));
    }
}
