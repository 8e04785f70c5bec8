//! Finds out if a request was sent on a new connection or on one that was used before.
//!
//! A receiver may close a connection between two requests, just when the next one is on its way. The
//! client does not distinguish such a request from one that the receiver broke off.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    /// Set when a connection was made for the request of this task.
    static HAS_CONNECTED: Cell<bool>;
}

/// Runs a request. Returns its result, and true if it was sent on a connection that was used before.
pub(super) async fn noting_reuse<T>(request: impl Future<Output = T>) -> (T, bool) {
    let noted = async {
        let result = request.await;
        (result, !HAS_CONNECTED.with(Cell::get))
    };
    HAS_CONNECTED.scope(Cell::new(false), noted).await
}

/// A layer around the connector of a client, which notes each connection that it makes.
#[derive(Clone, Copy)]
pub(super) struct NoteConnections;

impl<S> Layer<S> for NoteConnections {
    type Service = Noting<S>;

    fn layer(&self, connector: S) -> Noting<S> {
        Noting { connector }
    }
}

#[derive(Clone)]
pub(super) struct Noting<S> {
    connector: S,
}

impl<S, T> Service<T> for Noting<S>
where
    S: Service<T>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let connecting = self.connector.call(target);
        Box::pin(async move {
            let connected = connecting.await;
            // The client ends a connection in a task of its own if its request got another one meanwhile.
            let _is_in_background = HAS_CONNECTED.try_with(|has_connected| has_connected.set(true));
            connected
        })
    }
}
