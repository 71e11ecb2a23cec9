//! From a TCP connection to a WebSocket with a known charge point at its other end, or to an HTTP status that says why
//! not (OCPP-J 1.6 section 3; OCPP 2.0.1 part 4 section 3).

use crate::config::{DefaultVersion, Ocpp};
use ocpp_gateway_core::version::{Negotiated, negotiate};
use ocpp_gateway_core::{Attributes, Identity, Version};
use std::collections::HashSet;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// tungstenite's own 128 KiB would cost an idle charge point 134 kB and halve the throughput.
const READ_BUFFER: usize = 4 << 10;

/// On which terms charge points are let in.
#[derive(Debug)]
pub struct Terms {
    path: String,
    max_identity_length: usize,
    versions: Vec<Version>,
    default_version: DefaultVersion,
    identities: Option<HashSet<String>>,
    timeout: Duration,
    websocket: WebSocketConfig,
}

/// Whom the handshake let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    pub identity: Identity,
    /// `None`: the client offered subprotocols, and none of them is enabled. The specification has the handshake
    /// completed without one all the same, and the connection closed then.
    pub version: Option<Version>,
    /// What the transforms that let it in know of it.
    pub attributes: Attributes,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{}: {reason}", status.as_u16())]
    Status { status: StatusCode, reason: String, retry_after: Option<Duration> },
    #[error("no WebSocket handshake: {0}")]
    NotWebSocket(String),
    #[error("no handshake within {0:?}")]
    TimedOut(Duration),
}

impl Refused {
    pub fn status(status: StatusCode, reason: impl Into<String>) -> Self {
        Refused::Status { status, reason: reason.into(), retry_after: None }
    }

    /// 503, and when to come back.
    pub fn unavailable(reason: impl Into<String>, retry_after: Duration) -> Self {
        Refused::Status {
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason: reason.into(),
            retry_after: Some(retry_after),
        }
    }

    /// A name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Refused::Status { status, .. } => match status.as_u16() {
                400 => "bad_request",
                403 => "forbidden",
                404 => "not_found",
                503 => "unavailable",
                _ => "refused",
            },
            Refused::NotWebSocket(_) => "not_websocket",
            Refused::TimedOut(_) => "timed_out",
        }
    }

    fn response(&self) -> ErrorResponse {
        let Refused::Status { status, reason, retry_after } = self else {
            return ErrorResponse::new(None);
        };
        let mut response = ErrorResponse::new(Some(format!("{reason}\n")));
        *response.status_mut() = *status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Some(time) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(time.as_secs()));
        }
        response
    }
}

impl Terms {
    pub fn new(ocpp: &Ocpp) -> std::io::Result<Self> {
        let websocket = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(READ_BUFFER)
            .max_message_size(Some(ocpp.max_message_size))
            .max_frame_size(Some(ocpp.max_message_size));
        Ok(Terms {
            path: ocpp.path.clone(),
            max_identity_length: ocpp.max_identity_length,
            versions: ocpp.versions.clone(),
            default_version: ocpp.default_version,
            identities: ocpp.allowed_identities()?,
            timeout: ocpp.handshake_timeout.get(),
            websocket,
        })
    }

    /// Shakes hands over `stream`. `may_enter` has the last word on who is let in, and gives whoever is their attributes.
    pub async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        may_enter: impl FnOnce(&Identity, &Request) -> Result<Attributes, Refused> + Unpin,
    ) -> Result<(WebSocketStream<S>, Admitted), Refused> {
        let mut verdict = None;
        let desk = Desk { terms: self, may_enter, verdict: &mut verdict };
        let upgrade = tokio_tungstenite::accept_hdr_async_with_config(stream, desk, Some(self.websocket));
        let upgraded =
            tokio::time::timeout(self.timeout, upgrade).await.map_err(|_| Refused::TimedOut(self.timeout))?;
        match (upgraded, verdict) {
            (Ok(socket), Some(Ok(admitted))) => Ok((socket, admitted)),
            (_, Some(Err(refused))) => Err(refused),
            (Err(error), _) => Err(Refused::NotWebSocket(error.to_string())),
            (Ok(_), None) => Err(Refused::NotWebSocket("nobody looked at the request".into())),
        }
    }

    fn admit(&self, request: &Request) -> Result<Admitted, Refused> {
        let identity = Identity::from_path(request.uri().path(), &self.path, self.max_identity_length)
            .map_err(|error| Refused::status(StatusCode::NOT_FOUND, error.to_string()))?;
        if self.identities.as_ref().is_some_and(|known| !known.contains(identity.as_str())) {
            return Err(Refused::status(StatusCode::NOT_FOUND, format!("no charge point {identity} is known here")));
        }
        let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let version = match negotiate(offers.iter().filter_map(|line| line.to_str().ok()), &self.versions) {
            Negotiated::Agreed(version) => Some(version),
            Negotiated::NoMatch => None,
            Negotiated::NothingOffered => match self.default_version {
                DefaultVersion::Use(version) => Some(version),
                DefaultVersion::Refuse => {
                    let names: Vec<_> = self.versions.iter().map(|version| version.subprotocol()).collect();
                    let reason = format!("offer a subprotocol: {}", names.join(", "));
                    return Err(Refused::status(StatusCode::BAD_REQUEST, reason));
                }
            },
        };
        Ok(Admitted { identity, version, attributes: Attributes::new() })
    }
}

/// Where tungstenite asks about a request.
struct Desk<'a, F> {
    terms: &'a Terms,
    may_enter: F,
    verdict: &'a mut Option<Result<Admitted, Refused>>,
}

impl<F: FnOnce(&Identity, &Request) -> Result<Attributes, Refused>> Callback for Desk<'_, F> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let admitted = self.terms.admit(request).and_then(|admitted| {
            let attributes = (self.may_enter)(&admitted.identity, request)?;
            Ok(Admitted { attributes, ..admitted })
        });
        let answer = match &admitted {
            Ok(admitted) => {
                let offered = request.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL);
                if let Some(version) = admitted.version.filter(|_| offered) {
                    let name = HeaderValue::from_static(version.subprotocol());
                    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
                }
                Ok(response)
            }
            Err(refused) => Err(refused.response()),
        };
        *self.verdict = Some(admitted);
        answer
    }
}
