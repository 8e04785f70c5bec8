//! Routes of what subscribers were told. Of a sandbox only; the merchant of the key
//! looks, and a `customer-id` header has no effect.

use actix_web::web::{Data, Path};

use super::api::Api;
use super::auth::Viewer;
use super::body::JsonBody;
use super::drafts::events as drafts;
use super::envelope::{Answer, ApiError, Reply};
use super::query::Query;
use crate::commands::events;
use crate::domain::ids::EventId;
use crate::domain::page::Page;
use crate::domain::refusal::Refusal;
use crate::queries;
use crate::wire::{EventView, PageView, ReplayView};

/// `GET /sandbox/events`: a page, newest first, or oldest first of what came after one.
pub(super) async fn list(api: Data<Api>, caller: Viewer, query: Query) -> Result<Reply<PageView<EventView>>, ApiError> {
    let wanted = drafts::wanted(&query)?;
    let page = match caller.key_holder.known() {
        Some(merchant) => queries::events::page(&api.store, merchant, &wanted.filter, wanted.order, wanted.page)?,
        None => Page::empty(wanted.page),
    };
    Ok(Reply::ok(
        "Events fetched successfully",
        PageView::new(page, EventView::new),
    ))
}

/// `GET /sandbox/events/{id}`.
pub(super) async fn get(api: Data<Api>, caller: Viewer, id: Path<String>) -> Result<Reply<EventView>, ApiError> {
    let event = match caller.key_holder.known() {
        Some(merchant) => queries::events::by_id(&api.store, merchant, EventId::named(&id))?,
        None => None,
    };
    let event = event.ok_or(Refusal::EventNotFound)?;
    Ok(Reply::ok("Event fetched successfully", EventView::new(event)))
}

/// `POST /sandbox/events/{id}/resend`.
pub(super) async fn resend(api: Data<Api>, caller: Viewer, id: Path<String>) -> Result<Answer, ApiError> {
    let id = EventId::named(&id);
    api.act_as_merchant(
        &caller.key_holder,
        move |tx, policy, merchant| events::resend(tx, policy, merchant, id),
        |event, _viewing| Reply::ok("Event queued successfully", EventView::new(event)),
    )
    .await
}

/// `POST /sandbox/events/replay`.
pub(super) async fn replay(api: Data<Api>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
    let start = drafts::replay_start(&body);
    api.act_as_merchant(
        &caller.key_holder,
        move |tx, policy, merchant| events::replay(tx, policy, merchant, start),
        |events, _viewing| Reply::ok("Events queued successfully", ReplayView { events }),
    )
    .await
}
