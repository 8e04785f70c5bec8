//! Finds the route of a request, whichever form of the base URL its client uses: the address of the
//! service with `/v1` or without it, with a slash at its end or without one.
//!
//! The path is normalized before the request is routed, so that everything after it, such as
//! faults, idempotency keys and the request log, knows one path for a route.

use std::collections::HashSet;
use std::sync::LazyLock;

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

use crate::domain::mode::{Mode, Variant};
use crate::http::route::CONTRACT_PREFIX;
use crate::http::routes;

/// The first parts of all paths, after [`CONTRACT_PREFIX`] for routes of the contract.
struct FirstParts {
    contract: HashSet<&'static str>,
    own: HashSet<&'static str>,
}

static FIRST_PARTS: LazyLock<FirstParts> = LazyLock::new(|| {
    let (mut contract, mut own) = (HashSet::new(), HashSet::new());
    for (_, path) in routes(Variant::lenient(Mode::Sandbox)) {
        match path.strip_prefix(CONTRACT_PREFIX) {
            Some(path) => contract.insert(first_part(path)),
            None => own.insert(first_part(path.trim_start_matches('/'))),
        };
    }
    FirstParts { contract, own }
});

fn first_part(path: &str) -> &str {
    path.split_once('/').map_or(path, |(first, _)| first)
}

/// Returns true for the page of a checkout session, whose path begins as a route of the contract
/// does without [`CONTRACT_PREFIX`].
fn is_checkout_page(path: &str) -> bool {
    let session = path.strip_prefix("/checkout/").map(first_part);
    session.is_some_and(|session| session != "session")
}

/// Normalizes the path of a request, if a client joined it to another form of the base URL.
pub(super) fn normalize_path(request: &mut ServiceRequest) {
    let uri = &request.head().uri;
    let address = uri.path_and_query().map(PathAndQuery::as_str);
    let Some(normalized) = address.and_then(normalized_address) else {
        return;
    };
    let mut parts = uri.clone().into_parts();
    // Its path and its query come from a valid address, so the whole is valid.
    parts.path_and_query = PathAndQuery::from_maybe_shared(normalized).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// Returns the normalized path with the query of the address, or `None` if the path is normal
/// already. Both stay escaped.
pub(crate) fn normalized_address(address: &str) -> Option<String> {
    let (path, query) = address.split_at(address.find('?').unwrap_or(address.len()));
    normalized_path(path).map(|path| path + query)
}

/// Returns the normalized path, or `None` if the path is normal already.
pub(super) fn normalized_path(path: &str) -> Option<String> {
    if is_checkout_page(path) {
        return None;
    }
    let mut rest = path.trim_start_matches('/');
    while let Some(after) = rest.strip_prefix("v1/") {
        rest = after.trim_start_matches('/');
    }
    let first = first_part(rest);
    let normalized = if FIRST_PARTS.contract.contains(first) {
        format!("{CONTRACT_PREFIX}{rest}")
    } else if FIRST_PARTS.own.contains(first) {
        format!("/{rest}")
    } else {
        return None;
    };
    (normalized != path).then_some(normalized)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_reached_by_every_form_of_the_base_url() {
        for (_, path) in routes(Variant::lenient(Mode::Sandbox)) {
            assert_eq!(normalized_path(path), None, "{path}");
            let rest = path.strip_prefix(CONTRACT_PREFIX).unwrap_or(&path[1..]);
            for base in ["/", "//", "/v1/", "/v1//", "//v1/", "/v1/v1/"] {
                let joined = format!("{base}{rest}");
                if joined != path {
                    assert_eq!(normalized_path(&joined).as_deref(), Some(path), "{joined}");
                }
            }
        }
    }

    #[test]
    fn the_query_of_an_address_stays() {
        for (address, normalized) in [
            ("/v1//operator/keys?a=/v1/b?c", Some("/operator/keys?a=/v1/b?c")),
            ("/wallet", Some("/v1/wallet")),
            ("/v1/x?y", None),
        ] {
            assert_eq!(normalized_address(address).as_deref(), normalized, "{address}");
        }
    }

    #[test]
    fn a_path_that_no_route_begins_with_stays_as_it_is() {
        for path in [
            "/",
            "",
            "/v1",
            "/v1/",
            "/v2/wallet",
            "/walet",
            "/v1/nothing",
            "/V1/wallet",
            "/favicon.ico",
            "*",
        ] {
            assert_eq!(normalized_path(path), None, "{path}");
        }
    }
}
