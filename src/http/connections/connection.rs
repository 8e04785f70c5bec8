//! One connection's phase, which its stream and the middleware share.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

/// The thing that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// The next request. The last reply is complete, or there was none.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The rest of a request's body, which a route reads.
    Body,
    /// The rest of a body whose request was answered before all of it arrived.
    UnreadBody,
    /// The service's own work.
    Handler,
    /// The delay of a fault.
    Delay,
    /// The next piece of a reply that the service makes while the client takes those before.
    Pieces,
    /// The client, which must take more of the reply.
    Reply,
    /// The next event of a stream.
    Stream,
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Unique in the process.
    pub(super) number: u64,
    pub(super) address: IpAddr,
    opened_at: Instant,
    phase: AtomicU8,
    /// The phase that follows [`Phase::Reply`].
    behind_reply: AtomicU8,
    /// The start of the phase, in milliseconds since the connection was opened.
    since_millis: AtomicU64,
    /// Bytes of the reply that the client has not taken yet, if it is a large one.
    pub(super) reply_bytes: AtomicU64,
    is_closing: AtomicBool,
    /// True while this connection is chosen to make room for another one. False again if the stream
    /// finds bytes of its client that were not read yet.
    makes_room: AtomicBool,
    /// True once a request or a reply had the `close` option.
    is_ended: AtomicBool,
    has_malformed_body: AtomicBool,
    waker: AtomicWaker,
}

impl Phase {
    const ALL: [Self; 9] = [
        Self::Idle,
        Self::Head,
        Self::Body,
        Self::UnreadBody,
        Self::Handler,
        Self::Delay,
        Self::Pieces,
        Self::Reply,
        Self::Stream,
    ];

    fn of(number: u8) -> Self {
        Self::ALL[usize::from(number)]
    }
}

impl Connection {
    pub(super) fn new(number: u64, address: IpAddr) -> Self {
        Self {
            number,
            address,
            opened_at: Instant::now(),
            phase: AtomicU8::new(Phase::Head as u8),
            behind_reply: AtomicU8::new(Phase::Head as u8),
            since_millis: AtomicU64::new(0),
            reply_bytes: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            makes_room: AtomicBool::new(false),
            is_ended: AtomicBool::new(false),
            has_malformed_body: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Returns true if no reply is under way. The server has encoded the last reply by the time it
    /// reads the stream again, since it does not read while it encodes.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.phase(), Phase::Idle | Phase::UnreadBody)
    }

    /// Begins a phase now, or once the client has taken what there is of its reply.
    pub(crate) fn enter(&self, phase: Phase) {
        let present = self.phase();
        match (present, phase) {
            (Phase::Reply, Phase::Reply) => self.begin(Phase::Reply),
            (Phase::Reply, _) => self.behind_reply.store(phase as u8, Ordering::Relaxed),
            (_, Phase::Reply) => {
                self.behind_reply.store(present as u8, Ordering::Relaxed);
                self.begin(Phase::Reply);
            }
            _ => self.begin(phase),
        }
    }

    /// Ends [`Phase::Reply`]: the client has taken what there was of its reply.
    pub(super) fn reply_is_taken(&self) {
        self.begin(Phase::of(self.behind_reply.load(Ordering::Relaxed)));
    }

    fn begin(&self, phase: Phase) {
        let millis = u64::try_from(self.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since_millis.store(millis, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::of(self.phase.load(Ordering::Relaxed))
    }

    /// Returns the time at which the present phase began.
    pub(super) fn since(&self) -> Instant {
        self.opened_at + Duration::from_millis(self.since_millis.load(Ordering::Relaxed))
    }

    /// Marks the request under way as the last of the connection, which the `close` option of the
    /// request or of its reply makes it (RFC 9112, 9.6).
    pub(crate) fn end_with_this_request(&self) {
        self.is_ended.store(true, Ordering::Relaxed);
    }

    /// Returns true once the last reply of the connection is about to be encoded, or was. Requests
    /// behind it have no effect.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Relaxed)
    }

    /// Marks the body of the request under way as malformed. It has no end, so nothing comes behind it.
    pub(super) fn body_is_malformed(&self) {
        self.has_malformed_body.store(true, Ordering::Relaxed);
    }

    /// Returns true if the chunked body of the request under way is malformed, as far as it has come.
    pub(crate) fn has_malformed_body(&self) -> bool {
        self.has_malformed_body.load(Ordering::Relaxed)
    }

    /// Makes the stream fail at its next read or write, which closes the connection.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.waker.wake();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Makes the stream close the connection, unless bytes of its client lie unread. It then does
    /// not wait for its client, but for the service.
    pub(super) fn make_room(&self) {
        self.makes_room.store(true, Ordering::Relaxed);
        self.waker.wake();
    }

    /// Ends what [`Connection::make_room`] began.
    pub(super) fn stay(&self) {
        self.makes_room.store(false, Ordering::Relaxed);
    }

    pub(super) fn makes_room(&self) -> bool {
        self.makes_room.load(Ordering::Relaxed)
    }

    /// Wakes the task of the stream, so that it looks at its phase again.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }
}
