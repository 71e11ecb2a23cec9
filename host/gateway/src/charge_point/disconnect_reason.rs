//! How a connection ends, and what the other side is told about it.

use super::socket::Socket;
use ocpp_gateway_mqtt::SubscribeError;
use ocpp_gateway_pipeline::Failure;
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WebSocketError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How long the other side gets to close its half.
const LINGER: Duration = Duration::from_secs(2);

/// Why a connection is over.
#[derive(Debug)]
pub enum DisconnectReason {
    /// The charge point closed it, or the network did.
    Gone(Option<String>),
    /// The same charge point connected again.
    Replaced,
    /// It connected to another gateway on the same broker.
    TakenOver,
    /// There are as many charge points as there may be.
    Full,
    /// An operator wanted it to end.
    Kicked,
    /// The same charge point is connected already, and `on_duplicate` refuses a second connection.
    Duplicate,
    /// The gateway stops.
    Shutdown,
    /// The broker has been away for too long: CALLs of the charge point would have to be answered with errors.
    BrokerAway,
    /// Nothing was heard for longer than the idle timeout.
    Silent,
    /// It took too long to send a message, while others waited for the memory that is kept for it.
    TooSlow,
    /// The client offered subprotocols, and none that is enabled here.
    NoCommonVersion,
    /// OCPP-J is text (OCPP-J 1.6 section 4.1).
    Binary,
    NotUtf8,
    TooLarge,
    /// A breach of the WebSocket protocol.
    Protocol(String),
    NotSubscribed(NotSubscribed),
}

/// Why a charge point's topics could not be subscribed to.
#[derive(Debug, thiserror::Error)]
pub enum NotSubscribed {
    #[error("the mapping does not name its topics: {0}")]
    Mapping(Failure),
    #[error("no subscription: {0}")]
    Broker(SubscribeError),
}

impl DisconnectReason {
    /// A name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            DisconnectReason::Gone(_) => "gone",
            DisconnectReason::Replaced => "replaced",
            DisconnectReason::TakenOver => "taken_over",
            DisconnectReason::Full => "full",
            DisconnectReason::Kicked => "kicked",
            DisconnectReason::Duplicate => "duplicate",
            DisconnectReason::Shutdown => "shutdown",
            DisconnectReason::BrokerAway => "broker_away",
            DisconnectReason::Silent => "silent",
            DisconnectReason::TooSlow => "too_slow",
            DisconnectReason::NoCommonVersion => "no_common_version",
            DisconnectReason::Binary => "binary",
            DisconnectReason::NotUtf8 => "not_utf8",
            DisconnectReason::TooLarge => "too_large",
            DisconnectReason::Protocol(_) => "protocol_error",
            DisconnectReason::NotSubscribed(_) => "not_subscribed",
        }
    }

    /// The close code of RFC 6455 section 7.4.1, if there is somebody to tell.
    fn code(&self) -> Option<CloseCode> {
        Some(match self {
            DisconnectReason::Gone(_) => return None,
            DisconnectReason::Shutdown => CloseCode::Away,
            DisconnectReason::Replaced
            | DisconnectReason::TakenOver
            | DisconnectReason::Kicked
            | DisconnectReason::Duplicate
            | DisconnectReason::Silent => CloseCode::Policy,
            DisconnectReason::Full | DisconnectReason::BrokerAway | DisconnectReason::TooSlow => CloseCode::Again,
            DisconnectReason::NoCommonVersion | DisconnectReason::Protocol(_) => CloseCode::Protocol,
            DisconnectReason::Binary => CloseCode::Unsupported,
            DisconnectReason::NotUtf8 => CloseCode::Invalid,
            DisconnectReason::TooLarge => CloseCode::Size,
            DisconnectReason::NotSubscribed(_) => CloseCode::Error,
        })
    }

    /// Closes `socket` with a reason and waits a moment for the other side to close its half.
    pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: &mut Socket<S>) {
        let Some(code) = self.code() else {
            // What is left to be said is the answer to a close frame, which the socket has ready.
            let _ = tokio::time::timeout(LINGER, socket.flush()).await;
            return;
        };
        // A close frame has room for 123 bytes of reason.
        let reason: String = self.to_string().chars().take(100).filter(char::is_ascii).collect();
        let goodbye = async {
            socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await?;
            // The server is the one to close first (RFC 6455 section 7.1.1). Its own half only: see what follows.
            socket.stream().shutdown().await?;
            // Closing a socket with unread data in it sends a reset, which may overtake the close frame.
            let mut scrap = [0; 1024];
            while socket.stream().read(&mut scrap).await? > 0 {}
            Ok::<(), WebSocketError>(())
        };
        // Whether it worked or not: the connection is over.
        let _ = tokio::time::timeout(LINGER, goodbye).await;
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DisconnectReason::Gone(None) => f.write_str("closed by the charge point"),
            DisconnectReason::Gone(Some(error)) => write!(f, "connection lost: {error}"),
            DisconnectReason::Replaced => f.write_str("this charge point has connected again"),
            DisconnectReason::TakenOver => f.write_str("this charge point has connected to another gateway"),
            DisconnectReason::Full => f.write_str("too many charge points are connected"),
            DisconnectReason::Kicked => f.write_str("disconnected by an operator"),
            DisconnectReason::Duplicate => f.write_str("this charge point is connected already"),
            DisconnectReason::Shutdown => f.write_str("the gateway is stopping"),
            DisconnectReason::BrokerAway => f.write_str("the MQTT broker is away: try again later"),
            DisconnectReason::Silent => f.write_str("nothing heard for too long"),
            DisconnectReason::TooSlow => f.write_str("a message took too long to arrive, and others wait"),
            DisconnectReason::NoCommonVersion => f.write_str("none of the offered subprotocols is enabled"),
            DisconnectReason::Binary => f.write_str("binary message: OCPP-J is text"),
            DisconnectReason::NotUtf8 => f.write_str("text that is not UTF-8"),
            DisconnectReason::TooLarge => f.write_str("message too large"),
            DisconnectReason::Protocol(error) => f.write_str(error),
            DisconnectReason::NotSubscribed(error) => error.fmt(f),
        }
    }
}

impl From<WebSocketError> for DisconnectReason {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::ConnectionClosed | WebSocketError::AlreadyClosed => DisconnectReason::Gone(None),
            WebSocketError::Capacity(CapacityError::MessageTooLong { .. }) => DisconnectReason::TooLarge,
            WebSocketError::Utf8(_) => DisconnectReason::NotUtf8,
            WebSocketError::Protocol(error) if !is_reset(&error) => DisconnectReason::Protocol(error.to_string()),
            other => DisconnectReason::Gone(Some(other.to_string())),
        }
    }
}

fn is_reset(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(error, ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing)
}
