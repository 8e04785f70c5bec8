//! The only place that makes ids and randomness.

use std::cell::RefCell;

use crate::domain::ids::{self, Entropy};
use crate::domain::time::Timestamp;

/// Numbers in time order and bits from the system's cryptographic source.
#[derive(Debug, Default)]
pub struct SystemEntropy {
    newest: i64,
}

impl SystemEntropy {
    /// A source that has given out nothing yet.
    pub const fn new() -> Self {
        Self { newest: 0 }
    }
}

impl Entropy for SystemEntropy {
    fn number(&mut self, now: Timestamp) -> i64 {
        self.newest = ids::number_after(self.newest, now);
        self.newest
    }

    fn start_after(&mut self, number: i64) {
        self.newest = self.newest.max(number);
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
    fn numbers_go_on_where_an_earlier_process_ended() {
        let now = Timestamp::from_millis(1_782_123_300_007).unwrap();
        let mut entropy = SystemEntropy::new();
        let first = entropy.number(now);
        let mut next = SystemEntropy::new();
        next.start_after(first);
        assert!(next.number(now) > first);
    }

    #[test]
    fn no_two_requests_have_the_same_name() {
        let names: HashSet<String> = (0..1_000).map(|_| request_id()).collect();
        assert_eq!(names.len(), 1_000);
        assert!(names.iter().all(|name| name.len() == "req_".len() + 16));
    }
}
