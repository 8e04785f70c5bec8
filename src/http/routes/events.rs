//! Routes of what subscribers were told. Of a sandbox only; the merchant of the key
//! looks, and a `customer-id` header has no effect.

use actix_web::web::{Data, Path};

use crate::commands::events;
use crate::domain::ids::EventId;
use crate::domain::page::Page;
use crate::domain::refusal::Refusal;
use crate::http::auth::Viewer;
use crate::http::body::JsonBody;
use crate::http::drafts::events as drafts;
use crate::http::envelope::{Answer, ApiError, Reply};
use crate::http::query::Query;
use crate::http::state::AppState;
use crate::queries;
use crate::views::{EventView, PageView, ReplayView};

/// `GET /sandbox/events`: a page, newest first, or oldest first of what came after one.
pub(crate) async fn list(
    api: Data<AppState>,
    caller: Viewer,
    query: Query,
) -> Result<Reply<PageView<EventView>>, ApiError> {
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
pub(crate) async fn get(api: Data<AppState>, caller: Viewer, id: Path<String>) -> Result<Reply<EventView>, ApiError> {
    let event = match caller.key_holder.known() {
        Some(merchant) => queries::events::by_id(&api.store, merchant, EventId::named(&id))?,
        None => None,
    };
    let event = event.ok_or(Refusal::EventNotFound)?;
    Ok(Reply::ok("Event fetched successfully", EventView::new(event)))
}

/// `POST /sandbox/events/{id}/resend`.
pub(crate) async fn resend(api: Data<AppState>, caller: Viewer, id: Path<String>) -> Result<Answer, ApiError> {
    let id = EventId::named(&id);
    api.act_as_merchant(
        &caller.key_holder,
        move |tx, policy, merchant| events::resend(tx, policy, merchant, id),
        |event, _viewing| Reply::ok("Event queued successfully", EventView::new(event)),
    )
    .await
}

/// `POST /sandbox/events/replay`.
pub(crate) async fn replay(api: Data<AppState>, caller: Viewer, body: JsonBody) -> Result<Answer, ApiError> {
    let start = drafts::replay_start(&body);
    api.act_as_merchant(
        &caller.key_holder,
        move |tx, policy, merchant| events::replay(tx, policy, merchant, start),
        |events, _viewing| Reply::ok("Events queued successfully", ReplayView { events }),
    )
    .await
}
