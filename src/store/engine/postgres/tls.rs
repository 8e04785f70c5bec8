//! TLS to the server. Its certificate is always verified: it must be valid now, name the host of
//! the URL, and be signed by an authority that the URL names or, without one, the system trusts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, ConfigBuilder, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The files that a URL names for TLS, all in PEM format.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    /// The authorities that are trusted in place of those of the system.
    pub(crate) authority: Option<PathBuf>,
    /// The certificate of this client, and its key.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

/// Returns the means for TLS. The files are read each time, so a renewed certificate is used from
/// the next connection on; the certificates of the system are read once.
///
/// # Errors
///
/// Says what cannot be used, and why.
pub(super) fn connector(files: &TlsFiles) -> Result<MakeRustlsConnect, String> {
    // The call fails if a provider is already installed, which is fine.
    drop(rustls::crypto::ring::default_provider().install_default());
    let verified = match &files.authority {
        Some(path) => ClientConfig::builder().with_root_certificates(authorities(path)?),
        None => trusted_by_the_system()?,
    };
    let configuration = match &files.client {
        None => verified.with_no_client_auth(),
        Some((certificate, key)) => {
            let read = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("sslkey", key, &error))?;
            verified
                .with_client_auth_cert(certificates("sslcert", certificate)?, read)
                .map_err(|error| unusable("sslkey", key, &error))?
        }
    };
    Ok(MakeRustlsConnect::new(configuration))
}

fn trusted_by_the_system() -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    static VERIFIER: OnceLock<Arc<Verifier>> = OnceLock::new();
    let builder = ClientConfig::builder();
    let verifier = if let Some(read) = VERIFIER.get() {
        Arc::clone(read)
    } else {
        let read = Verifier::new(Arc::clone(builder.crypto_provider()));
        let read = read.map_err(|error| format!("the certificates of the system cannot be used: {error}"))?;
        Arc::clone(VERIFIER.get_or_init(|| Arc::new(read)))
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut trusted = RootCertStore::empty();
    for certificate in certificates("sslrootcert", path)? {
        let added = trusted.add(certificate);
        added.map_err(|error| unusable("sslrootcert", path, &error))?;
    }
    Ok(trusted)
}

/// Reads all certificates of a file that an option names, of which there must be one.
fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unusable(option, path, &error))?;
    if read.is_empty() {
        return Err(unusable(option, path, &"it has no certificate in PEM format"));
    }
    Ok(read)
}

fn unusable(option: &str, path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{option}={} cannot be used: {error}", path.display())
}

/// Returns what an operator can do about a connection that failed for this reason, if it is one
/// of TLS.
pub(super) fn remedy(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if cause.to_string() == "server does not support TLS" {
        return Some("turn on ssl there, or connect without TLS by sslmode=disable");
    }
    let inner = cause.downcast_ref::<io::Error>()?.get_ref()?;
    let Some(rustls::Error::InvalidCertificate(problem)) = inner.downcast_ref() else {
        return None;
    };
    match problem {
        CertificateError::UnknownIssuer => Some(
            "name the authority that signed the server's certificate by sslrootcert, or connect without TLS by \
             sslmode=disable",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some("the host in the URL must be one of the certificate's subject alternative names")
        }
        CertificateError::Other(_) => {
            Some("a certificate that signed itself as an authority cannot be the server's own: sign another with it")
        }
        _ => None,
    }
}
