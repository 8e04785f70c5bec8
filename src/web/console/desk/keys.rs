//! The keys of a live merchant, its webhook endpoint, and the secret that signs its events.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Query;
use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::time::Timestamp;
use crate::web::api::Request;
use crate::web::console::call::hidden;
use crate::web::console::desk::parts::{SECTION, pages};
use crate::web::console::done;
use crate::web::console::done::Shown;
use crate::web::console::reasons::with_reason;
use crate::web::console::timeline::time;
use crate::web::layout::{Page, Refused};
use crate::web::reader::Reader;
use crate::web::text;

const BACK: &str = "/console/desk/keys";

/// The empty fields for events beside those that are set.
const EVENTS_MORE: usize = 2;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    id: String,
    scope: String,
    label: Option<String>,
    ending: Option<String>,
    created_at: String,
    last_used_at: Option<String>,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Callback {
    url: Option<String>,
    events: Option<Vec<String>>,
    gone_at: Option<String>,
    previous_secret_until: Option<String>,
}

/// `GET /console/desk/keys`
pub(super) async fn show(reader: Reader, Query(shown): Query<Shown>) -> Result<HttpResponse, Refused> {
    let keys: Vec<Key> = reader.api.get("/operator/keys").await?;
    let callback: Callback = reader.api.get("/operator/callback").await?;
    let done = done::notice(&reader, shown.done()).await?;
    Ok(Page::new("Keys and webhooks").section(SECTION).show(&html! {
        (done)
        h1 { "Keys and webhooks" }
        p.lead { "The keys of the merchant's programs, and where they hear of events. A key or a secret is shown once, when it is made." }
        (pages(&reader, BACK))
        div.columns {
            section.card {
                h2 { "Keys" }
                (table(&reader, &keys))
            }
            (new_key(&reader))
        }
        div.columns {
            (endpoint(&callback))
            (endpoint_forms(&reader, &callback))
        }
    }))
}

fn table(reader: &Reader, keys: &[Key]) -> Markup {
    html! {
        div.table-scroll tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "Key" }
                    th scope="col" { "State" }
                    th scope="col" { "Opens" }
                    th scope="col" { "Made" }
                    th scope="col" { "Last use" }
                } }
                tbody {
                    @for key in keys {
                        tr {
                            td {
                                code { "…" (key.ending.as_deref().unwrap_or_default()) }
                                @if let Some(label) = &key.label { div { (label) } }
                                div.small.muted { (text::id(&key.id)) }
                            }
                            td { (state(reader, key)) }
                            td { @if key.scope == "business" { "deals and categories" } @else { "every route" } }
                            td { (time(&key.created_at)) }
                            td { @if let Some(at) = &key.last_used_at { (time(at)) } @else { "never" } }
                        }
                    }
                }
            }
        }
    }
}

/// Shows if the key is valid, and what can be done with it. Nothing can be done with a key that has
/// ended.
fn state(reader: &Reader, key: &Key) -> Markup {
    let act = |name: &str| Request::new(Method::POST, format!("/operator/keys/{}/{name}", key.id));
    let ended = |word: &str, at: &str| html! { span.badge.bad { (word) } div.small.muted { (time(at)) } };
    if let Some(at) = &key.revoked_at {
        return ended("revoked", at);
    }
    if let Some(at) = &key.expires_at
        && Timestamp::parse(at).is_some_and(|end| end <= reader.state.store.ledger_time())
    {
        return ended("expired", at);
    }
    html! {
        @if let Some(at) = &key.expires_at {
            span.badge.warn { "expires" } div.small.muted { (time(at)) }
        } @else {
            span.badge.good { "valid" }
        }
        @if reader.may(&act("rotate")) {
            details {
                summary { "Replace" }
                form method="post" action="/console/call" {
                    (hidden(reader, &act("rotate"), BACK))
                    div.field {
                        label for={ "overlap-" (key.id) } { "Hours in which both are valid" }
                        input id={ "overlap-" (key.id) } name="n:overlapHours" inputmode="numeric" value="24" required;
                    }
                    button { "Make the next key" }
                }
            }
        }
        (with_reason(reader, &act("revoke"), BACK, &format!("revoke-{}", key.id), "Revoke"))
    }
}

fn new_key(reader: &Reader) -> Markup {
    let create = Request::new(Method::POST, "/operator/keys");
    if !reader.may(&create) {
        return html! {};
    }
    html! {
        form.card method="post" action="/console/call" {
            h2 { "A new key" }
            (hidden(reader, &create, BACK))
            div.field {
                label for="scope" { "What it opens" }
                select #scope name="s:scope" {
                    option value="super_admin" { "Every route" }
                    option value="business" { "Deals and categories" }
                }
            }
            div.field {
                label for="label" { "What it is for" }
                input #label name="s:label";
            }
            button { "Make the key" }
        }
    }
}

fn endpoint(callback: &Callback) -> Markup {
    html! {
        section.card {
            h2 { "Webhook endpoint" }
            @if let Some(url) = &callback.url {
                dl.facts {
                    dt { "Address" } dd { code { (url) } }
                    dt { "Events" } dd { @match &callback.events { Some(events) => { (events.join(", ")) }, None => "all of the contract" } }
                    @if let Some(at) = &callback.gone_at { dt { "Disabled" } dd { span.badge.bad { "answered 410" } " events since " (time(at)) " are not sent" } }
                    @if let Some(at) = &callback.previous_secret_until { dt { "Former secret" } dd { "signs too until " (time(at)) } }
                }
            } @else {
                p.muted { "No address is set, so events are sent nowhere." }
            }
        }
    }
}

fn endpoint_forms(reader: &Reader, callback: &Callback) -> Markup {
    let set = Request::new(Method::PUT, "/operator/callback");
    let rotate = Request::new(Method::POST, "/operator/callback/rotate-secret");
    if !reader.may(&set) {
        return html! {};
    }
    let events = callback.events.as_deref().unwrap_or_default();
    html! {
        div {
            form.card method="post" action="/console/call" {
                h2 { "Set the endpoint" }
                (hidden(reader, &set, BACK))
                div.field {
                    label for="url" { "Address" }
                    input #url type="url" name="s:url" required placeholder="https://shop.example/webhooks" aria-describedby="url-hint";
                    p.hint #url-hint { "The address is never shown with its query, so type all of it." }
                }
                fieldset {
                    legend { "Only these events" }
                    @for index in 0..events.len() + EVENTS_MORE {
                        div.field {
                            label.visually-hidden for={ "event" (index) } { "Event " (index + 1) }
                            input id={ "event" (index) } name={ "s:events[" (index) "]" } value=[events.get(index)] placeholder="milestone.*";
                        }
                    }
                    p.small.muted { "A name or a pattern in each field. Without any: all events of the contract, but not milestone.released." }
                }
                button { "Set the endpoint" }
            }
            @if callback.url.is_some() && reader.may(&rotate) {
                form.card method="post" action="/console/call" {
                    h2 { "Replace the signing secret" }
                    (hidden(reader, &rotate, BACK))
                    div.field {
                        label for="overlap-secret" { "Hours in which both are valid" }
                        input #overlap-secret name="n:overlapHours" inputmode="numeric" value="24" required;
                    }
                    button { "Make the next secret" }
                }
            }
        }
    }
}
