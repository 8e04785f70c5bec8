//! Finds out if a request comes from this machine, for a sandbox and for the cookie of the
//! console, and if it is addressed to this machine, for the metrics too.
//!
//! A header can only take away the trust in a client on this machine. It never grants trust.

use actix_web::HttpRequest;
use actix_web::http::Uri;
use actix_web::http::header::{HOST, HeaderMap};

use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::state::AppState;

/// Returns true if the client is a program or a browser on this machine, and no proxy is between.
///
/// A proxy on this machine connects from it too, for clients that may be anywhere. It is known by
/// `trusted_proxies`, or by a header that proxies add. The `Host` of a browser on this machine names
/// this machine.
pub(super) fn is_from_this_machine(request: &HttpRequest) -> bool {
    let client = RequestContext::of(request).ok().and_then(|context| context.client);
    client.is_some_and(|client| client.address.is_loopback() && !client.is_by_proxy && client.proxy_header.is_none())
        && request.headers().contains_key(HOST)
        && is_for_this_machine(request.headers(), request.uri())
}

/// Refuses a request for another host if only this machine may use the server. This stops DNS
/// rebinding, in which a web page's own host name resolves to this machine.
pub(crate) fn check_host(request: &HttpRequest, state: &AppState) -> Result<(), ApiError> {
    if state.is_loopback_only && !is_for_this_machine(request.headers(), request.uri()) {
        return Err(ApiError::ForeignHost);
    }
    Ok(())
}

/// Returns true if the `Host` header of a request is a loopback name, and so is the host of its target
/// if that has one (RFC 9112, 3.2.2).
pub(super) fn is_for_this_machine(headers: &HeaderMap, target: &Uri) -> bool {
    let mut hosts = headers.get_all(HOST);
    let target = target.authority();
    hosts.all(|host| host.to_str().is_ok_and(is_loopback_name))
        && target.is_none_or(|authority| is_loopback_name(authority.as_str()))
}

/// Returns true if the text is the origin of a web page on this machine.
pub(super) fn is_local_origin(origin: &str) -> bool {
    let host = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    host.is_some_and(is_loopback_name)
}

fn is_loopback_name(host_and_port: &str) -> bool {
    let host = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !host_and_port.ends_with(']') => {
            if !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return false;
            }
            host
        }
        _ => host_and_port,
    };
    // A final dot says that a name is complete.
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost") || matches!(host, "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_of_this_machine() {
        for name in [
            "localhost",
            "LocalHost.",
            "localhost:80",
            "127.0.0.1",
            "127.0.0.1:9464",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(is_loopback_name(name), "{name}");
        }
        for name in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "127.0.0.1:x",
            "127.0.0.2",
            "127.1",
            "192.0.2.7",
            "0.0.0.0",
            "::1",
            "[::2]",
            "[127.0.0.1]",
        ] {
            assert!(!is_loopback_name(name), "{name}");
        }
    }
}
