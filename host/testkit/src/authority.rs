//! Certificates for servers and clients, and a TLS client.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList, CertificateRevocationListParams, CertifiedIssuer,
    DnType, IsCa, KeyIdMethod, KeyPair, RevokedCertParams, date_time_ymd,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate authority. Writes certificates and keys to a folder.
pub struct Authority {
    folder: PathBuf,
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Follows each certificate that it signs: its own one and those above it, without the root.
    chain: String,
    serial: u64,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Certified {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub serial: u64,
}

/// What signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Ecdsa,
    Rsa,
}

/// Until when a revocation list is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextUpdate {
    Later,
    Passed,
}

/// ring makes no RSA keys.
const RSA_KEY: &str = include_str!("rsa.key");

/// The next serial number. No two certificates of one authority have the same.
static SERIAL: AtomicU64 = AtomicU64::new(0x1000);

impl Authority {
    /// `name` is the prefix of its files in the folder.
    pub fn new(folder: &Path, name: &str) -> Self {
        let (params, serial) = authority(name);
        let issuer = CertifiedIssuer::self_signed(params, new_key()).expect("a certificate");
        let this = Authority { folder: folder.to_owned(), name: name.to_owned(), issuer, chain: String::new(), serial };
        std::fs::write(this.pem(), this.issuer.pem()).expect("a folder to write in");
        this
    }

