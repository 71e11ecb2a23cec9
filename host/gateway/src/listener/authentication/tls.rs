//! TLS for charge points (OCPP security profiles 2 and 3).

use super::client_certificate::{ClientCertificates, VerifiedClient, subject};
use super::error::AuthError;
use crate::config::{CertificateConfig, ExpiredCrl, TlsConfig as Settings};
use crate::operations::live_files::Live;
use crate::operations::tls::{self, CertificateFile, CertificateUse, RevocationLists, server_config};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Largest TLS record that the gateway sends, in bytes. It bounds the buffer per connection.
const FRAGMENT_SIZE: usize = 4 << 10;

/// Accepts TLS connections of charge points.
pub struct ChargePointTls {
    files: Arc<Live<ServerTlsFiles>>,
    /// `None`: charge points have no certificates.
    clients: Option<ClientCertificates>,
}

/// The configuration from the files of `ocpp.tls`.
pub(super) struct ServerTlsFiles {
    config: Arc<ServerConfig>,
    /// When the certificates and revocation lists end.
    certificates: Vec<CertificateFile>,
    /// The CAs of charge points that have no revocation list, if others have one.
    unchecked: Vec<String>,
}

impl ChargePointTls {
    /// Reads the files. `key`: of the section, for the log. An error names the faulty file.
    pub fn load(key: String, settings: &Settings) -> Result<Self, String> {
        let mut files: Vec<PathBuf> =
            settings.certificates()?.into_iter().flat_map(|CertificateConfig { cert, key }| [cert, key]).collect();
        files.extend(settings.client_ca.iter().chain(&settings.client_crl).cloned());
        let read = settings.clone();
        let files = Live::new(key, files, move |_| ServerTlsFiles::read(&read))?;
        let clients = settings.client_ca.is_some().then(|| ClientCertificates {
            identities: settings.identities.clone(),
            organization: settings.organization.clone(),
        });
        Ok(ChargePointTls { files: Arc::new(files), clients })
    }

    /// Whether charge points need a certificate.
    pub(super) fn wants_certificate(&self) -> bool {
        self.clients.is_some()
    }

    pub(super) fn live(&self) -> Arc<Live<ServerTlsFiles>> {
        Arc::clone(&self.files)
    }

    /// The CAs of charge points whose certificates are not looked up in `client_crl`, although others are.
    pub fn unchecked_authorities(&self) -> Vec<String> {
        self.files.get().unchecked.clone()
    }

    /// When the certificates and revocation lists in use end.
    pub fn certificates(&self) -> Vec<CertificateFile> {
        self.files.get().certificates.clone()
    }

    /// Runs the TLS handshake. Returns the stream, and the verified client if certificates are required.
    pub async fn accept(&self, stream: TcpStream) -> Result<(TlsStream<TcpStream>, Option<VerifiedClient>), AuthError> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.files.get().config));
        let accepting = async {
            acceptor
                .accept(stream)
                .await
                .map_err(|error| (reason(&error), CLIENT_SUBJECT.with(|subject| subject.take())))
        };
        let accepted = CLIENT_SUBJECT.scope(Cell::new(None), accepting).await;
        let refused = |(reason, subject)| AuthError::Tls { reason, subject };
        let stream = accepted.map_err(refused)?;
        let Some(clients) = &self.clients else { return Ok((stream, None)) };
        let chain = stream.get_ref().1.peer_certificates();
        let certificate =
            chain.and_then(|chain| chain.first()).ok_or_else(|| refused(("no certificate".into(), None)))?;
        let client = clients.client(certificate).map_err(|reason| refused((reason, subject(certificate))))?;
        Ok((stream, Some(client)))
    }
}

tokio::task_local! {
    /// The subject of the client certificate in the handshake of this task, which rustls does not return if the
    /// handshake fails.
    static CLIENT_SUBJECT: Cell<Option<String>>;
}

/// Records the subject of the client certificate, and delegates verification.
#[derive(Debug)]
struct RecordingVerifier(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for RecordingVerifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Always called in the scope of `accept`. An error would only lose the log field.
        let _ = CLIENT_SUBJECT.try_with(|recorded| recorded.set(subject(end_entity)));
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

/// Why the handshake failed.
fn reason(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let text = match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Revoked)) => "the certificate has been revoked",
        Some(rustls::Error::InvalidCertificate(
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. },
        )) => "the revocation list of the CA of the certificate has ended: see ocpp.tls.client_crl_expired",
        _ => return error.to_string(),
    };
    text.to_owned()
}

impl ServerTlsFiles {
    fn read(settings: &Settings) -> Result<Self, String> {
        let pairs = settings.certificates()?;
        let mut certificates: Vec<_> =
            pairs.iter().map(|pair| CertificateFile::read(CertificateUse::Server, &pair.cert)).collect();
        let (mut clients, mut unchecked) = (None, Vec::new());
        let is_enforced = settings.client_crl_expired == ExpiredCrl::Refuse;
        if let Some(file) = &settings.client_ca {
            let authorities = tls::certificates(file)?;
            let revoked = RevocationLists::read(&settings.client_crl, &authorities)?;
            clients = Some(client_verifier(file, authorities, revoked.lists, is_enforced)?);
            certificates.push(CertificateFile::read(CertificateUse::ClientCa, file));
            let used_as = CertificateUse::ClientCrl { is_enforced };
            certificates.extend(revoked.files.into_iter().map(|(file, first)| CertificateFile {
                used_as,
                file,
                first: Ok(first),
            }));
            unchecked = revoked.unchecked;
        }
        // A session that is resumed would outlive the revocation list.
        let mut config = server_config(&pairs, clients, !is_enforced)?;
        config.max_fragment_size = Some(FRAGMENT_SIZE);
        Ok(ServerTlsFiles { config: Arc::new(config), certificates, unchecked })
    }
}

/// Accepts certificates of clients that one of the authorities has signed, and has not revoked. The whole chain is
/// looked up, except for certificates whose issuer has no list.
///
/// `is_enforced`: a list is of no use once it has ended, and certificates of its issuer are refused.
fn client_verifier(
    file: &Path,
    authorities: Vec<CertificateDer<'static>>,
    revocation_lists: Vec<CertificateRevocationListDer<'static>>,
    is_enforced: bool,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let at = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in authorities {
        roots.add(certificate).map_err(|error| at(&error))?;
    }
    let provider = Arc::new(ring::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls(revocation_lists)
        .allow_unknown_revocation_status();
    if is_enforced {
        builder = builder.enforce_revocation_expiration();
    }
    Ok(Arc::new(RecordingVerifier(builder.build().map_err(|error| at(&error))?)))
}
