//! The open connections, and an end for each of their waits.
//!
//! The HTTP server's own settings bound the first request head of a connection, and the
//! pause between two requests, and nothing else: a head after the first, a body and a
//! reader of a reply may stall for ever. So each connection is a
//! [`GuardedStream`](stream::GuardedStream), which ends a wait at its deadline, and a
//! [`Connections`] counts them all and closes the one that has waited longest when there are
//! too many.
//!
//! The HTTP server reads several requests of one connection ahead, but frames a reply by the
//! request that it read last. So the stream shows it one request at a time, whose end
//! [`RequestBytes`](request_bytes::RequestBytes) finds.

mod accept;
mod connection;
mod registry;
mod reply_body;
mod request_bytes;
mod stream;

pub(crate) use accept::{DISCONNECT_TIMEOUT, accept, attach_connection};
pub(crate) use connection::{Connection, Phase};
pub use registry::{ConnectionLimits, Connections, ConnectionsReading};
pub(crate) use reply_body::{ReplyBody, StreamedBody};
