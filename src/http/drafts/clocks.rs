//! Bodies of the sandbox's clocks.

use crate::domain::refusal::Sent;
use crate::domain::span::Span;
use crate::http::body::JsonBody;

/// By how much a clock is to be moved.
pub(in crate::http) fn advance(body: &JsonBody) -> Sent<Span> {
    body.fields()?.field("by").span()
}
