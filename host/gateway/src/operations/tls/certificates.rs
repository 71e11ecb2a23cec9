//! Several certificates of one listener: which of them a client gets.

use super::files::{at, certificates};
use crate::config::CertificateConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
#[cfg(feature = "tls-openssl")]
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};
use std::sync::Arc;

/// The certificates of a listener, the preferred one first.
#[derive(Debug)]
pub(super) struct CertificateChoice(Vec<Arc<CertifiedKey>>);

impl CertificateChoice {
    /// Reads the files. An error names the faulty ones.
    pub(super) fn read(files: &[CertificateConfig]) -> Result<Self, String> {
        files.iter().map(|pair| certified_key(pair).map(Arc::new)).collect::<Result<_, _>>().map(CertificateChoice)
    }

    /// The chain of each certificate.
    #[cfg(feature = "tls-openssl")]
    pub(super) fn chains(&self) -> impl Iterator<Item = &[CertificateDer<'static>]> {
        self.0.iter().map(|one| &*one.cert)
    }

    /// The position of the first certificate that the client can verify, as its signature schemes say, and that has the
    /// name in SNI. Without such a name: of the first one that it can verify, as charge points often send other names,
    /// or none.
    pub(super) fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> usize {
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let has_name = |one: &CertifiedKey| name.as_ref().is_some_and(|name| is_for(one, name));
        let can_verify = |one: &CertifiedKey| one.key.choose_scheme(schemes).is_some();
        let usable = || self.0.iter().enumerate().filter(|(_, one)| can_verify(one));
        let chosen = usable().find(|(_, one)| has_name(one)).or_else(|| usable().next());
        // With the first one, the handshake fails with an error that says what the two do not have in common.
        chosen.map_or(0, |(position, _)| position)
    }
}

impl ResolvesServerCert for CertificateChoice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // In TLS 1.2, rustls has removed the schemes that do not go with the cipher suites of the client.
        self.0.get(self.choose(hello.server_name(), hello.signature_schemes())).cloned()
    }
}

/// Whether this is among the names of the certificate.
fn is_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = certified.end_entity_cert().and_then(ParsedCertificate::try_from);
    parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

fn certified_key(CertificateConfig { cert, key }: &CertificateConfig) -> Result<CertifiedKey, String> {
    let chain = certificates(cert)?;
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
    CertifiedKey::from_der(chain, private_key, &ring::default_provider()).map_err(|error| {
        let problem = match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                "the key does not belong to the certificate".to_owned()
            }
            other => other.to_string(),
        };
        format!("{} with {}: {problem}", cert.display(), key.display())
    })
}
