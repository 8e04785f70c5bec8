//! The reference of the API: a page for each operation of the API document, with the fields of
//! its request and its reply, and the request in three languages.

mod fields;
mod operation;
mod refusals;
mod sample;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use serde_json::Value;

use crate::domain::mode::Mode;
use crate::http::{AppState, api_document};
use crate::http::{CSV, FORM, JSON};
use crate::web::docs::reference::fields::rows;
use crate::web::docs::reference::operation::{Operation, operations};
use crate::web::docs::reference::sample::Sample;
use crate::web::layout::{Page, Refused};

/// The sections of the reference: the tag of their operations, and their heading.
const SECTIONS: [(&str, &str); 5] = [
    ("contract", "The escrow API"),
    ("checkout", "Checkout in a web page"),
    ("sandbox", "The sandbox"),
    ("operator", "Operators"),
    ("open", "Without a key"),
];

/// The most operations that the page of the errors lists for a code.
const LISTED_MAX: usize = 12;

/// `GET /docs/reference`
pub(super) async fn list(state: Data<AppState>) -> HttpResponse {
    let api = api_document(&state);
    let document = &api.document;
    let operations = operations(document);
    Page::new("API reference").section("/docs").narrow().show(&html! {
        h1 { "API reference" }
        p.lead { "Every operation of this server, with its fields, its reply, and a request to try." }
        p { "For programs: " a href="/openapi.json" { "/openapi.json" } ". Refusals: " a href="/docs/errors" { "every code" } "." }
        @for (tag, heading) in SECTIONS {
            @let of_section = operations.iter().filter(|operation| operation.facts["tags"][0] == tag);
            @if of_section.clone().next().is_some() {
                h2 { (heading) }
                ul.operations { @for operation in of_section { li { (link(operation)) } } }
            }
        }
        h2 { "Events" }
        p { "The service posts these to a merchant's " a href="/docs/webhooks" { "webhook endpoint" } "." }
        @if let Some(events) = document["webhooks"].as_object() {
            ul.operations { @for name in events.keys() { li { a href={ "/docs/reference/" (name) } { code { (name) } } } } }
        }
    })
}

/// `GET /docs/reference/{operationId}`, or the name of an event in its place.
pub(super) async fn show(
    state: Data<AppState>,
    request: HttpRequest,
    name: Path<String>,
) -> Result<HttpResponse, Refused> {
    let api = api_document(&state);
    let document = &api.document;
    if let Some(event) = document["webhooks"].get(name.as_str()) {
        return Ok(show_event(document, &name, &event["post"]));
    }
    let operations = operations(document);
    let found = operations
        .iter()
        .find(|operation| operation.facts["operationId"] == name.as_str());
    let operation = found.ok_or_else(|| {
        let page = Page::new("No such operation").section("/docs");
        Refused::new(404, page, "The API has no operation with this name.")
    })?;
    let policy = state.policy.load();
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let base_url = policy.view_context(None, host).url("");
    let sample = Sample::new(operation, &base_url, policy.mode == Mode::Live);
    let content = &operation.facts["requestBody"]["content"];
    let title = format!("{} {}", operation.method, operation.path);
    Ok(Page::new(title).section("/docs").show(&html! {
        p.small { a href="/docs/reference" { "API reference" } }
        h1.operation { span.badge.info { (operation.method) } " " code { (operation.path) } }
        p { (text(&operation.facts["description"])) }
        (parameters(&operation.facts["parameters"]))
        @if let Some(form) = content.get(FORM).or_else(|| content.get(JSON)) {
            h2 { "Body" }
            @if content.get(FORM).is_some() { p { "JSON, or a form, which alone may have files." } }
            (table("The fields of the body", document, &form["schema"], true))
        } @else if content.get(CSV).is_some() {
            h2 { "Body" }
            p { "A CSV file." }
        }
        h2 { "Try it" }
        @if let Some(hint) = sample.hint() { p { (hint) } }
        @for (language, id, code) in sample.in_each_language() {
            h3 { (language) }
            pre tabindex="0" { code id=(id) { (code) } }
            p { button type="button" data-copy=(id) { "Copy" } }
        }
        h2 { "Reply" }
        (reply(document, &operation.facts["responses"]))
    }))
}

