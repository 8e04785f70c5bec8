//! The rate limit of a key (contract section 1.10): a number of requests in a window of
//! 60 seconds, which begins with the first request.
//!
//! Windows follow the merchant's clock. When a sandbox merchant moves its clock forward,
//! its key's window ages by the same time, so that a test need not wait. No library's
//! limiter is used, because none lets a request move the clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

const WINDOW: Duration = Duration::from_mins(1);
/// The most windows at once. To make room for one more, the limiter drops the windows that
/// have ended. If none has ended, it drops all of them: memory stays bounded, and no key
/// loses a request that the limit allows.
const KEYS_MAX: usize = 10_000;

/// Counts the requests of every key, over all workers.
#[derive(Debug)]
pub struct RateLimiter {
    /// The requests in a window. 0 sets no limit.
    limit: AtomicU32,
    /// By the key's SHA-256 hash.
    windows: Mutex<HashMap<[u8; 32], Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    requests: u32,
}

/// The state of a key's window after one of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateState {
    limit: u32,
    remaining: u32,
    /// Seconds until the window ends, 1 to 60.
    pub(super) reset_seconds: u64,
    /// True if the request exceeds the limit.
    pub(super) is_exceeded: bool,
}

impl RateLimiter {
    /// Returns a limiter that allows `limit` requests in a window, or any number with `None`.
    pub fn new(limit: Option<u32>) -> Self {
        Self {
            limit: AtomicU32::new(limit.unwrap_or_default()),
            windows: Mutex::default(),
        }
    }

    /// Allows another number of requests from now on, also in the windows that have begun.
    pub fn set_limit(&self, limit: Option<u32>) {
        self.limit.store(limit.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Returns true if there is a limit.
    pub(super) fn is_on(&self) -> bool {
        self.limit.load(Ordering::Relaxed) > 0
    }

    /// Counts a request of the key with this hash and returns the state of its window, or
    /// `None` without a limit.
    pub(super) fn count(&self, key_hash: [u8; 32], now: Instant) -> Option<RateState> {
        let limit = Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)?;
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= KEYS_MAX && !windows.contains_key(&key_hash) {
            windows.retain(|_, window| !window.has_ended(now));
            if windows.len() >= KEYS_MAX {
                windows.clear();
            }
        }
        let new = Window {
            began: now,
            requests: 0,
        };
        let window = windows.entry(key_hash).or_insert(new);
        if window.has_ended(now) {
            *window = new;
        }
        window.requests = window.requests.saturating_add(1);
        let left = WINDOW.saturating_sub(window.age(now));
        Some(RateState {
            limit,
            remaining: limit.saturating_sub(window.requests),
            reset_seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0),
            is_exceeded: window.requests > limit,
        })
    }

    /// Moves the start of a key's window into the past by this much time.
    pub(super) fn advance(&self, key_hash: &[u8; 32], time: Duration) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get_mut(key_hash) {
            match window.began.checked_sub(time).filter(|_| time < WINDOW) {
                Some(began) => window.began = began,
                None => drop(windows.remove(key_hash)),
            }
        }
    }
}

impl Window {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    fn has_ended(&self, now: Instant) -> bool {
        self.age(now) >= WINDOW
    }
}

