//! The history of a deal, from its events, with their deliveries.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::time::Timestamp;
use crate::web::api::{Major, Request};
use crate::web::console::call;
use crate::web::layout::Refused;
use crate::web::parts::Part;
use crate::web::reader::Reader;
use crate::web::text;

/// The most events of a deal that its page shows.
const EVENTS_SHOWN: u32 = 100;

/// An event as the API lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) created_at: String,
    pub(super) escrow_id: Option<String>,
    /// The body of its webhook.
    #[serde(default)]
    payload: Value,
    delivery: Delivery,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    status: String,
    /// The reason of the status `none`.
    reason: Option<String>,
    attempts: Vec<Value>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Rows<T> {
    pub(super) data: Vec<T>,
    pagination: Pagination,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    next_cursor: Option<String>,
}

impl<T> Rows<T> {
    /// Returns the cursor of the next page, unless this is the last.
    pub(super) fn next_cursor(&self) -> Option<&str> {
        self.pagination.next_cursor.as_deref()
    }
}

/// Returns the path of the list of events.
pub(super) fn events_path(reader: &Reader) -> &'static str {
    if reader.is_in_sandbox() {
        "/sandbox/events"
    } else {
        "/operator/events"
    }
}

/// Reads the newest events of a deal, oldest first, if the reader's key may see events.
pub(super) async fn of_deal(reader: &Reader, escrow: &str) -> Result<Option<Rows<Event>>, Refused> {
    if !reader.sees(Part::Events) {
        return Ok(None);
    }
    let path = format!("{}?limit={EVENTS_SHOWN}&escrowId={escrow}", events_path(reader));
    let mut events: Rows<Event> = reader.api.get(path).await?;
    events.data.reverse();
    Ok(Some(events))
}

/// Shows the events of a deal as its history.
pub(super) fn show(reader: &Reader, events: &Rows<Event>, back: &str) -> Markup {
    html! {
        @if events.next_cursor().is_some() {
            p.small.muted { "The newest " (EVENTS_SHOWN) " events." }
        }
        ol.timeline {
            @for event in &events.data {
                li {
                    strong { (said(&event.kind)) } " "
                    @if let Some(payment) = event.payment() { (payment) " " }
                    (time(&event.created_at))
                    div.small.muted { code { (event.kind) } " " (event.delivery(reader, back)) }
                }
            }
        }
    }
}

impl Event {
    /// Shows the money of a payment, and who got or paid it.
    fn payment(&self) -> Option<Markup> {
        let data = self.payload.get("data").filter(|_| self.kind.starts_with("payment."))?;
        let field = |name: &str| data.get(name).and_then(Value::as_str);
        let Major(amount) = Major::deserialize(data.get("amount")?).ok()?;
        let side = if field("creditType")? == "credit" { "to" } else { "from" };
        let party = field("customerId").unwrap_or("the merchant");
        Some(html! { (text::amount(amount, field("currency")?)) " " (side) " " (text::id(party)) })
    }

    /// Shows the state of the delivery, with a button that sends the event again.
    pub(super) fn delivery(&self, reader: &Reader, back: &str) -> Markup {
        let attempts = self.delivery.attempts.len();
        let resend = Request::new(
            actix_web::http::Method::POST,
            format!("{}/{}/resend", events_path(reader), self.id),
        );
        html! {
            @match self.delivery.status.as_str() {
                "none" => { "webhook: " (unsent(self.delivery.reason.as_deref())) }
                status => {
                    "webhook: " (status) ", attempts: " (attempts) " "
                    (call::button(reader, &resend, back, "Send again", "quiet"))
                }
            }
        }
    }
}

/// Returns the reason why an event was not sent in words.
fn unsent(reason: Option<&str>) -> &'static str {
    match reason {
        Some("not_chosen") => "not sent, since the endpoint has not chosen events of this type",
        Some("endpoint_gone") => "not sent, since the endpoint has answered 410 Gone and is off",
        Some("discarded") => "not sent, since the endpoint was turned off or answered 410 Gone while it waited",
        _ => "not sent, since no address was set",
    }
}

/// Shows an instant of a reply.
pub(super) fn time(instant: &str) -> Markup {
    Timestamp::parse(instant).map_or_else(|| html! { (instant) }, text::instant)
}

/// Returns an event in words.
fn said(kind: &str) -> String {
    let words = kind.replace(['.', '_'], " ");
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
