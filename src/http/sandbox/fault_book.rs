//! The fault book: the faults that merchants have set, in memory.
//!
//! A fault belongs to the key that set it. It makes a number of that key's next requests
//! fail or wait, so that developers can test how their client handles failures.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use sha2::{Digest, Sha256};

use crate::domain::ids::CustomerId;
use crate::domain::refusal::Refusal;
use crate::http::sandbox::route_pattern::RoutePattern;

/// The most faults of one key at once.
const FAULTS_PER_KEY_MAX: usize = 100;
/// The most keys with faults at once. To make room for one more, the book drops the faults
/// of the key that set its last fault longest ago. The key probably belongs to a test run
/// that ended without clearing its faults.
const KEYS_MAX: usize = 1_000;

/// The fault that a merchant asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultRequest {
    /// Limits the fault to these routes. `None` means all routes.
    pub(crate) route: Option<RoutePattern>,
    /// Limits the fault to requests of this customer. `None` means all requests.
    pub(crate) customer: Option<CustomerId>,
    /// The number of requests to hit.
    pub(crate) times: u32,
    /// Hits some of the requests. `None` hits each.
    pub(crate) chance: Option<Chance>,
    pub(crate) effect: FaultEffect,
}

/// The share of requests that a fault hits. The seed decides which: the same seed hits the
/// same requests, counted from the fault's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chance {
    /// From 1 to 100.
    pub(crate) percent: i64,
    pub(crate) seed: u64,
}

/// The effect of a fault on a request that it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FaultEffect {
    /// The wait before the server does anything else.
    pub(crate) delay: Option<Duration>,
    pub(crate) ending: FaultEnding,
}

/// The end of a request that a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultEnding {
    /// The server runs the request and replies as usual.
    Normal,
    /// The server does not run the request and replies with this status.
    Status(StatusCode),
    /// The server does not run the request and replies as while the first request with the
    /// same idempotency key is in flight.
    InFlight,
    /// The server runs the request, then closes the connection without a reply.
    CutAfterCommit,
}

/// A fault with requests left to hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Greater than the ids of all faults before it.
    pub(crate) id: u64,
    pub(crate) request: FaultRequest,
    /// The number of requests left to hit, which is never 0.
    pub(crate) remaining: u32,
    /// The number of requests that it could have hit.
    pub(crate) seen: u64,
}

/// The parts of an incoming request that decide which fault hits it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IncomingRequest<'a> {
    pub(crate) method: &'a str,
    /// Without the query.
    pub(crate) path: &'a str,
    /// The `customer-id` header.
    pub(crate) customer: Option<&'a str>,
}

