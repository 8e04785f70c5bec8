//! A stream that notifies a page when there is something new, and sends nothing more. The page then
//! asks for the part that it shows. A stream notifies twice a second at most, so that open pages cost
//! a busy service little.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, rt};
use futures_util::{Stream, stream};
use sha2::{Digest, Sha256};

use crate::http::client_address::ClientNetwork;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::open_streams::OpenStream;
use crate::http::state::AppState;
use crate::http::visitor::Visitor;
use crate::store;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// The seconds after which a client that has too many streams may try again.
const RESET_SECONDS: u64 = 60;

/// The rows that a page shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows {
    /// The events of the visitor's merchant.
    Events,
    /// The requests with the visitor's key, in a sandbox.
    Requests,
}

/// Answers with an event `change` after each change of these rows, as server-sent events.
///
/// # Errors
///
/// Refuses more streams than one client network may have open.
pub(crate) async fn changes(
    request: &HttpRequest,
    state: &Data<AppState>,
    visitor: &Visitor,
    rows: Rows,
) -> Result<HttpResponse, ApiError> {
    let context = RequestContext::of(request)?;
    let client = context.address().map(ClientNetwork::from);
    let client = Sha256::digest(format!("{client:?}"));
    let opened = state.page_streams.open(client.into(), context.connection.clone());
    let open_stream = opened.map_err(|_too_many| ApiError::TooManyRequests {
        reset_seconds: RESET_SECONDS,
    })?;
    let watcher = Watcher {
        seen: visitor.newest(state, rows).await?,
        context,
        state: state.clone(),
        visitor: visitor.clone(),
        rows,
        told_at: Instant::now(),
        open_stream,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(pieces_of(watcher)))
}

/// Watches for rows that are newer than those that one page has seen.
struct Watcher {
    /// The request of the page.
    context: Arc<RequestContext>,
    state: Data<AppState>,
    visitor: Visitor,
    rows: Rows,
    /// The number of the newest row of which the page was notified.
    seen: i64,
    told_at: Instant,
    open_stream: OpenStream,
}

fn pieces_of(watcher: Watcher) -> impl Stream<Item = Result<Bytes, ApiError>> {
    stream::try_unfold(watcher, |mut watcher| async {
        watcher.open_stream.wait_for_events();
        let piece = watcher.next_piece().await?;
        Ok(piece.map(|piece| (Bytes::from_static(piece), watcher)))
    })
}

impl Watcher {
    /// Waits for the next piece of the stream. `None` if the service stops or the visitor's session has
    /// ended.
    async fn next_piece(&mut self) -> Result<Option<&'static [u8]>, ApiError> {
        loop {
            rt::time::sleep(PAUSE).await;
            if self.state.connections.is_stopping() {
                return Ok(None);
            }
            let is_quiet = self.told_at.elapsed() < self.state.page_streams.heartbeat();
            if is_quiet && self.visitor.newest(&self.state, self.rows).await? == self.seen {
                continue;
            }
            let Some(visitor) = self.visitor.renewed(&self.context, &self.state).await? else {
                return Ok(None);
            };
            // Another tab may have chosen another merchant, whose rows the page gets when it asks.
            let newest = visitor.newest(&self.state, self.rows).await?;
            let piece: &[u8] = if newest == self.seen {
                b": heartbeat\n\n"
            } else {
                b"event: change\ndata:\n\n"
            };
            self.visitor = visitor;
            self.seen = newest;
            self.told_at = Instant::now();
            return Ok(Some(piece));
        }
    }
}

impl Visitor {
    /// Returns the number of the newest of these rows, or 0 without one. A reset can lower it.
    async fn newest(&self, state: &AppState, rows: Rows) -> Result<i64, store::Error> {
        match rows {
            Rows::Requests => {
                let log = state.requests.as_ref();
                Ok(log.map_or(0, |log| log.newest(&self.key_hash())))
            }
            Rows::Events => {
                let Some(merchant) = self.current_merchant(state).await? else {
                    return Ok(0);
                };
                state.store.read(move |snapshot| snapshot.newest_event(merchant)).await
            }
        }
    }
}
