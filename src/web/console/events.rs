//! The inbox: the newest events with their deliveries, as they happen.

use actix_web::HttpResponse;
use actix_web::web::Query;
use maud::{Markup, html};

use crate::domain::events::choice::known_names;
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
    let names = known_names().join(" ");
    // The stream takes no session, so only a browser that needs no key follows it.
    let stream = reader.is_without_key().then_some("/sandbox/events/stream");
    Ok(Page::new("Events").section(BACK).show(&html! {
        (done)
        h1 { "Events" }
        p.lead { "What webhooks tell, newest first." @if stream.is_some() { " The list follows by itself." } }
        div data-live=[stream] data-names=[stream.map(|_| names)] data-fragment=[stream.map(|_| "/console/events/rows")] aria-live="polite" {
            (rows)
        }
    }))
}

/// `GET /console/events/rows`
pub(super) async fn rows(reader: Reader) -> Result<HttpResponse, Refused> {
    Ok(fragment(&newest(&reader).await?))
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
                            tr {
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
