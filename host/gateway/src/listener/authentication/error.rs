//! Why a charge point is not who it says it is, or has not shown it. Which HTTP status that is, the listener knows.

use ocpp_gateway_core::Identity;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The client is told the reason alone: what is known of a charge point is not for strangers.
    #[error("{reason}")]
    BadCredentials { reason: String, detail: Option<&'static str> },
    /// It is not on the list.
    #[error("no charge point {identity} is known here")]
    NotListed { identity: Identity, has_certificate: bool },
    #[error("the certificate is not the one of {0}")]
    OtherCertificate(Identity),
    #[error("too many charge points show their passwords at once")]
    Busy { retry_after: Duration },
    /// With the subject of the certificate that was shown, if one was.
    #[error("no TLS: {reason}")]
    Tls { reason: String, subject: Option<String> },
}

impl AuthError {
    pub(super) fn bad_credentials(reason: impl Into<String>) -> Self {
        AuthError::BadCredentials { reason: reason.into(), detail: None }
    }

    /// The same for the client whatever the detail, which is for the log.
    pub(super) fn wrong(detail: &'static str) -> Self {
        AuthError::BadCredentials { reason: "wrong user name or password".into(), detail: Some(detail) }
    }
}
