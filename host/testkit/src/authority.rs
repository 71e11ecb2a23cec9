//! Certificates for servers and clients, and a TLS client.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate authority. Writes certificates and keys to a folder.
pub struct Authority {
    folder: PathBuf,
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Certified {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// `name` is the prefix of its files in the folder.
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, new_key()).expect("a certificate");
        let this = Authority { folder: folder.to_owned(), name: name.to_owned(), issuer };
        std::fs::write(this.pem(), this.issuer.pem()).expect("a folder to write in");
        this
    }

    /// The file with its own certificate.
    pub fn pem(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// A certificate for a server on this machine.
    pub fn server(&self) -> Certified {
        let mut params = CertificateParams::new(["localhost".into(), "127.0.0.1".into()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, "server");
        self.sign("server", &params)
    }

    /// A certificate for a client, such as a charge point.
    pub fn client(&self, common_name: &str) -> Certified {
        self.sign(common_name, &named(common_name))
    }

    /// An expired certificate for a client.
    pub fn expired(&self, common_name: &str) -> Certified {
        let mut params = named(common_name);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(&format!("expired-{common_name}"), &params)
    }

    fn sign(&self, file: &str, params: &CertificateParams) -> Certified {
        let key = new_key();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |extension| self.folder.join(format!("{}-{file}.{extension}", self.name));
        let certified = Certified { cert: path("crt"), key: path("key") };
        std::fs::write(&certified.cert, certificate.pem()).expect("a folder to write in");
        std::fs::write(&certified.key, key.serialize_pem()).expect("a folder to write in");
        certified
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// Connects with TLS to a server whose certificate `ca` has signed. If the server refuses the client's certificate, the
/// error may appear only at the first read.
pub async fn connect(
    address: SocketAddr,
    ca: &Path,
    client: Option<&Certified>,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).expect("a certificate")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).expect("versions").with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(Certified { cert, key }) => {
            let chain = vec![CertificateDer::from_pem_file(cert).expect("a certificate")];
            let key = PrivateKeyDer::from_pem_file(key).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    };
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(address.ip());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}
