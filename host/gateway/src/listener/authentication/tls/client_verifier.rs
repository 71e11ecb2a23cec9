//! Verifies the certificates of charge points, and notes what becomes of them.

use super::super::client_certificate::subject;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

/// Accepts certificates of clients that one of the authorities has signed, and has not revoked. The whole chain is
/// looked up, except for certificates whose issuer has no list.
///
/// `section`: the key of the section `tls`. `is_enforced`: a list is of no use once it has ended, and certificates of its
/// issuer are refused.
pub(super) fn client_verifier(
    section: &str,
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
    let verifier = builder.build().map_err(|error| at(&error))?;
    Ok(Arc::new(NotingVerifier { verifier, section: section.to_owned() }))
}

/// What the verifier notes of the client certificate in a handshake: a handshake that fails does not return it.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) subject: Option<String>,
    /// Why the certificate is refused.
    pub(super) fault: Option<String>,
}

tokio::task_local! {
    static NOTED: RefCell<Noted>;
}

/// Runs a handshake. Returns its result, and what the verifier has noted of the client certificate.
pub(super) async fn noting<T>(handshake: impl Future<Output = T>) -> (T, Noted) {
    let noting = async {
        let result = handshake.await;
        (result, NOTED.with(RefCell::take))
    };
    NOTED.scope(RefCell::default(), noting).await
}

/// Whether the verifier has accepted the certificate in the handshake that [`noting`] runs.
#[cfg(feature = "tls-openssl")]
pub(super) fn has_accepted() -> bool {
    let accepted = |noted: &RefCell<Noted>| noted.borrow().subject.is_some() && noted.borrow().fault.is_none();
    NOTED.try_with(accepted).unwrap_or(false)
}

/// Notes the subject of the client certificate and why it is refused, and delegates verification.
#[derive(Debug)]
struct NotingVerifier {
    verifier: Arc<dyn ClientCertVerifier>,
    /// The key of the section `tls`.
    section: String,
}

impl ClientCertVerifier for NotingVerifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.verifier.verify_client_cert(end_entity, intermediates, now);
        let fault = verified.as_ref().err().map(|error| fault(error, &self.section));
        // Always called in the scope of `noting`. An error would only lose log fields.
        let _ = NOTED.try_with(|noted| noted.replace(Noted { subject: subject(end_entity), fault }));
        verified
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn offer_client_auth(&self) -> bool {
        self.verifier.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.verifier.requires_raw_public_keys()
    }
}

/// Why a certificate is refused. `section`: the key of the section `tls`.
fn fault(error: &rustls::Error, section: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Revoked) => "the certificate has been revoked".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. },
        ) => format!("the revocation list of the CA of the certificate has ended: see {section}.client_crl_expired"),
        _ => error.to_string(),
    }
}
