//! The authorities that clients of the gateway trust.

use super::files::certificates;
use std::path::Path;
use std::sync::Arc;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The certificates that the operating system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` take precedence. Those that
/// cannot be read are skipped.
pub fn system_roots() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|root| Certificate::from_der(root).to_owned()).collect()
}

/// The certificates of a file, at least one. An error names the file.
pub fn roots_in(file: &Path) -> Result<Vec<Certificate<'static>>, String> {
    Ok(certificates(file)?.iter().map(|root| Certificate::from_der(root).to_owned()).collect())
}

/// The TLS of an HTTP client. `roots`: the authorities that may sign certificates of servers.
pub fn client_config(roots: &[Certificate<'static>]) -> TlsConfig {
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

/// Why the certificate of a server is not accepted, if that is the problem.
pub fn certificate_fault(problem: &ureq::Error) -> Option<rustls::Error> {
    let problem = match problem {
        ureq::Error::Io(problem) => problem.get_ref()?.downcast_ref::<rustls::Error>()?,
        ureq::Error::Rustls(problem) => problem,
        _ => return None,
    };
    matches!(problem, rustls::Error::InvalidCertificate(_)).then(|| problem.clone())
}
