//! The other end of a WebSocket, without any manners of its own.

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
    /// What the server agreed to, if it did.
    pub subprotocol: Option<String>,
}

/// What the gateway sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Ping,
    /// The close code and reason, if there were any.
    Closed(Option<(u16, String)>),
}

/// Why there is no connection: the HTTP status, its `Retry-After`, its `WWW-Authenticate` and its text. Without a word:
/// status 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused {
    pub status: u16,
    pub retry_after: Option<String>,
    pub challenge: Option<String>,
    pub text: String,
}

impl ChargePoint {
    /// Connects to `path`, such as `/ocpp/CP1`, and offers `subprotocols` in one header line each.
    pub async fn connect(address: SocketAddr, path: &str, subprotocols: &[&str]) -> Result<Self, Refused> {
        let stream = TcpStream::connect(address).await.expect("the gateway listens");
        Self::shake_hands(stream, path, subprotocols).await
    }

    /// Connects from another address of this machine, such as 127.0.0.2, and offers OCPP 1.6.
    pub async fn connect_from(own: &str, address: SocketAddr, path: &str) -> Result<Self, Refused> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(own.parse().expect("an address"), 0)).expect("an address of this machine");
        let stream = socket.connect(address).await.expect("the gateway listens");
        Self::shake_hands(stream, path, &["ocpp1.6"]).await
    }

    async fn shake_hands(stream: TcpStream, path: &str, subprotocols: &[&str]) -> Result<Self, Refused> {
        stream.set_nodelay(true).expect("a TCP option");
        Self::over(stream, path, subprotocols, &[]).await
    }

    /// Connects as `id` with OCPP 1.6.
    pub async fn ocpp16(address: SocketAddr, id: &str) -> Self {
        Self::connect(address, &format!("/ocpp/{id}"), &["ocpp1.6"]).await.expect("let in")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ChargePoint<S> {
    /// The same over a stream of any kind, with more lines in the head of the request.
    pub async fn over(
        stream: S,
        path: &str,
        subprotocols: &[&str],
        lines: &[(&'static str, &str)],
    ) -> Result<Self, Refused> {
        let mut request = format!("ws://gateway{path}").into_client_request().expect("a URL");
        for (name, value) in lines {
            request.headers_mut().append(*name, HeaderValue::from_str(value).expect("a header"));
        }
        for subprotocol in subprotocols {
            let value = HeaderValue::from_str(subprotocol).expect("a header");
            request.headers_mut().append(header::SEC_WEBSOCKET_PROTOCOL, value);
        }
        let shaken = timeout(TIMEOUT, client_async(request, stream)).await.expect("an answer to the handshake");
        match shaken {
            Ok((socket, response)) => {
                let subprotocol = of(&response, header::SEC_WEBSOCKET_PROTOCOL);
                Ok(ChargePoint { socket, subprotocol })
            }
            // A client of its own would not connect where its offer is ignored; this one wants to see what happens then.
            Err(Error::Http(response)) => Err(Refused {
                status: response.status().as_u16(),
                retry_after: of(&response, header::RETRY_AFTER),
                challenge: of(&response, header::WWW_AUTHENTICATE),
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

    /// Bytes past all of WebSocket's rules.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.expect("sent");
    }

    /// The next text; panics if something else comes.
    pub async fn text(&mut self) -> String {
        loop {
            match self.hear().await {
                Heard::Text(text) => return text,
                Heard::Ping => {}
                Heard::Closed(reason) => panic!("closed instead of a text: {reason:?}"),
            }
        }
    }

    /// The close code and reason; texts before it are passed over.
    pub async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            if let Heard::Closed(reason) = self.hear().await {
                return reason;
            }
        }
    }

    pub async fn hear(&mut self) -> Heard {
        loop {
            match timeout(TIMEOUT, self.socket.next()).await.expect("something from the gateway") {
                Some(Ok(Message::Text(text))) => return Heard::Text(text.as_str().to_owned()),
                Some(Ok(Message::Ping(_))) => return Heard::Ping,
                Some(Ok(Message::Close(frame))) => {
                    return Heard::Closed(frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Heard::Closed(None),
            }
        }
    }

    pub async fn close(mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // The gateway may have been faster.
        let _ = self.socket.close(Some(frame)).await;
    }
}

fn of<T>(response: &Response<T>, name: HeaderName) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
