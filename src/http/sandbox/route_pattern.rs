//! Which routes a fault is for: `POST /v1/payment/escrow`, or a path alone for
//! every method. In the path `*` stands for one part, and at its end for all that
//! follow; a part in braces, as the documentation writes it, is such a star.

use std::fmt;

/// Where the routes of the contract begin, which faults are for.
pub(crate) const CONTRACT: &str = "/v1/";

/// What stands for any part of a path.
const STAR: &str = "*";

/// A pattern of methods and paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoutePattern {
    method: Option<String>,
    path: String,
}

impl RoutePattern {
    /// What is right, to follow "must be".
    pub(crate) const SHAPE: &str =
        "a route of the service, such as \"POST /v1/payment/escrow\" or \"/v1/escrow/milestone/confirm/*\"";

    /// Reads a pattern. It must fit one of these routes, each a method and a path
    /// whose parts to fill in are in braces: a fault for a route that nobody can ask
    /// for would never hit.
    pub(crate) fn parse(text: &str, routes: &[(String, &str)]) -> Option<Self> {
        let (method, path) = match text.trim().split_once(' ') {
            Some((method, path)) => (Some(method.to_ascii_uppercase()), path.trim()),
            None => (None, text.trim()),
        };
        let starred = |part| if is_to_fill_in(part) { STAR } else { part };
        let parts: Vec<&str> = path.split('/').map(starred).collect();
        let pattern = Self {
            method,
            path: parts.join("/"),
        };
        let is_known = |(method, path): &(String, &str)| pattern.fits(method, path);
        (path.starts_with(CONTRACT) && routes.iter().any(is_known)).then_some(pattern)
    }

    /// Whether a request of this method and path is meant.
    pub(crate) fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method) && path_fits(&self.path, path)
    }
}

/// As it is written.
impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.method {
            Some(method) => write!(f, "{method} {}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

fn is_to_fill_in(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

fn path_fits(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/').peekable();
    let mut parts = path.split('/');
    while let Some(want) = wanted.next() {
        let Some(part) = parts.next() else {
            return false;
        };
        match want {
            STAR if wanted.peek().is_none() => return !part.is_empty(),
            STAR if !part.is_empty() => {}
            _ if want == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
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
    fn a_pattern_must_fit_a_route_of_the_service() {
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
    fn a_star_is_one_part_and_at_the_end_all_that_follow() {
        let fits = |pattern: &str, path: &str| parse(pattern).unwrap().fits("POST", path);
        assert!(fits(
            "/v1/escrow/milestone/confirm/*",
            "/v1/escrow/milestone/confirm/a/b"
        ));
        assert!(fits("/v1/escrow/milestone/confirm/*", "/v1/escrow/milestone/confirm/a"));
        assert!(!fits("/v1/escrow/milestone/confirm/*", "/v1/escrow/milestone/confirm"));
        assert!(!fits("/v1/escrow/milestone/confirm/*", "/v1/escrow/milestone/confirm/"));
        assert!(fits("/v1/escrow/*/confirm/*/*", "/v1/escrow/milestone/confirm/a/b"));
        assert!(!fits("/v1/escrow/*/confirm/*/*", "/v1/escrow/milestone/confirm/a"));
        assert!(fits("POST /v1/payment/escrow", "/v1/payment/escrow"));
        assert!(!parse("GET /v1/wallet").unwrap().fits("POST", "/v1/wallet"));
    }

    #[test]
    fn it_is_shown_as_it_is_written_and_braces_are_stars() {
        for text in ["POST /v1/payment/escrow", "/v1/*"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let documented = parse("/v1/escrow/milestone/confirm/{escrowId}/{milestoneId}").unwrap();
        assert_eq!(documented.to_string(), "/v1/escrow/milestone/confirm/*/*");
        assert!(documented.fits("POST", "/v1/escrow/milestone/confirm/a/b"));
    }
}
