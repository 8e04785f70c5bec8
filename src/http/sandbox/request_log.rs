//! The last requests of a sandbox, in memory: a ring over all keys and workers,
//! bounded in number and in bytes.
//!
//! To keep a request is to copy its texts behind those of the one before, and to let go
//! of one is to move on: nothing is allocated for it and nothing of it is shared, so
//! that buffers which the next request could use are not held back.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::http::Method;

use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::http::context::{RequestContext, SentBody};
use crate::http::sandbox::fault_book::Effect;
use crate::store::WriteSummary;

/// Bytes of a body that are kept.
const BODY_BYTES_MAX: usize = 65_536;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Most requests; with 0 none.
    pub requests_max: usize,
    /// Most bytes of all of them together.
    pub bytes_max: usize,
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// When it came, by the clock of the system.
    pub(crate) received_at: Timestamp,
    /// The status of the reply.
    pub(crate) status: u16,
    /// How long it took, in microseconds.
    pub(crate) micros: u64,
    /// Whether the reply was an earlier one's, under the same idempotency key.
    pub(crate) is_replay: bool,
    /// What a fault did to it.
    pub(crate) fault: Option<Effect>,
}

/// A request as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// Its name.
    pub(crate) id: String,
    /// Its method.
    pub(crate) method: Method,
    /// Its path with the query.
    pub(crate) path: String,
    /// The customer it named.
    pub(crate) customer: Option<String>,
    /// Its body, if one was read.
    pub(crate) sent: Option<Body>,
    /// The body of the reply.
    pub(crate) reply: Body,
    /// What its commands left behind.
    pub(crate) caused: Vec<WriteSummary>,
    /// How it was answered.
    pub(crate) answered: Answered,
}

/// A body as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// Its beginning, nearly always all of it.
    pub(crate) text: String,
    /// Bytes of the whole.
    pub(crate) bytes: usize,
}

/// The last requests of every key, in the order they were answered.
#[derive(Debug)]
pub struct RequestLog {
    kept: Kept,
    ring: Mutex<Ring>,
}

/// One record for each request, and beside them their texts, one behind the other.
#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<Record>,
    texts: VecDeque<u8>,
    /// Bytes of texts that were let go of.
    bytes_gone: usize,
}

/// What is kept of a request beside its texts.
#[derive(Debug)]
struct Record {
    key_hash: [u8; 32],
    method: Method,
    answered: Answered,
    caused: Vec<WriteSummary>,
    /// Bytes of texts before its own, with those that are gone.
    texts_begin: usize,
    /// Bytes of each of its texts, in the order of [`Texts`].
    lengths: [Option<usize>; 5],
    sent_bytes: usize,
    reply_bytes: usize,
}

/// Id, path, customer, request body and reply body.
type Texts<'a> = [Option<&'a [u8]>; 5];

impl RequestLog {
    /// Nothing yet, and never more than this.
    pub fn new(kept: Kept) -> Self {
        Self {
            kept,
            ring: Mutex::default(),
        }
    }

    /// Most requests that are kept.
    pub(crate) const fn requests_max(&self) -> usize {
        self.kept.requests_max
    }

    /// Whether none is kept.
    pub(crate) const fn is_off(&self) -> bool {
        self.kept.requests_max == 0
    }

