//! TLS and credentials, towards charge points and the broker.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// TLS towards charge points: OCPP's security profile 2, and 3 with `client_ca`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TlsConfig {
    /// The gateway's certificate and the intermediate ones, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// The CA certificates for charge points, in PEM. Absent: no certificate is requested.
    pub client_ca: Option<PathBuf>,
    /// The identity of a charge point by the common name of its certificate. A name that is not listed is the identity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, String>,
}

/// TLS of the admin listener.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AdminTlsConfig {
    /// The certificate of the listener and the intermediate ones, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// HTTP Basic authentication of charge points: OCPP's security profile 1, and 2 with TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    pub mode: AuthMode,
    /// The file with the hashes of their passwords.
    pub users: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    #[default]
    None,
    Basic,
}

impl AuthMode {
    pub fn is_basic(self) -> bool {
        self == AuthMode::Basic
    }
}

/// TLS towards the broker, for a URL that begins with `mqtts://`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MqttTlsConfig {
    /// The CA certificates for the broker, in PEM. Absent: those that the operating system trusts.
    pub ca: Option<PathBuf>,
    /// The gateway's certificate, in PEM, for a broker that asks for one.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}
