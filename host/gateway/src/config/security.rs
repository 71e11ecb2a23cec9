//! TLS and credentials, towards charge points and the broker.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// TLS towards charge points: OCPP's security profile 2, and 3 with `client_ca`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsConfig {
    /// The gateway's certificate and the intermediate ones, in PEM.
    pub cert: Option<PathBuf>,
    /// Its private key, in PEM.
    pub key: Option<PathBuf>,
    /// Several certificates, instead of `cert` and `key`. Each client gets one that it can verify.
    pub certificates: Vec<CertificateConfig>,
    /// The CA certificates for charge points, in PEM. Absent: no certificate is requested.
    pub client_ca: Option<PathBuf>,
    /// Revocation lists of these CAs, in PEM or DER.
    pub client_crl: Vec<PathBuf>,
    pub client_crl_expired: ExpiredCrl,
    /// The organization (O) that certificates of charge points have to name. Absent: any.
    pub organization: Option<String>,
    /// The identity of a charge point by the common name of its certificate. A name that is not listed is the identity.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, String>,
}

/// What a revocation list means after the time at which its CA has promised the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpiredCrl {
    /// It stays in force, and the gateway warns. A CA that is late does not lock out the charge points.
    #[default]
    Use,
    /// Certificates of its CA are refused.
    Refuse,
}

/// A certificate of the gateway, with its key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CertificateConfig {
    /// The certificate and the intermediate ones, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

impl TlsConfig {
    /// The certificates, in whichever of the two forms they are written. The error says what to write.
    pub fn certificates(&self) -> Result<Vec<CertificateConfig>, String> {
        match (&self.cert, &self.key, &self.certificates[..]) {
            (None, None, []) => Err("has no certificate: cert and key are missing, or the list certificates".into()),
            (None, None, several) => Ok(several.to_vec()),
            (Some(cert), Some(key), []) => Ok(vec![CertificateConfig { cert: cert.clone(), key: key.clone() }]),
            (Some(_), None, []) => Err("missing field `key`: cert is of no use without it".into()),
            (None, Some(_), []) => Err("missing field `cert`: key is of no use without it".into()),
            _ => {
                let entry = "{ cert = \"…\", key = \"…\" }";
                Err(format!("certificates contradicts cert and key: move these two into the list, as {entry}"))
            }
        }
    }

    /// Every path, to be resolved.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let several = self.certificates.iter_mut().flat_map(|one| [&mut one.cert, &mut one.key]);
        let single = [&mut self.cert, &mut self.key, &mut self.client_ca].into_iter().flatten();
        single.chain(several).chain(&mut self.client_crl)
    }

    /// Contradictory keys of this section, which has this key itself: the key and the problem.
    pub(super) fn faults(&self, section: &str) -> Vec<(String, String)> {
        let for_clients = [
            ("identities", !self.identities.is_empty()),
            ("client_crl", !self.client_crl.is_empty()),
            ("organization", self.organization.is_some()),
        ];
        let unused = for_clients.into_iter().filter(|(_, is_set)| *is_set && self.client_ca.is_none());
        let problem = format!("is of no use without {section}.client_ca: no charge point shows a certificate");
        let mut faults: Vec<_> = unused.map(|(key, _)| (format!("{section}.{key}"), problem.clone())).collect();
        if self.client_crl.is_empty() && self.client_crl_expired == ExpiredCrl::Refuse {
            let problem = format!("is of no use without {section}.client_crl");
            faults.push((format!("{section}.client_crl_expired"), problem));
        }
        faults.extend(self.certificates().err().map(|problem| (section.to_owned(), problem)));
        faults
    }
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
    /// Whether charge points need a certificate that a trusted proxy has verified, and that its PROXY header names:
    /// security profile 3 with a proxy that ends TLS.
    pub proxy_certificate: bool,
    /// The identity of a charge point by the common name in the PROXY header, as `identities` of [`TlsConfig`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proxy_identities: BTreeMap<String, String>,
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
