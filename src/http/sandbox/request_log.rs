//! The request log: the last requests of a sandbox with their replies, in memory.
//!
//! All keys share one log with two bounds, a number of requests and a number of bytes. To
//! make room for a new request, the log removes the oldest requests first.
//!
//! The log copies bodies. If it shared the server's buffer, that buffer would stay
//! allocated as long as the log keeps the request, and the server could not reuse it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::Method;

use crate::domain::ids::EventId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::http::sandbox::fault_book::FaultEffect;
use crate::store::WriteSummary;

/// The most bytes of one body that the log keeps.
const BODY_BYTES_MAX: usize = 65_536;

/// Bounds on the request log.
#[derive(Clone, Copy, Debug)]
pub struct RequestLogLimits {
    /// The most requests. With 0 the log is off.
    pub requests_max: usize,
    /// The most bytes of all requests together.
    pub bytes_max: usize,
}

/// A request and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedRequest {
    /// The request id, which the reply carries in `X-Request-Id`.
    pub(crate) id: String,
    /// SHA-256 of the request's key.
    pub(crate) key_hash: [u8; 32],
    pub(crate) method: Method,
    /// The path with the query.
    pub(crate) path: String,
    /// The `customer-id` header, if the request had one.
    pub(crate) customer: Option<String>,
    /// `None` if the server did not read the body.
    pub(crate) request_body: Option<RecordedBody>,
    /// The time on the system's clock, not on the merchant's.
    pub(crate) received_at: Timestamp,
    /// The reply's status.
    pub(crate) status: u16,
    /// Microseconds from the request's arrival to its reply.
    pub(crate) micros: u64,
    /// True if the reply is the stored reply of an earlier request with the same
    /// idempotency key.
    pub(crate) is_replay: bool,
    /// The effect of the fault that hit the request.
    pub(crate) fault: Option<FaultEffect>,
    pub(crate) reply_body: RecordedBody,
    /// The transfers and events of each of the request's commands, in order.
    pub(crate) write_summaries: Vec<WriteSummary>,
}

/// The beginning of a body, and the length of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedBody {
    /// At most the first 65,536 bytes.
    beginning: Box<[u8]>,
    /// Bytes of the whole body.
    pub(crate) bytes: usize,
}

/// The last requests of all keys.
#[derive(Debug)]
pub struct RequestLog {
    limits: RequestLogLimits,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// Oldest first. Readers clone the pointers and release the lock before they copy any
    /// text.
    requests: VecDeque<Arc<RecordedRequest>>,
    /// The sum of [`RecordedRequest::memory_bytes`].
    bytes: usize,
    /// The number of requests ever added. It is the number of the newest one.
    added: i64,
}

impl RequestLog {
    /// Returns an empty log with these bounds.
    pub fn new(limits: RequestLogLimits) -> Self {
        Self {
            limits,
            entries: Mutex::default(),
        }
    }

    /// Returns the number of requests that the log may hold.
    pub(crate) const fn requests_max(&self) -> usize {
        self.limits.requests_max
    }

    /// Returns true if the log keeps no requests.
    pub(crate) const fn is_off(&self) -> bool {
        self.limits.requests_max == 0
    }

    /// Adds a request and removes the oldest requests until the log is within its bounds. A
    /// request larger than `bytes_max` removes all others and is then dropped itself.
    pub(crate) fn add(&self, request: RecordedRequest) {
        let RequestLogLimits {
            requests_max,
            bytes_max,
        } = self.limits;
        let request = Arc::new(request);
        let bytes = request.memory_bytes();
        let mut removed = None;
        let mut entries = self.entries();
        while entries.requests.len() >= requests_max || entries.bytes + bytes > bytes_max {
            let Some(oldest) = entries.requests.pop_front() else {
                return;
            };
            entries.bytes -= oldest.memory_bytes();
            removed.replace(oldest);
        }
        entries.bytes += bytes;
        entries.added += 1;
        entries.requests.push_back(request);
        drop(entries);
        // Mostly one request makes room for one. It is freed while other workers add theirs.
        drop(removed);
    }

    /// Returns the request with this id, if it came with this key.
    pub(crate) fn find(&self, key_hash: &[u8; 32], id: &str) -> Option<Arc<RecordedRequest>> {
        let entries = self.entries();
        let mut requests = entries.newest_first(key_hash);
        requests.find_map(|(_, request)| (request.id == id).then(|| Arc::clone(request)))
    }