/// The faults of every key. All workers share one book.
#[derive(Debug, Default)]
pub struct FaultBook {
    /// The number of faults, readable without the lock. It is nearly always 0, so most
    /// requests only load it.
    count: AtomicUsize,
    faults: Mutex<Faults>,
    /// The routes that a fault may name, by method and path.
    routes: Vec<(String, &'static str)>,
}

#[derive(Debug, Default)]
struct Faults {
    /// By the key's SHA-256 hash, oldest first. No list is empty.
    by_key: HashMap<[u8; 32], Vec<Fault>>,
    newest_id: u64,
}

impl FaultBook {
    /// Returns a book without faults. `routes` are those that a fault may name.
    pub fn new(routes: Vec<(String, &'static str)>) -> Self {
        Self {
            routes,
            ..Self::default()
        }
    }

    /// Returns the routes that a fault may name, by method and path.
    pub(crate) fn routes(&self) -> &[(String, &'static str)] {
        &self.routes
    }

    /// Adds a fault for this key.
    ///
    /// # Errors
    ///
    /// Returns [`Refusal::TooManyFaults`] if the key already has the most faults.
    pub(crate) fn set(&self, key_hash: [u8; 32], request: FaultRequest) -> Result<Fault, Refusal> {
        let mut faults = self.faults();
        if faults.of(&key_hash).len() >= FAULTS_PER_KEY_MAX {
            return Err(Refusal::TooManyFaults {
                max: FAULTS_PER_KEY_MAX,
            });
        }
        if faults.by_key.len() >= KEYS_MAX && !faults.by_key.contains_key(&key_hash) {
            self.drop_stalest_key(&mut faults);
        }
        faults.newest_id += 1;
        let fault = Fault {
            id: faults.newest_id,
            remaining: request.times,
            seen: 0,
            request,
        };
        faults.by_key.entry(key_hash).or_default().push(fault.clone());
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(fault)
    }

    /// Returns this key's faults, oldest first.
    pub(crate) fn list(&self, key_hash: &[u8; 32]) -> Vec<Fault> {
        self.faults().of(key_hash).to_vec()
    }

    /// Removes this key's faults and returns their number.
    pub(crate) fn clear(&self, key_hash: &[u8; 32]) -> usize {
        self.remove_key(&mut self.faults(), key_hash)
    }

    /// Returns true if any key has a fault.
    pub(crate) fn has_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Returns the effect of the key's oldest fault that applies to this request, and
    /// counts the request against that fault. A fault hits exactly as many requests as its
    /// merchant asked for, even if more arrive at once.
    pub(crate) fn hit(&self, key_hash: &[u8; 32], request: IncomingRequest<'_>) -> Option<FaultEffect> {
        let mut faults = self.faults();
        let of_key = faults.by_key.get_mut(key_hash)?;
        let index = of_key.iter_mut().position(|fault| fault.would_hit(request))?;
        let fault = &mut of_key[index];
        let effect = fault.request.effect;
        fault.remaining -= 1;
        if fault.remaining == 0 {
            of_key.remove(index);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        if of_key.is_empty() {
            faults.by_key.remove(key_hash);
        }
        Some(effect)
    }

    fn drop_stalest_key(&self, faults: &mut Faults) {
        let newest_id = |of_key: &[Fault]| of_key.last().map(|fault| fault.id);
        let stalest = faults.by_key.iter().min_by_key(|(_, of_key)| newest_id(of_key));
        if let Some(key_hash) = stalest.map(|(key_hash, _)| *key_hash) {
            self.remove_key(faults, &key_hash);
        }
    }

    fn remove_key(&self, faults: &mut Faults, key_hash: &[u8; 32]) -> usize {
        let removed = faults.by_key.remove(key_hash).map_or(0, |of_key| of_key.len());
        self.count.fetch_sub(removed, Ordering::Relaxed);
        removed
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    fn of(&self, key_hash: &[u8; 32]) -> &[Fault] {
        self.by_key.get(key_hash).map_or(&[], Vec::as_slice)
    }
}

impl Chance {
    /// Returns true if the fault hits the request with this number, counted from 0.
    fn hits(self, number: u64) -> bool {
        let drawn = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(number.to_be_bytes())
            .finalize();
        let (first, _) = drawn.split_at(size_of::<u64>());
        let drawn = first.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
        drawn % 100 < self.percent.unsigned_abs()
    }
}

impl Fault {
    /// Returns true if the fault hits this request, and counts the request if it could.
    fn would_hit(&mut self, request: IncomingRequest<'_>) -> bool {
        if !self.request.applies_to(request) {
            return false;
        }
        let number = self.seen;
        self.seen += 1;
        self.request.chance.is_none_or(|chance| chance.hits(number))
    }
}

impl FaultRequest {
    fn applies_to(&self, request: IncomingRequest<'_>) -> bool {
        let is_customer = |customer: &CustomerId| request.customer == Some(customer.as_str());
        let is_route = |route: &RoutePattern| route.matches(request.method, request.path);
        self.customer.as_ref().is_none_or(is_customer) && self.route.as_ref().is_none_or(is_route)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const KEY: [u8; 32] = [1; 32];
    const PAY: IncomingRequest<'static> = IncomingRequest {
        method: "POST",
        path: "/v1/payment/escrow",
        customer: Some("ben"),
    };

    fn fault(times: u32, status: u16) -> FaultRequest {
        FaultRequest {
            route: None,
            customer: None,
            times,
            chance: None,
            effect: FaultEffect {
                delay: None,
                ending: FaultEnding::Status(StatusCode::from_u16(status).unwrap()),
            },
        }
    }

    fn status(effect: Option<FaultEffect>) -> Option<u16> {
        match effect?.ending {
            FaultEnding::Status(status) => Some(status.as_u16()),
            FaultEnding::Normal | FaultEnding::InFlight | FaultEnding::CutAfterCommit => None,
        }
    }

    #[test]
    fn a_chance_hits_the_same_requests_for_the_same_seed() {
        let drawn = |percent, seed| -> Vec<bool> {
            let chance = Chance { percent, seed };
            (0..1_000).map(|number| chance.hits(number)).collect()
        };
        let hits = |percent, seed| drawn(percent, seed).iter().filter(|&&hit| hit).count();
        assert_eq!(drawn(30, 7), drawn(30, 7));
        assert_ne!(drawn(30, 7), drawn(30, 8));
        for seed in 0..5 {
            assert!((250..350).contains(&hits(30, seed)), "{}", hits(30, seed));
        }
        assert_eq!((hits(100, 1), hits(1, 1) < 50), (1_000, true));
    }

    #[test]
    fn a_request_that_a_random_fault_misses_may_be_hit_by_the_next_fault() {
        let book = FaultBook::default();
        let random = FaultRequest {
            chance: Some(Chance { percent: 50, seed: 1 }),
            ..fault(1_000, 500)
        };
        book.set(KEY, random).unwrap();
        book.set(KEY, fault(1_000, 503)).unwrap();
        let mut hits = [0, 0];
        for _ in 0..100 {
            match status(book.hit(&KEY, PAY)) {
                Some(500) => hits[0] += 1,
                Some(503) => hits[1] += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(hits[0] > 30 && hits[1] > 30, "{hits:?}");
        let faults = book.list(&KEY);
        assert_eq!((faults[0].remaining, faults[0].seen), (1_000 - hits[0], 100));
    }

    #[test]
    fn the_oldest_fault_that_applies_is_used_up_first() {
        let book = FaultBook::default();
        let for_ada = FaultRequest {
            customer: CustomerId::parse("ada"),
            ..fault(1, 500)
        };
        book.set(KEY, for_ada).unwrap();
        let second = book.set(KEY, fault(2, 503)).unwrap();
        book.set(KEY, fault(1, 429)).unwrap();
        assert_eq!(status(book.hit(&KEY, PAY)), Some(503));
        let used = Fault {
            remaining: 1,
            seen: 1,
            ..second
        };
        assert_eq!(book.list(&KEY)[1], used);
        assert_eq!(status(book.hit(&KEY, PAY)), Some(503));
        assert_eq!(status(book.hit(&KEY, PAY)), Some(429));
        assert_eq!(book.hit(&KEY, PAY), None, "the fault that is left is for ada");
        assert!(book.has_any());
        let of_ada = IncomingRequest {
            customer: Some("ada"),
            ..PAY
        };
        assert_eq!(status(book.hit(&KEY, of_ada)), Some(500));
        assert!(!book.has_any());
        assert_eq!(book.list(&KEY), []);
    }

    #[test]
    fn a_fault_for_a_route_hits_no_other() {
        let routes = [("POST".to_owned(), "/v1/payment/escrow")];
        let book = FaultBook::default();
        let of_route = FaultRequest {
            route: RoutePattern::parse("POST /v1/payment/escrow", &routes),
            ..fault(2, 503)
        };
        book.set(KEY, of_route).unwrap();
        assert_eq!(book.hit(&KEY, IncomingRequest { method: "GET", ..PAY }), None);
        let topup = IncomingRequest {
            path: "/v1/payment/topup",
            ..PAY
        };
        assert_eq!(book.hit(&KEY, topup), None);
        assert_eq!(status(book.hit(&KEY, PAY)), Some(503));
    }

    #[test]
    fn a_fault_hits_its_number_of_requests_however_many_come_at_once() {
        let book = FaultBook::default();
        book.set(KEY, fault(700, 503)).unwrap();
        let hits: usize = thread::scope(|scope| {
            let count = || (0..500).filter(|_| book.hit(&KEY, PAY).is_some()).count();
            let running: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(hits, 700);
        assert!(!book.has_any());
    }

    #[test]
    fn each_key_has_its_own_faults() {
        let book = FaultBook::default();
        book.set(KEY, fault(1, 503)).unwrap();
        book.set([2; 32], fault(1, 500)).unwrap();
        assert_eq!(book.clear(&KEY), 1);
        assert_eq!(book.hit(&KEY, PAY), None);
        assert_eq!(status(book.hit(&[2; 32], PAY)), Some(500));
    }

    #[test]
    fn a_key_has_no_more_than_its_bound() {
        let book = FaultBook::default();
        for _ in 0..FAULTS_PER_KEY_MAX {
            book.set(KEY, fault(1, 503)).unwrap();
        }
        let refused = Refusal::TooManyFaults {
            max: FAULTS_PER_KEY_MAX,
        };
        assert_eq!(book.set(KEY, fault(1, 503)), Err(refused));
        book.hit(&KEY, PAY).unwrap();
        assert!(
            book.set(KEY, fault(1, 503)).is_ok(),
            "a fault that is used up makes room"
        );
    }

    #[test]
    fn with_too_many_keys_the_stalest_loses_its_faults() {
        let book = FaultBook::default();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        for number in 0..KEYS_MAX {
            book.set(key(number), fault(1, 503)).unwrap();
        }
        book.set(key(0), fault(1, 503)).unwrap();
        book.set(key(KEYS_MAX), fault(1, 503)).unwrap();
        assert_eq!(book.list(&key(0)).len(), 2, "key 0 set its last fault recently");
        assert_eq!(book.list(&key(1)), [], "key 1 set its last fault longest ago");
        assert_eq!(book.faults().by_key.len(), KEYS_MAX);
        assert_eq!(book.count.load(Ordering::Relaxed), KEYS_MAX + 1);
    }
}
