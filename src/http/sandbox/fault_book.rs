//! The faults that are set, in memory: which key's, what they hit, how often yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;

use crate::domain::ids::CustomerId;
use crate::domain::refusal::Refusal;
use crate::http::sandbox::route_pattern::RoutePattern;

/// Most faults of one key at once.
const FAULTS_PER_KEY_MAX: usize = 100;
/// Keys that may have faults at once. With one more, the key that set its last fault
/// longest ago loses its own: a test run that ended without clearing them.
const KEYS_MAX: usize = 1_000;

/// What a merchant asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultRequest {
    /// The routes it hits; all of them when left out.
    pub(crate) route: Option<RoutePattern>,
    /// Whose requests it hits; everybody's when left out.
    pub(crate) customer: Option<CustomerId>,
    /// How many requests it hits.
    pub(crate) times: u32,
    /// What becomes of them.
    pub(crate) effect: Effect,
}

/// What becomes of a request that a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// How long it waits before anything else happens.
    pub(crate) delay: Option<Duration>,
    /// How it ends.
    pub(crate) end: FaultEnding,
}

/// How a request that a fault hits ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultEnding {
    /// As ever.
    AsEver,
    /// It is not run, and answered with this status.
    Status(StatusCode),
    /// It is run, and the connection is closed in place of a reply.
    CutAfterCommit,
}

/// A fault that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Greater than those of all faults before it.
    pub(crate) id: u64,
    /// What was asked for.
    pub(crate) draft: FaultRequest,
    /// How many requests it has yet to hit; never 0.
    pub(crate) remaining: u32,
}

/// What a fault looks at in a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestFacts<'a> {
    /// Its method.
    pub(crate) method: &'a str,
    /// Its path, without the query.
    pub(crate) path: &'a str,
    /// The customer it names.
    pub(crate) customer: Option<&'a str>,
}

/// The faults of every key, over all workers.
#[derive(Debug, Default)]
pub struct FaultBook {
    /// How many are set, to be read without the lock: where there are none, as nearly
    /// always, a request pays for one load.
    set: AtomicUsize,
    pages: Mutex<Pages>,
}

/// The faults of each key, by its SHA-256 hash, oldest first; no list is empty.
#[derive(Debug, Default)]
struct Pages {
    by_key: HashMap<[u8; 32], Vec<Fault>>,
    newest_id: u64,
}

impl FaultBook {
    /// Sets a fault of this key.
    pub(crate) fn set(&self, key_hash: [u8; 32], draft: FaultRequest) -> Result<Fault, Refusal> {
        let mut pages = self.pages();
        if pages.of(&key_hash).len() >= FAULTS_PER_KEY_MAX {
            return Err(Refusal::TooManyFaults {
                max: FAULTS_PER_KEY_MAX,
            });
        }
        if pages.by_key.len() >= KEYS_MAX && !pages.by_key.contains_key(&key_hash) {
            self.forget_longest_untouched(&mut pages);
        }
        pages.newest_id += 1;
        let fault = Fault {
            id: pages.newest_id,
            remaining: draft.times,
            draft,
        };
        pages.by_key.entry(key_hash).or_default().push(fault.clone());
        self.set.fetch_add(1, Ordering::Relaxed);
        Ok(fault)
    }

    /// The faults of this key, oldest first.
    pub(crate) fn list(&self, key_hash: &[u8; 32]) -> Vec<Fault> {
        self.pages().of(key_hash).to_vec()
    }

    /// Removes the faults of this key and answers how many there were.
    pub(crate) fn clear(&self, key_hash: &[u8; 32]) -> usize {
        let mut pages = self.pages();
        let cleared = pages.by_key.remove(key_hash).map_or(0, |faults| faults.len());
        self.set.fetch_sub(cleared, Ordering::Relaxed);
        cleared
    }

    /// Whether any key has a fault.
    pub(crate) fn has_any(&self) -> bool {
        self.set.load(Ordering::Relaxed) > 0
    }

    /// What the oldest fault of this key that is for such requests does to this one.
    /// The request counts: of however many come at once, as many are hit as were
    /// asked for.
    pub(crate) fn hit(&self, key_hash: &[u8; 32], asked: RequestFacts<'_>) -> Option<Effect> {
        let mut pages = self.pages();
        let faults = pages.by_key.get_mut(key_hash)?;
        let place = faults.iter().position(|fault| fault.draft.is_for(asked))?;
        let fault = &mut faults[place];
        let effect = fault.draft.effect;
        fault.remaining -= 1;
        if fault.remaining == 0 {
            faults.remove(place);
            self.set.fetch_sub(1, Ordering::Relaxed);
        }
        if faults.is_empty() {
            pages.by_key.remove(key_hash);
        }
        Some(effect)
    }

