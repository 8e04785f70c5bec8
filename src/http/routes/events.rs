//! Routes of what subscribers were told. Of a sandbox only; the merchant of the key
//! looks, and a `customer-id` header has no effect.

use actix_web::web::{Data, Path};

use crate::commands::events;
use crate::domain::ids::EventId;
use crate::domain::page::Page;
use crate::domain::refusal::Refusal;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::drafts::events as drafts;
use crate::http::envelope::{ApiError, Reply};
use crate::http::query::Query;
use crate::http::state::AppState;
use crate::views::{EventView, PageView, ReplayView};

/// `GET /sandbox/events`: a page, newest first, or oldest first of what came after one.
pub(crate) async fn list(state: Data<AppState>, caller: Caller, query: Query) -> Result<Reply, ApiError> {
    let wanted = drafts::wanted(&query)?;
    let page = match caller.merchant() {
        Some(merchant) => state
            .store
            .read(|snapshot| snapshot.events(merchant, &wanted.filter, wanted.order, wanted.page))?,
        None => Page::empty(wanted.page),
    };
    Ok(Reply::ok(
        "Events fetched successfully",
        PageView::new(page, EventView::new),
    ))
}

/// `GET /sandbox/events/{id}`.
pub(crate) async fn get(state: Data<AppState>, caller: Caller, id: Path<String>) -> Result<Reply, ApiError> {
    let event = match caller.merchant() {
        Some(merchant) => state
            .store
            .read(|snapshot| snapshot.event(merchant, EventId::named(&id)))?,
        None => None,
    };
    let event = event.ok_or(Refusal::EventNotFound)?;
    Ok(Reply::ok("Event fetched successfully", EventView::new(event)))
}

/// `POST /sandbox/events/{id}/resend`.
pub(crate) async fn resend(state: Data<AppState>, caller: Caller, id: Path<String>) -> Result<Reply, ApiError> {
    let id = EventId::named(&id);
    state
        .execute(
            &caller,
            move |tx, policy, actor| events::resend(tx, policy, actor.merchant, id),
            |event, _context| Reply::ok("Event queued successfully", EventView::new(event)),
        )
        .await
}

/// `POST /sandbox/events/replay`.
pub(crate) async fn replay(state: Data<AppState>, caller: Caller, body: JsonBody) -> Result<Reply, ApiError> {
    let start = drafts::replay_start(&body);
    state
        .execute(
            &caller,
            move |tx, policy, actor| events::replay(tx, policy, actor.merchant, start),
            |events, _context| Reply::ok("Events queued successfully", ReplayView { events }),
        )
        .await
}
