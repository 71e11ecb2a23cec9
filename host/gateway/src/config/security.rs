//! Who has to show what, on both sides: TLS and credentials.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// TLS towards charge points: OCPP's security profile 2, and 3 with `client_ca`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TlsConfig {
    /// The gateway's certificate and those between it and the root, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// Who signs the certificates of charge points, in PEM. Absent: none is asked for.
    pub client_ca: Option<PathBuf>,
    /// The identity of a charge point by the common name in its certificate. Where it is not in here: the name itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, String>,
}

/// HTTP Basic authentication of charge points: OCPP's security profile 1, and 2 with TLS.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    pub mode: AuthMode,
    /// The file with their passwords' hashes.
    pub users: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    #[default]
    None,
    Basic,
}

/// TLS towards the broker, for a URL that begins with `mqtts://`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MqttTlsConfig {
    /// Who signs the broker's certificate, in PEM. Absent: whom the operating system trusts.
    pub ca: Option<PathBuf>,
    /// The gateway's certificate, in PEM, for a broker that asks for one.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}
