//! Events and callbacks of a sandbox.

use crate::domain::events::event::{EventFilter, EventOrder, EventType, ReplayStart};
use crate::domain::events::webhook_endpoint::WebhookUrl;
use crate::domain::ids::{EscrowId, EventId};
use crate::domain::mode::Mode;
use crate::domain::page::PageRequest;
use crate::domain::refusal::{Invalid, Parsed};
use crate::domain::time::Timestamp;
use crate::http::body::JsonBody;
use crate::http::fields::Field;
use crate::http::query::{self, Query};

/// Which events are listed.
#[derive(Debug)]
pub(in crate::http) struct EventsWanted {
    pub(in crate::http) filter: EventFilter,
    pub(in crate::http) order: EventOrder,
    pub(in crate::http) page: PageRequest,
}

/// Of `GET /sandbox/events`.
pub(in crate::http) fn wanted(query: &Query) -> Parsed<EventsWanted> {
    let fields = query.fields()?;
    let page = query::page(&fields)?;
    let filter = EventFilter {
        event_type: fields.field("type").optional(event_type)?,
        escrow: fields.field("escrowId").optional(escrow_id)?,
        customer: fields.field("customerId").optional(Field::customer_id)?,
    };
    let after = fields.field("after").optional(event_id)?;
    Ok(EventsWanted {
        filter,
        order: after.map_or(EventOrder::NewestFirst, EventOrder::After),
        page,
    })
}

/// Of `POST /sandbox/events/replay`: `from` an event or `since` a moment, not both.
pub(in crate::http) fn replay_start(body: &JsonBody) -> Parsed<ReplayStart> {
    let fields = body.fields()?;
    let (from, since) = (fields.field("from"), fields.field("since"));
    match (from.optional(event_id)?, since.optional(moment)?) {
        (Some(_), Some(_)) => Err(since.must_be("left out where from is sent")),
        (Some(id), None) => Ok(ReplayStart::Event(id)),
        (None, Some(at)) => Ok(ReplayStart::Moment(at)),
        (None, None) => Err(from.must_be("the id of an event, unless since is sent")),
    }
}

/// Of `PUT /sandbox/callback`: a URL, or null for nowhere.
pub(in crate::http) fn callback_url(body: &JsonBody) -> Parsed<Option<WebhookUrl>> {
    let fields = body.fields()?;
    if !fields.has("url") {
        return Err(Invalid::missing("url"));
    }
    fields.field("url").optional(callback)
}

fn callback(field: &Field<'_>) -> Result<WebhookUrl, Invalid> {
    let text = field.text()?;
    WebhookUrl::parse(&text, Mode::Sandbox).map_err(|problem| field.must_be(problem.to_string()))
}

fn event_type(field: &Field<'_>) -> Result<EventType, Invalid> {
    field.parsed(EventType::SHAPE, EventType::parse)
}

fn escrow_id(field: &Field<'_>) -> Result<EscrowId, Invalid> {
    field.parsed("the id of an escrow: 24 lower-case hex characters", EscrowId::parse)
}

fn event_id(field: &Field<'_>) -> Result<EventId, Invalid> {
    field.parsed("the id of an event: 24 lower-case hex characters", EventId::parse)
}

fn moment(field: &Field<'_>) -> Result<Timestamp, Invalid> {
    field.parsed("a moment such as 2026-06-22T10:15:00.000Z", Timestamp::parse)
}
