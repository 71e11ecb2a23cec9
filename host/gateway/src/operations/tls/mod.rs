//! TLS: certificates and keys of the gateway's listeners, and the authorities that its clients trust.

mod certificates;
mod client;
mod expiry;
mod files;
#[cfg(feature = "tls-openssl")]
mod openssl_server;
mod revocation;
mod server;

pub use client::{certificate_fault, client_config, roots_in, system_roots};
pub use expiry::{CertificateFile, CertificateList, CertificateUse, ExpiryWarning, Validity};
pub use files::certificates;
#[cfg(feature = "tls-openssl")]
pub use openssl_server::server_context;
pub use revocation::RevocationLists;
pub use server::server_config;
