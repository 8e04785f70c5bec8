//! Forms for acts that take a reason.

use maud::{Markup, html};

use crate::web::api::Request;
use crate::web::console::call::hidden;
use crate::web::reader::Reader;

/// A field for the reason of an act.
pub(super) fn reason(id: &str) -> Markup {
    html! {
        div.field {
            label for={ "reason-" (id) } { "Reason" }
            input id={ "reason-" (id) } name="s:reason" required;
        }
    }
}

/// A form for an act that takes a reason, behind its name, or nothing if the reader's key may not
/// do it.
pub(super) fn with_reason(reader: &Reader, request: &Request, back: &str, id: &str, label: &str) -> Markup {
    if !reader.may(request) {
        return html! {};
    }
    html! {
        details {
            summary { (label) }
            form method="post" action="/console/call" {
                (hidden(reader, request, back))
                (reason(id))
                button { (label) }
            }
        }
    }
}
