//! The route that sends a key's events as they happen, as server-sent events (sandbox).

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::domain::events::event::{EventFilter, RecordedEvent};
use crate::domain::ids::{EventId, MerchantId};
use crate::domain::invalid::Invalid;
use crate::domain::refusal::RefusalKind;
use crate::domain::time::Timestamp;
use crate::http::answer::{Raw, RawKind};
use crate::http::auth::Caller;
use crate::http::error::ApiError;
use crate::http::media_type::EVENT_STREAM;
use crate::http::open_streams::OpenStream;
use crate::http::query::Query;
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::RequestSpec;
use crate::http::routes::events::{self, EventView};
use crate::http::state::AppState;
use crate::store;

/// The query of [`open()`].
pub(crate) const STREAM: RequestSpec = RequestSpec::of_query(&[&events::FILTERS]);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Keeps a proxy from holding events back.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The most events that are read at a time. The next ones are read when the client has taken
/// these.
const EVENTS_AT_ONCE: usize = 50;
/// The pause after which a stream looks if the service stops.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// The pause between two looks for events, so that a busy file is not read at every commit.
const READ_PAUSE: Duration = Duration::from_millis(20);

/// Server-sent events.
#[derive(Debug)]
pub(crate) struct Events;

impl RawKind for Events {
    const MEDIA_TYPE: &'static str = EVENT_STREAM;
}

/// The refusals of [`open()`].
pub(crate) const OPEN_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::TooManyStreams]]).with(Work::Reads);

/// `GET /sandbox/events/stream`: the events after the one of `Last-Event-ID` or `after`, or
/// else from now on. HEAD gets the headers, and opens no stream.
pub(crate) async fn open(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
    request: HttpRequest,
) -> Result<Raw<Events>, ApiError> {
    let fields = query.fields()?;
    let filter = events::parse_filter(&fields)?;
    let now = state.store.ledger_time();
    let after = last_event_id(&request, now)?;
    let after = after.or(fields.field("after").optional(|field| events::position(field, now))?);
    if *request.method() == Method::HEAD {
        return Ok(response(stream::empty()).into());
    }
    let connection = caller.request.connection.clone();
    let open_stream = state.event_streams.open(caller.key_hash, connection)?;
    let position = match (after, caller.merchant()) {
        (Some(id), _) => Some(id),
        (None, Some(merchant)) => {
            let newest = state.store.read(move |snapshot| snapshot.newest_event_id(merchant));
            newest.await?
        }
        (None, None) => None,
    };
    let position = position.unwrap_or(EventId::new(0, 0));
    let follower = Follower {
        commits: state.store.commits(),
        state: state.into_inner(),
        key_hash: caller.key_hash,
        filter,
        seen: position.number(),
        goes_on: true,
        unsent_position: Some(position),
        sent_at: Instant::now(),
        open_stream,
    };
    Ok(response(pieces_of(follower)).into())
}

fn response(pieces: impl Stream<Item = Result<Bytes, store::Error>> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .streaming(pieces)
}

/// Returns the event after which a client goes on that was connected before.
fn last_event_id(request: &HttpRequest, now: Timestamp) -> Result<Option<EventId>, Invalid> {
    let Some(value) = request.headers().get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let wrong = |expected| Invalid::wrong("Last-Event-ID", expected, &text);
    let id = EventId::parse(&text).ok_or_else(|| wrong(events::EVENT_ID))?;
    if events::is_position(id, now) {
        Ok(Some(id))
    } else {
        Err(wrong(events::NO_POSITION))
    }
}

/// The position of one client in the events of its key.
struct Follower {
    state: Arc<AppState>,
    key_hash: [u8; 32],
    filter: EventFilter,
    /// The number of an event. All events up to it were sent, or do not match the filter.
    seen: i64,
    /// True if there may be events after `seen` already.
    goes_on: bool,
    /// The position to go on from, until the client has it.
    unsent_position: Option<EventId>,
    sent_at: Instant,
    commits: watch::Receiver<u64>,
    open_stream: OpenStream,
}

/// Sends the position, then events as they are committed, and heartbeats between them, until
/// the service stops or the client goes away.
fn pieces_of(follower: Follower) -> impl Stream<Item = Result<Bytes, store::Error>> {
    stream::try_unfold(follower, |mut follower| async {
        let piece = follower.next_piece().await?;
        follower.open_stream.wait_for_events();
        Ok(piece.map(|piece| (Bytes::from(piece), follower)))
    })
}

impl Follower {
    /// Waits for the next piece of the stream. `None` if the service stops.
    async fn next_piece(&mut self) -> Result<Option<String>, store::Error> {
        if let Some(position) = self.unsent_position.take() {
            // An id without data moves the client's position and is no event.
            return Ok(Some(format!("id: {position}\n\n")));
        }
        loop {
            if self.state.connections.is_stopping() {
                return Ok(None);
            }
            if self.goes_on {
                let text = self.read_events().await?;
                if !text.is_empty() {
                    self.sent_at = Instant::now();
                    return Ok(Some(text));
                }
                if self.goes_on {
                    continue;
                }
            }
            let heartbeat = self.state.event_streams.heartbeat();
            let left = heartbeat.saturating_sub(self.sent_at.elapsed());
            if left.is_zero() {
                self.sent_at = Instant::now();
                return Ok(Some(": heartbeat\n\n".to_owned()));
            }
            let committed = timeout(left.min(LOOK_PAUSE), self.commits.changed()).await;
            self.goes_on = committed.is_ok();
            if self.goes_on {
                actix_web::rt::time::sleep(READ_PAUSE).await;
                self.commits.mark_unchanged();
            }
        }
    }

    /// Reads the next events and returns their text.
    async fn read_events(&mut self) -> Result<String, store::Error> {
        self.goes_on = false;
        let Some(merchant) = self.merchant().await? else {
            return Ok(String::new());
        };
        // Most commits are those of others.
        let newest = self.state.store.read(move |snapshot| snapshot.newest_event(merchant));
        if newest.await? <= self.seen {
            return Ok(String::new());
        }
        let (filter, seen) = (self.filter.clone(), self.seen);
        let read = self
            .state
            .store
            .read_long(merchant, move |snapshot| {
                snapshot.events_after(merchant, &filter, seen, EVENTS_AT_ONCE)
            })
            .await;
        let (events, seen) = match read {
            Ok(read) => read,
            // The file is busy; the client need not know.
            Err(store::Error::TooManyReads | store::Error::ReadTooLong) => {
                self.goes_on = true;
                actix_web::rt::time::sleep(LOOK_PAUSE).await;
                return Ok(String::new());
            }
            Err(error) => return Err(error),
        };
        self.seen = seen;
        self.goes_on = events.len() == EVENTS_AT_ONCE;
        Ok(events.into_iter().map(text_of).collect())
    }

    /// Returns the key's merchant, which a reset replaces.
    async fn merchant(&self) -> Result<Option<MerchantId>, store::Error> {
        let access = self.state.api_keys.access_of_key(&self.state.store, &self.key_hash);
        Ok(access.await?.map(|access| access.owner.merchant))
    }
}

/// Returns an event as a block of the stream, with the view that the inbox shows in one line.
fn text_of(event: RecordedEvent) -> String {
    let (id, name) = (event.id, event.name.clone());
    let view = serde_json::to_string(&EventView::new(event)).expect("views have JSON forms");
    format!("id: {id}\nevent: {name}\ndata: {view}\n\n")
}
