//! The bodies of replies that are not sent at once: large ones in small pieces, so that a slow
//! reader does not make the server copy all of it, and those that the service makes piece by piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use super::connection::{Connection, Phase};
use super::registry::Connections;

/// The bytes that the dispatcher gets at a time. A smaller body stays whole.
const PIECE_BYTES: usize = 16_384;

/// The body of a large reply. It counts as memory in use until it is sent or dropped.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    rest: Bytes,
    held: u64,
    connections: Arc<Connections>,
    connection: Arc<Connection>,
}

impl ReplyBody {
    /// Returns `None` if the body is small.
    pub(crate) fn new(bytes: &Bytes, connections: &Arc<Connections>, connection: &Arc<Connection>) -> Option<Self> {
        if bytes.len() <= PIECE_BYTES {
            return None;
        }
        let held = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        connections.hold_reply(connection, held);
        Some(Self {
            rest: bytes.clone(),
            held,
            connections: Arc::clone(connections),
            connection: Arc::clone(connection),
        })
    }
}

impl MessageBody for ReplyBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        self.connections.release_reply(&self.connection, self.held);
    }
}

/// A body that the service makes piece by piece. The connection counts as waiting for the next piece
/// until the last one is encoded, when the server drops the body.
#[derive(Debug)]
pub(crate) struct StreamedBody {
    pieces: BoxBody,
    connection: Arc<Connection>,
    /// The phase behind the reply.
    after: Phase,
}

impl StreamedBody {
    /// Makes the present phase of the connection wait for the end of the body.
    pub(crate) fn new(pieces: BoxBody, connection: &Arc<Connection>) -> Self {
        let after = connection.phase();
        connection.enter(Phase::Pieces);
        Self {
            pieces,
            connection: Arc::clone(connection),
            after,
        }
    }
}

impl MessageBody for StreamedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.pieces.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.pieces).poll_next(cx)
    }
}

impl Drop for StreamedBody {
    fn drop(&mut self) {
        self.connection.enter(self.after);
    }
}
