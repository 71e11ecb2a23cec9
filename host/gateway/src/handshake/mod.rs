//! From a TCP connection to a WebSocket with a known charge point at its other end, or to an HTTP status that says why
//! not (OCPP-J 1.6 section 3; OCPP 2.0.1 part 4 section 3).

mod refused;
mod request;
mod response;

pub use refused::Refused;

use crate::config::{DefaultVersion, Ocpp};
use crate::socket::Socket;
use ocpp_gateway_core::version::{Negotiated, negotiate};
use ocpp_gateway_core::{Identity, Version};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response, create_response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// tungstenite's own 128 KiB would cost an idle charge point 134 kB and halve the throughput: each read clears what is free
/// of the buffer, and of hundreds of charge points no cache holds all buffers. Nearly every message fits in this one.
const READ_BUFFER: usize = 2 << 10;
/// Messages that are ready together leave together, up to so many bytes.
const WRITE_BUFFER: usize = 4 << 10;

/// On which terms charge points are let in.
#[derive(Debug)]
pub struct Terms {
    path: String,
    max_identity_length: usize,
    versions: Vec<Version>,
    default_version: DefaultVersion,
    timeout: Duration,
    max_header_size: usize,
    websocket: WebSocketConfig,
}

/// Somebody who has asked to come in and waits for an answer.
#[derive(Debug)]
pub struct Knock {
    pub identity: Identity,
    /// `None`: the client offered subprotocols, and none of them is enabled. The specification has the handshake
    /// completed without one all the same, and the connection closed then.
    pub version: Option<Version>,
    /// What it asked with.
    pub request: Request,
    response: Response,
}

impl Terms {
    pub fn new(ocpp: &Ocpp) -> Self {
        let websocket = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(ocpp.max_message_size))
            .max_frame_size(Some(ocpp.max_message_size));
        Terms {
            path: ocpp.path.clone(),
            max_identity_length: ocpp.max_identity_length,
            versions: ocpp.versions.clone(),
            default_version: ocpp.default_version,
            timeout: ocpp.handshake_timeout.get(),
            max_header_size: ocpp.max_header_size,
            websocket,
        }
    }

    /// How long all of it may take, from the first byte to the last.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Hears who is there, without an answer yet: [`welcome`](Self::welcome) or [`Refused::tell`].
    pub async fn hear<S: AsyncRead + Unpin>(&self, stream: &mut S) -> Result<Knock, Refused> {
        let request = request::read(stream, self.max_header_size).await?;
        let response = create_response(&request).map_err(|error| Refused::NotWebSocket(error.to_string()))?;
        let (identity, version) = self.look_at(&request)?;
        Ok(Knock { identity, version, request, response })
    }

    /// Tells whoever knocked to come in.
    pub async fn welcome<S: AsyncWrite + Unpin>(&self, stream: &mut S, knock: Knock) -> Result<(), Refused> {
        let Knock { version, request, mut response, .. } = knock;
        let offered = request.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL);
        if let Some(version) = version.filter(|_| offered) {
            let name = HeaderValue::from_static(version.subprotocol());
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        response::write(stream, &response, "").await.map_err(|error| Refused::NotWebSocket(error.to_string()))
    }

    /// What is spoken on `stream` from then on.
    pub fn websocket<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Socket<S> {
        Socket::new(stream, self.websocket)
    }

    /// Who it is, and which version is spoken, if there is one that both speak.
    fn look_at(&self, request: &Request) -> Result<(Identity, Option<Version>), Refused> {
        let identity = Identity::from_path(request.uri().path(), &self.path, self.max_identity_length)
            .map_err(|error| Refused::status(StatusCode::NOT_FOUND, error.to_string()))?;
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
        Ok((identity, version))
    }
}
