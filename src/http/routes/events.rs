//! Routes of events and their deliveries: `/sandbox/events`, and `/operator/events` in live mode. They
//! show the events of one merchant, and a `customer-id` header has no effect.

use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::commands::events;
use crate::domain::events::delivery::DeliveryStatus;
use crate::domain::events::delivery::{Attempt, AttemptOutcome, DeliveryProgress, UnsentReason, Wait};
use crate::domain::events::event::{EventFilter, EventOrder, EventType, RecordedEvent, Replay, ReplayStart};
use crate::domain::ids::{self, CustomerId, EscrowId, EventId};
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::time::{NotAMoment, Timestamp};
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::envelope::Reply;
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields};
use crate::http::query::{self, Query};
use crate::http::refusals::{Refusals, Work};
use crate::http::request_spec::{FieldSpec, Kind, RequestSpec, words};
use crate::http::state::AppState;
use crate::views::{AsText, EventName, PageView, Words};

/// `GET /sandbox/events`: a page of events, newest first. With `after`, the events after
/// the one that it names, oldest first.
pub(crate) async fn list(
    state: Data<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Reply<PageView<EventView>>, ApiError> {
    let request = parse_events_query(&query, state.store.ledger_time())?;
    let render = |page| Reply::ok("Events fetched successfully", PageView::new(page, EventView::new));
    let Some(merchant) = caller.merchant() else {
        return Ok(render(Page::empty(request.page)));
    };
    let EventsRequest { filter, order, page } = request;
    // New events come at the end of a list that is oldest first, and move no row of it.
    let walk = matches!(order, EventOrder::NewestFirst).then(|| query.walk());
    let page = walk.as_ref().map_or(page, |walk| walk.bounded(page));
    state
        .read_list(
            &caller,
            merchant,
            move |snapshot| snapshot.events(merchant, &filter, order, page),
            move |page, _context| {
                if let Some(walk) = &walk {
                    walk.note(&page);
                }
                Ok(render(page))
            },
        )
        .await
}

/// The refusals of sending events again.
const SENDING: [RefusalKind; 3] = [
    RefusalKind::EventNotFound,
    RefusalKind::NoWebhookUrl,
    RefusalKind::WebhookEndpointGone,
];

/// The refusals of [`get`].
pub(crate) const GET_REFUSALS: Refusals = Refusals::of(&[&[RefusalKind::EventNotFound]]).with(Work::Reads);

/// `GET /sandbox/events/{id}`.
pub(crate) async fn get(state: Data<AppState>, caller: Caller, id: Path<String>) -> Result<Reply<EventView>, ApiError> {
    let event = match caller.merchant() {
        Some(merchant) => {
            let id = EventId::named(&id);
            state.store.read(move |snapshot| snapshot.event(merchant, id)).await?
        }
        None => None,
    };
    let event = event.ok_or(Refusal::EventNotFound)?;
    Ok(Reply::ok("Event fetched successfully", EventView::new(event)))
}

/// The refusals of [`resend`].
pub(crate) const RESEND_REFUSALS: Refusals = Refusals::of(&[&SENDING]);

/// `POST /sandbox/events/{id}/resend`.
pub(crate) async fn resend(
    state: Data<AppState>,
    caller: Caller,
    id: Path<String>,
) -> Result<Reply<EventView>, ApiError> {
    let id = EventId::named(&id);
    state
        .execute(
            &caller,
            move |tx, policy, actor| events::resend(tx, policy, actor.merchant, id),
            |event, _context| Reply::ok("Event queued successfully", EventView::new(event)),
        )
        .await
}

/// The refusals of [`replay`].
pub(crate) const REPLAY_REFUSALS: Refusals = Refusals::of(&[&SENDING]);

/// `POST /sandbox/events/replay`.
pub(crate) async fn replay(
    state: Data<AppState>,
    caller: Caller,
    body: JsonBody,
) -> Result<Reply<ReplayView>, ApiError> {
    let replay = parse_replay(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| events::replay(tx, policy, actor.merchant, replay),
            |replayed, _context| {
                let view = ReplayView {
                    events: replayed.events,
                    next: replayed.next.map(AsText),
                };
                Reply::ok("Events queued successfully", view)
            },
        )
        .await
}

/// The filters of a list of events.
pub(super) const FILTERS: [FieldSpec; 4] = [
    FieldSpec::optional("type", Kind::Text).about("The name of an event, or of a family, such as payment or payment.*"),
    FieldSpec::optional("escrowId", Kind::ObjectId),
    FieldSpec::optional("customerId", Kind::CustomerId),
    FieldSpec::optional("after", Kind::ObjectId).about("The id of an event"),
];
/// The query of [`list`].
pub(crate) const LIST: RequestSpec = RequestSpec::of_query(&[&FILTERS, &query::PAGE]);
/// The request of [`replay`].
pub(crate) const REPLAY: RequestSpec = RequestSpec::of_body(&[&[
    FieldSpec::optional("from", Kind::ObjectId).about("The id of the first event"),
    FieldSpec::optional("since", Kind::Moment)
        .about("In the place of from")
        .example("\"2026-01-01T00:00:00Z\""),
    FieldSpec::optional("status", Kind::Words(words::<DeliveryStatus>)),
]]);

/// The parsed query of `GET /sandbox/events`.
#[derive(Debug)]
struct EventsRequest {
    filter: EventFilter,
    order: EventOrder,
    page: PageRequest,
}

fn parse_events_query(query: &Query, now: Timestamp) -> Parsed<EventsRequest> {
    let fields = query.fields()?;
    let page = query::page(&fields)?;
    let filter = parse_filter(&fields)?;
    let after = fields.field("after").optional(|field| position(field, now))?;
    Ok(EventsRequest {
        filter,
        order: after.map_or(EventOrder::NewestFirst, EventOrder::After),
        page,
    })
}

/// Parses the filter of a list or a stream of events.
pub(crate) fn parse_filter(fields: &Fields<'_>) -> Parsed<EventFilter> {
    Ok(EventFilter {
        event_type: fields.field("type").optional(event_type)?,
        escrow: fields.field("escrowId").optional(escrow_id)?,
        customer: fields.field("customerId").optional(Field::customer_id)?,
    })
}

/// Parses a replay: `from` an event or `since` a moment, not both, and the `status` of the
/// events.
fn parse_replay(body: &JsonBody) -> Parsed<Replay> {
    let fields = body.fields()?;
    let (from, since) = (fields.field("from"), fields.field("since"));
    let start = match (from.optional(event_id)?, since.optional(moment)?) {
        (Some(_), Some(_)) => return Err(since.must_be("left out where from is sent")),
        (Some(id), None) => ReplayStart::Event(id),
        (None, Some(at)) => ReplayStart::Moment(at),
        (None, None) => return Err(from.must_be("the id of an event, unless since is sent")),
    };
    let status = fields.field("status").optional(Field::word)?;
    Ok(Replay { start, status })
}

fn event_type(field: &Field<'_>) -> Result<EventType, Invalid> {
    field.parsed(&EventType::expected(), EventType::parse)
}

fn escrow_id(field: &Field<'_>) -> Result<EscrowId, Invalid> {
    field.parsed("the id of an escrow: 24 lower-case hex characters", EscrowId::parse)
}

fn event_id(field: &Field<'_>) -> Result<EventId, Invalid> {
    field.parsed(EVENT_ID, EventId::parse)
}

/// The form of the id of an event.
pub(super) const EVENT_ID: &str = "the id of an event: 24 lower-case hex characters";

/// Reads the id of an event after which others follow. Retention may have removed it.
pub(super) fn position(field: &Field<'_>, now: Timestamp) -> Result<EventId, Invalid> {
    let id = event_id(field)?;
    if is_position(id, now) {
        Ok(id)
    } else {
        Err(field.must_be(NO_POSITION))
    }
}

/// The expected value in the refusal of an id that is no [`position`].
pub(super) const NO_POSITION: &str = "the id of an event that there is or was, or 24 zeros for the beginning";

/// Numbers of ids run ahead of the clock if many are taken in a millisecond, or if it was set back.
const AHEAD_MAX_SECONDS: i64 = 24 * 60 * 60;

/// Returns true if there may have been an event with this id.
pub(super) fn is_position(id: EventId, now: Timestamp) -> bool {
    (0..=ids::last_number_of(now.seconds_later(AHEAD_MAX_SECONDS))).contains(&id.number())
}

/// Reads a moment. One before 1970 stands for the beginning.
fn moment(field: &Field<'_>) -> Result<Timestamp, Invalid> {
    const MOMENT: &str = "a moment such as 2026-06-22T10:15:00.000Z";
    let text = field.parsed(MOMENT, |text| Some(text.to_owned()))?;
    Timestamp::parse_nearest(&text).map_err(|problem| {
        field.must_be(match problem {
            NotAMoment::NoOffset => "a moment with its offset from UTC, such as 2026-06-22T10:15:00.000Z",
            NotAMoment::OtherForm => MOMENT,
        })
    })
}

/// An event and its delivery.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView {
    id: AsText<EventId>,
    #[serde(rename = "type")]
    #[schemars(with = "EventName")]
    name: String,
    created_at: AsText<Timestamp>,
    escrow_id: Option<AsText<EscrowId>>,
    customer_id: Option<AsText<CustomerId>>,
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    payload: Box<RawValue>,
    delivery: DeliveryView,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveryView {
    #[schemars(with = "Words<DeliveryStatus>")]
    status: &'static str,
    /// The reason of status `none`.
    #[schemars(with = "Option<Words<UnsentReason>>")]
    reason: Option<&'static str>,
    next_attempt_at: Option<AsText<Timestamp>>,
    /// Null unless the event is pending.
    waiting_for: Option<WaitView>,
    attempts: Vec<AttemptView>,
}

/// The reason why an event is pending: another event, or the time of the next attempt.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WaitView {
    /// The event before it in the order of its escrow, which is delivered first.
    event: Option<AsText<EventId>>,
    /// The time of the next attempt.
    attempt_at: Option<AsText<Timestamp>>,
    /// The outcome of the last attempt: a status, or the reason why there was none.
    last_answer: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AttemptView {
    attempted_at: AsText<Timestamp>,
    url: String,
    /// The status of the endpoint's response; null when there was none.
    status: Option<u16>,
    /// The reason why there was no response.
    error: Option<String>,
    duration_ms: u32,
    /// The beginning of the response body.
    answer: Option<String>,
}

/// The number of events that will be delivered again, and the event at which to go on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReplayView {
    events: usize,
    /// The `from` of the request that sends the rest. Null if nothing is left.
    next: Option<AsText<EventId>>,
}

