//! The handshake by OpenSSL.

use super::client_verifier::has_accepted;
use crate::config::CertificateConfig;
use crate::operations::tls::server_context;
use openssl::ssl::{Error, Ssl, SslContext};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

pub(super) type Stream = SslStream<TcpStream>;

#[derive(Clone)]
pub(super) struct Server {
    context: SslContext,
    verifies: bool,
}

impl Server {
    pub(super) fn new(
        files: &[CertificateConfig],
        clients: Option<Arc<dyn ClientCertVerifier>>,
        resumes: bool,
    ) -> Result<Self, String> {
        let verifies = clients.is_some();
        Ok(Server { context: server_context(files, clients, resumes)?, verifies })
    }

    /// Returns the stream, and the verified certificate of the client if it has sent one. An error says why not.
    pub(super) async fn accept(self, stream: TcpStream) -> Result<(Stream, Option<CertificateDer<'static>>), String> {
        let created = Ssl::new(&self.context).and_then(|ssl| SslStream::new(ssl, stream));
        let mut stream = created.map_err(|error| error.to_string())?;
        Pin::new(&mut stream).accept().await.map_err(|error| reason(&error))?;
        // A session that is resumed has been verified before. The rest has passed the verifier, whatever OpenSSL calls.
        if self.verifies && !stream.ssl().session_reused() && !has_accepted() {
            return Err("the certificate has not been verified".to_owned());
        }
        let certificate = stream.ssl().peer_certificate();
        let der = certificate.map(|certificate| certificate.to_der()).transpose().map_err(|error| error.to_string())?;
        Ok((stream, der.map(CertificateDer::from)))
    }
}

/// As OpenSSL says it, such as "no shared cipher".
fn reason(error: &Error) -> String {
    let first = error.ssl_error().and_then(|stack| stack.errors().first());
    match first.and_then(|first| first.reason()) {
        Some(reason) => reason.to_owned(),
        None => error.to_string(),
    }
}
