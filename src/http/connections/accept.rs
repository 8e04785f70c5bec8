//! The way of an accepted socket to the HTTP service of a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{Extensions, Protocol};
use actix_service::{ServiceFactory, fn_service};
use tokio::net::TcpStream;

use super::registry::Connections;
use super::stream::GuardedStream;

/// The time in which a client must close its side after the last reply.
pub(crate) const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns the service that counts each connection and guards its stream.
pub(crate) fn accept(
    connections: Arc<Connections>,
) -> impl ServiceFactory<
    TcpStream,
    Config = (),
    Response = (GuardedStream, Protocol, Option<SocketAddr>),
    Error = DispatchError,
    InitError = (),
> {
    fn_service(move |stream: TcpStream| {
        let guarded = GuardedStream::new(stream, Arc::clone(&connections));
        async move {
            let (stream, peer) = guarded.map_err(DispatchError::Io)?;
            Ok((stream, Protocol::Http1, Some(peer)))
        }
    })
}

/// Gives the requests of a connection its [`Connection`](super::Connection).
pub(crate) fn attach_connection(stream: &GuardedStream, data: &mut Extensions) {
    data.insert(Arc::clone(stream.connection()));
}
