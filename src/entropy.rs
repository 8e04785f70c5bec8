//! Ids and random bits. No other file of the program uses the system's random source.

use std::cell::RefCell;
use std::fmt;

use crate::domain::ids::{self, Entropy};
use crate::domain::merchant::key::LIVE_KEY_PREFIX;
use crate::domain::time::Timestamp;
use crate::domain::treasury::operator::KEY_PREFIX;

/// Generates numbers in time order, and random bits from the system's cryptographic source.
#[derive(Debug, Default)]
pub struct SystemEntropy {
    newest: i64,
    bits: RandomBits,
}

impl SystemEntropy {
    /// Returns a source that has generated nothing yet.
    pub const fn new() -> Self {
        Self {
            newest: 0,
            bits: RandomBits::empty(),
        }
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

    fn newest(&self) -> i64 {
        self.newest
    }

    fn random(&mut self) -> u128 {
        self.bits.next()
    }
}

/// Generates a merchant's secret key for live mode: `sk_live_` and 256 random bits in hex.
pub fn live_key() -> String {
    key(LIVE_KEY_PREFIX)
}

/// Generates the secret that signs a live merchant's events: `sign_live_` and 256 random bits
/// in hex.
pub fn signing_secret() -> String {
    key("sign_live_")
}

/// Generates an operator's secret key: `op_live_` and 256 random bits in hex.
pub fn operator_key() -> String {
    key(KEY_PREFIX)
}

/// Generates the value of a session of the pages: 256 random bits in hex.
pub fn session_value() -> String {
    key("")
}

fn key(prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(secret_bytes()))
}

/// Generates 256 random bits for a secret that this process keeps in memory.
pub fn secret_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}

/// Generates `COUNT` random decimal digits. Not for secrets: a digit is a byte modulo 10, so 0 to 5
/// are slightly more frequent.
pub fn digits<const COUNT: usize>() -> String {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes.iter().map(|byte| char::from(b'0' + byte % 10)).collect()
}

/// Generates the id of a request: `req_` and a random UUID without hyphens.
pub fn request_id() -> String {
    let bits = REQUEST_BITS.with_borrow_mut(RandomBits::next);
    let uuid = uuid::Builder::from_random_bytes(bits.to_ne_bytes()).into_uuid();
    format!("req_{}", uuid.simple())
}

thread_local! {
    static REQUEST_BITS: RefCell<RandomBits> = const { RefCell::new(RandomBits::empty()) };
}

/// A buffer of random bits. It reads 512 bytes at a time, since a system call takes longer
/// than the rest of generating an id.
struct RandomBits {
    bytes: [u8; 512],
    spent: usize,
}

impl RandomBits {
    const fn empty() -> Self {
        Self {
            bytes: [0; 512],
            spent: 512,
        }
    }

    fn next(&mut self) -> u128 {
        if self.spent == self.bytes.len() {
            getrandom::fill(&mut self.bytes).expect("the system has a random source");
            self.spent = 0;
        }
        let bits = self.bytes[self.spent..]
            .first_chunk()
            .expect("a multiple of sixteen bytes");
        self.spent += bits.len();
        u128::from_ne_bytes(*bits)
    }
}

impl Default for RandomBits {
    fn default() -> Self {
        Self::empty()
    }
}

/// Omits the bits, which are secret.
impl fmt::Debug for RandomBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomBits").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_continue_after_those_of_an_earlier_process() {
        let now = Timestamp::from_millis(1_782_123_300_007).unwrap();
        let mut entropy = SystemEntropy::new();
        let first = entropy.number(now);
        let mut next = SystemEntropy::new();
        next.start_after(first);
        assert!(next.number(now) > first);
    }

    #[test]
    fn no_two_requests_have_the_same_id() {
        let ids: HashSet<String> = (0..1_000).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == "req_".len() + 32));
    }
}
