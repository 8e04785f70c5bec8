//! The only place that makes ids and randomness.

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
    let mut bits = [0; 8];
    getrandom::fill(&mut bits).expect("the system has a random source");
    format!("req_{:016x}", u64::from_ne_bytes(bits))
}

#[cfg(test)]
mod tests {
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
}
