//! Why a connection is refused, and the HTTP response that says so.

use crate::listener::authentication::AuthError;
use crate::listener::proxies::BadHeader;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::time::Duration;

/// The challenge of a 401 response (RFC 7617). It names no charset: passwords are bytes.
const CHALLENGE: &str = "Basic realm=\"ocpp\"";

/// The only version of the WebSocket protocol (RFC 6455 section 4.1).
pub(super) const WEBSOCKET_VERSION: &str = "13";

/// Why a connection is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{}: {reason}", status.as_u16())]
    Status { status: StatusCode, reason: String, retry_after: Option<Duration> },
    /// The client gets `reason` only. `detail` is for the log, as it reveals what the gateway knows of the charge
    /// point.
    #[error("401: {reason}{}", detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default())]
    Unauthorized { reason: String, detail: Option<String> },
    /// `subject`: of the client's certificate, if it sent one.
    #[error("no TLS: {reason}")]
    Tls { reason: String, subject: Option<String> },
    /// As health checks of load balancers do.
    #[error("no TLS: the client sent nothing")]
    NoTls,
    #[error("no WebSocket handshake: {0}")]
    NotWebSocket(String),
    /// As health checks of load balancers do.
    #[error("no WebSocket handshake: there was no request")]
    NoRequest,
    #[error("426: the version of WebSocket is not 13")]
    WebSocketVersion,
    /// hyper has answered it already.
    #[error("431: the request head is too large")]
    HeaderTooLarge,
    #[error("no handshake within {0:?}")]
    TimedOut(Duration),
    #[error(transparent)]
    BadProxyHeader(BadHeader),
    /// Closed without a response: far over the limit of the address.
    #[error("far too many connections from this address")]
    TooManyFromAddress,
    /// Closed without a response: the limit on sockets is reached.
    #[error("far too many sockets")]
    NoRoom,
}

impl Refused {
    pub fn status(status: StatusCode, reason: impl Into<String>) -> Self {
        Refused::Status { status, reason: reason.into(), retry_after: None }
    }

    /// Status 503 with `Retry-After`.
    pub fn unavailable(reason: impl Into<String>, retry_after: Duration) -> Self {
        Refused::with_retry_after(StatusCode::SERVICE_UNAVAILABLE, reason, retry_after)
    }

    /// A status with `Retry-After`.
    pub fn with_retry_after(status: StatusCode, reason: impl Into<String>, retry_after: Duration) -> Self {
        Refused::Status { status, reason: reason.into(), retry_after: Some(retry_after) }
    }

    /// A name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Refused::Status { status, .. } => match status.as_u16() {
                400 => "bad_request",
                403 => "forbidden",
                404 => "not_found",
                429 => "too_many_requests",
                503 => "unavailable",
                _ => "refused",
            },
            Refused::Unauthorized { .. } => "unauthorized",
            Refused::Tls { .. } | Refused::NoTls => "tls",
            Refused::NotWebSocket(_) | Refused::NoRequest | Refused::WebSocketVersion => "not_websocket",
            Refused::HeaderTooLarge => "header_too_large",
            Refused::TimedOut(_) => "timed_out",
            Refused::BadProxyHeader(_) => "bad_proxy_header",
            Refused::TooManyFromAddress => "too_many_from_address",
            Refused::NoRoom => "no_room",
        }
    }

    /// Whether the client sent nothing: no charge point, and nothing that is wrong.
    pub fn is_probe(&self) -> bool {
        matches!(self, Refused::NoRequest | Refused::NoTls)
    }

    /// The response to the client. `None`: the connection is closed without one.
    pub(super) fn response(&self) -> Option<Response<String>> {
        let status = match self {
            Refused::Status { status, .. } => *status,
            Refused::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Refused::NotWebSocket(_) | Refused::NoRequest => StatusCode::BAD_REQUEST,
            Refused::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            Refused::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refused::Tls { .. }
            | Refused::NoTls
            | Refused::TimedOut(_)
            | Refused::BadProxyHeader(_)
            | Refused::TooManyFromAddress
            | Refused::NoRoom => return None,
        };
        let reason = match self {
            Refused::Status { reason, .. } | Refused::Unauthorized { reason, .. } => format!("{reason}\n"),
            other => format!("{other}\n"),
        };
        let mut response = Response::new(reason);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        match self {
            Refused::Status { retry_after: Some(time), .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(time.as_secs()));
            }
            Refused::Unauthorized { .. } => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
            }
            Refused::WebSocketVersion => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(WEBSOCKET_VERSION));
                // RFC 9110 section 15.5.22 requires `Upgrade` in a 426 response.
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade, close"));
            }
            _ => {}
        }
        Some(response)
    }
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        let reason = error.to_string();
        match error {
            AuthError::BadCredentials { reason, detail } => Refused::Unauthorized { reason, detail },
            AuthError::NotListed { has_certificate: false, .. } => Refused::status(StatusCode::NOT_FOUND, reason),
            AuthError::NotListed { .. } | AuthError::OtherCertificate(_) | AuthError::NoProxyCertificate(_) => {
                Refused::status(StatusCode::FORBIDDEN, reason)
            }
            AuthError::Busy { retry_after } => Refused::unavailable(reason, retry_after),
            AuthError::Tls { reason, subject } => Refused::Tls { reason, subject },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_password_check_is_answered_with_503_and_retry_after() {
        let refused = Refused::from(AuthError::Busy { retry_after: Duration::from_secs(12) });
        let response = refused.response().expect("a response");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "12");
    }
}
