//! The documents of the project as pages, from the binary.

mod markdown;
mod reference;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Path, ServiceConfig};
use maud::{PreEscaped, html};

use crate::http::AppState;
use crate::web::layout::{Page, Refused};

/// A document: its name in paths, what it is for, and its text in Markdown.
struct Document {
    name: &'static str,
    purpose: &'static str,
    text: &'static str,
}

macro_rules! documents {
    ($($name:literal: $purpose:literal,)*) => {
        [$(Document {
            name: $name,
            purpose: $purpose,
            text: include_str!(concat!("../../../docs/", $name, ".md")),
        }),*]
    };
}

const DOCUMENTS: [Document; 16] = documents! {
    "api": "All routes, a line each",
    "errors": "Every refusal with its cause and its remedy",
    "contract": "Every field, status, message and rule",
    "console": "What each of these pages is for",
    "checkout": "Taking payments in your own web page",
    "webhooks": "Events: their payloads, signatures and repeats",
    "testing": "The sandbox: clocks, faults, seeds and idempotency",
    "differences": "Where this service differs from the hosted one",
    "operators": "Deposits, pay-outs and the people who handle them",
    "reconciliation": "Comparing the ledger with the bank",
    "statements": "Statements of banks, read and matched",
    "providers": "Notices of payment providers",
    "install": "Installing the binary",
    "self-hosting": "A server of your own, from nothing",
    "operating": "Backups, restarts, metrics and damage",
    "scaling": "PostgreSQL: several processes, failover",
};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("").get(list))
        .service(web::resource("/reference").get(reference::list))
        .service(web::resource("/reference/{operation}").get(reference::show))
        .service(web::resource("/{name}").get(show));
}

/// `GET /docs`
async fn list() -> HttpResponse {
    Page::new("Documents").section("/docs").narrow().show(&html! {
        h1 { "Documents" }
        ul {
            li { a href="/docs/reference" { "API reference" } " " span.muted { "Every operation, with a request to try" } }
            @for document in &DOCUMENTS {
                li {
                    a href={ "/docs/" (document.name) } { (markdown::title(document.text)) }
                    " " span.muted { (document.purpose) }
                }
            }
        }
    })
}

/// `GET /docs/{name}`
async fn show(state: Data<AppState>, name: Path<String>) -> Result<HttpResponse, Refused> {
    let found = DOCUMENTS.iter().find(|document| document.name == *name);
    let document = found.ok_or_else(|| {
        Refused::new(
            404,
            Page::new("No such document").section("/docs"),
            "There is no document with this name.",
        )
    })?;
    let is_known = |name: &str| DOCUMENTS.iter().any(|document| document.name == name);
    let content = PreEscaped(markdown::html(document.text, is_known));
    let page = Page::new(markdown::title(document.text)).section("/docs");
    Ok(page.show(&html! {
        article.document {
            (content)
            @if document.name == "errors" { (reference::operations_by_code(&state)) }
        }
    }))
}