    /// Keeps a request whose key is known and its reply, and lets go of the oldest for
    /// which there is no room then. One that is too large by itself is not kept.
    pub(crate) fn add(&self, call: &RequestContext, reply: &[u8], answered: Answered) {
        let Some(&key_hash) = call.key_hash.get() else {
            return;
        };
        let sent = call.body.get().map(SentBody::text);
        let texts: Texts<'_> = [
            Some(call.id.as_bytes()),
            Some(call.path_and_query().as_bytes()),
            call.customer.get().map(String::as_bytes),
            sent.as_deref().map(|sent| beginning(sent.as_bytes())),
            Some(beginning(reply)),
        ];
        let record = Record {
            key_hash,
            method: call.method.clone(),
            answered,
            caused: call.caused(),
            texts_begin: 0,
            lengths: texts.map(|text| text.map(<[u8]>::len)),
            sent_bytes: sent.as_deref().map_or(0, str::len),
            reply_bytes: reply.len(),
        };
        self.ring().add(record, texts, self.kept);
    }

    /// The request of this id, if it came with this key and is still kept.
    pub(crate) fn find(&self, key_hash: &[u8; 32], id: &str) -> Option<Remembered> {
        let ring = self.ring();
        let found = ring.newest_first(key_hash).find(|record| ring.is_named(record, id));
        found.map(|record| ring.remembered(record))
    }

    /// A page of what came with this key, newest first.
    pub(crate) fn page(&self, key_hash: &[u8; 32], request: PageRequest) -> Page<Remembered> {
        let ring = self.ring();
        let offset = usize::try_from(request.offset()).unwrap_or(usize::MAX);
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let rows = ring.newest_first(key_hash).skip(offset).take(limit);
        Page {
            rows: rows.map(|record| ring.remembered(record)).collect(),
            count: ring.newest_first(key_hash).count() as u64,
            request,
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn add(&mut self, record: Record, texts: Texts<'_>, kept: Kept) {
        let bytes = record.bytes();
        while self.records.len() >= kept.requests_max || self.bytes() + bytes > kept.bytes_max {
            if !self.forget_oldest() {
                return;
            }
        }
        for text in texts.into_iter().flatten() {
            self.texts.extend(text);
        }
        self.records.push_back(Record {
            texts_begin: self.bytes_gone + self.texts.len() - record.texts_bytes(),
            ..record
        });
    }

    /// Lets go of the oldest, if there is one.
    fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.records.pop_front() else {
            return false;
        };
        let bytes = oldest.texts_bytes();
        self.texts.drain(..bytes);
        self.bytes_gone += bytes;
        true
    }

    /// What is kept, without the memory for what is to come.
    fn bytes(&self) -> usize {
        self.texts.len() + self.records.len() * mem::size_of::<Record>()
    }

    fn newest_first<'a>(&'a self, key_hash: &[u8; 32]) -> impl Iterator<Item = &'a Record> {
        let records = self.records.iter().rev();
        records.filter(move |record| record.key_hash == *key_hash)
    }

    fn is_named(&self, record: &Record, id: &str) -> bool {
        let begin = record.texts_begin - self.bytes_gone;
        let length = record.lengths[0].unwrap_or_default();
        length == id.len() && self.texts.range(begin..begin + length).eq(id.as_bytes())
    }

    fn remembered(&self, record: &Record) -> Remembered {
        let mut begin = record.texts_begin - self.bytes_gone;
        let [id, path, customer, sent, reply] = record.lengths.map(|length| {
            let text: Vec<u8> = self.texts.range(begin..begin + length?).copied().collect();
            begin += text.len();
            Some(String::from_utf8_lossy(&text).into_owned())
        });
        let body = |text, bytes| Body { text, bytes };
        Remembered {
            id: id.unwrap_or_default(),
            method: record.method.clone(),
            path: path.unwrap_or_default(),
            customer,
            sent: sent.map(|text| body(text, record.sent_bytes)),
            reply: body(reply.unwrap_or_default(), record.reply_bytes),
            caused: record.caused.clone(),
            answered: record.answered,
        }
    }
}

impl Record {
    fn texts_bytes(&self) -> usize {
        self.lengths.iter().flatten().sum()
    }

    fn bytes(&self) -> usize {
        mem::size_of::<Self>() + self.texts_bytes()
    }
}

/// As much of a body as is kept, cut between two characters.
fn beginning(body: &[u8]) -> &[u8] {
    if body.len() <= BODY_BYTES_MAX {
        return body;
    }
    let is_inside = |&&byte: &&u8| byte & 0b1100_0000 == 0b1000_0000;
    let of_cut_character = body[..=BODY_BYTES_MAX].iter().rev().take_while(is_inside).count();
    &body[..BODY_BYTES_MAX - of_cut_character]
}

#[cfg(test)]
mod tests {
    use actix_web::dev::RequestHead;

    use super::*;

    const KEY: [u8; 32] = [1; 32];

    fn log(requests_max: usize, bytes_max: usize) -> RequestLog {
        RequestLog::new(Kept {
            requests_max,
            bytes_max,
        })
    }

    fn add(log: &RequestLog, key_hash: [u8; 32], reply: &[u8]) -> String {
        let call = RequestContext::new(&RequestHead::default());
        call.key_hash.get_or_init(|| key_hash);
        let answered = Answered {
            received_at: Timestamp::EPOCH,
            status: 200,
            micros: 1,
            is_replay: false,
            fault: None,
        };
        log.add(&call, reply, answered);
        call.id
    }

