//! TLS towards charge points (OCPP's security profiles 2 and 3).

use super::live::Live;
use crate::config::Tls as Settings;
use crate::handshake::Refused;
use hyper::StatusCode;
use ocpp_gateway_core::Identity;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Bytes of one TLS record that the gateway sends: what it has room for until the other side takes it.
const FRAGMENT: usize = 4 << 10;

/// Shakes hands with charge points before they ask for a WebSocket.
pub struct Tls {
    config: Arc<Live<ServerConfig>>,
    /// `None`: charge points show no certificates.
    owners: Option<Owners>,
}

/// Which identity a certificate stands for.
#[derive(Debug, Clone)]
struct Owners {
    /// By the common name.
    identities: BTreeMap<String, String>,
}

/// What a charge point has shown to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// The only identity that it may use.
    pub identity: String,
}

impl Tls {
    /// An error names the file that is wrong.
    pub fn load(settings: &Settings) -> Result<Self, String> {
        let files = [Some(&settings.cert), Some(&settings.key), settings.client_ca.as_ref()];
        let files = files.into_iter().flatten().cloned().collect();
        let read = settings.clone();
        let config = Live::new("ocpp.tls", files, move |_| server_config(&read))?;
        let owners = settings.client_ca.is_some().then(|| Owners { identities: settings.identities.clone() });
        Ok(Tls { config: Arc::new(config), owners })
    }

    pub(super) fn live(&self) -> Arc<Live<ServerConfig>> {
        Arc::clone(&self.config)
    }

    /// The stream, and whom the certificate at its other end stands for, if certificates are asked for.
    pub async fn accept(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Option<Certified>), Refused> {
        let acceptor = TlsAcceptor::from(self.config.get());
        let stream = acceptor.accept(stream).await.map_err(|error| Refused::Tls(error.to_string()))?;
        let Some(owners) = &self.owners else { return Ok((stream, None)) };
        let chain = stream.get_ref().1.peer_certificates();
        let shown = chain.and_then(|chain| chain.first()).ok_or_else(|| Refused::Tls("no certificate".into()))?;
        let certified = owners.of(shown).map_err(Refused::Tls)?;
        Ok((stream, Some(certified)))
    }
}

impl Owners {
    fn of(&self, certificate: &CertificateDer<'_>) -> Result<Certified, String> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|error| format!("the certificate: {error}"))?;
        // A session that is resumed shows the certificate of the day on which it began.
        if !parsed.validity().is_valid() {
            return Err("the certificate has expired".into());
        }
        let mut names = parsed.subject().iter_common_name().map(|name| name.as_str());
        match (names.next(), names.next()) {
            (Some(Ok(name)), None) => self.named(name),
            _ => Err("the certificate has to have one common name".into()),
        }
    }

    fn named(&self, name: &str) -> Result<Certified, String> {
        match self.identities.get(name) {
            Some(identity) => Ok(Certified { identity: identity.clone() }),
            // Otherwise two certificates would stand for one charge point.
            None if self.identities.values().any(|identity| identity == name) => {
                Err(format!("{name} belongs to another certificate"))
            }
            None => Ok(Certified { identity: name.to_owned() }),
        }
    }
}

impl Certified {
    /// Refuses whoever asks for the place of another.
    pub fn check(&self, identity: &Identity) -> Result<(), Refused> {
        if self.identity == identity.as_str() {
            return Ok(());
        }
        Err(Refused::status(StatusCode::FORBIDDEN, format!("the certificate is not the one of {identity}")))
    }
}

/// Everything anew, tickets to resume sessions too: who was let in by the files before has to show itself again.
fn server_config(settings: &Settings) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12]);
    let builder = builder.map_err(|error| error.to_string())?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let roots = Arc::new(roots(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| at(file, &error))?)
        }
    };
    let chain = certificates(&settings.cert)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| at(&settings.key, &error))?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("{} with {}: {error}", settings.cert.display(), settings.key.display()))?;
    config.max_fragment_size = Some(FRAGMENT);
    config.ticketer = ring::Ticketer::new().map_err(|error| error.to_string())?;
    Ok(config)
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| at(file, &error))?;
    }
    Ok(roots)
}

/// At least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    match read {
        Ok(found) if found.is_empty() => Err(at(file, &"there is no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(at(file, &error)),
    }
}

fn at(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity_of(name: &str) -> Option<String> {
        let identities = [("SN-1", "CP1")].map(|(name, identity)| (name.to_owned(), identity.to_owned())).into();
        Owners { identities }.named(name).ok().map(|certified| certified.identity)
    }

    #[test]
    fn a_name_stands_for_what_the_table_says_or_for_itself() {
        assert_eq!(identity_of("SN-1").as_deref(), Some("CP1"));
        assert_eq!(identity_of("CP2").as_deref(), Some("CP2"));
        assert_eq!(identity_of("CP1"), None, "that place is taken by SN-1");
    }
}
