//! Events and callbacks of a sandbox.

use super::super::body::JsonBody;
use super::super::fields::Field;
use super::super::query::{self, Query};
use crate::domain::callback::CallbackUrl;
use crate::domain::event::{EventFilter, EventOrder, EventType, ReplayStart};
use crate::domain::ids::{EscrowId, EventId};
use crate::domain::mode::Mode;
use crate::domain::page::PageRequest;
use crate::domain::refusal::{Invalid, Sent};
use crate::domain::time::Timestamp;

/// Which events are listed.
#[derive(Debug)]
pub(in super::super) struct EventsWanted {
    pub(in super::super) filter: EventFilter,
    pub(in super::super) order: EventOrder,
    pub(in super::super) page: PageRequest,
}

/// Of `GET /sandbox/events`.
pub(in super::super) fn wanted(query: &Query) -> Sent<EventsWanted> {
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
pub(in super::super) fn replay_start(body: &JsonBody) -> Sent<ReplayStart> {
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
pub(in super::super) fn callback_url(body: &JsonBody) -> Sent<Option<CallbackUrl>> {
    let fields = body.fields()?;
    if !fields.has("url") {
        return Err(Invalid::missing("url"));
    }
    fields.field("url").optional(callback)
}

fn callback(field: &Field<'_>) -> Result<CallbackUrl, Invalid> {
    let text = field.text()?;
    CallbackUrl::parse(&text, Mode::Sandbox).map_err(|problem| field.must_be(problem.to_string()))
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
