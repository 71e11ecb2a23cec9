//! Why a charge point is not let in, and how it is told.

use super::response;
use crate::proxies::BadHeader;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::server::Response;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};

/// How long the other side gets to read the answer.
const LINGER: Duration = Duration::from_secs(1);

/// How credentials are to be shown (RFC 7617). There is no charset: passwords are bytes.
const CHALLENGE: &str = "Basic realm=\"ocpp\"";

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{}: {reason}", status.as_u16())]
    Status { status: StatusCode, reason: String, retry_after: Option<Duration> },
    #[error("401: {0}")]
    Unauthorized(String),
    #[error("no TLS: {0}")]
    Tls(String),
    #[error("no WebSocket handshake: {0}")]
    NotWebSocket(String),
    #[error("no handshake within {0:?}")]
    TimedOut(Duration),
    #[error(transparent)]
    BadProxyHeader(BadHeader),
    /// So many that it is not worth an answer.
    #[error("far too many connections from this address")]
    Crowd,
}

impl Refused {
    pub fn status(status: StatusCode, reason: impl Into<String>) -> Self {
        Refused::Status { status, reason: reason.into(), retry_after: None }
    }

    /// 401, and how credentials are to be shown.
    pub fn unauthorized(reason: impl Into<String>) -> Self {
        Refused::Unauthorized(reason.into())
    }

    /// 503, and when to come back.
    pub fn unavailable(reason: impl Into<String>, retry_after: Duration) -> Self {
        Refused::later(StatusCode::SERVICE_UNAVAILABLE, reason, retry_after)
    }

    /// A status, and when to come back.
    pub fn later(status: StatusCode, reason: impl Into<String>, retry_after: Duration) -> Self {
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
                431 => "header_too_large",
                503 => "unavailable",
                _ => "refused",
            },
            Refused::Unauthorized(_) => "unauthorized",
            Refused::Tls(_) => "tls",
            Refused::NotWebSocket(_) => "not_websocket",
            Refused::TimedOut(_) => "timed_out",
            Refused::BadProxyHeader(_) => "bad_proxy_header",
            Refused::Crowd => "crowd",
        }
    }

    /// The HTTP status that says so; `None`: nobody is waiting for an answer.
    fn answer(&self) -> Option<StatusCode> {
        match self {
            Refused::Status { status, .. } => Some(*status),
            Refused::Unauthorized(_) => Some(StatusCode::UNAUTHORIZED),
            Refused::NotWebSocket(_) => Some(StatusCode::BAD_REQUEST),
            Refused::Tls(_) | Refused::TimedOut(_) | Refused::BadProxyHeader(_) | Refused::Crowd => None,
        }
    }

    /// Answers with the status and the reason, and waits a moment for the other side to have read it.
    pub async fn tell<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) {
        let Some(status) = self.answer() else { return };
        let reason = match self {
            Refused::Status { reason, .. } | Refused::Unauthorized(reason) => format!("{reason}\n"),
            other => format!("{other}\n"),
        };
        let mut response = Response::new(());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reason.len()));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Refused::Status { retry_after: Some(time), .. } = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(time.as_secs()));
        }
        if let Refused::Unauthorized(_) = self {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        // Whether it was heard or not: the connection is over.
        let _ = tokio::time::timeout(LINGER, response::write_last(stream, &response, &reason)).await;
    }
}
