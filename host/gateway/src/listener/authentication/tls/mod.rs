//! TLS for charge points (OCPP security profiles 2 and 3).
//!
//! rustls speaks it, or OpenSSL with the feature `tls-openssl`. The rest is the same for both.

mod client_verifier;
#[cfg(feature = "tls-openssl")]
mod openssl_handshake;
#[cfg(not(feature = "tls-openssl"))]
mod rustls_handshake;

use super::client_certificate::{ClientCertificates, VerifiedClient, subject};
use super::error::AuthError;
use crate::config::{CertificateConfig, ExpiredCrl, TlsConfig as Settings};
use crate::operations::live_files::Live;
use crate::operations::tls::{self, CertificateFile, CertificateUse, RevocationLists};
use client_verifier::{Noted, client_verifier, noting};
#[cfg(feature = "tls-openssl")]
use openssl_handshake::{Server, Stream};
#[cfg(not(feature = "tls-openssl"))]
use rustls_handshake::{Server, Stream};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Accepts TLS connections of charge points.
pub struct ChargePointTls {
    files: Arc<Live<ServerTlsFiles>>,
    /// `None`: charge points have no certificates.
    clients: Option<ClientCertificates>,
}

/// What the files of the section `tls` give.
pub(super) struct ServerTlsFiles {
    server: Server,
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
        let (section, read) = (key.clone(), settings.clone());
        let files = Live::new(key, files, move |_| ServerTlsFiles::read(&section, &read))?;
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
    pub async fn accept(&self, stream: TcpStream) -> Result<(Stream, Option<VerifiedClient>), AuthError> {
        let server = self.files.get().server.clone();
        let (accepted, noted) = noting(server.accept(stream)).await;
        let refused = |reason, subject| AuthError::Tls { reason, subject };
        let Noted { subject: of_client, fault } = noted;
        let (stream, certificate) = accepted.map_err(|reason| refused(fault.unwrap_or(reason), of_client))?;
        let Some(clients) = &self.clients else { return Ok((stream, None)) };
        let certificate = certificate.ok_or_else(|| refused("no certificate".into(), None))?;
        let client = clients.client(&certificate).map_err(|reason| refused(reason, subject(&certificate)))?;
        Ok((stream, Some(client)))
    }
}

impl ServerTlsFiles {
    /// `section`: the key of these settings.
    fn read(section: &str, settings: &Settings) -> Result<Self, String> {
        let pairs = settings.certificates()?;
        let key = |index: usize| match settings.certificates[..] {
            [] => format!("{section}.cert"),
            _ => format!("{section}.certificates[{index}].cert"),
        };
        let read_pair = |(index, pair): (usize, &CertificateConfig)| {
            CertificateFile::read(CertificateUse::Server, key(index), &pair.cert)
        };
        let mut certificates: Vec<_> = pairs.iter().enumerate().map(read_pair).collect();
        let (mut clients, mut unchecked) = (None, Vec::new());
        let is_enforced = settings.client_crl_expired == ExpiredCrl::Refuse;
        if let Some(file) = &settings.client_ca {
            let authorities = tls::certificates(file)?;
            let revoked = RevocationLists::read(&settings.client_crl, &authorities)?;
            clients = Some(client_verifier(section, file, authorities, revoked.lists, is_enforced)?);
            certificates.push(CertificateFile::read(CertificateUse::ClientCa, format!("{section}.client_ca"), file));
            let used_as = CertificateUse::ClientCrl { is_enforced };
            certificates.extend(revoked.files.into_iter().map(|(file, first)| CertificateFile {
                used_as,
                keys: vec![format!("{section}.client_crl")],
                file,
                first: Ok(first),
            }));
            unchecked = revoked.unchecked;
        }
        // A session that is resumed would outlive the revocation list.
        let server = Server::new(&pairs, clients, !is_enforced)?;
        Ok(ServerTlsFiles { server, certificates, unchecked })
    }
}
