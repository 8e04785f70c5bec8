//! Builders of the HTTP clients in this binary, for webhooks and for the command line.
//!
//! This module must not depend on the requests that the clients send.

use std::error::Error;

use reqwest::{ClientBuilder, redirect};

/// The messages of a library on receivers with bad certificates: one at each attempt, without
/// the merchant.
pub(crate) const CERTIFICATES_LOG: &str = "rustls_platform_verifier";

/// Returns a builder of a client that uses no proxy, follows no redirect and trusts the system's
/// certificates.
pub(crate) fn builder() -> ClientBuilder {
    // The call fails if a provider is already installed, which is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    let none = redirect::Policy::none();
    reqwest::Client::builder().no_proxy().referer(false).redirect(none)
}

/// Returns a builder of a client for `http://` URLs only. The client trusts no certificate,
/// so it works on machines that have no certificates installed.
pub(crate) fn builder_without_certificates() -> ClientBuilder {
    builder().tls_certs_only([])
}

/// Returns the message of the innermost source of an error, which comes from the operating
/// system or the resolver. It never contains the URL.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
