//! The headers of replies that clients read, beside those of HTTP itself.

use serde_json::{Map, Value, json};

use crate::http::refusals::Work;
use crate::http::route::RouteFacts;

/// A header of replies.
#[derive(Clone, Copy)]
enum Header {
    RequestId,
    RateLimit,
    RateLimitPolicy,
    Replayed,
    RetryAfter,
}

impl Header {
    const ALL: [Self; 5] = [
        Self::RequestId,
        Self::RateLimit,
        Self::RateLimitPolicy,
        Self::Replayed,
        Self::RetryAfter,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::RequestId => "x-request-id",
            Self::RateLimit => "RateLimit",
            Self::RateLimitPolicy => "RateLimit-Policy",
            Self::Replayed => "Idempotent-Replayed",
            Self::RetryAfter => "Retry-After",
        }
    }

    fn describe(self) -> Value {
        let text = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
        match self {
            Self::RequestId => json!({
                "description": "The id of the request, which the log has too",
                "required": true,
                "schema": { "type": "string", "pattern": "^req_[0-9a-f]{32}$" },
            }),
            Self::RateLimit => text("Where requests are limited: the limit, what remains, and the seconds to the end"),
            Self::RateLimitPolicy => text("Where requests are limited: the limit, and the seconds of the window"),
            Self::Replayed => json!({
                "description": "Where the reply repeats the first one to this Idempotency-Key",
                "schema": { "type": "string", "const": "true" },
            }),
            Self::RetryAfter => json!({
                "description": "The seconds after which the same request is worth sending again",
                "schema": { "type": "integer", "minimum": 1 },
            }),
        }
    }

    /// Returns true if a reply of the route can have the header. `status` is a status or a range of
    /// them, such as `4XX`.
    fn is_on(self, facts: &RouteFacts, status: &str) -> bool {
        let is_executed = facts.work() == Some(Work::Executes);
        match self {
            Self::RequestId => true,
            Self::RateLimit | Self::RateLimitPolicy => facts.is_limited(),
            Self::Replayed => is_executed && !status.starts_with('5') && !status.ends_with("XX"),
            Self::RetryAfter => match status {
                "429" | "503" | "4XX" | "5XX" => true,
                "409" => is_executed,
                _ => false,
            },
        }
    }
}

/// Returns the description of every header, by its name.
pub(super) fn components() -> Map<String, Value> {
    let described = Header::ALL.map(|header| (header.name().to_owned(), header.describe()));
    described.into_iter().collect()
}

/// Adds its headers to each response of a route.
pub(super) fn add(responses: &mut Value, facts: &RouteFacts) {
    for (status, response) in responses.as_object_mut().into_iter().flatten() {
        let of_status = Header::ALL.into_iter().filter(|header| header.is_on(facts, status));
        let reference = |header: Header| {
            let place = format!("#/components/headers/{}", header.name());
            (header.name().to_owned(), json!({ "$ref": place }))
        };
        response["headers"] = of_status.map(reference).collect();
    }
}
