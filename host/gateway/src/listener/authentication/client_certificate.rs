//! What the gateway takes from the certificate of a charge point, that it or a trusted proxy has verified.

use super::error::AuthError;
use crate::listener::proxies::ProxiedTls;
use ocpp_gateway_core::{Attributes, Identity};
use rustls::pki_types::CertificateDer;
use std::collections::BTreeMap;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The attributes that a charge point with a certificate has.
pub const CERTIFICATE_SUBJECT: &str = "certificate_subject";
pub const CERTIFICATE_SERIAL: &str = "certificate_serial";

/// What certificates of charge points have to contain.
#[derive(Debug)]
pub(super) struct ClientCertificates {
    /// Maps common names to identities. Other names are identities themselves.
    pub(super) identities: BTreeMap<String, String>,
    /// `None`: any organization.
    pub(super) organization: Option<String>,
}

/// The client of a verified certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClient {
    /// The only identity that the client may use.
    pub identity: String,
    /// Of its certificate, as `CN=…, O=…`. From a PROXY header: the common name only.
    pub subject: String,
    /// Of its certificate, in upper-case hex digits. `None`: a PROXY header does not have it.
    pub serial: Option<String>,
}

impl ClientCertificates {
    /// The client whose certificate rustls has verified.
    pub(super) fn client(&self, certificate: &CertificateDer<'_>) -> Result<VerifiedClient, String> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|error| format!("the certificate: {error}"))?;
        // A resumed session has the certificate of its first handshake, which may have expired since.
        if !parsed.validity().is_valid() {
            return Err("the certificate has expired".into());
        }
        self.check_organization(&parsed)?;
        let mut names = parsed.subject().iter_common_name().map(|name| name.as_str());
        let identity = match (names.next(), names.next()) {
            (Some(Ok(name)), None) => self.identity(name)?,
            _ => return Err("the certificate has to have one common name".into()),
        };
        Ok(VerifiedClient {
            identity: identity.to_owned(),
            subject: parsed.subject().to_string(),
            serial: Some(hex(parsed.raw_serial())),
        })
    }

    /// The client whose certificate a trusted proxy has verified. `proxies`: the key that lists these proxies.
    pub(super) fn proxied_client(&self, tls: &ProxiedTls, proxies: &str) -> Result<VerifiedClient, AuthError> {
        let name = tls.verified_name(proxies).map_err(AuthError::NoProxyCertificate)?;
        let identity = self.identity(name).map_err(AuthError::NoProxyCertificate)?;
        Ok(VerifiedClient { identity: identity.to_owned(), subject: format!("CN={name}"), serial: None })
    }

    /// The operator of a charge point is the organization of its certificate (OCPP 2.0.1 part 2, A00.FR.404).
    fn check_organization(&self, certificate: &X509Certificate<'_>) -> Result<(), String> {
        let Some(wanted) = &self.organization else { return Ok(()) };
        let found = certificate.subject().iter_organization().map(|name| name.as_str().unwrap_or("(not a text)"));
        let found: Vec<&str> = found.collect();
        match found[..] {
            [organization] if organization == wanted => Ok(()),
            [] => Err(format!("the certificate names no organization (O), which has to be {wanted:?}")),
            _ => Err(format!("the organization (O) of the certificate is {}, not {wanted:?}", quoted(&found))),
        }
    }

    /// The identity for this common name.
    fn identity<'a>(&'a self, name: &'a str) -> Result<&'a str, String> {
        match self.identities.get(name) {
            Some(identity) => Ok(identity),
            // Otherwise two certificates would be valid for one identity.
            None if self.identities.values().any(|identity| identity == name) => {
                Err(format!("{name} belongs to another certificate"))
            }
            None => Ok(name),
        }
    }
}

impl VerifiedClient {
    /// Refuses an identity that is not the one of the certificate.
    pub fn check(&self, identity: &Identity) -> Result<(), AuthError> {
        if self.identity == identity.as_str() {
            return Ok(());
        }
        Err(AuthError::OtherCertificate(identity.clone()))
    }

    /// The attributes that its certificate gives to the charge point.
    pub fn attributes(&self) -> Attributes {
        let serial = self.serial.iter().map(|serial| (CERTIFICATE_SERIAL, serial));
        let all = [(CERTIFICATE_SUBJECT, &self.subject)].into_iter().chain(serial);
        all.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

/// The subject as `CN=…, O=…`. `None`: the certificate cannot be parsed.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed.subject().to_string())
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ")
}

/// As `openssl x509 -serial` prints it. A leading zero byte only says that the number is positive.
fn hex(serial: &[u8]) -> String {
    let digits = match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    data_encoding::HEXUPPER.encode(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity_of(name: &str) -> Option<String> {
        let identities = [("SN-1", "CP1")].map(|(name, identity)| (name.to_owned(), identity.to_owned())).into();
        let certificates = ClientCertificates { identities, organization: None };
        certificates.identity(name).ok().map(str::to_owned)
    }

    #[test]
    fn common_name_maps_to_its_configured_identity_or_to_itself() {
        assert_eq!(identity_of("SN-1").as_deref(), Some("CP1"));
        assert_eq!(identity_of("CP2").as_deref(), Some("CP2"));
        assert_eq!(identity_of("CP1"), None, "SN-1 has this identity");
    }

    #[test]
    fn certificate_gives_its_subject_and_the_serial_if_that_is_known() {
        let known =
            VerifiedClient { identity: "CP1".into(), subject: "CN=CP1".into(), serial: Some(hex(&[0, 0x8A, 1])) };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let subject = pair("certificate_subject", "CN=CP1");
        assert_eq!(known.attributes(), [subject.clone(), pair("certificate_serial", "8A01")]);
        assert_eq!(VerifiedClient { serial: None, ..known }.attributes(), [subject]);
    }
}
