//! The handshake by rustls.

use crate::config::CertificateConfig;
use crate::operations::tls::server_config;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Largest TLS record that the gateway sends, in bytes. It bounds the buffer per connection.
const FRAGMENT_SIZE: usize = 4 << 10;

pub(super) type Stream = TlsStream<TcpStream>;

#[derive(Clone)]
pub(super) struct Server(Arc<ServerConfig>);

impl Server {
    pub(super) fn new(
        files: &[CertificateConfig],
        clients: Option<Arc<dyn ClientCertVerifier>>,
        resumes: bool,
    ) -> Result<Self, String> {
        let mut config = server_config(files, clients, resumes)?;
        config.max_fragment_size = Some(FRAGMENT_SIZE);
        Ok(Server(Arc::new(config)))
    }

    /// Returns the stream, and the verified certificate of the client if it has sent one. An error says why not.
    pub(super) async fn accept(self, stream: TcpStream) -> Result<(Stream, Option<CertificateDer<'static>>), String> {
        let stream = TlsAcceptor::from(self.0).accept(stream).await.map_err(|error| error.to_string())?;
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = chain.and_then(|chain| chain.first()).map(|certificate| certificate.clone().into_owned());
        Ok((stream, certificate))
    }
}
