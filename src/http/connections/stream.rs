//! A TCP stream that ends every wait for the client at its deadline, and that shows the HTTP server
//! one request at a time.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::{Connection, Phase};
use super::registry::{ConnectionLimits, Connections};
use super::request_bytes::RequestBytes;

/// The bytes of later requests at which the stream stops reading until the reply is encoded.
const WITHHELD_BYTES_MAX: usize = 16_384;
/// The bytes of later requests that are read at a time.
const AHEAD_BYTES: usize = 4_096;
/// The reads, each of [`AHEAD_BYTES`], of what still comes when a connection is closed.
const LATE_READS_MAX: usize = 16;

/// A connection's stream. The dispatcher of the HTTP server reads and writes it; it fails
/// when the client lets a deadline pass, or when the connection must make room.
#[derive(Debug)]
pub(crate) struct GuardedStream {
    stream: TcpStream,
    connections: Arc<Connections>,
    connection: Arc<Connection>,
    /// Fires at or before the next deadline. `None` until there is one.
    timer: Option<Pin<Box<Sleep>>>,
    /// The client's progress with a reply that it does not take at once.
    stall: Option<Stall>,
    /// The request under way, or the next one.
    request: RequestBytes,
    /// Bytes behind the request under way, which the HTTP server sees when its reply is encoded.
    withheld: BytesMut,
    /// True if the client has ended its sending behind the withheld bytes.
    withholds_end: bool,
}

/// A window of time in which the client must make progress.
#[derive(Clone, Copy, Debug)]
struct Stall {
    began: Instant,
    bytes: usize,
}

impl GuardedStream {
    /// Returns the guarded stream, and the client's address.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has closed the connection already.
    pub(crate) fn new(stream: TcpStream, connections: Arc<Connections>) -> io::Result<(Self, SocketAddr)> {
        // A reply is written in pieces, which must not wait for the client to acknowledge
        // the one before.
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        let connection = connections.add(peer.ip());
        let guarded = Self {
            stream,
            connections,
            connection,
            timer: None,
            stall: None,
            request: RequestBytes::default(),
            withheld: BytesMut::new(),
            withholds_end: false,
        };
        Ok((guarded, peer))
    }

    pub(crate) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    fn limits(&self) -> &ConnectionLimits {
        self.connections.limits()
    }

    /// Returns the deadline of the present wait for the client's bytes.
    fn read_deadline(&self) -> Option<Instant> {
        let limit = match self.connection.phase() {
            Phase::Idle => self.limits().keep_alive,
            Phase::Head => self.limits().head,
            Phase::UnreadBody => self.limits().progress,
            Phase::Body | Phase::Handler | Phase::Delay | Phase::Pieces | Phase::Reply | Phase::Stream => return None,
        };
        Some(Instant::from_std(self.connection.since()) + limit)
    }

