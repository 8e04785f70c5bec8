//! The newest requests of the merchant's clients, for those who debug one.

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use serde::Deserialize;

use crate::http;
use crate::web::console::timeline::{Rows, time};
use crate::web::layout::{Page, Refused, fragment};
use crate::web::reader::Reader;
use crate::web::text;

/// A line of the request log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    received_at: String,
    method: String,
    path: String,
    customer_id: Option<String>,
    status: u16,
    duration_micros: u64,
}

/// `GET /console/requests`
pub(super) async fn list(reader: Reader) -> Result<HttpResponse, Refused> {
    let rows = newest(&reader).await?;
    Ok(Page::new("Requests").section("/console/requests").show(&html! {
        h1 { "Requests" }
        p.lead { "What your programs sent, newest first. Reads by these pages are left out. " span data-follows role="status" { "This list updates by itself." } }
        div data-live="/console/requests/changes" data-fragment="/console/requests/rows" {
            (rows)
        }
    }))
}

/// `GET /console/requests/rows`
pub(super) async fn rows(reader: Reader) -> Result<HttpResponse, Refused> {
    Ok(fragment(&newest(&reader).await?))
}

/// `GET /console/requests/changes`
pub(super) async fn changes(reader: Reader, request: HttpRequest) -> Result<HttpResponse, Refused> {
    reader.changes(&request, http::Rows::Requests).await
}

async fn newest(reader: &Reader) -> Result<Markup, Refused> {
    let lines: Rows<Line> = reader.api.get("/sandbox/requests?limit=50").await?;
    Ok(html! {
        @if lines.data.is_empty() {
            p.empty { "No requests yet." }
        } @else {
            div.table-scroll tabindex="0" {
                table {
                    thead { tr {
                        th scope="col" { "When" }
                        th scope="col" { "Request" }
                        th scope="col" { "As" }
                        th scope="col" { "Status" }
                        th.end scope="col" { "Milliseconds" }
                    } }
                    tbody {
                        @for line in &lines.data {
                            tr {
                                td { (time(&line.received_at)) }
                                td { code { (line.method) " " (line.path) } }
                                td { (text::id(line.customer_id.as_deref().unwrap_or("the merchant"))) }
                                td { span class={ "badge " (tone(line.status)) } { (line.status) } }
                                td.end.number { (millis(line.duration_micros)) }
                            }
                        }
                    }
                }
            }
        }
    })
}

const fn tone(status: u16) -> &'static str {
    match status {
        0..400 => "good",
        400..500 => "warn",
        _ => "bad",
    }
}

/// Writes microseconds as milliseconds with one decimal.
fn millis(micros: u64) -> String {
    format!("{}.{}", micros / 1_000, micros % 1_000 / 100)
}