    fn forget_longest_untouched(&self, pages: &mut Pages) {
        let touched = |faults: &[Fault]| faults.last().map(|fault| fault.id);
        let oldest = pages.by_key.iter().min_by_key(|(_, faults)| touched(faults));
        if let Some(key_hash) = oldest.map(|(key_hash, _)| *key_hash) {
            let forgotten = pages.by_key.remove(&key_hash).map_or(0, |faults| faults.len());
            self.set.fetch_sub(forgotten, Ordering::Relaxed);
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn of(&self, key_hash: &[u8; 32]) -> &[Fault] {
        self.by_key.get(key_hash).map_or(&[], Vec::as_slice)
    }
}

impl FaultRequest {
    fn is_for(&self, asked: RequestFacts<'_>) -> bool {
        let is_route = |route: &RoutePattern| route.fits(asked.method, asked.path);
        let is_customer = |customer: &CustomerId| asked.customer == Some(customer.as_str());
        self.route.as_ref().is_none_or(is_route) && self.customer.as_ref().is_none_or(is_customer)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const KEY: [u8; 32] = [1; 32];
    const PAY: RequestFacts<'static> = RequestFacts {
        method: "POST",
        path: "/v1/payment/escrow",
        customer: Some("ben"),
    };

    fn draft(times: u32, status: u16) -> FaultRequest {
        FaultRequest {
            route: None,
            customer: None,
            times,
            effect: Effect {
                delay: None,
                end: FaultEnding::Status(StatusCode::from_u16(status).unwrap()),
            },
        }
    }

    fn status(effect: Option<Effect>) -> Option<u16> {
        match effect?.end {
            FaultEnding::Status(status) => Some(status.as_u16()),
            FaultEnding::AsEver | FaultEnding::CutAfterCommit => None,
        }
    }

    #[test]
    fn the_oldest_fault_that_fits_is_used_up_first() {
        let book = FaultBook::default();
        let for_ada = FaultRequest {
            customer: CustomerId::parse("ada"),
            ..draft(1, 500)
        };
        book.set(KEY, for_ada).unwrap();
        let second = book.set(KEY, draft(2, 503)).unwrap();
        book.set(KEY, draft(1, 429)).unwrap();
        assert_eq!(status(book.hit(&KEY, PAY)), Some(503));
        assert_eq!(book.list(&KEY)[1], Fault { remaining: 1, ..second });
        assert_eq!(status(book.hit(&KEY, PAY)), Some(503));
        assert_eq!(status(book.hit(&KEY, PAY)), Some(429));
        assert_eq!(book.hit(&KEY, PAY), None, "what is left is for ada");
        assert!(book.has_any());
        let of_ada = RequestFacts {
            customer: Some("ada"),
            ..PAY
        };
        assert_eq!(status(book.hit(&KEY, of_ada)), Some(500));
        assert!(!book.has_any());
        assert_eq!(book.list(&KEY), []);
    }

    #[test]
    fn a_fault_of_a_route_hits_no_other() {
        let routes = [("POST".to_owned(), "/v1/payment/escrow")];
        let book = FaultBook::default();
        let of_route = FaultRequest {
            route: RoutePattern::parse("POST /v1/payment/escrow", &routes),
            ..draft(2, 503)
        };
        book.set(KEY, of_route).unwrap();
        assert_eq!(book.hit(&KEY, RequestFacts { method: "GET", ..PAY }), None);
        let topup = RequestFacts {
            path: "/v1/payment/topup",
            ..PAY
        };
        assert_eq!(book.hit(&KEY, topup), None);
        assert_eq!(status(book.hit(&KEY, PAY)), Some(503));
    }

    #[test]
    fn as_many_are_hit_as_were_asked_for_however_many_come_at_once() {
        let book = FaultBook::default();
        book.set(KEY, draft(700, 503)).unwrap();
        let hits: usize = thread::scope(|scope| {
            let count = || (0..500).filter(|_| book.hit(&KEY, PAY).is_some()).count();
            let running: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(hits, 700);
        assert!(!book.has_any());
    }

    #[test]
    fn every_key_has_faults_of_its_own() {
        let book = FaultBook::default();
        book.set(KEY, draft(1, 503)).unwrap();
        book.set([2; 32], draft(1, 500)).unwrap();
        assert_eq!(book.clear(&KEY), 1);
        assert_eq!(book.hit(&KEY, PAY), None);
        assert_eq!(status(book.hit(&[2; 32], PAY)), Some(500));
    }

    #[test]
    fn a_key_has_no_more_than_its_bound() {
        let book = FaultBook::default();
        for _ in 0..FAULTS_PER_KEY_MAX {
            book.set(KEY, draft(1, 503)).unwrap();
        }
        let refused = Refusal::TooManyFaults {
            max: FAULTS_PER_KEY_MAX,
        };
        assert_eq!(book.set(KEY, draft(1, 503)), Err(refused));
        book.hit(&KEY, PAY).unwrap();
        assert!(book.set(KEY, draft(1, 503)).is_ok(), "there is room again");
    }

    #[test]
    fn of_too_many_keys_the_one_longest_untouched_is_forgotten() {
        let book = FaultBook::default();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        for number in 0..KEYS_MAX {
            book.set(key(number), draft(1, 503)).unwrap();
        }
        book.set(key(0), draft(1, 503)).unwrap();
        book.set(key(KEYS_MAX), draft(1, 503)).unwrap();
        assert_eq!(book.list(&key(0)).len(), 2, "touched a moment ago");
        assert_eq!(book.list(&key(1)), [], "forgotten");
        assert_eq!(book.pages().by_key.len(), KEYS_MAX);
        assert_eq!(book.set.load(Ordering::Relaxed), KEYS_MAX + 1);
    }
}