    /// Returns a page of the requests that came with this key, newest first.
    pub(crate) fn page(&self, key_hash: &[u8; 32], request: PageRequest) -> Page<Arc<RecordedRequest>> {
        let entries = self.entries();
        let offset = usize::try_from(request.offset()).unwrap_or(usize::MAX);
        let up_to = |newest: i64| {
            entries
                .newest_first(key_hash)
                .filter(move |(number, _)| *number <= newest)
        };
        let rows = up_to(request.newest()).skip(offset).take(request.rows_read());
        let rows = rows.map(|(number, request)| (number, Arc::clone(request))).collect();
        let count = up_to(request.newest_counted()).count() as u64;
        Page::of(rows, count, request, |(number, _)| *number).map(|(_, request)| request)
    }

    /// Returns the number of the newest request that came with this key and is still kept, or 0.
    pub(crate) fn newest(&self, key_hash: &[u8; 32]) -> i64 {
        let entries = self.entries();
        let newest = entries.newest_first(key_hash).next();
        newest.map_or(0, |(number, _)| number)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Returns the requests of a key with their numbers.
    fn newest_first<'a>(&'a self, key_hash: &[u8; 32]) -> impl Iterator<Item = (i64, &'a Arc<RecordedRequest>)> {
        let numbers = std::iter::successors(Some(self.added), |number| Some(number - 1));
        let requests = numbers.zip(self.requests.iter().rev());
        requests.filter(move |(_, request)| request.key_hash == *key_hash)
    }
}

impl RecordedRequest {
    /// Returns the bytes of memory that the request takes: the struct and all that it
    /// owns.
    fn memory_bytes(&self) -> usize {
        let body_bytes = |body: &RecordedBody| body.beginning.len();
        let summary_bytes = |summary: &WriteSummary| summary.events.capacity() * size_of::<EventId>();
        size_of::<Self>()
            + self.id.capacity()
            + self.path.capacity()
            + self.customer.as_ref().map_or(0, String::capacity)
            + self.request_body.as_ref().map_or(0, body_bytes)
            + body_bytes(&self.reply_body)
            + self.write_summaries.capacity() * size_of::<WriteSummary>()
            + self.write_summaries.iter().map(summary_bytes).sum::<usize>()
    }
}

impl RecordedBody {
    /// Copies the beginning of a body. Does not check that it is text, since few recorded
    /// bodies are read.
    pub(crate) fn new(body: &[u8]) -> Self {
        Self {
            beginning: body[..body.len().min(BODY_BYTES_MAX)].into(),
            bytes: body.len(),
        }
    }

    /// Returns true if the body was longer than its recorded beginning.
    pub(crate) fn is_truncated(&self) -> bool {
        self.bytes > self.beginning.len()
    }

