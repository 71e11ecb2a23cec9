//! From a TCP connection to a WebSocket with a known charge point at its other end, or to an HTTP status that says why
//! not (OCPP-J 1.6 section 3; OCPP 2.0.1 part 4 section 3).

mod connection;
mod refused;
mod request;

pub use connection::Handshake;
pub use refused::Refused;

use crate::charge_point::Socket;
use crate::config::{DefaultVersion, OcppConfig};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use ocpp_gateway_core::identity::InvalidIdentity;
use ocpp_gateway_core::version::{Negotiated, negotiate};
use ocpp_gateway_core::{Identity, Version};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// tungstenite's own 128 KiB would cost an idle charge point 134 kB and halve the throughput: each read clears what is free
/// of the buffer, and of hundreds of charge points no cache holds all buffers. Nearly every message fits in this one.
const READ_BUFFER: usize = 2 << 10;
/// Messages that are ready together leave together, up to so many bytes.
const WRITE_BUFFER: usize = 4 << 10;

/// On which terms charge points are let in.
#[derive(Debug)]
pub struct Terms {
    ocpp: OcppConfig,
    websocket: WebSocketConfig,
}

/// A request for a WebSocket that could be granted, as far as the handshake goes.
#[derive(Debug)]
pub struct UpgradeRequest {
    pub identity: Identity,
    /// `None`: the client offered subprotocols, and none of them is enabled. The specification has the handshake
    /// completed without one all the same, and the connection closed then.
    pub version: Option<Version>,
    /// The request itself. Credentials in it do not show in `Debug`.
    pub request: Request<()>,
    response: Response<String>,
}

impl Terms {
    pub fn new(ocpp: &OcppConfig) -> Self {
        let websocket = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(ocpp.max_message_size))
            .max_frame_size(Some(ocpp.max_message_size));
        Terms { ocpp: ocpp.clone(), websocket }
    }

    /// How long all of it may take, from the first byte to the last.
    pub fn timeout(&self) -> Duration {
        self.ocpp.handshake_timeout.get()
    }

    /// Begins a handshake on whatever carries the bytes.
    pub fn begin<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Handshake<S> {
        Handshake::new(stream, self.ocpp.max_header_size)
    }

    /// Reads who is there, without an answer yet: [`Handshake::accept`] or [`Handshake::refuse`].
    pub async fn read_request<S>(&self, handshake: &mut Handshake<S>) -> Result<UpgradeRequest, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = handshake.read_request().await?;
        request::hide_credentials(request.headers_mut());
        let mut response = request::accept(&request)?;
        let identity = Identity::from_path(request.uri().path(), &self.ocpp.path, self.ocpp.max_identity_length);
        let identity = identity.map_err(|error| match error {
            InvalidIdentity::InvalidEscape => Refused::status(StatusCode::BAD_REQUEST, error.to_string()),
            _ => Refused::status(StatusCode::NOT_FOUND, error.to_string()),
        })?;
        let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let version = match negotiate(offers.iter().filter_map(|line| line.to_str().ok()), &self.ocpp.versions) {
            Negotiated::Agreed(version, name) => {
                if let Ok(name) = HeaderValue::from_str(name) {
                    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
                }
                Some(version)
            }
            Negotiated::NoMatch => None,
            Negotiated::NothingOffered => Some(self.default_version()?),
        };
        Ok(UpgradeRequest { identity, version, request, response })
    }

    /// What is spoken on a connection once its handshake is done. It begins with what the client has sent already.
    pub fn websocket<S: AsyncRead + AsyncWrite + Unpin>(&self, handshake: Handshake<S>) -> Socket<S> {
        let (stream, received) = handshake.into_parts();
        Socket::new(stream, received, self.websocket)
    }

    /// For a client that offers no subprotocol.
    fn default_version(&self) -> Result<Version, Refused> {
        match self.ocpp.default_version {
            DefaultVersion::Use(version) => Ok(version),
            DefaultVersion::Refuse => {
                let names: Vec<_> = self.ocpp.versions.iter().map(|version| version.subprotocol()).collect();
                let reason = format!("offer a subprotocol: {}", names.join(", "));
                Err(Refused::status(StatusCode::BAD_REQUEST, reason))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<S> {
    /// Lets the client in.
    pub async fn accept(&mut self, request: UpgradeRequest) -> Result<(), Refused> {
        self.respond(request.response).await.map_err(|error| Refused::NotWebSocket(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\nAuthorization: Basic Q1AxOnNlY3JldA==\r\n\
                        Cookie: Q1AxOnNlY3JldA==\r\n\r\n";

    #[tokio::test]
    async fn credentials_do_not_show() {
        let terms = Terms::new(&OcppConfig::default());
        let mut handshake = terms.begin(tokio::io::join(HEAD.as_bytes(), tokio::io::sink()));
        let request = terms.read_request(&mut handshake).await.expect("a request");
        assert_eq!(request.request.headers()[header::AUTHORIZATION], "Basic Q1AxOnNlY3JldA==");
        assert!(!format!("{request:?}").contains("Q1Ax"), "{request:?}");
    }
}
