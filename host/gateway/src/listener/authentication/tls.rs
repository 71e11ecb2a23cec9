//! TLS towards charge points (OCPP's security profiles 2 and 3).

use super::error::AuthError;
use super::live::Live;
use crate::config::TlsConfig as Settings;
use ocpp_gateway_core::Identity;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use std::cell::Cell;
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
pub struct ChargePointTls {
    files: Arc<Live<ServerTlsFiles>>,
    /// `None`: charge points show no certificates.
    owners: Option<Owners>,
}

/// What the files are good for.
pub(super) struct ServerTlsFiles {
    config: Arc<ServerConfig>,
    /// The first end of a certificate's time in each file, in seconds since 1970.
    expiries: Vec<(&'static str, i64)>,
}

/// Which identity a certificate stands for, by its common name.
struct Owners(BTreeMap<String, String>);

/// What a charge point has shown to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClient {
    /// The only identity that it may use.
    pub identity: String,
    /// Of its certificate, for the log.
    pub subject: String,
}

impl ChargePointTls {
    /// An error names the file that is wrong.
    pub fn load(settings: &Settings) -> Result<Self, String> {
        let files = [Some(&settings.cert), Some(&settings.key), settings.client_ca.as_ref()];
        let files = files.into_iter().flatten().cloned().collect();
        let read = settings.clone();
        let files = Live::new("ocpp.tls", files, move |_| ServerTlsFiles::read(&read))?;
        let owners = settings.client_ca.is_some().then(|| Owners(settings.identities.clone()));
        Ok(ChargePointTls { files: Arc::new(files), owners })
    }

    /// Whether charge points have to show a certificate.
    pub(super) fn wants_certificate(&self) -> bool {
        self.owners.is_some()
    }

    pub(super) fn live(&self) -> Arc<Live<ServerTlsFiles>> {
        Arc::clone(&self.files)
    }

    /// When certificates end, by what they are for: `server` and, if charge points show some, `client_ca`. In seconds since
    /// 1970; of several in one file the first one.
    pub fn expiries(&self) -> Vec<(&'static str, i64)> {
        self.files.get().expiries.clone()
    }

    /// The stream, and whom the certificate at its other end stands for, if certificates are asked for.
    pub async fn accept(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Option<VerifiedClient>), AuthError> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.files.get().config));
        let accepting = async {
            acceptor.accept(stream).await.map_err(|error| (error.to_string(), SHOWN.with(|shown| shown.take())))
        };
        let accepted = SHOWN.scope(Cell::new(None), accepting).await;
        let refused = |(reason, subject)| AuthError::Tls { reason, subject };
        let stream = accepted.map_err(refused)?;
        let Some(owners) = &self.owners else { return Ok((stream, None)) };
        let chain = stream.get_ref().1.peer_certificates();
        let shown = chain.and_then(|chain| chain.first()).ok_or_else(|| refused(("no certificate".into(), None)))?;
        let certified = owners.of(shown).map_err(|reason| refused((reason, subject(shown))))?;
        Ok((stream, Some(certified)))
    }
}

tokio::task_local! {
    /// The subject of the certificate that is shown in the handshake of this task. Of one that fails, nothing else is left.
    static SHOWN: Cell<Option<String>>;
}

/// Notes whose certificate is shown, and has another verifier decide.
#[derive(Debug)]
struct NotingVerifier(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for NotingVerifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Outside a handshake of ours there is nobody to tell.
        let _ = SHOWN.try_with(|shown| shown.set(subject(end_entity)));
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }
}

/// `CN=…, O=…`; `None`: it cannot be read.
fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed.subject().to_string())
}

impl Owners {
    fn of(&self, certificate: &CertificateDer<'_>) -> Result<VerifiedClient, String> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|error| format!("the certificate: {error}"))?;
        // A session that is resumed shows the certificate of the day on which it began.
        if !parsed.validity().is_valid() {
            return Err("the certificate has expired".into());
        }
        let mut names = parsed.subject().iter_common_name().map(|name| name.as_str());
        let identity = match (names.next(), names.next()) {
            (Some(Ok(name)), None) => self.named(name)?,
            _ => return Err("the certificate has to have one common name".into()),
        };
        Ok(VerifiedClient { identity: identity.to_owned(), subject: parsed.subject().to_string() })
    }

    /// The identity of the charge point with this common name.
    fn named<'a>(&'a self, name: &'a str) -> Result<&'a str, String> {
        match self.0.get(name) {
            Some(identity) => Ok(identity),
            // Otherwise two certificates would stand for one charge point.
            None if self.0.values().any(|identity| identity == name) => {
                Err(format!("{name} belongs to another certificate"))
            }
            None => Ok(name),
        }
    }
}

impl VerifiedClient {
    /// Refuses whoever asks for the place of another.
    pub fn check(&self, identity: &Identity) -> Result<(), AuthError> {
        if self.identity == identity.as_str() {
            return Ok(());
        }
        Err(AuthError::OtherCertificate(identity.clone()))
    }
}

impl ServerTlsFiles {
    fn read(settings: &Settings) -> Result<Self, String> {
        let config = Arc::new(server_config(settings)?);
        let files = [("server", Some(&settings.cert)), ("client_ca", settings.client_ca.as_ref())];
        let mut expiries = Vec::new();
        for (name, file) in files {
            let Some(file) = file else { continue };
            let certificates = certificates(file)?;
            let ends = certificates.iter().filter_map(|certificate| {
                let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
                Some(parsed.validity().not_after.timestamp())
            });
            expiries.extend(ends.min().map(|end| (name, end)));
        }
        Ok(ServerTlsFiles { config, expiries })
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
            let verifier = verifier.map_err(|error| at(file, &error))?;
            builder.with_client_cert_verifier(Arc::new(NotingVerifier(verifier)))
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
        Owners(identities).named(name).ok().map(str::to_owned)
    }

    #[test]
    fn a_name_stands_for_what_the_table_says_or_for_itself() {
        assert_eq!(identity_of("SN-1").as_deref(), Some("CP1"));
        assert_eq!(identity_of("CP2").as_deref(), Some("CP2"));
        assert_eq!(identity_of("CP1"), None, "that place is taken by SN-1");
    }
}
