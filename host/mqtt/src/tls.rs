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

/// The files for TLS, in PEM. Read for every connection, so that a certificate can be renewed by replacing its file.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// The authorities that sign the broker's certificate. `None`: those that the operating system trusts.
    pub ca: Option<PathBuf>,
    /// The client certificate, for a broker that requests one, and its private key.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// Why these files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: {problem}", file.display())]
    File { file: PathBuf, problem: String },
    #[error("a certificate needs its key: only one of them is configured")]
    IncompletePair,
    #[error("the operating system has no trusted certificates: configure the broker's ca")]
    NoRoots,
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl TlsFiles {
    /// Checks whether a connection can be made with these files.
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
            _ => return Err(TlsError::IncompletePair),
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
            // Certificates of the operating system that cannot be read are skipped.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
    }
}

/// Reads the certificates of a file. A file without a certificate is an error.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    let found = read.map_err(|error| at(file, &error))?;
    if found.is_empty() { Err(at(file, &"there is no certificate in it")) } else { Ok(found) }
}

fn at(file: &Path, problem: &dyn Display) -> TlsError {
    TlsError::File { file: file.to_owned(), problem: problem.to_string() }
}
