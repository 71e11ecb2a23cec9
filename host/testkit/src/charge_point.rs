//! A WebSocket client as a charge point. It sends only what a test tells it to, and may break the protocol.

use crate::TIMEOUT;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Response, header};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A connected charge point.
pub struct ChargePoint<S = TcpStream> {
    socket: WebSocketStream<S>,
    /// The subprotocol that the server selected, if any.
    pub subprotocol: Option<String>,
}

/// What the gateway sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Text(String),
    Ping,
    /// The close code and reason, if any.
    Closed(Option<(u16, String)>),
}

/// Why there is no connection: the HTTP response. `status` is 0 if the connection ended without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused {
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `WWW-Authenticate`.
    pub challenge: Option<String>,
    pub text: String,
}

impl ChargePoint {
    /// Connects to `path`, such as `/ocpp/CP1`, and offers `subprotocols` in one header line each.
    pub async fn connect(address: SocketAddr, path: &str, subprotocols: &[&str]) -> Result<Self, Refused> {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        Self::handshake(stream, path, subprotocols).await
    }

    /// Connects from another address of this machine, such as 127.0.0.2, and offers OCPP 1.6.
    pub async fn connect_from(own: &str, address: SocketAddr, path: &str) -> Result<Self, Refused> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(own.parse().expect("an address"), 0)).expect("an address of this machine");
        let stream = socket.connect(address).await.expect("the gateway listens");
        Self::handshake(stream, path, &["ocpp1.6"]).await
    }

    async fn handshake(stream: TcpStream, path: &str, subprotocols: &[&str]) -> Result<Self, Refused> {
        stream.set_nodelay(true).expect("a TCP option");
        Self::over(stream, path, subprotocols, &[]).await
    }

    /// Connects as `id` with OCPP 1.6.
    pub async fn ocpp16(address: SocketAddr, id: &str) -> Self {
        Self::connect(address, &format!("/ocpp/{id}"), &["ocpp1.6"]).await.expect("accepted")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ChargePoint<S> {
    /// The same over any stream, with additional request headers.
    pub async fn over(
        stream: S,
        path: &str,
        subprotocols: &[&str],
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Refused> {
        let mut request = format!("ws://gateway{path}").into_client_request().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).expect("a header"));
        }
        for subprotocol in subprotocols {
            let value = HeaderValue::from_str(subprotocol).expect("a header");
            request.headers_mut().append(header::SEC_WEBSOCKET_PROTOCOL, value);
        }
        let result = timeout(TIMEOUT, client_async(request, stream)).await.expect("an answer to the handshake");
        match result {
            Ok((socket, response)) => {
                let subprotocol = header_value(&response, header::SEC_WEBSOCKET_PROTOCOL);
                Ok(ChargePoint { socket, subprotocol })
            }
            Err(Error::Http(response)) => Err(Refused {
                status: response.status().as_u16(),
                retry_after: header_value(&response, header::RETRY_AFTER),
                challenge: header_value(&response, header::WWW_AUTHENTICATE),
                text: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned(),
            }),
            Err(Error::Protocol(ProtocolError::HandshakeIncomplete) | Error::Io(_)) => Err(Refused::default()),
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    pub async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub async fn send_binary(&mut self, bytes: &[u8]) {
        self.send_message(Message::binary(bytes.to_vec())).await;
    }

    async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.expect("sent");
    }

    /// Sends bytes without WebSocket framing.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.expect("sent");
    }

    /// The next text. Pings are skipped.
    ///
    /// # Panics
    /// If the gateway closes the connection.
    pub async fn text(&mut self) -> String {
        loop {
            match self.receive().await {
                Received::Text(text) => return text,
                Received::Ping => {}
                Received::Closed(reason) => panic!("closed instead of a text: {reason:?}"),
            }
        }
    }

    /// The close code and reason. Texts and pings before it are skipped.
    pub async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            if let Received::Closed(reason) = self.receive().await {
                return reason;
            }
        }
    }

    /// The next text, ping or close.
    pub async fn receive(&mut self) -> Received {
        loop {
            match timeout(TIMEOUT, self.socket.next()).await.expect("a message from the gateway") {
                Some(Ok(Message::Text(text))) => return Received::Text(text.as_str().to_owned()),
                Some(Ok(Message::Ping(_))) => return Received::Ping,
                Some(Ok(Message::Close(frame))) => {
                    return Received::Closed(frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Received::Closed(None),
            }
        }
    }

    pub async fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // The gateway may have closed the connection before.
        let _ = self.socket.close(Some(frame)).await;
    }
}

fn header_value<T>(response: &Response<T>, name: HeaderName) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
