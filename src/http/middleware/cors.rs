//! Lets web pages of allowed origins call the service from a browser (CORS).
//!
//! A browser sends a page's request with anything but a simple header or method only after a
//! preflight has allowed it, and shows the page the reply only if the reply names the page's
//! origin. Pages of other origins get neither. The service never allows credentials that a
//! browser adds by itself: a page must have a key, or be on this machine (`http::auth`).

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};

use crate::http::routes::checkout;
use crate::http::state::AllowedOrigins;
use crate::http::this_machine::is_local_origin;

/// The methods of all routes. A preflight for a path without a route is answered too: the
/// page then sees the 404 and not a failure without a reason.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
/// The headers that routes read. The asterisk allows all others that a client may add, except
/// `authorization`, which must be named.
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, customer-id, idempotency-key, *");
/// The headers of replies that a page may read.
const REPLY_HEADERS: HeaderValue = HeaderValue::from_static(
    "allow, content-disposition, content-length, idempotent-replayed, ratelimit, ratelimit-policy, retry-after, \
     x-request-id",
);
/// The paths that pages of every origin may ask for.
const FOR_EVERY_ORIGIN: [&str; 2] = [checkout::PATH, checkout::SCRIPT_PATH];
/// The seconds for which a browser keeps the answer to a preflight.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");
/// A browser asks with these two headers if a page of the internet may call an address of a
/// local network.
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The CORS headers of a reply.
#[derive(Clone, Debug)]
pub(super) enum Cors {
    /// None: no page of another origin may call this service.
    Off,
    /// The reply would differ for another origin, and names none.
    Unnamed,
    /// The reply names this origin.
    Allowed(HeaderValue),
}

impl Cors {
    /// Decides for the origin of a request. Pages of every origin may load the script of the
    /// checkout and begin a session: both take no key that is a secret.
    pub(super) fn of(request: &ServiceRequest, allowed: &AllowedOrigins) -> Self {
        if FOR_EVERY_ORIGIN.contains(&request.path()) {
            let mut origins = request.headers().get_all(ORIGIN);
            return match (origins.next(), origins.next()) {
                (Some(origin), None) => Self::Allowed(origin.clone()),
                _ => Self::Unnamed,
            };
        }
        if !allowed.on_this_machine && allowed.listed.is_empty() {
            return Self::Off;
        }
        let mut origins = request.headers().get_all(ORIGIN);
        match (origins.next(), origins.next()) {
            (Some(origin), None) if is_allowed(origin, allowed) => Self::Allowed(origin.clone()),
            _ => Self::Unnamed,
        }
    }

    /// Returns the answer to a preflight of an allowed origin. Returns `None` for any other
    /// request, which goes to its route.
    pub(super) fn preflight(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight || !matches!(self, Self::Allowed(_)) {
            return None;
        }
        let mut answer = HttpResponse::NoContent();
        answer
            .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
            .insert_header((ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS))
            .append_header((VARY, "Access-Control-Request-Method, Access-Control-Request-Headers"));
        if headers.contains_key(REQUEST_PRIVATE_NETWORK) {
            answer.insert_header((ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true")));
        }
        Some(answer.finish())
    }

    /// Adds the headers to a reply.
    pub(super) fn write_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::Off => return,
            Self::Unnamed => {}
            Self::Allowed(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, REPLY_HEADERS);
            }
        }
        // A cache must not give a page the reply for another origin.
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

fn is_allowed(origin: &HeaderValue, allowed: &AllowedOrigins) -> bool {
    origin.to_str().is_ok_and(|origin| {
        (allowed.on_this_machine && is_local_origin(origin)) || allowed.listed.iter().any(|listed| listed == origin)
    })
}
