//! Why authentication fails. The listener maps the errors to HTTP statuses.

use ocpp_gateway_core::Identity;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The client gets `reason` only. `detail` is for the log, as it reveals what the gateway knows of the charge
    /// point.
    #[error("{reason}")]
    BadCredentials { reason: String, detail: Option<String> },
    /// The identity is not in the list of identities.
    #[error("no charge point {identity} is known here")]
    NotListed { identity: Identity, has_certificate: bool },
    #[error("the certificate is not the one of {0}")]
    OtherCertificate(Identity),
    /// A trusted proxy has to name a verified certificate, and has not.
    #[error("{0}")]
    NoProxyCertificate(String),
    #[error("too many charge points authenticate at the same time")]
    Busy { retry_after: Duration },
    /// `subject`: of the client's certificate, if it sent one.
    #[error("no TLS: {reason}")]
    Tls { reason: String, subject: Option<String> },
}

impl AuthError {
    pub(super) fn bad_credentials(reason: impl Into<String>) -> Self {
        AuthError::BadCredentials { reason: reason.into(), detail: None }
    }

    /// The client gets the same reason for every `detail`, which is for the log.
    pub(super) fn wrong(detail: impl Into<String>) -> Self {
        AuthError::BadCredentials { reason: "wrong user name or password".into(), detail: Some(detail.into()) }
    }
}
