//! The last requests of a sandbox, in memory: a ring over all keys and workers,
//! bounded in number and in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;

use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::http::call::{Call, SentBody};
use crate::http::envelope::BODY_BYTES;
use crate::http::faults::Effect;

/// Bytes that are counted for a request beside its bodies.
const BYTES_EACH: usize = 1_024;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Most requests.
    pub requests_max: usize,
    /// Most bytes of all of them together.
    pub bytes_max: usize,
}

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The request, and what it caused.
    pub(crate) call: Arc<Call>,
    /// When it came, by the clock of the system.
    pub(crate) received_at: Timestamp,
    /// The status of the reply.
    pub(crate) status: u16,
    /// The body of the reply, or the beginning of one that is very long.
    pub(crate) reply: ReplyBody,
    /// How long it took, in microseconds.
    pub(crate) micros: u64,
    /// Whether the reply was an earlier one's, under the same idempotency key.
    pub(crate) is_replay: bool,
    /// What a fault did to it.
    pub(crate) fault: Option<Effect>,
}

/// The body of a reply, shared with the reply where that takes no more memory than is
/// counted.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    /// Its beginning, nearly always all of it.
    pub(crate) text: Bytes,
    /// How long the whole is.
    pub(crate) bytes: usize,
}

/// The last requests of every key, in the order they were answered.
#[derive(Debug)]
pub struct RequestLog {
    kept: Kept,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    answered: VecDeque<Arc<Answered>>,
    bytes: usize,
}

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

    /// Keeps a request whose key is known, and lets go of the oldest for which there is
    /// no room then.
    pub(crate) fn add(&self, answered: Answered) {
        let bytes = answered.bytes();
        let answered = Arc::new(answered);
        let mut forgotten = Vec::new();
        let mut ring = self.ring();
        ring.bytes += bytes;
        ring.answered.push_back(answered);
        while ring.answered.len() > self.kept.requests_max || ring.bytes > self.kept.bytes_max {
            let Some(oldest) = ring.answered.pop_front() else {
                break;
            };
            ring.bytes -= oldest.bytes();
            forgotten.push(oldest);
        }
        // Nobody waits while memory is given back.
        drop(ring);
        drop(forgotten);
    }

    /// The request of this id, if it came with this key and is still kept.
    pub(crate) fn find(&self, key_hash: &[u8; 32], id: &str) -> Option<Arc<Answered>> {
        let ring = self.ring();
        let mut newest_first = ring.answered.iter().rev();
        let found = newest_first.find(|answered| answered.call.id == id && answered.is_of(key_hash));
        found.cloned()
    }

    /// A page of what came with this key, newest first.
    pub(crate) fn page(&self, key_hash: &[u8; 32], request: PageRequest) -> Page<Arc<Answered>> {
        let ring = self.ring();
        let of_key: Vec<&Arc<Answered>> = ring.answered.iter().filter(|it| it.is_of(key_hash)).collect();
        let offset = usize::try_from(request.offset()).unwrap_or(usize::MAX);
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        Page {
            count: of_key.len() as u64,
            rows: of_key.into_iter().rev().skip(offset).take(limit).cloned().collect(),
            request,
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answered {
    fn is_of(&self, key_hash: &[u8; 32]) -> bool {
        self.call.key_hash.get() == Some(key_hash)
    }

    /// The memory it takes, or somewhat more.
    fn bytes(&self) -> usize {
        let sent = self.call.body.get().map_or(0, SentBody::bytes);
        BYTES_EACH + self.call.path_and_query().len() + sent + self.reply.text.len().max(BODY_BYTES)
    }
}

impl ReplyBody {
    /// Bytes of a longer reply that are kept.
    const KEPT_MAX: usize = 65_536;

    /// Shares a reply of usual length. Of a longer one the beginning is copied, so that
    /// the rest can go.
    pub(crate) fn of(reply: &Bytes) -> Self {
        Self {
            text: match reply.get(..Self::KEPT_MAX) {
                Some(beginning) => Bytes::copy_from_slice(beginning),
                None => reply.clone(),
            },
            bytes: reply.len(),
        }
    }
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

    fn answered(key_hash: [u8; 32], reply: &[u8]) -> (String, Answered) {
        let call = Call::new(&RequestHead::default());
        call.key_hash.get_or_init(|| key_hash);
        let answered = Answered {
            received_at: Timestamp::EPOCH,
            status: 200,
            reply: ReplyBody::of(&Bytes::copy_from_slice(reply)),
            micros: 1,
            is_replay: false,
            fault: None,
            call: Arc::new(call),
        };
        (answered.call.id.clone(), answered)
    }

    fn add(log: &RequestLog, key_hash: [u8; 32], reply: &[u8]) -> String {
        let (id, answered) = answered(key_hash, reply);
        log.add(answered);
        id
    }

    fn is_kept(log: &RequestLog, id: &str) -> bool {
        log.find(&KEY, id).is_some()
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let log = log(3, usize::MAX);
        let ids: Vec<String> = (0..5).map(|_| add(&log, KEY, b"{}")).collect();
        let kept: Vec<bool> = ids.iter().map(|id| is_kept(&log, id)).collect();
        assert_eq!(kept, [false, false, true, true, true]);
        assert_eq!(log.ring().bytes, 3 * answered(KEY, b"{}").1.bytes());
    }

    #[test]
    fn the_oldest_go_when_they_take_too_much() {
        let small = answered(KEY, b"{}").1.bytes();
        let log = log(1_000, 4 * small);
        let first = add(&log, KEY, b"{}");
        let second = add(&log, KEY, b"{}");
        let large = add(&log, KEY, &vec![b'x'; 2 * small]);
        assert!(!is_kept(&log, &first) && is_kept(&log, &second) && is_kept(&log, &large));
        assert!(log.ring().bytes <= 4 * small);
        // One that is larger than all there is room for takes everything and is not kept.
        let larger = add(&log, KEY, &vec![b'x'; 4 * small]);
        assert!(!is_kept(&log, &larger));
        let ring = log.ring();
        assert_eq!((ring.bytes, ring.answered.len()), (0, 0));
    }

    #[test]
    fn every_key_sees_its_own_newest_first() {
        let log = log(10, usize::MAX);
        let ids: Vec<String> = (0..3).map(|_| add(&log, KEY, b"{}")).collect();
        let other = add(&log, [2; 32], b"{}");
        assert!(!is_kept(&log, &other));
        assert!(log.find(&[2; 32], &other).is_some());
        let page = log.page(&KEY, PageRequest { number: 1, limit: 2 });
        let shown: Vec<&String> = page.rows.iter().map(|answered| &answered.call.id).collect();
        assert_eq!((shown, page.count), (vec![&ids[2], &ids[1]], 3));
        let rest = log.page(&KEY, PageRequest { number: 2, limit: 2 });
        assert_eq!(rest.rows[0].call.id, ids[0]);
        let beyond = PageRequest {
            number: u32::MAX,
            limit: 100,
        };
        assert_eq!(log.page(&KEY, beyond).rows.len(), 0);
    }

    #[test]
    fn of_a_long_reply_the_beginning_is_kept() {
        let usual = ReplyBody::of(&Bytes::from(vec![b'x'; 65_535]));
        assert_eq!((usual.text.len(), usual.bytes), (65_535, 65_535));
        let long = ReplyBody::of(&Bytes::from(vec![b'x'; 100_000]));
        assert_eq!((long.text.len(), long.bytes), (65_536, 100_000));
    }
}
