//! How a connection ends, and what the other side is told about it.

use super::socket::Socket;
use ocpp_gateway_mqtt::SubscribeError;
use ocpp_gateway_pipeline::Failure;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as WebSocketError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How long the other side gets to close its half.
const LINGER: Duration = Duration::from_secs(2);

/// Why a connection is over. The text is for the charge point too.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum DisconnectReason {
    /// The charge point closed it, or the network did.
    #[error("{}", .0.as_ref().map_or("closed by the charge point".into(), |error| format!("connection lost: {error}")))]
    Gone(Option<String>),
    #[error("this charge point has connected again")]
    Replaced,
    /// The other gateway is on the same broker.
    #[error("this charge point has connected to another gateway")]
    TakenOver,
    #[error("too many charge points are connected")]
    Full,
    #[error("disconnected by an operator")]
    Kicked,
    /// `on_duplicate` refuses a second connection.
    #[error("this charge point is connected already")]
    Duplicate,
    #[error("the gateway is stopping")]
    Shutdown,
    /// It has been away for too long: CALLs of the charge point would have to be answered with errors.
    #[error("the MQTT broker is away: try again later")]
    BrokerAway,
    /// Nothing was heard for longer than the idle timeout.
    #[error("nothing heard for too long")]
    Silent,
    /// Others wait for the memory that is kept for the message.
    #[error("a message took too long to arrive, and others wait")]
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
    #[error("the mapping does not name its topics: {0}")]
    Mapping(Failure),
    #[error("no subscription: {0}")]
    Broker(SubscribeError),
}

impl DisconnectReason {
    /// A name for logs and metrics.
    pub fn name(&self) -> &'static str {
        self.into()
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

fn is_reset(error: &ProtocolError) -> bool {
    matches!(error, ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing)
}
