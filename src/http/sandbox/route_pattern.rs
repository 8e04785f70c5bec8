//! Route patterns, which name the routes that a fault applies to.
//!
//! A pattern is a method and a path, `POST /v1/payment/escrow`, or a path alone for
//! every method. `*` matches one non-empty segment of the path; as the last segment it
//! matches all remaining segments. A segment in braces, as in the API reference, means
//! `*`.
//!
//! The router's own `ResourceDef` is meant for a route table that is built once: it
//! leaks the names of its parameters, compiles each pattern to some 50 KiB, and panics
//! on a malformed one. Merchants send patterns at any time, so this file compares
//! segments itself.

use std::fmt;

use crate::http::route::CONTRACT_PREFIX;

const STAR: &str = "*";

/// A pattern that matches at least one route of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoutePattern {
    /// In upper case. `None` means every method.
    method: Option<String>,
    path: String,
}

impl RoutePattern {
    /// Describes a valid pattern; follows "must be" in a message.
    pub(crate) const EXPECTED: &str =
        "a route of the service, such as \"POST /v1/payment/escrow\" or \"/v1/escrow/milestone/confirm/*\"";

    /// Parses a pattern. `routes` are methods and paths, with parameters in braces. Returns
    /// `None` if the pattern matches no route, because such a fault would never apply.
    pub(crate) fn parse(text: &str, routes: &[(String, &str)]) -> Option<Self> {
        let (method, path) = match text.trim().split_once(' ') {
            Some((method, path)) => (Some(method.to_ascii_uppercase()), path.trim()),
            None => (None, text.trim()),
        };
        let is_parameter = |segment: &str| segment.starts_with('{') && segment.ends_with('}');
        let segments = path.split('/');
        let segments = segments.map(|segment| if is_parameter(segment) { STAR } else { segment });
        let pattern = Self {
            method,
            path: segments.collect::<Vec<_>>().join("/"),
        };
        let matches_route = |(method, path): &(String, &str)| pattern.matches(method, path);
        (path.starts_with(CONTRACT_PREFIX) && routes.iter().any(matches_route)).then_some(pattern)
    }

    /// Returns true if the pattern matches a request with this method and path.
    pub(crate) fn matches(&self, method: &str, path: &str) -> bool {
        let wanted: Vec<&str> = self.path.split('/').collect();
        let segments: Vec<&str> = path.split('/').collect();
        self.method.as_deref().is_none_or(|wanted| wanted == method) && segments_match(&wanted, &segments)
    }
}

/// Writes the pattern with parameters as stars.
impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.method {
            Some(method) => write!(f, "{method} {}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

fn segments_match(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([STAR], [first, ..]) => !first.is_empty(),
        ([wanted, pattern @ ..], [segment, path @ ..]) => {
            let is_match = wanted == segment || (*wanted == STAR && !segment.is_empty());
            is_match && segments_match(pattern, path)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Vec<(String, &'static str)> {
        [
            ("POST", "/v1/payment/escrow"),
            ("GET", "/v1/wallet"),
            ("POST", "/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}"),
            ("POST", "/sandbox/cards"),
        ]
        .map(|(method, path)| (method.to_owned(), path))
        .to_vec()
    }

    fn parse(text: &str) -> Option<RoutePattern> {
        RoutePattern::parse(text, &routes())
    }

    #[test]
    fn a_pattern_must_match_a_route_of_the_service() {
        for text in [
            "POST /v1/payment/escrow",
            "post  /v1/payment/escrow",
            "/v1/payment/escrow",
            "/v1/*",
            "/v1/*/escrow",
            "GET /v1/wallet",
            "/v1/escrow/milestone/confirm/*",
            "POST /v1/escrow/milestone/confirm/*/*",
            "/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}",
        ] {
            assert!(parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "POST",
            "/",
            "*",
            "/*",
            "POST /v1/payment/escrows",
            "PUT /v1/payment/escrow",
            "/payment/escrow",
            "/v1/payment/escrow/",
            "/v1/payment/escrow/*",
            "/v1/",
            "/sandbox/cards",
            "POST /sandbox/*",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_star_matches_one_segment_and_at_the_end_all_that_follow() {
        let matches = |pattern: &str, path: &str| parse(pattern).unwrap().matches("POST", path);
        assert!(matches(
            "/v1/escrow/milestone/confirm/*",
            "/v1/escrow/milestone/confirm/a/b"
        ));
        assert!(matches(
            "/v1/escrow/milestone/confirm/*",
            "/v1/escrow/milestone/confirm/a"
        ));
        assert!(!matches(
            "/v1/escrow/milestone/confirm/*",
            "/v1/escrow/milestone/confirm"
        ));
        assert!(!matches(
            "/v1/escrow/milestone/confirm/*",
            "/v1/escrow/milestone/confirm/"
        ));
        assert!(matches("/v1/escrow/*/confirm/*/*", "/v1/escrow/milestone/confirm/a/b"));
        assert!(!matches("/v1/escrow/*/confirm/*/*", "/v1/escrow/milestone/confirm/a"));
        assert!(matches("POST /v1/payment/escrow", "/v1/payment/escrow"));
        assert!(!parse("GET /v1/wallet").unwrap().matches("POST", "/v1/wallet"));
    }

    #[test]
    fn a_pattern_is_shown_as_written_with_parameters_as_stars() {
        for text in ["POST /v1/payment/escrow", "/v1/*"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let documented = parse("/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}").unwrap();
        assert_eq!(documented.to_string(), "/v1/escrow/milestone/confirm/*/*");
        assert!(documented.matches("POST", "/v1/escrow/milestone/confirm/a/b"));
    }
}
