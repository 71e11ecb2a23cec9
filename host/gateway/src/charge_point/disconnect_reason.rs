//! Why a connection ends, and the close frame that tells the charge point.

use super::socket::Socket;
use ocpp_gateway_deflate::DeflateError;
use ocpp_gateway_mqtt::SubscribeError;
use ocpp_gateway_pipeline::Failure;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WebSocketError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How long the charge point gets to close its half.
const LINGER: Duration = Duration::from_secs(2);

/// Why a connection ended. The text is logged, and sent in the close frame.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DisconnectReason {
    /// The charge point closed the connection, or the network failed.
    #[error("{}", .0.as_ref().map_or("closed by the charge point".into(), |error| format!("connection lost: {error}")))]
    Gone(Option<String>),
    #[error("this charge point has connected again")]
    Replaced,
    /// Both gateways use the same broker.
    #[error("this charge point has connected to another gateway")]
    TakenOver,
    #[error("too many charge points are connected")]
    Full,
    #[error("disconnected by an operator")]
    Kicked,
    #[error("the configuration no longer has this listener, or has changed it")]
    ListenerRemoved,
    /// `on_duplicate` is `refuse`.
    #[error("this charge point is connected already")]
    Duplicate,
    #[error("the gateway is stopping")]
    Shutdown,
    /// The broker is away for longer than `outage_after`: CALLs of the charge point would be answered with errors.
    #[error("the MQTT broker is away: try again later")]
    BrokerAway,
    /// Nothing was received for longer than the idle timeout.
    #[error("nothing was received within the idle timeout")]
    Silent,
    /// Other charge points wait for the memory that is reserved for the message.
    #[error("a message took too long to arrive while others wait for memory")]
    TooSlow,
    #[error("none of the offered subprotocols is enabled")]
    NoCommonVersion,
    /// OCPP-J is text (OCPP-J 1.6 section 4.1).
    #[error("binary message: OCPP-J is text")]
    Binary,
    #[error("text that is not UTF-8")]
    NotUtf8,
    #[error("message too large")]
    TooLarge,
    /// Compressed (RFC 7692), but not as deflate does it.
    #[error("{0}")]
    #[strum(serialize = "not_inflated")]
    NotInflated(DeflateError),
    /// A breach of the WebSocket protocol.
    #[error("{0}")]
    #[strum(serialize = "protocol_error")]
    Protocol(String),
    #[error(transparent)]
    NotSubscribed(NotSubscribed),
}

/// Why a charge point's topics could not be subscribed to.
#[derive(Debug, thiserror::Error)]
pub enum NotSubscribed {
    #[error("the mapping names no topics: {0}")]
    Mapping(Failure),
    #[error("cannot subscribe: {0}")]
    Broker(SubscribeError),
}

impl DisconnectReason {
    /// A name for logs and metrics.
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// The close code (RFC 6455 section 7.4.1). `None`: the connection is closed already.
    fn code(&self) -> Option<CloseCode> {
        Some(match self {
            DisconnectReason::Gone(_) => return None,
            DisconnectReason::Shutdown | DisconnectReason::ListenerRemoved => CloseCode::Away,
            DisconnectReason::Replaced
            | DisconnectReason::TakenOver
            | DisconnectReason::Kicked
            | DisconnectReason::Duplicate
            | DisconnectReason::Silent => CloseCode::Policy,
            DisconnectReason::Full | DisconnectReason::BrokerAway | DisconnectReason::TooSlow => CloseCode::Again,
            DisconnectReason::NoCommonVersion | DisconnectReason::Protocol(_) => CloseCode::Protocol,
            DisconnectReason::Binary => CloseCode::Unsupported,
            DisconnectReason::NotUtf8 | DisconnectReason::NotInflated(_) => CloseCode::Invalid,
            DisconnectReason::TooLarge => CloseCode::Size,
            DisconnectReason::NotSubscribed(_) => CloseCode::Error,
        })
    }

    /// Closes `socket` with a reason, and waits up to `LINGER` until the charge point has closed its half.
    pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: &mut Socket<S>) {
        let Some(code) = self.code() else {
            // Flushes the answer to a close frame, which tungstenite has queued.
            let _ = tokio::time::timeout(LINGER, socket.flush()).await;
            return;
        };
        // A close frame has room for 123 bytes of reason.
        let reason: String = self.to_string().chars().take(100).filter(char::is_ascii).collect();
        let closing = async {
            socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
            // The server closes first (RFC 6455 section 7.1.1), and only its own half.
            socket.stream().shutdown().await?;
            // Closing a socket with unread data sends a reset, which can overtake the close frame: read to the end
            // first.
            let mut discarded = [0; 1024];
            while socket.stream().read(&mut discarded).await? > 0 {}
            Ok::<(), WebSocketError>(())
        };
        // The connection is over even if closing failed.
        let _ = tokio::time::timeout(LINGER, closing).await;
    }
}

impl From<WebSocketError> for DisconnectReason {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::ConnectionClosed | WebSocketError::AlreadyClosed => DisconnectReason::Gone(None),
            WebSocketError::Capacity(CapacityError::MessageTooLong { .. }) => DisconnectReason::TooLarge,
            WebSocketError::Utf8(_) => DisconnectReason::NotUtf8,
            WebSocketError::Protocol(error) if !is_reset(&error) => DisconnectReason::Protocol(error.to_string()),
            WebSocketError::Io(error) => of_stream(&error),
            other => DisconnectReason::Gone(Some(other.to_string())),
        }
    }
}

/// The stream has failed, or what it carries cannot be inflated.
fn of_stream(error: &io::Error) -> DisconnectReason {
    match DeflateError::find(error).copied() {
        Some(DeflateError::TooLarge(_)) => DisconnectReason::TooLarge,
        Some(DeflateError::Protocol(text)) => DisconnectReason::Protocol(text.to_owned()),
        Some(error @ DeflateError::Invalid(_)) => DisconnectReason::NotInflated(error),
        None => DisconnectReason::Gone(Some(error.to_string())),
    }
}

fn is_reset(error: &ProtocolError) -> bool {
    matches!(error, ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing)
}
