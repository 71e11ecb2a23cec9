//! TLS of the admin listener.

use super::problem::Problem;
use crate::config::{AdminTlsConfig as Settings, CertificateConfig};
use crate::operations::live_files::{Live, Reload};
use crate::operations::tls::{CertificateFile, CertificateUse, server_config};
use axum::Router;
use axum::http::header;
use rustls::ServerConfig;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS connection: a record of the handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Accepts TLS connections to the admin listener.
pub struct AdminTls {
    files: Arc<Live<AdminTlsFiles>>,
}

/// What the files of `admin.tls` contain.
struct AdminTlsFiles {
    config: Arc<ServerConfig>,
    certificate: CertificateFile,
}

/// How a client begins.
pub(super) enum Beginning {
    Tls(Box<TlsStream<TcpStream>>),
    /// Without TLS.
    Plain(TcpStream),
}

impl AdminTls {
    /// Reads the files. An error names the faulty file.
    pub fn load(settings: &Settings) -> Result<Self, String> {
        let files = vec![settings.cert.clone(), settings.key.clone()];
        let settings = settings.clone();
        let files = Live::new("admin.tls", files, move |_| AdminTlsFiles::read(&settings))?;
        Ok(AdminTls { files: Arc::new(files) })
    }

    /// What is read again when its files change.
    pub fn reload(&self) -> Arc<dyn Reload> {
        Arc::clone(&self.files) as Arc<dyn Reload>
    }

    /// When the certificate in use ends.
    pub fn certificate(&self) -> CertificateFile {
        self.files.get().certificate.clone()
    }

    /// Runs the TLS handshake, if the client begins one.
    pub(super) async fn begin(&self, stream: TcpStream) -> io::Result<Beginning> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE_RECORD] {
            return Ok(Beginning::Plain(stream));
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.files.get().config));
        acceptor.accept(stream).await.map(|stream| Beginning::Tls(Box::new(stream)))
    }
}

impl AdminTlsFiles {
    fn read(settings: &Settings) -> Result<Self, String> {
        let pair = CertificateConfig { cert: settings.cert.clone(), key: settings.key.clone() };
        let mut config = server_config(&[pair], None, true)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let certificate = CertificateFile::read(CertificateUse::Admin, "admin.tls.cert", &settings.cert);
        Ok(AdminTlsFiles { config: Arc::new(config), certificate })
    }
}

/// What requests without TLS are answered with.
pub(super) fn refusal() -> Router {
    Router::new().fallback(async || {
        ([(header::CONNECTION, "close")], Problem::bad_request("this listener speaks TLS only: use https://"))
    })
}
