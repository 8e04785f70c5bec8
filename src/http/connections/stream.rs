//! A TCP stream that ends every wait for the client at its deadline.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::{Connection, Phase};
use super::registry::{ConnectionLimits, Connections};

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
}

/// A window of time in which the client must make progress.
#[derive(Clone, Copy, Debug)]
struct Stall {
    began: Instant,
    bytes: usize,
    /// The phase to go back to when the client has taken everything.
    before: Phase,
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
            Phase::Body | Phase::Handler | Phase::Delay | Phase::Reply | Phase::Stream => return None,
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
            Phase::Idle | Phase::Head | Phase::Body | Phase::Handler => false,
            Phase::UnreadBody | Phase::Delay | Phase::Reply | Phase::Stream => self.connection.makes_room(),
        };
        if goes || self.connection.is_closing() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Checks that the connection may wait for its client.
    fn check_may_wait(&self) -> io::Result<()> {
        self.check_open()?;
        if self.connection.makes_room() && self.connection.phase() != Phase::Handler {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_open()?;
        let filled = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let (is_end, phase) = (buffer.filled().len() == filled, self.connection.phase());
                if is_end && phase == Phase::Stream {
                    // No request follows, and a stream would go on until its next heartbeat.
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                if !is_end && self.connection.makes_room() {
                    self.connections.take_back(&self.connection);
                }
                if !is_end && phase == Phase::Idle {
                    self.connection.enter(Phase::Head);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.connection.register(cx.waker());
                // A connection may have been told to close before it registered its waker.
                self.check_may_wait()?;
                let is_answered = matches!(self.connection.phase(), Phase::Idle | Phase::UnreadBody);
                if let Some(closes_at) = self.connections.closes_idle_at()
                    && is_answered
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
                    Some(stall) => {
                        let before = stall.before;
                        self.stall = None;
                        self.connection.enter(before);
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
                        let before = self.connection.phase();
                        self.connection.enter(Phase::Reply);
                        self.stall = Some(Stall {
                            began: now,
                            bytes: 0,
                            before,
                        });
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
        // The reply may have begun a wait for the client after the last read.
        if let Some(deadline) = self.read_deadline() {
            self.wait_until(deadline, cx)?;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for GuardedStream {
    fn drop(&mut self) {
        self.connections.remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::http::client_address::TrustedProxies;

    /// A connection that is one of the only two of its server, and its client's side.
    async fn open(connections: &Arc<Connections>, listener: &TcpListener) -> (GuardedStream, TcpStream) {
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let (guarded, _) = GuardedStream::new(accepted, Arc::clone(connections)).unwrap();
        (guarded, client)
    }

    fn two_connections() -> Arc<Connections> {
        let limits = ConnectionLimits {
            connections_max: 2,
            keep_alive: Duration::from_secs(75),
            head: Duration::from_secs(75),
            progress: Duration::from_secs(75),
            reply_bytes_max: 100,
        };
        Arc::new(Connections::new(limits, Arc::new(TrustedProxies::default())))
    }

    #[tokio::test]
    async fn a_connection_whose_request_lies_unread_makes_no_room() {
        let connections = two_connections();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (mut sent, mut client) = open(&connections, &listener).await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let (mut silent, _silent_client) = open(&connections, &listener).await;
        let (new, _new_client) = open(&connections, &listener).await;
        assert!(sent.connection().makes_room(), "it has waited longest");
        let mut head = [0; 64];
        assert_eq!(sent.read(&mut head).await.unwrap(), 16);
        assert!(!sent.connection().makes_room() && !new.connection().makes_room());
        assert_eq!(
            silent.read(&mut head).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionAborted,
            "another one goes for it"
        );
        drop(silent);
        let reading = connections.read();
        assert_eq!((reading.open, reading.closed_by_limit), (2, 1));
    }

    #[tokio::test]
    async fn a_reply_that_is_about_to_be_written_is_not_cut() {
        let connections = two_connections();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (mut answered, mut client) = open(&connections, &listener).await;
        answered.connection().enter(Phase::Idle);
        answered.connection().make_room();
        answered.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        let mut head = [0; 64];
        assert_eq!(client.read(&mut head).await.unwrap(), 17);
        assert_eq!(
            answered.read(&mut head).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionAborted
        );
    }

    #[tokio::test]
    async fn a_connection_whose_client_takes_no_reply_makes_room() {
        let connections = two_connections();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (mut answered, _client) = open(&connections, &listener).await;
        answered.connection().enter(Phase::Idle);
        answered.connection().make_room();
        let written = answered.write_all(&vec![0; 64 << 20]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