impl RateState {
    /// Writes the `RateLimit-Policy` and `RateLimit` headers of a reply.
    pub(super) fn write_headers(self, headers: &mut HeaderMap) {
        let Self {
            limit,
            remaining,
            reset_seconds,
            ..
        } = self;
        let texts = [
            (POLICY, format!("{limit};w={}", WINDOW.as_secs())),
            (
                STATE,
                format!("limit={limit}, remaining={remaining}, reset={reset_seconds}"),
            ),
        ];
        for (name, text) in texts {
            let text = HeaderValue::from_str(&text).expect("digits and ASCII punctuation");
            headers.insert(name, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [1; 32];

    #[test]
    fn a_window_of_a_minute_begins_with_the_first_request() {
        let limiter = RateLimiter::new(Some(10));
        let start = Instant::now();
        let at = |millis| limiter.count(KEY, start + Duration::from_millis(millis)).unwrap();
        let states: Vec<RateState> = (0..12).map(|second| at(second * 1000 + 1)).collect();
        let remaining: Vec<u32> = states.iter().map(|state| state.remaining).collect();
        assert_eq!(remaining, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]);
        assert_eq!(states.iter().filter(|state| state.is_exceeded).count(), 2);
        assert_eq!((states[0].reset_seconds, states[11].reset_seconds), (60, 49));
        let last_moment = at(60_000);
        assert_eq!((last_moment.reset_seconds, last_moment.is_exceeded), (1, true));
        let next_window = at(60_001);
        assert_eq!(
            (
                next_window.remaining,
                next_window.reset_seconds,
                next_window.is_exceeded
            ),
            (9, 60, false)
        );
    }

    #[test]
    fn a_limit_can_be_changed_and_taken_away() {
        let (limiter, now) = (RateLimiter::new(None), Instant::now());
        assert!(!limiter.is_on() && limiter.count(KEY, now).is_none());
        limiter.set_limit(Some(1));
        assert!(!limiter.count(KEY, now).unwrap().is_exceeded);
        assert!(limiter.count(KEY, now).unwrap().is_exceeded);
        limiter.set_limit(Some(3));
        assert!(!limiter.count(KEY, now).unwrap().is_exceeded, "the window goes on");
        limiter.set_limit(None);
        assert!(limiter.count(KEY, now).is_none());
    }

    #[test]
    fn each_key_has_its_own_window() {
        let limiter = RateLimiter::new(Some(1));
        let now = Instant::now();
        assert!(!limiter.count(KEY, now).unwrap().is_exceeded);
        assert!(!limiter.count([2; 32], now).unwrap().is_exceeded);
        assert!(limiter.count(KEY, now).unwrap().is_exceeded);
    }

    #[test]
    fn advancing_a_keys_time_moves_its_window() {
        let (limiter, now) = (RateLimiter::new(Some(1)), Instant::now());
        limiter.count(KEY, now).unwrap();
        limiter.advance(&KEY, Duration::from_secs(59));
        let exceeded = limiter.count(KEY, now).unwrap();
        assert!(exceeded.is_exceeded && exceeded.reset_seconds == 1, "{exceeded:?}");
        limiter.count([2; 32], now);
        for time in [Duration::from_secs(1), WINDOW, Duration::from_hours(87_600)] {
            limiter.advance(&KEY, time);
            assert!(!limiter.count(KEY, now).unwrap().is_exceeded, "{time:?}");
        }
        assert!(
            limiter.count([2; 32], now).unwrap().is_exceeded,
            "another key's window has not moved"
        );
        limiter.advance(&[3; 32], WINDOW);
    }

    #[test]
    fn windows_that_have_ended_are_dropped() {
        let limiter = RateLimiter::new(Some(1));
        let start = Instant::now();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        let held = |limiter: &RateLimiter| limiter.windows.lock().unwrap().len();
        for number in 0..KEYS_MAX {
            limiter.count(key(number), start).unwrap();
        }
        assert!(
            limiter.count(key(0), start).unwrap().is_exceeded,
            "a full table still counts"
        );
        let later = start + WINDOW;
        limiter.count(key(KEYS_MAX), later).unwrap();
        assert_eq!(held(&limiter), 1, "the windows that had ended are gone");
        for number in 0..2 * KEYS_MAX {
            limiter.count(key(number), later).unwrap();
            assert!(held(&limiter) <= KEYS_MAX);
        }
    }

    #[test]
    fn the_headers_are_those_of_the_contract() {
        let mut headers = HeaderMap::new();
        RateLimiter::new(Some(10))
            .count(KEY, Instant::now())
            .unwrap()
            .write_headers(&mut headers);
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "10;w=60");
        assert_eq!(headers.get("ratelimit").unwrap(), "limit=10, remaining=9, reset=60");
    }
}
