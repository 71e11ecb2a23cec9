//! How a connection ends, and what the other side is told about it.

use super::outbox::NotSubscribed;
use crate::socket::Socket;
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
pub enum Ending {
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

impl Ending {
    /// A name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Ending::Gone(_) => "gone",
            Ending::Replaced => "replaced",
            Ending::TakenOver => "taken_over",
            Ending::Full => "full",
            Ending::Kicked => "kicked",
            Ending::Duplicate => "duplicate",
            Ending::Shutdown => "shutdown",
            Ending::BrokerAway => "broker_away",
            Ending::Silent => "silent",
            Ending::TooSlow => "too_slow",
            Ending::NoCommonVersion => "no_common_version",
            Ending::Binary => "binary",
            Ending::NotUtf8 => "not_utf8",
            Ending::TooLarge => "too_large",
            Ending::Protocol(_) => "protocol_error",
            Ending::NotSubscribed(_) => "not_subscribed",
        }
    }

    /// The close code of RFC 6455 section 7.4.1, if there is somebody to tell.
    fn code(&self) -> Option<CloseCode> {
        Some(match self {
            Ending::Gone(_) => return None,
            Ending::Shutdown => CloseCode::Away,
            Ending::Replaced | Ending::TakenOver | Ending::Kicked | Ending::Duplicate | Ending::Silent => {
                CloseCode::Policy
            }
            Ending::Full | Ending::BrokerAway | Ending::TooSlow => CloseCode::Again,
            Ending::NoCommonVersion | Ending::Protocol(_) => CloseCode::Protocol,
            Ending::Binary => CloseCode::Unsupported,
            Ending::NotUtf8 => CloseCode::Invalid,
            Ending::TooLarge => CloseCode::Size,
            Ending::NotSubscribed(_) => CloseCode::Error,
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

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Gone(None) => f.write_str("closed by the charge point"),
            Ending::Gone(Some(error)) => write!(f, "connection lost: {error}"),
            Ending::Replaced => f.write_str("this charge point has connected again"),
            Ending::TakenOver => f.write_str("this charge point has connected to another gateway"),
            Ending::Full => f.write_str("too many charge points are connected"),
            Ending::Kicked => f.write_str("disconnected by an operator"),
            Ending::Duplicate => f.write_str("this charge point is connected already"),
            Ending::Shutdown => f.write_str("the gateway is stopping"),
            Ending::BrokerAway => f.write_str("the MQTT broker is away: try again later"),
            Ending::Silent => f.write_str("nothing heard for too long"),
            Ending::TooSlow => f.write_str("a message took too long to arrive, and others wait"),
            Ending::NoCommonVersion => f.write_str("none of the offered subprotocols is enabled"),
            Ending::Binary => f.write_str("binary message: OCPP-J is text"),
            Ending::NotUtf8 => f.write_str("text that is not UTF-8"),
            Ending::TooLarge => f.write_str("message too large"),
            Ending::Protocol(error) => f.write_str(error),
            Ending::NotSubscribed(error) => error.fmt(f),
        }
    }
}

impl From<WebSocketError> for Ending {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::ConnectionClosed | WebSocketError::AlreadyClosed => Ending::Gone(None),
            WebSocketError::Capacity(CapacityError::MessageTooLong { .. }) => Ending::TooLarge,
            WebSocketError::Utf8(_) => Ending::NotUtf8,
            WebSocketError::Protocol(error) if !is_reset(&error) => Ending::Protocol(error.to_string()),
            other => Ending::Gone(Some(other.to_string())),
        }
    }
}

fn is_reset(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    matches!(error, ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing)
}
