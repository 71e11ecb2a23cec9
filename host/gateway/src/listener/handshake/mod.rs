//! The HTTP handshake: from a byte stream to the WebSocket of a charge point, or to an HTTP status that says why not
//! (OCPP-J 1.6 section 3; OCPP 2.0.1 and 2.1 part 4 section 3).

mod connection;
mod refused;
mod request;

pub use connection::Handshake;
pub use refused::Refused;

use crate::charge_point::Socket;
use crate::config::{DefaultVersion, Listener};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use ocpp_gateway_core::identity::InvalidIdentity;
use ocpp_gateway_core::version::{Negotiated, negotiate};
use ocpp_gateway_core::{Identity, Version};
use ocpp_gateway_deflate::Agreed;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Bytes. tungstenite's default of 128 KiB would cost 134 kB per idle charge point and halve the throughput: each read
/// clears the free part of the buffer, and the buffers of hundreds of charge points fit in no cache. Nearly every
/// message fits in 2 KiB.
const READ_BUFFER: usize = 2 << 10;
/// Bytes. Messages that are ready together are written together, up to this size.
const WRITE_BUFFER: usize = 4 << 10;

/// The settings of handshakes and WebSockets.
#[derive(Debug)]
pub struct HandshakeSettings {
    listener: Listener,
    websocket: WebSocketConfig,
}

/// A valid request for a WebSocket, not answered yet.
#[derive(Debug)]
pub struct UpgradeRequest {
    pub identity: Identity,
    /// `None`: none of the offered subprotocols is enabled. The handshake is then completed without a subprotocol, and
    /// the connection closed (OCPP-J 1.6 section 3.2).
    pub version: Option<Version>,
    /// The request. `Debug` hides its credentials.
    pub request: Request<()>,
    response: Response<String>,
    /// How messages will be compressed. `None`: not at all.
    deflate: Option<Agreed>,
}

impl HandshakeSettings {
    pub fn new(listener: &Listener) -> Self {
        let websocket = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(listener.max_message_size))
            .max_frame_size(Some(listener.max_message_size));
        HandshakeSettings { listener: listener.clone(), websocket }
    }

    /// The time limit for the whole handshake, from the first byte to the last.
    pub fn timeout(&self) -> Duration {
        self.listener.handshake_timeout
    }

    /// Begins a handshake on a byte stream.
    pub fn begin<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Handshake<S> {
        Handshake::new(stream, self.listener.max_header_size)
    }

    /// Reads the request. The answer is [`Handshake::accept`] or [`Handshake::refuse`].
    pub async fn read_request<S>(&self, handshake: &mut Handshake<S>) -> Result<UpgradeRequest, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = handshake.read_request().await?;
        request::hide_credentials(request.headers_mut());
        let mut response = request::accept(&request)?;
        let identity =
            Identity::from_path(request.uri().path(), &self.listener.path, self.listener.max_identity_length);
        let identity = identity.map_err(|error| match error {
            InvalidIdentity::InvalidEscape => Refused::status(StatusCode::BAD_REQUEST, error.to_string()),
            _ => Refused::status(StatusCode::NOT_FOUND, error.to_string()),
        })?;
        let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let version = match negotiate(offers.iter().filter_map(|line| line.to_str().ok()), &self.listener.versions) {
            Negotiated::Agreed(version, name) => {
                if let Ok(name) = HeaderValue::from_str(name) {
                    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
                }
                Some(version)
            }
            Negotiated::NoMatch => None,
            Negotiated::NothingOffered => Some(self.default_version()?),
        };
        let deflate = self.negotiate_deflate(&request, &mut response);
        Ok(UpgradeRequest { identity, version, request, response, deflate })
    }

    /// Agrees with the client on compression, if it asks for it (RFC 7692 section 5).
    fn negotiate_deflate(&self, request: &Request<()>, response: &mut Response<String>) -> Option<Agreed> {
        let offers = request.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
        let settings = self.listener.deflate.settings()?;
        let agreed = ocpp_gateway_deflate::negotiate(offers.iter().filter_map(|line| line.to_str().ok()), &settings)?;
        let value = HeaderValue::try_from(agreed.to_string()).ok()?;
        response.headers_mut().insert(header::SEC_WEBSOCKET_EXTENSIONS, value);
        Some(agreed)
    }

    /// The WebSocket after the handshake. It begins with the data that the client sent after its request. `deflate`: what
    /// [`Handshake::accept`] returned.
    pub fn websocket<S>(&self, handshake: Handshake<S>, deflate: Option<Agreed>) -> Socket<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (stream, received) = handshake.into_parts();
        Socket::new(stream, received, self.websocket, deflate)
    }

    /// The version for a client that offers no subprotocol.
    fn default_version(&self) -> Result<Version, Refused> {
        match self.listener.default_version {
            DefaultVersion::Use(version) => Ok(version),
            DefaultVersion::Refuse => {
                let names: Vec<_> = self.listener.versions.iter().map(|version| version.subprotocol()).collect();
                let reason = format!("offer a subprotocol: {}", names.join(", "));
                Err(Refused::status(StatusCode::BAD_REQUEST, reason))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<S> {
    /// Accepts the request: switches to WebSocket. Returns how messages will be compressed.
    pub async fn accept(&mut self, request: UpgradeRequest) -> Result<Option<Agreed>, Refused> {
        self.respond(request.response).await.map_err(|error| Refused::NotWebSocket(error.to_string()))?;
        Ok(request.deflate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\nAuthorization: Basic Q1AxOnNlY3JldA==\r\n\
                        Cookie: Q1AxOnNlY3JldA==\r\n\r\n";

    #[tokio::test]
    async fn debug_hides_the_credentials_of_a_request() {
        let settings = HandshakeSettings::new(&Listener::default());
        let mut handshake = settings.begin(tokio::io::join(HEAD.as_bytes(), tokio::io::sink()));
        let request = settings.read_request(&mut handshake).await.expect("a request");
        assert_eq!(request.request.headers()[header::AUTHORIZATION], "Basic Q1AxOnNlY3JldA==");
        assert!(!format!("{request:?}").contains("Q1Ax"), "{request:?}");
    }
}