/// Returns the operations of each code as links, for the page of the errors. Codes that nearly
/// every operation has are left out.
pub(super) fn operations_by_code(state: &AppState) -> Markup {
    let api = api_document(state);
    let document = &api.document;
    let operations = operations(document);
    let by_code = refusals::by_code(&operations);
    let listed = by_code.iter().filter(|(_, of_code)| of_code.len() <= LISTED_MAX);
    html! {
        h2 id="operations-by-code" { "Operations by code" }
        p { "The operations of this server that refuse with a code, where it is not one of very many." }
        div.table-scroll tabindex="0" {
            table {
                thead { tr { th { "Code" } th { "Operations" } } }
                tbody {
                    @for (code, of_code) in listed {
                        tr {
                            td { a href={ "#" (code) } { code { (code) } } }
                            td { ul.operations { @for operation in of_code { li { (link(operation)) } } } }
                        }
                    }
                }
            }
        }
    }
}

fn show_event(document: &Value, name: &str, event: &Value) -> HttpResponse {
    let payload = &event["requestBody"]["content"][JSON]["schema"];
    Page::new(name).section("/docs").show(&html! {
        p.small { a href="/docs/reference" { "API reference" } }
        h1.operation { span.badge.info { "EVENT" } " " code { (name) } }
        p { "The service posts it to the merchant's " a href="/docs/webhooks" { "webhook endpoint" } ", signed." }
        h2 { "Payload" }
        (table("The fields of the payload", document, payload, false))
    })
}

fn link(operation: &Operation<'_>) -> Markup {
    let id = text(&operation.facts["operationId"]);
    html! { a href={ "/docs/reference/" (id) } { code { (operation.method) " " (operation.path) } } }
}

fn parameters(parameters: &Value) -> Markup {
    let parameters = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
    if parameters.is_empty() {
        return html! {};
    }
    html! {
        h2 { "Parameters" }
        div.table-scroll tabindex="0" {
            table {
                thead { tr { th { "Name" } th { "In" } th { "Kind" } th { "Needed" } th { "About" } } }
                tbody {
                    @for parameter in parameters {
                        @let row = fields::row(text(&parameter["name"]).to_owned(), &parameter["schema"]);
                        tr {
                            td { code { (row.name) } }
                            td { (text(&parameter["in"])) }
                            td { (row.kind) }
                            td { @if parameter["required"] == true { "yes" } @else { "no" } }
                            td { (row.about) }
                        }
                    }
                }
            }
        }
    }
}

fn table(caption: &str, document: &Value, schema: &Value, is_request: bool) -> Markup {
    let rows = rows(document, schema);
    html! {
        div.table-scroll tabindex="0" {
            table {
                caption.visually-hidden { (caption) }
                thead { tr { th { "Field" } th { "Kind" } th { @if is_request { "Needed" } @else { "Always sent" } } th { "About" } } }
                tbody {
                    @for row in &rows {
                        tr {
                            td { code { (row.name) } }
                            td { (row.kind) }
                            td { @if row.is_required { "yes" } @else { "no" } }
                            td { (row.about) }
                        }
                    }
                }
            }
        }
    }
}

fn reply(document: &Value, responses: &Value) -> Markup {
    let mut statuses = responses.as_object().into_iter().flatten();
    let success = statuses.find(|(status, _)| status.starts_with('2'));
    html! {
        @if let Some((status, response)) = success {
            @let content = &response["content"];
            @if let Some(json) = content.get(JSON) {
                p { "Status " (status) ", with this as its JSON body:" }
                (table("The fields of the reply", document, &json["schema"], false))
            } @else if let Some(media_types) = content.as_object() {
                p { "Status " (status) ", as " @for media_type in media_types.keys() { code { (media_type) } } "." }
            }
        }
        h2 { "Refusals" }
        p {
            "A refusal changes nothing; only " code { "outcome_unknown" } " and " code { "internal" } " leave that open. "
            "The link of each " code { "code" } " leads to its remedy."
        }
        (refusals::table(responses))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
