//! The rustls configuration of a listener.

use super::certificates::CertificateChoice;
use crate::config::CertificateConfig;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use std::sync::Arc;

/// The rustls configuration of a listener with these certificates, which speaks TLS 1.2 and 1.3. An error names the
/// faulty file.
///
/// `clients`: checks the certificates of clients; `None`: they are not asked for one. `resumes`: whether sessions can be
/// resumed, which are not checked again. Their tickets get new keys with each call, so that clients are verified
/// against the new files.
pub fn server_config(
    files: &[CertificateConfig],
    clients: Option<Arc<dyn ClientCertVerifier>>,
    resumes: bool,
) -> Result<ServerConfig, String> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12]);
    let builder = builder.map_err(|error| error.to_string())?;
    let builder = builder.with_client_cert_verifier(clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth));
    let mut config = builder.with_cert_resolver(Arc::new(CertificateChoice::read(files)?));
    if resumes {
        config.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
    } else {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}
