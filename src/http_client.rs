//! Builders of the HTTP clients in this binary, for webhooks and for the command line.
//!
//! Must not know what is sent, or to whom.

use std::error::Error;

use reqwest::ClientBuilder;

/// Begins a client that uses no proxy and trusts the certificates that the system trusts.
pub(crate) fn builder() -> ClientBuilder {
    // An error means that a provider is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().referer(false)
}

/// Begins a client for `http://` URLs alone. It trusts no certificate, so it does not read
/// the system's, which a machine may lack.
pub(crate) fn builder_without_certificates() -> ClientBuilder {
    builder().tls_certs_only([])
}

/// Returns the innermost source of an error, which holds the text of the operating system
/// or the resolver. It never holds the URL.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