    /// An authority below this one. The files of its certificates have the chain up to this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let (params, serial) = authority(name);
        let issuer = CertifiedIssuer::signed_by(params, new_key(), &self.issuer).expect("a certificate");
        let chain = issuer.pem() + &self.chain;
        let this = Authority { folder: self.folder.clone(), name: name.to_owned(), issuer, chain, serial };
        std::fs::write(this.pem(), this.issuer.pem()).expect("a folder to write in");
        this
    }

    /// Its own certificate, for one above it to revoke. The key has no file.
    pub fn certified(&self) -> Certified {
        Certified { cert: self.pem(), key: PathBuf::new(), serial: self.serial }
    }

    /// The file with its own certificate.
    pub fn pem(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// A certificate for a server on this machine.
    pub fn server(&self) -> Certified {
        let mut params = CertificateParams::new(["localhost".into(), "127.0.0.1".into()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, "server");
        self.sign("server", params)
    }

    /// A certificate for a server of this name, with a key of this kind.
    pub fn server_of(&self, name: &str, kind: KeyKind) -> Certified {
        let mut params = CertificateParams::new([name.to_owned(), "127.0.0.1".into()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = match kind {
            KeyKind::Ecdsa => new_key(),
            KeyKind::Rsa => KeyPair::from_pem(RSA_KEY).expect("a key"),
        };
        self.sign_key(&format!("{name}-{kind:?}"), params, &key)
    }

    /// A certificate for a server on this machine that began long ago and ends so soon.
    pub fn ending_server(&self, left: Duration) -> Certified {
        let mut params = CertificateParams::new(["localhost".into(), "127.0.0.1".into()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, "ending");
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), (SystemTime::now() + left).into());
        self.sign("ending", params)
    }

    /// A certificate for a client of this organization.
    pub fn client_of(&self, common_name: &str, organization: &str) -> Certified {
        let mut params = named(common_name);
        params.distinguished_name.push(DnType::OrganizationName, organization);
        self.sign(&format!("{common_name}-of-{}", organization.replace(' ', "-")), params)
    }

    /// Writes the revocation list that has these certificates, as PEM. Returns its file, which is the same each time.
    pub fn revoke(&self, revoked: &[&Certified], next_update: NextUpdate) -> PathBuf {
        let crl = self.revocation_list(revoked, next_update);
        let file = self.folder.join(format!("{}.crl", self.name));
        std::fs::write(&file, crl.pem().expect("PEM")).expect("a folder to write in");
        file
    }

    /// Like [`revoke`](Self::revoke), as DER.
    pub fn revoke_der(&self, revoked: &[&Certified]) -> PathBuf {
        let crl = self.revocation_list(revoked, NextUpdate::Later);
        let file = self.folder.join(format!("{}.crl.der", self.name));
        std::fs::write(&file, crl.der()).expect("a folder to write in");
        file
    }

    fn revocation_list(&self, revoked: &[&Certified], next_update: NextUpdate) -> CertificateRevocationList {
        let revoked_certs = revoked.iter().map(|certified| RevokedCertParams {
            serial_number: certified.serial.into(),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: match next_update {
                NextUpdate::Later => date_time_ymd(4000, 1, 1),
                NextUpdate::Passed => date_time_ymd(2024, 2, 1),
            },
            crl_number: SERIAL.fetch_add(1, Ordering::Relaxed).into(),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list")
    }

    /// A certificate for a client, such as a charge point.
    pub fn client(&self, common_name: &str) -> Certified {
        self.sign(common_name, named(common_name))
    }

    /// An expired certificate for a client.
    pub fn expired(&self, common_name: &str) -> Certified {
        let mut params = named(common_name);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(&format!("expired-{common_name}"), params)
    }

    fn sign(&self, file: &str, params: CertificateParams) -> Certified {
        self.sign_key(file, params, &new_key())
    }

    fn sign_key(&self, file: &str, mut params: CertificateParams, key: &KeyPair) -> Certified {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(serial.into());
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        let path = |extension| self.folder.join(format!("{}-{file}.{extension}", self.name));
        let certified = Certified { cert: path("crt"), key: path("key"), serial };
        std::fs::write(&certified.cert, certificate.pem() + &self.chain).expect("a folder to write in");
        std::fs::write(&certified.key, key.serialize_pem()).expect("a folder to write in");
        certified
    }
}

/// What the certificate of an authority contains, and its serial number.
fn authority(name: &str) -> (CertificateParams, u64) {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    params.serial_number = Some(serial.into());
    (params, serial)
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
    let config = client_config(ca, client, versions, ring::default_provider());
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(address.ip());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Connects with TLS, asks for the server of this name, and accepts only signatures by a key of this kind. Returns the
/// server's certificate.
pub async fn certificate_for(
    address: SocketAddr,
    ca: &Path,
    version: &'static SupportedProtocolVersion,
    name: &str,
    kind: Option<KeyKind>,
) -> io::Result<CertificateDer<'static>> {
    let mut provider = ring::default_provider();
    let algorithms = &mut provider.signature_verification_algorithms;
    let is_kind = |scheme: &SignatureScheme| {
        let is_ecdsa = format!("{scheme:?}").starts_with("ECDSA");
        kind.is_none_or(|kind| is_ecdsa == (kind == KeyKind::Ecdsa))
    };
    let mapping: Vec<_> = algorithms.mapping.iter().copied().filter(|(scheme, _)| is_kind(scheme)).collect();
    algorithms.mapping = mapping.leak();
    let mut config = client_config(ca, None, &[version], provider);
    // The names of certificates are not what is tested, and the client asks for one that no certificate has.
    let verifier = SignatureVerifier(Arc::clone(config.crypto_provider()));
    config.dangerous().set_certificate_verifier(Arc::new(verifier));
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
    Ok(chain[0].clone().into_owned())
}

/// The certificate in a file, to compare it with that of a server.
pub fn certificate_in(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).expect("a certificate")
}

fn client_config(
    ca: &Path,
    client: Option<&Certified>,
    versions: &[&'static SupportedProtocolVersion],
    provider: CryptoProvider,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).expect("a certificate")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(versions).expect("versions").with_root_certificates(roots);
    match client {
        None => builder.with_no_client_auth(),
        Some(Certified { cert, key, .. }) => {
            let chain = CertificateDer::pem_file_iter(cert).expect("a file").collect::<Result<_, _>>();
            let chain: Vec<_> = chain.expect("certificates");
            let key = PrivateKeyDer::from_pem_file(key).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    }
}

/// Checks signatures, but not whose certificate it is.
#[derive(Debug)]
struct SignatureVerifier(Arc<CryptoProvider>);

impl ServerCertVerifier for SignatureVerifier {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