    fn is_kept(log: &RequestLog, id: &str) -> bool {
        log.find(&KEY, id).is_some()
    }

    /// What one request with this reply takes.
    fn bytes_of(reply: &[u8]) -> usize {
        let log = log(1, usize::MAX);
        add(&log, KEY, reply);
        log.ring().bytes()
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let log = log(3, usize::MAX);
        let ids: Vec<String> = (0..5).map(|_| add(&log, KEY, b"{}")).collect();
        let kept: Vec<bool> = ids.iter().map(|id| is_kept(&log, id)).collect();
        assert_eq!(kept, [false, false, true, true, true]);
        assert_eq!(log.ring().bytes(), 3 * bytes_of(b"{}"));
    }

    #[test]
    fn the_oldest_go_when_they_take_too_much() {
        let small = bytes_of(b"{}");
        let log = log(1_000, 4 * small);
        let first = add(&log, KEY, b"{}");
        let second = add(&log, KEY, b"{}");
        let third = add(&log, KEY, b"{}");
        let large = add(&log, KEY, &vec![b'x'; 2 + small]);
        assert!(!is_kept(&log, &first) && is_kept(&log, &second) && is_kept(&log, &third));
        assert_eq!(log.find(&KEY, &large).unwrap().reply.text, "x".repeat(2 + small));
        assert_eq!(log.ring().bytes(), 4 * small);
        // One that is larger than all there is room for takes everything and is not kept.
        let larger = add(&log, KEY, &vec![b'x'; 4 * small]);
        assert!(!is_kept(&log, &larger));
        assert_eq!(log.ring().bytes(), 0);
        assert!(is_kept(&log, &add(&log, KEY, b"{}")));
    }

    #[test]
    fn texts_stay_with_their_request_however_often_the_ring_goes_round() {
        let log = log(1_000, 5_000);
        for number in 0..500_usize {
            let reply = number.to_string().repeat(number % 40);
            let id = add(&log, KEY, reply.as_bytes());
            let newest = log.find(&KEY, &id).unwrap();
            assert_eq!((newest.id, newest.reply.text), (id, reply));
        }
        let kept = log.page(&KEY, PageRequest { number: 1, limit: 100 });
        assert!(kept.count > 5, "{}", kept.count);
        for (number, remembered) in (0..500_usize).rev().zip(kept.rows) {
            assert_eq!(remembered.reply.text, number.to_string().repeat(number % 40));
        }
    }

    #[test]
    fn every_key_sees_its_own_newest_first() {
        let log = log(10, usize::MAX);
        let ids: Vec<String> = (0..3).map(|_| add(&log, KEY, b"{}")).collect();
        let other = add(&log, [2; 32], b"{}");
        assert!(!is_kept(&log, &other));
        assert!(log.find(&[2; 32], &other).is_some());
        let page = log.page(&KEY, PageRequest { number: 1, limit: 2 });
        let shown: Vec<&String> = page.rows.iter().map(|remembered| &remembered.id).collect();
        assert_eq!((shown, page.count), (vec![&ids[2], &ids[1]], 3));
        let rest = log.page(&KEY, PageRequest { number: 2, limit: 2 });
        assert_eq!(rest.rows[0].id, ids[0]);
        let beyond = PageRequest {
            number: u32::MAX,
            limit: 100,
        };
        assert_eq!(log.page(&KEY, beyond).rows.len(), 0);
    }

    #[test]
    fn with_no_room_none_is_kept() {
        let log = log(0, usize::MAX);
        let id = add(&log, KEY, b"{}");
        assert!(!is_kept(&log, &id));
    }

    #[test]
    fn a_long_body_is_cut_between_two_characters() {
        for bytes in [BODY_BYTES_MAX, BODY_BYTES_MAX + 1] {
            assert_eq!(beginning(&vec![b'x'; bytes]).len(), BODY_BYTES_MAX);
        }
        for (letter, shift, length) in [("é", 0, 65_536), ("é", 1, 65_535), ("😀", 1, 65_533), ("😀", 3, 65_535)]
        {
            let body = "x".repeat(shift) + &letter.repeat(40_000);
            let cut = std::str::from_utf8(beginning(body.as_bytes())).unwrap();
            assert_eq!(cut.len(), length, "{letter} {shift}");
        }
    }
}
