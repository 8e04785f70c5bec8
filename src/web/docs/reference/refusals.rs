//! The refusals of an operation, as rows of a table, and the operations of each code.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use crate::http::JSON;
use crate::web::docs::markdown;
use crate::web::docs::reference::operation::Operation;

/// The list of errors, whose rows have the message of each code.
const ERRORS: &str = include_str!("../../../../docs/errors.md");

/// The code of a fault, which can answer with every status.
const FAULT: &str = "fault";

/// Returns the table of an operation's refusals: status, code and message.
pub(super) fn table(responses: &Value) -> Markup {
    let statuses = responses.as_object().into_iter().flatten();
    let exact = statuses
        .clone()
        .filter(|(status, _)| status.starts_with(['4', '5']) && !status.ends_with("XX"));
    html! {
        div.table-scroll tabindex="0" {
            table {
                caption.visually-hidden { "The refusals of the operation" }
                thead { tr { th { "Status" } th { "Code" } th { "Message" } } }
                tbody {
                    @for (status, response) in exact {
                        @let codes = codes(response).into_iter().filter(|code| *code != FAULT);
                        @if may_have_none(response) { tr { td { (status) } td { "none" } td { (message(status, "none")) } } }
                        @for code in codes {
                            tr {
                                td { (status) }
                                td { a href={ "/docs/errors#" (code) } { code { (code) } } }
                                td { (message(status, code)) }
                            }
                        }
                    }
                }
            }
        }
        @if responses.get("4XX").is_some() {
            p {
                "A " a href="/docs/testing" { "fault" } " answers with any status from 400 to 599, and with the code "
                code { (FAULT) } "."
            }
        }
    }
}

/// Returns the operations that refuse with each code.
pub(super) fn by_code<'o, 'd>(operations: &'o [Operation<'d>]) -> BTreeMap<&'d str, Vec<&'o Operation<'d>>> {
    let mut found: BTreeMap<&str, Vec<&Operation<'_>>> = BTreeMap::new();
    for operation in operations {
        for (_, response) in operation.facts["responses"].as_object().into_iter().flatten() {
            for code in codes(response) {
                let of_code = found.entry(code).or_default();
                if of_code.last().is_none_or(|last| !std::ptr::eq(*last, operation)) {
                    of_code.push(operation);
                }
            }
        }
    }
    found
}

/// Returns true if a response of the document can be a refusal without a code.
fn may_have_none(response: &Value) -> bool {
    let required = &response["content"][JSON]["schema"]["required"];
    required
        .as_array()
        .is_none_or(|names| names.iter().all(|name| name != "code"))
}

/// Returns the codes that a response of the document can have.
fn codes(response: &Value) -> Vec<&str> {
    let codes = &response["content"][JSON]["schema"]["properties"]["code"]["enum"];
    codes
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Returns the message of a code with this status, or else of the code with another.
fn message(status: &str, code: &str) -> Markup {
    let rows = ERRORS.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        Some((cells.next()?, cells.next()?, cells.next()?))
    });
    let quoted = format!("`{code}`");
    let mut of_code: Vec<_> = rows
        .filter(|(_, codes, _)| *codes == code || codes.contains(&quoted))
        .collect();
    of_code.sort_by_key(|(of_row, ..)| *of_row != status);
    let text = of_code.first().map_or("", |(.., message)| *message);
    PreEscaped(markdown::inline(text))
}
