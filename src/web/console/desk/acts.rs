//! The record of operators' acts.

use actix_web::HttpResponse;
use actix_web::web::Query;
use maud::html;
use serde::Deserialize;

use crate::web::console::desk::parts::{NEWEST_FIRST, SECTION, pager, pages, rows};
use crate::web::console::timeline::{Rows, time};
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;

const PATH: &str = "/console/desk/acts";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Act {
    number: i64,
    operator: Option<String>,
    #[serde(rename = "act")]
    kind: String,
    subject: String,
    reason: Option<String>,
    address: Option<String>,
    created_at: String,
}

/// The cursor of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Cursor {
    acts: Option<String>,
}

/// `GET /console/desk/acts`
pub(super) async fn show(reader: Reader, Query(cursor): Query<Cursor>) -> Result<HttpResponse, Refused> {
    let cursor = cursor.acts.as_deref();
    let acts: Rows<Act> = rows(&reader, "/operator/acts?limit=100", cursor).await?;
    let is_in_sandbox = reader.is_in_sandbox();
    let without_operator = |act: &Act| match act.kind.as_str() {
        _ if is_in_sandbox => "the sandbox",
        // No command on the machine records money.
        "receipt_recorded" => "a provider's notice",
        _ => "the machine itself",
    };
    Ok(Page::new("Who did what").section(SECTION).show(&html! {
        h1 { "Who did what" }
        p.lead { "Every act is kept for ever, and a chain of hashes shows if one was changed or removed." }
        (pages(&reader, PATH))
        @if acts.data.is_empty() {
            p.empty { "Nothing was done yet." }
        } @else {
            div.table-scroll tabindex="0" {
                table {
                    caption #acts { "Acts, newest first" }
                    thead { tr {
                        th.end scope="col" { "Number" }
                        th scope="col" { "When" }
                        th scope="col" { "Who" }
                        th scope="col" { "What" }
                        th scope="col" { "Reason" }
                        th scope="col" { "From" }
                    } }
                    tbody {
                        @for act in &acts.data {
                            tr {
                                td.end.number { (act.number) }
                                td { (time(&act.created_at)) }
                                td { (act.operator.as_deref().unwrap_or_else(|| without_operator(act))) }
                                td { (act.kind.replace('_', " ")) div.small.muted { code { (act.subject) } } }
                                td { @if let Some(reason) = &act.reason { (reason) } }
                                td { @if let Some(address) = &act.address { (address) } }
                            }
                        }
                    }
                }
            }
            (pager(PATH, "acts", cursor, &acts, NEWEST_FIRST))
        }
    }))
}
