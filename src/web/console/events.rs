//! The inbox: the newest events with their deliveries, as they happen.

use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use crate::http;
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::console::timeline::{Event, Rows, events_path, time};
use crate::web::layout::{Page, Refused, fragment};
use crate::web::reader::Reader;

const BACK: &str = "/console/events";

/// `GET /console/events`
pub(super) async fn list(reader: Reader, Query(shown): Query<Shown>) -> Result<HttpResponse, Refused> {
    let rows = newest(&reader).await?;
    let done = done::notice(&reader, shown.done()).await?;
    Ok(Page::new("Events").section(BACK).show(&html! {
        (done)
        h1 { "Events" }
        p.lead { "What webhooks tell, newest first. " span data-follows role="status" { "This list updates by itself." } }
        div data-live="/console/events/changes" data-fragment="/console/events/rows" {
            (rows)
        }
    }))
}

/// `GET /console/events/rows`
pub(super) async fn rows(reader: Reader) -> Result<HttpResponse, Refused> {
    Ok(fragment(&newest(&reader).await?))
}

/// `GET /console/events/changes`
pub(super) async fn changes(reader: Reader, request: HttpRequest) -> Result<HttpResponse, Refused> {
    reader.changes(&request, http::Rows::Events).await
}

async fn newest(reader: &Reader) -> Result<Markup, Refused> {
    let events: Rows<Event> = reader.api.get(format!("{}?limit=50", events_path(reader))).await?;
    Ok(html! {
        @if events.data.is_empty() {
            p.empty { "Nothing has happened yet." }
        } @else {
            div.table-scroll tabindex="0" {
                table {
                    thead { tr {
                        th scope="col" { "When" }
                        th scope="col" { "Event" }
                        th scope="col" { "Deal" }
                        th scope="col" { "Delivery" }
                    } }
                    tbody {
                        @for event in &events.data {
                            // The script finds a row by its id again.
                            tr id={ "event-" (event.id) } {
                                td { (time(&event.created_at)) }
                                td { code { (event.kind) } }
                                td { @if let Some(escrow) = &event.escrow_id { a href={ "/console/deals/" (escrow) } { "open" } } }
                                td.small { (event.delivery(reader, BACK)) }
                            }
                        }
                    }
                }
            }
        }
    })
}
