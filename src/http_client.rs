//! Builders of the HTTP clients in this binary, for webhooks and for the command line.
//!
//! This module must not depend on the requests that the clients send.

use std::error::Error;
use std::io;

use reqwest::{ClientBuilder, redirect};
use rustls::CertificateError;

/// The log target of the library that verifies certificates. It logs a receiver's bad certificate at
/// each attempt, without the merchant.
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
/// system or the resolver, or says what is wrong with a certificate. It never contains the URL.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    certificate_problem(innermost).map_or_else(|| innermost.to_string(), str::to_owned)
}

/// Returns what is wrong with the certificate of a server, in words. The library names the variant of its type.
fn certificate_problem(error: &(dyn Error + 'static)) -> Option<&'static str> {
    // An error of the connection has that of TLS inside.
    let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let tls = inside.map_or_else(|| error.downcast_ref::<rustls::Error>(), |inside| inside.downcast_ref());
    let rustls::Error::InvalidCertificate(problem) = tls? else {
        return None;
    };
    Some(match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the server's certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another host name"
        }
        CertificateError::UnknownIssuer => "the server's certificate is of no authority that this system trusts",
        CertificateError::Revoked => "the server's certificate was revoked",
        _ => "the server's certificate is not valid, or not one for a server",
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    #[test]
    fn a_bad_certificate_is_told_in_words() {
        let other = CertificateError::Other(OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity"))));
        for (problem, told) in [
            (CertificateError::Expired, "the server's certificate has expired"),
            (
                CertificateError::UnknownIssuer,
                "the server's certificate is of no authority that this system trusts",
            ),
            (other, "the server's certificate is not valid, or not one for a server"),
        ] {
            let error = || rustls::Error::InvalidCertificate(problem.clone());
            assert_eq!(innermost(&error()), told);
            assert_eq!(innermost(&io::Error::other(error())), told);
        }
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(innermost(&refused), "connection refused");
    }
}
