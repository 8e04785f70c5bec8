//! Bodies of the sandbox's clocks.

use crate::domain::refusal::Parsed;
use crate::domain::sandbox::span::Span;
use crate::http::body::JsonBody;

/// By how much a clock is to be moved.
pub(in crate::http) fn advance(body: &JsonBody) -> Parsed<Span> {
    body.fields()?.field("by").span()
}