    /// Makes the task wake at `deadline`.
    ///
    /// # Errors
    ///
    /// Returns an error if the deadline has passed.
    fn wait_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            // An earlier timer is left as it is: it fires in time to look again.
            if timer.deadline() > deadline || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
        }
    }

    /// Checks that the connection may go on without a look at what its client has sent.
    fn check_open(&self) -> io::Result<()> {
        let goes = match self.connection.phase() {
            // Bytes may lie unread, or a reply is about to be written.
            Phase::Idle | Phase::Head | Phase::Body | Phase::Handler | Phase::Pieces => false,
            Phase::UnreadBody | Phase::Delay | Phase::Reply | Phase::Stream => self.connection.makes_room(),
        };
        if goes || self.connection.is_closing() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Returns true if bytes of the client lie in the socket. A read may not return them yet: the
    /// runtime looks for bytes only between two rounds of its tasks, which a busy service makes long.
    fn has_unread_bytes(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        SockRef::from(&self.stream).peek(&mut byte).is_ok_and(|count| count > 0)
    }

    /// Checks that the connection may wait for its client.
    fn check_may_wait(&self) -> io::Result<()> {
        self.check_open()?;
        let waits_for_service = match self.connection.phase() {
            Phase::Handler => true,
            // No handler has seen the whole request that has come.
            Phase::Head | Phase::Body => self.request.is_complete(),
            _ => false,
        };
        if self.connection.makes_room() && !waits_for_service {
            if !self.has_unread_bytes() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            self.connections.take_back(&self.connection);
        }
        Ok(())
    }

    /// Returns true if a whole request has come whose reply is not encoded yet.
    fn is_reply_due(&self) -> bool {
        self.request.is_complete() && !self.connection.is_answered()
    }

    /// Returns the end of what the client sends. A stream of events fails: no request follows, and it
    /// would go on until its next heartbeat.
    fn end(&self) -> io::Result<()> {
        match self.connection.phase() {
            Phase::Stream => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }

    /// Waits for the client's bytes, or for the service.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.register(cx.waker());
        // A connection may have been told to close before it registered its waker.
        self.check_may_wait()?;
        if let Some(closes_at) = self.connections.closes_idle_at()
            && self.connection.is_answered()
            && self.wait_until(closes_at.into(), cx).is_err()
        {
            // The end of the stream, as if the client had closed the connection.
            return Poll::Ready(Ok(()));
        }
        if let Some(deadline) = self.read_deadline() {
            self.wait_until(deadline, cx)?;
        }
        Poll::Pending
    }

    /// Notes that bytes have come for the HTTP server, of which this many are filled already, and
    /// withholds those of later requests.
    fn show(&mut self, buffer: &mut ReadBuf<'_>, filled: usize) {
        let came = &buffer.filled()[filled..];
        let shown = self.request.take(came);
        if shown < came.len() {
            self.withheld.extend_from_slice(&came[shown..]);
            buffer.set_filled(filled + shown);
        }
        self.note_shown();
    }

    /// Shows the HTTP server withheld bytes of the request under way.
    fn show_withheld(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.withheld.len().min(buffer.remaining());
        let shown = self.request.take(&self.withheld[..count]);
        buffer.put_slice(&self.withheld[..shown]);
        self.withheld.advance(shown);
        if self.withheld.is_empty() {
            self.withheld = BytesMut::new();
        }
        self.note_shown();
    }

    /// Notes that bytes of the request have been shown. Those behind a malformed body have no effect.
    fn note_shown(&mut self) {
        self.note_progress();
        if self.request.is_malformed() {
            self.withheld = BytesMut::new();
            self.connection.body_is_malformed();
        }
    }

    /// Notes that bytes of the client have come.
    fn note_progress(&self) {
        if self.connection.makes_room() {
            self.connections.take_back(&self.connection);
        }
        if self.connection.phase() == Phase::Idle && self.request.has_begun() {
            self.connection.enter(Phase::Head);
        }
    }

    /// Reads bytes of later requests, which must wait for the reply under way, or have no effect
    /// behind the last one. Ready at the end behind the last reply.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_over = !self.is_reply_due();
        if is_over {
            self.withheld = BytesMut::new();
        }
        while self.withheld.len() < WITHHELD_BYTES_MAX {
            let mut ahead = [MaybeUninit::uninit(); AHEAD_BYTES];
            let mut ahead = ReadBuf::uninit(&mut ahead);
            match Pin::new(&mut self.stream).poll_read(cx, &mut ahead) {
                Poll::Ready(Ok(())) if ahead.filled().is_empty() => {
                    if is_over || self.connection.phase() == Phase::Stream {
                        return Poll::Ready(self.end());
                    }
                    // The HTTP server would take the end for that of a body of which it has not
                    // decoded all. The socket returns it again.
                    self.withholds_end = true;
                    break;
                }
                Poll::Ready(Ok(())) => {
                    if !is_over {
                        self.withheld.extend_from_slice(ahead.filled());
                        self.note_progress();
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        self.poll_wait(cx)
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_open()?;
        if self.request.is_malformed() {
            return Poll::Ready(self.end());
        }
        if self.request.is_complete() {
            if self.is_reply_due() || self.connection.is_ended() {
                return self.poll_read_ahead(cx);
            }
            self.request = RequestBytes::default();
            if self.connection.phase() == Phase::UnreadBody {
                // The rest of the body has come.
                self.connection.enter(Phase::Idle);
            }
        }
        if !self.withheld.is_empty() {
            self.show_withheld(buffer);
            return Poll::Ready(Ok(()));
        }
        let filled = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() == filled => Poll::Ready(self.end()),
            Poll::Ready(Ok(())) => {
                self.show(buffer, filled);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_wait(cx),
        }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_open()?;
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => {
                match &mut self.stall {
                    Some(stall) if written < bytes.len() => stall.bytes += written,
                    Some(_) => {
                        self.stall = None;
                        self.connection.reply_is_taken();
                    }
                    None => {}
                }
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.connection.register(cx.waker());
                let now = Instant::now();
                let progress = self.limits().progress;
                match &mut self.stall {
                    None => {
                        self.connection.enter(Phase::Reply);
                        self.stall = Some(Stall { began: now, bytes: 0 });
                    }
                    Some(stall) if stall.bytes >= ConnectionLimits::PROGRESS_BYTES_MIN => {
                        stall.began = now;
                        stall.bytes = 0;
                        self.connection.enter(Phase::Reply);
                    }
                    Some(_) => {}
                }
                self.check_open()?;
                let began = self.stall.map_or(now, |stall| stall.began);
                self.wait_until(began + progress, cx)?;
                Poll::Pending
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        let withholds = self.withholds_end || !self.withheld.is_empty();
        if withholds && self.request.is_complete() && self.connection.is_answered() {
            // The HTTP server must read again, though no byte comes from the socket.
            cx.waker().wake_by_ref();
        }
        // The reply may have begun a wait for the client after the last read.
        if let Some(deadline) = self.read_deadline() {
            self.wait_until(deadline, cx)?;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        // A socket that is closed with bytes unread resets the connection, and its client may then
        // lose the last reply. A client that goes on sending is not waited for.
        for _ in 0..LATE_READS_MAX {
            let mut late = [MaybeUninit::uninit(); AHEAD_BYTES];
            let mut late = ReadBuf::uninit(&mut late);
            match Pin::new(&mut self.stream).poll_read(cx, &mut late) {
                Poll::Ready(Ok(())) if !late.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for GuardedStream {
    fn drop(&mut self) {
        self.connections.remove(&self.connection);
    }
}

#[cfg(test)]
mod tests;
