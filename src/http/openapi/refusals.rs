//! The refusals of an operation, by their status.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::http::error::ApiErrorKind;
use crate::http::media_type::JSON;
use crate::http::refusal_codes::CodesByStatus;
use crate::http::request_spec::Rules;
use crate::http::route::RouteFacts;

/// Returns the responses of a route's refusals and failures: one for each status, with the
/// codes that it can have. A fault of a sandbox answers with any status, which two ranges tell.
pub(super) fn responses(rules: &Rules<'_>, facts: &RouteFacts) -> Value {
    let CodesByStatus(mut codes) = CodesByStatus::of(facts, rules.variant);
    let fault = facts
        .has_faults(rules.variant.mode)
        .then(|| ApiErrorKind::Fault.code())
        .flatten();
    let mut responses = json!({});
    if let Some(fault) = fault {
        for codes in codes.values_mut() {
            codes.insert(fault);
        }
        let of_fault = BTreeSet::from([fault]);
        for range in ["4XX", "5XX"] {
            responses[range] = response("A fault of the sandbox answers with the status that it has", &of_fault);
        }
    }
    for (status, codes) in &codes {
        responses[status.to_string()] = match *status {
            429 => above_limit(codes),
            500.. => response("The service could not carry out the request", codes),
            _ => response("The request was refused and changed nothing", codes),
        };
    }
    responses
}

/// Returns the response of a refusal with one of these codes.
fn response(description: &str, codes: &BTreeSet<&str>) -> Value {
    of_refusal(
        description,
        &json!({
            "required": ["code"],
            "properties": { "code": { "enum": codes } },
        }),
    )
}

/// Returns the response to a request above the rate limit. It has neither code nor data, unless
/// it is a fault.
fn above_limit(codes: &BTreeSet<&str>) -> Value {
    let schema = if codes.is_empty() {
        json!({ "maxProperties": 2 })
    } else {
        json!({ "properties": { "code": { "enum": codes } } })
    };
    of_refusal(
        "The key, or an address that sends wrong keys, has used up its requests",
        &schema,
    )
}

/// Returns the response of a refusal, of which `more` tells the code. Generated clients take a
/// schema of this form for the refusal itself, and those that can narrow its code.
fn of_refusal(description: &str, more: &Value) -> Value {
    let mut schema = more.clone();
    schema["type"] = json!("object");
    schema["allOf"] = json!([{ "$ref": "#/components/schemas/Refusal" }]);
    json!({ "description": description, "content": { (JSON): { "schema": schema } } })
}