    /// Returns the beginning of the body. It leaves out a last character that is cut in
    /// two, and replaces bytes that are not UTF-8.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match str::from_utf8(&self.beginning) {
            Ok(text) => text.into(),
            Err(error) if error.error_len().is_none() && self.is_truncated() => {
                String::from_utf8_lossy(&self.beginning[..error.valid_up_to()])
            }
            Err(_) => String::from_utf8_lossy(&self.beginning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [1; 32];

    fn asked(number: u32, limit: u32) -> PageRequest {
        PageRequest::numbered(number, limit)
    }

    fn log(requests_max: usize, bytes_max: usize) -> RequestLog {
        RequestLog::new(RequestLogLimits {
            requests_max,
            bytes_max,
        })
    }

    fn request(key_hash: [u8; 32], id: &str, reply: &[u8]) -> RecordedRequest {
        RecordedRequest {
            id: id.to_owned(),
            key_hash,
            method: Method::GET,
            path: "/v1/wallet".to_owned(),
            customer: None,
            request_body: None,
            received_at: Timestamp::EPOCH,
            status: 200,
            micros: 1,
            is_replay: false,
            fault: None,
            reply_body: RecordedBody::new(reply),
            write_summaries: Vec::new(),
        }
    }

    fn add(log: &RequestLog, id: &str, reply: &[u8]) {
        log.add(request(KEY, id, reply));
    }

    fn has(log: &RequestLog, id: &str) -> bool {
        log.find(&KEY, id).is_some()
    }

    fn bytes_of(log: &RequestLog) -> usize {
        log.entries().bytes
    }

    #[test]
    fn the_oldest_request_is_removed_when_there_are_too_many() {
        let log = log(3, usize::MAX);
        let ids = ["a", "b", "c", "d", "e"];
        for id in ids {
            add(&log, id, b"{}");
        }
        assert_eq!(ids.map(|id| has(&log, id)), [false, false, true, true, true]);
        assert_eq!(bytes_of(&log), 3 * request(KEY, "a", b"{}").memory_bytes());
    }

    #[test]
    fn the_oldest_requests_are_removed_when_they_take_too_many_bytes() {
        let small = request(KEY, "a", b"{}").memory_bytes();
        let log = log(1_000, 4 * small);
        for id in ["a", "b", "c"] {
            add(&log, id, b"{}");
        }
        add(&log, "d", &vec![b'x'; 2 + small]);
        assert_eq!(["a", "b", "c", "d"].map(|id| has(&log, id)), [false, true, true, true]);
        assert_eq!(log.find(&KEY, "d").unwrap().reply_body.text(), "x".repeat(2 + small));
        assert_eq!(bytes_of(&log), 4 * small);
        // A request larger than the whole log removes all others and is dropped itself.
        add(&log, "e", &vec![b'x'; 4 * small]);
        assert_eq!((has(&log, "e"), bytes_of(&log)), (false, 0));
        add(&log, "f", b"{}");
        assert!(has(&log, "f"));
    }

    #[test]
    fn the_bytes_of_a_request_include_all_that_it_owns() {
        let bare = request(KEY, "a", b"{}");
        let full = RecordedRequest {
            customer: Some("ada".to_owned()),
            request_body: Some(RecordedBody::new(b"{\"amount\":5}")),
            write_summaries: vec![WriteSummary {
                transfers: Some(1..=2),
                events: vec![EventId::new(1, 2)],
                ..WriteSummary::default()
            }],
            ..bare.clone()
        };
        let added = 3 + 12 + size_of::<WriteSummary>() + size_of::<EventId>();
        assert_eq!(full.memory_bytes(), bare.memory_bytes() + added);
    }

    #[test]
    fn the_log_stays_within_its_bytes_however_many_requests_come() {
        let log = log(1_000, 5_000);
        for number in 0..500_usize {
            add(&log, &number.to_string(), &vec![b'x'; number % 40]);
            let entries = log.entries();
            let sum: usize = entries.requests.iter().map(|request| request.memory_bytes()).sum();
            assert_eq!(entries.bytes, sum);
            assert!(sum <= 5_000, "{sum}");
        }
        let page = log.page(&KEY, asked(1, 100));
        assert!(page.count > 5, "{}", page.count);
        for (number, request) in (0..500_usize).rev().zip(page.rows) {
            assert_eq!(request.id, number.to_string());
            assert_eq!(request.reply_body.text().len(), number % 40);
        }
    }

    #[test]
    fn each_key_sees_its_own_requests_newest_first() {
        let log = log(10, usize::MAX);
        for id in ["a", "b", "c"] {
            add(&log, id, b"{}");
        }
        log.add(request([2; 32], "d", b"{}"));
        assert!(!has(&log, "d"));
        assert!(log.find(&[2; 32], "d").is_some());
        let page = log.page(&KEY, asked(1, 2));
        let ids: Vec<&str> = page.rows.iter().map(|request| request.id.as_str()).collect();
        assert_eq!((ids, page.count), (vec!["c", "b"], 3));
        let rest = log.page(&KEY, asked(2, 2));
        assert_eq!(rest.rows[0].id, "a");
        let beyond = asked(u32::MAX, 2);
        assert_eq!(log.page(&KEY, beyond).rows.len(), 0);
    }

    #[test]
    fn a_log_that_is_off_keeps_no_request() {
        let log = log(0, usize::MAX);
        add(&log, "a", b"{}");
        assert!(log.is_off() && !has(&log, "a"));
    }

    #[test]
    fn a_long_body_is_cut_between_two_characters() {
        for bytes in [BODY_BYTES_MAX, BODY_BYTES_MAX + 1] {
            let body = RecordedBody::new(&vec![b'x'; bytes]);
            assert_eq!((body.text().len(), body.bytes), (BODY_BYTES_MAX, bytes));
        }
        for (letter, shift, length) in [("é", 0, 65_536), ("é", 1, 65_535), ("😀", 1, 65_533), ("😀", 3, 65_535)]
        {
            let body = "x".repeat(shift) + &letter.repeat(40_000);
            let recorded = RecordedBody::new(body.as_bytes());
            assert_eq!(recorded.text(), body[..length], "{letter} {shift}");
            assert_eq!(recorded.bytes, body.len());
        }
    }
}
