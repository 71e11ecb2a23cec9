//! TLS towards the broker.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

/// What TLS is made of, in PEM. Read anew for every connection, so that a certificate can be renewed in its place.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Who signs the broker's certificate; `None`: whom the operating system trusts.
    pub ca: Option<PathBuf>,
    /// Our own certificate, for a broker that asks for one, and its private key.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// Why these files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {problem}", file.display())]
    File { file: PathBuf, problem: String },
    #[error("a certificate and its key go together: only one of them is named")]
    HalfAPair,
    #[error("the operating system trusts nobody: name the broker's ca")]
    NoRoots,
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl TlsFiles {
    /// Whether a connection could be made with them.
    pub fn check(&self) -> Result<(), TlsError> {
        self.connector().map(drop)
    }

    pub(crate) fn connector(&self) -> Result<TlsConnector, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let builder = builder.with_root_certificates(self.roots()?);
        let config = match (&self.cert, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let chain = certificates(cert)?;
                let private = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
                builder.with_client_auth_cert(chain, private).map_err(|error| at(cert, &error))?
            }
            _ => return Err(TlsError::HalfAPair),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(file) => {
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|error| at(file, &error))?;
                }
            }
            // Single certificates of a system that cannot be read are no reason not to trust the others.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
    }
}

/// At least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    let found = read.map_err(|error| at(file, &error))?;
    if found.is_empty() { Err(at(file, &"there is no certificate in it")) } else { Ok(found) }
}

fn at(file: &Path, problem: &dyn Display) -> TlsError {
    TlsError::File { file: file.to_owned(), problem: problem.to_string() }
}