impl EventView {
    /// Shows an event, with the payload byte for byte as it is delivered.
    pub(crate) fn new(event: RecordedEvent) -> Self {
        let reason = event.unsent_reason();
        let payload = RawValue::from_string(event.payload()).expect("the data of events is JSON");
        Self {
            id: AsText(event.id),
            name: event.name,
            created_at: AsText(event.created_at),
            escrow_id: event.escrow.map(AsText),
            customer_id: event.customer.map(AsText),
            payload,
            delivery: DeliveryView::new(event.delivery, reason),
        }
    }
}

impl DeliveryView {
    fn new(progress: DeliveryProgress, reason: Option<UnsentReason>) -> Self {
        Self {
            status: progress.status().into_str(),
            reason: reason.map(|reason| reason.into_str()),
            next_attempt_at: progress.next_attempt_at().map(AsText),
            waiting_for: progress
                .waits_for
                .map(|wait| WaitView::new(wait, progress.attempts.last())),
            attempts: progress.attempts.into_iter().map(AttemptView::new).collect(),
        }
    }
}

impl WaitView {
    fn new(wait: Wait, last: Option<&Attempt>) -> Self {
        let (event, attempt_at) = match wait {
            Wait::Event(before) => (Some(AsText(before)), None),
            Wait::Attempt(at) => (None, Some(AsText(at))),
        };
        Self {
            event,
            attempt_at,
            last_answer: last.map(|attempt| match &attempt.outcome {
                AttemptOutcome::Responded { status, .. } => status.to_string(),
                AttemptOutcome::Failed(error) => error.clone(),
            }),
        }
    }
}

impl AttemptView {
    fn new(attempt: Attempt) -> Self {
        let (status, error, answer) = match attempt.outcome {
            AttemptOutcome::Responded { status, beginning } => (Some(status), None, Some(beginning)),
            AttemptOutcome::Failed(error) => (None, Some(error), None),
        };
        Self {
            attempted_at: AsText(attempt.attempted_at),
            url: attempt.url,
            status,
            error,
            duration_ms: attempt.duration_millis,
            answer,
        }
    }
}
