//! The certificate and the key of a listener.

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::path::Path;
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The end of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// As `CN=…, O=…`.
    pub subject: String,
    /// In seconds since 1970.
    pub not_after: i64,
}

/// The rustls configuration of a listener with these files, which speaks TLS 1.2 and 1.3. Session tickets get new keys
/// with each call, so that clients are verified against the new files. An error names the faulty file.
///
/// `clients`: checks the certificates of clients; `None`: they are not asked for one.
pub fn server_config(
    cert: &Path,
    key: &Path,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12]);
    let builder = builder.map_err(|error| error.to_string())?;
    let builder = builder.with_client_cert_verifier(clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth));
    let chain = certificates(cert)?;
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
    let mut config = builder
        .with_single_cert(chain, private_key)
        .map_err(|error| format!("{} with {}: {error}", cert.display(), key.display()))?;
    config.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
    Ok(config)
}

/// Reads the certificates of a file, at least one.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    match read {
        Ok(found) if found.is_empty() => Err(at(file, &"there is no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(at(file, &error)),
    }
}

/// The certificate of a file that expires first. `None`: none of them can be parsed.
pub fn first_to_expire(file: &Path) -> Result<Option<Expiry>, String> {
    let found = certificates(file)?;
    let expiries = found.iter().filter_map(|certificate| {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let not_after = parsed.validity().not_after.timestamp();
        Some(Expiry { subject: parsed.subject().to_string(), not_after })
    });
    Ok(expiries.min_by_key(|expiry| expiry.not_after))
}

fn at(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}
